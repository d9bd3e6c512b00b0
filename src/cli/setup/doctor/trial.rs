//! Runs a process as a start would do it, and reports the result.

use std::ffi::{OsStr, OsString};

use super::environment::{self, Compared, Variables, variables};
use super::report::Report;
use super::scratch::{Scratch, ScratchFindings};
use super::{terminals, tmux};
use crate::cli::error::CliError;
use crate::cli::runtime;
use crate::cli::view::stop_signal;
use crate::config::dirs::runtime_base;
use crate::config::load::Context;
use crate::model::plan::{Backend, Plan};
use crate::model::process_env::process_env;

/// Run a process of this plan in a terminal of its own, and report the result; an error if a signal ends the command.
pub(super) fn try_out(
    report: &mut Report,
    context: &Context,
    plan: Option<&Plan>,
    trial: &Plan,
) -> Result<(), CliError> {
    let check = check(trial);
    let seen = Scratch::new(trial, &runtime_base(&context.env)).and_then(|scratch| {
        runtime::block_on(async {
            let looked = unless_interrupted(scratch.look()).await;
            scratch.end().await;
            looked
        })
    });
    match seen {
        Err(error @ CliError::Start { .. }) => return Err(error),
        Err(error) => report.fail(check, format!("it can't be tried: {error}")),
        Ok(Ok(seen)) => report_trial(report, context, plan, trial, seen),
        Ok(Err(error)) if trial.backend == Backend::Native => report.fail(check, error),
        Ok(Err(error)) => {
            report.fail_so(check, format!("no server starts: {error}"), "run `tmux` to see why");
        }
    }
    Ok(())
}

/// The check that a trial of this plan belongs to.
const fn check(trial: &Plan) -> &'static str {
    match trial.backend {
        Backend::Tmux => tmux::CHECK,
        Backend::Native => terminals::CHECK,
    }
}

fn report_trial(
    report: &mut Report,
    context: &Context,
    plan: Option<&Plan>,
    trial: &Plan,
    findings: ScratchFindings,
) {
    let ScratchFindings { utempter, first, config, later } = findings;
    let check = check(trial);
    let is_native = trial.backend == Backend::Native;
    if !is_native {
        report.ok(check, "a server starts and answers");
    }
    if utempter == Some(true) {
        report.note(
            check,
            "it is linked with libutempter and so misses exits of processes; tmo detects them \
             itself, no action is needed",
        );
    }
    match &config {
        Some((path, verdict)) => tmux::report_config(report, path, verdict),
        None if is_native => {}
        None => tmux::check_other_config(report, &context.env),
    }
    let first = match first {
        Ok(first) => first,
        Err(error) => return report.fail("environment", error),
    };
    if is_native {
        report.ok(check, "a process runs in one");
    }
    compare(report, context, plan, trial, first.clone());
    match later {
        None => {}
        Some(Ok(later)) => report_variables_set_later(report, &first, &later),
        Some(Err(error)) if config.is_some() => report.fail_so(
            "tmux.conf",
            format!("after it was read, no process can be started: {error}"),
            "give another one with `-F`, perhaps /dev/null, and add its lines one by one",
        ),
        Some(Err(error)) => report.fail("environment", format!("no second process runs: {error}")),
    }
}

/// Compare the environment of a process with that of this command.
///
/// The trial ran without env files, so the variables that they set are added to both sides.
fn compare(
    report: &mut Report,
    context: &Context,
    plan: Option<&Plan>,
    trial: &Plan,
    mut child: Variables,
) {
    let of_first = |plan: &Plan| Some(variables(process_env(plan, plan.processes.first()?)));
    let Some(mut given) = of_first(trial) else { return };
    let here = variables(context.env.of_caller().pairs());
    let path = OsStr::new("PATH");
    if child.get(path) == given.get(path)
        && let Some(whole) = here.get(path)
    {
        // Parts of PATH were left out too.
        child.insert(path.into(), whole.clone());
        given.insert(path.into(), whole.clone());
    }
    let with_files = plan.and_then(of_first).unwrap_or_default();
    for (name, _) in context.env.set_by_files() {
        if let Some(value) = with_files.get(name) {
            child.insert(name.into(), value.clone());
            given.insert(name.into(), value.clone());
        }
    }
    let from_file = |name: &OsStr| {
        let set = context.env.get(name).filter(|_| context.env.is_from_file(name));
        set.is_some() && set == given.get(name).map(OsString::as_os_str)
    };
    let compared = Compared { here: &here, given: &given, from_file: &from_file, child: &child };
    environment::tell(report, &compared);
}

/// Report what tmux's configuration has changed for processes in new windows.
fn report_variables_set_later(report: &mut Report, first: &Variables, later: &Variables) {
    /// Differ for each process anyway.
    const OWN: [&str; 2] = ["TMUX_PANE", "TMO_PROCESS"];
    let mut changes = environment::changes(first, later);
    changes.retain(|change| !OWN.iter().any(|own| change.name == *own));
    if !changes.is_empty() {
        let names = environment::list(changes.iter());
        let text = format!("it changes variables of processes opened later: {names}");
        report.note("tmux.conf", text);
    }
}

/// Run this, unless a signal ends the command.
async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    tokio::select! {
        // The signals are caught before anything is started.
        biased;
        stopped = stop_signal() => {
            stopped.map_err(CliError::io("signals"))?;
            Err(CliError::Start { message: "interrupted".to_owned(), code: 130 })
        }
        done = work => Ok(done),
    }
}
