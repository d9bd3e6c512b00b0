//! `tmo config`, which shows the settings in effect for each process and their sources, and `tmo start --print-config`.

use nix::sys::signal::Signal;
use serde::Serialize;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::output::table::columns;
use crate::cli::output::{self, Versioned};
use crate::cli::project::input::Start;
use crate::config::StartOptions;
use crate::config::load::find_program;
use crate::model::ProcName;
use crate::model::plan::rules::Hooks;
use crate::model::plan::{Backend, LogPolicy, OnExit, Plan, ProcessPlan};
use crate::model::text::untrusted::shown;
use crate::model::text::{OsText, shell};
use crate::plan::{Explained, explain, explain_backend};

/// Show the settings of each process, and where each comes from.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo config                    each process's keys, their values and their sources
  tmo config web -c web         web only, as if started with this flag
  tmo config --json | jq '.processes[].settings[] | select(.from != \"default\")'

Only the names of variables are shown.")]
pub(in crate::cli) struct ConfigArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    start: StartOptions,
}

#[derive(Serialize)]
struct ConfigDocument<'a> {
    backend: Explained,
    processes: Vec<ProcessSettings<'a>>,
    hooks: &'a Hooks,
    crash_dir: Option<&'a OsText>,
}

#[derive(Serialize)]
struct ProcessSettings<'a> {
    name: &'a ProcName,
    settings: Vec<Explained>,
}

/// Print the settings of the named processes, or of all.
pub(in crate::cli) fn config(args: &ConfigArgs) -> Result<u8, CliError> {
    let mut start = Start::gather(args.start.clone())?;
    // Here the names select what to show, not what to start.
    let names = std::mem::take(&mut start.typed.names);
    let plan = start.preview(&|name| find_program(&start.context, name))?;
    CliError::refuse_unknown(&names, plan.processes.iter())?;
    let (loaded, mut settings) = (start.context.load(&start.typed)?, start.settings()?);
    settings.spread_groups(&loaded)?;
    let processes = plan
        .processes
        .iter()
        .filter(|process| names.is_empty() || names.iter().any(|word| process.is_meant(word)));
    let processes = processes.map(|process| ProcessSettings {
        name: &process.name,
        settings: explain(&loaded, &settings, &plan, process),
    });
    let document = ConfigDocument {
        backend: explain_backend(&loaded.toml, &settings),
        processes: processes.collect(),
        hooks: &plan.hooks,
        crash_dir: plan.crash_dir.as_ref(),
    };
    if args.json {
        return output::print_json(&Versioned::new(document));
    }
    let of_run = if names.is_empty() { table("", [&document.backend]) } else { String::new() };
    let block = |process: &ProcessSettings<'_>| {
        format!("{}\n{}", process.name, table("  ", &process.settings))
    };
    output::print(&(of_run + &document.processes.iter().map(block).collect::<String>()))
}

/// Three columns, after this indent: key, value, source.
fn table<'a>(indent: &str, rows: impl IntoIterator<Item = &'a Explained>) -> String {
    /// Longer cells do not widen their column, so that a long command does not shift all sources.
    const WIDEST: usize = 40;
    let row = |row: &Explained| {
        [format!("{indent}{}", row.key), shown(&value(&row.value)).into_owned(), row.from.clone()]
    };
    columns(&rows.into_iter().map(row).collect::<Vec<_>>(), WIDEST)
}

/// A value in the syntax of `tmo.toml`.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(|item| shell::quoted(&self::value(item))).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => toml(value),
    }
}

/// The same for a nested value: `[{ log = "up", timeout = "5s" }]`.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(words) => {
            let words = words.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", words.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

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
pub(in crate::cli) fn print_effective(
    plan: &Plan,
    daemonize: bool,
    show_timestamps: bool,
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
