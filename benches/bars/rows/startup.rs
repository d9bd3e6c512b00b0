//! From the command to the first line, and from Ctrl-C to the command's end.

use std::time::Instant;

use super::{SETTLE, ms};
use crate::programs::{FIRST, command};
use crate::shared::World;
use crate::table::Column;
use crate::tool::{To, Tool};
use crate::wait::pause;

/// Starts of a single process in a run.
const TIMES: usize = 5;

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    for _ in 0..TIMES {
        // Who hangs once need not be waited for again and again.
        if !once(tool, column, 1, ["≤ ×1.6", "≤ 15", "≤ ×1.5"]) {
            break;
        }
    }
    once(tool, column, 10, ["", "", ""]);
    once(tool, column, 100, ["≤ ×1.4", "≤ 80", "≤ ×1.4"]);
}

/// Whether it did not hang.
fn once(tool: &Tool, column: &mut Column<'_>, processes: usize, bars: [&str; 3]) -> bool {
    let world = World::new();
    let commands = vec![command("first"); processes];
    let begun = Instant::now();
    let mut running = tool.start(&world, &commands, To::Pipe);
    let came = running.reader().until(FIRST, processes);
    let first = begun.elapsed();
    let pids: Vec<u32> =
        running.reader().numbers(FIRST).into_iter().map(|n| u32::try_from(n).unwrap()).collect();
    let row = |what: &str| format!("{what}, {processes} [ms]");
    column.value(&row("exec → first line of the last"), bars[0], ms(came.then_some(first)));
    pause(SETTLE);
    let (gone, back) = running.stop(&pids);
    // Those that have not said who they are can't be waited for.
    column.value(&row("SIGINT → processes gone"), bars[1], ms(gone.filter(|_| came)));
    column.value(&row("SIGINT → command back"), bars[2], ms(back));
    came && gone.is_some() && back.is_some()
}
