//! The contestants, and how each is started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::reader::Reader;
use crate::running::Running;
use crate::world::World;

/// Socket name of the floor's server.
const SOCKET: &str = "floor";
/// Windows opened by one call: tmux takes 16 KiB at once.
const BATCH: usize = 30;

/// What kind of contestant it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tmo,
    Floor,
    Peer,
}

/// A contestant.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    program: PathBuf,
}

/// Where the output is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    File,
    Pipe,
}

/// tmo, the floor, and the peers that are there.
pub(crate) fn find_all() -> Vec<Tool> {
    let tmux = which::which("tmux").unwrap();
    let mut all = vec![
        Tool { name: "tmo", kind: Kind::Tmo, program: env!("CARGO_BIN_EXE_tmo").into() },
        Tool { name: "floor", kind: Kind::Floor, program: tmux },
    ];
    for name in ["overmind", "hivemind", "foreman", "honcho", "ultraman"] {
        match which::which(name) {
            Ok(program) => all.push(Tool { name, kind: Kind::Peer, program }),
            Err(_) => eprintln!("bars: {name} is not on PATH, left out"),
        }
    }
    all
}

impl Tool {
    /// Run these commands, each as a process named `p0`, `p1` and so on.
    pub(crate) fn start(&self, world: &World, commands: &[String], to: To) -> Running {
        match self.kind {
            Kind::Floor => self.start_floor(world, commands, to),
            Kind::Tmo | Kind::Peer => self.start_by_procfile(world, commands, to),
        }
    }

    fn start_by_procfile(&self, world: &World, commands: &[String], to: To) -> Running {
        let lines = commands.iter().enumerate().map(|(i, command)| format!("p{i}: {command}\n"));
        std::fs::write(world.app().join("Procfile"), lines.collect::<String>()).unwrap();
        let mut command = world.command(&self.program);
        if self.name != "hivemind" {
            command.arg("start");
        }
        let path = world.app().join("out.0");
        command.stderr(File::create(world.app().join("errors")).unwrap());
        match to {
            To::File => command.stdout(File::create(&path).unwrap()),
            To::Pipe => command.stdout(Stdio::piped()),
        };
        let mut child = command.spawn().unwrap();
        let pipe = child.stdout.take().map(|pipe| File::from(std::os::fd::OwnedFd::from(pipe)));
        Running::of_child(child, pipe.map(Reader::new), vec![path])
    }

    fn start_floor(&self, world: &World, commands: &[String], to: To) -> Running {
        let path = |i: usize| world.app().join(format!("out.{i}"));
        let (pipe, files) = match to {
            To::File => (None, (0..commands.len()).map(path).collect()),
            To::Pipe => (Some(fifo(&path(0))), vec![]),
        };
        let mut server = None;
        let all: Vec<_> = commands.iter().enumerate().collect();
        for batch in all.chunks(BATCH) {
            let mut call = self.tmux(world);
            for (i, command) in batch {
                let file = path(if to == To::File { *i } else { 0 });
                window(&mut call, (*i, command), &file);
            }
            let said = call.output().unwrap();
            assert!(said.status.success(), "{said:?}");
            let said = String::from_utf8(said.stdout).unwrap();
            server = server.or_else(|| said.trim().parse().ok());
        }
        Running::of_server(self.tmux(world), server.unwrap(), pipe.map(Reader::new), files)
    }

    fn tmux(&self, world: &World) -> Command {
        let mut call = world.command(&self.program);
        call.args(["-L", SOCKET, "-f", "/dev/null"]);
        call
    }

    /// The command that lists what runs, where there is one.
    pub(crate) fn ps(&self, world: &World) -> Option<Command> {
        self.client(world, &["list-panes", "-a"], &["ps"])
    }

    /// The command that restarts the process `p0`, where there is one.
    pub(crate) fn restart(&self, world: &World) -> Option<Command> {
        self.client(world, &["respawn-pane", "-k", "-t", "=s:=p0"], &["restart", "p0"])
    }

    fn client(&self, world: &World, of_tmux: &[&str], of_tmo: &[&str]) -> Option<Command> {
        let mut command = match self.kind {
            Kind::Floor => self.tmux(world),
            Kind::Tmo | Kind::Peer => world.command(&self.program),
        };
        match self.kind {
            Kind::Floor => command.args(of_tmux),
            Kind::Tmo => command.args(of_tmo),
            Kind::Peer if self.name == "overmind" => command.args(of_tmo),
            Kind::Peer => return None,
        };
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Some(command)
    }
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

/// A pipe with a name, open at this end so that it stays when a writer goes.
fn fifo(path: &Path) -> File {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    File::options().read(true).write(true).open(path).unwrap()
}
