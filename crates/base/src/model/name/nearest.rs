//! Suggestions for a misspelt name.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::model::request::{Outcome, Unknown};
use crate::model::{ProcName, Untrusted};

/// Maximum number of letter pairs compared for one suggestion; further names are not considered.
const MOST_WORK: usize = 1_000_000;

/// The name with the smallest edit distance from `word`, if the difference may be a typing mistake.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A name that starts with the word is always close enough: it was abbreviated, or its instance omitted.
    let length = word.chars().count();
    let limit = (length / 2).max(1);
    // A client may send a word of any length, so names whose length differs too much are skipped.
    let near =
        |name: &&str| name.chars().count().abs_diff(length) <= limit || name.starts_with(word);
    let mut left = MOST_WORK;
    let mut affordable = |name: &&str| {
        let work = (length + 1) * (name.chars().count() + 1);
        left.checked_sub(work).map(|rest| left = rest).is_some()
    };
    names
        .into_iter()
        .filter(near)
        .take_while(|name| affordable(name))
        .map(|name| (if name.starts_with(word) { 1 } else { edits(word, name) }, name))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// The reason why a path does not exist, with the nearest one that matches one of these patterns, in which `{…}`
/// stands for any segment: the one with the most equal segments at its beginning, then the fewest typing mistakes.
pub fn no_such_path(path: &str, patterns: impl IntoIterator<Item: AsRef<str>>) -> String {
    let given: Vec<_> = path.trim_end_matches('/').split('/').collect();
    let near = patterns.into_iter().filter_map(|pattern| as_in_pattern(&given, pattern.as_ref()));
    match near.min_by_key(|(rank, _)| *rank) {
        Some((_, near)) => format!("there is no `{path}` here; did you mean `{near}`?"),
        None => format!("there is no `{path}` here"),
    }
}

/// The path that these segments are if they were meant as in this pattern, with its rank.
fn as_in_pattern(given: &[&str], pattern: &str) -> Option<((Reverse<usize>, usize), String)> {
    let wanted: Vec<_> = pattern.split('/').collect();
    if wanted.len() != given.len() {
        return None;
    }
    let is_equal = |(wanted, given): (&str, &str)| {
        wanted == given || wanted.starts_with(['{', '*']) && !given.is_empty()
    };
    let pairs = || wanted.iter().copied().zip(given.iter().copied());
    let equal = pairs().take_while(|pair| is_equal(*pair)).count();
    let (mut mistakes, mut path) = (0, vec![]);
    for (wanted, given) in pairs() {
        if is_equal((wanted, given)) {
            path.push(given);
            continue;
        }
        nearest(given, [wanted]).filter(|_| !given.is_empty())?;
        let of_this = if wanted.starts_with(given) { 1 } else { edits(wanted, given) };
        // Another single letter is another word.
        if of_this > 0 && given.chars().count() == 1 && !wanted.starts_with(given) {
            return None;
        }
        mistakes += of_this;
        path.push(wanted);
    }
    Some(((Reverse(equal), mistakes), path.join("/")))
}

/// An unknown name, with the known names and the nearest one.
pub fn unknown(name: &str, known: impl IntoIterator<Item: ToString>) -> Unknown {
    // `=` means exactly this name, and is no part of it.
    let name = name.strip_prefix('=').unwrap_or(name);
    let known: Vec<_> = known.into_iter().map(|known| known.to_string()).collect();
    let nearest = nearest(name, known.iter().map(String::as_str)).map(Untrusted::from);
    Unknown { name: name.into(), nearest, known: known.into_iter().map(Untrusted::from).collect() }
}

/// Fail if one of these words, or an item of its comma list, selects none of these processes, which have these
/// names and groups.
pub fn refuse_unknown<'a>(
    words: &[String],
    processes: impl Iterator<Item = (&'a ProcName, &'a [String])> + Clone,
) -> Result<(), Unknown> {
    let is_known =
        |word: &&str| processes.clone().any(|(name, groups)| name.is_selected_by(word, groups));
    let mut all = words.iter().flat_map(|word| word.split(','));
    let Some(word) = all.find(|word| !is_known(word)) else { return Ok(()) };
    let groups: BTreeSet<_> = processes.clone().flat_map(|(_, groups)| groups).collect();
    Err(if word.starts_with('@') && !groups.is_empty() {
        unknown(word, groups.into_iter().map(|group| format!("@{group}")))
    } else {
        unknown(word, processes.map(|(name, _)| name))
    })
}

/// The refusal of an entry of the Procfile that the start has left out. The flags select the run.
pub fn left_out(name: &str, flags: &str) -> String {
    format!(
        "{name} is not part of this run, which was limited to other processes (-l, -x, -m or their \
         variables); without that, after `tmo quit{flags}`, `tmo start {name}` starts it"
    )
}

/// The refusal of a process that the start has left out, and that no request has started since. The flags select the
/// run.
pub fn not_started(name: &str, flags: &str) -> String {
    format!("{name} was left out of the start of this run; `tmo start {name}{flags}` starts it")
}

/// The refusal of a word that means several processes where one is wanted.
pub fn several<'a>(word: &str, meant: impl IntoIterator<Item = &'a ProcName>) -> String {
    let meant: Vec<_> = meant.into_iter().map(ProcName::as_str).collect();
    format!("{word} means several processes ({}); name one", meant.join(", "))
}

impl Outcome {
    /// The refusal of a request because of an unknown name.
    pub fn unknown(name: &str, known: impl IntoIterator<Item: ToString>) -> Self {
        unknown(name, known).into()
    }
}

impl From<Unknown> for Outcome {
    fn from(unknown: Unknown) -> Self {
        let problem = format!("unknown process name: {}", unknown.name.raw());
        Self { unknown: Some(unknown), ..Self::refused(problem) }
    }
}

/// The edit distance between two words: insertions, deletions, replacements and swaps of adjacent letters.
/// Ignores case; no letter is edited twice.
pub fn edits(from: &str, to: &str) -> usize {
    strsim::osa_distance(&from.to_lowercase(), &to.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest, no_such_path};

    #[test]
    fn a_slip_is_understood_and_nonsense_is_not() {
        let names = ["web#1", "web#2", "worker", "css"];
        assert_eq!(nearest("wroker", names), Some("worker"));
        assert_eq!(nearest("web", names), Some("web#1"));
        assert_eq!(nearest("web3", names), Some("web#1"));
        assert_eq!(nearest("CSS", names), Some("css"));
        assert_eq!(nearest("database", names), None);
        assert_eq!(nearest("dbb", names), None, "two of three letters are no slip");
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn the_nearest_path_has_the_most_equal_segments_at_its_beginning() {
        let patterns = [
            "/api/process/{name}/stop",
            "/api/state",
            "/api/status",
            "/api/processes/{name}/why",
            "/api/apps/{app}",
        ];
        let near = |path: &str| no_such_path(path, patterns).split('`').nth(3).map(str::to_owned);
        for (path, expected) in [
            ("/api/statu", "/api/state"),
            ("/api/state/", "/api/state"),
            ("/api/processes/web/whyy", "/api/processes/web/why"),
            ("/api/proceses/web/why", "/api/processes/web/why"),
            ("/apj/stat", "/api/state"),
        ] {
            assert_eq!(near(path).as_deref(), Some(expected), "{path}");
        }
        for far in
            ["/", "//", "", "/api", "/api/foo", "/api/api/foo", "/api/processes//why", "/x/state"]
        {
            assert_eq!(near(far), None, "{far}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_not_measured_is_not_near(word in "[a-c]{0,9}", names in proptest::collection::vec("[a-c]{0,9}", 0..4)) {
            let measured = |name: &str| if name.starts_with(&word) { 1 } else { edits(&word, name) };
            let all = names.iter().map(|name| measured(name));
            let least = all.filter(|edits| *edits <= (word.len() / 2).max(1)).min();
            let found = nearest(&word, names.iter().map(String::as_str));
            proptest::prop_assert_eq!(found.map(measured), least);
        }
    }
}
