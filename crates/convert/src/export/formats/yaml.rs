//! Writes YAML, with comments.

use std::fmt::Write as _;

use crate::model::text::untrusted::{json, shown};

/// A value.
#[derive(Debug, Clone)]
pub(in crate::export) enum Yaml {
    /// An entry that is left out.
    Nothing,
    /// In quotes if it could be read as anything else.
    Text(String),
    /// A number or a truth value.
    Plain(String),
    /// In one line, unless it has maps.
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
    /// An entry that is a comment, whatever its key.
    Comment(String),
}

/// A map of these entries, without empty ones.
pub(in crate::export) fn map<K: Into<String>>(
    entries: impl IntoIterator<Item = (K, Yaml)>,
) -> Yaml {
    let entries = entries.into_iter().filter(|(_, value)| !value.is_empty());
    Yaml::Map(entries.map(|(key, value)| (key.into(), value)).collect())
}

pub(in crate::export) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Yaml {
    Yaml::List(texts.into_iter().map(|text| text.as_ref().into()).collect())
}

/// A command in which compose and Kubernetes are to expand nothing.
pub(in crate::export) fn unexpanded(argv: &[String]) -> Yaml {
    list(argv.iter().map(|word| word.replace('$', "$$")))
}

impl Yaml {
    pub(in crate::export) fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::List(values) => values.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Text(_) | Self::Plain(_) | Self::Comment(_) => false,
        }
    }

    /// The text of a document, which is a map.
    pub(in crate::export) fn document(&self) -> String {
        let mut text = String::new();
        self.write_entries(&mut text, 0);
        text
    }

    fn write_entries(&self, text: &mut String, indent: usize) {
        let Self::Map(entries) = self else { return };
        for (key, value) in entries {
            let _ = write!(text, "{:indent$}", "");
            if let Self::Comment(comment) = value {
                let _ = writeln!(text, "# {}", shown(comment));
                continue;
            }
            text.push_str(&scalar(key));
            match value {
                Self::Map(_) if !value.is_empty() => {
                    text.push_str(":\n");
                    value.write_entries(text, indent + 2);
                }
                Self::List(values) if values.iter().any(|value| matches!(value, Self::Map(_))) => {
                    text.push_str(":\n");
                    for value in values {
                        let mut item = String::new();
                        value.write_entries(&mut item, indent + 4);
                        let _ = write!(text, "{:indent$}  - {}", "", item.trim_start());
                    }
                }
                _ => {
                    let _ = writeln!(text, ": {}", value.in_line());
                }
            }
        }
    }

    fn in_line(&self) -> String {
        match self {
            Self::Text(value) | Self::Comment(value) => scalar(value),
            Self::Plain(value) => value.clone(),
            Self::List(values) => {
                format!("[{}]", values.iter().map(Self::in_line).collect::<Vec<_>>().join(", "))
            }
            Self::Map(_) | Self::Nothing => "{}".to_owned(),
        }
    }
}

/// A text as it is, if it can't be taken for anything else, or else in quotes, as in JSON.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
    let is_span = ["ms", "s", "m", "h"].iter().any(|unit| {
        let number = text.strip_suffix(unit).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    if is_plain || is_span {
        return text.to_owned();
    }
    // YAML 1.1 breaks lines at more characters than JSON escapes.
    let quoted = json(&serde_json::Value::from(text).to_string()).into_owned();
    quoted.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Yaml {
    fn from(number: u64) -> Self {
        Self::Plain(number.to_string())
    }
}

impl From<bool> for Yaml {
    fn from(truth: bool) -> Self {
        Self::Plain(truth.to_string())
    }
}

impl<T: Into<Self>> From<Option<T>> for Yaml {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}
