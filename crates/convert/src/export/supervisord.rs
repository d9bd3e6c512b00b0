//! How supervisord reads values: it expands `%`, begins a comment at ` ;` and ` #`, joins lines, and knows no escapes
//! in its environment.

use std::fmt::Write as _;

use super::gaps::is_identifier;
use super::project::{ExportedProcess, ExportedVariable};
use crate::model::shell::quoted;

/// The value of `command`. Variables that `environment` can't express are set by its shell.
pub(super) fn command(process: &ExportedProcess) -> String {
    let mut script = String::new();
    for variable in settable(process).filter(|variable| !is_plain(variable)) {
        let _ = write!(script, "export {}={}; ", variable.name, quoted(&variable.value));
    }
    let argv = process.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    if script.is_empty() && process.argv.iter().all(|word| !word.contains(char::is_control)) {
        return process.argv.iter().map(|word| word_of(word)).collect::<Vec<_>>().join(" ");
    }
    let _ = write!(script, "exec {argv}");
    // All of it in one line of harmless characters, which printf brings back.
    let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b" /.,:=_-".contains(byte);
    let mut text = String::new();
    for byte in script.bytes() {
        if is_harmless(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\\\0{byte:03o}");
        }
    }
    format!("/bin/sh -c \"eval \\\"$(printf '%%b' '{text}')\\\"\"")
}

/// The value of `environment`.
pub(super) fn environment(process: &ExportedProcess) -> String {
    let plain = settable(process).filter(|variable| is_plain(variable));
    let entries = plain.map(|one| format!("{}=\"{}\"", one.name, one.value.replace('%', "%%")));
    entries.collect::<Vec<_>>().join(",")
}

/// The variables whose names supervisord and a shell know.
fn settable(process: &ExportedProcess) -> impl Iterator<Item = &ExportedVariable> {
    process.env.iter().filter(|variable| is_identifier(&variable.name))
}

/// Whether a value stays what it is between quotes.
fn is_plain(variable: &ExportedVariable) -> bool {
    let value = &variable.value;
    let is_comment = value.contains(" ;") || value.contains(" #");
    !is_comment && !value.contains(|c: char| c == '"' || c == '\'' || c.is_control())
}

/// A word as a shell's lexer reads it, with no comment in it.
fn word_of(word: &str) -> String {
    if !word.is_empty()
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-=:,@+".contains(c))
    {
        return word.to_owned();
    }
    let text = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let text = text.replace(" ;", " \"\";").replace(" #", " \"\"#");
    format!("\"{text}\"")
}
