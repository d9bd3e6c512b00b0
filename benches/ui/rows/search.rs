//! How fast the journal is searched for what is nowhere in it, beside `tmo logs --grep`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::shared::quantile;
use crate::shared::table::{Bar, Table, ms};
use crate::stack::Stack;
use crate::terminal::Terminal;

/// Upper case counts in it, for both.
const EXPRESSION: &str = "Nowhere to be (found|seen) [0-9]+";
/// Searches in a run.
const TIMES: usize = 3;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let stack = Stack::with_journal(options.journal_mib);
    let mib = stack.journal_bytes() / f64::from(1 << 20);
    let mut terminal = stack.opened();
    for _ in 0..options.runs {
        let (mut in_interface, mut in_command) = (vec![], vec![]);
        for _ in 0..TIMES {
            in_interface.push(ms(find(&mut terminal)));
            in_command.push(ms(grep(&stack)));
        }
        let rate = |times: &mut Vec<f64>| mib * 1000.0 / quantile(times, 50).unwrap();
        let (interface, command) = (rate(&mut in_interface), rate(&mut in_command));
        table.value("search for what is not there: / [MiB/s]", Bar::Any, interface);
        table.value("search for what is not there: logs --grep [MiB/s]", Bar::Any, command);
        table.value("the same: / against logs --grep", Bar::AtLeast(0.8), interface / command);
    }
}

/// The time from the expression to the message that nothing matches.
fn find(terminal: &mut Terminal) -> Duration {
    let time = terminal.press(&format!("/{EXPRESSION}"), |screen| {
        screen.contains(&format!("/{EXPRESSION}")) && screen.contains("no match")
    });
    terminal.types("\r");
    end(terminal);
    time
}

/// Begin to search.
pub(super) fn begin(terminal: &mut Terminal) {
    terminal.press(&format!("/{EXPRESSION}\r"), |screen| {
        screen.contains("n N next") || screen.contains("nothing matches")
    });
}

/// End the search.
pub(super) fn end(terminal: &mut Terminal) {
    // A message in the last line goes with the next key.
    terminal.press("\x1b", |screen| !screen.contains("Nowhere"));
}

fn grep(stack: &Stack) -> Duration {
    let begun = Instant::now();
    let mut command = stack.tmo(&["logs", "--all-runs", "--grep", EXPRESSION]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    begun.elapsed()
}
