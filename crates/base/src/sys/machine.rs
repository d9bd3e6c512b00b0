//! Which machine this is, and which directories others share with it.

use std::path::Path;
use std::sync::LazyLock;

use super::{host_name, is_on_network, system};

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
