//! Events in the journal: a line of JSON each.

use serde::{Deserialize, Serialize};

use super::{Event, What};
use crate::model::ProcName;

/// An event as it is written into the journal.
#[derive(Debug, Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(flatten)]
    shown: Option<Shown>,
}

/// How the log shows it.
#[derive(Debug, Serialize)]
struct Shown {
    /// Left out where a value is called so.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    error: bool,
}

/// An event that was read from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Logged {
    #[serde(rename = "event")]
    kind: String,
    #[serde(default)]
    name: Option<ProcName>,
    /// For an event of version 0.1.0, or of a newer one, that is not known by its values.
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
        let error = self.what.is_error();
        let is_value = matches!(self.what, What::Crash { .. });
        let shown =
            self.text().map(|text| Shown { text: (!is_value).then(|| text.to_string()), error });
        let stored = Stored { event: self, shown };
        // Of strings, numbers and maps with such keys: JSON has a form for all of them.
        serde_json::to_string(&stored).unwrap_or_default()
    }
}

impl Logged {
    /// Read a line of the log of events; nothing if it is none.
    pub fn from_json(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let logged: Self = serde_json::from_slice(line).ok()?;
        Some(Self { what: serde_json::from_slice(line).ok(), ..logged })
    }

    /// Which kind of event it is, for programs.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The process that it is about.
    pub const fn name(&self) -> Option<&ProcName> {
        self.name.as_ref()
    }

    /// What has happened, where that is known with its values.
    pub const fn what(&self) -> Option<&What> {
        self.what.as_ref()
    }

    /// Whether it is of this kind, and its values are not known.
    pub fn is_other(&self, kind: &str) -> bool {
        self.what.is_none() && self.kind == kind
    }

    /// Whether a run begins with it.
    pub fn begins_run(&self) -> bool {
        matches!(self.what, Some(What::Begin { .. })) || self.is_other("begin")
    }

    /// What a person reads; nothing for an event that the log does not show.
    pub fn text(&self) -> Option<String> {
        match &self.what {
            Some(what) => what.text(self.name.as_ref()).map(|text| text.to_string()),
            None => self.text.clone(),
        }
    }

    /// Whether it reports a failure.
    pub fn is_error(&self) -> bool {
        self.what.as_ref().map_or(self.error, What::is_error)
    }
}
