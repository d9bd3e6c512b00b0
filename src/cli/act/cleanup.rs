//! `tmo cleanup`: removes the leftovers of a run whose tmo processes were all killed.

use std::path::Path;

use crate::cli::args::ClientArgs;
use crate::cli::reach::instance::{Instance, WAITS};
use crate::cli::reach::leftovers::{refuse, remains, remove, spared};
use crate::cli::{CliError, output};
use crate::client::address::Address;
use crate::engine::persisted_state::adoptable;
use crate::model::units;
use crate::run::dir::{RuntimeDir, RuntimeDirError};
use crate::run::forced_end::{Forced, Reach};
use crate::run::listen;
use crate::run::lock::{self, Door};
use crate::sys::{self, files};

/// Clean up after a run that was killed entirely.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo cleanup                   says what it did; leaves a live run alone

It ends only processes marked as this run's, and removes only its files and sockets that nobody
listens on. The log is kept.")]
pub(in crate::cli) struct CleanupArgs {
    #[command(flatten)]
    client: ClientArgs,
}

/// Kill and remove the leftovers, and report them. A run that is alive and can be taken over is left alone,
/// and so is a run of another session, which has its own runtime directory.
pub(in crate::cli) fn cleanup(args: &CleanupArgs) -> Result<u8, CliError> {
    let instance = Instance::find(&args.client)?;
    instance.refuse_leftovers_of_other_project()?;
    instance.refuse_project_above()?;
    let runtime = &instance.runtime;
    let is_unknown = instance.is_of_nothing_known();
    let entered = Door::enter(runtime.dir(), || output::warn(&WAITS));
    let door = files::if_there(entered).map_err(CliError::io("the lock"))?;
    let forced = if door.is_some() { end_leftovers(runtime)? } else { Forced::default() };
    let mut done = vec![];
    if forced.report.ended > 0 {
        done.push(format!("ended {}", units::processes(forced.report.ended, "")));
    }
    done.extend(spared(&forced.report.exempt));
    done.extend(remove(&instance, &forced.sockets)?);
    let others = runtime.of_other_sessions();
    done.extend(others.iter().map(|dir| left_alone(dir)));
    let left = if others.is_empty() { remains(&instance) } else { None };
    let unknown = || CliError::DeadSocket(Address::Unix(instance.socket.shown.clone()));
    let error = left.map(CliError::Other).or_else(|| is_unknown.then(unknown));
    if error.is_none() && done.is_empty() {
        done.push("nothing is left over here".to_owned());
    }
    output::print_each(done.iter().map(|line| format!("{line}\n")))?;
    error.map_or(Ok(0), Err)
}

/// Kill what a dead run has left. The sockets are those of its tmux servers.
fn end_leftovers(runtime: &RuntimeDir) -> Result<Forced, CliError> {
    if lock::is_held(runtime.dir()).map_err(CliError::io("the lock"))?
        || listen::own_sockets(runtime.dir()).iter().any(|socket| listen::answers(socket))
    {
        let text = "a run is here, nothing is left over; `tmo quit` ends it".to_owned();
        return Err(CliError::Other(text));
    }
    let tmux = runtime.saved().ok().and_then(|saved| saved.tmux);
    let mut forced = match adoptable(runtime) {
        Ok(true) => {
            let text = "processes live here whose supervisor was killed: `tmo start` goes on \
                        with them, `tmo quit` ends them";
            return Err(CliError::Other(text.to_owned()));
        }
        Ok(false) => Forced::default(),
        // The files of the run are damaged, so it can't be taken over.
        Err(
            RuntimeDirError::Lost { .. }
            | RuntimeDirError::Stray { .. }
            | RuntimeDirError::OtherSession { .. },
        ) => runtime.end_by_force(Reach::OwnDirectory)?.unwrap_or_default(),
        Err(error) => return Err(error.into()),
    };
    forced.report.add(runtime.kill_orphans());
    refuse(&forced.report.left)?;
    let gone = tmux.filter(|server| !sys::alive(server.id()));
    forced.sockets.extend(gone.map(|server| server.socket.as_path().to_owned()));
    Ok(forced)
}

fn left_alone(dir: &Path) -> String {
    let dir = dir.display();
    format!("left alone what lives here of a run of another session ({dir}); `tmo kill` ends it")
}
