//! From the start of the program to the first frame that shows the processes and the end of the log.

use std::time::Duration;

use crate::mprocs::Mprocs;
use crate::options::Options;
use crate::programs::LAST;
use crate::shared::quantile;
use crate::shared::table::{Bar, Table, Who, ms};
use crate::stack::Stack;
use crate::terminal::Terminal;

/// Starts in a run.
const TIMES: usize = 7;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let small = Stack::with_journal(1);
    let large = Stack::with_journal(options.journal_mib);
    let peer = Mprocs::of_processes(3);
    let large_row = format!("exec → first frame, {} MiB of journal [ms]", options.journal_mib);
    for _ in 0..options.runs {
        let (mut in_small, mut in_large, mut in_peer) = (vec![], vec![], vec![]);
        for _ in 0..TIMES {
            in_small.push(ms(once(&small)));
            in_large.push(ms(once(&large)));
            in_peer.extend(peer.as_ref().map(|peer| ms(shown(&peer.open(), "p2"))));
        }
        let [small, large] =
            [in_small, in_large].map(|mut times| quantile(&mut times, 50).unwrap());
        table.value("exec → first frame, 1 MiB of journal [ms]", Bar::Below(50.0), small);
        if let Some(peer) = quantile(&mut in_peer, 50) {
            table.of(Who::Peer, "exec → first frame, 1 MiB of journal [ms]", Bar::Any, peer);
        }
        table.value(&large_row, Bar::Below(50.0), large);
        table.value("the same: large journal / 1 MiB", Bar::AtMost(1.2), large / small);
    }
}

/// Open and close the interface.
pub(super) fn once(stack: &Stack) -> Duration {
    shown(&stack.open(), "running")
}

/// The time until the list shows this, and the log its last line.
pub(super) fn shown(terminal: &Terminal, in_list: &str) -> Duration {
    terminal.first(|screen| screen.contains(in_list) && screen.contains(LAST))
}
