//! From opening the page to the frame with all processes. Beside many: few.

use crate::chromium::Chromium;
use crate::options::Options;
use crate::programs::command;
use crate::shared::quantile;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::{end, float, open, run_of};
use crate::web_server::WebServer;

const FEW: usize = 5;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let many = options.count(500, 50);
    for (who, count) in [(Who::Tmo, many), (Who::Peer, FEW)] {
        let chromium = Chromium::installed().unwrap();
        let world = run_of(&vec![command("stay"); count]);
        let web = WebServer::start(&world);
        let page = open(&chromium, &world, &web);
        let all = format!("bench.rows[{count}]");
        let mut paints = vec![];
        for _ in 0..options.count(7, 2) {
            page.reload();
            page.until("all rows are there", &all);
            paints.push(float(&page, &all));
        }
        let what = format!("first paint with {many} processes; beside it: {FEW} [ms]");
        table.of(who, &what, Bar::Any, quantile(&mut paints, 50).unwrap());
        page.value("(bench.watchFrames(), null)");
        for _ in 0..options.count(5, 2) {
            world.ok(["stop", "p1"]);
            page.shows_state("p1", "stopped");
            world.ok(["start", "p1"]);
            page.shows_state("p1", "running");
        }
        let what = "the same: longest time between two frames during state changes [ms]";
        table.of(who, what, Bar::Below(100.0), float(&page, "bench.longest"));
        drop(page);
        end(&world, web);
    }
}
