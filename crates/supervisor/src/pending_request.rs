//! Requests that wait until they are carried out.

use serde::{Deserialize, Serialize};

use super::{Effect, Goal, Pane, Phase, Proc, RunPhase, Supervisor};
use crate::model::ids::or_zero;
use crate::model::request::Outcome;
use crate::model::{Exit, LifeId, ProcId, Untrusted};

/// The state of a process for which a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WaitCondition {
    /// This life, or a later one, is running.
    Run(#[serde(with = "or_zero")] Option<LifeId>),
    /// This life, or a later one, has ended with success.
    Completed(#[serde(with = "or_zero")] Option<LifeId>),
    /// Its installation is complete.
    Installed,
    /// Nothing of this life is alive any more.
    Over(#[serde(with = "or_zero")] Option<LifeId>),
}

/// A waiting request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingRequest {
    pub(super) id: u64,
    goals: Vec<(ProcId, WaitCondition)>,
    names: Vec<ProcId>,
    problems: Vec<String>,
    /// The skipped processes that follow because of it.
    #[serde(default)]
    recalled: Vec<ProcId>,
    /// It waits for the end of the run.
    last: bool,
    /// How the life that it has begun has ended, if that is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit: Option<Exit>,
}

enum Verdict {
    Waiting,
    Reached,
    Failed(String),
}

impl PendingRequest {
    pub(super) fn new(id: u64, goals: Vec<(ProcId, WaitCondition)>, recalled: Vec<ProcId>) -> Self {
        let names = goals.iter().map(|(proc, _)| *proc).collect();
        Self { id, goals, names, problems: vec![], recalled, last: false, exit: None }
    }

    /// The processes that the request is about.
    pub(super) fn concerns(&self) -> impl Iterator<Item = ProcId> {
        let named = self.names.iter().chain(&self.recalled).copied();
        self.goals.iter().map(|(id, _)| *id).chain(named)
    }

    pub(super) fn quit(id: u64) -> Self {
        Self { last: true, ..Self::new(id, vec![], vec![]) }
    }
}

/// How many requests with a key are remembered. A client repeats a request at once or not at all.
const REMEMBERED: usize = 64;

impl Supervisor {
    /// Whether a request with this key was made before; then this one only waits for its outcome. If
    /// it were carried out twice, a stop would become a kill, and a restart two restarts.
    pub(super) fn asked_before(&mut self, id: u64, key: Option<&str>) -> bool {
        let Some((_, known)) = self.keyed.iter().find(|(known, _)| Some(known.as_str()) == key)
        else {
            return false;
        };
        self.pending.push(PendingRequest { id, ..known.clone() });
        true
    }

    /// Whether a request with this key is remembered.
    pub fn remembers(&self, key: &str) -> bool {
        self.keyed.iter().any(|(known, _)| known == key)
    }

    /// Remember the request that was just made by its key, unless it was refused.
    pub(super) fn remember(&mut self, id: u64, key: Option<String>) {
        let made = self.pending.iter().find(|request| request.id == id);
        if let (Some(key), Some(request)) = (key, made) {
            self.keyed.push((key, request.clone()));
            let old = self.keyed.len().saturating_sub(REMEMBERED);
            self.keyed.drain(..old);
        }
    }

    /// Answer the requests that have been carried out or cannot be.
    pub(super) fn answer_requests(&mut self) {
        let done = matches!(self.run_phase, RunPhase::Finished { .. });
        let stopping = self.stopping();
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain_mut(|request| {
            let problems = &mut request.problems;
            request.goals.retain(|(id, goal)| {
                if let (WaitCondition::Completed(life), Phase::Over { life: now, exit, .. }) =
                    (goal, &self.procs[*id].phase)
                    && Some(*now) == *life
                {
                    request.exit = Some(*exit);
                }
                match verdict(&self.procs[*id], *goal, stopping.as_deref()) {
                    Verdict::Waiting => true,
                    Verdict::Reached => false,
                    Verdict::Failed(why) => {
                        problems.push(format!("{}: {why}", self.procs[*id].name));
                        false
                    }
                }
            });
            if !request.goals.is_empty() || request.last && !done {
                return true;
            }
            if request.last {
                request.problems = self.left_over();
            }
            let named = |id: &ProcId| self.procs[*id].name.clone();
            let names = request.names.iter().map(named).collect();
            let following = request.recalled.iter().map(named).collect();
            let problems = std::mem::take(&mut request.problems);
            let problems: Vec<_> = problems.into_iter().map(Untrusted::from).collect();
            let (ok, exit) = (problems.is_empty(), request.exit);
            let outcome = Outcome { ok, problems, names, following, unknown: None, exit };
            self.effects.push(Effect::Answer(request.id, outcome));
            false
        });
        self.pending = pending;
    }

    /// The processes that could not be ended.
    fn left_over(&self) -> Vec<String> {
        let stuck = |proc: &Proc| match (&proc.phase, &proc.note) {
            (Phase::Stuck { .. }, Some(note)) => Some(format!("{}: {note}", proc.name)),
            _ => None,
        };
        self.procs.iter().filter_map(stuck).collect()
    }
}

fn verdict(proc: &Proc, goal: WaitCondition, stopping: Option<&str>) -> Verdict {
    let WaitCondition::Completed(life) = goal else { return ordinary(proc, goal, stopping) };
    if let Phase::Running { life: now, .. } | Phase::Ending { life: now, .. } = proc.phase
        && Some(now) >= life
    {
        return Verdict::Waiting;
    }
    if let Phase::Over { life: now, exit, asked } = proc.phase {
        if proc.restarts.due.is_some() || proc.is_to_begin() {
            return Verdict::Waiting;
        }
        if !asked && Some(now) >= life {
            return if proc.rules.is_good(exit) {
                Verdict::Reached
            } else {
                Verdict::Failed(format!("ended with {}", exit.describe()))
            };
        }
    }
    ordinary(proc, WaitCondition::Run(life), stopping)
}

fn ordinary(proc: &Proc, goal: WaitCondition, stopping: Option<&str>) -> Verdict {
    if let WaitCondition::Run(life) = goal
        && let Some(unseen) = stopped_unseen(proc, life)
    {
        return unseen;
    }
    in_this_phase(proc, goal, stopping)
}

/// If another request has stopped the awaited life before this one saw it run, that life has not ended by itself.
fn stopped_unseen(proc: &Proc, life: Option<LifeId>) -> Option<Verdict> {
    let (Phase::Ending { life: now, .. } | Phase::Over { life: now, .. }) = proc.phase else {
        return None;
    };
    let by_request = proc.stop_was_requested() && proc.marks.failed != Some(now);
    if Some(now) < life || !by_request || proc.is_at_installation() {
        return None;
    }
    match proc.goal {
        Goal::Run => proc.is_to_begin().then_some(Verdict::Waiting),
        Goal::Stop if proc.skip.is_some() || proc.restarts.due.is_some() => None,
        Goal::Stop => Some(Verdict::Failed("it was stopped meanwhile".to_owned())),
    }
}

fn in_this_phase(proc: &Proc, goal: WaitCondition, stopping: Option<&str>) -> Verdict {
    let note =
        || proc.note.as_ref().map_or_else(|| "it is not there".to_owned(), ToString::to_string);
    match (goal, &proc.phase) {
        (_, Phase::Stuck { .. }) => Verdict::Failed(note()),
        (WaitCondition::Installed | WaitCondition::Run(_), _) if proc.is_installing() => {
            Verdict::Waiting
        }
        (WaitCondition::Installed, _) if proc.installation.is_complete() => Verdict::Reached,
        (WaitCondition::Installed, _) => Verdict::Failed(note()),
        (WaitCondition::Run(life), _) if proc.life < life => Verdict::Failed(note()),
        (WaitCondition::Over(life), _) if !proc.alive() || proc.current_life() > life => {
            Verdict::Reached
        }
        (WaitCondition::Over(_), _)
            if proc.goal == Goal::Run && !proc.is_to_stop() && !proc.stop_was_requested() =>
        {
            Verdict::Failed("it was started meanwhile".to_owned())
        }
        (WaitCondition::Run(life), Phase::Over { life: now, .. })
            if Some(*now) >= life && proc.is_at_installation() =>
        {
            match &proc.note {
                _ if proc.goal == Goal::Run => Verdict::Waiting,
                Some(note) => Verdict::Failed(note.to_string()),
                None => Verdict::Failed("it was stopped meanwhile".to_owned()),
            }
        }
        (WaitCondition::Run(life), Phase::Running { life: now, .. }) if Some(*now) >= life => {
            Verdict::Reached
        }
        (WaitCondition::Run(life), Phase::Over { life: now, asked: true, .. })
            if Some(*now) >= life && proc.goal == Goal::Stop =>
        {
            Verdict::Failed("it was stopped meanwhile".to_owned())
        }
        (WaitCondition::Run(life), Phase::Over { life: now, asked: false, .. })
            if Some(*now) >= life && proc.marks.skipped == Some(*now) =>
        {
            Verdict::Failed(note())
        }
        (
            WaitCondition::Run(life),
            Phase::Ending { life: now, exit } | Phase::Over { life: now, exit, .. },
        ) if Some(*now) >= life => {
            Verdict::Failed(format!("ended at once with {}", exit.describe()))
        }
        (WaitCondition::Run(_), _) if let Some(why) = stopping => Verdict::Failed(why.to_owned()),
        (WaitCondition::Run(_), _) if !proc.alive() && proc.skip.is_some() => {
            Verdict::Failed(note())
        }
        (WaitCondition::Run(_), _) if !proc.alive() && proc.goal == Goal::Stop => {
            // The window of a process that was removed by scaling is closed as well.
            let gone = proc.pane == Pane::None && !proc.retired;
            Verdict::Failed(if gone { note() } else { "it was stopped meanwhile".to_owned() })
        }
        (WaitCondition::Over(_) | WaitCondition::Run(_) | WaitCondition::Completed(_), _) => {
            Verdict::Waiting
        }
    }
}
