//! Real Procfiles: how tmo parses them, compared with overmind.
//!
//! The files are not part of the project. `TMO_PROCFILE_CORPUS` names a directory that contains an
//! `expected.json` of the form `{"path": {"overmind": [["name", "command"], …]}}`, with an object instead
//! of the list where overmind refuses the file. Without that variable, nothing is compared.

#![expect(clippy::disallowed_methods, reason = "the test's own switch and files")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tmo::config::procfile::{ProcfileEntry, parse};

type Pair = (String, Vec<u8>);

#[test]
fn the_parser_reads_real_procfiles_as_overmind_does() {
    let Some(folder) = folder() else {
        return say("SKIPPED: TMO_PROCFILE_CORPUS is not set, no real Procfiles compared");
    };
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&text).unwrap();
    assert!(!expected.is_empty(), "{} lists no files", folder.display());
    let mut more = 0;
    for (name, verdicts) in &expected {
        more += compare(&folder.join(name), &verdicts["overmind"]);
    }
    say(&format!("{} Procfiles compared; {more} entries that overmind skips", expected.len()));
}

/// Compare one file; how many entries there are that overmind skips.
#[track_caller]
fn compare(path: &Path, overmind: &Value) -> usize {
    let text = std::fs::read(path).unwrap();
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let entries = parse(&text, &path.display().to_string()).unwrap().entries;
    let (ours, alike): (Vec<ProcfileEntry>, Vec<ProcfileEntry>) =
        entries.into_iter().partition(|entry| no_blank(entry, lines[entry.line - 1]));
    let alike: Vec<Pair> = alike.into_iter().map(pair).collect();
    assert_eq!(alike, pairs(overmind), "{}", path.display());
    ours.len()
}

/// The one way in which tmo takes more than overmind: `web:cmd`.
fn no_blank(entry: &ProcfileEntry, line: &[u8]) -> bool {
    let behind = &line[entry.name.len() + 1..];
    !behind.first().unwrap().is_ascii_whitespace()
}

fn pair(entry: ProcfileEntry) -> Pair {
    (entry.name, entry.command.as_bytes().to_vec())
}

fn pairs(overmind: &Value) -> Vec<Pair> {
    let Some(list) = overmind.as_array() else {
        assert_eq!(overmind["error"], "empty", "an error that is not accounted for");
        return Vec::new();
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|pair| (text(&pair[0]), text(&pair[1]).into_bytes())).collect()
}

fn folder() -> Option<PathBuf> {
    std::env::var_os("TMO_PROCFILE_CORPUS").map(PathBuf::from)
}

/// To the terminal even where the harness keeps what a test prints.
fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}
