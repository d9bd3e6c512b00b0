//! Errors that were logged: as JSON, or by a word that means one.

use serde_json::Value;

use super::{Findings, cut};
use crate::crash::cause::Kind;
use crate::crash::expr::Expr;

/// Where loggers put the level, the message and the error.
const LEVELS: [&str; 7] = ["level", "lvl", "severity", "levelname", "log.level", "@l", "loglevel"];
const MESSAGES: [&str; 7] = ["msg", "message", "event", "@m", "text", "error", "err"];
const ERRORS: [&str; 4] = ["error", "err", "exception", "exc_info"];

/// The last word that a program says of an error.
static ERROR: Expr = Expr::new(
    r"^(?:.{0,60}?[\s\[|(])?(?:\w*[eE]rror|\w*ERROR|FATAL|[Ff]atal|CRITICAL|PANIC|emerg|alert|crit)(?:\[\w+\])?[\])]?(?::| -| \||\s{1,8}\S)|npm (?:ERR!|error) ",
);

/// Lines that npm, cargo and others add to every error.
static NO_NEWS: Expr = Expr::new(
    r"(?i)npm (?:ERR!|error) (?:A complete log|.*debug-0\.log|Lifecycle script|code |errno |path |command |signal |workspace |location )|\b0 errors?\b|no errors?\b|for more information about this error|^\s*at \S+ ?\(|error_?log|errors?: 0\b",
);

pub(super) fn find(found: &mut Findings<'_>) {
    let lines = found.lines();
    let objects = lines.iter().enumerate().rev();
    let json = objects.filter(|(_, line)| line.text.trim_start().starts_with('{'));
    let told = json.filter_map(|(at, line)| Some((at, object(&line.text)?)));
    // The most serious one; of those, the last.
    let worst = told.fold(None, |worst: Option<(usize, Told)>, (at, told)| match worst {
        Some((_, ref worse)) if worse.fatal || !told.fatal => worst,
        Some(_) | None => Some((at, told)),
    });
    if let Some((at, Told { fatal, text })) = worst {
        found.add_line(if fatal { 62 } else { 52 }, at, Kind::LoggedError, text);
    }
    let says = |text: &str| ERROR.finds(text) && !NO_NEWS.finds(text) && !text.starts_with('{');
    if let Some(at) = lines.iter().rposition(|line| says(&line.text)) {
        let text = format!("it logged: {}", cut(lines[at].text.trim()));
        found.add_line(45, at, Kind::LoggedError, text);
    }
}

/// An error in a JSON log.
struct Told {
    fatal: bool,
    text: String,
}

fn object(line: &str) -> Option<Told> {
    let Value::Object(object) = serde_json::from_str(line.trim()).ok()? else { return None };
    let level = LEVELS.iter().find_map(|key| object.get(*key));
    // As log.level may stand for an object in an object.
    let level = level.or_else(|| object.get("log")?.get("level"))?;
    let fatal = match level {
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "error" | "err" | "e" => false,
            "fatal" | "critical" | "crit" | "panic" | "dpanic" | "emerg" | "alert" | "f" => true,
            _ => return None,
        },
        // As pino and bunyan count.
        Value::Number(number) => match number.as_u64()? {
            50..60 => false,
            60..=100 => true,
            _ => return None,
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let words = |value: &Value| {
        let inner = value.get("message").or_else(|| value.get("msg"));
        inner.unwrap_or(value).as_str().map(str::to_owned)
    };
    let message = MESSAGES.iter().find_map(|key| words(object.get(*key)?))?;
    let error = ERRORS.iter().find_map(|key| words(object.get(*key)?));
    let error = error.filter(|error| !message.contains(error.as_str()));
    let error = error.map_or(String::new(), |error| format!(": {error}"));
    Some(Told { fatal, text: format!("it logged: {}", cut(&format!("{message}{error}"))) })
}
