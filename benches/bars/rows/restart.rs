//! Asking a run that goes on.

use std::process::Command;
use std::time::Instant;

use super::ms;
use crate::programs::{FIRST, command};
use crate::reader::PATIENCE;
use crate::running::{Running, within};
use crate::shared::World;
use crate::table::Column;
use crate::tool::{To, Tool};

/// Restarts in a run.
const TIMES: usize = 10;

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    let world = World::new();
    if tool.restart(&world).is_none() && tool.ps(&world).is_none() {
        return;
    }
    let mut running = tool.start(&world, &[command("first")], To::Pipe);
    running.reader().until(FIRST, 1);
    for _ in 0..TIMES {
        let came = tool.restart(&world).is_none_or(|call| line(call, &mut running, column));
        let reported = tool.ps(&world).is_none_or(|call| list(call, column));
        // Who hangs once need not be waited for again and again.
        if !came || !reported {
            break;
        }
    }
    for _ in 0..TIMES {
        let Some(restart) = tool.restart(&world) else { break };
        if !back(restart, &mut running, column) {
            break;
        }
    }
    running.finish();
}

/// Restart, and wait for the first line; whether it came.
fn line(mut restart: Command, running: &mut Running, column: &mut Column<'_>) -> bool {
    let old = running.reader().text.len();
    let begun = Instant::now();
    let mut child = restart.spawn().unwrap();
    let came = running.reader().until_from(old, FIRST, 1);
    let line = came.then(|| begun.elapsed());
    let returned = within(&mut child, PATIENCE).is_some();
    column.value("restart → first line of the new life [ms]", "≤ 8", ms(line));
    came && returned
}

/// Ask for a list; whether it came.
fn list(mut ps: Command, column: &mut Column<'_>) -> bool {
    let begun = Instant::now();
    let good = within(&mut ps.spawn().unwrap(), PATIENCE);
    if good != Some(false) {
        column.value("ps [ms]", "≤ ×1.1", ms(good.map(|_| begun.elapsed())));
    }
    good == Some(true)
}

/// Restart, and wait for the command; whether it returned.
fn back(mut restart: Command, running: &mut Running, column: &mut Column<'_>) -> bool {
    let old = running.reader().text.len();
    let begun = Instant::now();
    let returned = within(&mut restart.spawn().unwrap(), PATIENCE).map(|_| begun.elapsed());
    column.value("restart → command back [ms]", "≤ ×1.3", ms(returned));
    running.reader().until_from(old, FIRST, 1) && returned.is_some()
}
