//! What a request of a client changes in the state machine.

use std::collections::{BTreeMap, BTreeSet};

use super::exit_code::KILL;
use super::pending_request::{PendingRequest, WaitCondition};
use super::proc::records::{Action, ChangePart};
use super::{Effect, Goal, Pane, Phase, Proc, RunPhase, Supervisor};
use crate::model::event::{Note, What};
use crate::model::name::nearest;
use crate::model::plan::AfterInstall;
use crate::model::plan::rules::Stage;
use crate::model::request::{ChangeOrder, Outcome, Request};
use crate::model::signal::SignalName;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcId, ProcName, units};
use crate::protocol::spec::Want;

/// What a request does to each of its processes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
    Restart,
}

impl Supervisor {
    pub(super) fn ask(&mut self, id: u64, request: &Request, now: Timestamp) {
        match request {
            Request::Start { names, order } => {
                if self.run_phase == RunPhase::Running {
                    // What was left out of the start may be part of the run now.
                    self.follow_plan(now);
                }
                self.each(id, Verb::Start, names, *order, now);
            }
            Request::Stop { names, order } => self.each(id, Verb::Stop, names, *order, now),
            Request::Restart { names, order } => self.each(id, Verb::Restart, names, *order, now),
            Request::Act { name, .. } => self.run_action(id, name, now),
            Request::Install { name, then } => self.ask_to_install(id, name, *then, now),
            Request::Signal { signal, names } => self.signal(id, *signal, names),
            Request::Watch { names, on } => self.watch(id, names, *on),
            Request::Scale { counts } => self.scale(id, counts, now),
            Request::Reload { .. } => self.reload(id, now),
            Request::Quit => {
                self.pending.push(PendingRequest::quit(id));
                self.interrupts = false;
                self.ask_to_quit(now);
            }
            Request::Kill => {
                self.pending.push(PendingRequest::quit(id));
                self.interrupts = false;
                self.kill();
            }
            Request::Use { name } => self.note_use(id, name, now),
            Request::Resize { .. } => self.effects.push(Effect::Answer(id, Outcome::done(vec![]))),
        }
    }

    /// Run an action, unless it runs: the outcome of a request is that of a life of its own.
    fn run_action(&mut self, request_id: u64, name: &str, now: Timestamp) {
        if let Some(proc) =
            self.procs.iter().find(|proc| proc.planned.is_action && proc.name.as_str() == name)
            && (proc.alive() || proc.is_to_begin())
        {
            let what = if proc.alive() {
                format!("has been running for {}", units::span(now.since(proc.since)))
            } else {
                "has been requested already".to_owned()
            };
            let problem = format!(
                "{name} {what}, and runs once at a time; `tmo echo {name}` shows its output, `tmo stop {name}` stops it"
            );
            return self.effects.push(Effect::Answer(request_id, Outcome::refused(problem)));
        }
        let names = vec![format!("={name}")];
        self.ask(request_id, &Request::Start { names, order: ChangeOrder::default() }, now);
    }

    fn each(
        &mut self,
        request_id: u64,
        verb: Verb,
        patterns: &[String],
        order: ChangeOrder,
        now: Timestamp,
    ) {
        let ids = match self.meant(verb, patterns, order) {
            Ok(ids) => ids,
            Err(outcome) => return self.effects.push(Effect::Answer(request_id, *outcome)),
        };
        if verb != Verb::Stop
            && let Some(problem) = self.stopping()
        {
            return self.effects.push(Effect::Answer(request_id, Outcome::refused(problem)));
        }
        for &id in &ids {
            if verb != Verb::Stop {
                self.procs[id].write_off(now);
            }
            if verb != Verb::Start {
                self.end_build(id, verb == Verb::Stop);
            }
        }
        let mut action = |id| match verb {
            Verb::Start => Action::Start,
            Verb::Stop => {
                self.insist(id, now);
                Action::Stop
            }
            Verb::Restart => {
                let joins = self.insist(id, now);
                if joins && self.procs[id].is_to_begin() { Action::Keep } else { Action::Restart }
            }
        };
        let set = ids.into_iter().map(|id| (id, action(id))).collect();
        let goals = self.change(set, order, now);
        self.await_change(request_id, goals);
    }

    /// Answer this request when these processes have reached their goals.
    pub(super) fn await_change(&mut self, request_id: u64, goals: Vec<(ProcId, WaitCondition)>) {
        let recalled = std::mem::take(&mut self.recalled);
        self.pending.push(PendingRequest::new(request_id, goals, recalled));
    }

    /// The processes that match these words of a request.
    fn meant(
        &self,
        verb: Verb,
        patterns: &[String],
        order: ChangeOrder,
    ) -> Result<Vec<ProcId>, Box<Outcome>> {
        // A process that is being removed can be stopped once more, but not started or restarted.
        let present = if verb == Verb::Stop { Proc::counts } else { |proc: &Proc| !proc.retired };
        let mut ids = self.ids_meant_by(patterns, present)?;
        if verb != Verb::Stop {
            // A pattern that fits its name does not begin an action.
            let is_action = |id: ProcId| self.procs[id].planned.is_action;
            ids.retain(|&id| !is_action(id) || self.procs[id].name.is_one_of(patterns));
        }
        if patterns.is_empty() && verb != Verb::Stop {
            ids.retain(|&id| self.procs[id].is_of_all());
            if verb == Verb::Restart && order != ChangeOrder::Overmind {
                ids.retain(|&id| !(self.has_completed(id) || self.procs[id].was_stopped_by_user()));
            }
        }
        Ok(ids)
    }

    /// The processes that would begin a life because of this request. For an instance that is yet to
    /// be added, the first instance of its entry is returned.
    pub fn begun_by(&self, request: &Request) -> Vec<ProcId> {
        let rests = |id: &ProcId| !self.procs[*id].alive() || self.procs[*id].stop_was_requested();
        let meant =
            |verb, names: &[String], order| self.meant(verb, names, order).unwrap_or_default();
        match request {
            _ if self.run_phase != RunPhase::Running => vec![],
            Request::Start { names, order } => {
                meant(Verb::Start, names, *order).into_iter().filter(rests).collect()
            }
            Request::Restart { names, order } => meant(Verb::Restart, names, *order),
            Request::Act { name, .. } => {
                let it = [format!("={name}")];
                meant(Verb::Start, &it, ChangeOrder::default()).into_iter().filter(rests).collect()
            }
            Request::Install { name, .. } => ProcId::all(&self.procs)
                .filter(|id| self.procs[*id].name.as_str() == name)
                .collect(),
            Request::Scale { counts } => {
                let count = |proc: &Proc| counts.get(proc.name.entry()).copied().unwrap_or(0);
                let of = |proc: &Proc, entry: &str| !proc.retired && proc.name.entry() == entry;
                let runs = |entry: &str| {
                    let ids = ProcId::all(&self.procs).filter(|&id| of(&self.procs[id], entry));
                    ids.filter(|id| !rests(id)).count()
                };
                let grows = |proc: &Proc| usize::from(count(proc)) > runs(proc.name.entry());
                ProcId::all(&self.procs)
                    .filter(|&id| !self.procs[id].planned.removed && grows(&self.procs[id]))
                    .collect()
            }
            Request::Stop { .. }
            | Request::Signal { .. }
            | Request::Watch { .. }
            | Request::Use { .. }
            | Request::Reload { .. }
            | Request::Quit
            | Request::Kill
            | Request::Resize { .. } => vec![],
        }
    }

    /// Send a signal to the running processes that match. It is an error if one that was named does
    /// not run.
    fn signal(&mut self, request_id: u64, signal: SignalName, patterns: &[String]) {
        let ids = match self.ids_meant_by(patterns, Proc::counts) {
            Ok(ids) => ids,
            Err(outcome) => return self.effects.push(Effect::Answer(request_id, *outcome)),
        };
        let (mut names, mut problems) = (vec![], vec![]);
        for id in ids {
            let name = self.procs[id].name.clone();
            if let Some(pid) = self.procs[id].pid() {
                self.effects.push(Effect::Say(Some(id), What::Signal { sent: signal }));
                self.effects.push(Effect::Signal { id, pid, signal: signal.number() });
                names.push(name);
            } else if !patterns.is_empty() {
                problems.push(format!("{name} does not run").into());
            }
        }
        let outcome = Outcome { ok: problems.is_empty(), problems, names, ..Outcome::default() };
        self.effects.push(Effect::Answer(request_id, outcome));
    }

    /// Replace each `@group` by its entries. The number of an entry itself overrides that of its group.
    pub fn spread_groups(&self, counts: &mut BTreeMap<String, u16>) {
        let is_group = |word: &&String| word.starts_with('@') && !word.contains(',');
        let groups: Vec<String> = counts.keys().filter(is_group).cloned().collect();
        for word in groups {
            let is_member = |proc: &&Proc| !proc.planned.removed && proc.is_meant(&word);
            let members: Vec<_> = self.procs.iter().filter(is_member).collect();
            // A group that has no members stays, to be refused.
            if let (false, Some(count)) = (members.is_empty(), counts.get(&word).copied()) {
                counts.remove(&word);
                for proc in members {
                    counts.entry(proc.name.entry().to_owned()).or_insert(count);
                }
            }
        }
    }

    /// Start the missing instances of each entry and stop the excess ones. The plan contains all of
    /// them already.
    fn scale(&mut self, request_id: u64, counts: &BTreeMap<String, u16>, now: Timestamp) {
        let entry = |proc: &Proc| ProcName::new(proc.name.entry()).ok();
        let there =
            self.procs.iter().filter(|proc| !proc.planned.removed && !proc.planned.is_action);
        let mut entries: Vec<_> = there.filter_map(entry).collect();
        // The instances of an entry need not be next to each other.
        let mut seen = BTreeSet::new();
        entries.retain(|entry| seen.insert(entry.clone()));
        let known = |name: &&String| entries.iter().any(|entry| entry.as_str() == **name);
        if let Some(unknown) = counts.keys().find(|name| !known(name)) {
            let group = std::slice::from_ref(unknown);
            let outcome = match self.ids_meant_by(group, |proc| !proc.planned.removed) {
                Err(outcome) if unknown.starts_with('@') => *outcome,
                Err(_) | Ok(_) => Outcome::unknown(unknown, &entries),
            };
            return self.effects.push(Effect::Answer(request_id, outcome));
        }
        if let Some(problem) = self.stopping() {
            return self.effects.push(Effect::Answer(request_id, Outcome::refused(problem)));
        }
        let mut set = BTreeMap::new();
        for id in ProcId::all(&self.procs) {
            let proc = &mut self.procs[id];
            let Some(count) = counts.get(proc.name.entry()) else { continue };
            if proc.planned.removed {
                continue;
            }
            let instance = proc.name.instance();
            if instance <= u64::from(*count) {
                proc.retired = false;
                proc.write_off(now);
                set.insert(id, Action::Start);
            } else if proc.counts() {
                // The first instance stays, so that the entry can still be named in a request.
                proc.retired = instance > 1;
                set.insert(id, Action::Leave);
            }
        }
        let goals = self.change(set, ChangeOrder::Dependencies, now);
        self.await_change(request_id, goals);
    }

    /// The processes that match these words; no words mean all.
    pub fn ids_meant_by(
        &self,
        patterns: &[String],
        present: fn(&Proc) -> bool,
    ) -> Result<Vec<ProcId>, Box<Outcome>> {
        let all = ProcId::all(&self.procs).filter(|&id| present(&self.procs[id]));
        if patterns.is_empty() {
            return Ok(all.collect());
        }
        let there = self.procs.iter().filter(|proc| present(proc));
        let there = there.map(|proc| (&proc.name, &proc.rules.groups[..]));
        nearest::refuse_unknown(patterns, there).map_err(|unknown| Box::new(unknown.into()))?;
        Ok(all.filter(|&id| patterns.iter().any(|p| self.procs[id].is_meant(p))).collect())
    }

    pub(super) fn start(&mut self, id: ProcId, now: Timestamp) -> WaitCondition {
        self.start_as(id, ChangePart::default(), now)
    }

    /// Start a process that is not running, as this part of a change.
    pub(super) fn start_as(
        &mut self,
        id: ProcId,
        part: ChangePart,
        now: Timestamp,
    ) -> WaitCondition {
        let proc = &mut self.procs[id];
        proc.forget_refusal();
        let stopping = proc.alive() && proc.stop_was_requested();
        proc.installation.then = AfterInstall::Run;
        if proc.is_to_stop() {
            proc.cancel_stop();
            return WaitCondition::Run(proc.life);
        }
        if proc.alive() && !stopping {
            return WaitCondition::Run(proc.current_life());
        }
        if stopping && proc.is_to_begin() && !proc.waiting {
            // Its shim begins the next life already.
            return WaitCondition::Run(proc.life);
        }
        proc.forgive();
        (proc.change, proc.waiting) = (part, true);
        // A requested life that was cancelled may have been skipped for good, so request a new one.
        if proc.goal == Goal::Stop || proc.life <= proc.current_life() {
            proc.goal = Goal::Run;
            proc.request_next_life();
        }
        let goal = WaitCondition::Run(proc.life);
        self.held.push(id);
        if !self.procs[id].change.is_unordered() {
            self.call_needs(id, now);
        }
        self.bring_up(id, now);
        self.recall_skipped(id, now);
        goal
    }

    pub(super) fn bring_up(&mut self, id: ProcId, now: Timestamp) {
        let proc = &mut self.procs[id];
        match proc.pane {
            // The sink is not ready yet; wait for it so that no output is lost.
            Pane::Up { .. } if proc.waiting || !proc.recorded && !proc.alive() => {}
            Pane::Up { .. } => {
                if !proc.alive()
                    && let Some(life) = proc.life
                {
                    proc.enter(Phase::Starting { life }, now);
                }
                self.want(id);
            }
            Pane::None => self.reopen(id),
            Pane::Opening => {}
        }
    }

    pub(super) fn stop(&mut self, id: ProcId) -> WaitCondition {
        self.procs[id].forget_refusal();
        self.request_stop(id);
        let proc = &mut self.procs[id];
        if let (true, Phase::Over { asked, .. }) = (proc.planned.is_action, &mut proc.phase) {
            // Its failure is known now.
            *asked = true;
        }
        if proc.cancel_restart() {
            self.effects.push(Effect::Say(Some(id), What::NotRestarted));
        }
        proc.change = ChangePart { stays_down: proc.skip.is_some(), ..ChangePart::default() };
        proc.goal = Goal::Stop;
        proc.restarts.due = None;
        proc.waiting = false;
        proc.marks.interrupted = None;
        proc.mark_requested_life_stopped();
        let goal = WaitCondition::Over(proc.life);
        self.want(id);
        goal
    }

    pub(super) fn restart(&mut self, id: ProcId, now: Timestamp) -> WaitCondition {
        if !self.procs[id].alive() {
            return self.start(id, now);
        }
        self.request_stop(id);
        let proc = &mut self.procs[id];
        proc.goal = Goal::Run;
        proc.restarts.due = None;
        proc.request_next_life();
        let goal = WaitCondition::Run(proc.life);
        self.want(id);
        goal
    }

    /// The spec for the shim could not be written: cancel the requested life, and let the running one
    /// continue.
    pub(super) fn spec_write_failed(
        &mut self,
        id: ProcId,
        why: &str,
        stands: Option<(Want, Option<LifeId>)>,
        now: Timestamp,
    ) {
        let proc = &mut self.procs[id];
        if stands == Some((Want::Run, proc.life)) {
            return;
        }
        proc.note = Some(Note::Text(why.to_owned()));
        let runs = matches!(stands, Some((Want::Run, life)) if life == proc.current_life());
        if matches!(proc.phase, Phase::Starting { life } if Some(life) == proc.life) {
            proc.enter(Phase::Pending, now);
            proc.life = proc.life.and_then(LifeId::previous);
            proc.goal = Goal::Stop;
            self.could_not_start(id, why);
        } else if proc.life > proc.current_life() {
            proc.life = proc.current_life();
            if runs {
                let previous = proc.life.and_then(LifeId::previous);
                proc.marks.stop_requested = proc.marks.stop_requested.min(previous);
                proc.marks.stop_life = proc.marks.stop_life.min(previous);
                proc.watching.try_again(now);
            } else {
                proc.goal = Goal::Stop;
            }
        }
    }

    /// Mark its life as asked to stop and log that, unless that was done before.
    pub(super) fn request_stop(&mut self, id: ProcId) {
        let proc = &mut self.procs[id];
        let life = proc.current_life();
        if proc.alive() && proc.marks.request_stop(life) {
            self.effects.push(Effect::Say(Some(id), What::Interrupting));
        }
    }
}

impl Proc {
    /// Forget why an earlier request did not reach the living process: another one is made.
    fn forget_refusal(&mut self) {
        let is_alive = self.alive();
        self.note.take_if(|note| is_alive && matches!(note, Note::Text(_)));
    }

    /// Clear failures and pauses, because a user or client wants it to run regardless.
    pub(super) fn forgive(&mut self) {
        self.restarts.forget();
        self.failures.forget();
        self.skip = None;
        self.change.stays_down = false;
    }

    /// A process that was to begin again is to stay down: it counts as stopped, as one that runs would. One
    /// that has done its work keeps its result. Returns whether anything was to come.
    fn cancel_restart(&mut self) -> bool {
        let Phase::Over { life, exit, .. } = self.phase else { return false };
        let again = self.is_to_begin() && !self.rules.is_good(exit);
        if self.restarts.due.is_none() && !again {
            return false;
        }
        self.phase = Phase::Over { life, exit, asked: true };
        self.marks.request_stop(Some(life));
        true
    }

    /// Whether a request for all processes includes it: if it is alive, or has been requested before
    /// and is not a cleanup process.
    fn is_of_all(&self) -> bool {
        self.alive() || self.life.is_some() && self.rules.stage != Stage::Cleanup
    }

    /// Give up on a stuck process without a shim: nothing will report its end. A client that asks for
    /// another life knows that it is stuck.
    pub(super) fn write_off(&mut self, now: Timestamp) {
        if let (Phase::Stuck { life, .. }, Pane::None) = (&self.phase, &self.pane) {
            let (life, exit) = (*life, Exit::Signal(KILL));
            self.enter(Phase::Over { life, exit, asked: true }, now);
        }
    }
}
