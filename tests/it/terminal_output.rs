//! How process output is rendered on a terminal, in a pipe and in a file.

use crate::harness::{Terminal, World, eventually};

/// What could wreck a terminal, by name.
fn nasty() -> Vec<(String, Vec<u8>)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nasty");
    let files = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let mut all: Vec<_> = files
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() > 30);
    all
}

/// A process prints all of it and stays, another one ends within a sequence.
fn nasty_world() -> World {
    let world = World::new(
        "nasty: stty -echo; cat all; echo; echo END; exec sleep 1000\nopen: printf 'ended \\033]0;PWNED'\n",
    );
    let all: Vec<u8> = nasty()
        .into_iter()
        .flat_map(|(_, bytes)| [&bytes[..], b"\x1b[?1049l\x1b[m\n"].concat())
        .collect();
    std::fs::write(world.app().join("all"), all).unwrap();
    world
}

/// What a program may leave switched on in a terminal.
const MODES: &str = "#{cursor_flag} #{cursor_shape} #{mouse_any_flag} #{mouse_standard_flag} \
    #{mouse_button_flag} #{mouse_all_flag} #{mouse_sgr_flag} #{mouse_utf8_flag} #{alternate_on} \
    #{keypad_flag} #{keypad_cursor_flag} #{insert_flag} #{origin_flag} #{wrap_flag} \
    #{scroll_region_upper} #{scroll_region_lower} #{pane_tabs} #{pane_title}";

/// The terminal is at a prompt, as it was before, and nothing is typed into it.
#[track_caller]
fn is_untouched(terminal: &Terminal<'_>, before: &str, after: &str) {
    eventually(&format!("a prompt with nothing typed behind it after {after}"), || {
        let screen = terminal.screen();
        let last = screen.lines().rfind(|line| !line.trim().is_empty())?;
        // The cursor is behind it, so what was drawn last did not move it.
        let at = (last.trim_end().len() + 1).to_string();
        let prompt = last.trim_start_matches("^C").trim_end();
        (prompt == "ready>" && terminal.ask("#{cursor_x}") == at).then_some(())
    });
    assert_eq!(terminal.ask(MODES), before, "after {after}");
}

/// Plain text holds no control character but tabs and newlines.
#[track_caller]
fn is_plain(world: &World, file: &str) {
    let text = std::fs::read(world.app().join(file)).unwrap();
    let text = String::from_utf8(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(text.contains("END\n") && text.contains("Exited with code 0\n"), "{file}: {text}");
    for line in text.lines() {
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{file}: {line:?}");
        let names = ["nasty  | ", "open   | ", "system | "];
        assert!(names.iter().any(|name| line.starts_with(name)), "{file}: {line:?}");
    }
    for line in ["system | Exited with code 0", "system | a", "system | b"] {
        assert!(!text.lines().any(|shown| shown == line), "{file}: {line:?} forged\n{text}");
    }
}

#[test]
fn escape_sequences_of_a_process_reach_neither_terminal_nor_file() {
    let world = nasty_world().env("PAGER", "cat");
    let terminal = Terminal::open(&world, "a", 90, 24);
    let modes = terminal.ask(MODES);
    let both = || {
        let log = terminal.history();
        log.contains("| END") && log.contains("open   | Exited with code 0")
    };
    terminal.tmo("start --any-can-die");
    eventually("all of it", || both().then_some(()));
    assert!(terminal.ask(MODES).ends_with("app | tmo"), "{}", terminal.ask(MODES));
    terminal.keys(["C-c"]);
    world.wait_state_gone();
    is_untouched(&terminal, &modes, "start");
    for (number, (command, file)) in (0..).zip([
        ("logs", ""),
        ("logs --no-prefix", ""),
        ("logs | cat", ""),
        ("logs | tee file", "file"),
        ("logs --no-prefix | cat", ""),
        ("logs --grep .", ""),
        ("events", ""),
        ("why", ""),
    ]) {
        terminal.clear();
        terminal.tmo(&format!("{command}; echo status=$((40 + {number}))="));
        terminal.wait(&format!("status={}=", 40 + number));
        is_untouched(&terminal, &modes, command);
        if !file.is_empty() {
            is_plain(&world, file);
        }
    }
    terminal.clear();
    terminal.tmo("start --any-can-die | tee piped");
    eventually("all of it", || {
        let log = world.read("piped");
        (log.contains("| END\n") && log.contains("open   | Exited with code 0\n")).then_some(())
    });
    terminal.keys(["C-c"]);
    world.wait_state_gone();
    is_untouched(&terminal, &modes, "start | tee");
    is_plain(&world, "piped");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_text("nasty", "END\n");
    world.wait_state("open", "exited");
    for command in ["echo -n 2000", "logs -f", "logs -f --no-prefix", "screen nasty"] {
        terminal.clear();
        // Otherwise the end of the command before would count as that of this one.
        terminal.wait_for("an empty screen", |screen| screen.trim() == "ready>");
        terminal.tmo(command);
        terminal.wait("END");
        if !command.starts_with("screen") {
            terminal.keys(["C-c"]);
        }
        is_untouched(&terminal, &modes, command);
    }
    world.ok(["quit"]);
    // What is pasted is pasted as it is.
    terminal.clear();
    terminal.paste("echo pasted $((40 + 2))");
    terminal.keys(["Enter"]);
    terminal.wait("\npasted 42");
}

#[test]
fn raw_output_is_byte_for_byte_and_forced_colours_set_no_title() {
    let world = nasty_world().env("CLICOLOR_FORCE", "1");
    let mut view = world.start(["--any-can-die"]);
    eventually("all of it", || view.log().contains("END\n").then_some(()));
    world.wait_state("open", "exited");
    assert_eq!(view.interrupt(), 0);
    let log = std::fs::read(world.app().join("log")).unwrap();
    let mut raw = world.tmo(["logs", "nasty", "--raw"]).output().unwrap().stdout;
    let printed = std::fs::read(world.app().join("all")).unwrap();
    let printed = [&printed[..], b"\nEND\n"].concat();
    // The terminal puts a return before each newline.
    let mut expected = vec![];
    for line in printed.split_inclusive(|b| *b == b'\n') {
        expected.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        expected.extend_from_slice(b"\r\n");
    }
    raw.truncate(expected.len());
    assert_eq!(raw.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert!(memchr::memmem::find(&log, b"\x1b[?1049h").is_some(), "overmind's bytes");
    assert!(memchr::memmem::find(&log, b"app | tmo").is_none(), "no title in a file");
}

#[test]
fn no_color_removes_colours_of_processes() {
    let world = World::new("web: printf '\\033[1;31mred\\033[0m\\n'; exec sleep 1000\n")
        .env("NO_COLOR", "1");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("web    | red");
    assert!(!terminal.colours().contains("\x1b["), "{:?}", terminal.colours());
    terminal.keys(["C-c"]);
    world.wait_state_gone();
}

#[test]
fn a_cleared_screen_leaves_no_empty_lines() {
    let world = World::new(
        "web: printf 'one\\n\\ntwo\\n'; cat vite; printf '\\n\\n\\nthree\\n'; exec sleep 1000\n",
    );
    let vite = nasty().into_iter().find(|(name, _)| name == "vite").unwrap().1;
    std::fs::write(world.app().join("vite"), vite).unwrap();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("web    | three");
    let screen = terminal.screen();
    let shown: Vec<&str> = screen
        .lines()
        .filter_map(|line| line.strip_prefix("web    |"))
        .filter(|line| !line.contains("Started with pid"))
        .map(str::trim)
        .collect();
    let [vite, local] = ["VITE v5.4.0  ready in 120 ms", "Local:   http://localhost:5173/"];
    assert_eq!(shown, ["one", "", "two", "", vite, "", local, "", "", "three"], "{screen}");
    assert!(screen.contains("system | Listening"), "nothing has scrolled away: {screen}");
    terminal.keys(["C-c"]);
    world.wait_state_gone();
    let lines = world.ok(["logs", "web", "--no-prefix"]);
    assert!(lines.starts_with("one\n\ntwo\n\n  VITE"), "{lines}");
}

#[test]
fn a_slow_spinner_leaves_no_copies_between_lines_of_other_processes() {
    let world = World::new(
        "build: i=0; while [ $i -lt 20 ]; do i=$((i+1)); printf '\\rbuilding %s' $i; sleep 0.2; done; \
         printf '\\rbuilt now  \\n'; exec sleep 1000\n\
         mail: i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo line $i; sleep 0.21; done; \
         exec sleep 1000\n",
    );
    let terminal = Terminal::open(&world, "a", 80, 50);
    terminal.tmo("start");
    terminal.wait("| building");
    let mut most = 0;
    eventually("it is built", || {
        let screen = terminal.screen();
        most = most.max(screen.matches("| building").count());
        screen.contains("| built now").then_some(())
    });
    assert_eq!(most, 1, "a copy beside the one that moves");
    terminal.wait("line 20");
    let screen = terminal.screen();
    assert_eq!(screen.matches("| building").count(), 0, "{screen}");
    assert_eq!(screen.matches("| line ").count(), 20, "{screen}");
    terminal.keys(["C-c"]);
    world.wait_state_gone();
}

#[test]
fn a_prompt_stays_at_the_bottom_and_is_completed_in_one_line() {
    let world = World::new(
        "ask: printf 'Who are you? '; read name; echo \"Hello, $name!\"; exec sleep 1000\n\
         mail: while read x; do echo got $x; done\n",
    );
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("ask    | Who are you?");
    world.type_into("mail", "one");
    terminal.wait("mail   | got one");
    let last = |screen: &str| screen.trim_end().lines().last().unwrap_or_default().to_owned();
    terminal.wait_for("it is below", |screen| last(screen) == "ask    | Who are you?");
    assert_eq!(terminal.screen().matches("| Who are you?").count(), 1, "{}", terminal.screen());
    world.type_into("ask", "Bob");
    terminal.wait("ask    | Hello, Bob!");
    terminal.wait("ask    | Who are you? Bob\n");
    terminal.keys(["C-c"]);
    world.wait_state_gone();
}

#[test]
fn logs_grep_matches_the_text_as_shown() {
    let world = World::new(
        "web: printf 'half\\rwhole 1\\n10%%\\r\\033[K20%%\\nab\\b\\bcd\\nx\\033[1A\\r\\033[Krow two\\n'; exit 0\n",
    );
    world.run(["start"]);
    for (expression, expected) in [
        ("^whole 1$", "whole 1\n"),
        ("half", ""),
        ("10%", ""),
        ("^cd$", "cd\n"),
        ("^row two$", "x\nrow two\n"),
    ] {
        let found = world.run(["logs", "web", "--no-prefix", "--grep", expression]).stdout;
        assert_eq!(found, expected, "{expression}");
    }
    let json = world.ok(["logs", "web", "--json", "--grep", "^whole"]);
    assert!(json.contains("\"text\":\"whole 1\""), "{json}");
}

#[test]
fn the_summary_does_not_repeat_lines_shown_directly_above() {
    // Alone, they stand above.
    let world = World::new("web: echo one; echo two; exit 3\n");
    let mut view = world.start([""; 0]);
    assert_eq!(view.code(), 3);
    assert!(view.log().contains("system | web exited with code 3 after "), "{}", view.log());
    assert_eq!(view.log().matches("two\n").count(), 1, "{}", view.log());
    // Beside others that print much, they are told again.
    let world = World::new(
        "web: echo one; echo two; until [ -e printed ]; do sleep 0.05; done; exit 3\n\
         api: until [ -e go ]; do sleep 0.05; done; seq 50; touch printed; exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("web    | two\n");
    world.write("go", "");
    assert_eq!(view.code(), 3);
    assert!(
        view.log().contains("its last lines:\nsystem |   one\nsystem |   two\n"),
        "{}",
        view.log()
    );
    // After a success nothing is to be explained.
    let world = World::new("web: seq 50; exit 0\napi: seq 100 200; exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    assert_eq!(view.code(), 0);
    assert!(!view.log().contains("its last lines"), "{}", view.log());
}

#[test]
fn actions_on_a_process_are_logged_among_its_lines() {
    let world = World::new("web: echo up; exec sleep 1000\napi: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "up\n");
    world.wait_state("api", "running");
    world.ok(["restart", "web"]);
    world.ok(["restart", "api"]);
    for args in [["logs", "web"], ["events", "web"]] {
        let log = world.ok(args);
        assert_eq!(log.matches("web    | Interrupting...\n").count(), 1, "{args:?}: {log}");
        assert!(!log.contains("api"), "{args:?}: {log}");
    }
    world.ok(["quit"]);
}
