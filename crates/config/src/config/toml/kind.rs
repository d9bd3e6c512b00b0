//! The kinds of values in a `tmo.toml`. The reader checks keys by their kinds, and the JSON Schema is
//! generated from them.

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
    /// A list.
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
/// A port number.
pub(super) const PORT: Type = Type::Number(1, 65535);
/// A count.
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
