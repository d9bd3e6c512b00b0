//! Those that stay in the foreground and show all output, as `foreman start` does.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::reader::Reader;
use crate::running::Running;
use crate::shared::World;
use crate::tool::{Kind, To, Tool};

/// Run what a Procfile says.
pub(crate) fn by_procfile(
    tool: &Tool,
    world: &World,
    words: &[&str],
    commands: &[String],
    to: To,
) -> Running {
    let lines = commands.iter().enumerate().map(|(i, command)| format!("p{i}: {command}\n"));
    std::fs::write(world.app().join("Procfile"), lines.collect::<String>()).unwrap();
    let mut command = world.command(&tool.program);
    command
        .args(words)
        .env("TMO_BACKEND", if tool.kind == Kind::Native { "native" } else { "tmux" });
    run(world, command, to)
}

/// Run what the arguments say.
pub(crate) fn by_arguments(tool: &Tool, world: &World, commands: &[String], to: To) -> Running {
    let names: Vec<_> = (0..commands.len()).map(|i| format!("p{i}")).collect();
    let mut command = world.command(&tool.program);
    command.args(["--names", &names.join(",")]).args(commands);
    run(world, command, to)
}

/// Run this command as a shell does in a terminal: in a process group of its own.
pub(super) fn run(world: &World, mut command: Command, to: To) -> Running {
    let path = world.app().join("out");
    command.stderr(File::create(world.app().join("errors")).unwrap()).process_group(0);
    match to {
        To::File => command.stdout(File::create(&path).unwrap()),
        To::Pipe => command.stdout(Stdio::piped()),
    };
    let mut child = command.spawn().unwrap();
    let pipe = child.stdout.take().map(|pipe| Reader::new(File::from(OwnedFd::from(pipe))));
    Running::of_child(child, pipe, vec![path])
}
