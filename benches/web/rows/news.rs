//! From an event to the frame that shows it: a process that ends, a line that is printed. Beside it: the same with
//! an empty journal.

use nix::libc::SIGKILL;

use super::times;
use crate::chromium::Chromium;
use crate::common::harness::procs::kill;
use crate::common::harness::wait::{eventually_within, pause};
use crate::harness::World;
use crate::options::Options;
use crate::page::Page;
use crate::programs::now;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::{end, float, latencies, open, open_log, with_journal};
use crate::web_server::WebServer;
use std::time::Duration;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let count = options.count(100, 10);
    for (who, mib) in [(Who::Tmo, options.journal_mib), (Who::Peer, 1)] {
        let chromium = Chromium::installed().unwrap();
        let world = with_journal(mib);
        let web = WebServer::start(&world);
        let page = open(&chromium, &world, &web);
        let ends: Vec<f64> = (0..count).map(|_| end_of_process(&world, &page)).collect();
        let what = "state change → frame; beside it: empty journal";
        times(table, who, what, [Bar::AtMost(250.0), Bar::Any], &ends);
        drop(page);
        let page = open_log(&chromium, &world, &web);
        page.value("(bench.watchLines(), null)");
        let mut lines = vec![];
        eventually_within(Duration::from_secs(120), "lines are seen", || {
            lines.extend(latencies(&page));
            pause(Duration::from_millis(200));
            (lines.len() >= count).then_some(())
        });
        let what = "printed line → frame; beside it: empty journal";
        times(table, who, what, [Bar::AtMost(500.0), Bar::Any], &lines);
        drop(page);
        end(&world, web);
    }
}

/// Kill a process; returns the time until the page shows its end.
fn end_of_process(world: &World, page: &Page) -> f64 {
    world.ok(["start", "p2"]);
    page.shows_state("p2", "running");
    let pid = world.wait_state("p2", "running").unwrap();
    page.value("(bench.end = bench.when(() => probe.state('p2') !== 'running'), null)");
    let begun = now();
    kill(pid, SIGKILL);
    float(page, "bench.end") - begun
}
