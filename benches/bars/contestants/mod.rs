//! How each contestant is started and asked.

pub(crate) mod floor;
pub(crate) mod foreground;
pub(crate) mod mprocs;
pub(crate) mod pm2;
pub(crate) mod supervisord;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::shared::World;

/// The log of each process.
fn logs(world: &World, processes: usize) -> Vec<PathBuf> {
    (0..processes).map(|i| world.app().join(format!("p{i}.log"))).collect()
}

/// A pipe with a name, open at this end so that it stays when a writer goes.
fn fifo(path: &Path) -> File {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    File::options().read(true).write(true).open(path).unwrap()
}
