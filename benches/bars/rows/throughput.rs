//! Much output into a file, and what that costs.

use std::time::Instant;

use crate::follow::follow;
use crate::lines;
use crate::programs::{DONE, command};
use crate::shared::{Owner, World, cpu_seconds};
use crate::table::{Column, seconds};
use crate::tool::{Kind, To, Tool};

/// Lines of all processes together: some 41 MB.
const LINES: usize = 512_000;

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    for (processes, bar) in [(1, "≤ ×1.1"), (4, "≤ ×1.2"), (16, "≤ ×1.2")] {
        let world = World::new();
        let count = LINES / processes;
        let commands: Vec<_> =
            (0..processes).map(|i| command(&format!("stay {i} {count}"))).collect();
        let begun = Instant::now();
        let running = tool.start(&world, &commands, To::File);
        let (outputs, time) = follow(&running.files, (DONE, processes), begun);
        let cpu = |owner| world.of(owner).iter().map(|p| cpu_seconds(p.pid)).sum::<f64>();
        let (own, tmux) = (cpu(Owner::Own), cpu(Owner::Tmux));
        running.finish();
        let row = |what: &str| format!("{what}, {processes} writing 41 MB");
        column.value(&row("throughput [s]"), bar, seconds(time));
        // Its own work stands beside that of bare tmux, which has no own.
        let beside = if tool.kind == Kind::Floor { tmux } else { own };
        column.value(&row("CPU of its own beside bare tmux's [s]"), "≤ ×1", beside);
        if tmux > 0.0 {
            column.value(&row("CPU of its tmux [s]"), "", tmux);
        }
        column.fate(&row("lines"), lines::fate(&outputs, processes, count));
    }
}
