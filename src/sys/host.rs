//! Identifies the machine, and the container on it, that this process runs on.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{boot_id, pid_namespace};
use crate::model::request::Host;

/// This machine, with the identity of a runtime directory on it.
pub fn host(runtime: &Path) -> Host {
    let hostname = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    Host {
        hostname: hostname.unwrap_or_default(),
        boot: boot_id(),
        pid_namespace: pid_namespace(),
        runtime_id: file_id(runtime),
    }
}

fn file_id(path: &Path) -> Option<String> {
    let found = path.symlink_metadata().ok()?;
    Some(format!("{:x}:{:x}", found.dev(), found.ino()))
}
