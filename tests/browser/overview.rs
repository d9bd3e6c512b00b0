//! The overview: states, buttons, shutting down, and hundreds of processes.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::chromium::Chromium;
use crate::harness::ports::free_port;
use crate::harness::procs::kill;
use crate::harness::{World, eventually};
use crate::page::Page;
use crate::web_server::WebServer;

const SHOP: &str = "\
web: exec sleep 1000
api: exec sleep 1000
worker: echo no; exit 3
done: true
";

#[test]
fn each_process_is_shown_with_its_state_and_obeys_its_buttons() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(SHOP);
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    for (name, word) in
        [("web", "running"), ("api", "running"), ("worker", "exit 3"), ("done", "exited")]
    {
        page.shows_state(name, word);
    }
    let first = world.field("web", "pid");
    let api = world.field("api", "pid");
    page.click("Stop web");
    page.shows_state("web", "stopped");
    page.click("Start web");
    page.shows_state("web", "running");
    let second = world.field("web", "pid");
    assert_ne!(second, first);
    page.click("Restart web");
    eventually("web has another pid", || {
        let pid = world.field("web", "pid");
        (pid.is_u64() && pid != second).then_some(())
    });
    page.shows_state("web", "running");
    for what in ["stop", "start", "restart"] {
        let count = format!("probe.requests('/api/processes/web/{what}') === 1");
        page.until(&format!("one request to {what}"), &count);
    }
    assert_eq!(world.field("api", "pid"), api);
    assert_eq!(world.field("done", "pid"), json!(null));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn port_and_its_link_are_what_the_process_listens_on() {
    let Some(chromium) = Chromium::find() else { return };
    let (one, two) = (free_port(), free_port());
    let (low, high) = (one.min(two), one.max(two));
    let world = World::new(&format!(
        "web: exec perl -MIO::Socket::INET -e '@s = map {{ IO::Socket::INET->new(LocalAddr => \
         \"127.0.0.1\", LocalPort => $_, Listen => 9) or die }} @ARGV; sleep 1000' {low} {high}\n\
         worker: exec sleep 1000\n"
    ));
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let of = |name: &str| format!("document.querySelector('tr[data-name=\"{name}\"] .port a')");
    let href = format!("{}.getAttribute('href') === ", of("web"));
    let named = "`http://web.app.localhost:${location.port}/`";
    page.until("the link opens what listens, by its name", &format!("{href}{named}"));
    let told = world.port(1);
    page.until("nothing listens", &format!("{}.innerText === '–'", of("worker")));
    assert_eq!(page.value(&format!("{}.getAttribute('href')", of("worker"))), json!(null));
    assert_eq!(page.text(&format!("{}.title", of("web"))), format!("also listens on {high}"));
    let title = format!("does not listen; its PORT is {told}");
    assert_eq!(page.text(&format!("{}.title", of("worker"))), title);
    page.value("document.querySelector('tr[data-name=\"web\"] th a').click()");
    let links = "probe.all('.panel dd a[href^=\"http://\"]').map((a) => `${a.hostname} ${a.innerText}`).join()";
    let both = format!("{links} === 'web.app.localhost {low},localhost {high}'");
    page.until("the page of the process has both", &both);
    page.value("history.back()");
    world.ok(["quit"]);
    page.until("there is no link once the run is over", &format!("{href}null"));
    page.end();
    web.end();
}

#[test]
fn what_was_asked_to_stop_has_not_failed() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\nworker: exit 3\n");
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("worker", "exit 3");
    page.click("Stop api");
    page.shows_state("api", "stopped");
    let summary = "document.querySelector('.summary').innerText";
    page.until("it is counted as ended", &format!("{summary}.includes('1 running · 1 failed')"));
    page.until("the title names the failure", "document.title.startsWith('▲ worker')");
    let notes = "probe.texts('tr.note:not([hidden])').join()";
    assert!(!page.text(notes).contains("signal"), "{}", page.text(notes));
    world.ok(["quit"]);
    page.until("all have ended", &format!("{summary}.includes('0 running · 1 failed')"));
    page.end();
    web.end();
}

#[test]
fn restarting_all_asks_once_and_leaves_alone_what_was_stopped_or_is_complete() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: exec sleep 1000\n\
         api: exec sleep 1000\n\
         worker: echo no; exit 3\n\
         migration: echo done\n\
         console: printf 'Continue? [y/N] '; read answer\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("worker", "exit 3");
    page.shows_state("migration", "exited");
    page.click("Stop api");
    page.shows_state("api", "stopped");
    page.until("the console waits", "document.body.innerText.includes('waits for an answer')");
    let lives = |name: &str| world.field(name, "lives");
    let (first, before) = (world.field("web", "pid"), lives("worker").as_u64().unwrap());
    page.click("Restart all");
    let asks = "document.querySelector('dialog[open]')?.innerText";
    page.until("it asks", asks);
    let text = page.text(asks);
    for part in ["the 2 processes that run", "failed: worker", "console waits for an answer"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(world.field("web", "pid"), first);
    page.click_at("//dialog//button[.='Restart']");
    eventually("web has another pid", || {
        let pid = world.field("web", "pid");
        (pid.is_u64() && pid != first).then_some(())
    });
    eventually("worker has run again", || (lives("worker").as_u64() > Some(before)).then_some(()));
    // A request is counted when its answer has come.
    page.until("one request", "probe.requests('/api/restart') === 1");
    page.shows_state("api", "stopped");
    assert_eq!((lives("api"), lives("migration")), (json!(1), json!(1)));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_failure_comes_first_in_the_overview_with_its_cause_which_is_asked_for_once() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: exec sleep 1000\n\
         api: exec sleep 1000\n\
         worker: read line <go; echo 'Error: connect ECONNREFUSED 127.0.0.1:5432' >&2; exit 1\n",
    );
    nix::unistd::mkfifo(&world.app().join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("worker", "running");
    let names = "probe.all('tr[data-name]').map((row) => row.dataset.name)";
    assert_eq!(page.value(names), json!(["web", "api", "worker"]));
    std::fs::write(world.app().join("go"), "\n").unwrap();
    page.shows_state("worker", "exit 1");
    page.until("it comes first", &format!("{names}.join() === 'worker,web,api'"));
    page.until("the cause", "probe.texts('tr.note').join().includes('port 5432')");
    world.ok(["stop", "api"]);
    page.shows_state("api", "stopped");
    assert_eq!(page.number("probe.requests('/api/processes/worker/why')"), 1);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_process_is_restarted_by_key_and_by_menu_with_one_request_each() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("web", "running");
    let restarted = |pid: &serde_json::Value| {
        let is_new = |now: &serde_json::Value| now.is_u64() && now != pid;
        eventually("web has another pid", || Some(world.field("web", "pid")).filter(is_new))
    };
    let (first, api) = (world.field("web", "pid"), world.field("api", "pid"));
    page.value("document.querySelector('tr[data-name=web] th a').focus()");
    page.types("r");
    let second = restarted(&first);
    // A request is counted when its answer has come.
    page.until("one request", "probe.requests('/api/processes/web/restart') === 1");
    page.shows_state("web", "running");
    let at = page.value(
        "(({ left, top }) => ({ x: left + 30, y: top + 8 }))(document.querySelector('tr[data-name=web]').getBoundingClientRect())",
    );
    for kind in ["mousePressed", "mouseReleased"] {
        let event =
            json!({ "type": kind, "x": at["x"], "y": at["y"], "button": "right", "clickCount": 1 });
        page.devtools("Input.dispatchMouseEvent", &event);
    }
    page.until("the menu is shown", "document.querySelector('.menu')");
    let items = page.value("probe.texts('.menu button')");
    assert_eq!(
        items,
        json!([
            "Stop",
            "Restart",
            "Terminal",
            "Log",
            "Details",
            "Signal …",
            "Scale …",
            "Copy restart as curl"
        ])
    );
    page.click("Restart");
    restarted(&second);
    page.until("another one", "probe.requests('/api/processes/web/restart') === 2");
    assert_eq!(page.number("probe.all('.menu').length"), 0);
    assert_eq!(world.field("api", "pid"), api);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn shutting_down_asks_first_and_the_page_reports_the_end() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let asks = "['Shut down app?', 'stops 2 processes'].every((part) => document.querySelector('dialog[open]')?.innerText.includes(part))";
    page.click("Shut down");
    page.until("it asks", asks);
    page.click("Cancel");
    page.until("the dialog is gone", "!document.querySelector('dialog')");
    assert_eq!(world.wait_state("web", "running"), pid);
    page.click("Shut down");
    page.until("it asks", asks);
    page.click_at("//dialog//button[.='Shut down']");
    world.wait_state_gone();
    let reports =
        "document.body.innerText.includes('This run is over: it ended as it was asked to')";
    page.until("the page reports it", reports);
    page.until("nothing can be shut down", "probe.all('button.danger:not([hidden])').length === 0");
    let acts = "probe.all('.acts button:not([hidden], .log-link)').length";
    page.until("nothing can be started", &format!("{acts} === 0"));
    page.end();
    web.end();
    world.wait_empty();
}

#[test]
fn a_run_that_is_over_says_which_process_ended_it() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\napi: read line <go; exit 3\n");
    nix::unistd::mkfifo(&world.app().join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("api", "running");
    world.ok(["restart", "web"]);
    std::fs::write(world.app().join("go"), "\n").unwrap();
    let banner = "document.querySelector('.banner').innerText";
    let says = format!("{banner}.includes('it ended because api exited with code 3')");
    page.until("the page says it", &says);
    page.reload();
    page.until("it says it again", &says);
    let restarts = "document.querySelector('tr[data-name=\"web\"] .col-restarts').innerText";
    page.until("its restarts are known", &format!("{restarts} === '1'"));
    page.end();
    web.end();
    world.wait_empty();
}

#[test]
fn each_process_counts_once_in_the_status_line_which_is_whole_on_a_phone() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new(
        "web: exec sleep 1000\nworker: exit 3\nflaky: exit 4\n\
         console: printf 'Continue? [y/N] '; read answer\n",
    );
    world.write(
        "tmo.toml",
        "[process.flaky]\nrestart = { policy = \"always\", delay = \"600s\" }\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("flaky", "restarting");
    page.shows_state("worker", "exit 3");
    let summary = "document.querySelector('.summary')";
    let counts = "1 running · 1 failed · 1 waiting for an answer · 1 restarting · up";
    page.until("each counts once", &format!("{summary}.innerText.startsWith('{counts}')"));
    page.resize(390, 844);
    page.until("the size", "innerWidth === 390");
    page.until("nothing is cut", &format!("{summary}.scrollWidth <= {summary}.clientWidth"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_page_of_a_process_that_runs_has_its_command() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.click_at("//th/a[starts-with(.,'web')]");
    page.until("the command", "probe.texts('dl dd').includes('exec sleep 1000')");
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// How many processes the large project has; each costs this machine a shell and a terminal.
const MANY: usize = 120;

/// Half of the processes are in the group `back`.
fn large_project() -> World {
    let world = World::new("");
    let lines = (1..=MANY).map(|at| format!("p{at}: exec sleep 1000\n"));
    world.write("Procfile", &lines.collect::<String>());
    let groups = (1..=MANY / 2).map(|at| format!("[process.p{at}]\ngroups = [\"back\"]\n"));
    world.write("tmo.toml", &groups.collect::<String>());
    world.ok(["start", "-D"]);
    world
}

#[test]
fn hundreds_of_processes_are_shown_in_groups_and_a_change_touches_one_row() {
    let Some(chromium) = Chromium::find() else { return };
    let world = large_project();
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.until("all have rows", &format!("probe.all('tr[data-name]').length === {MANY}"));
    page.until("all have tiles", &format!("probe.all('.tile.kind-good').length === {MANY}"));
    let back = "//button[contains(@class, 'fold') and contains(., 'back')]";
    page.click_at(back);
    let shown = "probe.all('tr[data-name]').filter((row) => row.checkVisibility()).length";
    page.until("the group is folded", &format!("{shown} === {}", MANY / 2));
    page.click_at(back);
    page.until("the group is unfolded", &format!("{shown} === {MANY}"));

    // The times below the timeline become more as the run grows older.
    let count = "probe.elements() - probe.all('.timeline-axis *').length";
    let elements = page.number(count);
    page.value("(probe.rows = probe.all('tr[data-name]'), null)");
    world.ok(["stop", "p7"]);
    page.shows_state("p7", "stopped");
    page.until("its tile", &format!("probe.all('.tile.kind-good').length === {}", MANY - 1));
    let kept = "probe.all('tr[data-name]').every((row, at) => row === probe.rows[at])";
    assert_eq!(page.value(kept), json!(true), "a row was made again");
    assert_eq!(page.number(count), elements);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn a_group_in_which_something_failed_comes_first() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\ndb: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.api]\ngroups = [\"back\"]\n[process.db]\ngroups = [\"data\"]\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let order = "probe.all('tr[data-name]').map((row) => row.dataset.name).join()";
    page.until("their order", &format!("{order} === 'web,api,db'"));
    kill(world.wait_state("db", "running").unwrap(), nix::libc::SIGKILL);
    page.until("its group comes first", &format!("{order} === 'db,web,api'"));
    world.ok(["start", "db"]);
    page.until("it is back", &format!("{order} === 'web,api,db'"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

/// Buttons of a group act on what the filter shows, after a question.
#[test]
fn the_buttons_of_a_group_ask_and_leave_alone_what_is_filtered_out() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\ndb: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.api]\ngroups = [\"back\"]\ndisplay = \"The API\"\n[process.db]\ngroups = [\"back\"]\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("db", "running");
    let db = world.field("db", "pid");
    let api = world.field("api", "pid");
    page.click("Restart group back");
    page.until("it asks", "document.querySelector('dialog').innerText.includes('the 2 processes')");
    page.click("Cancel");
    page.value("(document.querySelector('.filter').hidden = false, null)");
    page.value(
        "(document.querySelector('.filter').value = 'the api', \
         document.querySelector('.filter').dispatchEvent(new Event('input')), null)",
    );
    let shown = "probe.all('tr[data-name]').filter((row) => row.checkVisibility()).map((row) => row.dataset.name).join()";
    page.until("it is filtered by what is shown", &format!("{shown} === 'api'"));
    page.click("Stop group back");
    page.until(
        "it asks",
        "document.querySelector('dialog').innerText.includes('1 process: The API.')",
    );
    page.click_at("//dialog[@open]//button[.='Stop']");
    page.shows_state("api", "stopped");
    assert_eq!(world.field("db", "pid"), db);
    assert_ne!(world.field("api", "pid"), api);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_timeline_is_folded_and_unfolded_and_stays_so_after_a_reload() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    let fold = "//section[@class='timeline']//button[contains(@class, 'fold')]";
    let button = "document.querySelector('.timeline .fold')";
    let is_open = |lanes: usize, is_open: bool| {
        let seen = "probe.all('.timeline .lane').filter((lane) => lane.checkVisibility()).length";
        let expanded = format!("{button}?.getAttribute('aria-expanded') === '{is_open}'");
        page.until(
            &format!("{lanes} lanes are shown"),
            &format!("{seen} === {lanes} && {expanded}"),
        );
    };
    is_open(2, true);
    page.click_at(fold);
    is_open(0, false);
    page.reload();
    page.shows_state("web", "running");
    is_open(0, false);
    // That of the log is another matter.
    page.click("Log");
    is_open(2, true);
    page.click("Overview");
    is_open(0, false);
    page.click_at(fold);
    is_open(2, true);
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn of_a_process_that_restarts_for_ever_the_newest_marks_are_kept() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    // What the server would send only after hours.
    let kept = page.value(
        "import(document.querySelector('script[src]').src.replace('app.js', 'timeline/marks.js')).then(({ Marks }) => { \
         const marks = new Marks('run'); \
         const start = (life) => ({ event: 'start', name: 'web', life, time: '2026-01-01T00:00:00Z', cursor: `${life}.0` }); \
         for (let at = 0; at < 50; at += 1) marks.add(Array.from({ length: 1000 }, (_, life) => start(at * 1000 + life)), false); \
         const all = marks.of.get('web'); \
         return [all.length, all.at(-1).cursor]; })",
    );
    assert_eq!(kept, json!([20_000, "49999.0"]));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn the_page_of_an_unknown_process_says_so_and_has_no_buttons() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("web", "running");
    let shown = "probe.all('.process-head > button, .process-head > a').filter((it) => it.checkVisibility()).length";
    let open = |name: &str| {
        page.value(&format!(
            "location.hash = location.hash.split('/').slice(0, 3).join('/') + '/process/{name}'"
        ));
    };
    open("nosuch");
    page.until(
        "it says so",
        "probe.texts('.process-page .pad').includes('No process has this name.')",
    );
    assert_eq!(page.value(shown), 0);
    open("web");
    page.until("those of web are shown", &format!("{shown} > 3"));
    page.end();
    web.end();
    world.ok(["quit"]);
}

#[test]
fn what_has_changed_since_it_was_started_is_marked_when_somebody_comes_back() {
    let Some(chromium) = Chromium::find() else { return };
    let world = World::new("web: exec sleep 1000\ndb: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let web = WebServer::start(&world);
    let page = Page::open(&chromium, &world, &web);
    page.shows_state("web", "running");
    let name = "probe.texts('.processes tr[data-name=\"web\"] th')[0]";
    // The look at the page a moment ago counts for some seconds.
    page.value(
        "void (window.looks = setInterval(() => window.dispatchEvent(new Event('focus')), 200))",
    );
    // The run began before the first page, so it has not been told the names of its processes.
    page.until("it is marked for its names", &format!("{name} === 'web *'"));
    world.ok(["restart", "--drifted"]);
    page.until("it is not marked", &format!("{name} === 'web'"));
    world.write("Procfile", "web: exec sleep 2000\ndb: exec sleep 1000\n");
    page.until("it is marked", &format!("{name} === 'web *'"));
    let title = page.text("document.querySelector('.processes tr[data-name=\"web\"] a').title");
    assert_eq!(title, "web; changed since its start: command");
    assert_eq!(page.text("probe.texts('.processes tr[data-name=\"db\"] th')[0]"), "db");
    world.ok(["restart", "--drifted"]);
    page.until("it is not marked any more", &format!("{name} === 'web'"));
    page.end();
    web.end();
    world.ok(["quit"]);
}
