//! Children that ended or stopped.

use std::io;

use rustix::process::{WaitId, WaitIdOptions, WaitOptions};

use super::rustix_pid;

/// Reap this child if it has ended; returns whether it is gone now.
pub fn reap(pid: u32) -> io::Result<bool> {
    Ok(rustix::process::waitpid(Some(rustix_pid(pid)?), WaitOptions::NOHANG)?.is_some())
}

/// The signal that has stopped this child since the last call, if one has.
pub fn stopped_by(pid: u32) -> io::Result<Option<i32>> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    let status = rustix::process::waitid(WaitId::Pid(rustix_pid(pid)?), options)?;
    Ok(status.and_then(|status| status.stopping_signal()))
}
