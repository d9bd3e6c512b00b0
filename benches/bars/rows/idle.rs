//! Twenty processes that do nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::procs::Proc;
use crate::programs::{FIRST, command};
use crate::shared::{Owner, World, memory, switches};
use crate::table::{Column, quantile};
use crate::tool::{Kind, To, Tool};
use crate::wait::pause;

const PROCESSES: usize = 20;
/// How long it is looked at.
const TIME: Duration = Duration::from_secs(5);
/// How long everything may take to come to rest.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    let world = World::new();
    let mut running = tool.start(&world, &vec![command("first"); PROCESSES], To::Pipe);
    running.reader().until(FIRST, PROCESSES);
    pause(SETTLE);
    let own = world.of(Owner::Own);
    let tmux = world.of(Owner::Tmux);
    let count = |all: &[Proc]| all.iter().map(|p| switches(p.pid)).sum::<f64>();
    let before = (count(&own), count(&tmux));
    pause(TIME);
    let (own_switches, tmux_switches) = (count(&own) - before.0, count(&tmux) - before.1);
    column.value("idle 5 s, 20 processes: switches of its own", "0", own_switches);
    if !tmux.is_empty() {
        column.value("idle 5 s, 20 processes: switches of its tmux", "", tmux_switches);
    }
    let total: f64 = own.iter().chain(&tmux).map(|p| memory(p.pid).pss / 1024.0).sum();
    column.value("idle: share of memory of everything (PSS) [MiB]", "", total);
    if matches!(tool.kind, Kind::Tmo | Kind::Native) {
        parts(&own, column);
    }
    running.finish();
}

/// What each part of tmo takes.
fn parts(own: &[Proc], column: &mut Column<'_>) {
    let mut by_part = BTreeMap::<&str, Vec<f64>>::new();
    for process in own {
        let memory = memory(process.pid);
        let part = process.args.get(1).map_or("", String::as_str);
        if part == "supervise" {
            column.value("idle: supervise, share of memory (PSS) [KiB]", "< 8192", memory.pss);
        }
        by_part.entry(part).or_default().push(memory.private);
    }
    for (part, mut private) in by_part {
        let bar = if ["guard", "shim", "sink"].contains(&part) { "< 512" } else { "" };
        let row = format!("idle: {part}, private memory [KiB]");
        column.value(&row, bar, quantile(&mut private, 50).unwrap_or(0.0));
    }
}
