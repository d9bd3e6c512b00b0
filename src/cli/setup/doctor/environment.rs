//! Compares the environment of a process with that of the shell, and explains the differences.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::report::Report;
use crate::model::text::OsText;
use crate::pane::shim;

/// Variables by name.
pub(super) type Variables = BTreeMap<OsString, OsString>;

/// The cause of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// An env file sets it.
    EnvFiles,
    /// tmo sets it for the process.
    Tmo,
    /// It describes the terminal, which is a different one.
    Terminal,
    /// A shell does not export it, or can't.
    Shell,
    /// Unknown.
    Unexplained,
}

/// A variable that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VariableDifference {
    pub(super) name: OsString,
    /// The text to show: the name, and for a list of paths the entries added and removed.
    shown: String,
}

/// What tells why a process has other variables than this command.
pub(super) struct Compared<'a> {
    /// The environment of this command.
    pub(super) here: &'a Variables,
    /// What tmo gives to a process, without the variables of its pane.
    pub(super) given: &'a Variables,
    /// Whether a variable is set by env files.
    pub(super) from_file: &'a dyn Fn(&OsStr) -> bool,
    /// The environment of the process.
    pub(super) child: &'a Variables,
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

fn origin(name: &OsStr, compared: &Compared<'_>) -> Origin {
    let Compared { given, from_file, child, .. } = compared;
    let one_of = |list: &[&str]| list.iter().any(|other| name == *other);
    let (tmo, now) = (given.get(name), child.get(name));
    if shim::is_of_terminal(name) {
        Origin::Terminal
    } else if tmo.is_some() && tmo == now {
        if from_file(name) { Origin::EnvFiles } else { Origin::Tmo }
    } else if one_of(&SHIM) {
        Origin::Tmo
    } else if one_of(&SHELL) || (now.is_none() && !is_identifier(name)) {
        Origin::Shell
    } else {
        Origin::Unexplained
    }
}

/// Many shells do not export variables whose name is not an identifier.
fn is_identifier(name: &OsStr) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = name.as_bytes();
    bytes.iter().all(word) && !bytes.first().is_none_or(u8::is_ascii_digit)
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

/// Report the differences between this shell and a process that was just tried.
pub(super) fn tell(report: &mut Report, compared: &Compared<'_>) {
    const CHECK: &str = "environment";
    let changes = changes(compared.here, compared.child);
    let of = |wanted| list(changes.iter().filter(|c| origin(&c.name, compared) == wanted));
    let by = [
        ("env files", of(Origin::EnvFiles)),
        ("tmo", of(Origin::Tmo)),
        ("its terminal", of(Origin::Terminal)),
        ("shells", of(Origin::Shell)),
    ];
    let by: Vec<String> = by
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(who, n)| format!("{who}: {n}"))
        .collect();
    let but = if by.is_empty() { "" } else { "; by " };
    let reported = format!("a process has the variables of this shell{but}{}", by.join("; by "));
    report.ok(CHECK, reported);
    let unexplained = of(Origin::Unexplained);
    if !unexplained.is_empty() {
        report.note(
            CHECK,
            format!(
                "unexplained: {unexplained}; look at what the shell reads when it begins (ENV, \
                 BASH_ENV, ~/.zshenv, config.fish)"
            ),
        );
    }
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
    use std::ffi::OsStr;

    use super::{Compared, Origin, Variables, changes, origin, tell};
    use crate::cli::setup::doctor::report::Report;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn with<T>(child: &[(&str, &str)], ask: impl Fn(&Compared<'_>) -> T) -> T {
        let here = [("A", "1"), ("PATH", "/a:/b"), ("TERM", "xterm"), ("BASH_FUNC_x%%", "() {")];
        let here = variables(&[&here[..], &[("TMUX", "/t,1,0"), ("API_KEY_PATH", "/k")]].concat());
        let mut given = here.clone();
        given.extend(variables(&[("A", "2"), ("PORT", "5000"), ("PS", "web")]));
        let from_file = |name: &OsStr| name == "A";
        let child = variables(child);
        ask(&Compared { here: &here, given: &given, from_file: &from_file, child: &child })
    }

    fn origins(compared: &Compared<'_>) -> Vec<(String, Origin)> {
        let all = changes(compared.here, compared.child).into_iter();
        all.map(|change| (change.shown, origin(&change.name, compared))).collect()
    }

    const PLAIN: [(&str, &str); 6] = [
        ("A", "2"),
        ("PATH", "/a:/b"),
        ("TERM", "tmux-256color"),
        ("PORT", "5000"),
        ("PS", "web"),
        ("API_KEY_PATH", "/k"),
    ];

    #[test]
    fn every_usual_difference_has_its_reason() {
        let found = with(&PLAIN, origins);
        let found: Vec<_> = found.iter().map(|(shown, origin)| (&**shown, *origin)).collect();
        assert_eq!(
            found,
            [
                ("A", Origin::EnvFiles),
                ("-BASH_FUNC_x%%", Origin::Shell),
                ("+PORT", Origin::Tmo),
                ("+PS", Origin::Tmo),
                ("TERM", Origin::Terminal),
                ("-TMUX", Origin::Terminal),
            ]
        );
        let reported = with(&PLAIN, |compared| {
            let mut report = Report::default();
            tell(&mut report, compared);
            report.text(false)
        });
        let line = "ok    environment: a process has the variables of this shell; by env files: A; \
                    by tmo: +PORT, +PS; by its terminal: TERM, -TMUX; by shells: -BASH_FUNC_x%%\n";
        assert_eq!(reported, line);
    }

    #[test]
    fn what_nobody_has_set_is_unexplained_and_no_value_is_shown() {
        let mut child = PLAIN;
        child[1].1 = "/c:/b";
        child[3].1 = "hidden value";
        child[5].1 = "/other";
        let mut found = with(&child, origins);
        found.retain(|(_, origin)| *origin == Origin::Unexplained);
        let found: Vec<_> = found.iter().map(|(shown, _)| &**shown).collect();
        assert_eq!(found, ["API_KEY_PATH", "PATH (+/c -/a)", "+PORT"]);
    }
}
