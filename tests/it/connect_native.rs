//! `tmo connect` to a terminal without tmux. The user's terminal is a real one: a tmux of the test's own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use tmo::model::ProcName;
use tmo::protocol::paths::PanePaths;
use tmo::protocol::terminal::{FromClient, Hello, MOST_WATCHING, VERSION};

use crate::connect::TALK;
use crate::harness::pty::Pty;
use crate::harness::{Terminal, World, eventually, procs};

fn native(procfile: &str) -> World {
    World::new(procfile).env("TMO_BACKEND", "native")
}

/// What a program can set in the terminal, as tmux knows it.
const MODES: &str = "alternate #{alternate_on} cursor #{cursor_flag} #{cursor_shape} insert #{insert_flag} keypad \
                     #{keypad_cursor_flag}#{keypad_flag} mouse #{mouse_any_flag} #{mouse_standard_flag} \
                     #{mouse_button_flag} #{mouse_all_flag} #{mouse_sgr_flag} #{mouse_utf8_flag} origin #{origin_flag} \
                     wrap #{wrap_flag} region #{scroll_region_upper}-#{scroll_region_lower} keys #{pane_key_mode} \
                     title #{pane_title}";

/// The modes of the terminal itself, in a file of the project.
fn stty(world: &World, terminal: &Terminal<'_>, name: &str) -> String {
    terminal.line(&format!("stty -a >{name}.new; mv {name}.new {name}"));
    eventually("the terminal's settings", || {
        let text = world.read(name);
        (!text.is_empty()).then_some(text)
    })
}

#[test]
fn typed_text_reaches_the_process_and_leaving_does_not_end_it() {
    let world = native(&format!("web: echo ask me; {TALK}\n"));
    let mut view = world.start([""; 0]);
    view.shows("| ask me\n");
    let pid = world.wait_state("web", "running").unwrap();
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait_connected("C-b d");
    terminal.line("hello you");
    terminal.wait("heard <hello you>");
    view.shows("| heard <hello you>\n");
    terminal.keys(["C-b", "?"]);
    terminal.wait("C-b C-b d leaves, C-b C-b C-b C-b types C-b, C-b C-b l redraws the screen");
    // They are shown for a moment only.
    terminal.wait("ask me");
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web; it is still running");
    terminal.line("echo back $? $((6 * 7))");
    terminal.wait("back 0 42");
    assert!(procs::alive(pid));
    terminal.close();
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn keys_that_are_not_for_leaving_reach_the_process() {
    let world = native("web: stty raw -echo; echo Ready; cat -v\n");
    let view = world.start([""; 0]);
    view.shows("| Ready");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("Ready");
    for key in ["C-b", "C-b", "C-b", "x", "C-c", "C-z", "Up", "M-d", "F3"] {
        terminal.keys([key]);
    }
    terminal.wait("^B^Bx^C^Z^[[A^[d^[OR");
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web; it is still running");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_keys_for_leaving_can_be_chosen() {
    let world = native(&format!("web: echo ask me; {TALK}\n"));
    world.write("tmo.toml", "[connect]\ndetach = \"ctrl-p,ctrl-q\"\n");
    let _view = world.start([""; 0]);
    world.wait_state("web", "running");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    let title = |keys: &str| terminal.ask("#{pane_title}") == format!("web (to leave: {keys})");
    eventually("the title tells the keys", || title("C-p C-q").then_some(()));
    terminal.keys(["C-p", "?"]);
    terminal.wait("C-p C-q leaves");
    terminal.keys(["C-p", "C-q"]);
    terminal.wait("left web");
    terminal.clear();
    terminal.wait_for("an empty screen", |screen| !screen.contains("left web"));
    terminal.tmo("connect --detach-keys ctrl-] web");
    eventually("the title tells the keys", || title("C-]").then_some(()));
    terminal.keys(["C-]"]);
    terminal.wait("left web");
    terminal.close();
    let ran = world.run(["connect", "--detach-keys", "ctrl-p,x1", "web"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("invalid key `x1`"), "{ran:?}");
    world.ok(["quit"]);
    world.write("tmo.toml", "[connect]\ndetach = \"ctrl-\"\n");
    let ran = world.run(["check"]);
    assert!(
        ran.stderr.contains("tmo.toml:2:10") && ran.stderr.contains("invalid key `ctrl-`"),
        "{ran:?}"
    );
}

#[test]
fn a_read_only_client_shows_the_process_and_sends_nothing() {
    let world = native(&format!("web: echo look; {TALK}\n"));
    let view = world.start([""; 0]);
    view.shows("| look\n");
    let pid = world.wait_state("web", "running").unwrap();
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect -r web");
    terminal.wait("look");
    terminal.keys(["C-c"]);
    terminal.line("typed in vain");
    terminal.keys(["C-b", "d"]);
    // All keys before have been dealt with.
    terminal.wait("left web; it is still running");
    assert!(procs::alive(pid));
    terminal.tmo("connect web");
    terminal.wait_connected("C-b d");
    terminal.line("for real");
    view.shows("| heard <for real>\n");
    assert!(!view.log().contains("in vain"), "{}", view.log());
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_restart_is_shown_in_the_same_terminal_and_the_end_of_the_run_ends_it() {
    let world = native("web: echo life $$; while read x; do echo \"$$ heard $x\"; done; exit 7\n");
    let mut view = world.start([""; 0]);
    let first = world.wait_state("web", "running").unwrap();
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web; echo code $?");
    terminal.wait(&format!("life {first}"));
    world.ok(["restart", "web"]);
    let second = world.wait_state("web", "running").unwrap();
    terminal.wait("web stopped with signal 2 (SIGINT) at ");
    terminal.wait(&format!("life {second}"));
    terminal.line("again");
    terminal.wait(&format!("{second} heard again"));
    terminal.keys(["C-d"]);
    assert_eq!(view.code(), 7);
    terminal.wait("web has ended with code 7; the run is");
    terminal.wait("code 7");
    terminal.line("echo back $((6 * 7))");
    terminal.wait("back 42");
    terminal.close();
}

#[test]
fn what_cannot_be_attached_is_an_error() {
    let world = native("web: exec sleep 1000\n");
    let _view = world.start([""; 0]);
    world.wait_state("web", "running");
    let terminal = Terminal::open(&world, "a", 90, 20);
    let ran = world.run(["connect", "web"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("tmo: connect needs a terminal"), "{ran:?}");
    let ran = world.run(["connect", "--print", "web"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("no tmux command"), "{ran:?}");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_log_goes_into_the_scroll_back_and_no_line_is_there_twice() {
    let world = native("web: seq 1001 1300; printf 'prompt> '; exec sleep 1000\n");
    let view = world.start([""; 0]);
    view.shows("| 1300\n");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.line("echo before");
    terminal.wait("before\n");
    terminal.tmo("connect web");
    terminal.wait("prompt>");
    terminal.keys(["C-b", "?"]);
    terminal.wait("C-b d leaves");
    terminal.keys(["C-b", "l"]);
    terminal.wait_for("the screen is full", |screen| screen.starts_with("1282\n"));
    let history = terminal.history();
    let lines: Vec<&str> = history.lines().filter(|line| line.starts_with('1')).collect();
    let expected: Vec<String> = (1101..=1300).map(|line| line.to_string()).collect();
    // The screen counts as part of them.
    assert_eq!(lines, expected, "{history}");
    assert!(history.contains("before"), "{history}");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_full_screen_program_is_shown_alone_and_what_it_covers_comes_back() {
    let world = native(
        "web: echo covered; printf '\\033[?1049h\\033[Hfull screen'; read x; printf '\\033[?1049l'; echo back $x; \
         exec sleep 1000\n",
    );
    let view = world.start([""; 0]);
    view.shows("Started with pid");
    world.wait_text("web", "covered");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("full screen");
    terminal.keys(["C-b", "l"]);
    terminal.wait_for("nothing else", |screen| screen.trim() == "full screen");
    assert_eq!(terminal.ask("#{alternate_on}"), "1");
    terminal.line("again");
    terminal.wait("covered\n");
    terminal.wait("back again");
    assert_eq!(terminal.ask("#{alternate_on}"), "0");
    terminal.close();
    world.ok(["quit"]);
}

/// What sets modes, by what they are.
const SETS: &[(&str, &str)] = &[
    ("alternate screen", "\\033[?1049h"),
    ("alternate screens in the old way", "\\033[?47h"),
    ("mouse", "\\033[?1000h\\033[?1006h"),
    ("mouse drags", "\\033[?1002h\\033[?1005h"),
    ("mouse movements", "\\033[?1003h"),
    ("bracketed paste", "\\033[?2004h"),
    ("focus", "\\033[?1004h"),
    ("cursor shape", "\\033[4 q"),
    ("hidden cursor", "\\033[?25l"),
    ("keypad", "\\033[?1h\\033="),
    ("kitty's keyboard", "\\033[>1u\\033[>31u"),
    ("modifyOtherKeys", "\\033[>4;2m"),
    ("scroll region", "\\033[3;7r"),
    ("origin mode", "\\033[3;7r\\033[?6h"),
    ("line drawing", "\\033(0\\033)0\\016"),
    ("insert mode", "\\033[4h"),
    ("no wrapping", "\\033[?7l"),
    ("colours", "\\033]10;red\\007\\033]11;blue\\007\\033]4;1;green\\007\\033[41;7m"),
    ("title", "\\033]2;PWNED\\007\\033]0;PWNED\\007"),
    ("tab stops", "\\033[3g"),
    ("a link", "\\033]8;;https://example.com\\033\\\\"),
    ("an unfinished sequence", "\\033]2;open"),
];

#[test]
fn leaving_undoes_every_mode_that_the_program_has_set() {
    let procfile: String = (0..=SETS.len())
        .map(|at| {
            let sets = match SETS.get(at) {
                Some((_, sets)) => (*sets).to_owned(),
                None => SETS.iter().map(|(_, sets)| *sets).collect(),
            };
            format!(
                "p{at}: printf '%b' '{}'; printf READY; exec sleep 1000\n",
                sets.replace('\'', "")
            )
        })
        .collect();
    let world = native(&procfile);
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 90, 24);
    let settings = stty(&world, &terminal, "settings");
    let modes = terminal.ask(MODES);
    for at in 0..=SETS.len() {
        let what = SETS.get(at).map_or("everything", |(what, _)| what);
        for way in ["keys", "SIGTERM", "SIGHUP"] {
            let name = format!("p{at}");
            terminal.clear();
            terminal.tmo(&format!("connect {name}; echo 'ended '$?"));
            terminal.wait_connected("C-b d");
            match way {
                "keys" => terminal.keys(["C-b", "d"]),
                way => {
                    let client = world.living();
                    let is_it =
                        |p: &&procs::Proc| p.args.windows(2).any(|a| a == ["connect", &name]);
                    let client = client.iter().find(is_it).unwrap();
                    procs::kill(client.pid, if way == "SIGTERM" { 15 } else { 1 });
                }
            }
            let code = match way {
                "keys" => 0,
                "SIGTERM" => 143,
                _ => 129,
            };
            terminal.wait(&format!("ended {code}"));
            assert_eq!(terminal.ask(MODES), modes, "{what}, left by {way}");
            let after = format!("settings-{at}-{way}");
            assert_eq!(stty(&world, &terminal, &after), settings, "{what}, left by {way}");
            // Lines wrap, letters are letters, tabs are tabs, and nothing was typed.
            terminal.line("clear; printf 'lqk\\tx\\n'");
            terminal.wait_for(what, |screen| screen.starts_with("lqk     x\n"));
        }
    }
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn hostile_output_leaves_the_terminal_as_it_was() {
    let world = native("nasty: stty -echo; cat all; exec sleep 1000\n");
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nasty");
    let mut all = vec![];
    for entry in fs::read_dir(dir).unwrap() {
        all.extend(fs::read(entry.unwrap().path()).unwrap());
        all.extend_from_slice(b"\x18\x1b[m\n");
    }
    all.extend_from_slice(
        b"\x1b]52;c;UFdORUQ=\x07\x1b[5i\x1b[21t\x1b[>c\x1b[6n\x1bP+q544e\x1b\\\x1b[?9hEND",
    );
    fs::write(world.app().join("all"), all).unwrap();
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 90, 24);
    let (settings, modes) = (stty(&world, &terminal, "settings"), terminal.ask(MODES));
    terminal.tmo("connect nasty; echo 'ended '$?");
    terminal.wait_connected("C-b d");
    // While it is shown: the output comes again.
    world.ok(["restart", "nasty"]);
    world.wait_text("nasty", "END");
    terminal.keys(["C-b", "l"]);
    terminal.wait("END");
    terminal.keys(["C-b", "d"]);
    terminal.wait("ended 0");
    assert_eq!(terminal.ask(MODES), modes);
    assert_eq!(stty(&world, &terminal, "after"), settings);
    assert_eq!(terminal.ask("#{buffer_sample}"), "", "the clipboard");
    terminal.line("clear; echo fine");
    terminal.wait_for("nothing was typed", |screen| screen.starts_with("fine\nready>"));
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_size_is_that_of_the_viewer_who_typed_last() {
    let world = native("web: echo Ready; while read x; do echo \"$x $(stty size)\"; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.ok(["send", "web", "first", "--enter"]);
    world.wait_text("web", "first 24 80");
    let wide = Terminal::open(&world, "wide", 100, 30);
    wide.tmo("connect web");
    wide.wait("first 24 80");
    let narrow = Terminal::open(&world, "narrow", 61, 17);
    narrow.tmo("connect web");
    narrow.wait("first 24 80");
    narrow.line("of the narrow one");
    narrow.wait("of the narrow one 17 61");
    wide.wait("of the narrow one 17 61");
    wide.line("of the wide one");
    // Typing has changed the size first.
    wide.wait("of the wide one 30 100");
    narrow.wait("of the wide one 30 100");
    narrow.keys(["C-b", "d"]);
    narrow.wait("left web");
    wide.keys(["C-b", "d"]);
    wide.wait("left web");
    world.ok(["send", "web", "last", "--enter"]);
    world.wait_text("web", "last 24 80");
    narrow.close();
    wide.close();
    world.ok(["quit"]);
}

#[test]
fn one_viewer_too_many_is_told_so() {
    let world = native("web: echo look; cat\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "look");
    let name = ProcName::new("web").unwrap();
    let socket = PanePaths::new(&world.runtime(), &name).terminal();
    let (watches, read_only, follows_input) = (true, true, false);
    let hello = Hello { version: VERSION, size: None, watches, read_only, follows_input };
    let mut viewers: Vec<_> = (0..MOST_WATCHING)
        .map(|_| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.write_all(&FromClient::Hello(hello.clone()).encode()).unwrap();
            // It is shown the screen.
            stream.read_exact(&mut [0]).unwrap();
            stream
        })
        .collect();
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal
        .wait("the terminal of web: 16 clients are connected to it already, which is the maximum");
    // Whoever only types or looks once is no viewer.
    world.ok(["send", "web", "typed", "--enter"]);
    world.wait_text("web", "typed");
    viewers.pop();
    terminal.clear();
    terminal.tmo("connect web");
    terminal.wait_connected("C-b d");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_terminal_of_another_size_shows_the_part_around_the_cursor() {
    let world = native(
        "web: stty -echo; read x; printf '\\033[?1049h\\033[2J\\033[1;1Htop left\\033[1;95Hright\\033[30;90Hthe end'; \
         read x; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let wide = Terminal::open(&world, "wide", 100, 30);
    wide.tmo("connect web");
    wide.wait_connected("C-b d");
    let small = Terminal::open(&world, "small", 40, 10);
    small.tmo("connect --keep-size web");
    small.wait_connected("C-b d");
    wide.line("draw");
    wide.wait_for("the whole screen", |screen| {
        screen.starts_with("top left") && screen.contains("the end")
    });
    small.wait_for("its end", |screen| screen.trim() == "the end");
    // What it sees is what the others see, from the first line on if that is where the cursor is.
    small.resize(120, 40);
    let same = || (small.screen().trim_end() == wide.screen().trim_end()).then_some(());
    eventually("the same is shown", same);
    small.resize(100, 30);
    eventually("the same is shown", same);
    small.close();
    wide.close();
    world.ok(["quit"]);
}

#[test]
fn a_stopped_viewer_holds_up_nobody_and_is_right_afterwards() {
    let world = native("web: stty -echo; read x; seq 1 400000; echo END; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let stopped = Terminal::open(&world, "stopped", 90, 20);
    stopped.tmo("connect web");
    stopped.wait_connected("C-b d");
    let of_it = world.living();
    let of_it = of_it.iter().find(|p| p.args.iter().any(|a| a == "connect")).unwrap().pid;
    let other = Terminal::open(&world, "other", 90, 20);
    other.tmo("connect web");
    other.wait_connected("C-b d");
    procs::kill(of_it, 19);
    eventually("it is stopped", || (procs::state(of_it) == Some('T')).then_some(()));
    other.line("go");
    other.wait("400000\nEND\n");
    assert!(!stopped.screen().contains("END"));
    // The shell has noticed that its job was stopped.
    stopped.wait("ready>");
    // It is in raw mode still, in which Enter does not end a line.
    stopped.typed_and("fg", ["C-j"]);
    stopped.wait("400000\nEND\n");
    stopped.keys(["C-b", "l"]);
    other.keys(["C-b", "l"]);
    eventually("both show the same", || (stopped.screen() == other.screen()).then_some(()));
    stopped.close();
    other.close();
    world.ok(["quit"]);
}

#[test]
fn a_killed_holder_is_replaced_while_a_viewer_looks_on() {
    let world = native(&format!("web: printf '\\033[?2004h'; echo ask me; {TALK}\n"));
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running").unwrap();
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("ask me");
    procs::kill(world.sink("web"), 9);
    terminal.line("still there?");
    terminal.wait("heard <still there?>");
    terminal.wait("ask me");
    terminal.paste("pasted\n");
    terminal.wait("200~pasted");
    assert_eq!(world.field("web", "pid"), pid);
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_client_that_looks_for_the_successor_of_a_holder_obeys_signals() {
    let world = native(&format!("web: echo ask me; {TALK}\n"));
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web; echo code $?");
    terminal.wait("ask me");
    let client = world.living();
    let client = client.iter().find(|p| p.args.iter().any(|a| a == "connect")).unwrap().pid;
    let (shim, holder) = (world.shim("web"), world.sink("web"));
    // Nobody starts a successor.
    procs::kill(shim, 19);
    procs::kill(holder, 9);
    eventually("the holder has ended", || (!procs::alive(holder)).then_some(()));
    procs::kill(client, 15);
    terminal.wait("code 143");
    procs::kill(shim, 18);
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn questions_are_answered_once_however_many_look_on() {
    let questions =
        "\\033[6n\\033[c\\033[>c\\033]11;?\\007\\033[?2004$p\\033[>q\\033[?u\\033P+q544e\\033\\\\";
    let ask = format!(
        "stty -icanon min 0 time 5; printf '{questions}'; od -An -c | tr -d ' \\n'; stty icanon"
    );
    let world = native(&format!(
        "web: stty -echo; while read -r go; do {ask}; echo; echo ANSWERED; done\n"
    ));
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let mut terminals = vec![];
    for viewers in 0..=2 {
        world.ok(["send", "web", "go", "--enter"]);
        let log = eventually("it has its answers", || {
            let log = world.run(["logs", "web"]).stdout;
            (log.matches("ANSWERED").count() == viewers + 1).then_some(log)
        });
        let answers = log.lines().rev().nth(1).unwrap();
        let expected = [
            ";1R033[?62;22c",
            "033[>1;10;0c",
            "033]11;rgb:0000/0000/0000",
            "033[?2004;2$y",
            ">|tmo",
            "033[?0u",
            "1+r544e=787465",
        ];
        for answer in expected {
            assert_eq!(
                answers.matches(answer).count(),
                1,
                "{viewers} viewers, {answer}: {answers}"
            );
        }
        let terminal = Terminal::open(&world, &format!("v{viewers}"), 90, 20);
        terminal.tmo("connect web");
        terminal.wait_connected("C-b d");
        terminals.push(terminal);
    }
    for terminal in terminals {
        terminal.keys(["C-b", "d"]);
        terminal.wait("left web");
        terminal.line("clear; echo fine");
        terminal.wait_for("nothing was typed", |screen| screen.starts_with("fine\nready>"));
        terminal.close();
    }
    world.ok(["quit"]);
}

/// Connect to the one process, which runs this program, if there is one.
fn with(program: &str, command: &str, test: impl FnOnce(&World, &Terminal<'_>)) {
    let world = native(&format!("web: {command}\n"));
    if world.shell(&format!("{program} --version")).code != 0 {
        eprintln!("SKIPPED: there is no {program}");
        return;
    }
    world.without_fish_reading_manuals();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let terminal = Terminal::open(&world, "a", 90, 24);
    let modes = terminal.ask(MODES);
    terminal.tmo("connect web");
    terminal.wait_connected("C-b d");
    test(&world, &terminal);
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web; it is still running");
    assert_eq!(terminal.ask(MODES), modes);
    terminal.line("clear; echo fine");
    terminal.wait_for("nothing was typed", |screen| screen.starts_with("fine\nready>"));
    terminal.close();
    // What it makes of an interrupt is its own affair.
    view.interrupt();
}

#[test]
fn vim_edits_a_file() {
    with(
        "vim",
        "exec vim -u NONE -N -c 'set mouse=a ttimeoutlen=50' note.txt",
        |world, terminal| {
            terminal.wait("~");
            terminal.typed("ihello from vim");
            terminal.keys(["Escape"]);
            terminal.line(":w");
            terminal.wait("written");
            assert_eq!(world.read("note.txt"), "hello from vim\n");
            // Both have their new size once the screen is filled again.
            for (columns, rows) in [(60, 18), (90, 24)] {
                terminal.resize(columns, rows);
                terminal.wait_for("the whole screen", |screen| {
                    let empty = screen.lines().filter(|line| *line == "~").count();
                    screen.starts_with("hello from vim\n~\n") && empty == usize::from(rows) - 2
                });
            }
            terminal.line(":set lines? columns?");
            terminal.wait("columns=90");
            terminal.wait("lines=24");
            terminal.keys(["Enter"]);
        },
    );
}

#[test]
fn fish_edits_its_line() {
    with("fish", "exec env -u XDG_RUNTIME_DIR fish", |_, terminal| {
        terminal.typed("echo one twoX");
        terminal.keys(["BSpace", "Enter"]);
        terminal.wait("\none two\n");
        terminal.keys(["Up", "Enter"]);
        terminal.wait_for("the same again", |screen| screen.matches("\none two\n").count() == 2);
    });
}

#[test]
fn the_keys_for_leaving_are_on_the_screen_at_first() {
    let world = native(&format!("web: printf 'ask me\\n> '; {TALK}\n"));
    world.ok(["start", "-D"]);
    world.wait_text("web", "ask me");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    // A tmux around it intercepts the first key.
    terminal.wait("connected to web; Ctrl-b Ctrl-b d leaves, Ctrl-c reaches it");
    terminal.wait("ask me\n>");
    assert!(terminal.ask("#{pane_title}").starts_with("C-b C-b d leaves "));
    // A key is enough to have the whole screen.
    terminal.typed("x");
    let gone = |screen: &str| screen.contains("> x") && !screen.contains("connected to");
    terminal.wait_for("only the process is shown", gone);
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web");
    terminal.line(&format!("clear; env -u TMUX {} connect -r web", env!("CARGO_BIN_EXE_tmo")));
    terminal.wait("connected to web, read-only; Ctrl-b d leaves");
    assert_eq!(terminal.ask("#{pane_title}"), "web (to leave: C-b d)");
    // It goes by itself, too.
    terminal.wait_for("only the process is shown", gone);
    terminal.close();
    assert!(!world.ok(["logs", "--raw", "web"]).contains("connected"));
    world.ok(["quit"]);
}

#[test]
fn the_keys_cover_only_the_last_row_and_none_of_them_stays_after_leaving() {
    for (begins, stays) in [("", "row 1\n"), ("\\033[?1049h", "")] {
        let world = native(&format!(
            "web: until [ \"$(stty size)\" = '20 90' ]; do sleep 0.05; done; printf '{begins}\\033[2J\\033[H'; \
             seq -f 'row %g' 1 19; printf 'row 20'; exec sleep 1000\n"
        ));
        world.ok(["start", "-D"]);
        world.wait_state("web", "running");
        let terminal = Terminal::open(&world, "a", 90, 20);
        terminal.tmo("connect web");
        let is_told = |screen: &str| screen.contains("row 19\nconnected to web; ");
        terminal.wait_for("the keys are told", is_told);
        assert!(terminal.screen().starts_with("row 1\nrow 2\n"), "{}", terminal.screen());
        terminal.keys(["C-b", "d"]);
        terminal.wait("left web; it is still running");
        let left = terminal.history();
        assert!(!left.contains("connected to web"), "{left}");
        assert_eq!(left.contains("row 20\n"), !stays.is_empty(), "{left}");
        assert!(left.contains(stays), "{left}");
        terminal.close();
        world.ok(["quit"]);
    }
}

#[test]
fn pasted_text_waits_for_the_process_and_keeps_nobody_from_leaving() {
    let world = native(
        "web: stty raw -echo; echo Ready; until [ -e go ]; do sleep 0.1; done; exec cat >got\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "Ready");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait_connected("C-b d");
    let mut text = String::new();
    for part in 0..60 {
        let lines: String = (0..1000).map(|at| format!("{}\n", part * 1000 + at)).collect();
        terminal.paste(&lines);
        text += &lines;
    }
    // All of it was read, as keys after it have an effect.
    terminal.keys(["C-b", "?"]);
    terminal.wait("d leaves, ");
    fs::write(world.app().join("go"), "").unwrap();
    let expected = text.replace('\n', "\r");
    eventually("all of it arrives", || (world.read("got") == expected).then_some(()));
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web");
    terminal.clear();
    // The same while nothing is read.
    fs::remove_file(world.app().join("go")).unwrap();
    world.ok(["restart", "web"]);
    let ready = || (world.ok(["logs", "web"]).matches("Ready").count() == 2).then_some(());
    eventually("the next life does not read", ready);
    for end in ["keys", "SIGTERM", "SIGQUIT"] {
        terminal.tmo("connect web; echo 'ended '$?");
        terminal.wait_connected("C-b d");
        for _ in 0..10 {
            terminal.paste(&text[..8000]);
        }
        terminal.keys(["C-b", "?"]);
        terminal.wait("d leaves, ");
        let client = world.living();
        let client = client.iter().find(|p| p.args.iter().any(|a| a == "connect")).unwrap().pid;
        let code = match end {
            "keys" => {
                terminal.keys(["C-b", "d"]);
                0
            }
            "SIGTERM" => {
                procs::kill(client, 15);
                143
            }
            _ => {
                procs::kill(client, 3);
                131
            }
        };
        terminal.wait("web has not read all that was typed: ");
        terminal.wait(&format!("ended {code}"));
        terminal.line("clear; echo fine");
        terminal.wait_for("the terminal is as before", |screen| screen.starts_with("fine\nready>"));
        terminal.clear();
    }
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn answers_that_a_program_does_not_read_are_dropped() {
    let world = native(
        "web: stty raw -echo; yes \"$(printf '\\033[c\\033]4;1;?;2;?;3;?\\007')\" | head -c 3000000; echo \
         asked; until [ -e go ]; do sleep 0.1; done; exec cat >got\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "asked");
    assert!(world.ok(["screen", "web"]).contains("asked"));
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("asked");
    fs::write(world.app().join("go"), "").unwrap();
    terminal.typed("END");
    eventually("it reads again", || world.read("got").ends_with("END").then_some(()));
    // What the kernel keeps, and what the holder does.
    let answers = world.read("got").len();
    assert!((1000..64 << 10).contains(&answers), "{answers}");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_size_of_a_huge_terminal_is_cut() {
    let world = native("web: stty size; exec sleep 1000\n");
    let start = Pty::tmo(&world, &["start", "-D"], 65535, 65535);
    world.wait_text("web", "500 1000");
    assert!(world.ok(["screen", "web"]).contains("500 1000"));
    drop(start);
    world.ok(["quit"]);
}
