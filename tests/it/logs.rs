//! `tmo logs`: queries of the log.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Ran, Terminal, World, eventually, procs};

/// Lines that differ in what a search could stumble over.
const PRINT: &str = "web: for i in $(seq 1 400); do case $((i % 7)) in \
    0) printf '\\033[31merror\\033[0m at %d\\n' $i;; 1) echo \"Error: $i\";; 2) echo;; \
    3) printf 'half\\rwhole %d\\n' $i;; 4) printf 'tab\\tand  blanks %d  \\n' $i;; \
    *) echo \"line $i of many\";; esac; done; echo done; exec sleep 1000\n\
    api: echo ready; while read x; do echo \"got $x\"; done\n";

fn printed() -> World {
    let world = World::new(PRINT);
    world.ok(["start", "-D"]);
    eventually("all of it", || world.ok(["logs", "-n", "3", "web"]).contains("done").then_some(()));
    world
}

/// What `grep` makes of the lines as they look.
fn grep(world: &World, lines: &str, args: &[&str]) -> String {
    let mut grep = world.command("grep");
    grep.args(["-E", "-a"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = grep.env("LC_ALL", "C.UTF-8").spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines = lines.to_owned();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let found = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    String::from_utf8(found).unwrap()
}

fn json(world: &World, args: &[&str]) -> Vec<Value> {
    let text = world.ok(["logs", "--json"].iter().chain(args));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["text"].as_str()).collect()
}

#[test]
fn logs_grep_finds_the_same_lines_as_grep() {
    let world = printed();
    let all = json(&world, &["web"]);
    let lines: String = texts(&all).iter().map(|line| format!("{line}\n")).collect();
    let table: [&[&str]; 12] = [
        &["error"],
        &["error", "-i"],
        &["^error at [0-9]+$"],
        &["error", "-v"],
        &["error", "-i", "-v"],
        &["^$"],
        &["^$", "-v"],
        &["^Error", "-C", "2"],
        &["line 2", "-A", "3"],
        &["at 77$", "-B", "5"],
        &["line (5|6|300) ", "-C", "9"],
        &["nowhere", "-C", "3"],
    ];
    for args in table {
        let (expression, flags) = args.split_first().unwrap();
        let expected = grep(&world, &lines, &[flags, &["-e", expression]].concat());
        let found = world.run([&["logs", "web", "--json", "--grep", expression], flags].concat());
        let found: Vec<Value> =
            found.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected: Vec<&str> = expected.lines().filter(|line| *line != "--").collect();
        // What is no line counts by its words.
        let found: Vec<&str> = found
            .iter()
            .filter(|entry| entry["event"].is_null())
            .filter_map(|entry| entry["text"].as_str())
            .collect();
        assert_eq!(found, expected, "{args:?}");
    }
    let groups = |flags: &[&str]| world.ok([&["logs", "web", "--no-prefix"], flags].concat());
    let breaks = |text: &str| text.lines().filter(|line| *line == "--").count();
    assert_eq!(breaks(&groups(&["--grep", "of many", "-C", "0"])), 0);
    assert_eq!(breaks(&groups(&["--grep", "at (7|70|77)$", "-C", "1"])), 2);
    let last = world.ok(["logs", "web", "--no-prefix", "--grep", "Error", "-n", "2"]);
    assert_eq!(last, "Error: 393\nError: 400\n");
    world.ok(["quit"]);
}

#[test]
fn since_and_until_select_the_lines_between_them() {
    let world = printed();
    world.type_into("api", "one");
    eventually("it", || world.ok(["logs", "api"]).contains("got one").then_some(()));
    let all = json(&world, &["api"]);
    let (first, last) = (all.first().unwrap(), all.last().unwrap());
    assert_eq!((first["event"].as_str(), last["text"].as_str()), (Some("start"), Some("got one")));
    let time = |entry: &Value| entry["time"].as_str().unwrap().to_owned();
    let all_of = |args: &[&str]| json(&world, &[&["api"], args].concat());
    assert_eq!(all_of(&["--since", &time(first), "--until", &time(last)]), all);
    assert_eq!(all_of(&["--since", &time(last)]).last(), Some(last));
    assert!(!all_of(&["--since", &time(last)]).contains(first));
    assert_eq!(all_of(&["--until", &time(first)]).first(), Some(first));
    assert!(!all_of(&["--until", &time(first)]).contains(last));
    assert_eq!(all_of(&["--since", "1h"]), all);
    assert_eq!(all_of(&["--since", "now"]), Vec::<Value>::new());
    assert_eq!(all_of(&["--until", "10m"]), Vec::<Value>::new());
    world.ok(["quit"]);
}

#[test]
fn logs_selects_lines_by_run_and_by_life() {
    let world = World::new("web: echo life $PPID; exec sleep 1000\n");
    for run in 1..=3 {
        world.ok(["start", "-D"]);
        world.wait_state("web", "running");
        eventually("it speaks", || {
            let log = world.ok(["logs", "web", "--no-prefix", "--all-runs"]);
            (log.lines().count() == run).then_some(())
        });
        if run < 3 {
            world.ok(["quit"]);
        }
    }
    world.ok(["restart", "web"]);
    let lines = || -> Vec<String> {
        let log = world.ok(["logs", "web", "--no-prefix", "--all-runs"]);
        log.lines().map(str::to_owned).collect()
    };
    eventually("its second life", || (lines().len() == 4).then_some(()));
    let lines = lines();
    let of = |args: &[&str]| world.ok([&["logs", "web", "--no-prefix"], args].concat());
    assert_eq!(of(&["--run", "1"]), format!("{}\n{}\n", lines[2], lines[3]));
    assert_eq!(of(&["--run", "3"]), format!("{}\n", lines[0]));
    assert_eq!(of(&["--since-restart"]), format!("{}\n", lines[3]));
    let ran = world.run(["logs", "--run", "4"]);
    assert!(ran.code == 1 && ran.stderr.contains("there is no run 4"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn context_shows_lines_of_other_processes_around_a_match() {
    let world = World::new(
        "web: while read x; do echo web $x; done\napi: while read x; do echo api $x; done\n",
    );
    world.ok(["start", "-D"]);
    for name in ["web", "api"] {
        world.wait_state(name, "running");
    }
    let seen = |line: &str| {
        eventually(line, || world.ok(["logs", "--no-prefix"]).contains(line).then_some(()));
    };
    world.type_into("api", "before");
    seen("api before");
    world.type_into("web", "crash");
    seen("web crash");
    world.type_into("api", "after");
    seen("api after");
    let around = |args: &[&str]| world.ok([&["logs", "--no-prefix"], args].concat());
    let all = around(&["--around", "web crash", "-C", "1h"]);
    for line in ["api before\n", "web crash\n", "api after\n"] {
        assert!(all.contains(line), "{all}");
    }
    let close = around(&["--around", "web crash", "-C", "0"]);
    assert!(close.contains("web crash\n") && !close.contains("api after"), "{close}");
    assert_eq!(around(&["api", "--around", "web crash", "-C", "1h"]), "", "no line of the api's");
    world.ok(["quit"]);
    assert!(around(&["--around", "web crash", "-C", "1h"]).contains("api after\n"));
}

#[test]
fn every_output_format_of_logs_is_as_documented() {
    let world = World::new("web: printf '\\033[1mbold\\033[0m\\nplain\\nopen'; exit 3\n");
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(world.ok(["logs", "web", "--raw"]), "\u{1b}[1mbold\u{1b}[0m\r\nplain\r\nopen");
    let lines = "bold\nplain\nopen\n";
    assert_eq!(world.ok(["logs", "web", "--no-prefix"]), lines);
    let all = json(&world, &["web"]);
    let keys = |entry: &Value| entry.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(texts(&all), ["bold", "plain", "open"]);
    assert_eq!(keys(&all[1]), ["cursor", "life", "name", "text", "time"]);
    let open = all.iter().find(|entry| entry["text"] == "open").unwrap();
    assert_eq!(open["unfinished"], true);
    let exit = all.iter().find(|entry| entry["event"] == "exit").unwrap();
    assert_eq!(
        (&exit["code"], &exit["name"], &exit["life"]),
        (&3.into(), &"web".into(), &1.into())
    );
    let events = json(&world, &["--events"]);
    assert!(events.iter().all(|entry| entry["event"].is_string()), "{events:?}");
    assert!(events.iter().any(|entry| entry["event"] == "end"), "{events:?}");
    let ran = world.run(["logs", "web", "--no-prefix", "--max-bytes", "12"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("plain\nopen\n", 0), "{ran:?}");
    assert!(ran.stderr.contains(" of output) is left out: `--before "), "{ran:?}");
    assert_eq!(world.ok(["logs", "web", "--no-prefix", "--max-bytes", "1k"]), lines);
    let stamped = world.ok(["logs", "-T", "web", "--grep", "plain"]);
    assert!(stamped.ends_with(" web    | plain\n") && stamped.len() > 20, "{stamped}");
}

#[test]
fn a_bounded_part_of_the_log_says_how_to_read_on_in_both_directions() {
    let world = World::new(
        "web: for n in $(seq 200); do echo $n; [ $n -eq 100 ] && head -c 5000 /dev/zero | tr '\\0' x && echo; done; true\n",
    );
    world.run(["start"]);
    let place = |ran: &Ran, flag: &str| {
        let (_, rest) = ran.stderr.split_once(&format!("`{flag} "))?;
        Some(rest.split('`').next().unwrap().to_owned())
    };
    let part = |more: &[&str]| {
        let ran = world.run([&["logs", "web", "--no-prefix", "--max-bytes", "300"], more].concat());
        assert!(ran.code == 0 && ran.stdout.len() < 400, "{ran:?}");
        ran
    };
    // Each number once, whichever way they are read; of a line that is too long, the beginning.
    let numbers =
        |text: &str| -> Vec<u64> { text.lines().filter_map(|line| line.parse().ok()).collect() };
    let (mut up, mut ran) = (vec![], part(&[]));
    loop {
        up.splice(0..0, numbers(&ran.stdout));
        let Some(before) = place(&ran, "--before") else { break };
        ran = part(&["--before", &before]);
    }
    assert_eq!(up, (1..=200).collect::<Vec<_>>());
    let (mut down, mut cut) = (numbers(&ran.stdout), 0);
    while let Some(after) = place(&ran, "--after") {
        ran = part(&["--after", &after]);
        if ran.stdout.is_empty() {
            break;
        }
        cut += usize::from(ran.stdout.contains("xxx… (the rest of this line is left out)\n"));
        down.extend(numbers(&ran.stdout));
    }
    assert_eq!((down, cut), (up, 1));
    // With a pattern, and with a number of lines.
    let ran = part(&["--grep", "^[0-9]*7$", "-n", "3"]);
    assert_eq!(ran.stdout, "177\n187\n197\n");
    let before = place(&ran, "--before").unwrap();
    assert_eq!(part(&["--grep", "^[0-9]*7$", "-n", "2", "--before", &before]).stdout, "157\n167\n");
    assert!(ran.stderr.contains("; what comes later: `--after "), "{ran:?}");
    let after = place(&ran, "--after").unwrap();
    assert_eq!(part(&["--grep", "7", "--after", &after]).stdout, "", "all of it was searched");
    // As JSON, each line stays an object.
    let long = world.run(["logs", "web", "--json", "--max-bytes", "300", "--grep", "xxx"]);
    let line: serde_json::Value = serde_json::from_str(&long.stdout).unwrap();
    assert!(
        line["text"].as_str().unwrap().ends_with("(the rest of this line is left out)"),
        "{line}"
    );
    assert_eq!(world.run(["logs", "--before", "1.0"]).code, 2, "only with --max-bytes");
}

#[test]
fn a_line_of_many_records_is_printed_as_one() {
    let world = World::new(
        "web: echo a; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo b; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    eventually("all of it", || world.ok(["logs", "-n", "1", "web"]).contains("b\n").then_some(()));
    let all = json(&world, &["web"]);
    let lengths: Vec<usize> = texts(&all).iter().map(|text| text.len()).collect();
    assert_eq!(lengths, [1, 5_000_000, 1]);
    let found = json(&world, &["web", "--grep", "^x{3}", "-C", "1"]);
    assert_eq!(texts(&found).iter().map(|text| text.len()).collect::<Vec<_>>(), lengths);
    world.ok(["quit"]);
}

#[test]
fn logs_can_be_read_after_a_crash() {
    let world = printed();
    let before = world.ok(["logs", "web", "--no-prefix", "--grep", "many", "-n", "5"]);
    let server = world.terminal_server();
    crate::takeover::kill_both(&world);
    if let Some(server) = server {
        procs::kill(server, 9);
        eventually("tmux is gone", || (!procs::alive(server)).then_some(()));
    } else {
        let shim = world.shim("web");
        world.close_terminal("web");
        eventually("its shim is gone", || (!procs::alive(shim)).then_some(()));
    }
    assert_eq!(world.ok(["logs", "web", "--no-prefix", "--grep", "many", "-n", "5"]), before);
    assert!(world.ok(["logs", "--around", "done"]).contains("| done\n"));
    let mut view = world.start([""; 0]);
    view.shows("| done\n");
    assert_eq!(view.interrupt(), 0);
    // Native terminals outlive the supervisor, so the view only joined their run, and has left it.
    world.run(["quit"]);
    world.wait_empty();
}

#[test]
fn a_following_search_continues_with_new_lines() {
    let world = World::new("web: while read x; do echo $x; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let log = world.path().join("found");
    let mut follow = world.tmo(["logs", "-f", "--no-prefix", "--grep", "^wanted"]);
    let mut follow = follow.stdout(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let found = || std::fs::read_to_string(&log).unwrap();
    for at in 1..=3 {
        world.type_into("web", "other");
        world.type_into("web", &format!("wanted {at}"));
        eventually("it is found", || found().contains(&format!("wanted {at}\n")).then_some(()));
    }
    world.ok(["quit"]);
    let status = eventually("it ends with the run", || follow.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let lines: Vec<String> = found().lines().map(str::to_owned).collect();
    // Typed and echoed by the terminal, then printed.
    assert!(lines.iter().all(|line| line.starts_with("wanted ")), "{lines:?}");
}

#[test]
fn meaningless_queries_are_refused_with_the_reason() {
    let world = World::new("web: echo up\n");
    world.run(["start"]);
    let table: [(&[&str], &str); 8] = [
        (&["--grep", "a(b"], "invalid regular expression `a(b`: unclosed group"),
        (&["--since", "soon"], "`soon` is not a valid time; write 10m,"),
        (&["--around", "x", "-C", "far"], "`far` is not a valid time"),
        (&["--grep", "x", "-C", "2s"], "-C takes a number of lines here"),
        (&["-i"], "required"),
        (&["--run", "0"], "0 is not in 1.."),
        (&["--max-bytes", "many"], "a number of bytes is needed"),
        (&["--json", "--raw"], "cannot be used with"),
    ];
    for (args, why) in table {
        let ran = world.run([&["logs"], args].concat());
        assert!(ran.code == 2 && ran.stderr.contains(why), "{args:?}: {ran:?}");
    }
}

/// An HTTP request over the control socket; the body of the answer.
fn http(world: &World, line: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn page(world: &World, query: &str) -> Value {
    let (status, body) = http(world, &format!("GET /api/lines?{query}"));
    assert_eq!(status, 200, "{query}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn the_api_pages_through_the_journal() {
    let world = printed();
    let all = json(&world, &["web"]);
    let (mut found, mut after) = (vec![], String::new());
    loop {
        let page = page(&world, &format!("name=web&limit=37{after}"));
        found.extend(page["lines"].as_array().unwrap().iter().cloned());
        if page["more"] == false {
            break;
        }
        after = format!("&after={}", page["next"].as_str().unwrap());
    }
    assert_eq!(found, all, "the same, whatever the pages");
    let texts = |query: &str| {
        let page = page(&world, query);
        texts(page["lines"].as_array().unwrap()).join("|")
    };
    assert_eq!(texts("name=web&last=2"), "Error: 400|done");
    assert_eq!(texts("name=web&grep=%5EError%3A+39&limit=9"), "Error: 393");
    assert_eq!(texts("name=web&grep=ERROR%3A&ignore-case&last=1"), "Error: 400");
    assert_eq!(texts("since=now"), "");
    let events = page(&world, "events=1");
    assert!(events["lines"].as_array().unwrap().iter().all(|line| line["event"].is_string()));
    for (query, status, why) in [
        ("grep=(", 400, "invalid regular expression"),
        ("since=soon", 400, "is not a valid time"),
        ("after=x", 400, "is not a valid cursor"),
        ("name=nosuch", 404, "unknown"),
        ("what=1", 400, "there is no `what` here"),
    ] {
        let (code, body) = http(&world, &format!("GET /api/lines?{query}"));
        assert!(code == status && body.contains(why), "{query}: {code} {body}");
    }
    world.ok(["quit"]);
}

#[test]
fn the_api_follows_and_resumes_at_a_cursor() {
    let world = World::new("web: while read x; do echo got $x; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let follow = |from: &str| {
        let stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
        let request = format!("GET /api/events?lines=1&name=web HTTP/1.1\r\nHost: x\r\n{from}\r\n");
        (&stream).write_all(request.as_bytes()).unwrap();
        BufReader::new(stream)
    };
    let until = |stream: &mut BufReader<UnixStream>, what: &str| -> Vec<String> {
        let mut lines = vec![];
        loop {
            let mut line = String::new();
            assert!(stream.read_line(&mut line).unwrap() > 0, "{what} did not come: {lines:?}");
            lines.push(line.trim_end().to_owned());
            if line.contains(what) {
                return lines;
            }
        }
    };
    let mut first = follow("");
    until(&mut first, "200 OK");
    // Until it is there nothing is missed: it was asked for before.
    world.type_into("web", "one");
    let lines = until(&mut first, "\"got one\"");
    let id = lines.iter().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(first);
    world.type_into("web", "two");
    eventually("it", || world.ok(["logs", "web"]).contains("got two").then_some(()));
    let mut second = follow(&format!("Last-Event-ID: {id}\r\n"));
    let lines = until(&mut second, "\"got two\"");
    assert!(!lines.join("").contains("got one"), "{lines:?}");
    world.ok(["restart", "web"]);
    until(&mut second, "event: exit");
    until(&mut second, "event: start");
    world.ok(["quit"]);
    until(&mut second, "event: end-of-run");
}

#[test]
fn a_cleared_log_begins_anew() {
    let world = World::new(
        "web: seq 200000; while IFS= read -r x; do echo \"got $x\"; done\nworker: echo secret\n",
    );
    world.write(".env", "TMO_LOG_PER_PROCESS=256KiB\n");
    world.ok(["start", "-D", "--any-can-die"]);
    eventually("all of it", || world.ok(["logs"]).contains("web    | 200000\n").then_some(()));
    eventually("it", || world.ok(["logs"]).contains("secret").then_some(()));
    let reported = world.ok(["logs", "--clear"]);
    assert!(reported.starts_with("The log is cleared. "), "{reported}");
    assert!(
        reported.contains(" of disk space freed.\nNot deleted: what terminals show"),
        "{reported}"
    );
    for asked in [&["logs"][..], &["logs", "-n", "5"], &["logs", "--run", "1"], &["events"]] {
        assert_eq!(world.ok(asked.iter().copied()), "", "{asked:?}");
    }
    assert_eq!(world.ok(["logs", "--around", "secret"]), "");
    world.type_into("web", "one");
    eventually("it", || world.ok(["logs", "web"]).contains("got one").then_some(()));
    assert_eq!(world.ok(["logs", "web", "--since", "1h", "--no-prefix"]), "one\ngot one\n");
    assert_eq!(world.run(["logs", "web", "--clear"]).code, 2, "of all or of none");
    world.ok(["quit"]);
    let reported = world.ok(["logs", "--clear"]);
    assert!(
        reported.starts_with("The log is cleared. ")
            && reported.contains(" of disk space freed.\n")
    );
    assert_eq!(world.ok(["logs", "--path"]), "");
    assert_eq!(world.ok(["logs"]), "");
    // The next run has nothing of it, and nothing is missing of its own.
    world.ok(["start", "-D", "--any-can-die"]);
    eventually("all of it", || world.ok(["logs"]).contains("web    | 200000\n").then_some(()));
    world.ok(["quit"]);
}

#[test]
fn an_unfinished_line_outlives_a_clearing_and_is_named() {
    let world = World::new(
        "web: echo up; printf 'half'; touch half; read x; echo ' done'; exec sleep 1000\napi: echo up; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "up");
    world.wait_text("api", "up");
    eventually("it is named", || {
        let cleared = world.ok(["logs", "--clear"]);
        assert!(!cleared.contains("line of api"), "{cleared}");
        assert!(cleared.contains("what the file system has freed but not yet overwritten"));
        cleared.contains("Not deleted: the unfinished line of web.\n").then_some(())
    });
    world.type_into("web", "");
    world.wait_text("web", "half");
    world.ok(["quit"]);
}

#[test]
fn logs_n_shows_the_last_events_or_matches() {
    let world = World::new("web: for i in 1 2 3 4 5; do echo line $i; done; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "| line 5\n");
    let all = world.ok(["events"]);
    let last: Vec<_> = all.lines().rev().take(2).collect();
    assert!(all.lines().count() > 1, "{all}");
    let two = world.ok(["events", "-n", "2"]);
    assert_eq!(two.lines().rev().collect::<Vec<_>>(), last, "{two}");
    assert_eq!(world.ok(["events", "-n", "2", "--json"]).lines().count(), 2);
    assert_eq!(world.ok(["logs", "--events", "-n", "1"]).lines().count(), 1);
    let found = world.ok(["logs", "--no-prefix", "--grep", "line", "-n", "2"]);
    assert_eq!(found, "line 4\nline 5\n");
    let out = std::fs::File::create(world.app().join("out")).unwrap();
    let mut command = world.tmo(["logs", "--no-prefix", "-f", "-n", "1", "--grep", "line"]);
    let mut follower = command.stdout(out).spawn().unwrap();
    eventually("the last match", || (world.read("out") == "line 5\n").then_some(()));
    world.ok(["restart", "web"]);
    eventually("what comes follows", || {
        world.read("out").ends_with("line 4\nline 5\n").then_some(())
    });
    assert!(world.read("out").starts_with("line 5\nline 1\n"), "{}", world.read("out"));
    world.ok(["quit"]);
    follower.wait().unwrap();
    world.wait_empty();
}

#[test]
fn an_error_of_standard_output_is_reported_as_such() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it is in the log", || world.ok(["logs"]).contains("| up\n").then_some(()));
    for args in ["logs", "logs --raw", "logs -n 1", "logs --json", "logs --max-bytes 9999"] {
        let ran = world.shell(&format!("{} {args} >/dev/full", env!("CARGO_BIN_EXE_tmo")));
        assert_eq!(ran.code, 1, "{args}: {ran:?}");
        assert_eq!(ran.stderr, "tmo: standard output: no space left on device\n", "{args}");
    }
    world.ok(["quit"]);
}

#[test]
fn a_group_selects_its_processes_wherever_names_are_taken() {
    let quiet = "trap 'exit 0' INT; while :; do sleep 1000 & wait $!; done";
    let line = |name: &str| format!("{name}: echo this is {name}; {quiet}\n");
    let world = World::new(&["cart", "auth", "else"].map(line).concat());
    let groups = ["cart", "auth"].map(|name| format!("[process.{name}]\ngroups = [\"core\"]\n"));
    world.write("tmo.toml", &groups.concat());
    world.ok(["start", "-D"]);
    for name in ["cart", "auth", "else"] {
        world.wait_text(name, &format!("| this is {name}\n"));
    }
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines.join("|")
    };
    let both = "this is auth|this is cart";
    for words in [&["@core"][..], &["cart,auth"], &["@core,cart"], &["cart", "auth"]] {
        let printed = world.ok(["logs", "--no-prefix"].iter().chain(words));
        assert_eq!(sorted(&printed), both, "{words:?}");
    }
    let started = world.ok(["events", "@core"]);
    assert!(started.matches("Started with pid").count() == 2, "{started}");
    assert_eq!(
        sorted(
            &texts(page(&world, "name=@core&types=process:log")["lines"].as_array().unwrap())
                .join("\n")
        ),
        both
    );
    assert_eq!(world.run(["why", "@core"]).code, 0);
    assert_eq!(world.ok(["wait", "@core", "--for", "log", "this is"]), "");
    let several = "@core means several processes (cart, auth); name one";
    for args in [&["connect", "@core"][..], &["screen", "@core"], &["send", "@core", "x"]] {
        let ran = world.run(args);
        assert!(ran.code == 1 && ran.stderr.contains(several), "{args:?}: {}", ran.stderr);
    }
    for args in [&["logs", "@cor"][..], &["echo", "@cor"], &["why", "@cor"], &["screen", "@cor"]] {
        let ran = world.run(args);
        assert!(ran.code == 2 && ran.stderr.contains("@core"), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(world.run(["logs", "@core,wbe"]).code, 2);
    world.ok(["quit"]);
    // The groups are known after the run, too.
    assert_eq!(sorted(&world.ok(["logs", "@core", "--no-prefix"])), both);
}

#[test]
fn the_last_lines_of_a_silent_process_are_what_tmo_said_of_it() {
    let world = World::new("web: echo hi; exec sleep 1000\nquiet: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "| hi\n");
    world.wait_text("quiet", "Started with pid");
    let ends = |args: &[&str], end: &str| {
        let printed = world.ok(["logs", "-n", "4"].iter().chain(args));
        assert!(printed.contains(end), "{args:?}: {printed}");
    };
    ends(&["quiet"], "quiet  | Started with pid");
    ends(&["quiet", "--json"], "\"event\":\"start\"");
    ends(&["quiet", "--since", "1h"], "quiet  | Started with pid");
    ends(&["quiet", "--grep", "pid"], "quiet  | Started with pid");
    ends(&["web"], "web    | Started with pid");
    ends(&[], "web    | hi\n");
    assert_eq!(world.ok(["logs", "web", "-n", "1"]), "web    | hi\n");
    let last = page(&world, "name=quiet&last=4");
    assert_eq!(last["lines"][0]["event"], "start", "{last}");
    world.ok(["quit"]);
}

#[test]
fn the_log_of_a_process_holds_what_tmo_says_of_it() {
    let world = World::new(
        "web: trap 'exit 0' INT; echo FATAL; while :; do sleep 1000 & wait $!; done\n\
         api: exec sleep 1000\n",
    );
    world.write(
        "tmo.toml",
        "[process.web]\nfailure = [{ pattern = \"FATAL\", action = \"break\" }]\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "Exited with");
    let said = |text: &str| {
        for words in ["Broken: ", "Interrupting..."] {
            assert!(text.contains(words), "{words}: {text}");
        }
    };
    said(&world.ok(["logs", "web"]));
    let all = page(&world, "name=web");
    said(&all.to_string());
    assert!(!page(&world, "name=api").to_string().contains("Broken: "));
    // Pages from the end have them, too; those of one kind do not.
    said(&page(&world, "name=web&before=end&limit=50&styles=true").to_string());
    let output = page(&world, "name=web&types=process:log");
    assert_eq!(texts(output["lines"].as_array().unwrap()), ["FATAL"]);
    world.run(["quit"]);
}

#[test]
fn a_program_that_draws_the_whole_screen_is_one_row_of_the_log() {
    let world = World::new(
        "web: echo before; printf '\\033[?1049h\\033[2J'; seq 101 130; echo > drawn; \
         while [ ! -e go ]; do sleep 0.05; done; printf 'bottom\\033[?1049l'; echo after; \
         exec sleep 1000\n\
         api: while [ ! -e drawn ]; do sleep 0.05; done; echo beside it; exec sleep 1000\n",
    );
    let view = world.start([""; 0]);
    view.shows("web    | full screen: tmo connect web\n");
    view.shows("api    | beside it\n");
    world.write("go", "");
    view.shows("web    | after\n");
    let drawing = ["120", "bottom"];
    let log = view.log();
    assert!(drawing.iter().all(|text| !log.contains(&format!("| {text}"))), "{log}");
    let lines = "before\nfull screen: tmo connect web\nafter\n";
    assert_eq!(world.ok(["logs", "web", "--no-prefix"]), lines);
    assert_eq!(world.ok(["logs", "web", "--no-prefix", "-n", "2"]), lines["before\n".len()..]);
    assert_eq!(world.ok(["logs", "web", "--no-prefix", "--grep", "12"]), "");
    let raw = world.ok(["logs", "web", "--raw"]);
    assert!(drawing.iter().all(|text| raw.contains(text)), "{raw}");
    // As overmind prints it.
    let exact = world.tmo(["logs", "web"]).env("CLICOLOR_FORCE", "1").output().unwrap().stdout;
    let exact = String::from_utf8(exact).unwrap();
    let line = |text: &str| format!("\u{1b}[0m | {text}\n");
    for text in ["before", "\u{1b}[?1049h\u{1b}[2J101", "130", "bottom\u{1b}[?1049lafter"] {
        assert!(exact.contains(&line(text)), "{text:?} in {exact:?}");
    }
    let printed = |query: &str| {
        let page = page(&world, &format!("name=web&types=process:log&{query}"));
        let lines = page["lines"].as_array().unwrap().clone();
        lines
            .iter()
            .map(|line| line["text"].as_str().unwrap().to_owned() + "\n")
            .collect::<String>()
    };
    assert_eq!(printed("limit=9"), lines);
    assert_eq!(printed("before=end&limit=9&styles=true"), lines);
    world.ok(["quit"]);
}

#[test]
fn a_program_that_never_leaves_the_alternate_screen_does_not_hide_later_lines() {
    let world = World::new("web: cat switch; seq 300; exec sleep 1000\n");
    let switch = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nasty/alternate-screen");
    std::fs::copy(switch, world.app().join("switch")).unwrap();
    let view = world.start([""; 0]);
    view.shows("web    | full screen: tmo connect web\n");
    view.shows("web    | 300\n");
    let lines = world.ok(["logs", "web", "--no-prefix"]);
    let (drawn, later) = lines.split_once("connect web\n").unwrap();
    assert_eq!(drawn, "before\nfull screen: tmo ");
    let expected: String = (201..=300).map(|number| format!("{number}\n")).collect();
    assert_eq!(later, expected);
    world.ok(["quit"]);
}

#[test]
fn a_cleared_password_is_nowhere_and_no_line_is_lost() {
    let world = World::new(
        "web: read x; echo \"password: hun\"\"ter2\"; read x; i=0; while [ $i -lt 20000 ]; do \
         seq -f 'line %.0f' $i $((i+99)); i=$((i+100)); sleep 0.01; done; echo done; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.type_into("web", "");
    world.wait_text("web", "password: hunter2");
    world.type_into("web", "");
    eventually("it prints", || {
        world.run(["logs", "-n", "1", "web"]).stdout.contains("line").then_some(())
    });
    let before = world.ok(["logs", "web", "--json", "-n", "1"]);
    let before: Value = serde_json::from_str(before.trim()).unwrap();
    world.ok(["logs", "--clear"]);
    let found = world.shell("grep -ra hunter2 ..");
    assert_eq!((found.stdout.as_str(), found.code), ("", 1), "{found:?}");
    let number = |line: &str| line.strip_prefix("line ").and_then(|n| n.parse::<u32>().ok());
    eventually("all of it", || {
        world.run(["logs", "-n", "3"]).stdout.contains("done").then_some(())
    });
    let all = world.ok(["logs", "web", "--no-prefix"]);
    let numbers: Vec<u32> = all.lines().filter_map(number).collect();
    let first = numbers.first().copied().unwrap_or(20_000);
    let shown = before["text"].as_str().and_then(number);
    assert!(shown.is_none_or(|shown| shown <= first), "{shown:?} {first}");
    assert_eq!(
        numbers,
        (first..20_000).collect::<Vec<_>>(),
        "{} {all}",
        crate::harness::NEVER_FLAKY
    );
    world.ok(["quit"]);
    let found = world.shell("grep -ra hunter2 ..");
    assert_eq!(found.stdout, "");
}

#[test]
fn the_newest_run_is_shown_unless_others_are_asked_for() {
    let world = World::new("web: echo run $(cat n); exec sleep 1000\n");
    for number in 1..=3 {
        world.write("n", &number.to_string());
        world.ok(["start", "-D"]);
        world.wait_text("web", &format!("run {number}"));
        if number < 3 {
            world.ok(["quit"]);
        }
    }
    let newest = world.run(["logs", "web"]);
    assert!(newest.stdout.contains("run 3") && !newest.stdout.contains("run 2"), "{newest:?}");
    assert!(newest.stderr.ends_with("run 3 of 3; `--all-runs`\n"), "{newest:?}");
    let all = world.run(["logs", "web", "--all-runs"]);
    assert!(all.stdout.contains("run 1") && all.stdout.contains("run 3"), "{all:?}");
    assert_eq!(all.stderr, "");
    assert!(world.ok(["logs", "web", "-n", "50"]).contains("run 1"));
    let older = world.run(["logs", "web", "--run", "2"]);
    assert!(older.stdout.contains("run 2") && older.stderr.is_empty(), "{older:?}");
    let followed = world.run(["logs", "web", "--run", "2", "-f"]);
    assert_eq!((followed.code, followed.stdout), (0, older.stdout), "nothing is added to it");
    world.ok(["quit"]);
    assert!(!world.ok(["logs"]).contains("run 2"), "the last one when none runs");
}

#[test]
fn a_log_longer_than_the_screen_goes_through_the_pager() {
    let world = World::new("web: seq 100; exec sleep 1000\n").env("PAGER", "sed s/^/paged:/");
    world.ok(["start", "-D"]);
    world.wait_text("web", "100");
    let terminal = Terminal::open(&world, "a", 100, 24);
    terminal.tmo("logs");
    terminal.wait("paged:web    | 100");
    terminal.tmo("logs -n 90");
    terminal.wait("\nweb    | 100");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_last_lines_are_no_more_than_asked_for() {
    let world = World::new("web: seq 5; exit 0\nworker: sleep 1000\n");
    world.ok(["start", "-D", "--any-can-die"]);
    world.ok(["wait", "web", "--for", "exit"]);
    world.ok(["quit"]);
    for number in 1..=9 {
        let rows = world.ok(["logs", "-n", &number.to_string()]);
        assert_eq!(rows.lines().count(), number, "{rows}");
    }
}

#[test]
fn empty_lines_of_a_cleared_screen_are_in_no_reading() {
    let world = World::new(
        "web: echo one; i=0; while [ $i -lt 27 ]; do echo; i=$((i+1)); done; read x; \
         printf '\\033[1;1H\\033[0J'; printf '  VITE\\n\\n\\033[2J\\033[3Jtwo\\n'; exec sleep 1000\n\
         other: read x; echo later; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    let file = world.path().join("followed");
    let mut follow = world.tmo(["logs", "-f", "--json"]);
    let mut follow = follow.stdout(std::fs::File::create(&file).unwrap()).spawn().unwrap();
    // `other` prints the line break that is typed, too.
    let texts = |entries: String| -> Vec<String> {
        let entries = entries.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let printed = entries.filter(|entry| entry["event"].is_null());
        let texts = printed.filter_map(|entry| Some((entry["text"].as_str()?.to_owned(), entry)));
        let shown = texts.filter(|(text, entry)| !text.is_empty() || entry["name"] == "web");
        shown.map(|(text, _)| text).collect()
    };
    let followed = || texts(std::fs::read_to_string(&file).unwrap());
    let follows = |text: &str| {
        eventually(text, || followed().iter().any(|line| line == text).then_some(()));
    };
    follows("one");
    let stored = format!("cat {}/web.*log", world.journal().display());
    eventually("the empty lines are stored", || {
        (world.shell(&stored).stdout.matches('\n').count() >= 28).then_some(())
    });
    world.type_into("other", "");
    follows("later");
    world.type_into("web", "");
    follows("two");
    assert_eq!(followed(), ["one", "later", "  VITE", "two"]);
    assert_eq!(texts(world.ok(["logs", "--json", "web"])), ["one", "  VITE", "two"]);
    let query = "GET /api/lines?name=web&limit=100&before=end&styles=true";
    let page = crate::api::ask(&world, query, "", "").json();
    let runs = page["lines"].as_array().unwrap().iter().filter(|line| line["event"].is_null());
    let runs: Vec<&Value> = runs.map(|line| &line["runs"]).collect();
    let text = |text: &str| serde_json::json!([{ "text": text }]);
    assert_eq!(runs, [&text("one"), &text("  VITE"), &text("two")], "{page}");
    world.ok(["quit"]);
    follow.wait().unwrap();
}

#[test]
fn a_bounded_answer_names_a_place_that_exists_and_what_it_leaves_out() {
    let world = World::new("web: seq 500; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "500");
    let ran = world.run(["logs", "--max-bytes", "200", "--grep", "4"]);
    let (_, after) = ran.stderr.rsplit_once("--after ").unwrap();
    let (_, skip) = after.trim_end().trim_end_matches('`').split_once('.').unwrap();
    assert!(skip.parse::<u32>().unwrap() < 100_000, "{ran:?}");
    let after = after.trim_end().trim_end_matches('`');
    let rest = world.run(["logs", "--max-bytes", "200", "--grep", "4", "--after", after]);
    assert_eq!(rest.stdout, "");
    assert!(ran.stderr.contains("what is before this ("), "{ran:?}");
    world.ok(["quit"]);
}
