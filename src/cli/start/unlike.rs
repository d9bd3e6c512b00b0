//! A start where a run of another Procfile, or with other flags, already exists.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::cli::error::CliError;
use crate::cli::project::input::Start;
use crate::cli::project::warnings::print_warning;
use crate::model::shell::quoted_words;
use crate::sys::files::number;

impl Start {
    /// Refuse a run of a Procfile other than the one named here, and warn about flags that can't be applied
    /// to it.
    pub(super) fn refuse_other_procfile(&self) -> Result<(), CliError> {
        // A run that has just ended has no plan any more, and an early version does not record how it was
        // started.
        let Ok(plan) = self.runtime.plan() else { return Ok(()) };
        let backend = plan.backend;
        let flags = self.flags();
        let is_named = self.typed.procfile.is_some() || self.context.env.path("PROCFILE").is_some();
        let (theirs, procfile) = (plan.command(), plan.procfile.as_path().to_owned());
        let begun = Self::again(plan, self.runtime.clone()).ok();
        let procfile = begun.as_ref().map_or(procfile, |begun| begun.project.procfile.clone());
        // If the project was moved, its old Procfile is gone.
        let is_other_file =
            || number(&procfile).is_some_and(|its| number(&self.project.procfile) != Some(its));
        let typed = self.typed.command.iter().map(|word| word.as_bytes());
        let ours = Some(quoted_words(typed)).filter(|command| !command.is_empty());
        let is_other = match (&theirs, &ours) {
            (Some(theirs), Some(ours)) => theirs != ours,
            (None, Some(_)) => true,
            (Some(_), None) => is_named,
            (None, None) => is_named && begun.is_some() && is_other_file(),
        };
        // A command whose socket is not named takes another one.
        if is_other && self.number.is_none() {
            let file = |path: &Path| path.display().to_string();
            return Err(CliError::Other(format!(
                "the run at {} is for {}, not for {}: `tmo quit{flags}` ends it; -s SOCKET starts \
                 this one beside it",
                self.project.socket.shown.display(),
                theirs.unwrap_or_else(|| file(&procfile)),
                ours.unwrap_or_else(|| file(&self.project.procfile)),
            )));
        }
        let Some(begun) = begun else { return Ok(()) };
        let mut unapplied = self.typed.new_flags(&begun.typed);
        if self.typed.exit_code_from.is_some()
            && self.typed.exit_code_from != begun.typed.exit_code_from
        {
            unapplied.push("--exit-code-from".to_owned());
        }
        if self.typed.backend.is_some_and(|choice| !choice.allows(backend)) {
            unapplied.push("--backend".to_owned());
        }
        if !unapplied.is_empty() {
            print_warning(&format!(
                "a run is already up, so ignored: {}; to apply that, end it with \
                 `tmo quit{flags}` and start again",
                unapplied.join(", ")
            ));
        }
        Ok(())
    }
}
