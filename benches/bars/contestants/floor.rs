//! Bare tmux: a window for each process, a `cat` behind its pane.

use std::path::Path;
use std::process::Command;

use super::{fifo, logs};
use crate::reader::Reader;
use crate::running::{End, Running};
use crate::shared::World;
use crate::tool::{To, Tool};

/// Socket name of its server.
const SOCKET: &str = "floor";
/// Windows opened by one call: tmux takes 16 KiB at once.
const BATCH: usize = 30;

pub(crate) fn start(tool: &Tool, world: &World, commands: &[String], to: To) -> Running {
    let mut files = logs(world, commands.len());
    let pipe = (to == To::Pipe).then(|| {
        files.truncate(1);
        Reader::new(fifo(&files[0]))
    });
    let mut server = None;
    let all: Vec<_> = commands.iter().enumerate().collect();
    for batch in all.chunks(BATCH) {
        let mut call = call(tool, world, &[]);
        for (i, command) in batch {
            window(&mut call, (*i, command), &files[*i % files.len()]);
        }
        let said = call.output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8(said.stdout).unwrap();
        server = server.or_else(|| said.trim().parse().ok());
    }
    let end = End::Call(self::call(tool, world, &["kill-server"]));
    Running::of_server(server.unwrap(), end, pipe, files)
}

/// A call of its tmux.
pub(crate) fn call(tool: &Tool, world: &World, words: &[&str]) -> Command {
    let mut call = world.command(&tool.program);
    call.args(["-L", SOCKET, "-f", "/dev/null"]).args(words);
    call
}

/// A window with a process in it, and its pipe into this file.
fn window(call: &mut Command, (i, command): (usize, &str), file: &Path) {
    let name = format!("p{i}");
    if i == 0 {
        call.args(["new-session", "-d", "-P", "-F", "#{pid}", "-s", "s"]);
    } else {
        if i % BATCH > 0 {
            call.arg(";");
        }
        call.args(["new-window", "-d", "-t", "=s:"]);
    }
    call.args(["-n", &name, "sh", "-c", command, ";", "pipe-pane", "-t", &format!("=s:={name}")]);
    call.arg(format!("exec cat >> {}", file.display()));
}
