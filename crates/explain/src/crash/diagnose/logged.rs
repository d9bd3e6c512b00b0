//! Errors in the log: as JSON, or marked by a word such as `error`.

use serde_json::Value;

use super::traces::place_in;
use super::{Findings, cut};
use crate::crash::cause::CauseKind;
use crate::crash::expr::Expr;
use crate::model::Exit;

/// The keys that loggers use for the level, the message and the error.
const LEVELS: [&str; 7] = ["level", "lvl", "severity", "levelname", "log.level", "@l", "loglevel"];
const MESSAGES: [&str; 7] = ["msg", "message", "event", "@m", "text", "error", "err"];
const ERRORS: [&str; 4] = ["error", "err", "exception", "exc_info"];
const STACKS: [&str; 6] =
    ["stack", "stack_trace", "stacktrace", "exc_info", "exception", "error.stack_trace"];

/// The same for key-value pairs in logfmt.
static LEVEL: Expr = Expr::new(r#"(?:^|\s)(?:level|lvl|severity)="?(\w+)"?(?:\s|$)"#);
static MESSAGE: Expr = Expr::new(r#"\s(?:msg|message)=(?:"((?:[^"\\]|\\.)*)"|(\S+))"#);
static CAUSE: Expr = Expr::new(r#"\s(?:err|error)=(?:"((?:[^"\\]|\\.)*)"|(\S+))"#);

/// A line that reports an error.
static ERROR: Expr = Expr::new(
    r"^(?:.{0,60}?[\s\[|(])?(?:\w*[eE]rror|\w*ERROR|FATAL|[Ff]atal|CRITICAL|PANIC|emerg|alert|crit)(?:\[\w+\])?[\])]?(?::| -| \||\s{1,8}\S)|npm (?:ERR!|error) ",
);

/// Lines that npm, cargo and others print after every error.
static NO_NEWS: Expr = Expr::new(
    r"(?i)npm (?:ERR!|error)(?:\s*$| {2,}| (?:A complete log|.*debug-0\.log|Lifecycle script|code |errno |enoent |notsup |engine |path |command |signal |workspace |location |To see a list of scripts|Missing script))|^to resolve this|\b0 errors?\b|no errors?\b|for more information about this error|^\s*at \S+ ?\(|error_?log|errors?: 0\b",
);

/// The line printed by Go's `log.Fatal`: date, time, perhaps the place in the source.
static FATAL: Expr = Expr::new(
    r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? (?:(?P<path>\S+\.go):(?P<line>\d+): )?(?P<text>\S.*)$",
);

pub(super) fn add_causes(found: &mut Findings<'_>) {
    last_words(found);
    let lines = found.lines();
    let entries = lines.iter().enumerate().filter_map(|(at, line)| {
        let text = line.text.trim();
        Some((at, json(text).map_or_else(|| pairs(text), object)?))
    });
    // The most severe one; of several, the last.
    let worst = entries.max_by_key(|(_, entry)| entry.fatal);
    if let Some((at, Entry { fatal, text, stack })) = worst {
        let place = stack.and_then(|stack| place_in(found.evidence, &stack));
        let score = if fatal { 62 } else { 52 };
        found.add_line(score, at, CauseKind::LoggedError, text).look_at(place, None);
    }
    let says = |text: &str| ERROR.finds(text) && !NO_NEWS.finds(text) && json(text).is_none();
    if let Some(at) = lines.iter().rposition(|line| says(&line.text)) {
        let text = format!("it logged: {}", cut(lines[at].text.trim()));
        found.add_line(45, at, CauseKind::LoggedError, text);
    }
}

/// The line logged right before an exit with code 1, for languages whose errors lead to that code.
fn last_words(found: &mut Findings<'_>) {
    if found.evidence.exit != Exit::Code(1) {
        return;
    }
    let Some(at) = found.lines().iter().rposition(|line| !line.text.trim().is_empty()) else {
        return;
    };
    let line = found.lines()[at].text.clone();
    let Some(words) = FATAL.captures(line.trim_end()) else { return };
    let named = |name: &str| words.name(name).map(|part| part.as_str());
    let place = named("path").zip(named("line"));
    let place = place.map(|(path, line)| found.evidence.place(path, line));
    let text = format!("it logged: {}", cut(named("text").unwrap_or_default()));
    found.add_line(46, at, CauseKind::LoggedError, text).look_at(place, None);
}

/// A log entry with an error level.
struct Entry {
    fatal: bool,
    text: String,
    /// The stack trace that was logged with it.
    stack: Option<String>,
}

/// The JSON object in a line, if nothing precedes it except a prefix that a forwarding program has added.
fn json(line: &str) -> Option<&str> {
    let line = line.trim();
    let (before, _) = line.split_once('{').filter(|_| line.ends_with('}'))?;
    let prefix = before.is_empty() || before.len() <= 60 && before.ends_with(' ');
    (prefix && !before.contains('"')).then(|| &line[before.len()..])
}

/// Whether a level means a fatal error; `None` if it does not mean an error at all.
fn serious(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "error" | "err" | "e" => Some(false),
        "fatal" | "critical" | "crit" | "panic" | "dpanic" | "emerg" | "alert" | "f" => Some(true),
        _ => None,
    }
}

/// `level=error msg="no table users" error=timeout`
fn pairs(line: &str) -> Option<Entry> {
    let fatal = serious(LEVEL.group(line)?)?;
    let word = |expr: &Expr| expr.group(line).map(|word| word.replace("\\\"", "\""));
    let message = word(&MESSAGE)?;
    let error = word(&CAUSE);
    let text = join_message(&message, error.as_deref());
    Some(Entry { fatal, text, stack: None })
}

/// Combine a message with the text of the error.
fn join_message(message: &str, error: Option<&str>) -> String {
    let error = error.filter(|error| !message.contains(error));
    let error = error.map_or(String::new(), |error| format!(": {error}"));
    format!("it logged: {}", cut(&format!("{message}{error}")))
}

fn object(line: &str) -> Option<Entry> {
    let object: Value = serde_json::from_str(line).ok()?;
    let level = LEVELS.iter().find_map(|key| object.get(key));
    // `log.level` may be an object within an object.
    let level = level.or_else(|| object.get("log")?.get("level"))?;
    let fatal = match level {
        Value::String(word) => serious(word)?,
        // The numeric levels of pino and bunyan.
        Value::Number(number) => match number.as_u64()? {
            50..60 => false,
            60..=100 => true,
            _ => return None,
        },
        _ => return None,
    };
    let words = |value: &Value| {
        let inner = value.get("message").or_else(|| value.get("msg"));
        inner.unwrap_or(value).as_str().map(str::to_owned)
    };
    let message = MESSAGES.iter().find_map(|key| words(object.get(key)?))?;
    let error = ERRORS.iter().find_map(|key| words(object.get(key)?));
    let stack =
        |value: &Value| STACKS.iter().find_map(|key| value.get(*key)?.as_str().map(str::to_owned));
    let stack = stack(&object).or_else(|| ERRORS.iter().find_map(|key| stack(object.get(key)?)));
    Some(Entry { fatal, text: join_message(&message, error.as_deref()), stack })
}
