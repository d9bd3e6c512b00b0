//! A program with a terminal of its own that is not displayed. It can be ended in any way.

use std::fs::File;
use std::io::Write as _;
use std::process::Child;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{Winsize, openpty};

use super::World;
use super::procs;
use super::wait::eventually;

/// The program and the other end of its terminal.
pub(crate) struct Pty {
    child: Child,
    terminal: Option<File>,
}

/// How a terminal session ends abruptly.
pub(crate) const ABRUPT_ENDS: [&str; 6] =
    ["SIGKILL", "SIGTERM", "SIGHUP", "closed", "SIGTERM and closed", "SIGKILL at once"];

impl Pty {
    /// Run tmo with these arguments in a terminal of this size.
    pub(crate) fn tmo(world: &World, args: &[&str], columns: u16, rows: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let slave = File::from(pty.slave);
        // It makes the terminal its own and becomes the program.
        let mut command = world.command("setsid");
        command.args(["-c", env!("CARGO_BIN_EXE_tmo")]).args(args);
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        let child = command.spawn().unwrap();
        Self { child, terminal: Some(File::from(pty.master)) }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Type this.
    pub(crate) fn types(&self, text: &str) {
        self.terminal.as_ref().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// End it in one of [`ABRUPT_ENDS`], and wait until it is gone.
    pub(crate) fn end(mut self, way: &str) {
        let signal = match way {
            "SIGTERM" | "SIGTERM and closed" => 15,
            "SIGHUP" => 1,
            "closed" => 0,
            _ => 9,
        };
        if signal != 0 {
            procs::kill(self.pid(), signal);
        }
        if way.contains("closed") {
            self.terminal = None;
        }
        eventually(&format!("a client that is ended by {way} goes"), || {
            self.child.try_wait().unwrap()
        });
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Gone already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
