//! pm2: its daemon where files are read, `pm2-runtime` where a stream is read.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::{foreground, logs};
use crate::reader::PATIENCE;
use crate::running::{End, Running, output_within};
use crate::shared::World;
use crate::tool::{To, Tool};
use crate::wait::eventually_within;

pub(crate) const NOTE: &str = "where a file is read, `pm2 start` and an `out_file` for each process, ended by `pm2 kill`; \
     where a stream is read, `pm2-runtime start --raw`; `interpreter: 'none'`, `autorestart: \
     false`; list and restart are `pm2 ls` and `pm2 restart`";

const CONFIG: &str = "ecosystem.config.js";

pub(crate) fn start(tool: &Tool, world: &World, commands: &[String], to: To) -> Running {
    let files = logs(world, commands.len());
    let mut config = "module.exports = { apps: [\n".to_owned();
    for (i, (command, file)) in commands.iter().zip(&files).enumerate() {
        let (program, words) = command.split_once(' ').unwrap_or((command, ""));
        let _ = writeln!(
            config,
            "{{ name: 'p{i}', script: '{program}', args: '{words}', interpreter: 'none', \
             autorestart: false, merge_logs: true, out_file: '{}' }},",
            file.display()
        );
    }
    config.push_str("] };\n");
    std::fs::write(world.app().join(CONFIG), config).unwrap();
    match to {
        To::File => daemon(tool, world, files),
        To::Pipe => {
            let mut command = world.command(tool.program.with_file_name("pm2-runtime"));
            command.args(["start", CONFIG, "--raw"]);
            foreground::run(world, command, to)
        }
    }
}

fn daemon(tool: &Tool, world: &World, files: Vec<PathBuf>) -> Running {
    let call = |words: &[&str]| -> Command {
        let mut call = world.command(&tool.program);
        call.args(words);
        call
    };
    // With a hundred processes it takes its time.
    let _ = output_within(call(&["start", CONFIG]), PATIENCE * 5);
    let pid = world.home().join(".pm2/pm2.pid");
    let pid = eventually_within(PATIENCE, "the daemon of pm2 is there", || {
        std::fs::read_to_string(&pid).ok()?.trim().parse().ok()
    });
    Running::of_server(pid, End::Call(call(&["kill"])), None, files)
}
