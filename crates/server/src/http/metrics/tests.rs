use std::collections::{BTreeMap, BTreeSet};

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::exposition;
use crate::figures::Figures;
use crate::model::plan::Backend;
use crate::model::plan::rules::FlagColor;
use crate::model::state::{
    ExitCount, FlagState, ProcessEnds, ProcessReadiness, ProcessState, State, TmuxAddress,
};
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName, ProcessStatus};

/// A value by its name and its labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Parse the text strictly by its format; the error describes the first deviation.
fn parse(text: &str) -> Result<Samples, String> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let (mut samples, mut known) = (Samples::new(), BTreeSet::new());
    let (mut helped, mut current) = (String::new(), String::new());
    for line in text.lines() {
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let Some((name, _)) = rest.split_once(' ') else { return wrong("no help") };
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else { return wrong("no type") };
            if name != helped || !known.insert(name.to_owned()) {
                return wrong("not behind its help, or once more");
            }
            if (kind == "counter") != name.ends_with("_total")
                || !["counter", "gauge"].contains(&kind)
            {
                return wrong("a counter, and no other, is a total");
            }
            name.clone_into(&mut current);
        } else {
            let (name, labels, value) = sample(line).ok_or_else(|| format!("what is {line}?"))?;
            if name != current || !name.starts_with("tmo_") {
                return wrong("not behind its type");
            }
            if samples.insert((name, labels), value).is_some() {
                return wrong("twice");
            }
        }
    }
    Ok(samples)
}

fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let end = line.find(|c: char| !(c.is_ascii_lowercase() || c == '_'))?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, quoted) = rest.split_once("=\"")?;
            let (says, behind) = quoted_text(quoted)?;
            if labels.insert(label.to_owned(), says).is_some() {
                return None;
            }
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None => break rest = behind.strip_prefix('}')?,
            }
        }
    }
    Some((name.to_owned(), labels, rest.strip_prefix(' ')?.parse().ok()?))
}

/// A quoted text up to its closing quote, and the rest of the line.
fn quoted_text(quoted: &str) -> Option<(String, &str)> {
    let (mut text, mut all) = (String::new(), quoted.char_indices());
    while let Some((at, c)) = all.next() {
        match c {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(match all.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => text.push(c),
        }
    }
    None
}

fn state(processes: Vec<ProcessState>) -> State {
    State {
        api: 1,
        version: "0.1.0".to_owned(),
        run: "r".to_owned(),
        pid: 1,
        title: "app".into(),
        root: "/".into(),
        procfile: None,
        origin: None,
        socket: "/s".into(),
        backend: Backend::Tmux,
        tmux: Some(TmuxAddress { socket: "s".into(), session: "a".into(), program: "tmux".into() }),
        journal: "/j".into(),
        runtime: None,
        host: None,
        started: Timestamp::from_nanos(12_500_000_000),
        views: 2,
        headless_since: None,
        quitting: false,
        quitting_note: None,
        processes,
        left_out: vec![],
        actions: vec![],
    }
}

fn flag(name: &str, count: u64) -> FlagState {
    FlagState {
        name: name.into(),
        color: FlagColor::Red,
        count,
        target: Some(1),
        exceeded: count > 1,
        last: None,
    }
}

fn process(name: &str, pid: Option<u32>) -> ProcessState {
    let status = if pid.is_some() { ProcessStatus::Running } else { ProcessStatus::Exited };
    ProcessState::new(ProcName::new(name).unwrap(), status, pid)
}

fn figures(name: &str, pid: u32) -> Figures {
    Figures {
        name: ProcName::new(name).unwrap(),
        pid,
        cpu_percent: None,
        cpu_seconds: 1.5,
        memory_bytes: 4096,
        processes: 2,
        threads: 3,
        files: None,
        listens: None,
        output_bytes_per_second: None,
    }
}

#[test]
fn the_numbers_are_those_of_the_state() {
    let web = ProcessState {
        lives: 4,
        readiness: ProcessReadiness { ready: Some(true), ..ProcessReadiness::default() },
        ends: ProcessEnds {
            crashes: 2,
            failures: 1,
            exits: vec![
                ExitCount { exit: Exit::Code(1), count: 2 },
                ExitCount { exit: Exit::Signal(9), count: 1 },
                ExitCount { exit: Exit::Signal(63), count: 1 },
            ],
            ..ProcessEnds::default()
        },
        output_bytes: 99,
        flags: vec![flag("slow", 3)],
        ..process("web#2", Some(7))
    };
    let figures = [figures("web#2", 7), figures("web#2", 6), figures("gone", 7)];
    let samples = parse(&exposition(&state(vec![web, process("db", None)]), &figures)).unwrap();
    let value = |name: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(name, says)| ((*name).to_owned(), (*says).to_owned()));
        samples.get(&(name.to_owned(), labels.collect())).copied()
    };
    let of = |name: &str| {
        let one = |process| value(&format!("tmo_process_{name}"), &[("process", process)]);
        (one("web#2"), one("db"))
    };
    assert_eq!(value("tmo_build_info", &[("version", "0.1.0")]), Some(1.0));
    assert_eq!(value("tmo_run_start_time_seconds", &[]), Some(12.0));
    assert_eq!(value("tmo_views", &[]), Some(2.0));
    assert_eq!(value("tmo_run_quitting", &[]), Some(0.0));
    assert_eq!(of("up"), (Some(1.0), Some(0.0)));
    assert_eq!(of("ready"), (Some(1.0), Some(0.0)));
    assert_eq!(of("restarts_total"), (Some(3.0), Some(0.0)));
    assert_eq!(of("crashes_total"), (Some(2.0), Some(0.0)));
    assert_eq!(of("consecutive_failures"), (Some(1.0), Some(0.0)));
    assert_eq!(of("output_bytes_total"), (Some(99.0), Some(0.0)));
    assert_eq!(of("cpu_seconds_total"), (Some(1.5), None));
    assert_eq!(of("memory_bytes"), (Some(4096.0), None));
    assert_eq!(of("processes"), (Some(2.0), None));
    assert_eq!(of("threads"), (Some(3.0), None));
    assert_eq!(of("open_files"), (None, None), "the system does not tell");
    let exits =
        |label, says| value("tmo_process_exits_total", &[("process", "web#2"), (label, says)]);
    assert_eq!(exits("code", "1"), Some(2.0));
    assert_eq!((exits("signal", "SIGKILL"), exits("signal", "63")), (Some(1.0), Some(1.0)));
    let in_state = |word| value("tmo_process_state", &[("process", "db"), ("state", word)]);
    assert_eq!((in_state("exited"), in_state("running")), (Some(1.0), Some(0.0)));
    let slow = [("process", "web#2"), ("flag", "slow")];
    assert_eq!(value("tmo_flag_matches_total", &slow), Some(3.0));
    assert_eq!(value("tmo_flag_exceeded", &slow), Some(1.0));
}

proptest! {
    #[test]
    fn any_text_can_be_read(names in prop::collection::btree_set("(?s).{0,12}", 0..4), count: u32) {
        let flags = names.iter().map(|name| flag(name, count.into())).collect();
        let web = ProcessState { flags, ..process("web", Some(1)) };
        let version = names.first().cloned().unwrap_or_default();
        let text = exposition(&State { version, ..state(vec![web]) }, &[]);
        let samples = parse(&text).map_err(TestCaseError::fail)?;
        let found = samples.iter().filter(|((name, _), _)| name == "tmo_flag_matches_total");
        let found: BTreeMap<_, _> = found.map(|((_, at), count)| (at["flag"].clone(), *count)).collect();
        let expected = names.into_iter().map(|name| (name, f64::from(count))).collect();
        prop_assert_eq!(found, expected);
    }
}
