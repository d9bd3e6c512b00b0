//! Checks which tmux is installed, and whether it works.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::task::Poll;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::environment::{self, Compared, Variables};
use super::report::Report;
use super::scratch::{Scratch, Seen};
use crate::backend::tmux::TmuxError;
use crate::backend::tmux::version::{self, VersionError};
use crate::cli::error::CliError;
use crate::cli::start::Start;
use crate::config::dirs::runtime_base;
use crate::config::inherit::is_ignored;
use crate::config::load::{Context, callers_tmux, find_for_plan};
use crate::config::{Env, OwnPath};
use crate::model::plan::Plan;
use crate::model::text::OsText;
use crate::plan::process_env;

const CHECK: &str = "tmux";

/// Find the caller's own tmux, outside of the project; returns the program if it is usable.
pub(super) fn find(report: &mut Report, start: &Start, own: &OwnPath) -> Option<PathBuf> {
    let found = own.find("tmux");
    let by_caller = callers_tmux(&start.context);
    let of_start = find_for_plan(&start.context, own, "tmux");
    if let Some(other) = by_caller.filter(|other| found.as_ref() != Some(other)) {
        let other = other.display();
        let why = "PATH names a directory of the project, or a relative one";
        report.note(CHECK, format!("{other} is passed over, since {why}"));
    } else if let Some(other) = of_start.filter(|other| found.as_ref() != Some(other)) {
        let other = other.display();
        let why = "an env file sets PATH";
        report.note(CHECK, format!("a start uses {other}; it is not tried here, since {why}"));
    }
    let asked = crate::cli::block_on(async {
        let path = found.ok_or(VersionError::Missing)?;
        let said = version::ask(&path).await?;
        Ok((path, said))
    });
    match asked {
        Ok((path, said)) => {
            report.ok(CHECK, format!("{} is {said}", path.display()));
            return Some(path);
        }
        Err(CliError::Tmux(error @ VersionError::Missing)) => {
            let todo = "install tmux 3.0 or later, or add its directory to PATH";
            report.fail_so(CHECK, error, todo);
        }
        Err(CliError::Tmux(error @ VersionError::TooOld { .. })) => {
            report.fail_so(CHECK, error, "install a newer one, or put it first in PATH");
        }
        Err(CliError::Tmux(error @ VersionError::Broken { .. })) => {
            report.fail_so(CHECK, error, "run that yourself, and reinstall tmux");
        }
        Err(error) => report.fail(CHECK, error),
    }
    None
}

/// Start a server of our own with this plan, and report the result; an error if a signal ends the command.
pub(super) fn try_out(
    report: &mut Report,
    context: &Context,
    (plan, trial): (Option<&Plan>, &Plan),
) -> Result<(), CliError> {
    let scratch = match Scratch::new(trial, &runtime_base(&context.env)) {
        Ok(scratch) => scratch,
        Err(error) => {
            report.fail(CHECK, format!("it can't be tried: {error}"));
            return Ok(());
        }
    };
    let seen = crate::cli::block_on(async {
        let looked = unless_interrupted(scratch.look()).await;
        scratch.end().await;
        looked
    });
    match seen {
        Err(error @ CliError::Start { .. }) => return Err(error),
        Err(error) => report.fail(CHECK, format!("it can't be tried: {error}")),
        Ok(Ok(seen)) => report_trial(report, context, (plan, trial), seen),
        Ok(Err(error)) => {
            report.fail_so(CHECK, format!("no server starts: {error}"), "run `tmux` to see why");
        }
    }
    Ok(())
}

fn report_trial(report: &mut Report, context: &Context, plans: (Option<&Plan>, &Plan), seen: Seen) {
    let Seen { utempter, first, config, later } = seen;
    report.ok(CHECK, "a server starts and answers");
    if utempter == Some(true) {
        report.note(
            CHECK,
            "it is linked with libutempter and so misses exits of processes; tmo detects them \
             itself, no action is needed",
        );
    }
    match &config {
        Some((path, verdict)) => report_config(report, path, verdict),
        None => check_other_config(report, &context.env),
    }
    let first = match first {
        Ok(first) => first,
        Err(error) => return report.fail("environment", error),
    };
    compare(report, context, plans, first.clone());
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

fn report_config(report: &mut Report, path: &Path, verdict: &Result<(), TmuxError>) {
    const CHECK: &str = "tmux.conf";
    match verdict {
        Ok(()) => report.ok(CHECK, format!("{} is read", path.display())),
        Err(TmuxError::Refused { words, .. }) => {
            report.note(CHECK, format!("{words}; tmo works without it, your keys perhaps don't"));
        }
        Err(error) => report.note(CHECK, error),
    }
}

/// Report configuration files that tmux itself would read.
fn check_other_config(report: &mut Report, env: &Env) {
    let home = || Some(env.caller_dir("HOME")?.join(".config"));
    let dir = env.caller_dir("XDG_CONFIG_HOME").or_else(home);
    if let Some(path) = dir.map(|dir| dir.join("tmux/tmux.conf")).filter(|path| path.exists()) {
        let path = path.display();
        report.note("tmux.conf", format!("{path} is not read; `-F {path}` has it read"));
    }
}

/// Compare the environment of a process with that of this command.
///
/// The trial ran without env files, so the variables that they set are added to both sides.
fn compare(
    report: &mut Report,
    context: &Context,
    (plan, trial): (Option<&Plan>, &Plan),
    mut child: Variables,
) {
    let pairs = |pairs: Vec<(OsText, OsText)>| -> Variables {
        pairs.into_iter().map(|(name, value)| (name.0, value.0)).collect()
    };
    let of_first = |plan: &Plan| Some(pairs(process_env(plan, plan.processes.first()?)));
    let Some(mut given) = of_first(trial) else { return };
    let here = pairs(context.env.of_caller().pairs());
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
    let none = Variables::new();
    let compared = Compared { here: first, given: &none, from_file: &|_| false, child: later };
    let mut changes = environment::changes(&compared);
    changes.retain(|change| !OWN.iter().any(|own| change.name == *own));
    if !changes.is_empty() {
        let names = environment::list(changes.iter());
        let text = format!("it changes variables of processes opened later: {names}");
        report.note("tmux.conf", text);
    }
}

/// Run this, unless a signal ends the command.
async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let mut signals = vec![];
    for kind in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        if !is_ignored(kind) {
            let kind = SignalKind::from_raw(kind as i32);
            signals.push(signal(kind).map_err(CliError::io("signals"))?);
        }
    }
    let any = std::future::poll_fn(|context| {
        let come = |signal: &mut tokio::signal::unix::Signal| signal.poll_recv(context).is_ready();
        if signals.iter_mut().any(come) { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::select! {
        done = work => Ok(done),
        () = any => Err(CliError::Start { message: "interrupted".to_owned(), code: 130 }),
    }
}
