//! Checks other runs of this user for leftovers, wherever they were started.

use std::fmt::Write as _;
use std::path::Path;

use super::report::Report;
use super::scratch;
use crate::backend::tmux::socket;
use crate::cli::error::CliError;
use crate::cli::project::input::Start;
use crate::cli::reach::leftovers;
use crate::config::dirs::runtime_base;
use crate::engine::persisted_state::adoptable;
use crate::model::plan::Plan;
use crate::run::dir::RuntimeDir;
use crate::run::{listen, registry};
use crate::sys;
use crate::sys::dial::{self, ListenerState};

const CHECK: &str = "runs";

/// Report existing runs, and those whose supervisor is dead.
pub(super) fn look(report: &mut Report, start: &Start) {
    let env = &start.context.env;
    let dirs = match registry::runtime_dirs(env) {
        Ok(dirs) => dirs,
        Err(error) => return report.fail(CHECK, CliError::io(runtime_base(env).display())(error)),
    };
    let mut living = 0;
    for runtime in dirs {
        if runtime.is_held() {
            living += 1;
        } else if let Some(pid) = doctor(runtime.dir()) {
            forgotten(report, start, runtime.dir(), pid);
        } else {
            left(report, &runtime);
        }
    }
    for left in leftovers::left_over(env) {
        report.note(CHECK, left);
    }
    report.ok(CHECK, format!("you have {living}; `tmo ls` lists them"));
}

/// Report what a run without a supervisor has left behind.
fn left(report: &mut Report, runtime: &RuntimeDir) {
    let dir = runtime.dir().display();
    let Ok(plan) = runtime.plan() else {
        if runtime.plan_file().exists() || runtime.state_file().exists() {
            let text =
                format!("{dir} can't be read; `rm -r {dir}` once none of its processes lives");
            report.note(CHECK, text);
        }
        return;
    };
    let (root, flags) = (plan.root.as_path().display(), flags(&plan));
    match adoptable(runtime) {
        Ok(true) => report.note(
            CHECK,
            format!(
                "processes live in {root} whose supervisor was killed; `tmo ps {flags}` goes on \
                 with them, `tmo quit {flags}` ends them"
            ),
        ),
        Ok(false) => {
            let dead =
                |path: &std::path::PathBuf| matches!(dial::probe(path), Ok(ListenerState::Dead));
            let socket = plan.socket.as_path().to_owned();
            let sockets = listen::own_sockets(runtime.dir()).into_iter().chain([socket]);
            let mut text = format!("a run in {root} was killed and has left files");
            for socket in sockets.filter(dead) {
                // Writing to a string does not fail.
                let _ = write!(text, ", {} that nobody listens on", socket.display());
            }
            report.note(CHECK, text + &format!("; `tmo cleanup {flags}` removes them"));
        }
        Err(error) => report.note(CHECK, format!("{root}: {error}")),
    }
}

/// The flags that select a run.
fn flags(plan: &Plan) -> String {
    match &plan.tcp {
        Some(tcp) => format!("-S {} -s {}", tcp.network.name(), tcp.address),
        None => format!("-s {}", plan.socket.as_path().display()),
    }
}

/// The process that created this directory, if it was a `tmo doctor`.
fn doctor(dir: &Path) -> Option<u32> {
    dir.file_name()?.to_str()?.strip_prefix(scratch::NAME)?.parse().ok()
}

/// A `tmo doctor` that was killed could not end its server or shim. After the server's end, its socket remains.
fn forgotten(report: &mut Report, start: &Start, dir: &Path, pid: u32) {
    if sys::info(pid).is_none() {
        let name = format!("tmo-{}{pid}", scratch::NAME);
        let socket = socket::of_name(start.context.env.caller(socket::TMUX_DIR), &name);
        let shims: Vec<_> = scratch::shims(dir).map(|shim| shim.pid.to_string()).collect();
        let dir = dir.display();
        // If it was killed before it started anything, there are only files.
        let todo = if socket.exists() {
            let socket = socket.display();
            format!("`tmux -L {name} kill-server; rm -r {dir} {socket}` removes it")
        } else if !shims.is_empty() {
            format!("`kill -HUP {}; rm -r {dir}` removes it", shims.join(" "))
        } else {
            format!("`rm -r {dir}` removes it")
        };
        report.note(CHECK, format!("a killed `tmo doctor` has left {dir}; {todo}"));
    }
}
