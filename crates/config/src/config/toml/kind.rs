//! The kinds of values in a `tmo.toml`. The reader checks keys by their kinds, and the JSON Schema is
//! generated from them.
//! Other tools, and other tables, have other names for some keys.

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Text,
    /// `true` or `false`.
    Switch,
    /// A whole number in this range.
    Number(u64, u64),
    /// `"500ms"`, `"1h30m"`, or a number of seconds.
    Time,
    /// A number of bytes, or a string such as `"64MiB"`.
    Size,
    /// A string, a number or a boolean: a value for a variable.
    Scalar,
    /// One of these strings.
    Word(&'static [&'static str]),
    List(&'static Type),
    /// A table with keys that the user chooses.
    Map(&'static Type),
    /// A table with the keys of these lists.
    Table(&'static [&'static [Key]]),
    /// One of several kinds, chosen by the type of the value.
    Either(&'static [Type]),
}

/// A key of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: Type,
    /// Its description, for the reference and editors.
    pub about: &'static str,
    /// The value that applies without the key, in TOML that is JSON too; `None` if the description says it.
    pub default: Option<&'static str>,
}

/// The keys of a table: for each its name, kind, default and description.
macro_rules! key_rows {
    ($($name:literal, $kind:expr, $default:expr, $about:expr;)+) => {
        &[$($crate::config::toml::kind::Key {
            name: $name,
            kind: $kind,
            about: $about,
            default: $default,
        }),+]
    };
}
pub(super) use key_rows;

/// A list of strings.
pub(super) const TEXTS: Type = Type::List(&Type::Text);
/// One string, or a list of them.
pub(super) const TEXT_OR_TEXTS: Type = Type::Either(&[Type::Text, TEXTS]);
pub(super) const PORT: Type = Type::Number(1, 65535);
pub(super) const COUNT: Type = Type::Number(0, u32::MAX as u64);
/// Milliseconds.
pub(super) const MILLIS: Type = Type::Number(0, 1_000_000_000_000);

impl Type {
    /// What is expected, as messages say it.
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "a text in quotes".into(),
            Self::Switch => "true or false".into(),
            Self::Number(least, most) if *most >= u64::from(u32::MAX) => {
                format!("a whole number from {least} on")
            }
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Time => "a time such as \"500ms\", \"2s\" or \"1m30s\"".into(),
            Self::Size => "a size such as \"64MiB\", or a number of bytes".into(),
            Self::Scalar => "a text, a number, true or false".into(),
            Self::Word(words) => quoted_list(words),
            Self::List(of) => format!("a list, each item {}", of.describe()),
            Self::Map(_) | Self::Table(_) => "a table".into(),
            Self::Either(kinds) => {
                kinds.iter().map(Self::describe).collect::<Vec<_>>().join(", or ")
            }
        }
    }
}

/// `"a", "b" or "c"`.
fn quoted_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some(_) | None => quoted.concat(),
    }
}

/// Their names, and ours.
const KEYS: &[(&[&str], &str)] = &[
    (&["cmd", "script", "entrypoint", "program", "run"], "command"),
    (&["working_dir", "working_directory", "workdir", "dir", "directory", "root"], "cwd"),
    (&["environment", "vars", "variables"], "env"),
    (&["dotenv", "envfile"], "env_file"),
    (&["needs", "requires", "after", "wait_for", "wait_on"], "depends_on"),
    (&["readiness_probe", "readiness", "healthcheck", "health_check", "ready_log_line"], "ready"),
    (&["liveness_probe", "liveness"], "live"),
    (&["availability", "autorestart", "auto_restart"], "restart"),
    (&["max_restarts", "startretries"], "restart.max_restarts"),
    (&["shutdown"], "stop"),
    (&["stopsignal", "stop_signal"], "stop.signal"),
    (&["stopwaitsecs", "kill_timeout"], "stop.timeout"),
    (&["namespace", "profiles", "tags"], "groups"),
    (&["enabled", "disabled"], "autostart"),
    (&["description", "title", "label"], "display"),
    (&["max_consecutive_failures", "max_attempts", "retries", "max_retries"], "max_failures"),
    (&["failure_reset_seconds", "min_uptime"], "stable"),
    (&["interval", "period_seconds"], "every"),
    (&["timeout_seconds", "grace_period"], "timeout"),
    (&["failure_threshold"], "failures"),
    (&["watch_files", "watch_paths"], "watch"),
    (&["delay_ms", "quiet"], "debounce"),
];

/// The name of an unknown key in a table with these keys, as a sentence.
pub(super) fn named_here(word: &str, keys: &[&str]) -> Option<String> {
    if word == "regex" {
        let key = ["log", "pattern"].into_iter().find(|key| keys.contains(key))?;
        return Some(format!("`{key}` is a regular expression as it is"));
    }
    let there = |ours: &str| keys.contains(&ours.split('.').next().unwrap_or_default());
    let (_, ours) = KEYS.iter().find(|(words, ours)| words.contains(&word) && there(ours))?;
    Some(format!("here it is `{ours}`"))
}

#[cfg(test)]
mod tests {
    use super::KEYS;
    use crate::config::toml::keys::PROCESS;
    use crate::config::toml::kind::{Key, Type};
    use crate::config::toml::schema::within;

    /// Whether this is a key of a process, or of a table in it.
    fn is_key(word: &str, keys: &[&[Key]]) -> bool {
        let holds = |kind: Type| within(kind).is_some_and(|(_, keys)| is_key(word, keys));
        keys.concat().iter().any(|key| key.name == word || holds(key.kind))
    }

    #[test]
    fn each_of_ours_is_a_key_and_none_of_theirs_is() {
        for (theirs, ours) in KEYS {
            assert!(ours.split('.').all(|word| is_key(word, PROCESS)), "{ours}");
            for word in *theirs {
                let named = |keys: &[&str]| super::named_here(word, keys);
                let first = ours.split('.').next().unwrap();
                assert_eq!(named(&[first]), Some(format!("here it is `{ours}`")), "{word}");
                assert_eq!(named(&["else"]), None, "{word}");
            }
        }
        let of_process = |word: &&&str| PROCESS.concat().iter().any(|key| key.name == **word);
        let wrong: Vec<_> =
            KEYS.iter().flat_map(|(theirs, _)| *theirs).filter(of_process).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
