//! The installation of a process: a life that runs its install command instead of its program.
//!
//! Such a life runs in the pane of the process and is stopped, killed and taken over like any other. It
//! is not an execution of the program: the restart policy, crash reports, readiness, failure patterns,
//! statistics, and the exit code of the run ignore it. A process whose installation is not complete is
//! installed again before its program runs.

use std::time::Duration;

use super::{Goal, Phase, Proc, Ready};
use crate::model::event::{InstallProblem, Note, What};
use crate::model::plan::{AfterInstall, Install};
use crate::model::request::Outcome;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcId};
use crate::pending_request::WaitCondition;
use crate::{Effect, RunPhase, Supervisor};

impl Supervisor {
    /// Carry out a request to install a process that does not run.
    pub(crate) fn ask_to_install(
        &mut self,
        request_id: u64,
        name: &str,
        then: AfterInstall,
        now: Timestamp,
    ) {
        let Some(id) = self.id_where(|proc| !proc.retired && proc.name.as_str() == name) else {
            let present = self.procs.iter().filter(|proc| !proc.retired);
            let names = present.map(|proc| &proc.name);
            return self.effects.push(Effect::Answer(request_id, Outcome::unknown(name, names)));
        };
        let stopping = self.stopping();
        let proc = &mut self.procs[id];
        proc.write_off(now);
        let problem = if stopping.is_some() {
            stopping
        } else if proc.install.is_none() {
            Some(format!("{name} has no installation: it was not uploaded"))
        } else if proc.is_installing() {
            Some(format!("{name} is being installed already"))
        } else if proc.alive() || proc.is_to_begin() || proc.restarts.due.is_some() {
            Some(format!("{name} runs; stop it first"))
        } else {
            None
        };
        if let Some(problem) = problem {
            return self.effects.push(Effect::Answer(request_id, Outcome::refused(problem)));
        }
        let goal = self.begin_installation(id, then, now);
        self.await_change(request_id, vec![(id, goal)]);
    }

    /// Install a process, whether or not that is needed.
    pub(crate) fn begin_installation(
        &mut self,
        id: ProcId,
        then: AfterInstall,
        now: Timestamp,
    ) -> WaitCondition {
        let proc = &mut self.procs[id];
        proc.forgive();
        (proc.goal, proc.waiting) = (Goal::Run, false);
        proc.life = Some(LifeId::after(proc.life));
        proc.install_in_requested_life(then);
        self.bring_up(id, now);
        WaitCondition::Installed
    }

    /// Note that a life that installs has begun.
    pub(crate) fn installation_began(&mut self, id: ProcId, life: LifeId, pid: u32, at: Timestamp) {
        let proc = &mut self.procs[id];
        // A life file that was removed and created again may report the same life twice.
        if !matches!(proc.phase, Phase::Installing { .. }) {
            self.effects.push(Effect::Say(Some(id), What::Installing { life }));
            proc.installation.began();
        }
        proc.phase = Phase::Installing { life, pid };
        (proc.since, proc.restarts.lost_shims) = (at, 0);
        (proc.note, proc.skip) = (None, None);
        (proc.ready, proc.failed_checks) = (Ready::default(), 0);
    }

    /// Handle the end of the main process of a life that installs.
    pub(crate) fn installation_ended(
        &mut self,
        id: ProcId,
        life: LifeId,
        exit: Exit,
        at: Timestamp,
    ) {
        let proc = &mut self.procs[id];
        proc.enter(Phase::Ending { life, exit }, at);
        let overdue = proc.installation.failure().is_some();
        let why = match proc.installation.failure() {
            Some(why) => Some(why.clone()),
            None if proc.was_stopped(Some(life)) => Some(InstallProblem::Interrupted),
            None if exit.success() => None,
            None => Some(InstallProblem::Ended { exit }),
        };
        match &why {
            None => self.effects.push(Effect::Say(Some(id), What::Installed { life })),
            Some(why) if !overdue => {
                let what = What::InstallFailed { life, why: why.clone() };
                self.effects.push(Effect::Say(Some(id), what));
            }
            Some(_) => {}
        }
        if proc.is_to_begin() {
            // The process was restarted meanwhile, so it is installed again.
            return;
        }
        let runs = proc.goal == Goal::Run && proc.installation.then == AfterInstall::Run;
        proc.goal = Goal::Stop;
        proc.note = why.clone().map(Note::NotInstalled);
        proc.installation.conclude(why);
        if runs && proc.note.is_none() && self.run_phase == RunPhase::Running {
            self.run_installed(id, at);
        }
    }

    /// Run the process after its installation.
    fn run_installed(&mut self, id: ProcId, now: Timestamp) {
        let proc = &mut self.procs[id];
        proc.goal = Goal::Run;
        proc.request_next_life();
        self.call_needs(id, now);
        self.hold(id);
        self.want(id);
    }

    /// Apply the time limit of an installation.
    pub(crate) fn look_at_installation(&mut self, id: ProcId, now: Timestamp) {
        let proc = &mut self.procs[id];
        let (Some(_), Phase::Installing { life, .. }) = (proc.installation_due(), &proc.phase)
        else {
            return;
        };
        let life = *life;
        // The clock may have been set back.
        proc.since = proc.since.min(now);
        let limit_ms = proc.installation_limit();
        if proc.installation_due().is_some_and(|due| due <= now) {
            let why = InstallProblem::TimedOut { limit_ms };
            proc.note = Some(Note::NotInstalled(why.clone()));
            proc.installation.conclude(Some(why.clone()));
            self.effects.push(Effect::Say(Some(id), What::InstallFailed { life, why }));
            self.stop(id);
        }
    }
}

impl Proc {
    /// Request a life after the newest one. It installs the process if that is needed before its
    /// program can run.
    pub(crate) fn request_next_life(&mut self) {
        self.life = Some(LifeId::after(self.life));
        self.choose_purpose();
    }

    /// Decide whether the requested life installs or runs the program.
    pub(crate) fn choose_purpose(&mut self) {
        if self.needs_installation() {
            self.install_in_requested_life(AfterInstall::Run);
        } else if let Some(life) = self.life {
            self.installation.forget_life(life);
        }
    }

    /// The requested life is to install the process.
    fn install_in_requested_life(&mut self, then: AfterInstall) {
        let (Some(life), Some(plan)) = (self.life, &self.install) else { return };
        self.installation.begin(life, plan.version.clone(), then);
    }

    /// Whether it has to be installed before its program can run.
    pub(crate) fn needs_installation(&self) -> bool {
        self.install.as_ref().is_some_and(|plan| self.installation.is_needed(plan))
    }

    /// Whether this life installs it.
    pub fn installs_in(&self, life: Option<LifeId>) -> bool {
        life.is_some_and(|life| self.installation.lives().contains(&life))
    }

    /// Whether its current or last life is an installation.
    pub(crate) fn is_at_installation(&self) -> bool {
        self.installs_in(self.current_life())
    }

    /// Whether it is being installed or about to be installed.
    pub(crate) fn is_installing(&self) -> bool {
        self.alive() && self.is_at_installation()
            || self.is_to_begin() && self.installs_in(self.life)
    }

    /// The reason if its last life was an installation that failed without a request to stop.
    pub(crate) fn installation_failure(&self) -> Option<&InstallProblem> {
        let failure =
            self.installation.failure().filter(|why| **why != InstallProblem::Interrupted);
        failure.filter(|_| matches!(self.phase, Phase::Over { .. }) && self.is_at_installation())
    }

    /// The time limit of its installation in milliseconds.
    fn installation_limit(&self) -> u64 {
        self.install.as_ref().map_or(Install::TIMEOUT_MS, |plan| plan.timeout_ms)
    }

    /// The deadline of its installation.
    pub(crate) fn installation_due(&self) -> Option<Timestamp> {
        let Phase::Installing { .. } = self.phase else { return None };
        let going = !self.stop_was_requested();
        going.then(|| self.since + Duration::from_millis(self.installation_limit()))
    }
}
