//! Procfiles.

use tmo::config::Warning;
use tmo::config::procfile::{Procfile, ProcfileError, parse};

/// Every line is an entry, a warning or nothing, as a plain reading of the rules has it; and the
/// entries written down again are read as they were.
pub(crate) fn check(data: &[u8]) {
    let found = parse(data, "P");
    assert_eq!(found.as_ref().map(summary).map_err(Clone::clone), plain(data));
    let Ok(procfile) = found else { return };
    let mut again = Vec::new();
    for entry in &procfile.entries {
        again.extend_from_slice(&[entry.name.as_bytes(), b": ", entry.command.as_bytes()].concat());
        // A carriage return at the end of a command would be taken for one of the line.
        again.extend_from_slice(b"\r\n");
    }
    let reread = parse(&again, "P").unwrap();
    assert!(reread.warnings.is_empty());
    let pairs = |procfile: &Procfile| -> Vec<(String, Vec<u8>)> {
        let entries = procfile.entries.iter();
        entries.map(|e| (e.name.clone(), e.command.as_bytes().to_vec())).collect()
    };
    assert_eq!(pairs(&reread), pairs(&procfile));
    for warning in &procfile.warnings {
        let text = warning.to_string();
        assert!(text.len() < 2000 + data.len() && !text.contains(char::is_control), "{text:?}");
    }
}

type Summary = (Vec<(String, Vec<u8>, usize)>, Vec<usize>);

fn summary(procfile: &Procfile) -> Summary {
    let entries = procfile.entries.iter();
    let warned = procfile.warnings.iter().map(|warning| match warning {
        Warning::NoCommand { line, .. }
        | Warning::NotAnEntry { line, .. }
        | Warning::BadName { line, .. } => *line,
        Warning::EnvFile { .. }
        | Warning::UnknownProcess { .. }
        | Warning::BothEnds { .. }
        | Warning::OwnName
        | Warning::MoreUnknown { .. }
        | Warning::Toml { .. } => panic!("not of a Procfile"),
    });
    let entries = entries.map(|e| (e.name.clone(), e.command.as_bytes().to_vec(), e.line));
    (entries.collect(), warned.collect())
}

/// The rules once more, character by character.
fn plain(data: &[u8]) -> Result<Summary, ProcfileError> {
    let data = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    let (mut entries, mut warned): Summary = (vec![], vec![]);
    for (at, line) in data.split(|b| *b == b'\n').enumerate() {
        let number = at + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&0) {
            return Err(ProcfileError::Nul { file: "P".into(), line: number });
        }
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | 0x0c);
        let Some(begin) = line.iter().find(|b| !blank(b)) else { continue };
        if *begin == b'#' {
            continue;
        }
        let colon = line.iter().position(|b| *b == b':').unwrap_or(0);
        let (name, command) = line.split_at(colon);
        let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let start = command.iter().skip(1).position(|b| !blank(b));
        match start {
            Some(start) if !name.is_empty() && name.iter().all(word) => {
                let name = String::from_utf8(name.to_vec()).unwrap();
                if let Some((_, _, first)) = entries.iter().find(|(old, _, _)| *old == name) {
                    let (file, first) = ("P".into(), *first);
                    return Err(ProcfileError::Duplicate { file, name, first, again: number });
                }
                entries.push((name, command[1 + start..].to_vec(), number));
            }
            Some(_) | None => warned.push(number),
        }
    }
    Ok((entries, warned))
}
