//! supervisord in the foreground, with a configuration made for the occasion.

use std::fmt::Write as _;
use std::process::Command;

use super::{foreground, logs};
use crate::running::Running;
use crate::shared::World;
use crate::tool::{To, Tool};

pub(crate) const NOTE: &str = "`supervisord -n`, a program for each process, all in one group, `startsecs=0`, so that a restart does not wait \
     for a second; where a file is read, each process has its `stdout_logfile`, where a stream is \
     read, that is `/dev/fd/1`; list and restart are those of `supervisorctl`; it does not end when \
     its processes do";

const CONFIG: &str = "supervisord.conf";

pub(crate) fn start(tool: &Tool, world: &World, commands: &[String], to: To) -> Running {
    let app = world.app();
    let app = app.display();
    let mut config = format!(
        "[unix_http_server]\nfile={app}/supervisor.sock\n\
         [supervisord]\nlogfile={app}/supervisord.log\npidfile={app}/supervisord.pid\n\
         childlogdir={app}\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
         [supervisorctl]\nserverurl=unix://{app}/supervisor.sock\n"
    );
    // Those of one group are stopped together, others one after the other.
    let names: Vec<_> = (0..commands.len()).map(|i| format!("p{i}")).collect();
    let _ = writeln!(config, "[group:all]\nprograms={}", names.join(","));
    let files = logs(world, commands.len());
    for (i, (command, file)) in commands.iter().zip(&files).enumerate() {
        let log = match to {
            To::File => format!("stdout_logfile={}", file.display()),
            To::Pipe => "stdout_logfile=/dev/fd/1\nstdout_logfile_maxbytes=0".to_owned(),
        };
        let _ = writeln!(
            config,
            "[program:p{i}]\ncommand={command}\nstartsecs=0\nautorestart=false\n\
             redirect_stderr=true\n{log}"
        );
    }
    std::fs::write(world.app().join(CONFIG), config).unwrap();
    let mut command = world.command(&tool.program);
    command.args(["-n", "-s", "-c", CONFIG]);
    let mut running = foreground::run(world, command, to);
    running.files = files;
    running
}

/// A call of `supervisorctl`.
pub(crate) fn call(tool: &Tool, world: &World, words: &[&str]) -> Command {
    let mut command = world.command(tool.program.with_file_name("supervisorctl"));
    command.args(["-c", CONFIG]).args(words);
    command
}
