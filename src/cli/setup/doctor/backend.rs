//! Which backend a start would take and why: the installed tmux with its configuration, or the terminals of the system.

use super::findings::Report;
use crate::backend::tmux::Tmux;
use crate::backend::tmux::version::VersionError;
use crate::cli::error::CliError;
use crate::cli::persona::Persona;
use crate::cli::project::input::Start;
use crate::cli::project::tmux::{Unusable, Usable, usable};
use crate::config::OwnPath;
use crate::config::load::{callers_tmux, find_for_plan};
use crate::config::options::BackendChoice;
use crate::config::toml::TmoToml;
use crate::model::plan::{Backend, Plan};
use crate::pane::holder;
use crate::plan::explain_backend;
use crate::sys::{self, why};

/// The backend of a start.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) backend: Backend,
    /// The caller's own tmux, outside of the project.
    pub(super) tmux: Result<Usable, Unusable>,
    /// Without tmux, a start fails.
    insists: bool,
    why: String,
}

impl Chosen {
    /// Find out which backend a start would take. A tmux in the `PATH` of an env file is not run.
    pub(super) fn of_start(start: &Start, own: &OwnPath) -> Result<Self, CliError> {
        let settings = start.settings()?;
        // What is wrong with these files is reported elsewhere.
        let loaded = start.context.load(&start.typed).ok();
        let toml = loaded.map_or_else(TmoToml::default, |loaded| loaded.toml);
        let choice = settings.backend(&toml);
        let source = explain_backend(&toml, &settings).from;
        let tmux = usable(&start.context, own.find("tmux"));
        let by_source = || match Persona::here() {
            Persona::Overmind if source == "default" => "overmind has it".to_owned(),
            Persona::Overmind | Persona::Tmo => format!("{source} says so"),
        };
        let (backend, why) = match (choice, &tmux) {
            (BackendChoice::Auto, Ok(_)) => (Backend::Tmux, "it is installed".to_owned()),
            (BackendChoice::Auto, Err(Unusable::Version(error)))
                if error.is_missing() && find_for_plan(&start.context, own, "tmux").is_some() =>
            {
                (Backend::Tmux, "an env file leads to it".to_owned())
            }
            (BackendChoice::Auto, Err(unusable)) => (Backend::Native, unusable.reason()),
            (BackendChoice::Tmux, _) => (Backend::Tmux, by_source()),
            (BackendChoice::Native, _) => (Backend::Native, by_source()),
        };
        Ok(Self { backend, tmux, insists: choice == BackendChoice::Tmux, why })
    }

    /// Report it, and that of the run here.
    pub(super) fn tell(&self, report: &mut Report, running: Option<Backend>) {
        let backend = self.backend.name();
        let why = &self.why;
        let text = match running.filter(|running| *running != self.backend) {
            Some(running) => {
                format!("{} in this run; a start would use {backend}, as {why}", running.name())
            }
            None => format!("{backend}, as {why}"),
        };
        report.ok("backend", text);
    }
}

/// Report the caller's own tmux, and why it can't be used. That is a failure only if a start insists on tmux.
pub(super) fn check_tmux(report: &mut Report, start: &Start, own: &OwnPath, chosen: &Chosen) {
    const CHECK: &str = "tmux";
    let found = own.find("tmux");
    let is_other = |other: &std::path::PathBuf| found.as_ref() != Some(other);
    if let Some(other) = callers_tmux(&start.context).filter(is_other) {
        let why = "PATH names a directory of the project, or a relative one";
        report.note(CHECK, format!("{} is passed over, since {why}", other.display()));
    } else if let Some(other) = find_for_plan(&start.context, own, "tmux").filter(is_other) {
        let why = "an env file sets PATH";
        let other = other.display();
        report.note(CHECK, format!("a start uses {other}; it is not run here, since {why}"));
    }
    let unusable = match &chosen.tmux {
        Ok(Usable { path, version }) => {
            return report.ok(CHECK, format!("{} is {version}", path.display()));
        }
        Err(_) if !chosen.insists => return,
        Err(unusable) => unusable,
    };
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
pub(super) fn check_tmux_config(report: &mut Report, start: &Start, plan: &Plan) {
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

/// Open a terminal that does not come from tmux, and check that there can be as many as the plan needs.
pub(super) fn check_terminals(report: &mut Report, plan: Option<&Plan>) {
    const CHECK: &str = "terminals";
    match holder::probe() {
        Ok(true) => report.ok(CHECK, "output is moved by the kernel"),
        Ok(false) => report.ok(
            CHECK,
            "output is read and written, as this kernel does not move it; if a holder is killed, what it \
             has read is lost",
        ),
        Err(error) => {
            let todo = "is devpts mounted at /dev/pts, and is /dev/ptmx writable?";
            report.fail_so(CHECK, format!("none can be opened: {}", why(&error)), todo);
        }
    }
    let Some((plan, (used, most))) = plan.zip(sys::terminals()) else { return };
    let needed = u64::try_from(plan.processes.len()).unwrap_or(u64::MAX);
    match missing(needed, used, most) {
        Some(text) => report.fail(CHECK, text),
        None => report.ok(CHECK, format!("{used} of {most} in use, {needed} needed")),
    }
}

/// The complaint if there are too few.
fn missing(needed: u64, used: u64, most: u64) -> Option<String> {
    (used.saturating_add(needed) > most).then(|| {
        format!(
            "{needed} are needed beside the {used} in use, {most} are allowed; raise the limit (`sysctl -w \
             kernel.pty.max={}`)",
            used.saturating_add(needed).saturating_add(64)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn too_few_terminals_are_a_failure_with_a_sufficient_limit() {
        assert_eq!(missing(10, 4086, 4096), None);
        let text = missing(11, 4086, 4096).unwrap();
        assert!(
            text.starts_with("11 are needed beside the 4086 in use, 4096 are allowed; "),
            "{text}"
        );
        assert!(text.ends_with("kernel.pty.max=4161`)"), "{text}");
    }
}
