//! The name of one process: `web`, or `web#2` when an entry runs more than once.

pub mod action;
pub mod hostname;
pub mod nearest;
pub mod role;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The full name of a process: the Procfile entry, and `#n` when it is scaled.
///
/// Only ASCII letters, digits, `_`, `-` and one `#` occur in it (overmind's Procfile rule), so it
/// is safe as a part of a file name and of a tmux target.
// The default is empty: it only holds the place of a name.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(pattern = "^[A-Za-z0-9_-]+(#[0-9]+)?$")]
pub struct ProcName(String);

/// Maximum length of a process name in bytes, including `#n`.
///
/// A name becomes part of file names and socket paths, where the system allows 255 bytes. A plan from an
/// earlier version may contain longer names, so reading a plan does not check this.
pub const LONGEST_NAME: usize = 100;

/// A name that is too long for a new process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process name `{start}…` is {length} bytes long{}; {LONGEST_NAME} are allowed, so give it a \
     shorter name",
    if *.numbered { " with its number" } else { "" }
)]
pub struct LongName {
    start: String,
    length: usize,
    numbered: bool,
}

/// Refuse a name that is too long for a new process.
pub fn check_length(name: &str) -> Result<(), LongName> {
    const SHOWN: usize = 20;
    if name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let start = name.chars().take(SHOWN).collect();
    Err(LongName { start, length: name.len(), numbered: name.contains('#') })
}

/// A text that is not a valid process name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a process name: only letters, digits, `_` and `-`, then perhaps `#` and a number"
)]
pub struct BadName(pub String);

/// A word of a page, an agent or another machine as an argument of a verb: it can select processes, and be neither a
/// path nor a flag.
pub fn argument(word: &str) -> Result<String, BadName> {
    let is_path = |at| !matches!(word.as_bytes().get(at + 1), Some(b'0'..=b'9'));
    if word.is_empty() || word.contains('/') || word.match_indices('.').any(|(at, _)| is_path(at)) {
        return Err(BadName(word.to_owned()));
    }
    // A name may begin with `-`.
    Ok(if word.starts_with('-') { format!("={word}") } else { word.to_owned() })
}

impl ProcName {
    /// Parse a full name.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let (entry, instance) = match text.split_once('#') {
            None => (text.as_str(), None),
            Some((entry, instance)) => (entry, Some(instance)),
        };
        let entry_ok = !entry.is_empty()
            && entry.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let instance_ok = instance
            .is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
        if entry_ok && instance_ok { Ok(Self(text)) } else { Err(BadName(text)) }
    }

    /// The whole name, `web#2`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Procfile entry: `web`.
    pub fn entry(&self) -> &str {
        self.0.split_once('#').map_or(self.0.as_str(), |(entry, _)| entry)
    }

    /// The instance number within its entry, from 1; a single instance is number 1.
    pub fn instance(&self) -> u64 {
        self.0.split_once('#').and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
    }

    /// The name as part of a file name: `#` becomes `.`, which no name contains.
    pub fn slug(&self) -> String {
        self.0.replace('#', ".")
    }

    /// Whether `word` selects the process, which is in these groups: by its name, its entry, or `@` and a
    /// group. A word may be a comma list of these.
    pub fn is_selected_by(&self, word: &str, groups: &[String]) -> bool {
        word.split(',').any(|one| match one.strip_prefix('@') {
            Some(group) => groups.iter().any(|own| own == group),
            None => self.matches(one),
        })
    }

    /// Whether one of these words, which may be comma lists, is this name.
    pub fn is_one_of(&self, words: &[String]) -> bool {
        let mut words = words.iter().flat_map(|word| word.split(','));
        words.any(|word| word.strip_prefix('=').unwrap_or(word) == self.0)
    }

    /// Whether a word given by a user means this process.
    ///
    /// `*` matches anything (overmind); a bare entry name means all its instances; `web.2` is accepted for
    /// `web#2` (foreman). `=web` matches only the process with exactly this name.
    pub fn matches(&self, pattern: &str) -> bool {
        if let Some(whole) = pattern.strip_prefix('=') {
            return whole == self.0;
        }
        let dotted = pattern.replacen('.', "#", 1);
        glob(pattern, &self.0) || glob(pattern, self.entry()) || dotted == self.0
    }
}

/// Anchored match in which `*` is the only special character.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut tail) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        match tail.find(part) {
            Some(at) => tail = &tail[at + part.len()..],
            None => return false,
        }
    }
    tail.len() >= last.len() && tail.ends_with(last)
}

impl TryFrom<String> for ProcName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<ProcName> for String {
    fn from(name: ProcName) -> Self {
        name.0
    }
}

impl fmt::Display for ProcName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{ProcName, argument, check_length, glob};

    fn name(text: &str) -> ProcName {
        ProcName::new(text).unwrap()
    }

    #[test]
    fn takes_what_a_procfile_may_hold() {
        for good in ["web", "web#2", "a-b_C9", "-", "_"] {
            assert_eq!(name(good).as_str(), good);
        }
        for bad in ["", "#1", "web#", "web#x", "we b", "web.1", "../x", "é", "web#1#2"] {
            assert!(ProcName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn matches_entries_instances_and_globs() {
        let web2 = name("web#2");
        for pattern in ["web#2", "=web#2", "web", "web.2", "web*", "*", "*#2", "w*2", "web#*"] {
            assert!(web2.matches(pattern), "{pattern}");
        }
        for pattern in ["web#1", "=web", "=*", "we", "web.1", "eb*", "*#1", "webs*"] {
            assert!(!web2.matches(pattern), "{pattern}");
        }
    }

    #[test]
    fn glob_does_not_use_a_character_twice() {
        assert!(!glob("ab*ba", "aba"));
        assert!(glob("ab*ba", "abba"));
        assert!(glob("*a*a*", "banana"));
    }

    #[test]
    fn a_name_has_a_hundred_bytes_at_most_but_a_plan_may_hold_a_longer_one() {
        let (fits, long) = ("a".repeat(98), "a".repeat(99));
        assert_eq!(check_length(&format!("{fits}#1")), Ok(()));
        let error = check_length(&format!("{long}#1")).unwrap_err().to_string();
        assert!(error.contains("is 101 bytes long with its number; 100 are allowed"), "{error}");
        assert!(error.len() < 150, "{error}");
        assert!(ProcName::new(format!("{long}#1")).is_ok());
    }

    #[test]
    fn a_word_from_elsewhere_is_no_path_and_no_flag() {
        for word in ["", "/", "/tmp/other", "a/b", ".", "..", "web.", "web.x", "web,..", "x.json"] {
            assert!(argument(word).is_err(), "{word}");
        }
        for word in ["web", "web#2", "web.2", "@front", "web*", "web,api", "=web"] {
            assert_eq!(argument(word).as_deref(), Ok(word));
        }
        assert_eq!(argument("--root=x").as_deref(), Ok("=--root=x"));
        assert!(name("-x").matches(&argument("-x").unwrap()));
    }

    #[test]
    fn slugs_are_distinct_file_names() {
        assert_eq!(name("web#2").slug(), "web.2");
        assert_eq!(name("web").slug(), "web");
    }
}
