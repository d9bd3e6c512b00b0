//! Writes YAML, with comments.

use std::fmt::Write as _;

use crate::model::untrusted::{json, shown};

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Yaml {
    /// A text, in quotes if it could be read as anything else.
    Text(String),
    /// A number or a truth value.
    Plain(String),
    /// Values in one line.
    Row(Vec<Yaml>),
    List(Vec<Yaml>),
    Map(YamlMap),
}

/// Keys with values, and comments between them.
#[derive(Debug, Clone, Default)]
pub(super) struct YamlMap(Vec<(Option<String>, Yaml)>);

impl YamlMap {
    pub(super) fn set(&mut self, key: &str, value: impl Into<Yaml>) -> &mut Self {
        self.0.push((Some(key.to_owned()), value.into()));
        self
    }

    /// The same, if there is a value.
    pub(super) fn set_some(&mut self, key: &str, value: Option<impl Into<Yaml>>) -> &mut Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// The same, if the value is not empty.
    pub(super) fn set_filled(&mut self, key: &str, value: impl Into<Yaml>) -> &mut Self {
        match value.into() {
            Yaml::Map(map) if map.0.is_empty() => self,
            Yaml::List(list) | Yaml::Row(list) if list.is_empty() => self,
            value => self.set(key, value),
        }
    }

    pub(super) fn comment(&mut self, text: &str) -> &mut Self {
        self.0.push((None, Yaml::Text(text.to_owned())));
        self
    }

    /// Add what another one has.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The text of a document.
    pub(super) fn document(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, text: &mut String, indent: usize) {
        for (key, value) in &self.0 {
            let _ = write!(text, "{:indent$}", "");
            match (key, value) {
                (None, Yaml::Text(comment)) => {
                    let _ = writeln!(text, "# {}", shown(comment));
                }
                (None, _) => {}
                (Some(key), value) => {
                    text.push_str(&scalar(key));
                    value.write(text, indent);
                }
            }
        }
    }
}

impl Yaml {
    /// A row of texts.
    pub(super) fn row<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        Self::Row(texts.into_iter().map(Self::from).collect())
    }

    /// A command in which compose and Kubernetes are to expand nothing.
    pub(super) fn unexpanded(argv: &[String]) -> Self {
        Self::Row(argv.iter().map(|word| word.replace('$', "$$").into()).collect())
    }

    /// Write it behind its key.
    fn write(&self, text: &mut String, indent: usize) {
        match self {
            Self::Text(_) | Self::Plain(_) | Self::Row(_) => {
                let _ = writeln!(text, ": {}", self.inline());
            }
            Self::List(values) => {
                text.push_str(":\n");
                for value in values {
                    let Self::Map(map) = value else {
                        let _ = writeln!(text, "{:indent$}  - {}", "", value.inline());
                        continue;
                    };
                    let mut item = String::new();
                    map.write(&mut item, indent + 4);
                    let _ = write!(text, "{:indent$}  - {}", "", item.trim_start());
                }
            }
            Self::Map(map) if map.0.is_empty() => text.push_str(": {}\n"),
            Self::Map(map) => {
                text.push_str(":\n");
                map.write(text, indent + 2);
            }
        }
    }

    fn inline(&self) -> String {
        match self {
            Self::Text(value) => scalar(value),
            Self::Plain(value) => value.clone(),
            Self::Row(values) | Self::List(values) => {
                format!("[{}]", values.iter().map(Self::inline).collect::<Vec<_>>().join(", "))
            }
            // No list in a line holds one.
            Self::Map(_) => "{}".to_owned(),
        }
    }
}

/// A text as it is, if it can't be taken for anything else, or else in quotes, as in JSON.
fn scalar(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_word)
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

impl From<YamlMap> for Yaml {
    fn from(map: YamlMap) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Yaml>> for Yaml {
    fn from(values: Vec<Yaml>) -> Self {
        Self::List(values)
    }
}
