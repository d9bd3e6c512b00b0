//! The input side of a process's terminal: its modes, and whether the process is blocked reading from it.

use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::termios::{LocalModes, tcgetattr};

use super::{files, system};
use crate::model::terminal::prompt::TerminalInput;

/// The modes of the terminal of the processes below `root`, and whether one of them is blocked in reading from it.
/// `None` if it can't be opened. Nothing of it is changed.
pub fn terminal_input(terminal: &Path, root: u32) -> Option<TerminalInput> {
    let file = files::open_terminal(terminal).ok()?;
    let modes = tcgetattr(file.as_fd()).ok()?.local_modes;
    let canonical = modes.contains(LocalModes::ICANON);
    let device = file.metadata().ok()?.rdev();
    Some(TerminalInput {
        canonical,
        echo: modes.contains(LocalModes::ECHO),
        // In the other modes, someone may read single keys all the time.
        has_reader: canonical && system::reads_from_terminal(root, device),
    })
}
