//! The costs of the web server without a page, and the size of the program.

use std::time::Duration;

use crate::chromium::Chromium;
use crate::common::harness::procs::wakes_of_threads;
use crate::common::harness::wait::pause;
use crate::options::Options;
use crate::programs::command;
use crate::shared::table::{Bar, Table, Who};
use crate::stack::{end, open, run_of, server_mib};
use crate::web_server::WebServer;

pub(super) fn measure(options: &Options, table: &mut Table) {
    let world = run_of(&vec![command("stay"); 5]);
    let web = WebServer::start(&world);
    let pids = [web.guardian(), web.pid()];
    let wakes_in = |time: Duration| {
        let before = pids.map(wakes_of_threads);
        pause(time);
        let more = pids.iter().zip(before).flat_map(|(&pid, before)| {
            // A thread that ended meanwhile is not counted, one that began is counted whole.
            wakes_of_threads(pid)
                .into_iter()
                .map(move |(thread, wakes)| wakes - before.get(&thread).unwrap_or(&0))
        });
        f64::from(u32::try_from(more.sum::<u64>()).unwrap())
    };
    let time = Duration::from_secs(if options.quick { 3 } else { 10 });
    pause(Duration::from_secs(2));
    let what =
        format!("idle {} s: wake-ups of the web server; beside it: with a page", time.as_secs());
    table.of(Who::Tmo, &what, Bar::AtMost(0.0), wakes_in(time));
    let memory = "idle: memory (PSS) of the web server; beside it: with a page [MiB]";
    table.of(Who::Tmo, memory, Bar::Any, server_mib(&web));
    let chromium = Chromium::installed().unwrap();
    let page = open(&chromium, &world, &web);
    pause(Duration::from_secs(2));
    table.of(Who::Peer, &what, Bar::Any, wakes_in(time));
    table.of(Who::Peer, memory, Bar::Any, server_mib(&web));
    drop(page);
    end(&world, web);
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_tmo")).unwrap().len();
    let mib = f64::from(u32::try_from(size >> 10).unwrap()) / 1024.0;
    table.value("size of the program [MiB]", Bar::Below(15.0), mib);
}
