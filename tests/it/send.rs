//! Text that `tmo send` and the API type into a terminal, and who can see it.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Ran, Terminal, World, eventually, procs};

/// Writes what is typed into a file, byte for byte.
const COPY: &str = "web: stty raw -echo; echo copying; exec cat >typed\n";

/// Give this to `tmo send web -`.
fn send(world: &World, text: &str, more: &[&str]) -> Ran {
    let mut command = world.tmo(["send", "web", "-"]);
    command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Ran::of(&child.wait_with_output().unwrap())
}

/// Type by the API.
fn type_by_api(world: &World, text: &str) {
    let body = serde_json::json!({ "text": text }).to_string();
    let socket = world.app().join(".overmind.sock").display().to_string();
    let mut command = world.command("curl");
    command.args(["-sS", "--fail", "--unix-socket", &socket, "-H"]);
    command.args(["Content-Type: application/json", "-d", "@-"]);
    command.arg("http://localhost/api/processes/web/input");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// The buffers in the run's tmux.
fn buffers(world: &World) -> String {
    if world.is_native() {
        return String::new();
    }
    world.tmux(["list-buffers", "-F", "#{buffer_name}"])
}

#[test]
fn sent_text_arrives_byte_for_byte() {
    let world = World::new(COPY);
    world.ok(["start", "-D"]);
    world.wait_text("web", "copying");
    let controls: String = (1..32_u8).map(char::from).collect();
    let texts = [
        controls.as_str(),
        "\u{7f} plain; 'quoted' \"$HOME\" `x` \\; #{pane_id} %H -x",
        "grün 界 🎉 \u{85}\u{a0}",
        "-l",
        ";",
        "one\ntwo\n\nthree\n",
        "\u{1b}[200~pasted\u{1b}[201~",
    ];
    let mut expected = String::new();
    for text in texts {
        assert_eq!(send(&world, text, &[]).code, 0);
        expected += text;
    }
    assert_eq!(send(&world, "with enter", &["--enter"]).code, 0);
    assert_eq!(send(&world, "", &["--enter"]).code, 0);
    assert_eq!(send(&world, "", &[]).code, 0);
    expected += "with enter\n\n";
    // Enter is a carriage return.
    let expected = expected.replace('\n', "\r");
    eventually("all of it arrives", || (world.read("typed") == expected).then_some(()));
    assert_eq!(buffers(&world), "");
    world.ok(["quit"]);
}

#[test]
fn a_mebibyte_of_sent_text_arrives_whole() {
    let world = World::new(COPY);
    world.ok(["start", "-D"]);
    world.wait_text("web", "copying");
    let line = "0123456789 grün 界\u{1}\n";
    let text = line.repeat((1 << 20) / line.len());
    let ran = send(&world, &text, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = text.replace('\n', "\r");
    eventually("all of it arrives", || (world.read("typed") == expected).then_some(()));
    world.ok(["quit"]);
}

#[test]
fn sent_text_is_in_no_argument_of_a_process() {
    let world = World::new(COPY);
    world.ok(["start", "-D"]);
    world.wait_text("web", "copying");
    let over = AtomicBool::new(false);
    let secret = "typed-secret-b1c5";
    let (looks, found) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut looks, mut found) = (0_u32, vec![]);
            while !over.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if line.contains(secret) {
                        found.push(line);
                    }
                }
                looks += 1;
            }
            (looks, found)
        });
        for _ in 0..30 {
            assert_eq!(send(&world, secret, &["--enter"]).code, 0);
            type_by_api(&world, secret);
        }
        over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(looks > 25, "only {looks} looks");
    assert_eq!(found, [""; 0]);
    eventually("it was typed", || {
        (world.read("typed").matches(secret).count() == 60).then_some(())
    });
    world.ok(["quit"]);
}

#[test]
fn a_client_killed_while_sending_leaves_no_tmux_buffer() {
    // The first one loads the buffer and is gone before it pastes it.
    let world = World::new(COPY).with_tmux(|real| {
        format!(
            "if [ \"$5\" = load-buffer ] && mkdir \"$HOME/killed\" 2>/dev/null; then\n\
             {real} $1 $2 $3 $4 load-buffer -b $7 -; kill -9 $$; fi\nexec {real} \"$@\"\n"
        )
    });
    world.ok(["start", "-D"]);
    world.wait_text("web", "copying");
    let ran = send(&world, "secret", &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(world.home().join("killed").exists());
    assert_eq!(buffers(&world), "");
    assert_eq!(send(&world, "later", &[]).code, 0);
    eventually("the next one arrives", || (world.read("typed") == "later").then_some(()));
    world.ok(["quit"]);
}

#[test]
fn a_tmux_buffer_of_a_killed_supervisor_is_removed_by_the_next() {
    let world = World::new(COPY);
    world.ok(["start", "-D"]);
    world.wait_text("web", "copying");
    world.tmux(["set-buffer", "-b", "tmo-0123456789abcdef", "secret"]);
    world.tmux(["set-buffer", "-b", "mine", "kept"]);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 9);
    eventually("only the user's own is left", || {
        (world.state().is_some() && buffers(&world) == "mine\n").then_some(())
    });
    world.ok(["quit"]);
}

#[test]
fn a_flag_after_the_two_dashes_is_explained() {
    let world = World::new(COPY);
    let ran = world.run(["send", "web", "--", "-h", "--enter"]);
    let told = "tmo: unexpected argument '--enter' found; flags go before `--`; \
                see `tmo send --help`\n";
    assert!(ran.code == 2 && ran.stderr == told, "{ran:?}");
}

#[test]
fn texts_that_are_sent_at_once_arrive_one_after_another() {
    let world = World::new(COPY);
    world.ok(["start", "-D"]);
    world.wait_text("web", "copying");
    let texts = ["a", "b", "c"].map(|letter| letter.repeat(200_000));
    std::thread::scope(|scope| {
        let senders = texts.each_ref().map(|text| scope.spawn(|| send(&world, text, &[])));
        for sender in senders {
            let ran = sender.join().unwrap();
            assert_eq!(ran.code, 0, "{ran:?}");
        }
    });
    let typed = eventually("all of it arrives", || {
        let typed = world.read("typed");
        (typed.len() == 600_000).then_some(typed)
    });
    let runs: Vec<usize> = typed.as_bytes().chunk_by(|a, b| a == b).map(<[u8]>::len).collect();
    assert_eq!(runs, [200_000; 3]);
    world.ok(["quit"]);
}

/// Reads nothing in its first life, and lines in the others.
const DEAF: &str = "web: stty -echo; if mkdir first 2>/dev/null; then echo deaf; exec sleep 1000; fi; echo \
                    hearing; while read -r x; do echo \"got <$x>\"; done\n";

#[test]
fn what_a_process_does_not_read_keeps_nobody_from_its_terminal() {
    let world = World::new(DEAF);
    world.ok(["start", "-D"]);
    world.wait_text("web", "deaf");
    let lines = "a line that nobody reads\n".repeat(6_000);
    for _ in 0..2 {
        let ran = send(&world, &lines, &[]);
        if world.is_native() {
            let told = "the process does not read: it has taken ";
            assert!(ran.code == 1 && ran.stderr.contains(told), "{ran:?}");
            assert!(ran.stderr.contains(" of 150000 bytes"), "{ran:?}");
        } else {
            // tmux keeps it.
            assert_eq!(ran.code, 0, "{ran:?}");
        }
        assert!(world.ok(["screen", "web"]).contains("deaf"));
    }
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("deaf");
    terminal.line("typed in vain");
    // tmux takes keys for pasted text when it reads them within a millisecond of what was typed before.
    terminal.wait_for("it has left web", |screen| {
        let has_left = screen.contains("left web; it is still running");
        if !has_left {
            terminal.keys(["C-b", "d"]);
        }
        has_left
    });
    // What waited for the first life dies with it.
    world.ok(["restart", "web"]);
    world.wait_text("web", "hearing");
    world.ok(["send", "web", "new", "--enter"]);
    world.wait_text("web", "got <new>");
    let log = world.ok(["logs", "web"]);
    let got: Vec<&str> = log.lines().filter(|line| line.contains("got <")).collect();
    assert!(got.len() == 1 && got[0].contains("got <new>"), "{got:?}");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn erasing_takes_a_whole_character() {
    let world = World::new("web: echo ready; read -r x; echo \"got <$x>\"; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "ready");
    assert_eq!(send(&world, "aé\u{7f}日\u{7f}b", &["--enter"]).code, 0);
    world.wait_text("web", "got <ab>");
    world.ok(["quit"]);
}
