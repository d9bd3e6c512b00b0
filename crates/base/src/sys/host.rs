//! Identifies the machine, and the container on it, that this process runs on; and which directories other machines share.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::LazyLock;

use super::{boot_id, is_on_network, pid_namespace, system};
use crate::model::state::Host;

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

/// Whether this is a name of this machine: its own, or one that stands beside that in `/etc/hosts`, such as the full one.
pub fn is_own_name(name: &str) -> bool {
    let own = host_name();
    name.eq_ignore_ascii_case(&own)
        || super::files::read_plain(Path::new("/etc/hosts")).is_ok_and(|text| {
            String::from_utf8_lossy(&text).lines().any(|line| {
                let names = line.split('#').next().unwrap_or_default().split_whitespace().skip(1);
                let has = |wanted: &str| names.clone().any(|one| one.eq_ignore_ascii_case(wanted));
                has(&own) && has(name)
            })
        })
}

fn file_id(path: &Path) -> Option<String> {
    let found = path.symlink_metadata().ok()?;
    Some(format!("{:x}:{:x}", found.dev(), found.ino()))
}

/// What tells this machine from others that see the same files: its id, or its name if it has none.
pub fn machine() -> &'static str {
    static MACHINE: LazyLock<String> =
        LazyLock::new(|| system::machine_id().unwrap_or_else(host_name));
    &MACHINE
}

/// Whether other machines may see the files of a directory: it is on a network file system. One that does not exist
/// yet is where it will be.
pub fn is_shared(dir: &Path) -> bool {
    dir.ancestors().find(|dir| dir.is_dir()).is_some_and(is_on_network)
}
