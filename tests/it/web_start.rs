//! Starting, opening, restarting and ending `tmo web`.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use pretty_assertions::assert_eq;

use crate::harness::ports::free_port;
use crate::harness::procs::{self, kill};
use crate::harness::{Ran, World, eventually, executable, pause};
use crate::web::{Browser, Web, pid_of, request, shop};
use crate::web_server::{WebServer, link_in};

const QUIET: &str = "web: exec sleep 1000\n";

/// A world in which these programs of the user record their calls. Of other programs, only those of the system are
/// found.
fn with_programs(procfile: &str, programs: &[&str]) -> World {
    let world = World::new(procfile);
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in programs {
        let calls = world.path().join("calls").display().to_string();
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >>'{calls}'\n");
        executable(&bin.join(name), &script);
    }
    // tmux, sh and the like, but no browser.
    let tools = world.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for name in ["sh", "sleep", "tmux", "seq", "ps"] {
        let found = which::which(name).unwrap();
        std::os::unix::fs::symlink(found, tools.join(name)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), tools.display());
    world.env("PATH", &path)
}

/// The calls of the programs.
fn calls(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn first_call(world: &World) -> String {
    eventually("the program is called", || calls(world).pop())
}

#[test]
fn the_browser_is_opened_once_with_the_address_that_is_printed() {
    let world = with_programs(QUIET, &["xdg-open", "open"]);
    let web = WebServer::start_as(&world, world.tmo(["web", "--port", "0", "--open"]));
    let (_, address) =
        first_call(&world).split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(address, web.link);
    assert_eq!(Browser::log_in(&address).ask("GET /me").status, 200);
    assert!(web.output().contains("\nWeb UI available at http://"), "{}", web.output());
    assert!(web.output().contains("\nPress Ctrl+C to stop\n"), "{}", web.output());
    web.end();
    assert_eq!(calls(&world).len(), 1);
}

#[test]
fn nothing_is_opened_unless_it_is_wanted() {
    let world = with_programs(QUIET, &["xdg-open", "open", "chromium"]);
    for (args, variable) in [
        (&["web", "--port", "0"][..], ("A", "1")),
        (&["web", "--port", "0", "--no-ui"], ("TMO_UI_WINDOW", "1")),
        (&["web", "--port", "0", "--open"], ("NO_UI_LAUNCH", "1")),
    ] {
        let mut command = world.tmo(args);
        command.env(variable.0, variable.1);
        let web = WebServer::start_as(&world, command);
        assert_eq!(Browser::log_in(&web.link).ask("GET /me").status, 200);
        web.end();
        assert_eq!(calls(&world), [""; 0], "{args:?} {variable:?}");
    }
}

#[test]
fn an_app_window_is_opened_or_the_default_browser_with_a_notice() {
    let world = with_programs(QUIET, &["xdg-open", "open", "brave-browser"]);
    let web = WebServer::start_as(&world, world.tmo(["web", "--port", "0", "--window"]));
    assert_eq!(first_call(&world), format!("brave-browser --app={}", web.link));
    web.end();

    for variable in ["TMO_UI_WINDOW", "USE_PYTHON_WEBVIEW"] {
        let world = with_programs(QUIET, &["xdg-open", "open"]);
        let mut command = world.tmo(["web", "--port", "0"]);
        command.env(variable, "1");
        let web = WebServer::start_as(&world, command);
        assert!(first_call(&world).ends_with(&format!("open {}", web.link)), "{variable}");
        let notice = "no browser with app windows was found";
        assert!(web.output().contains(notice), "{variable}: {}", web.output());
        web.end();
    }
}

#[test]
fn no_program_of_the_project_opens_the_page() {
    let world = with_programs(QUIET, &[]);
    let calls_of_project = world.path().join("calls");
    let script = format!("#!/bin/sh\necho project >>'{}'\n", calls_of_project.display());
    world.write("xdg-open", &script);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.app().join("xdg-open"), mode).unwrap();
    let path = world.variables().iter().rfind(|(name, _)| name == "PATH").unwrap().1.clone();
    let mut command = world.tmo(["web", "--port", "0", "--open"]);
    command.env("PATH", format!(".:{}:{path}", world.app().display()));
    let web = WebServer::start_as(&world, command);
    eventually("it says so", || web.output().contains("open the link yourself").then_some(()));
    web.end();
    assert_eq!(calls(&world), [""; 0]);
}

#[test]
fn a_restart_replaces_the_server_and_no_request_fails() {
    let world = shop();
    let web = Web::start(&world);
    let run = web.run();
    let before = (web.server(), pid_of(&web.get(&format!("{run}/api/state")), "web"));
    let (done, failed, asked) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let answer = web.ask("GET /me");
                    asked.fetch_add(1, Ordering::Relaxed);
                    if answer.is_none_or(|answer| answer.status != 200) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    pause(Duration::from_millis(20));
                }
            });
        }
        // Restarts and requests must overlap on a machine of any speed.
        while asked.load(Ordering::Relaxed) < 300 {
            let server = web.server();
            let answer = web.ask("POST /api/restart").unwrap();
            assert_eq!((answer.status, &answer.json()["pid"]), (202, &server.into()));
            eventually("another server serves", || {
                let status = web.get("/api/status");
                (status["web"]["pid"] != server).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(failed.load(Ordering::Relaxed), 0);
    let after = (web.server(), pid_of(&web.get(&format!("{run}/api/state")), "web"));
    assert!(before.0 != after.0 && before.1 == after.1, "{before:?} {after:?}");
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

/// A way to end a run of `tmo server`.
#[derive(Debug, Clone, Copy)]
enum End {
    Button,
    Quit,
    CtrlC,
}

#[test]
fn button_quit_and_ctrl_c_end_run_and_page_alike() {
    for how in [End::Button, End::Quit, End::CtrlC] {
        let world = World::new(QUIET);
        let server = WebServer::start_as(&world, world.tmo(["server", "--no-ui", "--port", "0"]));
        let web = Web::of(server);
        assert_eq!(web.get("/api/processes")[0]["status"], "running", "{how:?}");
        let host = web.host.clone();
        match how {
            End::Button => assert_eq!(web.ask("POST /api/shutdown").unwrap().status, 202),
            End::Quit => _ = world.ok(["quit"]),
            End::CtrlC => kill(web.server.guardian(), nix::libc::SIGINT),
        }
        let out = world.path().join("web.out");
        web.server.wait();
        let out = std::fs::read_to_string(out).unwrap();
        assert!(out.contains("the run is over; the page ends"), "{how:?}: {out}");
        world.wait_empty();
        assert!(world.state().is_none(), "{how:?}");
        assert!(request(&host, "GET /", "", "").is_none(), "{how:?}");
        let left = crate::harness::files(&world.path().join("run"));
        assert!(left.is_empty(), "{how:?}: {left:?}");
    }
}

#[test]
fn a_run_that_was_up_already_goes_on_after_ctrl_c() {
    let world = World::new(QUIET);
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    let server = WebServer::start_as(&world, world.tmo(["server", "--no-ui", "--port", "0"]));
    let out = world.path().join("web.out");
    server.end();
    let out = std::fs::read_to_string(out).unwrap();
    assert!(out.contains("the run goes on; `tmo quit` ends it"), "{out}");
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn what_is_only_looked_at_is_not_started_again() {
    let world = World::new(QUIET);
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let again = format!("{}/again", web.run());
    world.ok(["quit"]);
    let proposed = eventually("the run is over for the page, too", || {
        Some(web.ask(&format!("GET {again}")).unwrap()).filter(|proposed| proposed.status == 200)
    });
    let again = format!("{again}?digest={}", proposed.json()["digest"].as_str().unwrap());
    let looked = web.ask(&format!("HEAD {again}")).unwrap();
    assert_eq!((looked.status, &*looked.body), (200, ""), "{looked:?}");
    assert!(world.state().is_none(), "nothing runs");
    assert_eq!(web.ask(&format!("POST {again}")).unwrap().status, 202);
    world.wait_state("web", "running");
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_page_shows_only_the_run_that_was_named() {
    let world = shop();
    std::fs::create_dir(world.path().join("other")).unwrap();
    std::fs::write(world.path().join("other/Procfile"), "db: exec sleep 1000\n").unwrap();
    let server =
        WebServer::start_as(&world, world.tmo(["server", "--no-ui", "--port", "0", "../other"]));
    let web = Web::of(server);
    let runs = web.get("/runs");
    let titles: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|r| &r["title"]).collect();
    assert_eq!(titles, ["other"]);
    assert_eq!(web.get("/api/processes")[0]["name"], "db");
    // There is no other server, so it says what this one shows.
    let all = world.run(["web", "--link"]);
    assert_eq!(all.code, 0, "{all:?}");
    assert!(all.stderr.contains("shows only ") && all.stderr.contains("/other\n"), "{all:?}");
    assert!(!all.stdout.contains("/r/"), "{all:?}");
    assert!(world.ok(["web", "--share", "db", "../other"]).starts_with("http"));
    assert!(world.ok(["web", "../other"]).contains("runs already"));
    // One that shows all runs would be a second one.
    let both = world.run(["web"]);
    assert!(both.code == 1 && both.stderr.contains("tmo web runs already at port "), "{both:?}");
    let second = world.run(["server", "--no-ui"]);
    assert!(second.code == 1 && second.stderr.contains("tmo web runs already"), "{second:?}");
    assert_eq!(web.ask("POST /api/shutdown").unwrap().status, 202);
    web.server.wait();
    world.wait_state("web", "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_link_leads_to_the_run_of_this_project() {
    let world = shop();
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "db: exec sleep 1000\n").unwrap();
    let there = |args: &[&str]| Ran::of(&world.tmo(args).current_dir(&other).output().unwrap());
    let port = free_port().to_string();
    let all = WebServer::start_as(&world, world.tmo(["web", "--port", &port]));
    // The page of the user is there already.
    let started = there(&["start", "-D", "--web"]);
    assert!(started.stdout.contains(&format!(":{port}/#login=")), "{started:?}");
    let refused = there(&["start", "-D", "--if-needed", &format!("--web={}", free_port())]);
    let runs = format!("can't serve the page: tmo web runs already at port {port}");
    assert!(refused.stderr.contains(&runs), "{refused:?}");
    let own = there(&["web", "--link"]);
    let here = Ran::of(&world.tmo(["web", "--link"]).output().unwrap());
    assert!(here.stderr.contains(&format!("port {port} shows all runs")), "{here:?}");
    let run = |link: &str| {
        let link = link_in(link).unwrap();
        let (_, run) = link.split_once("/r/").unwrap_or_else(|| panic!("{link}"));
        (link.clone(), run.to_owned())
    };
    let (link, shop) = run(&here.stdout);
    assert!(link.contains(&format!(":{port}/#login=")), "{link}");
    let runs = Browser::log_in(&link).ask("GET /runs").json();
    let is_shop = |run: &&serde_json::Value| run["id"] == *shop;
    let found = runs["runs"].as_array().unwrap().iter().find(is_shop).unwrap();
    assert_ne!(found["title"], "other");
    // The first link leads there, too, and so does that of the server that runs already.
    assert_eq!(run(&all.link).1, shop);
    assert_eq!(run(&world.ok(["web"])).1, shop);
    assert_ne!(run(&own.stdout).1, shop);
    // Elsewhere there is no project.
    let elsewhere = Ran::of(&world.tmo(["web", "--link"]).current_dir("/").output().unwrap());
    assert!(elsewhere.code == 0 && !elsewhere.stdout.contains("/r/"), "{elsewhere:?}");
    all.end();
    assert_eq!(there(&["quit"]).code, 0);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_start_whose_page_gets_no_port_says_why() {
    let world = World::new(QUIET);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let out = world.run(["start", "-D", &format!("--web={port}")]);
    let why = format!("can't serve the page: port {port} is taken");
    assert!(out.code == 0 && out.stderr.contains(&why), "{out:?}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_mistyped_word_is_answered_with_the_command_that_was_meant() {
    let world = World::new(QUIET);
    for (word, command) in [
        ("stop", "tmo web --stop"),
        ("users", "tmo web user list"),
        ("link", "tmo web --link"),
        ("sesions", "tmo web sessions"),
    ] {
        let out = world.run(["web", word]);
        let meant = format!("did you mean `{command}`?");
        assert!(out.code == 2 && out.stderr.contains(&meant), "{out:?}");
        assert_eq!(out.stderr.lines().count(), 1, "{out:?}");
    }
    let server = world.run(["server", "stop"]);
    assert!(server.code == 2 && server.stderr.contains("`tmo quit` ends a run"), "{server:?}");
}

#[test]
fn start_with_a_page_serves_it_until_the_run_ends() {
    let world = World::new(QUIET);
    let out = world.ok(["start", "-D", "--web"]);
    let link = link_in(&out).unwrap();
    let browser = Browser::log_in(&link);
    assert_eq!(browser.ask("GET /api/processes").json()[0]["name"], "web");
    let server = world.part("web-background").unwrap();
    // Neither supervisor nor guardian is its parent.
    let parent = tmo::sys::info(server).unwrap().ppid;
    assert!(![world.supervisor(), world.guardian()].contains(&parent), "{parent}");
    // Replacing the supervisor does not affect the server.
    kill(world.supervisor(), nix::libc::SIGKILL);
    eventually("another one answers", || world.state());
    assert!(procs::alive(server));
    assert_eq!(browser.ask("GET /api/processes").json()[0]["status"], "running");
    world.ok(["quit"]);
    world.wait_empty();
    let log = std::fs::read_to_string(world.journal().join("web.log")).unwrap();
    assert!(log.contains("the run is over; the page ends") && !log.contains("login="), "{log}");
}

#[test]
fn a_server_is_ended_by_command_and_the_run_goes_on() {
    let world = World::new(QUIET);
    world.ok(["start", "-D"]);
    let none = world.run(["web", "--stop"]);
    assert!(none.code == 1 && none.stderr.contains("no web server runs here"), "{none:?}");
    let web = WebServer::start(&world);
    assert!(world.ok(["web", "--stop"]).contains("ends"));
    web.wait();
    world.wait_state("web", "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_project_names_its_page_and_can_do_without_figures() {
    let world = World::new(QUIET);
    world.write("tmo.toml", "[web]\ntitle = \"My <Services>\"\nmetrics = false\n");
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let runs = web.get("/runs");
    assert_eq!(
        (&runs["runs"][0]["title"], &runs["runs"][0]["metrics"]),
        (&"My <Services>".into(), &false.into())
    );
    assert_eq!(web.get("/api/state")["title"], "My <Services>");
    let metrics = web.get("/api/metrics");
    assert_eq!(
        (&metrics["enabled"], metrics["processes"].as_array().unwrap().len()),
        (&false.into(), 0)
    );
    // Other settings are not accepted there.
    world.write("tmo.toml", "[web]\nhost = \"0.0.0.0\"\n");
    let refused = world.run(["check"]);
    assert!(refused.code == 1 && refused.stderr.contains("host"), "{refused:?}");
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}
