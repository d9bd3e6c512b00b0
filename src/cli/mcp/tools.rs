//! The tools: their parameters, and the commands that each stands for.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::JsonObject;
use serde_json::{Value, json};

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

pub(super) struct ToolSpec {
    pub(super) name: &'static str,
    /// Its description for the model of a client.
    pub(super) about: &'static str,
    pub(super) kind: ToolKind,
    parameters: &'static [Parameter],
    /// The commands that a call stands for, or what is wrong with it.
    steps: fn(&ToolCall) -> Result<Steps, String>,
}

/// A parameter of a tool.
struct Parameter {
    name: &'static str,
    value: ValueKind,
    is_required: bool,
    about: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Text,
    Texts,
    Number,
    Truth,
    Word(&'static [&'static str]),
}

impl ValueKind {
    /// Its JSON Schema, in words that the APIs of all large models take: some refuse a request with any other.
    fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Self::Number => json!({ "type": "integer" }),
            Self::Truth => json!({ "type": "boolean" }),
            Self::Word(words) => json!({ "type": "string", "enum": words }),
        }
    }

    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Self::Number => value.is_u64(),
            Self::Truth => value.is_boolean(),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        }
    }
}

const fn optional(name: &'static str, value: ValueKind, about: &'static str) -> Parameter {
    Parameter { name, value, is_required: false, about }
}

const fn required(name: &'static str, value: ValueKind, about: &'static str) -> Parameter {
    Parameter { is_required: true, ..optional(name, value, about) }
}

/// A call of a tool: its arguments, each of which its parameter accepts.
struct ToolCall(JsonObject);

impl ToolCall {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    fn truth(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// The processes that it names.
    fn names(&self) -> Result<Vec<String>, String> {
        let listed = self.0.get("names").and_then(Value::as_array);
        let names = listed.into_iter().flatten().filter_map(Value::as_str).chain(self.text("name"));
        names.map(|name| name_of_process(name).map_err(|error| error.to_string())).collect()
    }

    /// The same parameters as flags of a command: its name, and that of the parameter.
    fn flags(&self, flags: &[(&str, &str)]) -> Vec<String> {
        let flag = |(flag, parameter): &(&str, &str)| match self.0.get(*parameter)? {
            Value::Bool(is_set) => is_set.then(|| format!("--{flag}")),
            Value::String(text) => Some(format!("--{flag}={text}")),
            value => Some(format!("--{flag}={value}")),
        };
        flags.iter().filter_map(flag).collect()
    }
}

impl ToolSpec {
    /// The JSON Schema of its arguments. What it can't say, such as that there are no others, is checked by `steps`.
    pub(super) fn schema(&self) -> Arc<JsonObject> {
        let property = |parameter: &Parameter| {
            let mut schema = parameter.value.schema();
            schema["description"] = parameter.about.into();
            (parameter.name.to_owned(), schema)
        };
        let required = self.parameters.iter().filter(|parameter| parameter.is_required);
        let required: Vec<_> = required.map(|parameter| parameter.name).collect();
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        let properties: JsonObject = self.parameters.iter().map(property).collect();
        schema.insert("properties".to_owned(), properties.into());
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        Arc::new(schema)
    }

    /// The commands that a call with these arguments stands for, or what is wrong with them.
    pub(super) fn steps(&self, mut arguments: JsonObject) -> Result<Steps, String> {
        arguments.retain(|_, value| !value.is_null());
        for (name, value) in &arguments {
            let parameter = self.parameters.iter().find(|parameter| parameter.name == name);
            let Some(Parameter { value: kind, .. }) = parameter else {
                let known: Vec<_> = self.parameters.iter().map(|known| known.name).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(format!("unknown field `{name}`; there are: {known}"));
            };
            if !kind.accepts(value) {
                return Err(format!("`{name}` can't be {value}; its schema is {}", kind.schema()));
            }
        }
        let mut required = self.parameters.iter().filter(|parameter| parameter.is_required);
        match required.find(|parameter| !arguments.contains_key(parameter.name)) {
            Some(missing) => Err(format!("missing field `{}`", missing.name)),
            None => (self.steps)(&ToolCall(arguments)),
        }
    }
}

/// What can be read without a tool: address and description.
pub(super) const RESOURCES: [(&str, &str); 3] = [
    ("tmo://why", "what is wrong, or how the last run ended"),
    ("tmo://config", "the settings in effect, and where each comes from"),
    ("tmo://graph", "what each process depends on"),
];

/// The command that a resource stands for.
pub(super) fn steps_of_resource(uri: &str) -> Option<Steps> {
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

use ValueKind::{Number, Text, Texts, Truth, Word};

pub(super) const TOOLS: [ToolSpec; 14] = [
    ToolSpec {
        name: "status",
        kind: ToolKind::Look,
        about: "The processes of the project with state, pid, port and what they wait for. Says how to start if nothing \
                runs.",
        parameters: &[],
        steps: |_| Ok(command(["ps"]).expecting(&[1]).into()),
    },
    ToolSpec {
        name: "start",
        kind: ToolKind::Change,
        about: "Make sure that the processes of the project run, in the background, and wait until they are ready. \
                Without names, everything; does nothing if it runs already. Answers with the processes, or with why one \
                is not ready.",
        parameters: &[optional("names", Texts, "Only these processes, and what they depend on.")],
        steps: |call| {
            let names = call.names()?;
            let how = if names.is_empty() { "--if-needed" } else { "--by-name" };
            Ok(until_ready(command(["start", "-D", how]).and(&names), &names))
        },
    },
    ToolSpec {
        name: "wait",
        kind: ToolKind::Look,
        about: "Wait for a condition, at most a minute.",
        parameters: &[
            optional("names", Texts, "The processes; without any, all."),
            optional(
                "for",
                Word(&["ready", "running", "port", "exit", "prompt"]),
                "The condition: its checks have passed (`ready`, the default), it runs (`running`), accepts connections \
                 on its PORT (`port`), has ended (`exit`), or waits for input (`prompt`).",
            ),
            optional("log", Text, "Wait for a line that matches this regular expression instead."),
            optional("timeout", Number, "In seconds, at most 60; 30 by default."),
        ],
        steps: |call| {
            let condition = match (call.text("for"), call.text("log")) {
                (Some(_), Some(_)) => return Err("give `for` or `log`, not both".to_owned()),
                (None, Some(log)) => format!("log={log}"),
                (word, None) => word.unwrap_or("ready").to_owned(),
            };
            let timeout = call.number("timeout").unwrap_or(30).min(LONGEST_WAIT);
            let limits = [format!("--timeout={timeout}s"), format!("--for={condition}")];
            Ok(command(["wait"]).and(call.names()?).and(limits).into())
        },
    },
    ToolSpec {
        name: "logs",
        kind: ToolKind::Look,
        about: "The last lines of the log, of all runs so far, or what came after an earlier answer. The end of the \
                answer says how to read on in both directions.",
        parameters: &[
            optional(
                "names",
                Texts,
                "Only these processes; without any, all, with the messages of tmo.",
            ),
            optional(
                "after",
                Text,
                "What came after this place: an `--after` of an earlier answer.",
            ),
            optional(
                "before",
                Text,
                "The last lines before this place: a `--before` of an earlier answer.",
            ),
            optional(
                "since",
                Text,
                "Only lines since this time: `10m` (ago), `14:05`, or RFC 3339.",
            ),
            optional("until", Text, "Only lines until this time."),
            optional("grep", Text, "Only lines that match this regular expression."),
            optional(
                "around",
                Number,
                "With `grep`: this many lines around each match. The answer then does not say how to read on.",
            ),
            optional(
                "since_restart",
                Truth,
                "Only what each process printed since its last start.",
            ),
            optional("events", Truth, "Only starts, exits and the other messages of tmo."),
            optional("times", Truth, "Show the time of each line."),
            optional(
                "max_bytes",
                Number,
                "How many bytes the answer may have; 8000 by default, at most 100000.",
            ),
        ],
        steps: |call| {
            let asked = call.number("max_bytes").and_then(|bytes| usize::try_from(bytes).ok());
            let most = asked.unwrap_or(MOST).clamp(100, MOST_ASKED);
            let flags = call.flags(&[
                ("after", "after"),
                ("before", "before"),
                ("since", "since"),
                ("until", "until"),
                ("grep", "grep"),
                ("context", "around"),
                ("since-restart", "since_restart"),
                ("events", "events"),
                ("timestamps", "times"),
            ]);
            let logs = command(["logs"]).and(call.names()?).and([format!("--max-bytes={most}")]);
            // What is said below the lines comes besides.
            Ok(Step { most: most + 200, ..logs.and(flags) }.into())
        },
    },
    ToolSpec {
        name: "why",
        kind: ToolKind::Look,
        about: "What is wrong now, or how the last run ended: the cause, where it is in the code, the last output.",
        parameters: &[optional("name", Text, "The process; without one, whatever is wrong.")],
        steps: |call| Ok(command(["why"]).and(call.names()?).expecting(&[1]).into()),
    },
    ToolSpec {
        name: "restart",
        kind: ToolKind::Change,
        about: "Stop and start processes in the order of their dependencies, and wait until they are ready again. \
                Answers with the processes, or with why one did not come back.",
        parameters: &[optional("names", Texts, "The processes; without any, all.")],
        steps: |call| {
            let names = call.names()?;
            Ok(until_ready(command(["restart"]).and(&names), &names))
        },
    },
    ToolSpec {
        name: "stop",
        kind: ToolKind::Change,
        about: "Stop processes; without names, all. The run itself stays.",
        parameters: &[optional("names", Texts, "The processes; without any, all.")],
        steps: |call| {
            let all = vec![command(["stop"]).and(call.names()?), command(["ps"])];
            Ok(Steps { all, after_failure: None })
        },
    },
    ToolSpec {
        name: "reload",
        kind: ToolKind::Change,
        about: "Read Procfile, tmo.toml and env files again: restarts what has changed, starts what is new.",
        parameters: &[optional("dry_run", Truth, "Only say what would be done.")],
        steps: |call| Ok(command(["reload"]).and(call.flags(&[("dry-run", "dry_run")])).into()),
    },
    ToolSpec {
        name: "screen",
        kind: ToolKind::Look,
        about: "The screen of a process's terminal as text: a debugger, a prompt.",
        parameters: &[required("name", Text, "The process.")],
        steps: |call| Ok(command(["screen"]).and(call.names()?).into()),
    },
    ToolSpec {
        name: "crashes",
        kind: ToolKind::Look,
        about: "The last crashes, or one of them in full.",
        parameters: &[
            optional("name", Text, "Only of this process."),
            optional("file", Text, "The file of the crash to show in full, as the list names it."),
        ],
        steps: |call| match call.text("file") {
            Some(file) if file.contains('/') => Err(format!("`{file}` is not a file of the list")),
            Some(file) => Ok(command(["crashes", "show", "--", file]).into()),
            None => Ok(command(["crashes", "list"]).and(call.names()?).into()),
        },
    },
    ToolSpec {
        name: "check",
        kind: ToolKind::Look,
        about: "All mistakes in Procfile, tmo.toml and env files, with their places.",
        parameters: &[],
        steps: |_| Ok(command(["check"]).expecting(&[1]).into()),
    },
    ToolSpec {
        name: "act",
        kind: ToolKind::Change,
        about: "The actions of the project, such as migrations, with how they ended; with a name, run that one and wait \
                for its end.",
        parameters: &[optional(
            "name",
            Text,
            "The action to run, as the list names it; without one, all are listed.",
        )],
        steps: |call| {
            let Some(name) = call.text("name") else { return Ok(command(["act"]).into()) };
            Ok(Step { confirms: Some("--yes"), ..command(["act", "--", name]) }.into())
        },
    },
    ToolSpec {
        name: "send",
        kind: ToolKind::Input,
        about: "Type into the terminal of a process.",
        parameters: &[
            required("name", Text, "The process."),
            required("text", Text, "What to type."),
            optional("enter", Truth, "Whether to press Enter after it; yes by default."),
        ],
        steps: |call| {
            let enter = call.truth("enter").unwrap_or(true).then_some("--enter");
            let text = call.text("text").unwrap_or_default();
            Ok(command(["send"]).and(enter).and(call.names()?).and(["--", text]).into())
        },
    },
    ToolSpec {
        name: "signal",
        kind: ToolKind::Input,
        about: "Send a signal to processes.",
        parameters: &[
            required("signal", Text, "Its name, such as HUP or USR1."),
            required("names", Texts, "The processes."),
        ],
        steps: |call| {
            let names = call.names()?;
            if names.is_empty() {
                return Err("name the processes".to_owned());
            }
            let signal = name_of_process(call.text("signal").unwrap_or_default());
            let signal = signal.map_err(|error| error.to_string())?;
            Ok(command(["signal", &signal]).and(names).into())
        },
    },
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
}

impl From<Step> for Steps {
    fn from(step: Step) -> Self {
        Self { all: vec![step], after_failure: None }
    }
}

/// Do it, wait until these processes are ready, and show how all are.
fn until_ready(change: Step, names: &[String]) -> Steps {
    let ready = ["--for", "ready", "--stable", STABLE, "--timeout", READY_WITHIN];
    let wait = command(["wait"]).and(names).and(ready);
    let why = command(["why"]).and(if names.len() == 1 { names } else { &[] }).expecting(&[1]);
    Steps { all: vec![change, wait, command(["ps"])], after_failure: Some(why) }
}
