//! Checks which tmux is installed, and which configuration it reads.

use super::backend::Chosen;
use super::report::Report;
use crate::backend::tmux::Tmux;
use crate::backend::tmux::version::VersionError;
use crate::cli::project::input::Start;
use crate::cli::project::tmux::{Unusable, Usable};
use crate::config::OwnPath;
use crate::config::load::{callers_tmux, find_for_plan};
use crate::model::plan::Plan;

const CHECK: &str = "tmux";

/// Report the caller's own tmux, and why it can't be used. That is a failure only if a start insists on tmux.
pub(super) fn look(report: &mut Report, start: &Start, own: &OwnPath, chosen: &Chosen) {
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
        report.note(CHECK, format!("a start uses {other}; it is not run here, since {why}"));
    }
    match &chosen.tmux {
        Ok(Usable { path, version }) => {
            report.ok(CHECK, format!("{} is {version}", path.display()));
        }
        Err(unusable) if chosen.insists => fail(report, unusable),
        Err(_) => {}
    }
}

fn fail(report: &mut Report, unusable: &Unusable) {
    let todo = match unusable {
        Unusable::Version(VersionError::Missing) => {
            "install tmux 3.0 or later, or add its directory to PATH"
        }
        Unusable::Version(VersionError::TooOld { .. }) => {
            "install a newer one, or put it first in PATH"
        }
        Unusable::Version(VersionError::Broken { .. }) => "run that yourself, and reinstall tmux",
        _ => return report.fail(CHECK, unusable),
    };
    report.fail_so(CHECK, unusable, todo);
}

/// Report which configuration file tmux reads, and one that tmux itself would read and a start does not.
pub(super) fn config(report: &mut Report, start: &Start, plan: &Plan) {
    const CHECK: &str = "tmux.conf";
    if let Some(path) = Tmux::new(plan, start.runtime.dir()).user_config() {
        return report.ok(CHECK, format!("{} is read at a start", path.display()));
    }
    let dir = start.context.env.caller_dir_or("XDG_CONFIG_HOME", ".config");
    if let Some(path) = dir.map(|dir| dir.join("tmux/tmux.conf")).filter(|path| path.exists()) {
        let path = path.display();
        report.note(CHECK, format!("{path} is not read; `-F {path}` has it read"));
    }
}
