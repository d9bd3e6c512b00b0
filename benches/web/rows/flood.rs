//! A page that follows 100,000 lines per second. Beside it: a page whose processes print little.

use std::time::{Duration, Instant};

use super::times;
use crate::chromium::Chromium;
use crate::common::harness::wait::pause;
use crate::options::Options;
use crate::page::Page;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::{end, flooded, latencies, open_log, server_mib, with_journal};
use crate::web_server::WebServer;

/// The memory of a page and its server.
#[derive(Debug, Clone, Copy)]
struct Kept {
    heap: f64,
    nodes: f64,
    server: f64,
}

impl Kept {
    fn of(page: &Page, web: &WebServer<'_>) -> Self {
        let float = |number: u64| f64::from(u32::try_from(number).unwrap());
        let heap = float(page.heap() >> 10) / 1024.0;
        Self { heap, nodes: float(page.nodes()), server: server_mib(web) }
    }
}

pub(super) fn measure(options: &Options, table: &mut Table) {
    let minute = options.flood;
    for who in [Who::Tmo, Who::Peer] {
        let chromium = Chromium::installed().unwrap();
        let world = if who == Who::Tmo { flooded() } else { with_journal(1) };
        let web = WebServer::start(&world);
        let page = open_log(&chromium, &world, &web);
        page.value("(bench.watchLines(), performance.clearResourceTimings(), null)");
        follow(minute, &page, table, who);
        let early = Kept::of(&page, &web);
        let shown = format!("after {} s", minute.as_secs());
        table.of(
            who,
            &format!("the same: JavaScript heap {shown} [MiB]"),
            Bar::Below(50.0),
            early.heap,
        );
        table.of(who, &format!("the same: nodes {shown}"), Bar::Any, early.nodes);
        table.of(
            who,
            &format!("the same: memory (PSS) of the server {shown} [MiB]"),
            Bar::Any,
            early.server,
        );
        if options.full && who == Who::Tmo {
            soak(&page, &web, (early, minute), table);
        }
        drop(page);
        end(&world, web);
    }
}

fn follow(time: Duration, page: &Page, table: &mut Table, who: Who) {
    let (begun, mut lines, mut busiest) = (Instant::now(), vec![], 0);
    let mut all = 0;
    while begun.elapsed() < time {
        pause(Duration::from_secs(2));
        lines.extend(latencies(page));
        busiest = busiest.max(page.number("probe.busiest('/r/')"));
        all += page.number("probe.requests('/r/')");
        page.value("(performance.clearResourceTimings(), null)");
    }
    let beside = "100,000 lines/s; beside it: few lines";
    let float = |number: u64| f64::from(u32::try_from(number).unwrap());
    table.of(
        who,
        &format!("{beside}: most requests in a second"),
        Bar::AtMost(20.0),
        float(busiest),
    );
    let mean = float(all) / begun.elapsed().as_secs_f64();
    table.of(who, &format!("{beside}: requests per second"), Bar::Any, mean);
    let what = "the same: line of another process → frame";
    times(table, who, what, [Bar::AtMost(200.0), Bar::Any], &lines);
}

/// Continue for ten minutes: the memory must not grow. What is collected or recycled only now and then makes single
/// readings differ, so the lowest of three is compared.
fn soak(page: &Page, web: &WebServer<'_>, (first, minute): (Kept, Duration), table: &mut Table) {
    let mut minutes = vec![first];
    for number in 2..=10 {
        let begun = Instant::now();
        while begun.elapsed() < minute {
            pause(Duration::from_secs(2));
            page.value("(bench.lines = [], performance.clearResourceTimings(), null)");
        }
        minutes.push(Kept::of(page, web));
        eprintln!("  minute {number}: {:?}", minutes.last());
    }
    let least = |of: &[Kept], what: fn(&Kept) -> f64| of.iter().map(what).fold(f64::MAX, f64::min);
    let grown = |what: fn(&Kept) -> f64| least(&minutes[7..], what) / least(&minutes[..3], what);
    for (what, grown, bar) in [
        ("JavaScript heap", grown(|kept| kept.heap), Bar::AtMost(1.1)),
        ("nodes", grown(|kept| kept.nodes), Bar::AtMost(1.1)),
        ("memory (PSS) of the server", grown(|kept| kept.server), Bar::Any),
    ] {
        table.value(&format!("the same: {what} after ten minutes / after one"), bar, grown);
    }
}
