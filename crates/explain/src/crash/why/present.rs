//! What is wrong in a run that goes on.

use std::cmp::Reverse;

use super::trouble::{asked, depends_on, held_up};
use super::{About, Analysis, Report, Why, WhyError, of_report};
use crate::crash::reloader::LastError;
use crate::crash::{Cause, CauseKind, LifeSummary, Trigger, record};
use crate::model::event::Note;
use crate::model::state::{ProcessState, State};
use crate::model::text::shell::quoted;
use crate::model::{Exit, LifeId, ProcessStatus};
use crate::sys::{self, ProcInfo, clock};

impl Analysis<'_> {
    /// For a running run: which of these has crashed, does not come up, or has failed under a watcher; for
    /// a single process also past failures.
    pub(super) fn of_run(
        &self,
        state: &State,
        name: Option<&str>,
    ) -> Result<Option<Why>, WhyError> {
        let mut asked = asked(&state.processes, name)?;
        // What others depend on first, last what waits for another, else the most recent change.
        let follows = |process: &ProcessState| {
            matches!(process.problem, Some(Note::Skipped(_)))
                || !process.readiness.awaits.is_empty()
        };
        asked.sort_by_key(|process| {
            (process.ends.missed_by.is_empty(), follows(process), Reverse(process.since))
        });
        // The end of an installation is not an end of the program.
        let ended = |process: &&&ProcessState| {
            let is_installation = matches!(process.problem, Some(Note::NotInstalled(_)));
            process.state.has_failed_or_exited() && process.lives > 0 && !is_installation
        };
        let mut wrong: Vec<&ProcessState> = vec![];
        let mut answer = None;
        for process in asked.iter().filter(ended).filter(|process| !process.ends.finished) {
            wrong.push(process);
            if answer.is_none() {
                let found = self.last_end(&process.name, &state.run, None)?;
                answer = found.map(|found| of_report(found, Some(process)));
            }
        }
        for process in &asked {
            let cause = self.stopped(state, process);
            let cause = cause.or_else(|| held_up(process, state));
            if let Some(cause) = cause.filter(|_| !wrong.contains(process)) {
                wrong.push(process);
                answer = answer.or_else(|| Some(self.waits(process, cause)));
            }
        }
        let mut past = None;
        for process in self.that_may_have_errors(&asked, &state.run)? {
            match self.last_error(process, &state.run)? {
                Some(error) if error.wrong && !wrong.contains(&process) => {
                    wrong.push(process);
                    answer = answer.or(Some(error));
                }
                error => past = past.or(error),
            }
        }
        if let Some(answer) = answer {
            let missing = |process: &&ProcessState| {
                depends_on(&state.processes, &process.name).is_some() && !wrong.contains(process)
            };
            let missing: Vec<_> = asked.iter().copied().filter(missing).collect();
            wrong.extend(missing);
            let others = wrong.iter().filter(|process| process.name != answer.process);
            let others = others.map(|process| process.name.clone()).collect();
            return Ok(Some(Why { others, ..answer }));
        }
        if name.is_none() { Ok(past) } else { self.of_named(state, &asked, past) }
    }

    /// For named processes in which nothing else is wrong now: what they lack, or what happened to them. `past`
    /// is an error that a process has survived.
    fn of_named(
        &self,
        state: &State,
        asked: &[&ProcessState],
        past: Option<Why>,
    ) -> Result<Option<Why>, WhyError> {
        if let Some((process, cause)) = asked
            .iter()
            .find_map(|process| Some((process, depends_on(&state.processes, &process.name)?)))
        {
            let mut answer = self.waits(process, cause);
            answer.causes.extend(past.into_iter().flat_map(|past| past.causes));
            return Ok(Some(answer));
        }
        let [process] = asked else { return Ok(past) };
        // A crash before its last end is not its last failure.
        let last = self.log.last_ended(&process.name)?;
        let found = match (past, self.report_of(&process.name, last)) {
            (Some(error), _) => return Ok(Some(error)),
            (None, Some(crash)) => Some(crash.clone()),
            (None, None) => self.just_failed(process, &state.run)?,
        };
        let found = match found {
            None if process.state == ProcessStatus::Stopped => {
                self.last_end(&process.name, &state.run, Some(Trigger::Asked))?
            }
            found => found,
        };
        Ok(found.map(|found| of_report(found, Some(process))))
    }

    /// The running processes whose output is searched: if there are many, only those known to have failed.
    fn that_may_have_errors<'p>(
        &self,
        asked: &[&'p ProcessState],
        run: &str,
    ) -> Result<Vec<&'p ProcessState>, WhyError> {
        const MANY: usize = 50;
        let running = asked.iter().filter(|process| process.state == ProcessStatus::Running);
        let mut running: Vec<_> = running.copied().collect();
        if running.len() > MANY {
            let own = self.plan.as_ref().map_or(&[][..], |plan| &plan.watchers);
            let failed = self.log.failed_below_watchers(own, run)?;
            running.retain(|process| failed.contains(&process.name));
        }
        Ok(running)
    }

    /// The previous life, if it failed: its report may not be written yet, or is omitted because it fails
    /// again and again.
    fn just_failed(&self, process: &ProcessState, run: &str) -> Result<Option<Report>, WhyError> {
        let last = self.log.last_ended(&process.name)?;
        let Some((lived, place)) = last.filter(|_| process.lives > 1) else { return Ok(None) };
        let by_tmo = self.log.ended_by_tmo(&process.name, &lived, &place)?;
        if by_tmo.failure.is_none() && (by_tmo.was_stopping || lived.exit.success()) {
            return Ok(None);
        }
        self.last_end(&process.name, run, None)
    }

    /// The last error of a running process, unless it has recovered.
    fn last_error(&self, process: &ProcessState, run: &str) -> Result<Option<Why>, WhyError> {
        let Some(place) = self.log.present(&process.name)? else {
            return Ok(None);
        };
        let now = clock::now();
        let lived = LifeSummary {
            life: LifeId::nth(u32::try_from(process.lives).unwrap_or(u32::MAX)),
            pid: process.pid,
            started: process.since,
            ended: now,
            // The exit code that it would have if the error ended it.
            exit: Exit::Code(1),
            restarts: process.lives.saturating_sub(1),
        };
        let input = self.input(&process.name, run, lived, None);
        let found = record::last_error(&input, &self.log, &place)?;
        let Some((LastError { cause, waits }, last_logs)) = found else { return Ok(None) };
        let time = cause.evidence.as_ref().and_then(|clue| clue.time.clone());
        let answer = self.answer_about(&process.name, cause);
        Ok(Some(Why { wrong: waits, timestamp: time, last_logs, about: About::Error, ..answer }))
    }

    /// The answer about a process that has not ended, with the cause of its state.
    fn waits(&self, process: &ProcessState, cause: Cause) -> Why {
        let answer = self.answer_about(&process.name, cause);
        // If the command before a restart has failed, what that has printed says more.
        let built = process.watch.as_ref().and_then(|watch| watch.failure.as_ref());
        let last_logs = match built.filter(|failure| !failure.lines.is_empty()) {
            Some(failure) => failure.lines.iter().map(|line| line.raw().to_owned()).collect(),
            None => answer.last_logs.clone(),
        };
        Why { state: Some(process.clone()), last_logs, ..answer }
    }

    /// If a signal has stopped this process, and its pid means something here: that as the cause.
    fn stopped(&self, state: &State, process: &ProcessState) -> Option<Cause> {
        let own = sys::host(self.sources.root).pid_namespace;
        state.host.as_ref().filter(|host| host.pid_namespace == own)?;
        sys::info(process.pid?).filter(ProcInfo::is_stopped)?;
        let text = "it is stopped by a signal, such as SIGSTOP".to_owned();
        let next = Some(format!("tmo signal CONT {}", quoted(process.name.as_str())));
        Some(Cause::certain(CauseKind::Other, text, next))
    }
}
