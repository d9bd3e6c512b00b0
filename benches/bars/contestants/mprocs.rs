//! mprocs in a terminal of its own.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::process::Command;

use nix::pty::{Winsize, openpty};

use super::{fifo, logs};
use crate::reader::Reader;
use crate::running::{End, Running};
use crate::shared::World;
use crate::tool::{To, Tool};

pub(crate) const NOTE: &str = "in a terminal of 80 × 24; where a file is read, `--log-dir`, where a stream is read, \
     `--log-file` with a FIFO; it is stopped by the key `q`, its restart is `--ctl '{c: \
     restart-proc}'`; it has no list and no stream that a reader could hold up, and stays when its \
     processes have ended";

/// Where the address lies at which it takes commands.
const ADDRESS: &str = "address";

pub(crate) fn start(tool: &Tool, world: &World, commands: &[String], to: To) -> Running {
    let mut config = "procs:\n".to_owned();
    for (i, command) in commands.iter().enumerate() {
        let _ = writeln!(config, "  p{i}:\n    shell: \"{command}\"");
    }
    std::fs::write(world.app().join("mprocs.yaml"), config).unwrap();
    // Free a moment ago, and nobody else begins to listen meanwhile but on a number of its own.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    std::fs::write(world.app().join(ADDRESS), &address).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).unwrap();
    let mut command = world.command("setsid");
    command.arg("--ctty").arg(&tool.program).args(["--server", &address]);
    let files = logs(world, commands.len());
    let pipe = match to {
        To::File => {
            command.args(["--log-dir", "."]);
            None
        }
        To::Pipe => {
            let path = world.app().join("log");
            command.arg("--log-file").arg(&path);
            Some(Reader::new(fifo(&path)))
        }
    };
    command.stdin(terminal.slave.try_clone().unwrap());
    command.stdout(terminal.slave.try_clone().unwrap()).stderr(terminal.slave);
    let child = command.spawn().unwrap();
    // The command holds the terminal open here too.
    drop(command);
    let keyboard = File::from(terminal.master);
    let mut screen = keyboard.try_clone().unwrap();
    // Somebody looks at it; the end of the last process in it is an error here.
    std::thread::spawn(move || while screen.read(&mut [0; 1 << 14]).is_ok_and(|n| n > 0) {});
    let mut running = Running::of_child(child, pipe, files);
    running.end = End::Key(keyboard);
    running
}

/// The call that restarts what is chosen, which is the first.
pub(crate) fn restart(tool: &Tool, world: &World) -> Command {
    let address = std::fs::read_to_string(world.app().join(ADDRESS)).unwrap_or_default();
    let mut command = world.command(&tool.program);
    command.args(["--server", &address, "--ctl", "{c: restart-proc}"]);
    command
}
