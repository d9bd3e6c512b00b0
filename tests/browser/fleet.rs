//! The page of a fleet: the runs of several hosts, one of which is lost and comes back.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::fleet_hosts::{Fleet, login};
use crate::harness::procs;
use crate::page::Page;
use crate::web_server::WebServer;

const COUNTER: &str = "counter: n=0; while :; do n=$((n + 1)); echo \"tick $n\"; sleep 0.2; done\n";

/// Open a run in the list, by its host.
fn opens(page: &Page, host: &str) {
    page.click_at(&format!("//ul[contains(@class, 'runs')]//a[contains(@href, '{host}%3A')]"));
    page.until("its rows are there", "!!document.querySelector('.processes tr[data-name]')");
    assert!(
        page.text("document.querySelector('h1').textContent").starts_with(&format!("{host} / "))
    );
}

#[test]
fn runs_of_other_hosts_have_their_log_terminal_and_restart_and_a_lost_host_is_greyed() {
    let Some(chromium) = Chromium::find() else { return };
    let shell = "shell: while read line; do echo \"got $line\"; done\n";
    let fleet = Fleet::named(&[("arm", &format!("{COUNTER}{shell}")), ("k9", COUNTER)]);
    let file = fleet.here.read("fleet.toml");
    fleet.here.write("Procfile", "planner: exec sleep 1000\n");
    fleet.here.write("fleet.toml", &format!("{file}[host.desk]\nssh = \"local\"\n"));
    fleet.ok(&["start"]);
    let web = WebServer::start_with(&fleet.here, &["--fleet"]);
    let mut page = Page::open(&chromium, &fleet.here, &web);
    for host in ["arm", "k9"] {
        page.until(
            "the host has its run",
            &format!("!!document.querySelector('.runs a[href*=\"{host}%3A\"]')"),
        );
    }
    assert_eq!(page.value("probe.texts('.runs .host button')"), json!(["arm", "k9", "desk"]));
    opens(&page, "arm");
    for (width, height, name) in [(1440, 900, "wide"), (900, 700, "middle"), (390, 844, "phone")] {
        page.resize(width, height);
        page.picture(&format!("fleet-{name}"));
    }
    page.resize(1280, 800);

    // A host that is hostile can't lead a request for one of its runs elsewhere, or speak for another host.
    let frames = page.value(
        "import(new URL('lib/hosts.js', document.querySelector('script[type=module]').src)).then(({ ofHost }) => [
            ofHost('arm', { type: 'runs', runs: ['0a', '0/../../logout?', '', null].map((id) => ({ id })), host: 'k9' }),
            ofHost('arm', { type: 'state', run: 'k9:0a' })])",
    );
    assert_eq!(frames[0]["runs"], json!([{ "id": "arm:0a", "at": "arm" }]));
    assert_eq!((&frames[0]["host"], &frames[1]["run"]), (&json!("arm"), &json!("arm:k9:0a")));

    // A host that was in the list once, such as a task of an engine that has ended.
    page.value("void (location.hash = '#/r/gone%3A0a/overview')");
    page.until("it says so", "document.body.innerText.includes('gone is not among the hosts')");
    opens(&page, "arm");

    // Its log.
    page.click("Log");
    page.until("its lines arrive", "probe.lines().some((line) => line.includes('tick'))");
    page.picture("fleet-log");
    // A restart of one process.
    let arm = &fleet.hosts[0];
    let pid = arm.wait_state("counter", "running").unwrap();
    page.click("Overview");
    page.until("rows", "!!document.querySelector('tr[data-name=counter]')");
    page.click("Restart counter");
    crate::harness::eventually("it has another pid", || {
        (arm.wait_state("counter", "running") != Some(pid)).then_some(())
    });
    // Its terminal.
    page.value("void (location.hash = location.hash.split('/').slice(0, 3).join('/') + '/terminal?name=shell&look=0')");
    page.until("the terminal is there", "!!document.querySelector('.xterm')");
    page.click_at("//div[contains(@class, 'xterm-screen')]");
    page.types("hello\u{e007}");
    page.until("it answers", "probe.texts('.xterm-rows').join().includes('got hello')");
    page.picture("fleet-terminal");

    // The bridge to a host is cut, and the host does not answer.
    page.allow("Failed to load resource");
    page.allow("WebSocket connection");
    opens(&page, "k9");
    fleet.host("k9", "echo 'ssh: connect to host k9 port 22: No route to host' >&2; exit 255\n");
    let bridge = || {
        let all = fleet.hosts[1].living();
        all.iter()
            .find(|one| one.args.get(1).is_some_and(|verb| verb == "bridge"))
            .map(|one| one.pid)
    };
    let pid = bridge().unwrap();
    let memory = procs::memory(pid);
    assert!(memory < 40 << 10, "{memory} KiB");
    procs::kill(pid, nix::libc::SIGKILL);
    page.until("it is lost", "document.body.innerText.includes('k9 does not answer since')");
    page.until("it says why", "document.body.innerText.includes('No route to host')");
    page.until(
        "it is grey",
        "!!document.querySelector('.runs .host.lost') && !!document.querySelector('.runs a.lost')",
    );
    for (width, height, name) in [(1440, 900, "wide"), (900, 700, "middle"), (390, 844, "phone")] {
        page.resize(width, height);
        page.picture(&format!("fleet-lost-{name}"));
    }
    page.resize(1280, 800);
    // The others go on.
    opens(&page, "arm");
    page.click_at("//ul[contains(@class, 'runs')]//a[contains(@href, 'k9%3A')]");
    fleet.host("k9", &login(&fleet.hosts[1], "sh"));
    page.until("it is back", "!document.querySelector('.runs .host.lost')");
    page.until("its rows are back", "!!document.querySelector('tr[data-name=counter]')");
    page.click("Log");
    page.until("its lines arrive", "probe.lines().some((line) => line.includes('tick'))");
    page.end();
    web.end();
    for host in &fleet.hosts {
        crate::harness::eventually("the bridges end", || {
            let all = host.living();
            let is_bridge =
                |one: &procs::Proc| one.args.get(1).is_some_and(|verb| verb == "bridge");
            (!all.iter().any(is_bridge)).then_some(())
        });
        host.ok(["quit"]);
    }
    fleet.here.ok(["quit"]);
}
