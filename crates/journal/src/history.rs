//! Queries of the journal, and the traits that answer them.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use crate::model::request::{Cleared, Head, Partial, Unknown};
use crate::model::terminal::sgr::{Attribute, Color};
use crate::model::{LifeId, ProcName, event, is_default};

/// A query of the log: its parameters in the API, which describes them with these comments.
/// [`LogQuery::plan`] decides what it means.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, IntoParams)]
#[serde(rename_all = "kebab-case")]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// A name, a pattern with `*`, or an entry of the Procfile; can be repeated (`=web` is exactly this process).
    /// Without any, all processes and the messages of the supervisor.
    #[serde(rename = "name")]
    #[param(required = false)]
    pub names: Vec<String>,
    /// Only entries after this cursor.
    #[param(pattern = "^[0-9]+[.][0-9]+$")]
    pub after: Option<String>,
    /// At most this many of the last entries; capped at 10000.
    #[param(minimum = 0)]
    pub last: Option<usize>,
    /// Only entries since this time: RFC 3339, a time of today (`15:04`), or how long ago (`10m`).
    pub since: Option<String>,
    /// Only entries until this time.
    pub until: Option<String>,
    /// Only what matches this regular expression.
    pub grep: Option<String>,
    /// Only lines that were written to standard error (`err`), which is apart for processes with `split_stderr`, or only
    /// the other output (`out`).
    #[param(inline)]
    pub stream: Option<OutputStream>,
    /// Ignore case.
    #[param(required = false, default = false)]
    pub ignore_case: bool,
    /// Only what does not match.
    #[param(required = false, default = false)]
    pub invert: bool,
    /// Only entries of these types, separated by commas or in repeated parameters; without it, also entries
    /// without a type. A line has the type `process:log`, but only when types are requested.
    #[param(required = false, schema_with = some_types)]
    pub types: Vec<&'static str>,
    /// No output of processes, only what happened to them.
    #[param(required = false, default = false)]
    pub events: bool,
    /// Only this run: 1 is the newest, 2 the one before it.
    #[param(minimum = 1)]
    pub run: Option<u64>,
    /// Only what each process printed since its last start.
    #[param(required = false, default = false)]
    pub since_restart: bool,
    /// With `grep`: also this many entries before each match; they have `context`. Capped at 10000.
    #[serde(skip_serializing_if = "is_default")]
    #[param(required = false, default = 0, minimum = 0)]
    pub lines_before: usize,
    /// With `grep`: also this many entries after each match.
    #[serde(skip_serializing_if = "is_default")]
    #[param(required = false, default = 0, minimum = 0)]
    pub lines_after: usize,
    /// Whether to start at the end of the journal if no cursor is given.
    #[serde(skip)]
    #[param(ignore)]
    pub from_now: bool,
}

impl LogQuery {
    /// Its parameters in a request: all that are set.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else { return vec![] };
        let mut parameters = vec![];
        for (name, value) in fields {
            let values = if let Value::Array(values) = value { values } else { vec![value] };
            parameters.extend(values.into_iter().filter_map(|value| match value {
                Value::String(text) => Some((name.clone(), text)),
                Value::Number(number) => Some((name.clone(), number.to_string())),
                Value::Bool(true) => Some((name.clone(), "true".to_owned())),
                Value::Bool(false) | Value::Null | Value::Array(_) | Value::Object(_) => None,
            }));
        }
        parameters
    }
}

/// Which page of the results, and its form. The doc comments of its fields become descriptions in the API.
#[derive(Debug, Clone, PartialEq, Eq, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageAsk {
    /// The last entries before this cursor, or before the end of the journal (`end`), instead of the first
    /// ones; with `after`, none from before that. A line over 1 MiB then comes in parts.
    #[param(pattern = "^(end|[0-9]+[.][0-9]+)$")]
    pub before: Option<String>,
    /// The first entries from this byte of the output on, counted as in [`Extent`]; a scroll bar uses it.
    pub at: Option<u64>,
    /// Stop after some MiB of the journal, even if the page is not full: for a search that shows its progress
    /// and can be given up.
    #[param(required = false, default = false)]
    pub step: bool,
    /// Lines have `runs`, with colours and attributes.
    #[param(required = false, default = false)]
    pub styles: bool,
}

impl PageAsk {
    /// Whether it asks for anything.
    pub fn is_special(&self) -> bool {
        *self != Self::default()
    }
}

fn some_types() -> Array {
    let one = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(event::types()));
    ArrayBuilder::new().items(one).build()
}

/// Why a query fails.
#[derive(Debug, thiserror::Error)]
pub enum HistoryProblem {
    /// The query is malformed.
    #[error("{0}")]
    Bad(String),
    #[error("there is no run {run} in the log; 1 to {count} are there")]
    NoRun { run: u64, count: usize },
    #[error("unknown process name: {}", .0.name)]
    Unknown(Unknown),
    #[error("the journal can't be read: {0}")]
    Io(#[from] io::Error),
}

impl From<Unknown> for HistoryProblem {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

/// A piece of a line in one style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StyledText {
    /// The text; a line break between the rows of a line that was drawn in several.
    pub text: String,
    /// The colour of the text; without it, that of the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<TextColor>,
    /// The colour behind the text; without it, that of the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<TextColor>,
    /// Attributes of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub attributes: Vec<Attribute>,
}

/// One of the 256 colours of terminals by its number, or a colour as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TextColor {
    /// The number.
    Number(u8),
    /// `#rrggbb`.
    Exact(String),
}

impl TextColor {
    /// `None` for the colour of the terminal.
    pub fn of(color: Color) -> Option<Self> {
        match color {
            Color::Default => None,
            Color::Indexed(number) => Some(Self::Number(number)),
            Color::Rgb(r, g, b) => Some(Self::Exact(format!("#{r:02x}{g:02x}{b:02x}"))),
        }
    }
}

/// Where a process has written a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// To its terminal or pipe, which may be for both standard output and standard error.
    Out,
    /// To standard error, which is kept apart (`split_stderr = true`).
    Err,
}

/// A line that was printed, or something that happened. Later versions may have more events, and
/// more properties of each.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Line<'a> {
    /// When it came, RFC 3339 in UTC with nanoseconds.
    #[serde(default)]
    #[schema(required = true)]
    pub time: String,
    /// The `after` of a later request.
    #[serde(default)]
    #[schema(required = true)]
    pub cursor: String,
    /// The process; none for what the supervisor says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// Where the process has written the line, if its standard error is apart (`split_stderr`); otherwise none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<OutputStream>,
    /// Which life of the process, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub life: Option<LifeId>,
    /// What happened; none for a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'a, str>>,
    /// The type of the event, such as `process:spawn` or `lifecycle:main-started`, if it has one;
    /// `process:log` marks a line, if types were requested.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub of_type: Option<Cow<'a, str>>,
    /// The line as a terminal shows it, without colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The same in pieces of one style, if styles were requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Vec<StyledText>>,
    /// It has no line break, or not yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub unfinished: bool,
    /// A context line, not a match.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub context: bool,
    /// With `lines-before` or `lines-after`: entries were left out before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub apart: bool,
    /// How many bytes are missing before it.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(required = false)]
    pub lost: u64,
    /// Details of the event: `pid` of a `start`; `code` or `signal` of an `exit`; missing `bytes` of a
    /// `gap`, 0 if unknown.
    #[serde(flatten)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub more: Map<String, Value>,
}

impl Line<'_> {
    /// The name of what happened, or `line`.
    pub fn kind(&self) -> &str {
        let detail = || self.more.get("event").and_then(Value::as_str);
        self.event.as_deref().or_else(detail).unwrap_or("line")
    }

    pub fn to_json(&self) -> String {
        // It has only strings and numbers, so this can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// One entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The cursor of the entry.
    pub cursor: String,
    /// The kind of the entry: `line`, `start`, `exit` …
    pub kind: String,
    /// The complete entry as a JSON object.
    pub json: String,
}

/// A page that was asked for with [`PageAsk`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryPage {
    /// The entries, always in the order of the journal.
    pub entries: Vec<HistoryEntry>,
    /// The `before` or `after` with which to continue in this direction.
    pub reached: Option<String>,
    /// Whether there is more in this direction.
    pub more: bool,
    /// See [`Answer::is_reset`].
    pub reset: bool,
}

/// The amount of output of the requested processes in bytes, and the position of an entry in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Extent {
    /// The schema version.
    #[schema(example = 1)]
    pub api: u32,
    /// The number of bytes before the cursor; without a cursor, all.
    pub before: u64,
    /// The number of all bytes.
    pub all: u64,
    /// The cursor of the oldest entry in the journal.
    pub first: String,
    /// The number of records in the index of the journal.
    pub records: u64,
}

/// The number of lines of the requested processes, in all and before an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineCount {
    /// The schema version.
    #[schema(example = 1)]
    pub api: u32,
    /// The number of lines before the cursor; without a cursor, all.
    pub before: u64,
    /// The number of all lines.
    pub all: u64,
    /// Whether the numbers are exact. They are estimates until all lines have been counted; further requests
    /// continue the count.
    pub is_exact: bool,
}

/// How much to measure. The doc comments of its fields become descriptions in the API.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OutputAsk {
    /// Names, patterns with `*`, or entries of the Procfile, one each; without one, all processes.
    #[param(rename = "name", required = false)]
    pub names: Vec<String>,
    /// The beginning of the period: RFC 3339, a time of today (`15:04`), or how long ago (`10m`); without it,
    /// the first entry of the journal.
    pub since: Option<String>,
    /// Its end; without it, now.
    pub until: Option<String>,
    /// Into how many parts of the same length it is divided; clamped to 1 to 1000.
    #[param(required = false, default = 60, minimum = 0)]
    pub parts: usize,
}

impl Default for OutputAsk {
    fn default() -> Self {
        Self { names: vec![], since: None, until: None, parts: 60 }
    }
}

/// How much was printed in the parts of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutputOverTime {
    /// The schema version.
    #[schema(example = 1)]
    pub api: u32,
    /// The beginning of the period, RFC 3339.
    pub since: String,
    /// Its end.
    pub until: String,
    /// Some numbers are estimates, because the period covers very much of the journal.
    pub estimated: bool,
    /// For each process that printed anything, the bytes in each part.
    pub processes: Vec<OutputOfProcess>,
}

/// How much a process printed in the parts of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutputOfProcess {
    /// The process.
    pub name: ProcName,
    /// The bytes in each part.
    pub bytes: Vec<u64>,
}

/// A line without a line end so far, such as a prompt or a progress bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnfinishedLine {
    pub name: ProcName,
    /// The position of its bytes in the journal.
    #[serde(skip)]
    pub place: Partial,
    /// The time of its last output, RFC 3339 in UTC.
    pub time: String,
    /// Whether it looks like a question to the user.
    pub is_prompt: bool,
    /// The text; only the end of a long line.
    pub runs: Vec<StyledText>,
}

/// Answers queries. Reads files, so a call may block.
pub trait History: Send + Sync {
    /// Open a query; its result may include entries that do not exist yet.
    fn ask(&self, ask: &LogQuery) -> Result<Box<dyn Answer>, HistoryProblem>;

    /// At most `most` entries from records with numbers below `upto`, in either direction.
    fn page(
        &self,
        ask: &LogQuery,
        page: &PageAsk,
        most: usize,
        upto: u64,
    ) -> Result<HistoryPage, HistoryProblem>;

    /// Measure the output in records with numbers below `upto`, in all and before the `after` of the query.
    fn extent(&self, ask: &LogQuery, upto: u64) -> Result<Extent, HistoryProblem>;

    /// Count the lines in records with numbers below `upto`, in all and before the `after` of the query. A call
    /// takes a limited time; the result is exact once all lines have been counted.
    fn count(&self, ask: &LogQuery, upto: u64) -> Result<LineCount, HistoryProblem>;

    /// How much was printed, in records with numbers below `upto`.
    fn output(&self, ask: &OutputAsk, upto: u64) -> Result<OutputOverTime, HistoryProblem>;

    /// Clear the log up to now.
    fn clear(&self) -> io::Result<Cleared>;
}

/// The result of a query, read in pages.
pub trait Answer: Send {
    /// The next entries from records with numbers below `upto`, at most `most`, and whether there are more.
    fn next(&mut self, upto: u64, most: usize) -> io::Result<(Vec<HistoryEntry>, bool)>;

    /// Whether the requested cursor is invalid: the journal no longer contains it, or it is of another log.
    fn is_reset(&self) -> bool {
        false
    }
}

/// Approximate number of bytes that an [`EchoCursor`] renders at once. It limits the memory of one client
/// and the time that other clients wait in between.
pub const ECHO_CHUNK: usize = 64 << 10;

/// Provides the text of overmind's `echo`: the merged log as a terminal shows it.
pub trait Echo: Send + Sync {
    /// A cursor that starts at the current end of the journal.
    fn start(&self) -> Box<dyn EchoCursor>;
}

/// A position in the rendered log.
pub trait EchoCursor: Send {
    /// Append the text that follows to `out`, up to `upto` and at most about [`ECHO_CHUNK`] bytes. If
    /// nothing was appended, everything up to there has been rendered.
    fn next(&mut self, upto: &Head, out: &mut Vec<u8>) -> io::Result<()>;
}

/// The control socket's own access to the journal.
#[derive(Clone)]
pub struct JournalAccess {
    /// The rendered log.
    pub echo: Arc<dyn Echo>,
    /// Queries of its entries.
    pub history: Arc<dyn History>,
}
