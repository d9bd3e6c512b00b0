//! `split_stderr = true`: standard error of a process is a stream of its own in the log.

use serde_json::Value;

use crate::harness::{Terminal, World, eventually, files};
use crate::takeover::kill_both;

/// With a terminal and with a pipe in its place.
const KINDS: [&str; 2] = ["", "pty = false\n"];

/// A started run whose process `web` has standard error apart.
fn world(web: &str, rest: &str) -> World {
    let world =
        World::new(&format!("web: {web}\nother: echo both; echo merged >&2; exec sleep 1000\n"));
    let world = world.env("TMO_BACKEND", "native");
    world.write("tmo.toml", &format!("[process.web]\nsplit_stderr = true\n{rest}"));
    world.ok(["start", "-D"]);
    world
}

/// Wait for a line in the whole log.
#[track_caller]
fn wait_log(world: &World, text: &str) {
    eventually(text, || world.run(["logs"]).stdout.contains(text).then_some(()));
}

fn json(world: &World, args: &[&str]) -> Vec<Value> {
    let printed = world.ok([&["logs", "--json"], args].concat());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Process, stream and text of the lines.
fn lines(world: &World, args: &[&str]) -> Vec<String> {
    let lines = json(world, args).into_iter().filter(|line| line.get("event").is_none());
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or("none").to_owned();
    lines.map(|line| ["name", "stream", "text"].map(|key| word(&line, key)).join(" ")).collect()
}

#[test]
fn each_line_has_the_stream_that_it_was_written_to() {
    for kind in KINDS {
        let world = world(
            "await() { until [ -e $1 ]; do sleep 0.02; done; }; echo one; await a; echo two >&2; await b; \
             [ -t 2 ] && stty size <&2; printf 'no end' >&2; echo three; exec sleep 1000",
            kind,
        );
        for (line, file) in [("one", "a"), ("two", "b"), ("three", "c")] {
            wait_log(&world, &format!("web    | {line}\n"));
            world.write(file, "");
        }
        wait_log(&world, "other  | merged\n");
        let mut expected = vec!["web out one", "web err two", "web out three"];
        if kind.is_empty() {
            expected.insert(2, "web out 24 80");
        }
        assert_eq!(lines(&world, &["web"]), expected);
        assert_eq!(lines(&world, &["other"]), ["other none both", "other none merged"]);
        assert_eq!(lines(&world, &["--stream", "err"]), ["web err two"]);
        assert_eq!(lines(&world, &["web", "-n", "2"]), expected[expected.len() - 2..]);
        let out = world.ok(["logs", "--stream", "out", "--no-prefix", "web"]);
        assert!(out.starts_with("one\n") && !out.contains("two"), "{out}");
        assert!(world.ok(["logs", "-T"]).contains("web    | two\n"));
        let life = json(&world, &["web"]).iter().all(|line| line["life"] == 1);
        assert!(life, "both streams are of the same life");
        let page = world.ok(["logs", "web", "--since-restart", "--stream", "err"]);
        assert_eq!(page, "web    | two\n");
        assert_eq!(
            files(&world.journal())
                .iter()
                .filter(|f| f.to_string_lossy().contains("web@err"))
                .count(),
            2
        );
        world.ok(["stop", "web"]);
        assert_eq!(lines(&world, &["web", "--stream", "err"]), ["web err two", "web err no end"]);
        let bytes = if kind.is_empty() { 7 + 5 + 5 + 6 + 7 } else { 4 + 4 + 6 + 6 };
        let printed = world.field("web", "output_bytes").as_u64().unwrap();
        assert!(printed >= bytes, "{printed} bytes");
        world.ok(["quit"]);
        world.wait_empty();
    }
}

#[test]
fn the_last_words_on_standard_error_come_before_the_exit_and_explain_it() {
    for kind in KINDS {
        // Each life ends at once, so that the end is often taken together with the last words.
        let world = world(
            "echo begins; printf 'thread main panicked: life' >&2; exit 3",
            &format!(
                "restart = {{ policy = \"always\", delay = \"10ms\", max_failures = 0 }}\n{kind}"
            ),
        );
        eventually("ten lives", || {
            (world.ok(["logs", "web"]).matches("Exited with code 3").count() > 10).then_some(())
        });
        world.ok(["stop", "web"]);
        let all = json(&world, &["web"]).into_iter();
        let all =
            all.filter(|line| matches!(line["event"].as_str(), None | Some("start" | "exit")));
        let all: Vec<_> = all.collect();
        for (at, life) in all.chunks(4).enumerate().filter(|(_, life)| life.len() == 4) {
            let brief = life.iter().map(|line| line["event"].as_str().or(line["stream"].as_str()));
            let mut brief: Vec<_> = brief.map(Option::unwrap).collect();
            assert!(life.iter().all(|line| line["life"] == at + 1), "{life:?}");
            brief[1..3].sort_unstable();
            assert_eq!(brief, ["start", "err", "out", "exit"], "{life:?}");
        }
        let report = eventually("a report", || {
            let ran = world.run(["crashes", "show", "web"]);
            (ran.code == 0).then_some(ran.stdout)
        });
        assert!(report.contains("thread main panicked: life"), "{report}");
        world.ok(["quit"]);
        world.wait_empty();
    }
}

#[test]
fn patterns_are_found_on_standard_error() {
    let world = world(
        "printf 'half a ' ; echo up and ready >&2; until [ -e go ]; do sleep 0.02; done; echo fatal: disk >&2; \
         exec sleep 1000",
        "ready = { log = \"up and ready\" }\n[[process.web.failure]]\npattern = \"fatal:\"\naction = \"break\"\n\
         [[process.web.flag]]\npattern = \"disk\"\nname = \"disks\"\n",
    );
    world.ok(["wait", "web", "--for", "ready", "--timeout", "20s"]);
    kill_both(&world);
    world.ok(["ps"]);
    world.write("go", "");
    eventually("it is broken", || (world.field("web", "state") == "broken").then_some(()));
    assert_eq!(world.field("web", "flags")[0]["count"], 1);
    assert!(world.run(["why", "web"]).stdout.contains("fatal: disk"));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_person_who_connects_sees_both_streams() {
    let world = world(
        "echo out before; echo err before >&2; read -r line; echo out $line; echo err $line >&2; exec sleep 1000",
        "",
    );
    wait_log(&world, "web    | err before\n");
    eventually("both are on the screen", || {
        let screen = world.ok(["screen", "web"]);
        (screen.contains("out before") && screen.contains("err before")).then_some(())
    });
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("err before");
    terminal.line("typed");
    terminal.wait("out typed");
    terminal.wait("err typed");
    terminal.close();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn neither_stream_loses_anything_when_its_holder_and_the_supervisor_are_killed() {
    for kind in KINDS {
        let world = world(
            "n=0; until [ -e stop ]; do seq -f o%.0f $((n + 1)) $((n + 500)); \
             seq -f e%.0f $((n + 1)) $((n + 500)) >&2; n=$((n + 500)); done; echo all done; exec sleep 1000",
            kind,
        );
        world.kill_sinks_in_a_row("web", 3);
        kill_both(&world);
        world.write("stop", "");
        world.ok(["ps"]);
        wait_log(&world, "web    | all done\n");
        let text = |stream| world.ok(["logs", "web", "--no-prefix", "--stream", stream]);
        let (out, err) = (text("out"), text("err"));
        let last = err.lines().count();
        assert!(last > 0 && last % 500 == 0, "{last} lines");
        let numbers = |word| (1..=last).map(|n| format!("{word}{n}\n")).collect::<String>();
        assert!(out == numbers('o') + "all done\n", "{} bytes", out.len());
        assert!(err == numbers('e'), "{} bytes", err.len());
        world.ok(["quit"]);
        world.wait_empty();
    }
}

#[test]
fn a_restart_keeps_the_streams_and_a_reload_does_not_split_them() {
    let world = world("echo life; echo err >&2; exec sleep 1000", "");
    wait_log(&world, "web    | err\n");
    world.ok(["restart", "web"]);
    let twice = ["web out life", "web err err", "web out life", "web err err"];
    eventually("the second life", || (lines(&world, &["web"]).len() == 4).then_some(()));
    let mut sorted = lines(&world, &["web"]);
    sorted[..2].sort_unstable_by(|a, b| b.cmp(a));
    sorted[2..].sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(sorted, twice);
    world.write("tmo.toml", "[process.other]\nsplit_stderr = true\n");
    let ran = world.run(["reload"]);
    let later = "changed, but in force from the next start only: split_stderr\n";
    assert!(ran.stderr.ends_with(later), "{ran:?}");
    world.ok(["restart"]);
    eventually("the third life", || (lines(&world, &["web"]).len() == 6).then_some(()));
    assert_eq!(lines(&world, &["web", "--stream", "err"]).len(), 3);
    assert_eq!(lines(&world, &["other", "--stream", "err"]), [""; 0]);
    world.ok(["quit"]);
    world.wait_empty();
    world.ok(["start", "-D"]);
    wait_log(&world, "web    | err\n");
    eventually("other is split now", || {
        (lines(&world, &["other", "--stream", "err"]) == ["other err merged"]).then_some(())
    });
    world.ok(["quit"]);
    world.ok(["logs", "--clear"]);
    assert!(files(&world.journal()).iter().all(|file| !file.to_string_lossy().contains("@err")));
}

#[test]
fn standard_error_is_not_split_in_tmux() {
    let world = World::new("web: exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nsplit_stderr = true\n");
    let ran = world.run(["start", "-D", "--backend", "tmux"]);
    let words = "tmo: ./tmo.toml:2: `split_stderr = true` is not possible in tmux; write `backend = \"native\"` at \
                 the top of tmo.toml, or start with --backend native\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (1, words), "{ran:?}");
}
