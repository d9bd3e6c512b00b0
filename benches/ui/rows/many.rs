//! Many processes beside few.

use super::first_frame;
use super::keys::select;
use crate::mprocs::{self, Mprocs};
use crate::options::Options;
use crate::shared::quantile;
use crate::shared::table::{Bar, Table, Who, ms};
use crate::stack::Stack;

/// Starts in a run.
const TIMES: usize = 5;
const FEW: u32 = 5;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let many = options.count(500, 50);
    let stacks = [FEW, many].map(|count| (count, Stack::of_processes(count)));
    let presses = options.count(50, 10);
    for _ in 0..options.runs {
        let (mut first, mut key) = (vec![], vec![]);
        for (count, stack) in &stacks {
            let times = (0..TIMES).map(|_| ms(first_frame::once(stack)));
            let mut times: Vec<_> = times.collect();
            let row = format!("exec → first frame, {count} processes [ms]");
            first.push(quantile(&mut times, 50).unwrap());
            table.value(&row, Bar::Any, first[first.len() - 1]);
            let mut terminal = stack.opened();
            let times = (0..presses).flat_map(|number| select(&mut terminal, number).map(ms));
            let mut times: Vec<_> = times.collect();
            key.push(quantile(&mut times, 50).unwrap());
            let row = format!("key → frame, {count} processes, p50 [ms]");
            table.value(&row, Bar::Any, key[key.len() - 1]);
        }
        let ratio = |what: &str| format!("{what}: {many} processes / {FEW}");
        table.value(&ratio("exec → first frame"), Bar::Any, first[1] / first[0]);
        table.value(&ratio("key → frame"), Bar::AtMost(1.1), key[1] / key[0]);
        of_peer([FEW, many], presses, table);
    }
}

/// The time of a key in mprocs.
fn of_peer(counts: [u32; 2], presses: u32, table: &mut Table) {
    for count in counts {
        let Some(peer) = Mprocs::of_processes(count) else { continue };
        let mut terminal = peer.opened();
        let times = (0..presses).flat_map(|number| mprocs::select(&mut terminal, number).map(ms));
        let mut times: Vec<_> = times.collect();
        let row = format!("key → frame, {count} processes, p50 [ms]");
        table.of(Who::Peer, &row, Bar::Any, quantile(&mut times, 50).unwrap());
    }
}
