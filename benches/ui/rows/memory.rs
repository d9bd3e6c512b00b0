//! The memory of the interface when it has seen much.

use std::time::{Duration, Instant};

use super::paging::{down_from_beginning, page_up};
use crate::common::harness::wait::pause;
use crate::mprocs::Mprocs;
use crate::options::Options;
use crate::process::memory_mib;
use crate::programs::LAST;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::Stack;

const BAR: Bar = Bar::Below(40.0);

pub(super) fn measure(options: &Options, table: &mut Table) {
    all_pages(options.count(4, 1), table);
    some_pages(options, table);
    let peer = Mprocs::printing(100_000);
    let row = "memory (PSS) after 10 s of 100,000 lines/s [MiB]";
    for _ in 0..options.runs {
        let stack = Stack::printing(100_000);
        let terminal = stack.opened();
        pause(options.seconds(10, 2));
        table.value(row, BAR, memory_mib(terminal.pid()));
        drop((terminal, stack));
        if let Some(peer) = &peer {
            let terminal = peer.opened();
            pause(options.seconds(10, 2));
            table.of(Who::Peer, row, BAR, memory_mib(terminal.pid()));
        }
    }
}

/// Page through the whole of a journal.
fn all_pages(mib: u32, table: &mut Table) {
    let stack = Stack::with_journal(mib);
    let mut terminal = stack.open();
    terminal.first(|screen| screen.contains(LAST));
    let mut pages = 0;
    while page_up(&mut terminal).is_some() {
        pages += 1;
    }
    eprintln!("  {pages} pages up");
    let row = format!("memory (PSS) after all pages of {mib} MiB [MiB]");
    table.value(&row, BAR, memory_mib(terminal.pid()));
}

/// Page through a part of the large journal, from both ends.
fn some_pages(options: &Options, table: &mut Table) {
    let stack = Stack::with_journal(options.journal_mib);
    for _ in 0..options.runs {
        let mut terminal = stack.open();
        terminal.first(|screen| screen.contains(LAST));
        let time: Duration = options.seconds(10, 2);
        let begun = Instant::now();
        let mut up = 0;
        while begun.elapsed() < time && page_up(&mut terminal).is_some() {
            up += 1;
        }
        let down = down_from_beginning(&mut terminal, time);
        eprintln!("  {up} pages up, {down} pages down");
        let row = "memory (PSS) after 20 s of paging in the large journal [MiB]";
        table.value(row, BAR, memory_mib(terminal.pid()));
    }
}
