//! Names, patterns, overmind's lines and tables, sizes and numbers: short texts that people type.

use tmo::api::overmind::{self, OvermindCommand};
use tmo::config::{options, toml};
use tmo::model::state::ProcessState;
use tmo::model::units;
use tmo::model::{ProcName, ProcessStatus};

/// Written and read again they are the same, and a pattern matches what it plainly should.
pub(crate) fn check(data: &[u8]) {
    let command = overmind::parse(data);
    let again = command.as_ref().map(|command| overmind::parse(command.line().as_bytes()));
    assert_eq!(again, command.clone().map(Some));
    if let Some(command) = &command {
        assert_eq!(command.line().matches('\n').count(), 1);
    }
    let text = String::from_utf8_lossy(data);
    tables(&text);
    sizes(&text);
    let (name, pattern) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(name) = ProcName::new(name) {
        matches(&name, pattern);
    }
    if let Some(OvermindCommand::Stop(patterns) | OvermindCommand::Restart(patterns)) = &command {
        let all = [process("web#1"), process("web#2"), process("db")];
        let found = overmind::matching(&all, patterns);
        let wanted = all.iter().filter(|process| {
            patterns.is_empty() || patterns.iter().any(|pattern| process.name.matches(pattern))
        });
        assert_eq!(found, wanted.map(|process| process.name.to_string()).collect::<Vec<_>>());
    }
}

fn matches(name: &ProcName, pattern: &str) {
    let text = name.as_str();
    assert_eq!(ProcName::new(name.slug().replace('.', "#")).as_ref(), Ok(name));
    assert!(name.matches(text) && name.matches("*") && name.matches(name.entry()));
    assert!(name.matches(&name.slug()), "as foreman says it");
    let dotted = pattern.replacen('.', "#", 1) == text;
    let (pattern, entry) = (pattern.as_bytes(), name.entry().as_bytes());
    let plain = glob(pattern, text.as_bytes()) || glob(pattern, entry) || dotted;
    assert_eq!(name.matches(std::str::from_utf8(pattern).unwrap()), plain);
}

/// Whether a pattern fits, by filling a table.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let mut fits = vec![true];
    fits.resize(text.len() + 1, false);
    for &letter in pattern {
        if letter == b'*' {
            let from = fits.iter().position(|fit| *fit).unwrap_or(fits.len());
            fits[from..].fill(true);
        } else {
            for at in (0..text.len()).rev() {
                fits[at + 1] = fits[at] && text[at] == letter;
            }
            fits[0] = false;
        }
    }
    fits[text.len()]
}

/// The rows of a table of overmind, as its own clients read them: name, pid, word.
fn rows(table: &str) -> Vec<(&str, &str, &str)> {
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            Some((words.next()?, words.next()?, words.next()?))
        })
        .collect()
}

fn tables(text: &str) {
    // The numbers of processes are never as long as their column.
    let is_number = |pid: &str| pid.parse::<u32>().is_ok_and(|pid| pid < 1_000_000_000);
    let sound =
        |(name, pid, _): &(&str, &str, &str)| ProcName::new(*name).is_ok() && is_number(pid);
    let wanted: Vec<_> = rows(text).into_iter().filter(sound).collect();
    let states: Vec<ProcessState> = wanted
        .iter()
        .map(|(name, pid, word)| {
            let last_pid = pid.parse().ok();
            let pid = last_pid.filter(|_| *word == "running");
            ProcessState { pid, last_pid, ..process(name) }
        })
        .collect();
    let table = overmind::status(&states);
    let shown = rows(&table).into_iter().skip(1);
    let same = shown.zip(&wanted).all(|(shown, wanted)| {
        let is_running = |word: &str| word == "running";
        shown.0 == wanted.0
            && shown.1.parse::<u32>() == wanted.1.parse()
            && is_running(shown.2) == is_running(wanted.2)
    });
    assert!(same && table.lines().count() == wanted.len() + 1, "{table}");
}

fn sizes(text: &str) {
    if let Some(size) = units::parse_bytes(text) {
        assert_eq!(units::parse_bytes(&size.to_string()), Some(size));
        assert_eq!(units::parse_bytes(&format!(" {size} B ")), Some(size));
    }
    if let Some(time) = options::parse_seconds(text) {
        let again = options::parse_seconds(&time.as_secs_f64().to_string());
        assert_eq!(again.map(|time| time.as_millis()), Some(time.as_millis()));
    }
    if let Ok(found) = toml::parse(text, "tmo.toml") {
        let mut again = toml::parse(&format!("{text}\n# the end"), "tmo.toml").unwrap();
        again.source = found.source.clone();
        assert_eq!(again, found);
    }
}

fn process(name: &str) -> ProcessState {
    ProcessState::new(ProcName::new(name).unwrap(), ProcessStatus::Running, None)
}
