//! The view of a run: it may come, go, stop and stall without an effect on the run.

use std::fs::File;
use std::io::{BufRead as _, Read as _};
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Terminal, World, eventually, pause, procs};
use crate::numbered_lines::{COUNT, complete, numbers};

const QUIET: &str = "web: echo up; exec sleep 1000\n";
/// Cannot be interrupted: it takes no notice and starts its `sleep` anew.
pub(crate) const DEAF: &str = "web: trap '' INT TERM; echo up; while :; do sleep 1000; done\n";

pub(crate) fn counting() -> World {
    World::new(&format!("web: {COUNT}\n"))
}

/// Wait until the last number is at least this.
#[track_caller]
pub(crate) fn counted(world: &World, file: &str, number: u64) {
    eventually(&format!("{file} counts to {number}"), || {
        numbers(&world.read(file), "web").last().is_some_and(|&n| n >= number).then_some(())
    });
}

#[test]
fn a_second_interrupt_kills_processes_that_ignore_signals() {
    for signal in [2, 15] {
        let world = World::new(DEAF);
        let mut view = world.start(["-t", "60"]);
        view.shows("web    | up\n");
        let web = world.wait_state("web", "running").unwrap();
        view.signal(signal);
        view.shows("web    | Interrupting...\n");
        world.wait_state("web", "stopping");
        assert!(procs::alive(web));
        assert_eq!(view.press_until_over(signal).code(), Some(0));
        assert!(view.log().contains("web    | Killing...\n"), "{}", view.log());
        assert!(!procs::alive(web));
        world.wait_empty();
    }
}

#[test]
fn a_key_that_is_held_down_does_not_hide_the_end() {
    let world = World::new(
        "web: trap '' INT TERM; yes xxxxxxxxxxxxxxxxxxx | head -n 10000; echo up; while :; do sleep 1000; done\n",
    );
    // Nothing reads it, so the view can't print the rest of the log yet.
    let mut view = world.tmo(["start", "-t", "60"]).stdout(Stdio::piped()).spawn().unwrap();
    world.wait_text("web", "up");
    let press = || procs::kill(view.id(), 2);
    press();
    let web = world.wait_state("web", "stopping").unwrap();
    eventually("it is killed", || {
        press();
        (!procs::alive(web)).then_some(())
    });
    world.wait_state_gone();
    for _ in 0..5 {
        press();
        pause(Duration::from_millis(2));
    }
    let mut shown = String::new();
    view.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(
        shown.ends_with("web    | Killed by signal 9 (SIGKILL)\n"),
        "{}",
        &shown[shown.len() - 200..]
    );
    assert_eq!(view.wait().unwrap().code(), Some(0));
}

#[test]
fn sigterm_stops_gracefully() {
    let world =
        World::new("web: trap 'echo bye; exit 0' INT; echo up; while :; do sleep 0.05; done\n");
    let mut view = world.start([""; 0]);
    view.shows("web    | up\n");
    view.signal(15);
    assert_eq!(view.code(), 0);
    assert!(view.log().contains("web    | bye\n"), "{}", view.log());
    assert!(!view.log().contains("Killing"), "{}", view.log());
}

#[test]
fn a_hangup_ends_only_the_view_and_the_next_view_shows_exactly_the_rest() {
    let world = counting();
    let mut shown = vec![];
    for round in 1..=5 {
        let file = format!("log{round}");
        let mut view = world.start_into(&file, [""; 0]);
        counted(&world, &file, round * 20);
        let said = if round == 1 { "" } else { "attached to the run, " };
        assert!(view.errors().contains(said), "{}", view.errors());
        assert_eq!(view.errors().starts_with("tmo: attached to the run, "), round > 1);
        view.signal(1);
        assert_eq!(view.code(), 129);
        shown.extend(numbers(&view.log(), "web"));
    }
    world.wait_state("web", "running").unwrap();
    complete(&shown);
    assert!(shown.len() >= 100);
    world.ok(["quit"]);
}

#[test]
fn a_second_start_is_refused_while_a_view_is_there() {
    let world = World::new(QUIET);
    let mut view = world.start([""; 0]);
    view.shows("web    | up\n");
    let second = world.run(["start"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert_eq!(second.stdout, "");
    let pid = world.state().unwrap()["pid"].as_u64().unwrap();
    assert!(second.stderr.contains(&format!("pid {pid}")), "{second:?}");
    for word in ["already running", "tmo connect", "tmo echo", "tmo restart", "tmo quit"] {
        assert!(second.stderr.contains(word), "{word}: {second:?}");
    }
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn ctrl_z_stops_only_the_view_and_fg_resumes_it() {
    let world = counting();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.line("set -m");
    terminal.tmo("start > log");
    counted(&world, "log", 5);
    let web = world.wait_state("web", "running").unwrap();
    terminal.keys(["C-z"]);
    terminal.wait("Stopped");
    let seen = *numbers(&world.read("log"), "web").last().unwrap();
    eventually("it counts on unseen", || {
        let said = world.ok(["logs", "web", "-n", "1"]);
        numbers(&said, "web").last().is_some_and(|&n| n > seen + 20).then_some(())
    });
    assert_eq!(*numbers(&world.read("log"), "web").last().unwrap(), seen);
    terminal.line("fg");
    counted(&world, "log", seen + 30);
    assert_eq!(world.wait_state("web", "running"), Some(web));
    terminal.keys(["C-c"]);
    world.wait_state_gone();
    terminal.line("echo code=$?");
    terminal.wait("code=0");
    complete(&numbers(&world.read("log"), "web"));
}

#[test]
fn a_signal_to_a_stopped_view_does_not_end_a_newer_run() {
    let world = World::new(QUIET);
    let mut view = world.start([""; 0]);
    view.shows("web    | up\n");
    view.signal(nix::libc::SIGSTOP);
    world.ok(["quit"]);
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running");
    view.signal(nix::libc::SIGTERM);
    view.signal(nix::libc::SIGCONT);
    assert_eq!(view.end().code(), Some(0));
    assert_eq!(world.wait_state("web", "running"), web);
    assert_eq!(world.state().unwrap()["quitting"], false);
    world.ok(["quit"]);
}

#[test]
fn a_hangup_of_a_stopped_view_takes_precedence_over_sigterm() {
    let world = World::new(QUIET);
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running");
    for _ in 0..5 {
        let mut view = world.start([""; 0]);
        eventually("it is a view", || (world.state()?["views"] == 1).then_some(()));
        view.signal(nix::libc::SIGSTOP);
        for signal in [nix::libc::SIGTERM, nix::libc::SIGHUP, nix::libc::SIGCONT] {
            view.signal(signal);
        }
        assert_eq!(view.end().code(), Some(129));
    }
    assert_eq!(world.wait_state("web", "running"), web);
    world.ok(["quit"]);
}

#[test]
fn a_closed_pipe_ends_the_run_without_further_output() {
    let world = World::new(QUIET);
    let (mut read, write) = std::io::pipe().unwrap();
    let mut child = world.tmo(["start"]).stdout(write).stderr(Stdio::null()).spawn().unwrap();
    let mut text = String::new();
    while !text.contains("web    | up\n") {
        let mut bytes = [0; 4096];
        let count = read.read(&mut bytes).unwrap();
        assert!(count > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    world.wait_state("web", "running");
    drop(read);
    let status = eventually("the view ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    world.wait_empty();
}

#[test]
fn a_killed_view_leaves_all_processes_running() {
    let world = counting();
    let mut view = world.start([""; 0]);
    counted(&world, "log", 5);
    let web = world.wait_state("web", "running");
    view.signal(9);
    view.end();
    eventually("no view is counted", || (world.state()?["views"] == 0).then_some(()));
    assert_eq!(world.wait_state("web", "running"), web);
    let mut again = world.start_into("log2", [""; 0]);
    let last = *numbers(&view.log(), "web").last().unwrap();
    counted(&world, "log2", last + 10);
    assert_eq!(again.interrupt(), 0);
    world.ok(["quit"]);
    // What it had written but not noted is repeated, nothing is left out.
    let next = numbers(&again.log(), "web");
    assert!(next[0] <= last + 1, "{last} then {}", next[0]);
    assert!(next.windows(2).all(|pair| pair[1] == pair[0] + 1), "{next:?}");
}

#[test]
fn start_fails_when_its_output_cannot_be_written() {
    let world = World::new(QUIET);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = world.tmo(["start"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no space left on device"), "{said}");
    world.wait_empty();
}

#[test]
fn help_fails_when_it_cannot_be_written() {
    let world = World::new(QUIET);
    for args in [&["help", "start"][..], &["start", "--help"], &["--version"], &["help"], &[]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = world.tmo(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("no space left on device"), "{args:?}: {said}");
    }
}

#[test]
fn following_commands_end_with_their_reader_without_further_output() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it is up", || world.ok(["logs"]).contains("up\n").then_some(()));
    for args in [&["events"][..], &["logs"], &["logs", "--json"], &["logs", "--grep", "up"]] {
        let there = world.run(args).stdout.lines().count();
        assert!(there > 0, "{args:?}");
        let (read, write) = std::io::pipe().unwrap();
        let mut child = world.tmo(args).arg("-f").stdout(write).spawn().unwrap();
        let mut lines = std::io::BufReader::new(read).lines();
        for _ in 0..there {
            lines.next().unwrap().unwrap();
        }
        drop(lines);
        let status = eventually(&format!("{args:?} ends"), || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn ctrl_z_restores_the_terminal_title_until_fg() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    let terminal = Terminal::open(&world, "title", 80, 24);
    let titled = |title: &str| {
        eventually(&format!("the title is {title:?}"), || {
            (terminal.ask("#{pane_title}") == title).then_some(())
        });
    };
    terminal.line("set -m; printf '\\033]0;before\\007'");
    titled("before");
    terminal.tmo("start");
    terminal.wait("| up");
    titled("app | tmo");
    for _ in 0..2 {
        terminal.keys(["C-z"]);
        terminal.wait("Stopped");
        titled("before");
        terminal.keys(["C-l"]);
        terminal.line("clear; fg");
        titled("app | tmo");
    }
    terminal.keys(["C-c"]);
    world.wait_state_gone();
    titled("before");
}

#[test]
fn ctrl_backslash_restores_the_terminal_title() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "title-quit", 80, 24);
    let titled = |title: &str| {
        eventually(&format!("the title is {title:?}"), || {
            (terminal.ask("#{pane_title}") == title).then_some(())
        });
    };
    terminal.line("ulimit -c 0; printf '\\033]0;before\\007'");
    titled("before");
    terminal.tmo("start");
    titled("app | tmo");
    terminal.keys(["C-\\"]);
    titled("before");
    terminal.line("echo code=$?");
    // 128 and the number of SIGQUIT.
    terminal.wait("code=131");
    world.ok(["quit"]);
    terminal.close();
    world.wait_empty();
}

#[test]
fn the_rest_of_a_line_keeps_its_prefix_after_enter_or_ctrl_z() {
    let forged = "printf 'begin: '; while ! test -e go; do sleep 0.05; done; \
                  printf 'db     | FORGED\\n'; exec sleep 1000";
    for command in ["start", "logs -f", "echo -n 5"] {
        for pressed in ["C-z", "Enter"] {
            let world = World::new(&format!("web: {forged}\ndb: exec sleep 1000\n"));
            if command != "start" {
                world.ok(["start", "-D"]);
            }
            let terminal = Terminal::open(&world, "unfinished", 80, 24);
            terminal.tmo(command);
            terminal.wait("web    | begin:");
            terminal.keys([pressed]);
            if pressed == "C-z" {
                terminal.wait("Stopped");
                terminal.line("fg");
            }
            terminal.wait_for(&format!("{command}: it is drawn again after {pressed}"), |screen| {
                screen.matches("web    | begin:").count() == 2
            });
            world.write("go", "");
            terminal.wait("FORGED");
            terminal.wait_for(&format!("{command}: all is behind its prefix"), |screen| {
                screen
                    .lines()
                    .filter(|row| row.contains("FORGED"))
                    .all(|row| row.starts_with("web "))
            });
            world.ok(["quit"]);
            terminal.close();
            world.wait_empty();
        }
    }
}

#[test]
fn an_unfinished_line_of_another_process_is_not_shown() {
    let world = World::new(
        "web: printf 'begin: '; exec sleep 1000\ndb: printf 'of db: '; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    for command in ["logs -f", "echo -n 5"] {
        let terminal = Terminal::open(&world, "named", 80, 24);
        // The line of web began first, so it would be shown first.
        terminal.tmo(&format!("{command} db"));
        terminal.wait("of db:");
        assert!(!terminal.screen().contains("begin:"), "{command}");
        terminal.keys(["C-c"]);
        terminal.close();
    }
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn text_typed_while_logs_follows_is_left_to_the_shell() {
    let world = World::new("web: printf 'begin: '; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "left", 80, 24);
    terminal.tmo("logs -f");
    terminal.wait("web    | begin:");
    for typed in 1..=3 {
        terminal.line(&format!("echo typed$((40 + {typed}))"));
        terminal.wait_for("the line is drawn again", |screen| {
            screen.matches("web    | begin:").count() == 1 + typed
        });
    }
    world.ok(["quit"]);
    terminal.wait("typed41");
    terminal.wait("typed43");
}

#[test]
fn ctrl_c_ends_an_unfinished_line_while_logs_follows() {
    let world = World::new("web: echo up; printf 'Continue? '; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "unfinished", 80, 24);
    for command in ["echo -n 10", "logs -f"] {
        terminal.clear();
        terminal.tmo(command);
        terminal.wait("| Continue?");
        terminal.keys(["C-c"]);
        terminal.wait_for("the prompt has a row of its own", |screen| {
            screen.trim_end().lines().last().is_some_and(|row| row.starts_with("ready>"))
        });
    }
    world.ok(["quit"]);
    terminal.close();
    world.wait_empty();
}

#[test]
fn forced_colours_equal_overminds_and_pipes_get_none() {
    let procfile = "web: printf 'a\\033[31mred\\033[0m\\tx\\r\\n'; echo; exec sleep 1000\n";
    let world = World::new(procfile).env("CLICOLOR_FORCE", "1");
    let mut view = world.start([""; 0]);
    // Its own carriage return stays; the one that the terminal adds goes.
    let line = "\x1b[1;38;5;2mweb   \x1b[0m | a\x1b[31mred\x1b[0m\tx\r\n";
    view.shows(line);
    assert_eq!(view.interrupt(), 0);
    let log = view.log();
    assert!(log.contains(&format!("{line}\x1b[1;38;5;2mweb   \x1b[0m | \n")), "{log:?}");
    let system = |text: &str| format!("\x1b[1;38;5;7msystem\x1b[0m | \x1b[1m{text}\x1b[0m\n");
    assert!(log.starts_with(&system("Listening at ./.overmind.sock")), "{log:?}");
    let interrupting = "\x1b[1;38;5;2mweb   \x1b[0m | \x1b[1mInterrupting...\x1b[0m\n";
    assert!(log.contains(interrupting), "{log:?}");

    let world = World::new(procfile).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    let mut view = world.start([""; 0]);
    view.shows("web    | ared\tx\n");
    assert_eq!(view.interrupt(), 0);
    assert!(view.log().starts_with("system | Listening at "), "{:?}", view.log());
    assert!(!view.log().contains('\x1b'), "{:?}", view.log());
}

#[test]
fn processes_stopped_by_tmo_count_as_success() {
    let world = World::new(
        "a: trap 'exit 130' INT; echo up; while :; do sleep 0.05; done\nb: sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("a      | up\n");
    world.wait_state("b", "running");
    assert_eq!(view.interrupt(), 0);
    assert!(!view.log().contains("exited with"), "{}", view.log());
}

#[test]
fn output_of_a_process_that_ends_at_once_is_shown() {
    for _ in 0..5 {
        let world = World::new("web: echo at once; exit 4\n");
        let mut view = world.start([""; 0]);
        assert_eq!(view.code(), 4, "{} {}", view.log(), view.errors());
        assert!(view.log().contains("web    | at once\n"), "{}", view.log());
        assert_eq!(view.errors(), "");
    }
}

#[test]
fn a_spinner_shows_its_last_state_in_one_line() {
    let world = World::new(
        "web: for i in 1 2 3 4 5 6 7 8 9; do printf '\\rworking %s' $i; sleep 0.05; done; echo; \
         echo done; exec sleep 1000\n",
    );
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("web    | done");
    let screen = terminal.screen();
    assert_eq!(screen.matches("working").count(), 1, "{screen}");
    assert!(screen.contains("web    | working 9\n"), "{screen}");
    terminal.keys(["C-c"]);
    world.wait_state_gone();
}

#[test]
fn a_terminal_stopped_by_ctrl_s_delays_no_process_and_shows_all_after_ctrl_q() {
    let world = counting();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("web    | line 3");
    terminal.keys(["C-s"]);
    let seen = 40 + numbers(&terminal.history(), "web").last().unwrap();
    eventually("it counts on unseen", || {
        let said = world.ok(["logs", "web", "-n", "1"]);
        numbers(&said, "web").last().is_some_and(|&n| n > seen).then_some(())
    });
    world.ok(["restart", "web"]);
    assert!(!terminal.screen().contains("Restarting"), "{}", terminal.screen());
    terminal.keys(["C-q"]);
    // It scrolls away again while the next life counts on.
    let history = eventually("the restart is shown", || {
        Some(terminal.history()).filter(|history| history.contains("Restarting"))
    });
    let shown = numbers(&history, "web");
    let first_life = 1 + shown.windows(2).position(|pair| pair[1] == 1).unwrap_or(shown.len() - 1);
    complete(&shown[..first_life]);
    complete(&shown[first_life..]);
    assert!(shown[first_life - 1] >= seen, "{shown:?}");
    terminal.keys(["C-c"]);
    world.wait_state_gone();
}

#[test]
fn a_start_in_a_stopped_terminal_blocks_no_command() {
    let world = counting();
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.keys(["C-s"]);
    // It has something to say before it shows the log.
    terminal.tmo("start");
    // Where both only begin, either may become the view.
    eventually("it is the view", || {
        let state: serde_json::Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
        (state["views"] == 1).then_some(())
    });
    let mut second = world.tmo(["start"]).spawn().unwrap();
    let status = eventually("a second start is refused", || second.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    world.ok(["quit"]);
    terminal.keys(["C-q"]);
    terminal.wait("ready>");
    eventually("it has said so", || {
        terminal.history().contains("attached to the run, ").then_some(())
    });
}

#[test]
fn panes_have_the_size_of_the_view_and_follow_it() {
    let world = World::new(
        "web: trap 'echo \"size $(stty size)\"' WINCH; echo \"size $(stty size)\"; \
         while :; do sleep 0.05; done\n",
    );
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    // Without the columns of the prefix.
    terminal.wait("web    | size 24 71");
    terminal.resize(100, 30);
    terminal.wait("web    | size 30 91");
    terminal.keys(["C-c"]);
    world.wait_state_gone();
}

#[test]
fn restart_messages_are_between_the_output_of_the_two_lives() {
    let world = World::new("web: i=0; while :; do i=$((i+1)); echo \"line $i\"; done\n");
    let mut view = world.start([""; 0]);
    view.shows("web    | line 9\n");
    for _ in 0..5 {
        world.ok(["restart", "web"]);
    }
    assert_eq!(view.interrupt(), 0);
    let log = view.log();
    let said = log.lines().filter_map(|line| line.strip_prefix("web    | "));
    let said: Vec<String> = said
        .filter(|text| !text.starts_with("line "))
        .map(|text| text.chars().filter(|c| !c.is_ascii_digit()).collect())
        .collect();
    let ending = ["Interrupting...", "Ended by signal  (SIGINT)"];
    let mut expected = vec!["Started with pid ..."];
    for _ in 0..5 {
        expected.extend(ending);
        expected.extend(["Restarting...", "Restarted with pid ..."]);
    }
    expected.extend(ending);
    assert_eq!(said, expected);
    // Each life counts from 1, behind what was said of it.
    let mut started = false;
    for line in log.lines() {
        if line.contains("tarted with pid") {
            started = true;
        } else if line.contains("| line ") {
            assert_eq!(started, line.ends_with("| line 1"), "{line}");
            started = false;
        }
    }
}

/// What it costs to hand on a flood grows with the pieces it comes in, not with its lines.
#[test]
fn no_part_writes_or_wakes_for_each_line_of_a_flood() {
    const LINES: u64 = 400_000;
    let world = World::new("web: cat flood; echo all of it; exec sleep 1000\n");
    world.write("flood", &(1..=LINES).map(|n| format!("line {n}\n")).collect::<String>());
    let mut view = world.start([""; 0]);
    view.shows("web    | all of it\n");
    let most = LINES / 20;
    let parts = [
        ("sink", world.sink("web")),
        ("supervisor", world.supervisor()),
        ("view", view.child.id()),
    ];
    for (part, pid) in parts {
        let (writes, wakes) = (procs::writes(pid), procs::wakes(pid));
        assert!(0 < writes && writes < most, "the {part} wrote {writes} times");
        assert!(0 < wakes && wakes < most, "the {part} woke {wakes} times");
    }
    complete(&numbers(&view.log(), "web"));
    assert_eq!(view.interrupt(), 0);
    world.wait_empty();
}

#[test]
fn the_summary_shows_the_last_output_of_the_last_life() {
    let world = World::new(
        "web: echo attempt $(cat n); until [ -e printed ]; do sleep 0.05; done; exit 3\n\
         api: until [ -e go ]; do sleep 0.05; done; rm go; seq 50; touch printed; \
         exec sleep 1000\n",
    );
    for attempt in ["one", "two"] {
        let _ = std::fs::remove_file(world.app().join("printed"));
        world.write("n", attempt);
        let mut view = world.start([""; 0]);
        view.shows(&format!("web    | attempt {attempt}\n"));
        world.write("go", "");
        assert_eq!(view.code(), 3);
        let log = view.log();
        let reported = log.split_once("its last lines:").unwrap().1;
        assert_eq!(reported.matches("attempt").count(), 1, "{log}");
        assert!(reported.contains(&format!("attempt {attempt}\n")), "{log}");
    }
}

#[test]
fn detach_ends_the_view_and_leaves_all_running() {
    let world = counting();
    let ran = world.run(["detach"]);
    assert_eq!(ran.code, 1, "nothing runs: {ran:?}");
    let mut view = world.start([""; 0]);
    counted(&world, "log", 3);
    let web = world.wait_state("web", "running");
    world.ok(["detach"]);
    assert_eq!(view.code(), 0);
    assert!(view.errors().contains("detached; `tmo start`"), "{}", view.errors());
    let last = *numbers(&view.log(), "web").last().unwrap();
    let ran = world.run(["detach"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("no terminal shows"), "{ran:?}");
    let mut next = world.start_into("log2", [""; 0]);
    counted(&world, "log2", last + 3);
    assert_eq!(world.wait_state("web", "running"), web);
    assert_eq!(next.interrupt(), 0);
    world.ok(["quit"]);
    let rest = numbers(&next.log(), "web");
    assert_eq!(rest[0], last + 1, "exactly what follows");
}

#[test]
fn slow_commands_report_progress_on_a_terminal_only() {
    let world =
        World::new("web: trap '' INT; touch up; while [ ! -e gone ]; do sleep 0.05; done\n");
    let go = world.app().join("go").display().to_string();
    let world = world.with_tmux(|real| {
        format!(
            "case \"$*\" in *tmo-app*new-session*) until [ -e {go} ]; do sleep 0.05; done;; esac\n\
             exec {real} \"$@\"\n"
        )
    });
    let terminal = Terminal::open(&world, "terminal", 80, 24);
    terminal.tmo("start -D -t 1000");
    terminal.wait(" starting (");
    world.write("go", "");
    terminal.wait("Daemonized.");
    assert!(!terminal.screen().contains("starting ("), "it is wiped away: {}", terminal.screen());
    eventually("it is deaf", || world.app().join("up").exists().then_some(()));
    // The cursor may be behind other text, such as a prompt that came after what was typed ahead.
    let tmo = env!("CARGO_BIN_EXE_tmo");
    terminal.line(&format!("printf 'PROM''PT '; {tmo} stop web; echo $((40 + 2)) stopped"));
    // Which process it waits for is added after a second.
    terminal.wait(" stopping");
    // Not where nobody looks.
    let piped = world.tmo(["wait", "web", "--for", "exit"]).stderr(Stdio::piped()).spawn().unwrap();
    world.write("gone", "");
    terminal.wait("42 stopped");
    assert!(!terminal.screen().contains("stopping"), "it is wiped away: {}", terminal.screen());
    let output = piped.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    world.ok(["quit"]);
}
