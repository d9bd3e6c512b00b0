//! What was wrong in a run that is over.

use std::io;

use super::trouble::{Trouble, Troubles};
use super::{About, Analysis, Report, Why, WhyError, of_report};
use crate::crash::record::examine_in;
use crate::crash::{Cause, CauseKind, Log, Trigger};
use crate::journal::last_run::RecordedEnd;
use crate::journal::read::query::last_events;
use crate::journal::streams::{is_meant, refuse_unknown};
use crate::model::event::{RunProblem, What};
use crate::model::exit::{Culprit, End};
use crate::model::plan::start_and_let_end;
use crate::model::text::shell::quoted;
use crate::model::{Exit, ProcName};

/// How the last run ended.
#[derive(Debug, Default)]
pub(super) struct LastRunEnd {
    /// Its id; `None` if its end was not recorded.
    pub(super) run: Option<String>,
    pub(super) end: End,
    /// The failure of the run as a whole that ended it.
    failure: Option<String>,
    troubles: Troubles,
    /// Its files are still there, and its journal could be written.
    killed: bool,
    /// How many bytes of its output are lost because the journal could not be written at its end.
    lost: u64,
}

impl LastRunEnd {
    /// How it ended, to follow "the run".
    pub(super) fn words(&self) -> String {
        if self.run.is_none() {
            let unknown = "is over; its end was not recorded (it was killed, or the journal could not be written)";
            let killed = "was abandoned: its supervisor was killed";
            return if self.killed { killed } else { unknown }.to_owned();
        }
        let failed = || Some(format!("ended because {}", self.failure.as_ref()?));
        // `tmo start --until-ready` stops a run that does not become ready.
        let reason = self.end.reason().or_else(failed).or_else(|| {
            let trouble = self.troubles.first().filter(|trouble| !trouble.has_ended())?;
            Some(format!("was stopped before {} was ready", trouble.name))
        });
        let reason = reason.unwrap_or_else(|| {
            "ended as it was asked to (tmo quit, Ctrl-C, a closed output)".to_owned()
        });
        if self.lost == 0 {
            return reason;
        }
        format!(
            "{reason}; {} bytes of its output are lost: the journal could not be written",
            self.lost
        )
    }
}

impl Analysis<'_> {
    /// If nothing runs: which process ended everything, or what was wrong at the end.
    pub(super) fn afterwards(&self, name: Option<&str>) -> Result<Option<Why>, WhyError> {
        let ended = self.ended()?;
        let LastRunEnd { run, end: End { culprit, finished, .. }, troubles, .. } = &ended;
        let run = run.as_deref().unwrap_or_default();
        let Some(name) = name else {
            let unexpected = culprit.as_ref().filter(|culprit| !finished.contains(&culprit.name));
            if let Some(culprit) = unexpected {
                let found = self.last_end(&culprit.name, run, None)?;
                let others = self.failed_beside(&culprit.name, finished);
                let answer = found.map(|found| Why { others, ..of_report(found, None) });
                return Ok(answer.map(|answer| self.with_way_to_end(answer)));
            }
            // A process that had crashed and ran again was fine at the end.
            let is_last = |(report, _): &&Report| {
                let last = self.log.last_ended(&report.process_name).ok().flatten();
                last.is_none_or(|(lived, _)| lived.life == report.tmo.life)
            };
            let crashed = || self.reports.iter().filter(is_last);
            // What others waited for explains them, too.
            let is_awaited = |(report, _): &&Report| troubles.had(&report.process_name);
            if let Some(first) = crashed().find(is_awaited).or_else(|| crashed().next()) {
                let others = self.failed_beside(&first.0.process_name, finished);
                return Ok(Some(Why { others, ..of_report(first.clone(), None) }));
            }
            return Ok(troubles.first().map(|trouble| self.gave_up(trouble)));
        };
        if let Some(trouble) = troubles.trouble_of(name, self.log.streams()) {
            return Ok(Some(self.gave_up(trouble)));
        }
        let Some(process) = last_to_end(name, &self.log)? else {
            let is_it = |process: &&ProcName| is_meant(name, process, self.log.streams());
            return match ended.end.unstarted.iter().find(is_it) {
                Some(process) => Ok(Some(self.did_not_start(process, &ended))),
                None => self.in_an_earlier_run(name),
            };
        };
        if finished.contains(&process) {
            return Ok(None);
        }
        let ended_it = culprit.as_ref().is_some_and(|culprit| culprit.name == process);
        let trigger = match culprit {
            Some(Culprit { name, .. }) if *name == process => None,
            Some(Culprit { name, exit, .. }) => {
                Some(Trigger::StoppedWith { first: name.clone(), exit: *exit })
            }
            None if run.is_empty() => None,
            None => Some(Trigger::Asked),
        };
        let found = self.last_end(&process, run, trigger)?;
        let answer = found.map(|found| of_report(found, None));
        Ok(if ended_it { answer.map(|answer| self.with_way_to_end(answer)) } else { answer })
    }

    /// The other processes whose last end in this run was a failure of their own.
    fn failed_beside(&self, first: &ProcName, finished: &[ProcName]) -> Vec<ProcName> {
        let streams = self.log.streams().iter().filter(|stream| !stream.stderr);
        let others = streams.map(|stream| &stream.name).filter(|name| *name != first);
        let unexpected = others.filter(|name| !finished.contains(name));
        unexpected.filter(|name| self.has_failed(name).unwrap_or(false)).cloned().collect()
    }

    /// Whether the last end of a process in this run was a failure of its own.
    fn has_failed(&self, name: &ProcName) -> io::Result<bool> {
        let last = self.log.last_ended(name)?;
        if self.report_of(name, last).is_some() {
            return Ok(true);
        }
        let Some((lived, place)) = last else { return Ok(false) };
        // A stop does not lead to 126 and 127.
        if lived.exit.success() || matches!(lived.exit, Exit::Code(126 | 127)) {
            return Ok(!lived.exit.success());
        }
        let by_tmo = self.log.ended_by_tmo(name, &lived, &place)?;
        Ok(!by_tmo.was_stopping || by_tmo.failure.is_some())
    }

    /// The processes that this word means, if they ended by themselves in the last run, as expected, with their
    /// exits.
    pub(super) fn finished(&self, name: &str) -> Result<Vec<(ProcName, Exit)>, WhyError> {
        let ended = self.ended()?;
        let mut all = vec![];
        for process in ended.end.finished {
            if is_meant(name, &process, self.log.streams())
                && let Some((lived, _)) = self.log.last_ended(&process)?
            {
                all.push((process, lived.exit));
            }
        }
        Ok(all)
    }

    /// The answer about a process that was still to start when the run ended.
    fn did_not_start(&self, process: &ProcName, ended: &LastRunEnd) -> Why {
        let (text, next) = match &ended.end.culprit {
            Some(Culprit { name, exit, .. }) => (
                format!("it had not started when {name} ended with {}", exit.describe()),
                format!("tmo why {}", quoted(name.as_str())),
            ),
            None => ("it had not started when the run ended".to_owned(), "tmo why".to_owned()),
        };
        let kind = CauseKind::DependencyNotReady;
        let cause = Cause::certain(kind, text, Some(next));
        let wrong = ended.end.culprit.is_some()
            || ended.failure.is_some()
            || ended.troubles.first().is_some();
        Why { wrong, about: About::NotStarted, ..self.answer_about(process, cause) }
    }

    /// The end of a process that was not part of the last run.
    fn in_an_earlier_run(&self, name: &str) -> Result<Option<Why>, WhyError> {
        let log = Log::with_index(self.sources.dirs, 0, self.sources.index)?;
        let Some(process) = last_to_end(name, &log)? else { return Ok(None) };
        let Some((lived, place)) = log.last_ended(&process)? else { return Ok(None) };
        let by_tmo = log.ended_by_tmo(&process, &lived, &place)?;
        let trigger = by_tmo.failure.or(by_tmo.was_stopping.then_some(Trigger::Asked));
        let input = self.input(&process, "", lived, trigger);
        let mut answer = of_report((examine_in(&input, Some((&log, &place))), None), None);
        answer.wrong = false;
        if let About::End { earlier, .. } = &mut answer.about {
            *earlier = true;
        }
        Ok(Some(answer))
    }

    /// How the last run ended, as far as that was recorded.
    pub(super) fn ended(&self) -> Result<LastRunEnd, WhyError> {
        let mut ended = LastRunEnd { killed: self.plan.is_some(), ..LastRunEnd::default() };
        for (record, event) in last_events(self.log.open_index()?, self.first)? {
            match event.what() {
                Some(What::End { run, end }) => {
                    (ended.run, ended.end) = (Some(run.clone()), end.clone());
                }
                Some(What::Failed { why: RunProblem::Start(why) }) => {
                    ended.failure = Some(format!("the start failed: {why}"));
                }
                Some(What::Failed { why: RunProblem::NotStarted { on, why } }) => {
                    ended.failure = Some(format!("{on} could not be started: {why}"));
                }
                Some(What::Disk { again, .. }) => ended.killed &= *again,
                Some(What::TmuxGone) => ended.failure = Some("its tmux server is gone".to_owned()),
                Some(_) | None => ended.troubles.add_event(record, &event),
            }
        }
        if let Some(last) = self.sources.end.filter(|last: &&RecordedEnd| {
            self.plan.as_ref().is_none_or(|plan| plan.run == last.run)
        }) {
            if ended.run.is_none() {
                (ended.run, ended.end) = (Some(last.run.clone()), last.end.clone());
            }
            if ended.run.as_ref() == Some(&last.run) {
                ended.lost = last.lost;
            }
        }
        ended.troubles.forget_finished(&ended.end.finished);
        if let Some(first) = ended.troubles.first() {
            let starts = self.log.last_starts(first.record)?;
            ended.troubles.forget_started(|name| starts.get(&self.log.stream(name)?).copied());
        }
        Ok(ended)
    }

    /// A process that was to end, and so ended the run: the way to start it.
    fn with_way_to_end(&self, mut answer: Why) -> Why {
        let name = &answer.process;
        let start = match &self.plan {
            Some(plan) => plan.way_to_end(name),
            None => self.ended_others(name).then(|| start_and_let_end(name)),
        };
        let early = answer.causes.iter_mut().rfind(|cause| cause.kind == CauseKind::EndedEarly);
        if let Some(start) = start
            && let Some(cause) = early
        {
            cause.text = format!(
                "it exited with code 0, which ended the run. If {name} may end, start it with -c, or set \
                 `on_exit = \"ignore\"` in tmo.toml"
            );
            cause.next = Some(start);
        }
        answer
    }

    /// Whether there were other processes in the last run, whose plan is gone.
    fn ended_others(&self, name: &ProcName) -> bool {
        let has_run = |other: &ProcName| matches!(self.log.last_ended(other), Ok(Some(_)));
        let others = self.log.streams().iter().map(|stream| &stream.name);
        others.filter(|other| *other != name).any(has_run)
            || self.ended().is_ok_and(|ended| !ended.end.unstarted.is_empty())
    }

    /// The answer about a process that did not come up in a run that is over.
    fn gave_up(&self, trouble: &Trouble) -> Why {
        Why { about: trouble.about(), ..self.answer_about(&trouble.name, trouble.cause()) }
    }
}

/// The process that this word means; of several, the one that ended last.
fn last_to_end(name: &str, log: &Log<'_>) -> Result<Option<ProcName>, WhyError> {
    refuse_unknown(&[name.to_owned()], log.streams()).map_err(WhyError::unknown)?;
    let mut last = None;
    let named = log.streams().iter().filter(|stream| !stream.stderr && stream.is_meant(name));
    for process in named.map(|stream| &stream.name) {
        let ended = log.last_ended(process)?;
        last = last.max(ended.map(|(lived, _)| (lived.ended, process.clone())));
    }
    Ok(last.map(|(_, process)| process))
}
