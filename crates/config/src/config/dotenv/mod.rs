//! Env files: `KEY=value` lines with quotes, comments and expansion, as overmind reads them.
//!
//! - `KEY=value` or `KEY: value`, optionally after `export`, with blanks around both parts. A key
//!   consists of ASCII letters, digits, `_` and `.`.
//! - Unquoted: to the end of the line or to a `#` after a blank; trimmed; `\$` is a dollar.
//! - `'…'`: literal, perhaps over several lines; `\'` does not end it (and keeps its backslash).
//! - `"…"`: perhaps over several lines; `\n` and `\r` are line ends, any other escaped
//!   character is itself.
//! - `$NAME` and `${NAME}` (upper-case letters, digits, `_`) expand in unquoted and
//!   double-quoted values: to what this file has set so far, else the environment, else nothing.
//!   Any other `$` is a dollar.
//! - One mistake makes the whole file unusable: half of a configuration is worse than none.
//!
//! The usual crates are similar, but not the same: they support neither `KEY: value` nor keys with dots,
//! expand lower-case names too, prefer variables of the environment, treat `$(` and unknown escapes as
//! errors, and keep the lines before a mistake. These bugs of overmind's own reader are not reproduced: a
//! closing `\""` loses the end of the value, `"a\\"` does not end, `$NAME}` loses its brace, and a comment
//! with a second ` #` becomes part of the value.
//!
//! The total size of all values is bounded: a variable may contain another one many times.
//!
//! Everything is bytes: values need not be UTF-8.

#[cfg(test)]
mod quote;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::model::text::shortened;

/// A mistake in an env file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    /// A character that is invalid in a variable name.
    #[error("line {line}: unexpected {found:?} in a variable name")]
    Name {
        /// Line number, from 1.
        line: usize,
        /// The character.
        found: char,
    },
    /// A line, or the file, ends before `=`.
    #[error("line {line}: `{name}` has no `=`")]
    NoValue {
        /// Line number, from 1.
        line: usize,
        /// The word before it.
        name: String,
    },
    /// The name before `=` is missing.
    #[error("line {line}: no name before `=`")]
    NoName {
        /// Line number, from 1.
        line: usize,
    },
    /// A quote that is never closed.
    #[error("line {line}: the value of `{name}` has no closing {quote}")]
    Quote {
        /// Line of the opening quote, from 1.
        line: usize,
        /// The variable.
        name: String,
        quote: char,
    },
    /// The values are larger than any program could be given.
    #[error("line {line}: the values up to here exceed 8 MiB, more than a process can be given")]
    Large {
        /// Line number, from 1.
        line: usize,
    },
    /// A NUL byte cannot be part of a variable.
    #[error("line {line}: a NUL byte cannot be part of a variable; is the file UTF-16?")]
    Nul {
        /// Line number, from 1.
        line: usize,
    },
}

impl DotenvError {
    /// The line that it is in, from 1.
    pub const fn line(&self) -> usize {
        match self {
            Self::Name { line, .. }
            | Self::NoValue { line, .. }
            | Self::NoName { line }
            | Self::Quote { line, .. }
            | Self::Large { line }
            | Self::Nul { line } => *line,
        }
    }
}

/// Maximum size of all values of a file. No system passes more than 6 MiB to a program; variables that
/// contain each other twice would reach that in a few lines, and exhaust the memory in a few more.
const MOST_VALUE_BYTES: usize = 8 << 20;

/// Looks up a variable of the environment.
pub type Lookup<'a> = dyn Fn(&OsStr) -> Option<OsString> + 'a;

/// The variables of an env file, in order; one that is set twice appears twice.
pub fn parse(text: &[u8], outer: &Lookup<'_>) -> Result<Vec<(OsString, OsString)>, DotenvError> {
    let text = unix_lines(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    let mut reader = EnvFileParser { text: &text, at: 0, seen: BTreeMap::new(), held: 0, outer };
    if let Some(at) = memchr::memchr(0, &text) {
        return Err(DotenvError::Nul { line: reader.line(at) });
    }
    let mut found = Vec::new();
    while reader.next_statement() {
        let name = reader.name()?;
        let value = reader.value(&name)?;
        reader.held += value.len();
        reader.seen.insert(name.clone().into_bytes(), value.clone());
        found.push((name.into(), OsString::from_vec(value)));
    }
    Ok(found)
}

struct EnvFileParser<'a> {
    text: &'a [u8],
    at: usize,
    seen: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The length of all values so far.
    held: usize,
    outer: &'a Lookup<'a>,
}

impl EnvFileParser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn line(&self, at: usize) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.text[..at]).count()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    /// Skip blanks and comments; false at the end.
    fn next_statement(&mut self) -> bool {
        loop {
            self.skip_while(|byte| is_blank(byte) || is_end(byte));
            match self.peek() {
                None => return false,
                Some(b'#') => self.skip_while(|byte| byte != b'\n'),
                Some(_) => return true,
            }
        }
    }

    /// Read a name and what separates it from its value.
    fn name(&mut self) -> Result<String, DotenvError> {
        if let Some(rest) = self.text[self.at..].strip_prefix(b"export")
            && rest.first().copied().is_some_and(is_blank)
        {
            self.at += "export".len();
            self.skip_while(is_blank);
        }
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
        let name = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        self.skip_while(is_blank);
        let line = || self.line(self.at);
        match self.peek() {
            Some(b'=' | b':') if name.is_empty() => Err(DotenvError::NoName { line: line() }),
            Some(b'=' | b':') => {
                self.at += 1;
                Ok(name)
            }
            Some(byte) if !is_end(byte) => {
                let rest = &self.text[self.at..];
                let found =
                    rest[..rest.len().min(4)].utf8_chunks().next().map_or("", |c| c.valid());
                let found = found.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                Err(DotenvError::Name { line: line(), found })
            }
            Some(_) | None => {
                Err(DotenvError::NoValue { line: line(), name: shortened(&name).into_owned() })
            }
        }
    }

    fn value(&mut self, name: &str) -> Result<Vec<u8>, DotenvError> {
        self.skip_while(is_blank);
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(name, quote),
            Some(_) | None => self.unquoted(),
        }
    }

    fn unquoted(&mut self) -> Result<Vec<u8>, DotenvError> {
        let start = self.at;
        self.skip_while(|byte| !is_end(byte));
        let comment = (start..self.at)
            .find(|&at| self.text[at] == b'#' && at > 0 && is_blank(self.text[at - 1]));
        let mut value = &self.text[start..comment.unwrap_or(self.at)];
        while let [rest @ .., last] = value
            && is_blank(*last)
        {
            value = rest;
        }
        self.expand(value, false)
    }

    fn quoted(&mut self, name: &str, quote: u8) -> Result<Vec<u8>, DotenvError> {
        let open = self.at;
        let mut at = open + 1;
        while let Some(&byte) = self.text.get(at) {
            if byte == quote {
                let inside = &self.text[open + 1..at];
                self.at = at + 1;
                let literal = quote == b'\'';
                return if literal { Ok(inside.to_vec()) } else { self.expand(inside, true) };
            }
            at += if byte == b'\\' && self.escapes(at, quote) { 2 } else { 1 };
        }
        let (line, name) = (self.line(open), shortened(name).into_owned());
        Err(DotenvError::Quote { line, name, quote: char::from(quote) })
    }

    /// Whether the backslash at this place escapes the next character.
    fn escapes(&self, at: usize, quote: u8) -> bool {
        quote == b'"' || self.text.get(at + 1) == Some(&quote)
    }

    /// Resolve variables, `\$` and, in double quotes, the other escapes.
    fn expand(&self, text: &[u8], escapes: bool) -> Result<Vec<u8>, DotenvError> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match (byte, tail.first()) {
                (b'\\', Some(&next)) if escapes || next == b'$' => {
                    out.push(unescape(next));
                    rest = &tail[1..];
                }
                (b'$', Some(_)) => match variable(tail) {
                    Some((name, length)) => {
                        let value = self.lookup(name);
                        if self.held + out.len() + value.len() > MOST_VALUE_BYTES {
                            return Err(DotenvError::Large { line: self.line(self.at) });
                        }
                        out.extend_from_slice(&value);
                        rest = &tail[length..];
                    }
                    None => out.push(b'$'),
                },
                (_, _) => out.push(byte),
            }
        }
        Ok(out)
    }

    fn lookup(&self, name: &[u8]) -> Cow<'_, [u8]> {
        match self.seen.get(name) {
            Some(value) => value.into(),
            None => (self.outer)(OsStr::from_bytes(name)).unwrap_or_default().into_vec().into(),
        }
    }
}

/// The variable name after a `$`, and how many bytes it occupies with its braces.
fn variable(text: &[u8]) -> Option<(&[u8], usize)> {
    let braced = text.strip_prefix(b"{");
    let inner = braced.unwrap_or(text);
    let word = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let end = inner.iter().position(|byte| !word(byte)).unwrap_or(inner.len());
    let closed = braced.is_none() || inner.get(end) == Some(&b'}');
    let length = if braced.is_some() { end + 2 } else { end };
    (end > 0 && closed).then_some((&inner[..end], length))
}

const fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        _ => byte,
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c)
}

const fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn unix_lines(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, &byte) in text.iter().enumerate() {
        if byte != b'\r' || text.get(at + 1) != Some(&b'\n') {
            out.push(byte);
        }
    }
    out
}
