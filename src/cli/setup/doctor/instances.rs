//! Checks other runs of this user for leftovers, wherever they were started.

use std::fmt::Write as _;

use super::report::Report;
use crate::cli::error::CliError;
use crate::cli::project::input::Start;
use crate::cli::reach::leftovers;
use crate::config::dirs::runtime_base;
use crate::engine::persisted_state::adoptable;
use crate::model::plan::Plan;
use crate::run::dir::RuntimeDir;
use crate::run::{listen, registry};
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
