//! Much output into a file, and what that costs.

use std::fs::File;
use std::io::Read as _;
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::lines;
use crate::programs::{DONE, command};
use crate::reader::PATIENCE;
use crate::table::Column;
use crate::tool::{Kind, To, Tool};
use crate::wait::pause;
use crate::world::{Owner, World, cpu_seconds};

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
        let (outputs, time) = follow(&running.files, processes, begun);
        let cpu = |owner| world.of(owner).iter().map(|p| cpu_seconds(p.pid)).sum::<f64>();
        let (own, tmux) = (cpu(Owner::Own), cpu(Owner::Tmux));
        running.finish();
        let row = |what: &str| format!("{what}, {processes} writing 41 MB");
        column.value(&row("throughput [s]"), bar, time.as_secs_f64());
        // Its own work stands beside that of bare tmux, which has no own.
        let beside = if tool.kind == Kind::Floor { tmux } else { own };
        column.value(&row("CPU of its own beside bare tmux's [s]"), "≤ ×1", beside);
        if tmux > 0.0 {
            column.value(&row("CPU of its tmux [s]"), "", tmux);
        }
        column.fate(&row("lines"), lines::fate(&outputs, processes, count));
    }
}

/// Read files that grow until every process has written its last line, or nothing comes any more.
fn follow(
    files: &[std::path::PathBuf],
    processes: usize,
    begun: Instant,
) -> (Vec<Vec<u8>>, Duration) {
    let mut outputs = vec![vec![]; files.len()];
    let mut open: Vec<Option<File>> = files.iter().map(|_| None).collect();
    let (mut done, mut last) = (0, begun.elapsed());
    while done < processes && begun.elapsed() < last + PATIENCE {
        for ((path, file), output) in files.iter().zip(&mut open).zip(&mut outputs) {
            if file.is_none() {
                *file = File::open(path).ok();
            }
            let Some(file) = file else { continue };
            let old = output.len();
            if file.read_to_end(output).unwrap() > 0 {
                last = begun.elapsed();
                // The mark may have come in two parts.
                done +=
                    memmem::find_iter(&output[old.saturating_sub(DONE.len() - 1)..], DONE).count();
            }
        }
        if done < processes {
            pause(Duration::from_millis(5));
        }
    }
    (outputs, last)
}
