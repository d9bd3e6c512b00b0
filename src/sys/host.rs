//! Identifies the machine, and the container on it, that this process runs on.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{boot_id, pid_namespace};
use crate::model::request::Host;

/// This machine, with the identity of a runtime directory on it.
pub fn host(runtime: &Path) -> Host {
    Host {
        hostname: host_name(),
        boot: boot_id(),
        pid_namespace: pid_namespace(),
        runtime_id: file_id(runtime),
    }
}

/// The name of this machine; empty if it has none.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
}

fn file_id(path: &Path) -> Option<String> {
    let found = path.symlink_metadata().ok()?;
    Some(format!("{:x}:{:x}", found.dev(), found.ino()))
}
