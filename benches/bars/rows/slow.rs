//! A reader of the log that does not read.

use std::time::Duration;

use super::ms;
use crate::lines;
use crate::programs::{DONE, STALL, command};
use crate::shared::{Owner, World, memory};
use crate::table::Column;
use crate::tool::{To, Tool};
use crate::wait::pause;

/// Some 20 MB.
const LINES: usize = 250_000;
/// How long nothing is read.
const UNREAD: Duration = Duration::from_secs(3);

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    if !tool.streams() {
        return;
    }
    let world = World::new();
    let mut running = tool.start(&world, &[command(&format!("slow 0 {LINES}"))], To::Pipe);
    pause(UNREAD);
    let private = |pid: u32| memory(pid).private / 1024.0;
    let held: f64 = [Owner::Own, Owner::Tmux]
        .into_iter()
        .flat_map(|owner| world.of(owner))
        .map(|process| private(process.pid))
        .sum();
    column.value("slow reader: memory of the command [MiB]", "bounded", private(running.main));
    column.value("slow reader: memory of everything [MiB]", "", held);
    // The writer notes it before it says that it is done.
    running.reader().until(DONE, 1);
    let stall = std::fs::read_to_string(world.app().join(STALL)).ok();
    let stall = stall.and_then(|text| text.parse().ok()).map(Duration::from_nanos);
    column.value("slow reader: longest write [ms]", "no stall", ms(stall));
    let output = std::mem::take(&mut running.reader().text);
    column.fate("slow reader: lines", lines::fate(&[output], 1, LINES));
    running.finish();
}
