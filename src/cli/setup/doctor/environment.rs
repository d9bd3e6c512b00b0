//! Compares the environment of the run with that of this shell.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::model::text::OsText;
use crate::pane::shim;

/// Variables by name.
pub(super) type Variables = BTreeMap<OsString, OsString>;

/// A variable that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VariableDifference {
    pub(super) name: OsString,
    /// The text to show: the name, and for a list of paths the entries added and removed.
    shown: String,
}

/// Variables that the shim sets.
const SHIM: [&str; 3] = ["PWD", "TMO_SESSION", "TMO_PROCESS"];
/// Variables that shells set for every program.
const SHELL: [&str; 3] = ["_", "SHLVL", "OLDPWD"];
/// Parts of the names of variables whose values are never shown.
const SECRET: [&str; 8] =
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "DSN", "AUTH"];

/// These pairs by name.
pub(super) fn variables(pairs: impl IntoIterator<Item = (OsText, OsText)>) -> Variables {
    pairs.into_iter().map(|(name, value)| (name.0, value.0)).collect()
}

/// All differences, by name.
pub(super) fn changes(old: &Variables, new: &Variables) -> Vec<VariableDifference> {
    let names: BTreeSet<&OsString> = old.keys().chain(new.keys()).collect();
    let change = |name: &OsString| {
        let (old, new) = (old.get(name), new.get(name));
        let shown = shown(name, old, new);
        (old != new).then(|| VariableDifference { name: name.clone(), shown })
    };
    names.into_iter().filter_map(change).collect()
}

fn shown(name: &OsStr, old: Option<&OsString>, new: Option<&OsString>) -> String {
    let shown = name.to_string_lossy().into_owned();
    let secret = SECRET.iter().any(|word| shown.to_uppercase().contains(word));
    match (old, new) {
        (Some(_), None) => format!("-{shown}"),
        (None, _) => format!("+{shown}"),
        (Some(old), Some(new)) if shown.ends_with("PATH") && !secret => {
            format!("{shown} ({})", entries(old, new))
        }
        (Some(_), Some(_)) => shown,
    }
}

/// The entries of a list of paths that were added and removed.
fn entries(old: &OsStr, new: &OsStr) -> String {
    let split = |text: &OsStr| -> Vec<String> {
        String::from_utf8_lossy(text.as_bytes()).split(':').map(str::to_owned).collect()
    };
    let (old, new) = (split(old), split(new));
    let came = new.iter().filter(|entry| !old.contains(entry)).map(|entry| format!("+{entry}"));
    let went = old.iter().filter(|entry| !new.contains(entry)).map(|entry| format!("-{entry}"));
    let all: Vec<String> = came.chain(went).collect();
    if all.is_empty() { "in another order".to_owned() } else { all.join(" ") }
}

/// Names for one line, limited to a readable number.
pub(super) fn list<'a>(changes: impl Iterator<Item = &'a VariableDifference>) -> String {
    const MOST: usize = 40;
    let mut shown: Vec<&str> = changes.map(|change| change.shown.as_str()).collect();
    let more = shown.len().saturating_sub(MOST);
    shown.truncate(MOST);
    let text = shown.join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

/// Whether a difference is irrelevant to a process, whatever its cause.
pub(super) fn is_noise(change: &VariableDifference) -> bool {
    let is_named = |name: &&str| change.name == **name;
    shim::is_of_terminal(&change.name) || SHIM.iter().chain(&SHELL).any(is_named)
}

#[cfg(test)]
mod tests {
    use super::{Variables, changes, list};

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn no_value_is_shown_but_the_entries_of_a_path() {
        let old = [("GONE", "s3cret"), ("PATH", "/a:/b"), ("API_KEY_PATH", "/k"), ("SAME", "1")];
        let new = [("PATH", "/c:/b"), ("API_KEY_PATH", "/l"), ("SAME", "1"), ("PORT", "s3cret")];
        let found = changes(&variables(&old), &variables(&new));
        assert_eq!(list(found.iter()), "API_KEY_PATH, -GONE, PATH (+/c -/a), +PORT");
    }
}
