//! Readiness and liveness of processes.

use std::time::Duration;

use super::records::ProcPrompts;
use super::{Phase, Proc, Ready};
use crate::model::event::{Note, Problem, What, lacking};
use crate::model::plan::rules::{Check, FailureAction, Probe, ProcessPolicy, Reaction};
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcId};
use crate::{Effect, RunPhase, Supervisor};

/// A check that the engine has to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    pub id: ProcId,
    pub life: LifeId,
    /// The number of the readiness check; `None` for the liveness check.
    pub check: Option<usize>,
}

impl Supervisor {
    /// The checks that have to be carried out in the current state.
    pub fn questions(&self) -> Vec<Question> {
        let mut all = vec![];
        for (id, proc) in ProcId::all(&self.procs).zip(&self.procs) {
            let Phase::Running { life, .. } = proc.phase else { continue };
            if let Some(passed) = proc.ready.passed() {
                let open = (0..proc.rules.ready.len()).filter(|check| !passed.contains(check));
                let asks = |check: &usize| is_asked(&proc.rules.ready[*check].probe);
                all.extend(open.filter(asks).map(|c| Question { id, life, check: Some(c) }));
            }
            let is_ready = matches!(proc.ready, Ready::Yes { .. });
            let is_asked = proc.rules.live.as_ref().is_some_and(|live| is_asked(&live.probe));
            if is_ready && is_asked && !proc.stop_was_requested() {
                all.push(Question { id, life, check: None });
            }
        }
        all
    }

    /// Reset the readiness of a process whose new life has begun.
    pub(crate) fn began(&mut self, id: ProcId, at: Timestamp) {
        let proc = &mut self.procs[id];
        (proc.ready, proc.failed_checks, proc.asked_again) =
            (Ready::default(), 0, Timestamp::EPOCH);
        proc.prompts = ProcPrompts::default();
        if proc.rules.ready.is_empty() {
            proc.ready = Ready::Yes { at };
        } else {
            self.look_at_checks(id, at);
        }
    }

    /// A life has passed a check. If it was late, those that were skipped because of that follow.
    pub(crate) fn passed(&mut self, id: ProcId, life: LifeId, check: usize, now: Timestamp) {
        let proc = &mut self.procs[id];
        let runs = matches!(proc.phase, Phase::Running { life: current, .. } if current == life);
        let is_open = proc.ready.passed().is_some_and(|passed| !passed.contains(&check));
        if !runs || !is_open || check >= proc.rules.ready.len() {
            return;
        }
        let mut late = false;
        match &mut proc.ready {
            Ready::Waiting { passed, heard } => {
                heard.retain(|(of, _)| *of != check);
                passed.push(check);
            }
            Ready::No { passed, .. } => {
                passed.push(check);
                late = true;
            }
            Ready::Yes { .. } => {}
        }
        if proc.ready.passed().is_some_and(|passed| passed.len() == proc.rules.ready.len()) {
            proc.ready = Ready::Yes { at: now };
            self.effects.push(Effect::Say(Some(id), What::Ready));
            if late && self.run_phase == RunPhase::Running {
                self.recall_skipped(id, now);
                // No request has made them follow.
                self.recalled.clear();
            }
        }
    }

    /// A life has reported that it is ready.
    pub(crate) fn reported_ready(&mut self, id: ProcId, life: LifeId, at: Timestamp) {
        let checks = self.procs[id].rules.ready.iter();
        let by_report = checks.enumerate().filter(|(_, check)| check.probe == Probe::Notify {});
        let by_report: Vec<_> = by_report.map(|(number, _)| number).collect();
        for check in by_report {
            self.passed(id, life, check, at);
        }
    }

    /// A life has not passed a check yet: remember the answer for the message at a timeout.
    pub(crate) fn check_failed(&mut self, id: ProcId, life: LifeId, check: usize, answer: String) {
        let proc = &mut self.procs[id];
        let runs = matches!(proc.phase, Phase::Running { life: current, .. } if current == life);
        let Some(asked) = proc.rules.ready.get(check).filter(|_| runs) else { return };
        match &mut proc.ready {
            Ready::Waiting { passed, heard } if !passed.contains(&check) => {
                heard.retain(|(of, _)| *of != check);
                heard.push((check, answer));
            }
            Ready::No { why: Problem::TimedOut { probe, answer: last, .. }, .. }
                if *probe == asked.probe =>
            {
                *last = Some(answer);
            }
            Ready::Waiting { .. } | Ready::Yes { .. } | Ready::No { .. } => {}
        }
    }

    /// Handles the result of a liveness check.
    pub(crate) fn liveness_checked(
        &mut self,
        id: ProcId,
        life: LifeId,
        trouble: Option<&str>,
        now: Timestamp,
    ) {
        let proc = &mut self.procs[id];
        let runs = matches!(proc.phase, Phase::Running { life: current, .. } if current == life);
        let Some(live) = proc.rules.live.as_ref().filter(|_| runs) else { return };
        let Some(why) = trouble else {
            if proc.failed_checks >= live.failures.max(1) && live.action == Reaction::Notify {
                proc.note = None;
                self.effects.push(Effect::Say(Some(id), What::Healthy));
            }
            proc.failed_checks = 0;
            return;
        };
        if proc.prompt().is_some() {
            // It may be unable to answer, as in a debugger.
            return;
        }
        proc.failed_checks = proc.failed_checks.saturating_add(1);
        let stops = proc.stop_was_requested() || proc.is_to_stop();
        if proc.failed_checks != live.failures.max(1) || stops {
            return;
        }
        let action = live.action;
        let (probe, answer) = (live.probe.clone(), why.to_owned());
        let what = What::Unhealthy { times: proc.failed_checks, answer: answer.clone() };
        self.effects.push(Effect::Say(Some(id), what));
        match action {
            Reaction::Notify => proc.note = Some(Note::NotLive { probe, answer }),
            Reaction::Break => self.break_off(id, Problem::NotLive { probe, answer }),
            Reaction::Restart => self.fail_and_restart(id, Problem::NotLive { probe, answer }, now),
        }
    }

    /// Handles a failure pattern in the output of a process.
    pub(crate) fn failing(
        &mut self,
        id: ProcId,
        life: LifeId,
        action: FailureAction,
        line: &str,
        now: Timestamp,
    ) {
        let proc = &self.procs[id];
        let runs = proc.alive() && !proc.is_at_installation();
        let stops = proc.stop_was_requested() || proc.is_to_stop() || proc.prompt().is_some();
        if proc.current_life() != Some(life) || !runs || stops {
            return;
        }
        let line = line.to_owned();
        match action {
            FailureAction::Break => self.break_off(id, Problem::Printed { line }),
            FailureAction::Restart => {
                self.effects.push(Effect::Say(Some(id), What::Failing { line: line.clone() }));
                self.fail_and_restart(id, Problem::Printed { line }, now);
            }
        }
    }

    /// Apply the delays and timeouts of the readiness checks.
    pub(crate) fn look_at_checks(&mut self, id: ProcId, now: Timestamp) {
        let proc = &mut self.procs[id];
        let Phase::Running { life, .. } = proc.phase else { return };
        // The clock may have been set back.
        proc.since = proc.since.min(now);
        proc.asked_again = proc.asked_again.min(now);
        let age = now.since(proc.since);
        let Some(passed) = proc.ready.passed() else { return };
        let waited: Vec<_> =
            (0..proc.rules.ready.len()).filter(|check| !passed.contains(check)).collect();
        let is_reported = matches!(proc.ready, Ready::No { .. });
        let late = |check: &&usize| {
            let check = &proc.rules.ready[**check];
            let is_delay = matches!(check.probe, Probe::Delay { .. });
            let waits = is_reported || proc.prompt().is_some();
            !waits && !is_delay && proc.limit_of(check) <= now
        };
        if let Some(late) = waited.iter().find(late) {
            let check = &proc.rules.ready[*late];
            let (probe, within_ms) = (check.probe.clone(), check.timeout_ms);
            let answer = proc.heard(*late).map(str::to_owned);
            return self.not_ready(id, Problem::TimedOut { probe, within_ms, answer });
        }
        for check in waited {
            if let Probe::Delay { ms } = self.procs[id].rules.ready[check].probe
                && Duration::from_millis(ms) <= age
            {
                self.passed(id, life, check, now);
            }
        }
    }

    fn not_ready(&mut self, id: ProcId, why: Problem) {
        let proc = &mut self.procs[id];
        let passed = proc.ready.passed().unwrap_or_default().to_vec();
        proc.ready = Ready::No { why: why.clone(), passed };
        if self.run_phase == RunPhase::Running {
            self.effects.push(Effect::Say(Some(id), What::NotReady { why }));
        }
    }

    /// The main process has ended: that may be the readiness check that is still open.
    pub(crate) fn ready_by_exit(&mut self, id: ProcId, exit: Exit) {
        let proc = &mut self.procs[id];
        let Ready::Waiting { passed, .. } = &proc.ready else { return };
        let open = (0..proc.rules.ready.len()).filter(|check| !passed.contains(check));
        let open: Vec<_> = open.collect();
        if !open.is_empty() && open.iter().all(|check| matches!(proc.rules.ready[*check].probe, Probe::Exit { code } if exit == Exit::Code(code))) {
            proc.ready = Ready::Yes { at: proc.since };
            self.effects.push(Effect::Say(Some(id), What::Ready));
        }
    }

    /// The process has ended for good: if it is not ready yet it never will be.
    pub(crate) fn ready_never(&mut self, id: ProcId, exit: Exit) {
        if matches!(self.procs[id].ready, Ready::Waiting { .. }) {
            self.not_ready(id, Problem::Ended { exit, times: None });
        }
    }
}

impl Proc {
    /// The next time at which a delay or timeout of its readiness checks is due.
    pub(crate) fn check_due(&self) -> Option<Timestamp> {
        let Phase::Running { .. } = self.phase else { return None };
        let passed = self.ready.passed()?;
        // A timeout is reported once.
        let is_reported = matches!(self.ready, Ready::No { .. }) || self.prompt().is_some();
        let counts = |check: &Check| !is_reported || matches!(check.probe, Probe::Delay { .. });
        let open = self.rules.ready.iter().enumerate();
        let open = open.filter(|(n, check)| !passed.contains(n) && counts(check));
        open.map(|(_, check)| {
            if let Probe::Delay { ms } = check.probe {
                self.since + Duration::from_millis(ms)
            } else {
                self.limit_of(check)
            }
        })
        .min()
    }

    /// What it lacks to be ready, one text for each open check; empty if it is not running or is
    /// being stopped.
    pub fn lacks(&self) -> Vec<String> {
        let open = self.open_checks();
        let answer = |n| self.heard(n).map_or(String::new(), |answer| format!(": {answer}"));
        open.map(|(n, check)| lacking(&check.probe) + &answer(n)).collect()
    }

    /// The open checks with their numbers.
    pub fn open_checks(&self) -> impl Iterator<Item = (usize, &Check)> {
        let passed = match (&self.phase, &self.ready) {
            (Phase::Running { .. }, Ready::Waiting { passed, .. }) => Some(passed),
            _ => None,
        };
        let passed = passed.filter(|_| !self.stop_was_requested());
        let checks = self.rules.ready.iter().enumerate();
        checks.filter(move |(n, _)| passed.is_some_and(|passed| !passed.contains(n)))
    }

    /// The open check by report, unless this answer to it is known.
    pub fn unanswered_report(&self, answer: &str) -> Option<usize> {
        let mut open = self.open_checks().filter(|(_, check)| check.probe == Probe::Notify {});
        open.find(|(check, _)| self.heard(*check) != Some(answer)).map(|(check, _)| check)
    }

    /// The last answer to a check that has not passed.
    fn heard(&self, check: usize) -> Option<&str> {
        let Ready::Waiting { heard, .. } = &self.ready else { return None };
        heard.iter().find(|(of, _)| *of == check).map(|(_, answer)| answer.as_str())
    }

    /// The deadline of a check. If a new supervisor has taken over, it may make one more attempt
    /// before the timeout counts against the process.
    fn limit_of(&self, check: &Check) -> Timestamp {
        let limit = self.since + Duration::from_millis(check.timeout_ms) + self.prompts.waited();
        if !is_asked(&check.probe) || self.asked_again == Timestamp::EPOCH {
            return limit;
        }
        let while_asked = Duration::from_millis(check.timeout_ms.min(ONE_ATTEMPT_MS));
        limit.max(self.asked_again + while_asked)
    }

    /// A new supervisor has taken over the checks.
    pub(crate) fn ask_again(&mut self, now: Timestamp) {
        if matches!((&self.phase, &self.ready), (Phase::Running { .. }, Ready::Waiting { .. })) {
            self.asked_again = now;
        }
    }
}

/// The longest duration of one attempt.
const ONE_ATTEMPT_MS: u64 = 5000;

/// Whether the engine has to carry out this check repeatedly.
const fn is_asked(probe: &Probe) -> bool {
    match probe {
        Probe::Port { .. } | Probe::Http { .. } | Probe::Exec { .. } => true,
        Probe::Log(_)
        | Probe::Exit { .. }
        | Probe::Delay { .. }
        | Probe::Notify {}
        | Probe::Watchdog { .. } => false,
    }
}

/// The time limit of a cleanup process in milliseconds, taken from its own check.
pub(crate) fn cleanup_limit(rules: &ProcessPolicy) -> u64 {
    let exit = rules.ready.iter().find(|check| matches!(check.probe, Probe::Exit { .. }));
    exit.map_or(Check::TIMEOUT_MS, |check| check.timeout_ms)
}
