//! What tmo itself logged about a life while it ran: that it failed, or that it is being stopped.

use std::io;
use std::time::Duration;

use super::cause::CauseKind;
use super::evidence::{OutputLine, Trigger};
use super::life::{LifePlace, LifeSummary, Log};
use crate::journal::read::query::since;
use crate::journal::record::EVENTS;
use crate::journal::{Chunk, Cursor, Filter, Position};
use crate::model::ProcName;
use crate::model::event::{Logged, Problem, What};
use crate::model::time::Timestamp;
use crate::model::units::in_a_row;

/// Grace periods are practically never longer than this.
const STOPPING: Duration = Duration::from_secs(600);
/// Servers practically always listen within this time.
const BOOTING: Duration = Duration::from_secs(60);
/// A failed process is stopped within this time after its failure.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Whether a life that ends after this event was stopped.
const fn stops(what: &What) -> bool {
    matches!(what, What::Interrupting | What::Killing | What::Hangup)
}

/// If this is an event about a failure for which tmo ends a life: the kind of failure, and the
/// beginning of an explanation.
fn failure(event: &Logged) -> Option<(CauseKind, String)> {
    match event.what() {
        Some(What::Unhealthy { times, answer }) => {
            let text = format!("its liveness check failed {}: {answer}", in_a_row(*times));
            Some((CauseKind::NotLive, text))
        }
        Some(What::Failing { line } | What::Broken { why: Problem::Printed { line } }) => {
            let text = format!("it printed `{line}`, which counts as a failure");
            Some((CauseKind::FailurePattern, text))
        }
        Some(What::Broken { why }) => {
            let is_live = matches!(why.root(), Problem::NotLive { .. });
            let kind = if is_live { CauseKind::NotLive } else { CauseKind::FailurePattern };
            Some((kind, format!("it {why}")))
        }
        Some(_) | None => None,
    }
}

/// What tmo had to do with the end of a life.
pub struct EndByTmo {
    /// tmo was stopping it when it ended.
    pub(super) was_stopping: bool,
    /// The failure for which tmo ended it.
    pub failure: Option<Trigger>,
}

impl Log<'_> {
    /// What `take` makes of an event about a process, the first after this position and before this record of which it
    /// makes anything.
    fn find_event<T>(
        &self,
        name: &ProcName,
        from: Position,
        end: u64,
        mut take: impl FnMut(&Chunk, &Logged) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let mut cursor = Cursor::over(self.open_index()?, from, Filter::only(vec![EVENTS]));
        let mut text = vec![];
        while let Some(chunk) = cursor.next(end, &mut text)? {
            let events = text.split(|byte| *byte == b'\n').filter_map(Logged::from_json);
            let mut about = events.filter(|event| event.name() == Some(name));
            if let Some(taken) = about.find_map(|event| take(&chunk, &event)) {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// What tmo had to do with the end of this life.
    pub fn ended_by_tmo(
        &self,
        name: &ProcName,
        lived: &LifeSummary,
        place: &LifePlace,
    ) -> io::Result<EndByTmo> {
        let mut last = None;
        let mut by_tmo = EndByTmo { was_stopping: false, failure: None };
        let from = since(&mut self.open_index()?, lived.started)?;
        self.find_event(name, from, place.end, |chunk, event| {
            let now = chunk.record.time;
            let is_late = now >= lived.ended - STOPPING;
            by_tmo.was_stopping |= is_late && event.what().is_some_and(stops);
            if let Some((kind, text)) = failure(event) {
                last = Some((now, Trigger::Failed { kind, text }));
            } else if event.what() == Some(&What::Interrupting) {
                // tmo stops a failed process at once. An older failure is not why it stops now.
                let at_once = |(time, _): &(Timestamp, Trigger)| now.since(*time) < AT_ONCE;
                by_tmo.failure = last.take().filter(at_once).map(|(_, trigger)| trigger);
            }
            None::<()>
        })?;
        Ok(by_tmo)
    }

    /// Whether a process was running or still to start at this time, but not ready; and whether that is certain: without
    /// checks, one that began a short time before has probably not listened yet.
    pub(super) fn was_unready(&self, name: &ProcName, time: Timestamp) -> io::Result<Option<bool>> {
        let (started, ended) = match (self.present(name)?, self.last_ended(name)?) {
            (Some(place), _) => (place.time, None),
            (None, Some((lived, _))) => (lived.started, Some(lived.ended)),
            (None, None) => return Ok(Some(true)),
        };
        if started > time || ended.is_some_and(|ended| ended < time) {
            return Ok((started > time).then_some(true));
        }
        let from = since(&mut self.open_index()?, started)?;
        let became_ready = self.find_event(name, from, u64::MAX, |chunk, event| {
            (event.what() == Some(&What::Ready)).then_some(chunk.record.time)
        })?;
        Ok(match became_ready {
            Some(ready) => (ready > time).then_some(true),
            None => (time.since(started) < BOOTING).then_some(false),
        })
    }

    /// The port of a process that was taken when the run was started, and the event that tells so.
    pub(super) fn taken_port(&self, name: &ProcName) -> io::Result<Option<(u16, OutputLine)>> {
        /// The event is among the first records of a run.
        const RECORDS: u64 = 10_000;
        let from = self.begin();
        self.find_event(name, from, from.record + RECORDS, |chunk, event| {
            let Some(What::PortTaken { port, .. }) = event.what() else { return None };
            let at = Some(Position::at(chunk.position));
            let text = event.text().unwrap_or_default();
            Some((*port, OutputLine { time: chunk.record.time, at, text }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{CauseKind, failure};
    use crate::model::ProcName;
    use crate::model::event::{Event, Logged, Problem, What};
    use crate::model::plan::rules::Probe;

    fn kind_of(what: What) -> Option<CauseKind> {
        let json = Event::of_process(&ProcName::new("web").unwrap(), what).to_json();
        failure(&Logged::from_json(json.as_bytes()).unwrap()).map(|(kind, _)| kind)
    }

    #[test]
    fn the_printed_line_does_not_decide_what_kind_of_failure_it_was() {
        let printed = Problem::Printed { line: "gadget does not work".into() };
        assert_eq!(kind_of(What::Broken { why: printed.clone() }), Some(CauseKind::FailurePattern));
        let often = Problem::Failed { times: 3, last: Box::new(printed) };
        assert_eq!(kind_of(What::Broken { why: often }), Some(CauseKind::FailurePattern));
        let probe = Probe::Http { url: "http://a:80/".into() };
        let dead = Problem::NotLive { probe, answer: "printed `x`".into() };
        assert_eq!(kind_of(What::Broken { why: dead }), Some(CauseKind::NotLive));
        assert_eq!(kind_of(What::Ready), None);
    }
}
