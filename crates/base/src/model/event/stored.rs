//! Events in the journal, one line of JSON each.

use serde::{Deserialize, Serialize};

use super::{Event, What};
use crate::model::ProcName;

/// An event as it is written into the journal.
#[derive(Debug, Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// How the log shows it. Omitted if one of the event's own values has this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<bool>,
}

/// An event that was read from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Logged {
    #[serde(rename = "event")]
    kind: String,
    #[serde(default)]
    name: Option<ProcName>,
    /// The stored text of an event whose values are unknown here: a newer version has written it.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    error: bool,
    #[serde(skip)]
    what: Option<What>,
}

impl Event {
    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        let (words, is_value) = (self.text(), matches!(self.what, What::Crash { .. }));
        let text = words.filter(|_| !is_value).map(|words| words.to_string());
        let error = words.map(|_| self.what.is_error());
        let stored = Stored { event: self, text, error };
        // Contains only strings, numbers and maps with string keys, which always have a JSON form.
        serde_json::to_string(&stored).unwrap_or_default()
    }
}

impl Logged {
    /// Parse a line of the event log; `None` if it is not an event.
    pub fn from_json(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let logged: Self = serde_json::from_slice(line).ok()?;
        Some(Self { what: serde_json::from_slice(line).ok(), ..logged })
    }

    /// The kind of the event, for programs.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The process concerned.
    pub const fn name(&self) -> Option<&ProcName> {
        self.name.as_ref()
    }

    /// The event with its values, if they are known.
    pub const fn what(&self) -> Option<&What> {
        self.what.as_ref()
    }

    /// Whether this event begins a run.
    pub fn begins_run(&self) -> bool {
        matches!(self.what, Some(What::Begin { .. }))
    }

    /// The text for users; `None` for an event that the log does not show.
    pub fn text(&self) -> Option<String> {
        match &self.what {
            Some(what) => what.text(self.name.as_ref()).map(|text| text.to_string()),
            None => self.text.clone(),
        }
    }

    /// The text that a search looks at: without the output that it repeats.
    pub fn searched(&self) -> Option<String> {
        match &self.what {
            Some(what) => {
                what.without_output().text(self.name.as_ref()).map(|text| text.to_string())
            }
            None => self.text.clone(),
        }
    }

    /// Whether it reports a failure.
    pub fn is_error(&self) -> bool {
        self.what.as_ref().map_or(self.error, What::is_error)
    }
}
