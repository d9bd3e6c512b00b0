//! Processes that end by themselves.

use std::time::Instant;

use super::{SETTLE, ms};
use crate::lines;
use crate::procs;
use crate::programs::{FIRST, command};
use crate::reader::PATIENCE;
use crate::table::Column;
use crate::tool::{Kind, To, Tool};
use crate::wait::pause;
use crate::world::World;

/// Ends looked at in a run.
const TIMES: usize = 5;
const LINES: usize = 2000;

/// 2,000 lines and exit: whether all of them are shown.
pub(super) fn complete(tool: &Tool, column: &mut Column<'_>) {
    for _ in 0..TIMES {
        let world = World::new();
        let to = if tool.kind == Kind::Floor { To::File } else { To::Pipe };
        let mut running = tool.start(&world, &[command(&format!("burst 0 {LINES}"))], to);
        let output = if tool.kind == Kind::Floor {
            running.back(Instant::now());
            // The server does not wait for what is behind its pipes.
            world.wait_empty();
            running.files.iter().map(|file| std::fs::read(file).unwrap_or_default()).collect()
        } else {
            running.reader().rest();
            vec![std::mem::take(&mut running.reader().text)]
        };
        let fate = lines::fate(&output, 1, LINES);
        column.share("2,000 lines and exit: complete runs", "all", fate.good());
        column.fate("2,000 lines and exit: lines", fate);
        if !fate.good() {
            running.finish();
        }
    }
}

/// The last process is killed: how long the command takes to return.
pub(super) fn last(tool: &Tool, column: &mut Column<'_>) {
    for _ in 0..TIMES {
        let world = World::new();
        let mut running = tool.start(&world, &[command("first")], To::Pipe);
        if !running.reader().until(FIRST, 1) {
            continue;
        }
        let pid = u32::try_from(running.reader().numbers(FIRST)[0]).unwrap();
        pause(SETTLE);
        let begun = Instant::now();
        procs::kill(pid, 9);
        let back = running.back(begun).unwrap_or(PATIENCE);
        column.value("last exit → command back [ms]", "≤ 15", ms(back));
    }
}
