//! `tmo restart`, `stop`, `signal` and `scale`: a request about processes.

use std::thread;

use super::reload;
use crate::cli::args::{ClientArgs, values};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::persona::Persona;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::request::{self, change_order};
use crate::cli::runtime::block_on;
use crate::model::ProcName;
use crate::model::request::Request;
use crate::model::signal::SignalName;

/// Restart processes; without names, all of them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo restart web               returns when the new one runs
  tmo restart 'worker*'         by pattern
  tmo restart                   all")]
pub(in crate::cli) struct RestartArgs {
    #[command(flatten)]
    processes: NamesArgs,
    /// Restart them all at once, whatever they depend on.
    #[arg(long)]
    no_deps: bool,
    /// Restart what `tmo ps` marks with `*`: settings or programs that have changed since they were
    /// read. New settings apply, as with `tmo reload`.
    #[arg(long, conflicts_with_all = ["names", "no_deps"])]
    drifted: bool,
}

/// Stop processes; without names, all of them. The run itself stays up.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo stop worker               returns when it and all it started are gone
  tmo restart worker            starts it again")]
pub(in crate::cli) struct StopArgs {
    #[command(flatten)]
    processes: NamesArgs,
}

#[derive(clap::Args)]
pub(in crate::cli) struct NamesArgs {
    /// Process names, `*` patterns, or Procfile entries (all their instances).
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    names: Vec<String>,
    /// Return as soon as the request is accepted, not when it is done.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Send a signal to processes; without names, to all.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo signal USR1 web           to its process group
  tmo signal HUP")]
pub(in crate::cli) struct SignalArgs {
    /// The signal: USR1, HUP, 10 …
    #[arg(add = values::signal())]
    signal: SignalName,
    /// The processes; without names, all that run.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    names: Vec<String>,
    #[command(flatten)]
    client: ClientArgs,
}

/// Change how many instances of a process run.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo scale worker=3            run worker, worker#2 and worker#3
  tmo scale worker=1 web=2
  tmo scale worker=0            the same as `tmo stop worker`

For this run only; `tmo start --formation worker=3` starts with three.")]
pub(in crate::cli) struct ScaleArgs {
    /// Processes and how many instances of each: worker=3.
    #[arg(value_name = "NAME=N", required = true, value_parser = instances,
        add = values::count())]
    counts: Vec<(String, u16)>,
    /// Return as soon as the request is accepted, not when it is done.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// `worker=3`.
fn instances(text: &str) -> Result<(String, u16), String> {
    let Some((name, count)) = text.split_once('=') else {
        return Err(format!("say how many, as in {text}=3"));
    };
    let count = count.parse().map_err(|_| format!("`{count}` is not a number up to 65535"))?;
    Ok((name.to_owned(), count))
}

/// Restart processes, or those that have changed since they were started.
pub(in crate::cli) fn restart(args: &RestartArgs) -> Result<u8, CliError> {
    let RestartArgs { processes: NamesArgs { names, no_wait, client }, no_deps, drifted } = args;
    if *drifted {
        return reload::restart_drifted(client, !no_wait);
    }
    let mut instance = Instance::find(client)?;
    let is_tmo = Persona::here() == Persona::Tmo;
    // The files are read while the supervisor restarts. Without a thread for it, only the hint is missing.
    let (runtime, named) = (instance.runtime.clone(), names.clone());
    let read = move || reload::changed_since_read(&runtime, &named);
    let reading = is_tmo.then(|| thread::Builder::new().spawn(read).ok()).flatten();
    let request = Request::Restart { names: names.clone(), order: change_order(*no_deps) };
    let code = block_on(request::request(&mut instance, request, !no_wait))?;
    if let Some(reading) = reading.filter(|_| instance.on_this_machine().is_ok())
        && let Ok(changed) = reading.join()
        && !changed.is_empty()
    {
        let changed: Vec<_> = changed.iter().map(ProcName::as_str).collect();
        output::warn(&format!(
            "the settings of {} have changed since the run read them; `tmo reload{}` applies them",
            changed.join(", "),
            instance.flags()
        ));
    }
    Ok(code)
}

pub(in crate::cli) fn stop(args: &StopArgs) -> Result<u8, CliError> {
    let NamesArgs { names, no_wait, client } = &args.processes;
    let request = Request::Stop { names: names.clone(), order: change_order(false) };
    carry_out(client, request, !no_wait)
}

pub(in crate::cli) fn signal(args: &SignalArgs) -> Result<u8, CliError> {
    let request = Request::Signal { signal: args.signal, names: args.names.clone() };
    carry_out(&args.client, request, true)
}

pub(in crate::cli) fn scale(args: &ScaleArgs) -> Result<u8, CliError> {
    let counts = args.counts.iter().cloned().collect();
    carry_out(&args.client, Request::Scale { counts }, !args.no_wait)
}

/// Have the run carry out a request; returns the exit code.
pub(super) fn carry_out(client: &ClientArgs, request: Request, wait: bool) -> Result<u8, CliError> {
    let mut instance = Instance::find(client)?;
    block_on(request::request(&mut instance, request, wait))
}
