//! A page that is stopped while it follows 100,000 lines per second. Beside the latency of another page meanwhile: its
//! latency before.

use std::time::Duration;

use nix::libc::{SIGCONT, SIGSTOP};

use super::times;
use crate::chromium::Chromium;
use crate::common::harness::procs::kill;
use crate::common::harness::wait::pause;
use crate::options::Options;
use crate::programs::now;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::{end, float, flooded, latencies, open_log, server_mib};
use crate::web_server::WebServer;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let chromium = Chromium::installed().unwrap();
    let world = flooded();
    let web = WebServer::start(&world);
    let (stopped, other) = (open_log(&chromium, &world, &web), open_log(&chromium, &world, &web));
    for page in [&stopped, &other] {
        page.value("(bench.watchLines(), bench.watchNumbers(), null)");
    }
    let time = Duration::from_secs(if options.quick { 5 } else { 60 });
    pause(time.min(Duration::from_secs(20)));
    let what = "one page stopped: line → frame of the other; beside it: before";
    let bars = [Bar::AtMost(200.0), Bar::Any];
    times(table, Who::Peer, what, bars, &latencies(&other));
    let before = server_mib(&web);
    let pids = stopped.renderers();
    assert!(!pids.is_empty(), "no renderer is known");
    for &pid in &pids {
        kill(pid, SIGSTOP);
    }
    pause(time);
    times(table, Who::Tmo, what, bars, &latencies(&other));
    let grown = server_mib(&web) - before;
    table.value("the same: growth of the server's memory [MiB]", Bar::Below(1.0), grown);
    let newest = float(&other, "bench.numbers.at(-1)[1]");
    let woken = now();
    for &pid in &pids {
        kill(pid, SIGCONT);
    }
    let seen = format!("bench.numbers.find(([at, number]) => at >= {woken} && number >= {newest})");
    stopped.until("it is at the end again", &seen);
    let late = float(&stopped, &format!("{seen}[0]")) - woken;
    table.value("the same: awake again, until a new line is seen [ms]", Bar::AtMost(1000.0), late);
    drop((stopped, other));
    end(&world, web);
}
