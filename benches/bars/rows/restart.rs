//! Asking a run that goes on.

use std::time::Instant;

use super::ms;
use crate::programs::{FIRST, command};
use crate::reader::PATIENCE;
use crate::table::Column;
use crate::tool::{To, Tool};
use crate::world::World;

/// Restarts in a run.
const TIMES: usize = 10;

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    let world = World::new();
    let mut running = tool.start(&world, &[command("first")], To::Pipe);
    running.reader().until(FIRST, 1);
    for _ in 0..TIMES {
        let (Some(mut restart), Some(mut ps)) = (tool.restart(&world), tool.ps(&world)) else {
            break;
        };
        let old = running.reader().text.len();
        let begun = Instant::now();
        let mut child = restart.spawn().unwrap();
        let came = running.reader().until_from(old, FIRST, 1);
        let line = begun.elapsed();
        child.wait().unwrap();
        let line = if came { line } else { PATIENCE };
        column.value("restart → first line of the new life [ms]", "≤ 8", ms(line));
        let begun = Instant::now();
        if ps.status().unwrap().success() {
            column.value("ps [ms]", "≤ 5", ms(begun.elapsed()));
        }
    }
    for _ in 0..TIMES {
        let Some(mut restart) = tool.restart(&world) else { break };
        let old = running.reader().text.len();
        let begun = Instant::now();
        let _ = restart.status();
        column.value("restart → command back [ms]", "≤ 8", ms(begun.elapsed()));
        running.reader().until_from(old, FIRST, 1);
    }
    running.finish();
}
