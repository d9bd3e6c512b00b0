//! A run of tmo with its web server, and pages of it.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::common::harness::wait::eventually_within;
use crate::harness::World;
use crate::page::Page;
use crate::process::memory_mib;
use crate::programs::{LAST, command};
use crate::web_server::WebServer;

/// The journal keeps everything.
const SETTINGS: &str = "[log]\nper_process = \"64GiB\"\ntotal = \"64GiB\"\n";
/// How long a run may take to start and to print its last line.
const LIMIT: Duration = Duration::from_secs(600);
const SCRIPT: &str = include_str!("bench.js");

/// Start a run of these commands, each as a process named `p0`, `p1` and so on.
pub(crate) fn run_of(commands: &[String]) -> World {
    let mut procfile = String::new();
    for (at, command) in commands.iter().enumerate() {
        let _ = writeln!(procfile, "p{at}: exec {command}");
    }
    let world = World::new(&procfile);
    world.write("tmo.toml", SETTINGS);
    // With the usual step the ports of 500 processes may end above 65535.
    world.ok(["start", "-D", "--any-can-die", "--port-step", "10"]);
    world
}

/// A run with a journal of this many MiB, and a process that prints the time.
pub(crate) fn with_journal(mib: u32) -> World {
    let fill = format!("{} {mib}", command("fill"));
    let world = run_of(&[fill, format!("{} 100", command("clock")), command("stay")]);
    eventually_within(LIMIT, "the last line", || {
        world.ok(["logs", "p0", "-n", "1"]).contains(LAST).then_some(())
    });
    world
}

/// A run with a process that prints 100,000 lines per second, and one that prints the time.
pub(crate) fn flooded() -> World {
    let print = format!("{} 100000", command("print"));
    run_of(&[print, format!("{} 100", command("clock"))])
}

/// End a run and its web server.
pub(crate) fn end(world: &World, web: WebServer<'_>) {
    web.end();
    world.ok(["quit"]);
}

/// Open the page, with the script that records times.
pub(crate) fn open(chromium: &Chromium, world: &World, web: &WebServer<'_>) -> Page {
    let page = Page::empty(chromium, world);
    page.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": SCRIPT }));
    let link = world.ok(["web", "--link"]);
    page.go(&crate::web_server::link_in(&link).unwrap_or_else(|| web.link.clone()));
    page.until("the overview has a row", "probe.all('.processes tr[data-name]').length");
    page
}

/// Open the log of all processes.
pub(crate) fn open_log(chromium: &Chromium, world: &World, web: &WebServer<'_>) -> Page {
    let page = open(chromium, world, web);
    page.click("Log");
    page.until("the log has lines", "probe.lines().length > 20");
    page
}

/// A number from the page.
pub(crate) fn float(page: &Page, expression: &str) -> f64 {
    page.value(expression).as_f64().unwrap()
}

/// Numbers from the page.
pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().filter_map(Value::as_f64).collect()
}

/// The delays of the lines shown since the last call.
pub(crate) fn latencies(page: &Page) -> Vec<f64> {
    floats(&page.value("bench.lines.splice(0).map(([, after]) => after)"))
}

/// The memory of both processes of the server, in MiB.
pub(crate) fn server_mib(web: &WebServer<'_>) -> f64 {
    memory_mib(web.guardian()) + memory_mib(web.pid())
}
