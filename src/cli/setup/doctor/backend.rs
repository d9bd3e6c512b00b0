//! Which backend a start would take, and why.

use super::report::Report;
use crate::cli::error::CliError;
use crate::cli::persona::Persona;
use crate::cli::project::input::Start;
use crate::cli::project::tmux::{Unusable, Usable, usable};
use crate::config::OwnPath;
use crate::config::load::find_for_plan;
use crate::config::options::BackendChoice;
use crate::config::toml::TmoToml;
use crate::model::plan::Backend;
use crate::plan::explain_backend;

/// The backend of a start.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) backend: Backend,
    /// The caller's own tmux, outside of the project.
    pub(super) tmux: Result<Usable, Unusable>,
    /// Without tmux, a start fails.
    pub(super) insists: bool,
    why: String,
}

/// Find out which backend a start would take. A tmux in the `PATH` of an env file is not run.
pub(super) fn choose(start: &Start, own: &OwnPath) -> Result<Chosen, CliError> {
    let settings = start.settings()?;
    // What is wrong with these files is reported elsewhere.
    let loaded = start.context.load(&start.typed).ok();
    let toml = loaded.map_or_else(TmoToml::default, |loaded| loaded.toml);
    let (choice, source) = (settings.backend(&toml), explain_backend(&toml, &settings).from);
    let tmux = usable(&start.context, own.find("tmux"));
    let is_untried = || find_for_plan(&start.context, own, "tmux").is_some();
    let (backend, why) = match (choice, &tmux) {
        (BackendChoice::Auto, Ok(_)) => (Backend::Tmux, "it is installed".to_owned()),
        (BackendChoice::Auto, Err(Unusable::Version(error)))
            if error.is_missing() && is_untried() =>
        {
            (Backend::Tmux, "an env file leads to it".to_owned())
        }
        (BackendChoice::Auto, Err(unusable)) => (Backend::Native, unusable.reason()),
        (BackendChoice::Tmux, _) => (Backend::Tmux, said_by(&source)),
        (BackendChoice::Native, _) => (Backend::Native, said_by(&source)),
    };
    Ok(Chosen { backend, tmux, insists: choice == BackendChoice::Tmux, why })
}

fn said_by(source: &str) -> String {
    match Persona::here() {
        Persona::Overmind if source == "default" => "overmind has it".to_owned(),
        Persona::Overmind | Persona::Tmo => format!("{source} says so"),
    }
}

impl Chosen {
    /// Report it, and that of the run here.
    pub(super) fn tell(&self, report: &mut Report, running: Option<Backend>) {
        let (backend, why) = (self.backend.name(), &self.why);
        let of_run = running.filter(|running| *running != self.backend);
        report.ok(
            "backend",
            match of_run {
                Some(running) => {
                    format!("{} in this run; a start would use {backend}, as {why}", running.name())
                }
                None => format!("{backend}, as {why}"),
            },
        );
    }
}
