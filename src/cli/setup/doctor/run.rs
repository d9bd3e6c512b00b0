//! Checks the run here: the versions of its parts, and whether its environment still matches that of this
//! shell.

use std::path::Path;

use super::environment::{self, variables};
use super::report::Report;
use crate::backend::tmux::{Tmux, TmuxError};
use crate::cli::project::input::Start;
use crate::cli::reach::request::state_at;
use crate::cli::runtime;
use crate::client::Client;
use crate::model::plan::{Backend, Plan};
use crate::model::state::State;
use crate::model::text::OsText;
use crate::protocol::life::Traces;
use crate::protocol::paths::PanePaths;
use crate::protocol::tmux_socket::TMUX_DIR;
use crate::sys;

const OWN: &str = env!("CARGO_PKG_VERSION");

/// Report the version and path of this program.
pub(super) fn version(report: &mut Report) {
    use std::env::consts::{ARCH, OS};
    let at = std::env::current_exe().unwrap_or_default();
    report.ok("version", format!("tmo {OWN} ({}) on {OS}, {ARCH}", at.display()));
}

/// Report on the run here.
pub(super) fn look(
    report: &mut Report,
    start: &Start,
    fresh: Option<&Plan>,
    program: Option<&Path>,
) {
    let asked = runtime::block_on(async { Ok(state_at(&start.address()).await?) });
    let state = match asked {
        Ok(state) => state,
        Err(error) => return report.fail("run", error),
    };
    let remedy = "`tmo quit`, then `tmo start` restarts it with this one";
    let mut parts = vec![("the supervisor".to_owned(), state.version.clone(), state.pid)];
    if let Ok(plan) = start.runtime.plan() {
        parts.extend(plan.processes.iter().filter_map(|process| {
            let paths = PanePaths::new(start.runtime.dir(), &process.name);
            let (version, pid) = shim(&paths)?;
            Some((format!("the shim of {}", process.name), version, pid))
        }));
        if let Some(fresh) = fresh {
            environment(report, &plan, fresh);
        }
        if let Some(program) = program.filter(|_| plan.backend == Backend::Tmux) {
            tmux(report, start, &plan, program, &state);
        }
    }
    let odd: Vec<String> = parts.iter().filter_map(|part| odd(start, part)).collect();
    if odd.is_empty() {
        report.ok("run", format!("all parts are tmo {OWN} (pid {})", state.pid));
    } else {
        report.note("run", format!("{}; {remedy}", odd.join(", ")));
    }
}

/// Check whether the installed tmux can talk to the running server, which may be another version.
fn tmux(report: &mut Report, start: &Start, plan: &Plan, program: &Path, state: &State) {
    let mut asking = plan.clone();
    asking.tmux = program.into();
    // With the environment of this command, but the socket directory of that run.
    let is_dir = |(name, _): &(OsText, OsText)| name.as_bytes() == TMUX_DIR.as_bytes();
    asking.env = start.context.env.of_caller().pairs();
    asking.env.retain(|pair| !is_dir(pair));
    let dir = OsText::from(TMUX_DIR);
    let of_run = plan.caller_env().get(&dir).map(|&value| (dir.clone(), value.clone()));
    asking.env.extend(of_run);
    asking.origin = None;
    let tmux = Tmux::new(&asking, start.runtime.dir());
    let asked = runtime::block_on(async {
        let asked = tmux.survey().await;
        if !asked.as_ref().is_err_and(TmuxError::is_unreachable) {
            return Ok((asked, false));
        }
        // The supervisor needs tmux for a screen, and makes a lost socket of tmux again.
        let of_terminal = state.processes.iter().find(|process| process.pane.is_some());
        if let Some(process) = of_terminal
            && let Ok(client) = Client::connect(&start.address()).await
        {
            // If this fails, so does the next call.
            let _ = client.screen(&format!("={}", process.name), false).await;
        }
        Ok((tmux.survey().await, true))
    });
    match asked {
        Ok((Err(error), _)) => {
            let text = format!("its tmux server does not answer: {error}");
            report.fail_so("run", text, "`tmo quit`, then `tmo start` starts it again");
        }
        Ok((Ok(_), true)) => {
            report.note(
                "run",
                "the socket of its tmux server was gone; the server has made it again",
            );
        }
        Ok((Ok(_), false)) | Err(_) => {}
    }
}

/// Version and process id of a pane's shim, if it is alive.
fn shim(paths: &PanePaths) -> Option<(String, u32)> {
    let Traces { shim, version, .. } = Traces::read(&paths.life());
    let shim = shim.filter(|shim| sys::alive(*shim))?;
    Some((version, shim.pid))
}

/// The problem with a part of the run, if there is one.
fn odd(start: &Start, (part, version, pid): &(String, String, u32)) -> Option<String> {
    if version != OWN {
        return Some(format!("{part} is of tmo {version}"));
    }
    match sys::program_of(*pid)? {
        (path, false) => {
            Some(format!("{part} is a program that was replaced ({})", path.display()))
        }
        (path, true) if !same(&path, &start.tmo) => {
            Some(format!("{part} is another program ({})", path.display()))
        }
        _ => None,
    }
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok() == other.canonicalize().ok()
}

/// Report what has changed in the shell since the run was started.
fn environment(report: &mut Report, old: &Plan, fresh: &Plan) {
    let variables = |plan: &Plan| variables(plan.env.iter().cloned());
    let mut changes = environment::changes(&variables(old), &variables(fresh));
    changes.retain(|change| !environment::is_noise(change));
    if !changes.is_empty() {
        let names = environment::list(changes.iter());
        let text = format!(
            "the run here was started with other variables than are set now: {names}; `tmo quit`, \
             then `tmo start` takes them over"
        );
        report.note("environment", text);
    }
}
