//! Values as they are written in a `tmo.toml`.

pub(super) use crate::config::toml::bare;

/// A string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list of strings.
pub(super) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts = texts.into_iter().map(|text| quoted(text.as_ref()));
    format!("[{}]", texts.collect::<Vec<_>>().join(", "))
}

/// A table on one line, of values that are already written so.
pub(super) fn table(entries: &[(&str, String)]) -> String {
    let entries = entries.iter().map(|(key, value)| format!("{} = {value}", bare(key)));
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

/// The value that is written so.
pub(super) fn toml_value(text: &str) -> Option<toml::Value> {
    let table: toml::Table = toml::from_str(&format!("a = {text}")).ok()?;
    table.get("a").cloned()
}
