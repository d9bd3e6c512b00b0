//! What tmo itself said of a life while it went on: that it failed, that it is stopped.

use std::io;

use serde::Deserialize;

use super::cause::Kind;
use super::evidence::Trigger;
use super::life::{Lived, Log, Place};
use crate::journal::query::since;
use crate::journal::record::EVENTS;
use crate::journal::{Cursor, Filter};
use crate::model::ProcName;

/// No grace period is longer than this, or hardly one.
const STOPPING_NS: u64 = 600_000_000_000;
/// What has failed is told to stop in the same moment.
const AT_ONCE_NS: u64 = 500_000_000;

/// Something that tmo has said.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    /// Which kind of thing.
    pub(super) event: String,
    /// Of whom.
    pub(super) name: Option<String>,
    /// The words.
    #[serde(default)]
    pub(super) text: String,
}

/// What kind of failure this tells of, if it is one that a life is ended for.
fn failure(said: &Said) -> Option<Kind> {
    match said.event.as_str() {
        "unhealthy" => Some(Kind::NotLive),
        "broken" if said.text.contains("does not work") => Some(Kind::NotLive),
        "failing" | "broken" => Some(Kind::FailurePattern),
        _ => None,
    }
}

/// The same as the beginning of an explanation.
fn words(said: &Said) -> String {
    let text = said.text.as_str();
    let text = text.rsplit_once("; `tmo restart ").map_or(text, |(text, _)| text);
    let failed = text.strip_prefix("Failed: ").or_else(|| text.strip_prefix("Broken: "));
    match failed {
        Some(printed) if printed.starts_with("printed") => {
            format!("it {printed}, which counts as a failure")
        }
        Some(failed) => format!("it {failed}"),
        None => match text.strip_prefix("Does not work any more ") {
            Some(rest) => format!("it did not answer any more {rest}"),
            None => text.to_owned(),
        },
    }
}

impl Log<'_> {
    /// Whether tmo was about to stop this life when it ended.
    pub fn was_stopped(&self, name: &ProcName, lived: &Lived, place: &Place) -> io::Result<bool> {
        let mut index = (self.index)()?;
        let earliest = lived.started.max(lived.ended.saturating_sub(STOPPING_NS));
        let from = since(&mut index, earliest)?;
        let mut cursor = Cursor::over(index, from, Filter::only(vec![EVENTS]));
        let mut text = vec![];
        while cursor.next(place.end, &mut text)?.is_some() {
            for line in text.split(|byte| *byte == b'\n') {
                let Ok(Said { event, name: Some(whose), .. }) = serde_json::from_slice(line) else {
                    continue;
                };
                let stops = ["interrupting", "killing", "hangup"].contains(&event.as_str());
                if stops && whose == name.as_str() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What was said of this life when tmo ended it as one that had failed.
    pub fn failed_of(
        &self,
        name: &ProcName,
        lived: &Lived,
        place: &Place,
    ) -> io::Result<Option<Trigger>> {
        let mut index = (self.index)()?;
        let from = since(&mut index, lived.started)?;
        let mut cursor = Cursor::over(index, from, Filter::only(vec![EVENTS]));
        let (mut text, mut last, mut failed) = (vec![], None, None);
        while let Some(chunk) = cursor.next(place.end, &mut text)? {
            for line in text.split(|byte| *byte == b'\n') {
                let Ok(said) = serde_json::from_slice::<Said>(line) else { continue };
                if said.name.as_deref() != Some(name.as_str()) {
                    continue;
                }
                if let Some(kind) = failure(&said) {
                    last = Some((chunk.record.time, Trigger::Failed { kind, text: words(&said) }));
                } else if said.event == "interrupting" {
                    // What has failed is told to stop at once; who only said so is not blamed.
                    let at_once = |(time, _): &(u64, Trigger)| {
                        chunk.record.time.saturating_sub(*time) < AT_ONCE_NS
                    };
                    failed = last.take().filter(at_once).map(|(_, trigger)| trigger);
                }
            }
        }
        Ok(failed)
    }
}
