//! Runs many cases, some concurrently.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::faults::trial::Trial;
use crate::random::Random;
use crate::table::Table;

/// Worlds at the same time.
const AT_ONCE: usize = 4;

/// A case: its name and what is tried.
pub(crate) struct Case {
    name: String,
    work: Box<dyn FnOnce(&mut Trial) + Send>,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        work: impl FnOnce(&mut Trial) + Send + 'static,
    ) -> Self {
        Self { name: name.into(), work: Box::new(work) }
    }
}

/// Try as many of these cases, chosen by the seed, as are wanted.
pub(crate) fn prove(mut cases: Vec<Case>, times: u32, seed: u64) -> Table {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--only") {
        cases.retain(|case| words.get(at + 1).is_none_or(|only| case.name.contains(only)));
    }
    let mut random = Random::new(seed);
    for at in (1..cases.len()).rev() {
        cases.swap(at, usize::try_from(random.below(at as u64 + 1)).unwrap());
    }
    cases.truncate(usize::try_from(times).unwrap());
    let turns: Vec<(Case, u64)> = cases.into_iter().map(|case| (case, random.next())).collect();
    let (turns, table) = (Mutex::new(turns), Mutex::new((Table::default(), 0)));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let turn = turns.lock().unwrap().pop();
                    let Some((case, seed)) = turn else { return };
                    one(case, seed, &table);
                }
            });
        }
    });
    let (mut table, commands) = table.into_inner().unwrap();
    table.figure("commands that returned", commands);
    table
}

fn one(case: Case, seed: u64, table: &Mutex<(Table, usize)>) {
    let Case { name, work } = case;
    let mut trial = Trial::new(&name, seed);
    let ended = catch_unwind(AssertUnwindSafe(|| work(&mut trial)));
    if ended.is_err() {
        trial.complain("did not get to its end");
    }
    let closed = catch_unwind(AssertUnwindSafe(move || trial.close()));
    let (skipped, complaints, commands) =
        closed.unwrap_or_else(|_| (None, vec!["something was left, see above".into()], 0));
    let mut table = table.lock().unwrap();
    table.1 += commands;
    match skipped {
        Some(why) => table.0.figure(format!("{name}: SKIPPED, {why}"), "-"),
        None => table.0.must(name, complaints.first().map_or("right", |c| c.as_str()), "right"),
    }
}
