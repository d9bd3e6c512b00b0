//! Requests to processes by their names, through the proxy of `tmo web`: their rate and latency, its memory and what it
//! does while it is idle. Beside it: nginx's `proxy_pass` with one worker, and requests without a proxy.
//!
//! ```text
//! cargo bench --bench names
//! cargo bench --bench names -- --quick
//! cargo bench --bench names -- --save
//! ```
//!
//! All of them lead to one nginx with one worker, which answers with a line of text. The client is `wrk`. Without either,
//! nothing is measured. A missed bar is only reported.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that can't go on fails"
)]
#![expect(clippy::disallowed_methods, reason = "benches read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are printed")]

#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../../tests/common/mod.rs"]
mod common;
#[expect(dead_code, unused_imports, reason = "another bench needs more of it")]
#[path = "../shared/mod.rs"]
mod shared;
mod stack;
#[expect(dead_code, reason = "tests need more of it")]
#[path = "../../tests/common/web_server.rs"]
mod web_server;
mod wrk;

use std::process::ExitCode;
use std::time::Duration;

use common::harness;
use harness::procs::wakes_of_threads;
use harness::wait::pause;
use shared::table::{Bar, Table, Who};
use stack::{Route, Stack};

/// How often everything is measured, and how much.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    rounds: u32,
    /// How long requests are sent.
    time: Duration,
    /// How long nothing is sent.
    idle: Duration,
    download: u64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| words.iter().any(|word| word == flag);
    if !has("--bench") {
        println!("nothing is measured here: `cargo bench --bench names` does");
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = ["nginx", "wrk"].iter().find(|name| stack::find(name).is_none()) {
        eprintln!("names: nothing is measured without {missing}");
        return ExitCode::SUCCESS;
    }
    let second = Duration::from_secs(1);
    let sizes = if has("--quick") {
        Sizes { rounds: 1, time: second, idle: second, download: 64 << 20 }
    } else {
        Sizes { rounds: 3, time: 5 * second, idle: 10 * second, download: 1 << 30 }
    };
    let about = shared::conditions(sizes.rounds);
    let table = measure(sizes);
    let versions = format!("{}, {}.", stack::version("nginx", "-v"), stack::version("wrk", "-v"));
    let report = format!("{about} {versions} Each row says what is beside it.\n\n{table}");
    println!("{report}");
    if has("--save") {
        shared::save("names", &report, "benches/names/WHY.md");
    }
    ExitCode::SUCCESS
}

fn measure(sizes: Sizes) -> Table {
    let world = stack::world(sizes.download);
    let stack = Stack::start(&world);
    let mut table = Table::beside("peer");
    // The first request finds the process.
    wrk::run(&stack.target(Route::Tmo), 1, Duration::from_secs(1));
    for round in 1..=sizes.rounds {
        eprintln!("round {round}");
        rate(&stack, sizes.time, &mut table);
        latency(&stack, sizes.time, &mut table);
    }
    for (who, route) in [(Who::Tmo, Route::Tmo), (Who::Peer, Route::KeepAlive)] {
        let grown = stack.download(route, sizes.download);
        let what = format!(
            "download of {} MiB; beside it: nginx: growth of memory (PSS) [MiB]",
            sizes.download >> 20
        );
        table.of(who, &what, Bar::AtMost(4.0), grown);
    }
    // By then, idle connections are closed, and tokio has ended the thread that looked for the listener.
    pause(Duration::from_secs(15));
    for (who, route) in [(Who::Tmo, Route::Tmo), (Who::Peer, Route::KeepAlive)] {
        let before = wakes_of_threads(stack.proxy(route));
        pause(sizes.idle);
        let after = wakes_of_threads(stack.proxy(route));
        // A thread may have ended meanwhile.
        let woken = after.iter().map(|(thread, now)| now - before.get(thread).unwrap_or(&0));
        let woken = u32::try_from(woken.sum::<u64>()).unwrap();
        let what = format!("idle {} s; beside it: nginx: wake-ups", sizes.idle.as_secs());
        table.of(who, &what, Bar::AtMost(0.0), f64::from(woken));
    }
    stack.end(&world);
    table
}

/// Requests per second with 32 connections.
fn rate(stack: &Stack<'_>, time: Duration, table: &mut Table) {
    let of = |route| wrk::run(&stack.target(route), 32, time).requests_per_second;
    let (tmo, plain, kept, direct) =
        (of(Route::Tmo), of(Route::Plain), of(Route::KeepAlive), of(Route::Direct));
    for (beside, peer) in [
        ("nginx with `proxy_pass` alone", plain),
        ("nginx with `keepalive`", kept),
        ("no proxy", direct),
    ] {
        let what = format!("requests/s, 32 connections; beside it: {beside}");
        table.of(Who::Tmo, &what, Bar::Any, tmo);
        table.of(Who::Peer, &what, Bar::Any, peer);
    }
    for (of, peer) in [("`proxy_pass` alone", plain), ("`keepalive`", kept)] {
        let what = format!("the same: share of nginx with {of}");
        table.value(&what, Bar::AtLeast(0.7), tmo / peer);
    }
}

/// The median latency with one connection.
fn latency(stack: &Stack<'_>, time: Duration, table: &mut Table) {
    let of = |route| wrk::run(&stack.target(route), 1, time).median_ms;
    let (tmo, kept, direct) = (of(Route::Tmo), of(Route::KeepAlive), of(Route::Direct));
    for (beside, peer) in [("nginx with `keepalive`", kept), ("no proxy", direct)] {
        let what = format!("latency, 1 connection; beside it: {beside}, p50 [ms]");
        table.of(Who::Tmo, &what, Bar::Any, tmo);
        table.of(Who::Peer, &what, Bar::Any, peer);
    }
    let what = "the same: more than without a proxy [ms]";
    table.of(Who::Tmo, what, Bar::AtMost(0.3), tmo - direct);
    table.of(Who::Peer, what, Bar::AtMost(0.3), kept - direct);
}
