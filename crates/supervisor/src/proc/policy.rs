//! What happens when a process exits by itself, or is found to have failed.

use std::time::Duration;

use super::life::MOST_LOST;
use super::records::Broken;
use super::{Phase, Proc, Ready};
use crate::model::event::{Note, Problem, What};
use crate::model::ids::or_zero;
use crate::model::plan::OnExit;
use crate::model::plan::rules::{
    Backoff, DependencyCondition, ExitVerdict, Restart, RestartPolicy, Stage,
};
use crate::model::state::CrashLoop;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcId, ProcName, units};
use crate::{Culprit, Effect, Goal, RunPhase, Supervisor};

/// The restart policy of a process without any settings for it: the first restart is immediate, the
/// next ones follow after 1, 2, 4 … 30 seconds, without a limit.
const AUTO_RESTART_POLICY: RestartPolicy = RestartPolicy {
    when: Restart::Always,
    delay_ms: 1000,
    backoff: Backoff::Exponential,
    max_delay_ms: 30_000,
    max_failures: 0,
    stable_ms: 60_000,
};

/// Without a `delay`, this many restarts in a row are immediate.
const MOST_AT_ONCE: u32 = 10;

/// After that, starts are at least this far apart: a process that exits at once, again and again,
/// would keep a processor busy.
const BETWEEN_STARTS: Duration = Duration::from_millis(100);

/// How long to wait before restarting a process for the `streak`-th time in a row; `seed` spreads the
/// restarts of processes that fail at the same time.
fn pause(policy: &RestartPolicy, first_at_once: bool, streak: u32, seed: u64) -> Duration {
    let doublings = match (first_at_once, streak) {
        (true, 0) => return Duration::ZERO,
        (true, streak) => streak - 1,
        (false, streak) => streak,
    };
    match policy.backoff {
        Backoff::Fixed => Duration::from_millis(policy.delay_ms),
        Backoff::Exponential => {
            let factor = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
            let whole = policy.delay_ms.saturating_mul(factor).min(policy.max_delay_ms);
            let whole = Duration::from_millis(whole);
            if first_at_once {
                return whole;
            }
            // Between 10 % shorter and 10 % longer, but never longer than `max_delay_ms`.
            let spread = u64::try_from((whole / 5).as_nanos()).unwrap_or(u64::MAX);
            let part = Duration::from_nanos(seed.checked_rem(spread).unwrap_or(0));
            (whole * 9 / 10 + part).min(Duration::from_millis(policy.max_delay_ms))
        }
    }
}

/// A pseudo-random number that depends only on the process and the life.
fn seed(proc: &Proc) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let name = proc.name.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    u64::from(or_zero::number(proc.life)).to_le_bytes().into_iter().fold(name, mix)
}

impl Supervisor {
    /// Handles an exit that was not requested and has no replacement pending.
    pub(crate) fn ended_by_itself(&mut self, id: ProcId, exit: Exit) {
        self.ready_by_exit(id, exit);
        let proc = &self.procs[id];
        let verdict = proc.rules.judge(exit);
        let again = match (&proc.rules.restart, proc.on_exit, verdict) {
            (Some(_), _, ExitVerdict::StartError) => false,
            // A restart would hide the completion that other processes wait for.
            (_, _, ExitVerdict::Good) if self.is_to_end(id) => false,
            (Some(policy), _, ExitVerdict::Good) => policy.when == Restart::Always,
            (Some(policy), _, ExitVerdict::Failure | ExitVerdict::Soft) => {
                policy.when != Restart::No
            }
            (None, on_exit, _) => on_exit == OnExit::Restart,
        };
        if self.run_phase != RunPhase::Running {
            self.procs[id].goal = Goal::Stop;
        } else if again {
            return self.restart_after(id, verdict, exit);
        } else {
            self.remain_or_stop_all(id, verdict, exit);
        }
        self.ready_never(id, exit);
    }

    /// Whether the process is complete once it has ended with success, and therefore not restarted.
    pub(crate) fn is_to_end(&self, id: ProcId) -> bool {
        let completed = |proc: &Proc| proc.needs.contains(&(id, DependencyCondition::Completed));
        let proc = &self.procs[id];
        proc.planned.is_action || proc.rules.is_ready_by(None) || self.procs.iter().any(completed)
    }

    /// Whether it has ended by itself, with success.
    pub fn has_ended_well(&self, id: ProcId) -> bool {
        let proc = &self.procs[id];
        matches!(proc.phase, Phase::Over { exit, asked: false, .. } if proc.rules.is_good(exit))
    }

    /// Whether it has ended with success and was expected to end.
    pub fn has_finished(&self, id: ProcId) -> bool {
        let proc = &self.procs[id];
        let is_missed = || self.missed.contains(&id) || !self.missed_by(id).is_empty();
        let may_end = || proc.on_exit == OnExit::Remain && !is_missed();
        let well = self.has_ended_well(id);
        well && (proc.rules.stage == Stage::Cleanup || self.is_to_end(id) || may_end())
    }

    /// The running processes that depend on it, directly or through others, if it was to keep running but has
    /// ended by itself.
    pub fn missed_by(&self, id: ProcId) -> Vec<ProcId> {
        let proc = &self.procs[id];
        let has_ended =
            proc.restarts.due.is_none() && matches!(proc.phase, Phase::Over { asked: false, .. });
        if !has_ended || !proc.rules.is_to_stay() || self.is_to_end(id) {
            return vec![];
        }
        let mut seen = vec![id];
        let mut at = 0;
        while let Some(&on) = seen.get(at) {
            let needs = |proc: &Proc| proc.needs.iter().any(|(need, _)| *need == on);
            let dependents = ProcId::all(&self.procs).filter(|other| needs(&self.procs[*other]));
            let fresh: Vec<_> = dependents.filter(|other| !seen.contains(other)).collect();
            seen.extend(fresh);
            at += 1;
        }
        seen.retain(|other| self.procs[*other].alive());
        seen
    }

    fn remain_or_stop_all(&mut self, id: ProcId, verdict: ExitVerdict, exit: Exit) {
        let proc = &mut self.procs[id];
        proc.goal = Goal::Stop;
        if verdict == ExitVerdict::StartError {
            proc.note = Some(Note::NotRun(exit));
        }
        if proc.on_exit == OnExit::StopAll {
            let (at, ran) = (proc.since, proc.last.ran);
            self.culprit.get_or_insert(Culprit { id, exit, at, ran });
            self.interrupts = verdict == ExitVerdict::Good;
            self.quit();
        }
    }

    fn restart_after(&mut self, id: ProcId, verdict: ExitVerdict, exit: Exit) {
        let proc = &mut self.procs[id];
        let (at, ran) = (proc.since, proc.last.ran);
        let policy = proc.rules.restart.as_ref().unwrap_or(&AUTO_RESTART_POLICY);
        let most = policy.max_failures;
        if ran >= Duration::from_millis(policy.stable_ms) {
            (proc.restarts.streak, proc.failures.times) = (0, 0);
        }
        match verdict {
            ExitVerdict::Failure => proc.failures.count(at),
            ExitVerdict::Good => proc.failures.times = 0,
            ExitVerdict::Soft | ExitVerdict::StartError => {}
        }
        if most > 0 && proc.failures.times >= most {
            let why = Problem::Ended { exit, times: Some(proc.failures.times) };
            (proc.goal, proc.restarts.due) = (Goal::Stop, None);
            self.report_broken_check(id, why);
            return self.ready_never(id, exit);
        }
        let pause = proc.next_pause(ran);
        proc.restarts.streak = proc.restarts.streak.saturating_add(1);
        if pause.is_zero() {
            proc.request_next_life();
            return self.want(id);
        }
        proc.restarts.schedule(at, pause);
        let (pause_ms, times) = (units::millis(pause), Some(proc.restarts.streak));
        self.effects.push(Effect::Say(Some(id), What::Backoff { pause_ms, times }));
    }

    /// The process has failed while running: stop it until a user starts it.
    pub(crate) fn break_off(&mut self, id: ProcId, why: Problem) {
        if self.run_phase != RunPhase::Running || !self.procs[id].alive() {
            return;
        }
        self.report_broken_check(id, why);
        self.procs[id].marks.failed = self.procs[id].current_life();
        if !self.procs[id].stop_was_requested() {
            self.stop(id);
        }
    }

    fn report_broken_check(&mut self, id: ProcId, why: Problem) {
        let proc = &mut self.procs[id];
        proc.note = Some(Note::Broken(why.clone()));
        proc.failures.broken = Some(Broken { why: why.clone() });
        if matches!(proc.ready, Ready::Waiting { .. }) {
            proc.ready = Ready::No { why: why.clone(), passed: vec![] };
        }
        self.effects.push(Effect::Say(Some(id), What::Broken { why }));
    }

    /// The process has failed while running: restart it as if it had exited by itself.
    pub(crate) fn fail_and_restart(&mut self, id: ProcId, why: Problem, now: Timestamp) {
        let proc = &mut self.procs[id];
        let Phase::Running { .. } = proc.phase else { return };
        if self.run_phase != RunPhase::Running || proc.stop_was_requested() {
            return;
        }
        let policy = proc.rules.restart.clone().unwrap_or_default();
        if now.since(proc.since) >= Duration::from_millis(policy.stable_ms) {
            (proc.restarts.streak, proc.failures.times) = (0, 0);
        }
        proc.failures.count(now);
        if policy.max_failures > 0 && proc.failures.times >= policy.max_failures {
            let why = Problem::Failed { times: proc.failures.times, last: Box::new(why) };
            return self.break_off(id, why);
        }
        proc.marks.failed = proc.current_life();
        // The first restart is immediate: the process did not exit, but was found to have failed.
        let ran = now.since(proc.since);
        let pause = if proc.restarts.streak == 0 { Duration::ZERO } else { proc.next_pause(ran) };
        proc.restarts.streak = proc.restarts.streak.saturating_add(1);
        if pause.is_zero() {
            self.restart(id, now);
        } else {
            self.stop(id);
            self.procs[id].restarts.schedule(now, pause);
            let what = What::Backoff { pause_ms: units::millis(pause), times: None };
            self.effects.push(Effect::Say(Some(id), what));
        }
    }

    /// The earliest deadline.
    pub fn next_due(&self) -> Option<Timestamp> {
        let checks = self.procs.iter().filter_map(Proc::check_due);
        let cleanup = ProcId::all(&self.procs).filter_map(|id| self.cleanup_due(id));
        let due =
            self.procs.iter().filter_map(|proc| proc.restarts.due).chain(checks).chain(cleanup);
        let idle = ProcId::all(&self.procs).filter_map(|id| self.idle_due(id));
        let due = due.chain(idle);
        let installs = self.procs.iter().filter_map(Proc::installation_due);
        let watched = self.procs.iter().filter_map(|proc| proc.watching.due);
        due.chain(self.slow_stop_due()).chain(installs).chain(watched).min()
    }

    /// Whether a deadline is further away than it can be. Then the clock was set back, and an
    /// [`Input::TimerFired`](crate::Input::TimerFired) makes the deadlines count from now.
    pub fn is_set_back(&self, now: Timestamp) -> bool {
        ProcId::all(&self.procs).zip(&self.procs).any(|(id, proc)| {
            let timed = proc.check_due().is_some()
                || self.cleanup_due(id).is_some()
                || self.idle_due(id).is_some()
                || proc.installation_due().is_some();
            proc.since > now && timed
                || proc.restarts.is_set_back(now)
                || proc.watching.is_set_back(now)
        })
    }

    /// Handles the deadlines that have been reached, and restarts the processes whose pause is over.
    pub(crate) fn on_alarm(&mut self, now: Timestamp) {
        self.mention_slow_stops(now);
        for id in ProcId::all(&self.procs) {
            self.look_at_checks(id, now);
            self.cleanup_overdue(id, now);
            self.stop_if_idle(id, now);
            self.look_at_installation(id, now);
            let proc = &mut self.procs[id];
            if proc.restarts.take_due(now) {
                proc.goal = Goal::Run;
                proc.request_next_life();
                self.bring_up(id, now);
            }
        }
    }
}

impl Supervisor {
    /// The processes that had failed more than once in a row, and were given up or had not run for long enough since, when
    /// the end of the run was requested, or now.
    pub fn failing_at_end(&self, now: Timestamp) -> impl Iterator<Item = (&ProcName, u32)> {
        let asked = self.asked_at.unwrap_or(now);
        let is_failing = move |proc: &&Proc| {
            let policy = proc.rules.restart.as_ref().unwrap_or(&AUTO_RESTART_POLICY);
            let stable = Duration::from_millis(policy.stable_ms);
            let is_open = proc.failures.broken.is_some()
                || asked < proc.failures.last + proc.restarts.pause + stable;
            proc.failures.times > 1 && is_open && !proc.retired
        };
        self.procs.iter().filter(is_failing).map(|proc| (&proc.name, proc.failures.times))
    }
}

impl Proc {
    /// Its failures in a row while it is to run, until it has run for long enough.
    pub fn crash_loop(&self, now: Timestamp) -> Option<CrashLoop> {
        let runs = matches!(self.phase, Phase::Running { .. });
        let policy = self.rules.restart.as_ref().unwrap_or(&AUTO_RESTART_POLICY);
        let stable = Duration::from_millis(policy.stable_ms);
        // An older supervisor did not note the time.
        let is_known = self.failures.times > 0 && self.failures.last != Timestamp::EPOCH;
        let until = runs.then(|| self.since + stable);
        let is_open =
            is_known && !self.status().is_at_rest() && until.is_none_or(|until| now < until);
        is_open.then_some(CrashLoop { times: self.failures.times, last: self.failures.last, until })
    }

    /// How long to wait before the next life, if the last one lasted for `ran`.
    fn next_pause(&self, ran: Duration) -> Duration {
        // Opening windows in vain is expensive, so slow down in any case.
        let least = if self.restarts.lost_shims < MOST_LOST {
            Duration::ZERO
        } else {
            pause(&AUTO_RESTART_POLICY, false, self.restarts.streak, 0)
        };
        let pause = match &self.rules.restart {
            Some(policy) => {
                let loops = policy.delay_ms == 0 && self.restarts.streak >= MOST_AT_ONCE;
                let between = if loops { BETWEEN_STARTS } else { Duration::ZERO };
                pause(policy, false, self.restarts.streak, seed(self))
                    .max(between.saturating_sub(ran))
            }
            None => pause(&AUTO_RESTART_POLICY, true, self.restarts.streak, 0),
        };
        pause.max(least)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AUTO_RESTART_POLICY, Proc, pause};
    use crate::model::plan::rules::{Backoff, RestartPolicy};
    use crate::model::time::Timestamp;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let seconds: Vec<_> =
            (0..8).map(|n| pause(&AUTO_RESTART_POLICY, true, n, 0).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(&AUTO_RESTART_POLICY, true, u32::MAX, 0), Duration::from_secs(30));
    }

    #[test]
    fn pauses_are_spread_by_a_tenth() {
        let policy = RestartPolicy {
            delay_ms: 100,
            max_delay_ms: 2000,
            backoff: Backoff::Exponential,
            ..RestartPolicy::default()
        };
        for (streak, ms) in [100, 200, 400, 800, 1600, 2000, 2000].into_iter().enumerate() {
            for seed in [0, 1, 77_777_777, u64::MAX] {
                let pause = pause(&policy, false, u32::try_from(streak).unwrap(), seed).as_micros();
                let most = (ms * 1100).min(2_000_000);
                assert!(pause >= ms * 900 && pause <= most, "{ms} {pause}");
            }
        }
        let fixed = RestartPolicy::default();
        assert!((0..9).all(|streak| pause(&fixed, false, streak, 5).as_secs() == 1));
    }

    #[test]
    fn what_ends_at_once_is_not_started_without_a_pause_for_ever() {
        let mut plan = tmo_base::testing::plan(&["web"]);
        let at_once = RestartPolicy { delay_ms: 0, ..RestartPolicy::default() };
        plan.processes[0].rules.restart = Some(at_once);
        let mut proc = Proc::new(&plan.processes[0], &plan, Timestamp::EPOCH);
        let pauses = |proc: &Proc| {
            [0, 30, 100, 5000].map(|ran| proc.next_pause(Duration::from_millis(ran)).as_millis())
        };
        assert_eq!(pauses(&proc), [0, 0, 0, 0]);
        proc.restarts.streak = 10;
        assert_eq!(pauses(&proc), [100, 70, 0, 0]);
        // A process without settings: the first restart is immediate, as in overmind.
        (proc.rules.restart, proc.restarts.streak) = (None, 0);
        assert_eq!(proc.next_pause(Duration::ZERO), Duration::ZERO);
    }
}
