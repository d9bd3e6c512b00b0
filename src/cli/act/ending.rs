//! `tmo quit`, `tmo kill` and `tmo detach`: end the run, or only its views.

use std::time::Duration;

use tokio::time::timeout;

use crate::api::answers::Detached;
use crate::cli::args::ClientArgs;
use crate::cli::persona::Persona;
use crate::cli::reach::instance::{self, Instance};
use crate::cli::reach::{leftovers, request};
use crate::cli::{CliError, output, runtime};
use crate::model::request::Request;
use crate::run::forced_end::remaining;
use crate::sys::ProcInfo;

/// Stop everything, as Ctrl-C does.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo quit                      returns when all processes are gone")]
pub(in crate::cli) struct QuitArgs {
    #[command(flatten)]
    client: ClientArgs,
}

/// Kill everything at once, without a grace period.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo kill                      SIGKILL every process, then exit")]
pub(in crate::cli) struct KillArgs {
    #[command(flatten)]
    client: ClientArgs,
}

/// Detach `tmo start` from its terminal; the processes keep running.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo detach                    from another terminal
  tmo start                     shows the log again, with what was missed")]
pub(in crate::cli) struct DetachArgs {
    #[command(flatten)]
    client: ClientArgs,
}

/// How long `kill` lets the supervisor end the run itself; it may have to wait for CPU time.
const KILL_LIMIT: Duration = Duration::from_secs(60);

/// How long `kill` waits for another supervisor to take over if that of the run was killed.
const KILL_TAKEOVER_LIMIT: Duration = Duration::from_secs(5);

/// The error of `tmo detach` if there is nothing to detach.
const NO_VIEW: &str = "nothing to detach: no terminal shows the log of this run";

/// End the run, and wait until all its parts have exited.
pub(in crate::cli) fn quit(args: &QuitArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let mut parts = vec![];
    let asked = async {
        let server = instance.server().await?;
        parts = instance.parts();
        request::request_of(&instance, server, Request::Quit, true).await
    };
    let code = runtime::block_on(asked)?;
    if let Some(part) = remaining(&parts) {
        let (name, pid) = (&part.comm, part.pid);
        output::warn(&format!(
            "the run is over, but {name} (pid {pid}) has not exited: `kill -9 {pid}` ends it"
        ));
    } else if Persona::here() == Persona::Tmo {
        output::print_on_terminal("the run has ended\n")?;
    }
    Ok(code)
}

/// End the run at once, with or without its supervisor.
pub(in crate::cli) fn kill(args: &KillArgs) -> Result<u8, CliError> {
    let mut instance = match Instance::find(&args.client) {
        Err(error @ CliError::Dir(_)) => return leftovers::search(&args.client, error),
        found => found?,
    };
    instance.takeover_limit = KILL_TAKEOVER_LIMIT;
    let mut parts = vec![];
    let mut ended = runtime::block_on(killed_by_supervisor(&mut instance, &mut parts));
    if matches!(ended, Err(CliError::NothingRuns { .. })) && leftovers::has_begun(&instance) {
        ended = runtime::block_on(killed_by_supervisor(&mut instance, &mut parts));
    }
    match ended {
        Ok(code) => leftovers::finish(&instance, &parts).map(|()| code),
        Err(error) => leftovers::kill(&instance, error),
    }
}

/// Have the supervisor kill the run, and collect the parts of the run.
async fn killed_by_supervisor(
    instance: &mut Instance,
    parts: &mut Vec<ProcInfo>,
) -> Result<u8, CliError> {
    let ended = async {
        let server = instance.server().await?;
        // The answer of the server names the runtime directory, so the parts of the run can be looked for
        // only now.
        *parts = instance.parts();
        request::request_of(instance, server, Request::Kill, true).await
    };
    match timeout(KILL_LIMIT, ended).await {
        Ok(done) => done,
        Err(_) => Err(CliError::Other(format!(
            "the supervisor has not ended the run within {} s",
            KILL_LIMIT.as_secs()
        ))),
    }
}

/// Detach the views and let the processes run on.
pub(in crate::cli) fn detach(args: &DetachArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let asked = async {
        instance::tmo_only(&mut instance).await?;
        instance.refuse_other_run().await?;
        instance.ask(async |client| client.detach().await).await
    };
    let text = match runtime::block_on(asked)? {
        Detached { views: 0, .. } => return Err(CliError::Other(NO_VIEW.to_owned())),
        Detached { gone: true, .. } => return Ok(0),
        Detached { .. } => {
            "its terminal may be stopped (Ctrl-Q lets it go on); it leaves when it can"
        }
    };
    Err(CliError::Other(text.to_owned()))
}
