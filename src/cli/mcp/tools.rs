//! The tools: their arguments, and the commands that each stands for.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::JsonObject;
use rmcp::schemars::generate::SchemaSettings;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::Value;

use super::command::{Step, Steps};
use crate::model::name::{BadName, argument};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(90);
/// How long a process that was started or restarted may take to become ready.
const READY_WITHIN: &str = "60s";
/// How long it must stay ready: many programs die right after their start.
const STABLE: &str = "1s";
/// The longest wait that a client can ask for, in seconds.
const LONGEST_WAIT: u64 = 60;
/// How many bytes an answer has, unless a call says so.
const MOST: usize = 8_000;
/// The most that a call can ask for.
const MOST_ASKED: usize = 100_000;

/// What a tool does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolKind {
    /// Nothing.
    Look,
    /// It starts, stops or changes processes.
    Change,
    /// It reaches into a process: input, signals.
    Input,
}

/// A tool.
pub(super) struct ToolSpec {
    pub(super) name: &'static str,
    /// Its description for the model of a client.
    pub(super) about: &'static str,
    pub(super) kind: ToolKind,
    /// The JSON Schema of its arguments.
    pub(super) schema: fn() -> Arc<JsonObject>,
    /// The commands that these arguments stand for, or what is wrong with them.
    pub(super) steps: fn(JsonObject) -> Result<Steps, String>,
}

/// What can be read without a tool: address and description.
pub(super) const RESOURCES: [(&str, &str); 3] = [
    ("tmo://why", "what is wrong, or how the last run ended"),
    ("tmo://config", "the settings in effect, and where each comes from"),
    ("tmo://graph", "what each process depends on"),
];

/// The command that a resource stands for.
pub(super) fn of_resource(uri: &str) -> Option<Steps> {
    let words = match uri.strip_prefix("tmo://")? {
        path @ ("why" | "config" | "graph") => vec![path.to_owned()],
        path => {
            vec!["why".to_owned(), name_of_process(path.strip_prefix("why/")?).ok()?]
        }
    };
    Some(command(words).expecting(&[1]).into())
}

/// A name as an argument of a command: an agent names what it means, so `*` is refused as a path is.
fn name_of_process(word: &str) -> Result<String, BadName> {
    if word.contains('*') { Err(BadName(word.to_owned())) } else { argument(word) }
}

/// Arguments of a tool.
trait ToolCall: for<'de> Deserialize<'de> + JsonSchema + 'static {
    fn steps(self) -> Result<Steps, String>;
}

const fn tool<T: ToolCall>(name: &'static str, kind: ToolKind, about: &'static str) -> ToolSpec {
    let steps = |arguments| {
        let call: T =
            serde_json::from_value(Value::Object(arguments)).map_err(|e| e.to_string())?;
        call.steps()
    };
    ToolSpec { name, about, kind, schema: schema::<T>, steps }
}

/// The words of a schema that the APIs of all large models take. Some refuse a request with any other.
const SCHEMA_WORDS: [&str; 6] = ["type", "description", "properties", "required", "items", "enum"];

/// The schema of these arguments. What it can't say, such as that there are no others, is checked when they are read.
fn schema<T: ToolCall>() -> Arc<JsonObject> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    Arc::new(schema.as_object().cloned().unwrap_or_default())
}

fn simplify(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.retain(|word, _| SCHEMA_WORDS.contains(&word.as_str()));
    // An optional value: only the parameter may be missing.
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        let first = types.swap_remove(0);
        object.insert("type".to_owned(), first);
    }
    if object.get("type").is_some_and(|kind| kind == "object") {
        object.entry("properties").or_insert_with(|| Value::Object(JsonObject::new()));
    }
    object.get_mut("items").into_iter().for_each(simplify);
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(JsonObject::values_mut).for_each(simplify);
}

/// All tools.
pub(super) const TOOLS: [ToolSpec; 14] = [
    tool::<StatusCall>(
        "status",
        ToolKind::Look,
        "The processes of the project with state, pid, port and what they wait for. Says how to start if nothing runs.",
    ),
    tool::<StartCall>(
        "start",
        ToolKind::Change,
        "Make sure that the processes of the project run, in the background, and wait until they are ready. Without \
         names, everything; does nothing if it runs already. Answers with the processes, or with why one is not ready.",
    ),
    tool::<WaitCall>("wait", ToolKind::Look, "Wait for a condition, at most a minute."),
    tool::<LogsCall>(
        "logs",
        ToolKind::Look,
        "The last lines of the log, of all runs so far, or what came after an earlier answer. The end of the answer \
         says how to read on in both directions.",
    ),
    tool::<WhyCall>(
        "why",
        ToolKind::Look,
        "What is wrong now, or how the last run ended: the cause, where it is in the code, the last output.",
    ),
    tool::<RestartCall>(
        "restart",
        ToolKind::Change,
        "Stop and start processes in the order of their dependencies, and wait until they are ready again. Answers with \
         the processes, or with why one did not come back.",
    ),
    tool::<StopCall>(
        "stop",
        ToolKind::Change,
        "Stop processes; without names, all. The run itself stays.",
    ),
    tool::<ReloadCall>(
        "reload",
        ToolKind::Change,
        "Read Procfile, tmo.toml and env files again: restarts what has changed, starts what is new.",
    ),
    tool::<ScreenCall>(
        "screen",
        ToolKind::Look,
        "The screen of a process's terminal as text: a debugger, a prompt.",
    ),
    tool::<CrashesCall>("crashes", ToolKind::Look, "The last crashes, or one of them in full."),
    tool::<CheckCall>(
        "check",
        ToolKind::Look,
        "All mistakes in Procfile, tmo.toml and env files, with their places.",
    ),
    tool::<ActCall>(
        "act",
        ToolKind::Change,
        "The actions of the project, such as migrations, with how they ended; with a name, run that one and wait for its \
         end.",
    ),
    tool::<SendCall>("send", ToolKind::Input, "Type into the terminal of a process."),
    tool::<SignalCall>("signal", ToolKind::Input, "Send a signal to processes."),
];

/// A command with the usual limits.
fn command(argv: impl IntoIterator<Item = impl Into<String>>) -> Step {
    let argv = argv.into_iter().map(Into::into).collect();
    Step { argv, limit: LIMIT, most: MOST, expected: &[], confirms: None }
}

impl Step {
    fn expecting(self, expected: &'static [i32]) -> Self {
        Self { expected, ..self }
    }

    fn and(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.argv.extend(words.into_iter().map(Into::into));
        self
    }

    /// With the names of processes.
    fn of(self, names: &[String]) -> Result<Self, String> {
        let names =
            names.iter().map(|name| name_of_process(name).map_err(|error| error.to_string()));
        Ok(self.and(names.collect::<Result<Vec<_>, _>>()?))
    }
}

impl From<Step> for Steps {
    fn from(step: Step) -> Self {
        Self { all: vec![step], after_failure: None }
    }
}

/// Do it, wait until these processes are ready, and show how all are.
fn until_ready(change: Step, names: &[String]) -> Result<Steps, String> {
    let ready = ["--for", "ready", "--stable", STABLE, "--timeout", READY_WITHIN];
    let wait = command(["wait"]).of(names)?.and(ready);
    let why = match names {
        [name] => command(["why"]).of(std::slice::from_ref(name))?,
        _ => command(["why"]),
    };
    Ok(Steps { all: vec![change, wait, command(["ps"])], after_failure: Some(why.expecting(&[1])) })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StatusCall {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckCall {}

impl ToolCall for StatusCall {
    fn steps(self) -> Result<Steps, String> {
        Ok(command(["ps"]).expecting(&[1]).into())
    }
}

impl ToolCall for CheckCall {
    fn steps(self) -> Result<Steps, String> {
        Ok(command(["check"]).expecting(&[1]).into())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StartCall {
    /// Only these processes, and what they depend on.
    #[serde(default)]
    names: Vec<String>,
}

impl ToolCall for StartCall {
    fn steps(self) -> Result<Steps, String> {
        let start = if self.names.is_empty() {
            command(["start", "-D", "--if-needed"])
        } else {
            command(["start", "-D", "--by-name"]).of(&self.names)?
        };
        until_ready(start, &self.names)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RestartCall {
    /// The processes; without any, all.
    #[serde(default)]
    names: Vec<String>,
}

impl ToolCall for RestartCall {
    fn steps(self) -> Result<Steps, String> {
        until_ready(command(["restart"]).of(&self.names)?, &self.names)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StopCall {
    /// The processes; without any, all.
    #[serde(default)]
    names: Vec<String>,
}

impl ToolCall for StopCall {
    fn steps(self) -> Result<Steps, String> {
        Ok(Steps {
            all: vec![command(["stop"]).of(&self.names)?, command(["ps"])],
            after_failure: None,
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReloadCall {
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

impl ToolCall for ReloadCall {
    fn steps(self) -> Result<Steps, String> {
        let dry: &[&str] = if self.dry_run { &["--dry-run"] } else { &[] };
        Ok(command(["reload"]).and(dry.iter().copied()).into())
    }
}

/// What to wait for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum WaitCondition {
    Ready,
    Running,
    Port,
    Exit,
    Prompt,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitCall {
    /// The processes; without any, all.
    #[serde(default)]
    names: Vec<String>,
    /// The condition: its checks have passed (`ready`, the default), it runs (`running`), accepts connections on its PORT
    /// (`port`), has ended (`exit`), or waits for input (`prompt`).
    #[serde(rename = "for")]
    what: Option<WaitCondition>,
    /// Wait for a line that matches this regular expression instead.
    log: Option<String>,
    /// In seconds, at most 60; 30 by default.
    timeout: Option<u64>,
}

impl ToolCall for WaitCall {
    fn steps(self) -> Result<Steps, String> {
        let what = match (&self.what, self.log) {
            (Some(_), Some(_)) => return Err("give `for` or `log`, not both".to_owned()),
            (None, Some(log)) => vec![format!("--for=log={log}")],
            (what, None) => {
                let word = match what {
                    Some(WaitCondition::Running) => "running",
                    Some(WaitCondition::Port) => "port",
                    Some(WaitCondition::Exit) => "exit",
                    Some(WaitCondition::Prompt) => "prompt",
                    Some(WaitCondition::Ready) | None => "ready",
                };
                vec![format!("--for={word}")]
            }
        };
        let timeout = self.timeout.unwrap_or(30).min(LONGEST_WAIT);
        let wait =
            command(["wait"]).of(&self.names)?.and([format!("--timeout={timeout}s")]).and(what);
        Ok(wait.into())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogsCall {
    /// Only these processes; without any, all, with the messages of tmo.
    #[serde(default)]
    names: Vec<String>,
    /// What came after this place: an `--after` of an earlier answer.
    after: Option<String>,
    /// The last lines before this place: a `--before` of an earlier answer.
    before: Option<String>,
    /// Only lines since this time: `10m` (ago), `14:05`, or RFC 3339.
    since: Option<String>,
    /// Only lines until this time.
    until: Option<String>,
    /// Only lines that match this regular expression.
    grep: Option<String>,
    /// With `grep`: this many lines around each match. The answer then does not say how to read on.
    around: Option<u64>,
    /// Only what each process printed since its last start.
    #[serde(default)]
    since_restart: bool,
    /// Only starts, exits and the other messages of tmo.
    #[serde(default)]
    events: bool,
    /// Show the time of each line.
    #[serde(default)]
    times: bool,
    /// How many bytes the answer may have; 8000 by default, at most 100000.
    max_bytes: Option<usize>,
}

impl ToolCall for LogsCall {
    fn steps(self) -> Result<Steps, String> {
        let most = self.max_bytes.unwrap_or(MOST).clamp(100, MOST_ASKED);
        let valued = [
            ("after", self.after),
            ("before", self.before),
            ("since", self.since),
            ("until", self.until),
            ("grep", self.grep),
            ("context", self.around.map(|around| around.to_string())),
        ];
        let valued =
            valued.into_iter().filter_map(|(flag, value)| Some(format!("--{flag}={}", value?)));
        let flags = [
            ("since-restart", self.since_restart),
            ("events", self.events),
            ("timestamps", self.times),
        ];
        let flags =
            flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| format!("--{flag}"));
        let logs = command(["logs"]).of(&self.names)?;
        let logs = logs.and([format!("--max-bytes={most}")]).and(valued).and(flags);
        // What is said below the lines comes besides.
        Ok(Step { most: most + 200, ..logs }.into())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhyCall {
    /// The process; without one, whatever is wrong.
    name: Option<String>,
}

impl ToolCall for WhyCall {
    fn steps(self) -> Result<Steps, String> {
        Ok(command(["why"]).of(self.name.as_slice())?.expecting(&[1]).into())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScreenCall {
    /// The process.
    name: String,
}

impl ToolCall for ScreenCall {
    fn steps(self) -> Result<Steps, String> {
        Ok(command(["screen"]).of(&[self.name])?.into())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CrashesCall {
    /// Only of this process.
    name: Option<String>,
    /// The file of the crash to show in full, as the list names it.
    file: Option<String>,
}

impl ToolCall for CrashesCall {
    fn steps(self) -> Result<Steps, String> {
        match self.file {
            Some(file) if file.contains('/') => Err(format!("`{file}` is not a file of the list")),
            Some(file) => Ok(command(["crashes", "show", "--", &file]).into()),
            None => Ok(command(["crashes", "list"]).of(self.name.as_slice())?.into()),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActCall {
    /// The action to run, as the list names it; without one, all are listed.
    name: Option<String>,
}

impl ToolCall for ActCall {
    fn steps(self) -> Result<Steps, String> {
        let Some(name) = self.name else { return Ok(command(["act"]).into()) };
        Ok(Step { confirms: Some("--yes"), ..command(["act", "--", &name]) }.into())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SendCall {
    /// The process.
    name: String,
    /// What to type.
    text: String,
    /// Whether to press Enter after it; yes by default.
    enter: Option<bool>,
}

impl ToolCall for SendCall {
    fn steps(self) -> Result<Steps, String> {
        let enter: &[&str] = if self.enter.unwrap_or(true) { &["--enter"] } else { &[] };
        let send = command(["send"]).and(enter.iter().copied()).of(&[self.name])?;
        Ok(send.and(["--", &self.text]).into())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignalCall {
    /// Its name, such as HUP or USR1.
    signal: String,
    /// The processes.
    names: Vec<String>,
}

impl ToolCall for SignalCall {
    fn steps(self) -> Result<Steps, String> {
        if self.names.is_empty() {
            return Err("name the processes".to_owned());
        }
        Ok(command(["signal"]).of(&[self.signal])?.of(&self.names)?.into())
    }
}
