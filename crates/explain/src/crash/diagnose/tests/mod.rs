//! Real output of programs at their end, and the diagnosis for it.

mod compilers;
mod order;
mod others;
mod properties;
mod shells;
mod systems;
mod traces;
mod wants;

use super::diagnose;
use crate::crash::cause::{Cause, CauseKind};
use crate::crash::evidence::{Evidence, Facts, OutputLine};
use crate::journal::Position;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName};

/// A process `web` in `/srv/app` that was assigned port 3000 and printed this.
fn printed(exit: Exit, output: &str) -> Evidence {
    let line = |(at, text): (usize, &str)| OutputLine {
        time: Timestamp::from_nanos(1_767_322_985_000_000_000 + at as u64),
        at: Some(Position { record: at as u64, skip: 0 }),
        text: text.to_owned(),
    };
    let api = ProcName::new("api").unwrap();
    Evidence {
        name: ProcName::new("web").unwrap(),
        command: "bin/serve --fast".to_owned(),
        root: "/srv/app".to_owned(),
        cwd: "/srv/app".to_owned(),
        port: Some(3000),
        others: vec![(api, 4000)],
        assigned: vec![],
        pid: Some(4711),
        exit,
        lines: output.lines().enumerate().map(line).collect(),
        watchers: vec![],
        facts: Facts::default(),
    }
}

/// The best explanation for an exit with code 1 after this output.
#[track_caller]
fn first(exit: Exit, output: &str) -> Cause {
    let diagnosis = diagnose(&printed(exit, output));
    diagnosis.first().unwrap_or_else(|| panic!("nothing explains\n{output}")).clone()
}

/// A test case: its name, the exit, the output, the kind, a part of the sentence, a part of the
/// evidence, the place, and the command to type next.
struct Row {
    what: &'static str,
    exit: Exit,
    output: &'static str,
    kind: CauseKind,
    text: &'static str,
    shown: &'static str,
    place: Option<&'static str>,
    next: Option<&'static str>,
}

impl Row {
    const fn with_place(mut self, place: &'static str) -> Self {
        self.place = Some(place);
        self
    }
}

#[track_caller]
fn check(rows: &[Row]) {
    let wrong: Vec<String> = rows.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong(row: &Row) -> Option<String> {
    let cause = first(row.exit, row.output);
    let shown = cause.evidence.as_ref().map_or("", |clue| clue.text.as_str());
    let right = cause.kind == row.kind
        && cause.text.contains(row.text)
        && shown.contains(row.shown)
        && cause.place.as_deref() == row.place
        && (row.next.is_none() || cause.next.as_deref() == row.next);
    (!right).then(|| format!("{}: {cause:#?}", row.what))
}
