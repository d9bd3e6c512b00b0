//! `tmo start --print-config`: shows what would be run, without running it.

use nix::sys::signal::Signal;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::model::plan::{Backend, LogPolicy, OnExit, Plan, ProcessPlan};
use crate::model::text::OsText;

/// The effective settings from flags, variables, files and defaults. The names are those of the flags.
#[derive(Serialize)]
struct EffectiveConfig<'a> {
    title: &'a str,
    procfile: &'a OsText,
    root: &'a OsText,
    network: &'static str,
    socket: &'a OsText,
    daemonize: bool,
    show_timestamps: bool,
    /// Seconds.
    timeout: f64,
    backend: Backend,
    tmux: &'a OsText,
    tmux_config: Option<&'a OsText>,
    log: &'a LogPolicy,
    processes: Vec<EffectiveProcess<'a>>,
}

/// One process, as it would be run.
#[derive(Serialize)]
struct EffectiveProcess<'a> {
    name: &'a str,
    command: &'a OsText,
    shell: &'a OsText,
    port: Option<u16>,
    color: u8,
    stop_signal: String,
    on_exit: OnExit,
    /// Whether it starts with the run.
    begins: bool,
}

fn process(plan: &ProcessPlan) -> EffectiveProcess<'_> {
    let signal = Signal::try_from(plan.stop_signal).map_or("", Signal::as_str);
    EffectiveProcess {
        name: plan.name.as_str(),
        command: &plan.command,
        shell: &plan.shell,
        port: plan.port,
        color: plan.color,
        stop_signal: signal.trim_start_matches("SIG").to_owned(),
        on_exit: plan.on_exit,
        begins: !plan.waits,
    }
}

/// Print it as JSON, without the environment, which may contain secrets.
pub(in crate::cli) fn print(
    plan: &Plan,
    (daemonize, show_timestamps): (bool, bool),
) -> Result<u8, CliError> {
    let millis = u32::try_from(plan.grace_ms).unwrap_or(u32::MAX);
    let config = EffectiveConfig {
        title: &plan.title,
        procfile: &plan.procfile,
        root: &plan.root,
        network: plan.tcp.as_ref().map_or("unix", |tcp| tcp.network.name()),
        socket: &plan.socket_shown,
        daemonize,
        show_timestamps,
        timeout: f64::from(millis) / 1000.0,
        backend: plan.backend,
        tmux: &plan.tmux,
        tmux_config: plan.tmux_config.as_ref(),
        log: &plan.log,
        processes: plan.processes.iter().map(process).collect(),
    };
    output::print_json(&config)
}
