//! Cleans up a run without a supervisor: kills its processes, removes its files.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::instance::{Instance, WAITS};
use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::{output, runtime};
use crate::client::ClientError;
use crate::client::address::Address;
use crate::config::Env;
use crate::config::place::dirs::{on_machine, runtime_base, state_base};
use crate::model::event::list;
use crate::model::units;
use crate::pane::process_tree::{named, named_with_ports};
use crate::run::dir::RuntimeDir;
use crate::run::forced_end::{Forced, Reach, remaining};
use crate::run::listen;
use crate::run::lock::{Door, RunLock};
use crate::run::registry::{self, Standing};
use crate::sys::dial::ListenerState;
use crate::sys::{self, ProcInfo, files};

/// How long another command may hold the start lock. That command may be stopped, and `kill` must work
/// nevertheless.
const START_LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// `tmo kill` if the supervisor has not done it, for this reason. Returns the reason if this machine has no
/// trace of a run.
pub(in crate::cli) fn kill(instance: &Instance, reason: CliError) -> Result<u8, CliError> {
    if matches!(instance.address(), Address::Tcp(_)) && instance.other_directory().is_none() {
        return Err(reason);
    }
    let refused = runtime::block_on(instance.refuse_other_run())
        .and_then(|()| instance.refuse_sessions_of_other_project());
    if let Err(refused) = refused {
        return Err(if instance.parts().is_empty() { reason } else { refused });
    }
    let _door = enter(instance)?;
    let by_name = || instance.other_directory().and_then(RuntimeDir::end_by_search);
    let is_pending = matches!(reason, CliError::Client(ClientError::Pending { .. }));
    let forced = instance.runtime.end_by_force(Reach::EverySession).map_err(|error| {
        if !is_pending {
            return error.into();
        }
        CliError::Other(format!(
            "{error}; the supervisor was asked to end the run too, and will when it resumes"
        ))
    });
    let Some(forced) = forced?.or_else(by_name) else { return Err(reason) };
    if forced.was_over && matches!(reason, CliError::Problems(_) | CliError::NothingRuns { .. }) {
        return Err(reason);
    }
    refuse(&forced.report.left)?;
    tell(&reason, &forced);
    remove(instance, &forced.sockets)?;
    Ok(0)
}

/// `tmo kill` if the runtime directory can't be trusted, for this reason. It finds the run in the process
/// table and leaves the directory alone. Returns the reason if no part of the run is alive.
pub(in crate::cli) fn search(args: &ClientArgs, reason: CliError) -> Result<u8, CliError> {
    let instance = Instance::unchecked(args)?;
    instance.refuse_unknown_project()?;
    let Some(forced) = instance.runtime.end_by_search() else { return Err(reason) };
    refuse(&forced.report.left)?;
    tell(&reason, &forced);
    for socket in forced.sockets.iter().chain([&instance.socket.path]) {
        remove_stale(socket)?;
    }
    Ok(0)
}

/// Whether a start was in progress, and has led to a run by now.
pub(in crate::cli) fn has_begun(instance: &Instance) -> bool {
    let entered = Door::enter_within(instance.runtime.dir(), Some(Duration::ZERO), || ());
    entered.is_ok_and(|door| door.is_some()) && instance.runtime.is_held()
}

/// `tmo kill` after the supervisor has ended the run: wait until all its parts have exited, and end
/// the run without the supervisor if it has missed one.
pub(in crate::cli) fn finish(instance: &Instance, parts: &[ProcInfo]) -> Result<(), CliError> {
    let Some(left) = remaining(parts) else { return Ok(()) };
    let reason = format!("{} (pid {}) was left by the supervisor", left.comm, left.pid);
    kill(instance, CliError::Other(reason)).map(drop)
}

fn tell(reason: &CliError, forced: &Forced) {
    use ClientError::{Pending, Silent, TakingOver};
    let count = units::processes(forced.report.ended, "");
    let reason = match reason {
        CliError::NothingRuns { .. } => "nobody answers at its socket".to_owned(),
        // These errors advise the user to type this very command.
        CliError::Client(Silent { .. } | Pending { .. } | TakingOver { .. }) => {
            "its supervisor does not answer".to_owned()
        }
        reason => reason.to_string(),
    };
    output::warn(&format!("{reason}; ended the run without its supervisor ({count})"));
    if let Some(spared) = spared(&forced.report.exempt) {
        output::warn(&spared);
    }
}

/// What is alive of a run without a supervisor, and what ends it.
pub(in crate::cli) fn remains(instance: &Instance) -> Option<String> {
    remains_at(&instance.runtime, "here", &format!("`tmo kill{}`", instance.flags()))
}

/// The same of a run at this place, which this command ends.
pub(in crate::cli) fn remains_at(runtime: &RuntimeDir, place: &str, kill: &str) -> Option<String> {
    const MOST: usize = 5;
    let left = runtime.remains();
    let (shown, more) = left.split_at(left.len().min(MOST));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let list = list(&named(shown));
    (!left.is_empty()).then(|| {
        format!(
            "no supervisor answers {place}, but processes of a run live: {list}{more}; {kill} ends them"
        )
    })
}

/// The processes that were left running on purpose.
pub(in crate::cli) fn spared(exempt: &[ProcInfo]) -> Option<String> {
    let list = list(&named_with_ports(exempt));
    (!exempt.is_empty()).then(|| format!("left running on purpose: {list}"))
}

/// Lock the runtime directory against starts, if the lock is free in time. It is created if it is missing: otherwise a
/// start could create it now, and take over the run whose parts are being ended.
fn enter(instance: &Instance) -> Result<Option<Door>, CliError> {
    let dir = instance.runtime.dir();
    loop {
        // Without its parent, no run of this session is there. An empty directory is removed with the lock.
        let is_made = dir.parent().is_some_and(Path::is_dir) && files::make_dirs(dir).is_ok();
        match Door::enter_within(dir, Some(START_LOCK_PATIENCE), || output::warn(&WAITS)) {
            // A run that has just ended has removed it.
            Err(error) if is_made && error.kind() == ErrorKind::NotFound => {}
            entered => {
                let entered = files::if_there(entered).map_err(CliError::io("the lock"))?;
                return Ok(entered.flatten());
            }
        }
    }
}

/// An error if some process could not be killed.
pub(in crate::cli) fn refuse(left: &[ProcInfo]) -> Result<(), CliError> {
    if left.is_empty() {
        return Ok(());
    }
    let list = list(&named(left));
    Err(CliError::Other(format!("these processes can't be ended: {list}")))
}

/// Remove the files of a dead run, and these tmux sockets; returns what was removed.
pub(in crate::cli) fn remove(
    instance: &Instance,
    of_tmux: &[PathBuf],
) -> Result<Vec<String>, CliError> {
    let runtime = &instance.runtime;
    let mut done = vec![];
    if runtime.dir().is_dir() {
        let there = runtime.plan_file().exists() || runtime.state_file().exists();
        runtime.clear().map_err(CliError::io(runtime.dir().display()))?;
        if there {
            done.push(format!("removed what the run had left in {}", runtime.dir().display()));
        }
        // No other command can take it: they wait for the start lock.
        if let Ok(lock) = RunLock::acquire(runtime.dir()) {
            lock.release(runtime.dir());
        }
        for socket in listen::own_sockets(runtime.dir()) {
            remove_stale(&listen::temporary(&socket))?;
            remove_stale(&socket)?;
        }
    }
    for socket in of_tmux {
        if remove_stale(socket)? {
            done.push(format!("removed {}", socket.display()));
        }
    }
    let path = &instance.socket.path;
    let shown = instance.socket.shown.display();
    remove_stale(&listen::temporary(path))?;
    let unlinked = listen::unlink_own(path, runtime.dir()).map_err(CliError::io(&shown))?;
    // The socket may belong to a run of another session of this user whose supervisor is dead, which can still
    // be taken over.
    let is_free = || runtime.of_other_sessions().is_empty();
    if unlinked || is_free() && remove_stale(path)? {
        done.push(format!("removed {shown}"));
    }
    Ok(done)
}

/// Remove a socket of this user that has no listener; anything else stays.
fn remove_stale(path: &Path) -> Result<bool, CliError> {
    let is_dead = || matches!(listen::probe_own(path), Ok(ListenerState::Dead));
    if !listen::is_own_socket(path) || !is_dead() {
        return Ok(false);
    }
    let what = format!("the socket {} of a run that is over can't be removed", path.display());
    let removed = files::if_there(std::fs::remove_file(path)).map_err(CliError::io(what))?;
    Ok(removed.is_some())
}

/// What is alive of the runs that have no supervisor and can't be taken over.
pub(in crate::cli) fn left_over(env: &Env) -> Vec<String> {
    let marks = sys::all().into_iter();
    let marks = marks.filter_map(|process| sys::variable_of(process.pid, "TMO_SESSION"));
    // The id of a run is the name of its runtime directory and a time.
    let names: BTreeSet<String> =
        marks.filter_map(|run| Some(run.rsplit_once('-')?.0.to_owned())).collect();
    // Without the records of past runs, the list itself is complete.
    let known = registry::all(env).unwrap_or_default();
    let left = |name: &String| {
        // Records have names of their own where other machines see them, but not the runtime directories.
        let recorded = || known.get(&on_machine(&state_base(env), name.clone()));
        let run = known.get(name).or_else(recorded)?;
        let runtime = RuntimeDir::new(runtime_base(env).join(name));
        let is_kept =
            run.standing == Standing::Held || runtime.has_survivors() || runtime.has_keeper();
        let place = format!("in {}", run.last.origin.as_ref()?.as_path().display());
        if is_kept { None } else { remains_at(&runtime, &place, "`tmo kill` there") }
    };
    names.iter().filter_map(left).collect()
}
