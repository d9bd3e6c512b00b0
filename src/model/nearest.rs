//! The nearest existing name to one that does not exist.

use crate::model::Untrusted;
use crate::model::request::{Outcome, Unknown};

/// How many pairs of letters are compared for one suggestion; names after that are not considered.
const MOST_WORK: usize = 1_000_000;

/// The name that is fewest edits away from `word`, if it is near enough to be a slip.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A whole name that was only begun, or named without its instance, is always near enough.
    let length = word.chars().count();
    let limit = (length / 2).max(1);
    // A client may send a word of any length: what is too far away is not measured.
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

/// A name that is none of these.
pub fn unknown(name: &str, known: impl IntoIterator<Item: ToString>) -> Unknown {
    let known: Vec<_> = known.into_iter().map(|known| known.to_string()).collect();
    let nearest = nearest(name, known.iter().map(String::as_str)).map(Untrusted::from);
    Unknown { name: name.into(), nearest, known: known.into_iter().map(Untrusted::from).collect() }
}

impl Outcome {
    /// There is none of this name, but these.
    pub fn unknown(name: &str, known: impl IntoIterator<Item: ToString>) -> Self {
        let problem = format!("unknown process name: {name}");
        Self { unknown: Some(unknown(name, known)), ..Self::refused(problem) }
    }
}

/// Number of insertions, deletions, replacements and swaps of neighbours between two words, case
/// aside; no letter is moved twice.
pub fn edits(from: &str, to: &str) -> usize {
    strsim::osa_distance(&from.to_lowercase(), &to.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

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
