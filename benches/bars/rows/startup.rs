//! From the command to the first line, and from Ctrl-C to the command's end.

use std::time::Instant;

use super::{SETTLE, ms};
use crate::programs::{FIRST, command};
use crate::reader::PATIENCE;
use crate::table::Column;
use crate::tool::{To, Tool};
use crate::wait::pause;
use crate::world::World;

/// Starts of a single process in a run.
const TIMES: usize = 5;

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    for _ in 0..TIMES {
        once(tool, column, 1, ["≤ 25", "≤ 15", "≤ floor + 15"]);
    }
    once(tool, column, 100, ["≤ ×1.2", "≤ 80", "≤ floor + 15"]);
}

fn once(tool: &Tool, column: &mut Column<'_>, processes: usize, bars: [&str; 3]) {
    let world = World::new();
    let commands = vec![command("first"); processes];
    let begun = Instant::now();
    let mut running = tool.start(&world, &commands, To::Pipe);
    let came = running.reader().until(FIRST, processes);
    let first = begun.elapsed();
    let pids: Vec<u32> =
        running.reader().numbers(FIRST).into_iter().map(|n| u32::try_from(n).unwrap()).collect();
    let row = |what: &str| format!("{what}, {processes} [ms]");
    if came {
        column.value(&row("exec → first line of the last"), bars[0], ms(first));
    }
    pause(SETTLE);
    let (gone, back) = running.stop(&pids);
    column.value(&row("SIGINT → processes gone"), bars[1], ms(gone.unwrap_or(PATIENCE)));
    column.value(&row("SIGINT → command back"), bars[2], ms(back.unwrap_or(PATIENCE)));
}
