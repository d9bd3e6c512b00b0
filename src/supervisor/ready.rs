//! When a process is ready, and whether it still works.

use super::proc::{Phase, Proc, ProcId, Ready};
use super::{Course, Effect, Supervisor, Word, nanos};
use crate::model::Exit;
use crate::model::count::in_a_row;
use crate::model::rules::{Action, Check, FailureAction, Probe, Rules};

/// Somebody must ask whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// About whom.
    pub id: ProcId,
    /// About which life.
    pub life: u64,
    /// Which check of those for readiness; nothing: whether it still works.
    pub check: Option<usize>,
}

impl Supervisor {
    /// What has to be asked from outside while things stand as they do.
    pub fn questions(&self) -> Vec<Question> {
        let mut all = vec![];
        for (id, proc) in self.procs.iter().enumerate() {
            let Phase::Running { life, .. } = proc.phase else { continue };
            match &proc.ready {
                Ready::Waiting { passed, .. } => {
                    let open = (0..proc.rules.ready.len()).filter(|check| !passed.contains(check));
                    let asks = |check: &usize| is_asked(&proc.rules.ready[*check].probe);
                    all.extend(open.filter(asks).map(|c| Question { id, life, check: Some(c) }));
                }
                Ready::Yes { .. } if proc.rules.live.is_some() && !proc.told_to_stop() => {
                    all.push(Question { id, life, check: None });
                }
                Ready::Yes { .. } | Ready::No { .. } => {}
            }
        }
        all
    }

    /// A new life has begun.
    pub(super) fn began(&mut self, id: ProcId, at: u64, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        (proc.ready, proc.misses, proc.asked_again) = (Ready::default(), 0, 0);
        if proc.rules.ready.is_empty() {
            proc.ready = Ready::Yes { at };
        } else {
            self.look_at_checks(id, at, out);
        }
    }

    /// One of the checks of a life is passed.
    pub(super) fn passed(
        &mut self,
        id: ProcId,
        (life, check): (u64, usize),
        now: u64,
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        let runs = matches!(proc.phase, Phase::Running { life: current, .. } if current == life);
        let Ready::Waiting { passed, heard } = &mut proc.ready else { return };
        if !runs || check >= proc.rules.ready.len() || passed.contains(&check) {
            return;
        }
        heard.retain(|(of, _)| *of != check);
        passed.push(check);
        if passed.len() == proc.rules.ready.len() {
            proc.ready = Ready::Yes { at: now };
            out.push(Word::of(id, "ready", "Ready"));
        }
    }

    /// One of the checks of a life was asked and is not passed yet: who gives up tells why.
    pub(super) fn unmet(&mut self, id: ProcId, (life, check): (u64, usize), answer: String) {
        let proc = &mut self.procs[id];
        let runs = matches!(proc.phase, Phase::Running { life: current, .. } if current == life);
        let Ready::Waiting { passed, heard } = &mut proc.ready else { return };
        if runs && check < proc.rules.ready.len() && !passed.contains(&check) {
            heard.retain(|(of, _)| *of != check);
            heard.push((check, answer));
        }
    }

    /// Whether a life still works was asked, and what came of it.
    pub(super) fn looked_at(
        &mut self,
        (id, life): (ProcId, u64),
        trouble: Option<&str>,
        now: u64,
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        let runs = matches!(proc.phase, Phase::Running { life: current, .. } if current == life);
        let Some(live) = proc.rules.live.as_ref().filter(|_| runs) else { return };
        let Some(why) = trouble else {
            if proc.misses >= live.failures.max(1) && live.action == Action::Notify {
                proc.note = None;
                out.push(Word::of(id, "healthy", "Works again"));
            }
            proc.misses = 0;
            return;
        };
        proc.misses = proc.misses.saturating_add(1);
        if proc.misses != live.failures.max(1) || proc.told_to_stop() {
            return;
        }
        let action = live.action;
        let text = format!("Does not work any more ({}): {why}", in_a_row(proc.misses));
        out.push(Word::error(Some(id), "unhealthy", text));
        match action {
            Action::Notify => proc.note = Some(format!("does not work: {why}")),
            Action::Break => self.break_off(id, &format!("does not work: {why}"), out),
            Action::Restart => {
                self.fail_and_restart(id, &format!("does not work: {why}"), now, out);
            }
        }
    }

    /// It has printed that it has failed.
    pub(super) fn failing(
        &mut self,
        (id, life): (ProcId, u64),
        (action, line): (FailureAction, &str),
        now: u64,
        out: &mut Vec<Effect>,
    ) {
        let proc = &self.procs[id];
        if proc.current_life() != life || !proc.alive() || proc.told_to_stop() {
            return;
        }
        match action {
            FailureAction::Break => self.break_off(id, &format!("printed `{line}`"), out),
            FailureAction::Restart => {
                out.push(Word::error(Some(id), "failing", format!("Failed: printed `{line}`")));
                self.fail_and_restart(id, &format!("printed `{line}`"), now, out);
            }
        }
    }

    /// What time alone decides about a life that is not ready yet.
    pub(super) fn look_at_checks(&mut self, id: ProcId, now: u64, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        let Phase::Running { life, .. } = proc.phase else { return };
        // The clock was set back.
        proc.since = proc.since.min(now);
        proc.asked_again = proc.asked_again.min(now);
        let age = now - proc.since;
        let Ready::Waiting { passed, .. } = &proc.ready else { return };
        let open = |check: &usize| !passed.contains(check);
        let waited: Vec<_> = (0..proc.rules.ready.len()).filter(open).collect();
        let late = |check: &&usize| {
            let check = &proc.rules.ready[**check];
            !matches!(check.probe, Probe::Delay { .. }) && proc.limit_of(check) <= now
        };
        if let Some(late) = waited.iter().find(late) {
            let check = &proc.rules.ready[*late];
            let (what, limit) = (expected(&check.probe), seconds(check.timeout_ms));
            let why = format!("{what} within {limit}{}", proc.heard(*late));
            return self.not_ready(id, &why, out);
        }
        for check in waited {
            if let Probe::Delay { ms } = self.procs[id].rules.ready[check].probe
                && nanos(ms) <= age
            {
                self.passed(id, (life, check), now, out);
            }
        }
    }

    fn not_ready(&mut self, id: ProcId, why: &str, out: &mut Vec<Effect>) {
        self.procs[id].ready = Ready::No { why: why.to_owned() };
        if self.course == Course::Keep {
            out.push(Word::error(Some(id), "not-ready", format!("Not ready: {why}")));
        }
    }

    /// Its main process has ended: that may be what was waited for.
    pub(super) fn ready_by_exit(&mut self, id: ProcId, exit: Exit, at: u64, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        let Ready::Waiting { passed, .. } = &proc.ready else { return };
        let open = (0..proc.rules.ready.len()).filter(|check| !passed.contains(check));
        let open: Vec<_> = open.collect();
        let by_exit = |check: &usize| match proc.rules.ready[*check].probe {
            Probe::Exit { code } => Exit::Code(code) == exit,
            Probe::Log(_)
            | Probe::Port { .. }
            | Probe::Http { .. }
            | Probe::Exec { .. }
            | Probe::Delay { .. } => false,
        };
        if !open.is_empty() && open.iter().all(by_exit) {
            proc.ready = Ready::Yes { at };
            out.push(Word::of(id, "ready", "Ready"));
        }
    }

    /// It has ended for good: what it had not come to by then, it won't.
    pub(super) fn ready_never(&mut self, id: ProcId, exit: Exit, out: &mut Vec<Effect>) {
        if matches!(self.procs[id].ready, Ready::Waiting { .. }) {
            self.not_ready(id, &format!("ended with {}", exit.describe()), out);
        }
    }
}

impl Proc {
    /// When time alone will decide something about its readiness.
    pub(super) fn check_due(&self) -> Option<u64> {
        let (Phase::Running { .. }, Ready::Waiting { passed, .. }) = (&self.phase, &self.ready)
        else {
            return None;
        };
        let open = self.rules.ready.iter().enumerate().filter(|(n, _)| !passed.contains(n));
        let due = |(_, check): (usize, &Check)| match check.probe {
            Probe::Delay { ms } => self.since.saturating_add(nanos(ms)),
            Probe::Log(_)
            | Probe::Port { .. }
            | Probe::Http { .. }
            | Probe::Exec { .. }
            | Probe::Exit { .. } => self.limit_of(check),
        };
        open.map(due).min()
    }

    /// What it lacks to be ready, a text for each check that is open; nothing where it isn't waited
    /// for, or will not come any more.
    pub fn lacks(&self) -> Vec<String> {
        let (Phase::Running { .. }, Ready::Waiting { passed, .. }) = (&self.phase, &self.ready)
        else {
            return vec![];
        };
        if self.told_to_stop() {
            return vec![];
        }
        let open = self.rules.ready.iter().enumerate().filter(|(n, _)| !passed.contains(n));
        open.map(|(n, check)| lacking(&check.probe) + &self.heard(n)).collect()
    }

    /// What a check answered last, to be put behind what was wanted of it.
    fn heard(&self, check: usize) -> String {
        let Ready::Waiting { heard, .. } = &self.ready else { return String::new() };
        let answer = heard.iter().find(|(of, _)| *of == check);
        answer.map_or_else(String::new, |(_, answer)| format!(": {answer}"))
    }

    /// Until when a check has to be passed. Where nobody was there to ask, it is asked once more
    /// before that is held against the process.
    fn limit_of(&self, check: &Check) -> u64 {
        let limit = self.since.saturating_add(nanos(check.timeout_ms));
        if !is_asked(&check.probe) || self.asked_again == 0 {
            return limit;
        }
        let while_asked = nanos(check.timeout_ms.min(ONE_ATTEMPT_MS));
        limit.max(self.asked_again.saturating_add(while_asked))
    }

    /// Somebody else asks about it from now on.
    pub(super) fn ask_again(&mut self, now: u64) {
        if matches!((&self.phase, &self.ready), (Phase::Running { .. }, Ready::Waiting { .. })) {
            self.asked_again = now;
        }
    }
}

/// As long as one attempt to ask may take.
const ONE_ATTEMPT_MS: u64 = 5000;

/// Whether somebody has to ask for it, again and again.
const fn is_asked(probe: &Probe) -> bool {
    match probe {
        Probe::Port { .. } | Probe::Http { .. } | Probe::Exec { .. } => true,
        Probe::Log(_) | Probe::Exit { .. } | Probe::Delay { .. } => false,
    }
}

/// What was not seen.
fn expected(probe: &Probe) -> String {
    match probe {
        Probe::Log(text) => format!("did not print `{}`", text.pattern),
        Probe::Port { host, port, .. } => format!("did not listen on {host}:{port}"),
        Probe::Http { url } => format!("{url} did not answer well"),
        Probe::Exec { command } => format!("`{}` did not succeed", command.as_path().display()),
        Probe::Exit { code } => format!("did not end with {code}"),
        Probe::Delay { .. } => "did not last".to_owned(),
    }
}

/// The same while there is time.
fn lacking(probe: &Probe) -> String {
    match probe {
        Probe::Log(text) => format!("it has not printed `{}`", text.pattern),
        Probe::Port { host, port, .. } => format!("it does not listen on {host}:{port}"),
        Probe::Http { url } => format!("{url} does not answer well"),
        Probe::Exec { command } => format!("`{}` does not succeed", command.as_path().display()),
        Probe::Exit { code } => format!("it has not ended with {code}"),
        Probe::Delay { ms } => format!("it has not run for {}", seconds(*ms)),
    }
}

pub(super) fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

/// How long a cleanup may take: what its own check allows, in milliseconds.
pub(super) fn cleanup_limit(rules: &Rules) -> u64 {
    let exit = rules.ready.iter().find(|check| matches!(check.probe, Probe::Exit { .. }));
    exit.map_or(Check::TIMEOUT_MS, |check| check.timeout_ms)
}
