//! How often the interface wakes up while nothing happens.

use std::time::Duration;

use crate::common::harness::procs::wakes;
use crate::common::harness::wait::pause;
use crate::mprocs::Mprocs;
use crate::options::Options;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::Stack;
use crate::terminal::Terminal;

const MINUTE: u64 = 60;
/// Ages are shown in minutes, which change at the beginning of each; the first measurement in a minute is begun so
/// many seconds later.
const AFTER: u64 = 5;
/// So many measurements are made in a minute, one after so many seconds.
const PER_MINUTE: u64 = 4;
const EACH: u64 = 12;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let stack = Stack::of_processes(3);
    let terminal = stack.opened();
    let peer = Mprocs::of_processes(3);
    let peer = peer.as_ref().map(|peer| (Who::Peer, peer.opened()));
    let all: Vec<_> = [(Who::Tmo, terminal)].into_iter().chain(peer).collect();
    if options.quick {
        // The ages of the processes change every second, and are drawn.
        pause(Duration::from_secs(2));
        return once(&all, "2 s of processes that have just started", Bar::Any, 2, table);
    }
    for run in 0..u64::from(options.runs) {
        let begin = MINUTE * (1 + run / PER_MINUTE) + AFTER + EACH * (run % PER_MINUTE);
        let begin = Duration::from_secs(begin);
        pause(begin.saturating_sub(stack.begun.elapsed()));
        once(&all, "10 s of idle processes", Bar::AtMost(0.0), 10, table);
    }
}

fn once(all: &[(Who, Terminal)], what: &str, bar: Bar, seconds: u64, table: &mut Table) {
    let before: Vec<u64> = all.iter().map(|(_, terminal)| wakes(terminal.pid())).collect();
    pause(Duration::from_secs(seconds));
    for ((who, terminal), before) in all.iter().zip(before) {
        let count = u32::try_from(wakes(terminal.pid()) - before).unwrap();
        table.of(*who, &format!("voluntary context switches in {what}"), bar, f64::from(count));
    }
}
