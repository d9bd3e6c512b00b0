//! The transcripts of the documentation, `$ tmo …` with its output, are what tmo prints.

use std::net::TcpListener;
use std::path::Path;

use regex::{Regex, escape};

use crate::harness::{World, eventually};
use crate::web_server::WebServer;

/// Page, command and output of each.
pub(crate) fn transcripts() -> Vec<(String, String, Vec<String>)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pages = std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> =
        pages.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    pages.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    pages.sort();
    let mut found = vec![];
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((indent, command)) = line.split_once("$ tmo") else { continue };
            if !indent.trim().is_empty() {
                continue;
            }
            let mut output = vec![];
            let goes_on = |line: &&str| {
                line.starts_with(indent) && !line.starts_with("```") && !line.starts_with("$ tmo")
            };
            while let Some(line) = lines.next_if(goes_on) {
                output.push(line[indent.len()..].to_owned());
            }
            let page = page.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((page, format!("tmo{command}"), output));
        }
    }
    found
}

/// The output of a transcript as a pattern: numbers, what `…` stands for, and the name of the program that holds a
/// port are others in each run.
fn pattern(output: &[String]) -> Regex {
    let digits = Regex::new("[0-9]+").unwrap();
    let span = Regex::new("after [0-9.]+ m?s").unwrap();
    let mut lines = String::new();
    for line in output {
        if line.trim() == "…" {
            lines.push_str("(?:.*\n)*");
            continue;
        }
        let line = escape(line).replace('…', ".*").replace("taken by node", "taken by .+");
        let line = span.replace_all(&line.replace("\\.", "."), "after [0-9.]+ m?s").into_owned();
        lines
            .push_str(&digits.replace_all(&line, "[0-9]+").replace("[[0-9]+-[0-9]+.]+", "[0-9.]+"));
        lines.push('\n');
    }
    Regex::new(&format!("^{lines}$")).unwrap()
}

/// Assert that a command prints what its page says.
#[track_caller]
fn assert_prints(page: &str, command: &str, printed: &str) {
    let found = transcripts().into_iter().find(|(of, typed, _)| of == page && typed == command);
    let (.., output) = found.expect("the transcript");
    assert!(pattern(&output).is_match(printed), "{page} has {output:#?}, printed was:\n{printed}");
}

#[test]
fn each_transcript_is_tried_below() {
    let found = transcripts();
    let names: Vec<_> =
        found.iter().map(|(page, command, _)| format!("{page}: {command}")).collect();
    let tried = [
        "CONFIG.md: tmo reload",
        "CRASHES.md: tmo why",
        "CRASHES.md: tmo why web",
        "CRASHES.md: tmo crashes",
        "FLEET.md: tmo fleet",
        "FLEET.md: tmo fleet ps",
        "FLEET.md: tmo fleet restart '@web' --batch 1 --until ready",
        "FLEET.md: tmo fleet apply",
        "FLEET.md: tmo fleet apply",
        "FLEET.md: tmo export compose --with-tmo -m web=2 -o deploy",
        "FLEET.md: tmo fleet ps shop",
        "FLEET.md: tmo fleet why",
        "WEB.md: tmo start -D",
        "WEB.md: tmo web",
    ];
    assert_eq!(names, tried);
}

#[test]
fn a_reload() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    let process =
        |name: &str, more: &str| format!("[process.{name}]\ncommand = \"exec sleep 1000\"\n{more}");
    world.write("tmo.toml", &["web", "api", "db", "old"].map(|name| process(name, "")).concat());
    world.ok(["start", "-D"]);
    let changed = "ready = { delay = \"1ms\" }\nstop = { timeout = \"1s\" }\n";
    let all = [
        process("web", "").replace("1000", "2000"),
        process("api", ""),
        process("db", changed),
        process("new", ""),
    ];
    world.write("tmo.toml", &all.concat());
    assert_prints("CONFIG.md", "tmo reload", &world.ok(["reload"]));
    world.ok(["quit"]);
}

#[test]
fn a_crash() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let world = World::new(&format!(
        "web: echo starting; test -e again || {{ touch again; exec sleep 1000; }}; \
         echo 'Error: listen EADDRINUSE: address already in use :::{port}'; \
         echo '    at Server.setupListenHandle (server.js:12:16)'; exit 1\n\
         api: exec sleep 1000\n"
    ));
    world.write("server.js", &"//\n".repeat(20));
    world.ok(["start", "-D", "--can-die", "web"]);
    world.wait_text("web", "starting");
    world.run(["restart", "web"]);
    world.wait_state("web", "exited");
    let crashes = eventually("it is reported", || {
        let ran = world.run(["crashes"]);
        ran.stdout.contains("exit 1").then_some(ran.stdout)
    });
    assert_prints("CRASHES.md", "tmo crashes", &crashes);
    assert_prints("CRASHES.md", "tmo why", &world.run(["why"]).stdout);
    world.ok(["quit"]);
}

#[test]
fn a_failure_below_a_watcher() {
    let world = World::new(
        "web: printf \"Traceback (most recent call last):\\n  File \\\"posts/views.py\\\", line 10, in <module>\\n\
         KeyError: 'x'\\n[nodemon] app crashed - waiting for file changes before starting...\\n\"; \
         exec sleep 1000\n",
    );
    std::fs::create_dir(world.app().join("posts")).unwrap();
    world.write("posts/views.py", &"#\n".repeat(20));
    world.ok(["start", "-D"]);
    let printed = eventually("it is reported", || {
        let ran = world.run(["why", "web"]);
        ran.stdout.contains("has failed").then_some(ran.stdout)
    });
    assert_prints("CRASHES.md", "tmo why web", &printed);
    world.ok(["quit"]);
}

#[test]
fn the_page() {
    let world = World::new("web: exec sleep 1000\n");
    assert_prints("WEB.md", "tmo start -D", &world.ok(["start", "-D"]));
    let web = WebServer::start(&world);
    let printed = eventually("all is printed", || {
        let output = web.output();
        let end = output.find("Press Ctrl+C to stop\n")? + "Press Ctrl+C to stop\n".len();
        Some(output[..end].to_owned())
    });
    assert_prints("WEB.md", "tmo web", &printed);
    web.end();
    world.ok(["quit"]);
}
