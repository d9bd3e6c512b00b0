//! The keys with which a user leaves the terminal of a process.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The keys, in the form of docker's `--detach-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DetachKeys(Vec<u8>);

/// Keys that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid key `{0}`: write single characters, or `ctrl-` with a letter or one of `@[\\]^_`, divided by commas, such as \
     `ctrl-p,ctrl-q`"
)]
pub struct InvalidKey(String);

impl Default for DetachKeys {
    /// `Ctrl-b d`, as in tmux.
    fn default() -> Self {
        Self(vec![0x02, b'd'])
    }
}

impl FromStr for DetachKeys {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let key = |word: &str| {
            let (letter, is_control) = match word.split_at_checked(5) {
                Some((control, letter)) if control.eq_ignore_ascii_case("ctrl-") => (letter, true),
                _ => (word, false),
            };
            match (is_control, letter.as_bytes()) {
                (false, &[byte @ b' '..=b'~']) => Ok(byte),
                (true, &[byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'['..=b'_')]) => {
                    Ok(byte & 0x1f)
                }
                _ => Err(InvalidKey(word.to_owned())),
            }
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for DetachKeys {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

impl From<DetachKeys> for String {
    fn from(keys: DetachKeys) -> Self {
        let word = |key: &u8| match *key {
            key @ 0x20.. => Self::from(char::from(key)),
            key => format!("ctrl-{}", letter(key)),
        };
        keys.0.iter().map(word).collect::<Vec<_>>().join(",")
    }
}

/// The key that is pressed together with Ctrl.
fn letter(key: u8) -> char {
    char::from(key | 0x40).to_ascii_lowercase()
}

/// A key as tmux writes it: `C-b`.
fn name(key: u8) -> String {
    match key {
        0x20.. => String::from(char::from(key)),
        _ => format!("C-{}", letter(key)),
    }
}

impl fmt::Display for DetachKeys {
    /// `C-b d`, as tmux writes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.after(&self.first()))
    }
}

impl DetachKeys {
    /// The bytes that a terminal sends for them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first of them: `C-b`.
    pub fn first(&self) -> String {
        self.0.first().map_or_else(String::new, |key| name(*key))
    }

    /// All of them, in a terminal that needs these keys for the first one: `C-b C-b d` in a tmux with the same prefix.
    pub fn after(&self, first: &str) -> String {
        let others = self.0.iter().skip(1).map(|key| name(*key));
        std::iter::once(first.to_owned()).chain(others).collect::<Vec<_>>().join(" ")
    }

    /// One line that explains the keys in such a terminal.
    pub fn help(&self, first: &str) -> String {
        let leave = self.after(first);
        if self.0.len() < 2 {
            return format!("{leave} leaves");
        }
        let key = self.first();
        format!("{leave} leaves, {first} {first} types {key}, {first} l redraws the screen")
    }
}

#[cfg(test)]
mod tests {
    use super::DetachKeys;

    #[test]
    fn keys_are_written_as_for_docker() {
        let keys = |text: &str| text.parse::<DetachKeys>();
        assert_eq!(keys("ctrl-b,d"), Ok(DetachKeys::default()));
        assert_eq!(keys("ctrl-p,ctrl-q").unwrap().bytes(), b"\x10\x11");
        assert_eq!(keys("Ctrl-],x").unwrap().bytes(), b"\x1dx");
        for text in ["ctrl-p,ctrl-q", "ctrl-b,d", "ctrl-@,ctrl-[,ctrl-_,~"] {
            assert_eq!(String::from(keys(text).unwrap()), text);
        }
        let wrong = [
            ("", ""),
            ("ctrl-", "ctrl-"),
            ("ctrl-1", "ctrl-1"),
            ("ab", "ab"),
            ("a,,b", ""),
            ("é", "é"),
        ];
        for (text, key) in wrong {
            let error = keys(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid key `{key}`: write ")), "{error}");
        }
    }

    #[test]
    fn the_help_names_them() {
        let help = |text: &str, first| text.parse::<DetachKeys>().unwrap().help(first);
        let usual = "C-b d leaves, C-b C-b types C-b, C-b l redraws the screen";
        assert_eq!(help("ctrl-b,d", "C-b"), usual);
        let nested = "C-a a d leaves, C-a a C-a a types C-a, C-a a l redraws the screen";
        assert_eq!(help("ctrl-a,d", "C-a a"), nested);
        assert_eq!(help("ctrl-]", "C-]"), "C-] leaves");
        assert_eq!(DetachKeys::default().to_string(), "C-b d");
    }
}
