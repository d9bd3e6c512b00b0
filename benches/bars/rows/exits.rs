//! Processes that end by themselves.

use std::time::Instant;

use super::{SETTLE, ms};
use crate::follow::follow;
use crate::lines;
use crate::procs;
use crate::programs::{FIRST, command};
use crate::running::Running;
use crate::shared::World;
use crate::table::Column;
use crate::tool::{To, Tool};
use crate::wait::pause;

/// Ends looked at in a run.
const TIMES: usize = 5;
const LINES: usize = 2000;

/// 2,000 lines and exit: whether all of them are shown.
pub(super) fn complete(tool: &Tool, column: &mut Column<'_>) {
    for _ in 0..TIMES {
        let world = World::new();
        let to = tool.keeps();
        let mut running = tool.start(&world, &[command(&format!("burst 0 {LINES}"))], to);
        let output = match to {
            To::Pipe => {
                running.reader().rest();
                vec![std::mem::take(&mut running.reader().text)]
            }
            To::File => kept(tool, &world, running),
        };
        let fate = lines::fate(&output, 1, LINES);
        column.share("2,000 lines and exit: complete runs", "all", fate.good());
        column.fate("2,000 lines and exit: lines", fate);
    }
}

/// What is in the files in the end.
fn kept(tool: &Tool, world: &World, mut running: Running) -> Vec<Vec<u8>> {
    let files = running.files.clone();
    if tool.ends(To::File) {
        running.back(Instant::now());
    } else {
        follow(&files, (lines::MARK, LINES), Instant::now());
        running.finish();
    }
    // A tmux server does not wait for what is behind its pipes.
    world.wait_empty();
    files.iter().map(|file| std::fs::read(file).unwrap_or_default()).collect()
}

/// The last process is killed: how long the command takes to return.
pub(super) fn last(tool: &Tool, column: &mut Column<'_>) {
    if !tool.ends(To::Pipe) {
        return;
    }
    for _ in 0..TIMES {
        let world = World::new();
        let mut running = tool.start(&world, &[command("first")], To::Pipe);
        let back = if running.reader().until(FIRST, 1) {
            let pid = u32::try_from(running.reader().numbers(FIRST)[0]).unwrap();
            pause(SETTLE);
            let begun = Instant::now();
            procs::kill(pid, 9);
            running.back(begun)
        } else {
            None
        };
        column.value("last exit → command back [ms]", "≤ ×2.5", ms(back));
        // Who hangs once need not be waited for again and again.
        if back.is_none() {
            break;
        }
    }
}
