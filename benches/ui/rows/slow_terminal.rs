//! A terminal that takes 16 KB in a second, as over a bad connection, while much is printed.

use super::keys::press_help;
use crate::common::harness::wait::pause;
use crate::options::Options;
use crate::process::memory_mib;
use crate::shared::quantile;
use crate::shared::table::{Bar, Table, ms};
use crate::stack::Stack;

const PER_SECOND: u32 = 16_000;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let stack = Stack::printing(20_000);
    for _ in 0..options.runs {
        let mut terminal = stack.opened();
        terminal.pace(PER_SECOND);
        pause(options.seconds(3, 1));
        let before = memory_mib(terminal.pid());
        let presses = options.count(5, 1);
        let mut times: Vec<_> =
            (0..presses).flat_map(|_| press_help(&mut terminal).map(ms)).collect();
        table.value(
            "terminal that reads 16 KB/s: key → frame, p50 [ms]",
            Bar::Any,
            quantile(&mut times, 50).unwrap(),
        );
        table.value(
            "terminal that reads 16 KB/s: key → frame, longest [ms]",
            Bar::Below(1000.0),
            quantile(&mut times, 100).unwrap(),
        );
        let grown = memory_mib(terminal.pid()) - before;
        table.value("terminal that reads 16 KB/s: growth of memory [MiB]", Bar::AtMost(1.0), grown);
    }
}
