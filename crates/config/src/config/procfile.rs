//! Procfiles: one process per line, `name: command`.
//!
//! The rules are overmind's (`^([\w-]+):\s+(.+)$`, all other lines are ignored), with two differences: the
//! blank after the colon is optional (`web:cmd`), and a name followed only by blanks is not a process.
//! Lines that look like failed attempts at an entry cause a warning. The file is treated as bytes: a
//! command goes to the shell unchanged.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::config::Warning;
use crate::model::limits::PROCESSES;
use crate::model::name::{LongName, check_length};
use crate::model::text::{OsText, cut};

/// A parsed Procfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Procfile {
    /// Its processes, in order.
    pub entries: Vec<ProcfileEntry>,
    /// Lines that look like a mistake.
    pub warnings: Vec<Warning>,
}

/// One process of a Procfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcfileEntry {
    /// ASCII letters, digits, `_` and `-`.
    pub name: String,
    /// The command, byte for byte.
    pub command: OsText,
    /// Line number, from 1.
    pub line: usize,
}

/// A Procfile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcfileError {
    /// Two entries have one name.
    #[error(
        "Process names must be unique: `{name}` is on line {first} and again on line {again} of {file}; rename one of the two"
    )]
    Duplicate {
        /// The Procfile as the user named it.
        file: String,
        name: String,
        /// Line of the first entry.
        first: usize,
        /// Line of the second entry.
        again: usize,
    },
    /// A name is too long.
    #[error("{file}:{line}: {why}")]
    Long {
        /// The Procfile as the user named it.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// How long it is.
        why: LongName,
    },
    /// It has too many entries.
    #[error("{file}:{line}: a Procfile may have {PROCESSES} entries at most")]
    Many {
        /// The Procfile as the user named it.
        file: String,
        /// Line number of the first entry too many, from 1.
        line: usize,
    },
    /// A NUL byte cannot be part of a command.
    #[error("{file}:{line}: a NUL byte cannot be part of a command; is the file UTF-16?")]
    Nul {
        /// The Procfile as the user named it.
        file: String,
        /// Line number, from 1.
        line: usize,
    },
}

/// The meaning of a line.
enum ProcfileLine<'a> {
    Nothing,
    Entry(&'a str, &'a [u8]),
    NameOnly(&'a str),
    BadName(&'a str),
    Other,
}

/// Parse the bytes of a Procfile; `file` is its name for messages.
pub fn parse(bytes: &[u8], file: &str) -> Result<Procfile, ProcfileError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file = || file.to_owned();
    let mut procfile = Procfile::default();
    let mut warn = |warning| procfile.warnings.push(warning);
    let mut lines = std::collections::HashMap::<&str, usize>::new();
    for (index, text) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = index + 1;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.contains(&0) {
            return Err(ProcfileError::Nul { file: file(), line });
        }
        match classify(text) {
            ProcfileLine::Nothing => {}
            ProcfileLine::Entry(name, command) => {
                check_length(name).map_err(|why| ProcfileError::Long {
                    file: file(),
                    line,
                    why,
                })?;
                if let Some(first) = lines.insert(name, line) {
                    let (file, name) = (file(), name.to_owned());
                    return Err(ProcfileError::Duplicate { file, name, first, again: line });
                }
                if procfile.entries.len() == PROCESSES {
                    return Err(ProcfileError::Many { file: file(), line });
                }
                let command = OsText(OsString::from_vec(command.to_vec()));
                procfile.entries.push(ProcfileEntry { name: name.to_owned(), command, line });
            }
            ProcfileLine::NameOnly(name) => {
                warn(Warning::NoCommand { file: file(), line, name: name.to_owned() });
            }
            ProcfileLine::BadName(name) => {
                let fit = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
                let (file, name) = (file(), excerpt(name.as_bytes()));
                let instead = name.trim_end_matches('…').chars().map(fit).collect();
                warn(Warning::BadName { file, line, name, instead });
            }
            ProcfileLine::Other => {
                warn(Warning::NotAnEntry { file: file(), line, text: excerpt(text) });
            }
        }
    }
    Ok(procfile)
}

fn classify(text: &[u8]) -> ProcfileLine<'_> {
    if matches!(text.trim_ascii_start().first(), None | Some(b'#')) {
        return ProcfileLine::Nothing;
    }
    let name = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
    let (name, rest) = text.split_at(name.count());
    let (Ok(name), Some(rest)) = (str::from_utf8(name), rest.strip_prefix(b":")) else {
        return bad_name(text).map_or(ProcfileLine::Other, ProcfileLine::BadName);
    };
    let command = rest.trim_ascii_start();
    if name.is_empty() {
        ProcfileLine::Other
    } else if command.is_empty() {
        ProcfileLine::NameOnly(name)
    } else {
        ProcfileLine::Entry(name, command)
    }
}

/// What stands before `: command`, if that is one word.
fn bad_name(text: &[u8]) -> Option<&str> {
    let (name, rest) = str::from_utf8(text).ok()?.split_once(':')?;
    let is_entry = rest.starts_with([' ', '\t']) && !rest.trim_ascii().is_empty();
    (is_entry && !name.is_empty() && !name.contains(char::is_whitespace)).then_some(name)
}

/// The beginning of a line, safe to print on a terminal.
fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    cut(&text, 60).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{ProcfileError, parse};

    fn entries(text: &[u8]) -> Vec<(String, Vec<u8>)> {
        let procfile = parse(text, "Procfile").unwrap();
        procfile.entries.into_iter().map(|e| (e.name, e.command.as_bytes().to_vec())).collect()
    }

    fn pair(name: &str, command: &str) -> (String, Vec<u8>) {
        (name.to_owned(), command.as_bytes().to_vec())
    }

    #[test]
    fn takes_entries_as_they_stand() {
        let text = b"# c\n\nweb:  bundle exec 'x' # y \na-b_9:\tz\nlast: echo : b:c";
        let expected =
            [pair("web", "bundle exec 'x' # y "), pair("a-b_9", "z"), pair("last", "echo : b:c")];
        assert_eq!(entries(text), expected);
    }

    #[test]
    fn takes_windows_line_ends_and_a_byte_order_mark() {
        let text = b"\xef\xbb\xbfweb: a\r\nworker: b\r\n\r\n";
        assert_eq!(entries(text), [pair("web", "a"), pair("worker", "b")]);
    }

    #[test]
    fn takes_a_command_without_a_blank() {
        assert_eq!(entries(b"web:node x.js\n"), [pair("web", "node x.js")]);
    }

    #[test]
    fn takes_bytes_and_long_lines() {
        let long = "x".repeat(200_000);
        let text = [b"a: \xff\xfe\nb: ".as_slice(), long.as_bytes()].concat();
        let found = entries(&text);
        assert_eq!(found[0].1, b"\xff\xfe");
        assert_eq!(found[1].1.len(), 200_000);
    }

    #[test]
    fn refuses_a_long_name_with_file_and_line() {
        let text = format!("web: x\n{}: y\n", "n".repeat(101));
        let error = parse(text.as_bytes(), "./Procfile").unwrap_err().to_string();
        assert!(error.starts_with("./Procfile:2: the process name `nnnn"), "{error}");
        assert!(parse(format!("{}: y\n", "n".repeat(100)).as_bytes(), "Procfile").is_ok());
    }

    #[test]
    fn warns_with_file_and_line() {
        let text = b"web: x\n indented: y\nbad name: z\nempty:\nblank:   \n  # fine\n: x\nweb.1: y\nweb.2:y\n";
        let procfile = parse(text, "./Procfile").unwrap();
        let warnings: Vec<String> = procfile.warnings.iter().map(ToString::to_string).collect();
        let skipped = "not of the form `name: command`, skipped:";
        assert_eq!(
            warnings,
            [
                format!("./Procfile:2: {skipped}  indented: y"),
                format!("./Procfile:3: {skipped} bad name: z"),
                "./Procfile:4: `empty` has no command, skipped".to_owned(),
                "./Procfile:5: `blank` has no command, skipped".to_owned(),
                format!("./Procfile:7: {skipped} : x"),
                "./Procfile:8: `web.1` is not a process name, skipped: only letters, digits, `_` and `-`; write \
                 `web-1: …`"
                    .to_owned(),
                format!("./Procfile:9: {skipped} web.2:y"),
            ]
        );
        assert_eq!(procfile.entries.len(), 1);
    }

    #[test]
    fn refuses_a_repeated_name() {
        let error = parse(b"web: x\n\nweb: y\n", "Procfile").unwrap_err();
        let expected = ProcfileError::Duplicate {
            file: "Procfile".into(),
            name: "web".into(),
            first: 1,
            again: 3,
        };
        assert_eq!(error, expected);
        assert!(error.to_string().starts_with("Process names must be unique"));
    }

    #[test]
    fn refuses_what_cannot_be_an_argument() {
        let utf16: Vec<u8> = "web: x\n".bytes().flat_map(|byte| [byte, 0]).collect();
        assert!(matches!(parse(&utf16, "Procfile"), Err(ProcfileError::Nul { line: 1, .. })));
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_loses_no_line(text: Vec<u8>) {
            if let Ok(procfile) = parse(&text, "Procfile") {
                let lines = text.split(|&b| b == b'\n').count();
                proptest::prop_assert!(procfile.entries.len() + procfile.warnings.len() <= lines);
            }
        }

        #[test]
        fn an_entry_comes_back_as_it_was(name in "[A-Za-z0-9_-]{1,12}", command in "[^\0\r\n \t\x0c][^\0\r\n]{0,40}") {
            let found = entries(format!("{name}: {command}\n").as_bytes());
            proptest::prop_assert_eq!(found, [(name, command.into_bytes())]);
        }
    }
}
