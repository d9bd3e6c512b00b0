//! The log on disk: every byte is kept, whatever is killed.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use crate::harness::run_parts::in_order;
use crate::harness::{Ran, World, eventually, procs};

/// Obeys: each word written to the FIFO `do` is a command line.
const OBEY: &str = "exec 3<>do; echo ready; while read -r line <&3; do eval \"$line\"; done";

/// A world of one such process, and `more` lines of the Procfile.
fn obeying(more: &str) -> World {
    let world = World::new(&format!("web: {OBEY}\n{more}"));
    let all = nix::sys::stat::Mode::S_IRWXU;
    nix::unistd::mkfifo(&world.app().join("do"), all).unwrap();
    world
}

fn tell(world: &World, line: &str) {
    world.write("do", &format!("{line}\n"));
}

/// The lines `from` to `to` as `seq` prints them.
fn seq(from: u32, to: u32) -> String {
    (from..=to).map(|n| format!("{n}\n")).collect()
}

fn find(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// End everything of this world at once, as a crash of all would.
fn kill_all(world: &World) {
    // The guardian first, or it starts another supervisor meanwhile.
    let all = world.living();
    for part in ["guard", "supervise"] {
        for p in all.iter().filter(|p| p.args.get(1).is_some_and(|a| a == part)) {
            procs::kill(p.pid, 9);
        }
    }
    for p in &all {
        procs::kill(p.pid, 9);
    }
    world.wait_empty();
}

#[test]
fn bytes_of_every_kind_survive_as_they_are() {
    let mut data: Vec<u8> = (0..=255).collect();
    data.extend(
        b"\r\n\n\r\r\n\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[H \x1b[?1049h\x1b[?1049l",
    );
    data.extend("gr\u{fc}\u{df}e \u{1f600}".bytes().filter(|b| *b != 0xf0));
    data.extend(b"\xc3\x28 \xf0\x9f \xff\n");
    data.extend(std::iter::repeat_n(b'x', (1 << 20) + 77));
    data.extend(b"\ntorn \x1b]7717;tmo;00 \x1b]7717;tmo;0123456789abcdef;1;0\x07\nlast");
    let world = obeying("");
    std::fs::write(world.app().join("data"), &data).unwrap();
    world.ok(["start", "-D"]);
    tell(&world, "stty raw -echo; printf BEGIN; cat data; echo END");
    eventually("all of it", || find(&world.stream("web"), b"lastEND\n").then_some(()));
    let stream = world.stream("web");
    let begin = memchr::memmem::find(&stream, b"BEGIN").unwrap() + 5;
    assert!(stream[begin..].starts_with(&data), "not a byte is another one");
    world.ok(["quit"]);
    // The same by `tmo logs`, after the end.
    let output = world.tmo(["logs", "web", "--raw"]).output().unwrap();
    let raw = String::from_utf8_lossy(&output.stdout);
    assert!(raw.contains("lastEND\n"), "{}", &raw[raw.len().saturating_sub(50)..]);
    let shown = memchr::memmem::find(&output.stdout, b"BEGIN").unwrap() + 5;
    pretty_assertions::assert_eq!(
        output.stdout[shown..shown + 200].escape_ascii().to_string(),
        data[..200].escape_ascii().to_string()
    );
    assert!(find(&output.stdout, &data[data.len() - 200..]));
}

#[test]
fn a_line_written_byte_by_byte_is_shown_whole() {
    let world = obeying("");
    let line = "a gr\u{fc}\u{df}e \u{1f600} \x1b[32mgreen\x1b[0m line\n";
    world.write("line", line);
    let mut view = world.start([""; 0]);
    tell(&world, "dd if=line bs=1 2>/dev/null");
    view.shows("web    | a gr\u{fc}\u{df}e \u{1f600} green line\n");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn an_endless_line_is_stored_whole_and_shown() {
    let world = obeying("");
    let mut view = world.start([""; 0]);
    tell(&world, "head -c 3000000 /dev/zero | tr '\\0' y; echo; echo behind it");
    view.shows("| behind it\n");
    let shown = view.log().bytes().filter(|b| *b == b'y').count();
    assert!(shown >= 1 << 20, "{shown}");
    let kept = world.stream("web").iter().filter(|b| **b == b'y').count();
    assert!(kept >= 3_000_000, "{kept}");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_process_can_print_its_own_log() {
    let world = obeying("");
    let mut view = world.start([""; 0]);
    view.shows("| ready\n");
    for _ in 0..3 {
        world.ok(["restart", "web"]);
    }
    world.wait_state("web", "running");
    let files = world.ok(["logs", "web", "--path"]).replace('\n', " ");
    // A copy: it would go on for ever with what it has just printed.
    tell(&world, &format!("cat {files} >copy; cat copy; echo once more"));
    view.shows("| once more\n");
    // Old markers mean nothing: the same life goes on, and ends when it ends.
    let state = world.state().unwrap();
    assert_eq!(state["processes"][0]["lives"], 4);
    tell(&world, &format!("cat {files} >copy; cat copy copy; exit 5"));
    assert_eq!(view.code(), 5);
    assert_eq!(view.log().matches("| Exited with code 5\n").count(), 1, "{}", view.log());
    assert_eq!(view.log().matches("| Restarted with pid ").count(), 3, "{}", view.log());
}

#[test]
fn a_forged_marker_is_treated_as_text() {
    let world = obeying("");
    let mut view = world.start([""; 0]);
    view.shows("| ready\n");
    let stream = world.stream("web");
    let stream = String::from_utf8_lossy(&stream);
    let nonce = stream.split("7717;tmo;").nth(1).unwrap().split(';').next().unwrap();
    let forged = |nonce: &str, seq: u32, skip: u32| {
        format!("printf '\\033]7717;tmo;{nonce};{seq};{skip}\\033\\\\'; ")
    };
    let mut line = String::new();
    for seq in 0..9 {
        line += &forged(nonce, seq, 0);
        line += &forged("0000000000000000", seq, 20);
        line += &forged(nonce, seq, 4_000_000_000);
    }
    tell(&world, &format!("{line} echo; echo still here"));
    view.shows("| still here\n");
    assert_eq!(world.field("web", "state"), "running");
    tell(&world, &format!("echo on; {line} exit 4"));
    assert_eq!(view.code(), 4);
    assert!(view.log().contains("| on\n"));
    assert_eq!(view.log().matches("| Exited with code 4\n").count(), 1, "{}", view.log());
}

#[test]
fn logs_selects_processes_and_last_lines() {
    let world = obeying("worker: seq 1 50; echo all of it; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    tell(&world, "seq 1 30; echo done");
    world.wait_text("web", "| done\n");
    world.wait_text("worker", "| all of it\n");
    let last: String = (28..=30).map(|n| format!("web    | {n}\n")).collect();
    assert_eq!(world.ok(["logs", "web", "-n", "4"]), last + "web    | done\n");
    assert_eq!(world.ok(["logs", "worker", "-n", "1"]), "worker | all of it\n");
    let both = world.ok(["logs", "web", "worker"]);
    assert!(!both.contains("system |"), "{both}");
    assert_eq!(both.matches("| 7\n").count(), 2);
    assert_eq!(world.ok(["logs", "-n", "0"]), "");
    assert!(world.ok(["logs"]).starts_with("system | Listening at "));
    assert_eq!(world.run(["logs", "wbe"]).code, 2);
    let paths = world.ok(["logs", "--path"]);
    assert_eq!(paths.lines().count(), 2, "{paths}");
    world.ok(["quit"]);
    let after = world.ok(["logs", "web", "--no-prefix"]);
    assert_eq!(after, format!("ready\n{}done\n", seq(1, 30)));
}

#[test]
fn logs_follow_ends_with_the_run() {
    let world = obeying("");
    let mut view = world.start([""; 0]);
    view.shows("| ready\n");
    let out = File::create(world.app().join("followed")).unwrap();
    let mut follower: Child =
        world.tmo(["logs", "-n", "1", "-f"]).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    eventually("it shows what there was", || {
        world.read("followed").contains("| ready\n").then_some(())
    });
    tell(&world, "seq 1 5000; echo then");
    eventually("it follows", || world.read("followed").contains("| then\n").then_some(()));
    tell(&world, "seq 1 3000; echo at last; exit 6");
    assert_eq!(view.code(), 6);
    let status = eventually("the follower ends too", || follower.try_wait().unwrap());
    assert!(status.success());
    let followed = world.read("followed");
    assert!(followed.starts_with("web    | ready\n"), "{followed}");
    let numbers: String = followed
        .lines()
        .filter_map(|l| l.strip_prefix("web    | "))
        .map(|l| format!("{l}\n"))
        .collect();
    assert!(numbers.contains(&format!("{}then\n", seq(1, 5000))));
    assert!(numbers.contains(&format!("{}at last\n", seq(1, 3000))));
}

#[test]
fn the_log_survives_a_kill_of_everything_and_the_next_start_continues_it() {
    let world = obeying("");
    {
        let mut view = world.start([""; 0]);
        view.shows("| ready\n");
        // What the supervisor can't index any more is told nevertheless.
        procs::kill(world.guardian(), 19);
        procs::kill(world.supervisor(), 19);
        tell(&world, "seq 1 2000; echo the end of it");
        eventually("it is in the stream", || {
            let dir = world.journal();
            let stream = std::fs::read(dir.join("web.00000000000000000000.log")).unwrap();
            find(&stream, b"the end of it").then_some(())
        });
        kill_all(&world);
        view.end();
    }
    let all = world.ok(["logs", "web", "--no-prefix", "--all-runs"]);
    assert_eq!(all, format!("ready\n{}the end of it\n", seq(1, 2000)));
    let mut view = world.start_into("second", [""; 0]);
    view.shows("| ready\n");
    assert!(!view.log().contains("the end of it"), "a view shows its own run");
    tell(&world, "echo second run");
    view.shows("| second run\n");
    assert_eq!(view.interrupt(), 0);
    let all = world.ok(["logs", "web", "--no-prefix"]);
    assert_eq!(all, format!("ready\n{}the end of it\nready\nsecond run\n", seq(1, 2000)));
}

#[test]
fn the_oldest_output_is_deleted_at_the_size_limit() {
    let world =
        obeying("quiet: echo I was first; exec sleep 1000\n").env("TMO_LOG_PER_PROCESS", "65536");
    let mut view = world.start([""; 0]);
    view.shows("| I was first\n");
    tell(&world, "seq 1 90000; echo done");
    view.shows("| done\n");
    let kept = || {
        let sizes = |path: &str| std::fs::metadata(path).map_or(0, |meta| meta.len());
        world.ok(["logs", "web", "--path"]).lines().map(sizes).sum::<u64>()
    };
    eventually("no more than the quota", || (kept() <= 65536 + 16384 + 65536).then_some(()));
    let last: String = (89_998..=90_000).map(|n| format!("web    | {n}\n")).collect();
    assert_eq!(world.ok(["logs", "web", "-n", "4"]), last + "web    | done\n");
    assert!(world.ok(["logs", "quiet"]).contains("I was first"), "others keep theirs");
    // All that is kept is told, from some line on without a hole.
    let all = world.ok(["logs", "web", "--no-prefix"]);
    let numbers: Vec<u32> = all.lines().filter_map(|l| l.parse().ok()).collect();
    assert!(numbers.windows(2).skip(1).all(|w| w[1] == w[0] + 1));
    assert_eq!(numbers.last(), Some(&90_000));
    // The view has shown each line, but where it was too slow, and said so.
    assert!(in_order(&view.log(), "web", 90_000));
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn output_older_than_the_variable_says_is_deleted() {
    let world = obeying("").env("TMO_LOG_PER_PROCESS", "65536");
    world.ok(["start", "-D"]);
    tell(&world, "seq 1 8000; echo done");
    world.wait_text("web", "| done\n");
    world.ok(["quit"]);
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 86_400);
    for path in world.ok(["logs", "web", "--path"]).lines() {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(two_days_ago).unwrap();
    }
    let has_first =
        || world.ok(["logs", "web", "--no-prefix", "--all-runs"]).contains(&seq(1, 100));
    let start = |age: &str| {
        let mut start = world.tmo(["start", "-D"]);
        let ran = Ran::of(&start.env("TMO_LOG_MAX_AGE", age).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    start("3d");
    world.ok(["quit"]);
    assert!(has_first(), "nothing is so old");
    start("1d");
    eventually("the old output is deleted", || (!has_first()).then_some(()));
    assert!(world.ok(["logs", "web"]).contains("| ready\n"), "the new one is not");
    world.ok(["quit"]);
}

#[test]
fn a_size_limit_of_zero_keeps_everything() {
    let world = obeying("").env("TMO_LOG_PER_PROCESS", "0").env("TMO_LOG_TOTAL", "0");
    world.ok(["start", "-D"]);
    tell(&world, "seq 1 90000; echo done");
    world.wait_text("web", "| done\n");
    let all = world.ok(["logs", "web", "--no-prefix"]);
    assert!(all == format!("ready\n{}done\n", seq(1, 90_000)));
    world.ok(["quit"]);
}

#[test]
fn a_full_disk_stops_no_process_and_is_reported_once() {
    let world = obeying("");
    let script = "mount -t tmpfs -o size=256k none \"$XDG_STATE_HOME\" || exit 77; \
                  head -c 150000 /dev/zero >\"$XDG_STATE_HOME/ballast\"; \
                  \"$TMO\" start >log 2>log.err; code=$?; \
                  \"$TMO\" logs web --no-prefix >after; \"$TMO\" logs >told; exit $code";
    let mut all = world
        .command("unshare")
        .args(["-m", "sh", "-c", script])
        .env("TMO", env!("CARGO_BIN_EXE_tmo"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = eventually("a start or a refusal", || {
        let up = world.read("log").contains("| ready\n").then_some(true);
        up.or_else(|| all.try_wait().unwrap().map(|_| false))
    });
    if !ready {
        eprintln!("SKIPPED: a_full_disk needs the right to mount (unshare -m)");
        return;
    }
    let shows = |text: &str| {
        eventually(&format!("the view shows {text}"), || {
            world.read("log").contains(text).then_some(())
        });
    };
    tell(&world, "seq 1 5000; echo first part");
    shows("| first part\n");
    tell(&world, "seq 5001 45000; echo second part");
    shows("| second part\n");
    let numbers = |text: &str, prefix: &str| -> Vec<u32> {
        text.lines().filter_map(|l| l.strip_prefix(prefix)?.parse().ok()).collect()
    };
    assert!(numbers(&world.read("log"), "web    | ") == (1..=45_000).collect::<Vec<_>>());
    shows("The journal can't be written");
    assert_eq!(world.read("log").matches("The journal can't be written").count(), 1);
    // Room again.
    let root = format!("/proc/{}/root", world.supervisor());
    let state = world.path().join("state/ballast");
    std::fs::remove_file(format!("{root}{}", state.display())).unwrap();
    eventually("it is written again", || {
        tell(&world, "echo tick");
        world.read("log").contains("The journal can be written again").then_some(())
    });
    tell(&world, "echo third part");
    shows("| third part\n");
    world.ok(["quit"]);
    let status = eventually("the end", || all.try_wait().unwrap());
    assert!(status.success(), "{status}");
    let after = world.read("after");
    assert!(after.contains("first part\n") && after.contains("third part\n"), "{after}");
    assert!(!after.contains("second part"), "there was no room for it");
    let reported = world.read("told");
    assert!(reported.contains("of output lost here"), "{reported}");
}

#[test]
fn unusable_directories_are_reported_in_one_line() {
    // Instead of a bad XDG_RUNTIME_DIR a directory below TMPDIR is taken.
    let runtime = ["XDG_RUNTIME_DIR", "TMPDIR"];
    for (variables, what) in [(&["XDG_STATE_HOME"][..], "state"), (&runtime, "run")] {
        let world = World::new("web: exec sleep 1000\n");
        // Not even root can make a directory in a file.
        let file = world.path().join("file");
        std::fs::write(&file, "").unwrap();
        let bad = file.join(what);
        for args in [&["start"][..], &["start", "-D"]] {
            let output =
                world.tmo(args).envs(variables.iter().map(|name| (name, &bad))).output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert!(errors.starts_with("tmo: ") && errors.contains("file/"), "{errors}");
            if what == "state" {
                let told = format!("{} is not a directory; rename that file", file.display());
                assert!(errors.contains(&told), "{errors}");
            }
        }
        world.wait_empty();
    }
}

#[test]
fn log_timestamps_have_a_date_and_milliseconds() {
    let world = World::new("web: echo hello; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it speaks", || world.ok(["logs"]).contains("hello").then_some(()));
    let dated = regex::Regex::new(r"\d{4}-\d\d-\d\d").unwrap();
    let exact = regex::Regex::new(r"\d\d:\d\d:\d\d\.\d{3}").unwrap();
    for args in [&["logs", "-T"][..], &["events"]] {
        let text = world.ok(args);
        assert!(dated.is_match(&text) && exact.is_match(&text), "{args:?}: {text}");
    }
    world.ok(["quit"]);
}
