//! Text from outside: from the files of a project, or from an answer received on a socket.
//!
//! A terminal acts on control characters: they set its title, write to its clipboard, erase the screen, or
//! reorder the characters of a line. Untrusted text must not be able to do that, so control characters are
//! displayed as visible escapes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::terminal::line::plain;

/// A text from outside. [`fmt::Display`] formats it as one line that a terminal can safely print.
///
/// There is no `Deref` or `AsRef`: only [`Untrusted::raw`] returns the original text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// The original text, to be compared, searched or forwarded. Never print it to a terminal.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The displayed forms of the texts, joined by `between`.
    pub fn join(texts: &[Self], between: &str) -> String {
        texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&shown(&self.0))
    }
}

impl<T: Into<String>> From<T> for Untrusted {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for Untrusted {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Untrusted {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Escape a text for display on one line: tabs and line breaks become `\t` and `\n`.
pub fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, visible)
}

/// Escape a line of output; tabs stay.
pub fn shown_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\t', visible)
}

/// Escape whole lines; tabs and line breaks stay.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\t' | '\n'), visible)
}

/// Escape whole lines that tmo itself has coloured: like [`shown_lines`], but colours stay.
///
/// Text from outside within these lines must already be escaped, otherwise its colours stay, too.
pub fn shown_painted(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let (before, escape) = rest.split_at(at);
        all += &shown_lines(before);
        let inside = &escape[2..];
        let end = inside.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'));
        let length = match end {
            Some(end) if inside[end..].starts_with('m') => 2 + end + 1,
            Some(_) | None => 0,
        };
        if length == 0 {
            all += &shown(&escape[..2]);
        } else {
            all += &escape[..length];
        }
        rest = &escape[length.max(2)..];
    }
    all + &shown_lines(rest)
}

/// JSON in which characters that a terminal acts on are written as JSON escapes. The serializer itself
/// escapes only those below U+0020.
pub fn json(text: &str) -> Cow<'_, str> {
    let escape = |c, out: &mut String| {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{:04x}", u32::from(c));
    };
    escaped(text, |c| c == '\n', escape)
}

/// Whether a terminal may act on this character instead of just printing it.
pub fn is_active(c: char) -> bool {
    // C0, DEL and C1.
    c.is_control() || reorders(c)
}

/// Whether this character embeds, overrides or isolates a writing direction.
pub const fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn visible(c: char, out: &mut String) {
    match c {
        '\t' => *out += "\\t",
        '\n' => *out += "\\n",
        '\r' => *out += "\\r",
        // Writing to a string cannot fail.
        '\0'..='\x7f' => _ = write!(out, "\\x{:02x}", u32::from(c)),
        _ => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
    }
}

/// The text with all active characters escaped, except those that `keeps` accepts.
fn escaped(
    text: &str,
    keeps: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    let odd = |c: char| is_active(c) && !keeps(c);
    let Some(first) = text.find(odd) else { return Cow::Borrowed(text) };
    let (before, rest) = text.split_at(first);
    let mut all = before.to_owned();
    for c in rest.chars() {
        if odd(c) { escape(c, &mut all) } else { all.push(c) }
    }
    Cow::Owned(all)
}

/// A text from another machine, stripped of escape sequences and control characters.
pub fn cleaned(text: &str) -> String {
    let mut bytes = vec![];
    plain(text.as_bytes(), &mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    text.chars().filter(|c| *c == '\t' || !is_active(*c)).collect()
}

/// The same for all strings in a JSON value, including property names.
pub fn cleaned_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(cleaned(&text)),
        Value::Array(items) => items.into_iter().map(cleaned_json).collect(),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| (cleaned(&key), cleaned_json(value)))
                .collect::<Map<_, _>>(),
        ),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::json as value;

    use super::{
        Untrusted, cleaned, cleaned_json, is_active, json, shown, shown_line, shown_lines,
        shown_painted,
    };

    #[test]
    fn what_a_terminal_acts_upon_is_shown_as_an_escape() {
        for (text, expected) in [
            ("plain — ünïcode ✓", "plain — ünïcode ✓"),
            ("a\x1b]0;PWN\x07b", "a\\x1b]0;PWN\\x07b"),
            ("\x1b[2J\u{9b}31m\x7f", "\\x1b[2J\\u{9b}31m\\x7f"),
            ("gpj.\u{202e}exe\u{2069}", "gpj.\\u{202e}exe\\u{2069}"),
            ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown_line("a\tb\n"), "a\tb\\n");
        assert_eq!(shown_lines("a\tb\nc\r"), "a\tb\nc\\r");
    }

    #[test]
    fn it_fills_a_column_as_it_is_shown() {
        assert_eq!(format!("{:8}|", Untrusted::from("a\x07")), "a\\x07   |");
        assert_eq!(Untrusted::join(&["a\n".into(), "b".into()], "; "), "a\\n; b");
    }

    #[test]
    fn of_painted_text_colours_stay_and_nothing_else() {
        for (text, expected) in [
            ("\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\n"),
            ("\x1b[38:5:2mx\x1b[m", "\x1b[38:5:2mx\x1b[m"),
            ("\x1b[2J\x1b[", "\\x1b[2J\\x1b["),
            ("\x1b[\x1b[1m", "\\x1b[\x1b[1m"),
            ("\x1b[3é\x1b]0;x\x07", "\\x1b[3é\\x1b]0;x\\x07"),
        ] {
            assert_eq!(shown_painted(text), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_active_is_left(text: String) {
            prop_assert!(!shown(&text).contains(is_active));
            let kept = |c: char| is_active(c) && !matches!(c, '\t' | '\n');
            prop_assert!(!shown_lines(&text).contains(kept));
            let painted = shown_painted(&text).replace('\x1b', "");
            prop_assert!(!painted.contains(kept));
        }

        #[test]
        fn json_stays_what_it_was(text: String) {
            let written = serde_json::to_string_pretty(&[&text]).unwrap();
            let safe = json(&written);
            prop_assert!(!safe.contains(|c: char| is_active(c) && c != '\n'));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), [text]);
        }

        #[test]
        fn nothing_is_lost_on_the_wire(text: String) {
            let written = serde_json::to_string(&Untrusted::from(text.as_str())).unwrap();
            let read: Untrusted = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read.raw(), text);
        }
    }

    #[test]
    fn nothing_of_another_machine_reaches_the_terminal_as_a_sequence() {
        assert_eq!(cleaned("a\u{1b}[31mb\u{1b}]0;t\u{7}c\u{9b}2J\rd\te\u{0}"), "dbc2J   e");
        let made = value!({"te\u{7}xt": ["\u{1b}[2Jx"], "n": 1});
        assert_eq!(cleaned_json(made), value!({"text": ["x"], "n": 1}));
    }
}
