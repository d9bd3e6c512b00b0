//! A start in a place where a run of another Procfile, or with other flags, is already there.

use super::Start;
use super::tell::tell;
use crate::cli::error::CliError;
use crate::config::StartOptions;
use crate::sys::files::number;

impl Start {
    /// Refuse the run of another Procfile than the one that is named here, and name the flags that can't
    /// be applied to it.
    pub(super) fn refuse_other_procfile(&self) -> Result<(), CliError> {
        // A run that has ended just now has no plan any more, and one of an early version does not
        // tell how it was started.
        let Ok(plan) = self.runtime.plan() else { return Ok(()) };
        let Ok(begun) = Self::again(plan, self.runtime.clone()) else { return Ok(()) };
        let (theirs, ours) = (&begun.project.procfile, &self.project.procfile);
        let is_named = self.typed.procfile.is_some() || self.context.env.path("PROCFILE").is_some();
        // That of a project which was moved is not there any more.
        let is_other = number(theirs).is_some_and(|its| number(ours) != Some(its));
        let flags = self.flags();
        if is_named && is_other {
            return Err(CliError::Other(format!(
                "the run at {} is of {}, not of {}: `tmo quit{flags}` ends it; -s SOCKET starts \
                 this one beside it",
                self.project.socket.shown.display(),
                theirs.display(),
                ours.display(),
            )));
        }
        let mut unapplied = new_flags(&self.typed, &begun.typed);
        if self.exit_code_from.is_some() && self.exit_code_from != begun.exit_code_from {
            unapplied.push("--exit-code-from");
        }
        if !unapplied.is_empty() {
            tell(&format!(
                "the run that is there goes on without {}; to apply that, end it with \
                 `tmo quit{flags}` and start again",
                unapplied.join(", ")
            ));
        }
        Ok(())
    }
}

/// The flags that are given here and had another value, or none, when the run was started.
fn new_flags(typed: &StartOptions, begun: &StartOptions) -> Vec<&'static str> {
    fn is_new<T: PartialEq>(typed: Option<&T>, begun: Option<&T>) -> bool {
        typed.is_some() && typed != begun
    }
    let flags = [
        ("--root", is_new(typed.root.as_ref(), begun.root.as_ref())),
        ("--processes", is_new(typed.processes.as_ref(), begun.processes.as_ref())),
        (
            "--ignored-processes",
            is_new(typed.ignored_processes.as_ref(), begun.ignored_processes.as_ref()),
        ),
        ("--can-die", is_new(typed.can_die.as_ref(), begun.can_die.as_ref())),
        ("--any-can-die", is_new(typed.any_can_die.as_ref(), begun.any_can_die.as_ref())),
        ("--auto-restart", is_new(typed.auto_restart.as_ref(), begun.auto_restart.as_ref())),
        ("--colors", is_new(typed.colors.as_ref(), begun.colors.as_ref())),
        ("--formation", is_new(typed.formation.as_ref(), begun.formation.as_ref())),
        (
            "--formation-port-step",
            is_new(typed.formation_port_step.as_ref(), begun.formation_port_step.as_ref()),
        ),
        ("--stop-signals", is_new(typed.stop_signals.as_ref(), begun.stop_signals.as_ref())),
        ("--port", is_new(typed.port.as_ref(), begun.port.as_ref())),
        ("--port-step", is_new(typed.port_step.as_ref(), begun.port_step.as_ref())),
        ("--no-port", is_new(typed.no_port.as_ref(), begun.no_port.as_ref())),
        ("--port-auto", is_new(typed.port_auto.as_ref(), begun.port_auto.as_ref())),
        ("--timeout", is_new(typed.timeout.as_ref(), begun.timeout.as_ref())),
        ("--title", is_new(typed.title.as_ref(), begun.title.as_ref())),
        ("--tmux-config", is_new(typed.tmux_config.as_ref(), begun.tmux_config.as_ref())),
        ("--shell", is_new(typed.shell.as_ref(), begun.shell.as_ref())),
    ];
    flags.into_iter().filter_map(|(flag, is_new)| is_new.then_some(flag)).collect()
}
