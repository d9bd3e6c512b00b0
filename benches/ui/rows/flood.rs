//! The processor time of the interface while much is printed, and while little is.

use crate::common::harness::wait::pause;
use crate::mprocs::Mprocs;
use crate::options::Options;
use crate::process::cpu_ms;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::Stack;
use crate::terminal::Terminal;

const RATES: [(&str, u32); 2] = [("1,000", 1_000), ("100,000", 100_000)];
const RATIO: &str = "the same: 100,000 lines/s / 1,000 lines/s";

pub(super) fn measure(options: &Options, table: &mut Table) {
    for _ in 0..options.runs {
        let mut of_tmo = vec![];
        let mut of_peer = vec![];
        for (name, rate) in RATES {
            let row = format!("processor time in 5 s while {name} lines/s are printed [ms]");
            let spent = spent(&Stack::printing(rate).opened(), options);
            table.value(&row, Bar::Any, spent);
            of_tmo.push(spent);
            if let Some(peer) = Mprocs::printing(rate) {
                let spent = self::spent(&peer.opened(), options);
                table.of(Who::Peer, &row, Bar::Any, spent);
                of_peer.push(spent);
            }
        }
        table.value(RATIO, Bar::AtMost(1.2), of_tmo[1] / of_tmo[0]);
        if let [few, many] = of_peer[..] {
            table.of(Who::Peer, RATIO, Bar::AtMost(1.2), many / few);
        }
    }
}

/// The processor time in five seconds.
fn spent(terminal: &Terminal, options: &Options) -> f64 {
    pause(options.seconds(1, 1));
    let time = options.seconds(5, 1);
    let before = cpu_ms(terminal.pid());
    pause(time);
    (cpu_ms(terminal.pid()) - before) * 5.0 / time.as_secs_f64()
}
