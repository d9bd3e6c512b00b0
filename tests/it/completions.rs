//! Completion: the answers of the program, and their effect in real shells.

use std::path::Path;

use crate::harness::{Ran, Terminal, World, executable};

const TWO: &str = "web: exec sleep 1000\njobs: exec sleep 1000\n";

/// A shell: how it is started, and how it is told of its completions.
const SHELLS: [(&str, &str, &str); 3] = [
    ("bash", "bash --norc", "source DIR/tmo.bash; echo now $((6 * 7))"),
    (
        "zsh",
        "zsh -f",
        "fpath=(DIR $fpath); autoload -Uz compinit; compinit -u -D; echo now $((6 * 7))",
    ),
    ("fish", "fish --private", "source DIR/tmo.fish; echo now (math 6 x 7)"),
];

/// Open each shell that there is in a terminal, tmo on its path and its completions known.
fn in_each_shell(world: &World, test: impl Fn(&Terminal<'_>)) {
    in_each_shell_with(world, Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap(), test);
}

/// As above, with the `tmo` of this directory.
fn in_each_shell_with(world: &World, bin: &Path, test: impl Fn(&Terminal<'_>)) {
    in_shells(world, &SHELLS, bin, test);
}

/// Open fish alone in this way.
fn in_fish(world: &World, test: impl Fn(&Terminal<'_>)) {
    let bin = Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap();
    in_shells(world, &SHELLS[2..], bin, test);
}

fn in_shells(
    world: &World,
    shells: &[(&str, &str, &str)],
    bin: &Path,
    test: impl Fn(&Terminal<'_>),
) {
    let completions = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");
    let tool = world.home().join("zzz-tool");
    executable(&tool, "#!/bin/sh\n");
    world.without_fish_reading_manuals();
    for (name, command, setup) in shells {
        if !world.shell(&format!("command -v {name}")).stdout.contains('/') {
            eprintln!("SKIPPED: there is no {name}");
            continue;
        }
        let terminal = Terminal::open(world, name, 140, 50);
        terminal.line(&format!("PATH={}:$HOME:$PATH exec {command}", bin.display()));
        terminal.line(&setup.replace("DIR", completions));
        terminal.wait("now 42");
        test(&terminal);
        terminal.close();
        // Fish's own, which it leaves.
        let _ = std::fs::remove_file(world.path().join("run/fish_universal_variables.notifier"));
    }
}

/// Begin an empty line on an empty screen.
fn afresh(terminal: &Terminal<'_>) {
    terminal.keys(["C-u", "C-l"]);
    terminal.wait_for("the screen is empty", |screen| {
        screen.trim().lines().count() <= 1 && !screen.contains("tmo ") && !screen.contains("now 42")
    });
}

/// Type this, press Tab, and wait for what the line has become.
#[track_caller]
fn completes(terminal: &Terminal<'_>, typed: &str, line: &str) {
    afresh(terminal);
    terminal.typed_and(typed, ["Tab"]);
    terminal.wait(line);
}

#[test]
fn commands_are_listed_by_their_own_names_in_every_shell() {
    let world = World::new(TWO);
    in_each_shell(&world, |terminal| {
        afresh(terminal);
        terminal.typed("tmo ");
        terminal.keys(["Tab", "Tab"]);
        terminal.wait_for("the commands are listed", |screen| {
            ["start", "restart", "stop", "connect", "quit"]
                .iter()
                .all(|name| screen.split_whitespace().any(|word| word == *name))
        });
        completes(terminal, "tmo deta", "tmo detach");
        completes(terminal, "tmo stat", "tmo status");
        completes(terminal, "overmind resta", "overmind restart");
    });
    world.wait_empty();
}

#[test]
fn process_names_come_before_flags_in_every_shell() {
    let world = World::new(TWO);
    in_each_shell(&world, |terminal| {
        for verb in ["restart", "start"] {
            afresh(terminal);
            terminal.typed(&format!("tmo {verb} "));
            terminal.keys(["Tab", "Tab"]);
            terminal.wait("jobs");
            let screen = terminal.screen();
            assert!(!screen.contains("--"), "flags are offered:\n{screen}");
        }
        completes(terminal, "tmo restart web ", "tmo restart web jobs");
        completes(terminal, "tmo restart --no-w", "tmo restart --no-wait");
        completes(terminal, "tmo start --show-t", "--show-timestamps");
    });
    world.wait_empty();
}

#[test]
fn values_are_completed_in_every_shell() {
    let world = World::new(TWO);
    in_each_shell(&world, |terminal| {
        completes(terminal, "tmo wait web --for po", "--for port");
        completes(terminal, "tmo signal WIN", "signal WINCH");
        completes(terminal, "tmo start -l web,jo", "-l web,jobs");
        completes(terminal, "tmo start -m we", "-m web=");
        terminal.typed("2,jo");
        terminal.keys(["Tab"]);
        terminal.wait("-m web=2,jobs=");
        completes(terminal, "tmo start -i web=WIN", "-i web=WINCH");
        completes(terminal, "tmo ps --network=un", "--network=unix");
    });
    world.wait_empty();
}

#[test]
fn paths_and_commands_are_completed_by_every_shell_itself() {
    let world = World::new(TWO);
    std::fs::create_dir(world.app().join("subdir")).unwrap();
    in_each_shell(&world, |terminal| {
        completes(terminal, "tmo start -f Proc", "-f Procfile");
        completes(terminal, "tmo start --procfile=Proc", "--procfile=Procfile");
        completes(terminal, "tmo start -d sub", "-d subdir/");
        completes(terminal, "tmo run zzz-t", "tmo run zzz-tool");
        completes(terminal, "tmo run zzz-tool Procf", "zzz-tool Procfile");
        completes(terminal, "tmo start --until-ready -- zzz-t", "-- zzz-tool");
    });
    world.wait_empty();
}

#[test]
fn process_names_and_socket_of_a_run_are_completed_in_every_shell() {
    let world = World::new(TWO);
    world.ok(["start", "-D", "-m", "jobs=2"]);
    in_each_shell(&world, |terminal| {
        afresh(terminal);
        terminal.typed("tmo stop jobs#");
        terminal.keys(["Tab", "Tab"]);
        // How the name is quoted is each shell's own affair.
        terminal.wait_for("the second instance is listed", |screen| {
            screen.replace('\\', "").contains("jobs#2")
        });
        completes(terminal, "tmo connect we", "tmo connect web");
        // fish shows a name with a leading dot only where a dot is typed.
        completes(terminal, "tmo ps -s .", "-s .overmind.sock");
    });
    world.ok(["quit"]);
    world.wait_empty();
}

/// Names of sockets that a completion script could take for an instruction.
const INSTRUCTIONS: [&str; 7] = [
    ":command psvar[$(touch RAN)]",
    "command psvar[$(touch RAN)]",
    ":command 0",
    "command 0",
    "aa:files",
    ":files x",
    "words",
];

#[test]
fn no_shell_interprets_the_name_of_a_socket() {
    let world = World::new(TWO);
    let _socket = std::os::unix::net::UnixListener::bind(world.app().join("real")).unwrap();
    for (number, name) in INSTRUCTIONS.iter().enumerate() {
        let dir = world.app().join(format!("d{number}"));
        std::fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink("../real", dir.join(name)).unwrap();
    }
    in_each_shell(&world, |terminal| {
        for (number, name) in INSTRUCTIONS.iter().enumerate() {
            terminal.keys(["C-u"]);
            terminal.line(&format!("cd {}/d{number}", world.app().display()));
            afresh(terminal);
            terminal.typed("tmo ps -s ");
            terminal.keys(["Tab"]);
            // How the name is quoted is each shell's own affair.
            terminal.wait_for(&format!("{name} is completed"), |screen| {
                screen.replace(['\\', '\''], "").contains(&format!("ps -s {name}"))
            });
        }
        terminal.keys(["C-u"]);
        terminal.line(&format!("cd {}", world.app().display()));
    });
    for (number, name) in INSTRUCTIONS.iter().enumerate() {
        let ran = world.app().join(format!("d{number}/RAN"));
        assert!(!ran.exists(), "the name {name} was run");
    }
    world.wait_empty();
}

#[test]
fn no_shell_evaluates_an_answer_that_replaces_a_number() {
    let world = World::new(TWO);
    let bin = world.path().join("answers");
    std::fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\ncat \"$HOME/answer\"\n";
    executable(&bin.join("tmo"), script);
    in_each_shell_with(&world, &bin, |terminal| {
        for number in ["psvar[$(touch RAN)]", "(touch RAN)", "0", "-1", "08", "99999", ""] {
            for mark in ["", ":"] {
                let answer = format!("{mark}command {number}\n");
                std::fs::write(world.home().join("answer"), answer).unwrap();
                afresh(terminal);
                terminal.typed("tmo run ");
                terminal.keys(["Tab", "C-u"]);
                terminal.line("echo the shell li'v'es");
                terminal.wait("the shell lives");
            }
        }
    });
    assert!(!world.app().join("RAN").exists(), "the answer was run");
    world.wait_empty();
}

#[test]
fn a_script_of_an_unknown_answer_format_gets_no_answer() {
    let world = World::new(TWO);
    for shell in ["bash", "zsh", "fish", "1 bash"] {
        let mut command = world.tmo(["--", "tmo", "start", ""]);
        let ran = Ran::of(&command.env("_TMO_COMPLETE", shell).output().unwrap());
        assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (0, "", ""), "{shell}: {ran:?}");
    }
}

/// Open bash in a terminal, with or without its `compopt`, and `overmind` as a function that shows
/// its arguments.
fn in_bash(world: &World, compopt: bool, test: impl Fn(&Terminal<'_>)) {
    if !world.shell("command -v bash").stdout.contains('/') {
        eprintln!("SKIPPED: there is no bash");
        return;
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap();
    let completions = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");
    let terminal = Terminal::open(world, "bash", 140, 50);
    terminal.line(&format!("PATH={}:$PATH exec bash --norc", bin.display()));
    if !compopt {
        // As in bash 3.2, which has none.
        terminal.line("enable -n compopt; compopt() { return 1; }");
    }
    terminal.line(r#"overmind() { printf 'got '; printf '[%s]' "$@"; printf '\n'; }"#);
    terminal.line(&format!("source {completions}/tmo.bash; echo now $((6 * 7))"));
    terminal.wait("now 42");
    test(&terminal);
    terminal.close();
}

/// Type this, press Tab and Enter, and wait for what the command gets.
#[track_caller]
fn passes(terminal: &Terminal<'_>, typed: &str, arguments: &str) {
    terminal.typed_and(&format!("clear; {typed}"), ["Tab", "Enter"]);
    terminal.wait(&format!("got {arguments}"));
    terminal.keys(["C-l"]);
}

/// Names that the shell would take for something else.
const ODD_NAMES: [&str; 13] = [
    "$(touch RAN)x",
    "q;touch RAN;",
    "`touch RAN`",
    "my app",
    "it's",
    "'its'",
    "\"so\"",
    "say\"so\"\\",
    "a!b!",
    "!;touch RAN #",
    "b:c=d",
    "#h~*?[x]{y}",
    "~",
];

/// Whether one of the odd names was run, in the directory of the project or in one right below.
fn ran(world: &World) -> bool {
    !world.shell("find . -maxdepth 2 -name RAN").stdout.is_empty()
}

#[test]
fn bash_quotes_the_name_of_a_socket() {
    let world = World::new(TWO);
    let _socket = std::os::unix::net::UnixListener::bind(world.app().join("real")).unwrap();
    for (number, name) in ODD_NAMES.iter().enumerate() {
        let dir = world.app().join(format!("d{number}"));
        std::fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink("../real", dir.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(world.app(), world.home().join("my home")).unwrap();
    for compopt in [true, false] {
        in_bash(&world, compopt, |terminal| {
            for (number, name) in ODD_NAMES.iter().enumerate() {
                let path = format!("d{number}/{name}");
                for quote in ["", "\"", "'"] {
                    let typed = format!("overmind ps -s {quote}d{number}/");
                    passes(terminal, &typed, &format!("[ps][-s][{path}]"));
                }
                let typed = format!("overmind ps --socket=d{number}/");
                passes(terminal, &typed, &format!("[ps][--socket={path}]"));
            }
            // The candidate stands right behind the quote.
            for (number, name) in ODD_NAMES.iter().enumerate() {
                let (quote, dot) = match name.chars().next() {
                    Some('!') => ("\"", "./"),
                    Some('\'') => ("'", "./"),
                    Some('"') => ("\"", ""),
                    _ => continue,
                };
                terminal.line(&format!("cd d{number}"));
                for typed in [quote.to_owned(), format!("{quote}{}", &name[..1])] {
                    let typed = format!("overmind ps -s {typed}");
                    if !typed.ends_with("\"\"") && !typed.ends_with("''") {
                        passes(terminal, &typed, &format!("[ps][-s][{dot}{name}]"));
                    }
                }
                let typed = format!("overmind ps --socket={quote}");
                passes(terminal, &typed, &format!("[ps][--socket={dot}{name}]"));
                terminal.line("cd ..");
            }
            // What inserts all candidates drops the open quote: nothing is inserted.
            terminal.typed("clear; overmind ps -s \"d1/");
            terminal.keys(["M-*"]);
            terminal.line("\"");
            terminal.wait("got [ps][-s][d1/]");
            terminal.keys(["C-l"]);
            // What is typed already may be quoted.
            passes(terminal, r"overmind ps -s d3/my\ a", "[ps][-s][d3/my app]");
            passes(terminal, r#"overmind ps -s "d3/my a"#, "[ps][-s][d3/my app]");
            passes(terminal, r"overmind ps -s 'd3/my a", "[ps][-s][d3/my app]");
            passes(terminal, r"overmind ps -s d3/'my a", "[ps][-s][d3/my app]");
            passes(terminal, r"overmind ps -s d0/\$\(to", "[ps][-s][d0/$(touch RAN)x]");
            passes(terminal, r#"overmind ps -s "d0/\$(to"#, "[ps][-s][d0/$(touch RAN)x]");
            let home = world.home().display().to_string();
            let path = format!("[ps][-s][{home}/my home/d3/my app]");
            passes(terminal, r"overmind ps -s ~/my\ home/d3/", &path);
        });
    }
    assert!(!ran(&world), "the name of a socket was run");
    world.wait_empty();
}

#[test]
fn every_shell_passes_on_the_whole_name_of_a_socket_or_file() {
    const NAMES: [&str; 6] = ["a\\b", "c:d\\:e", "~root", "~", "my app", "$(touch RAN)x"];
    let world = World::new(TWO);
    let _socket = std::os::unix::net::UnixListener::bind(world.app().join("real")).unwrap();
    for (number, name) in NAMES.iter().enumerate() {
        let dirs = [format!("s{number}"), format!("f{number}")].map(|dir| world.app().join(dir));
        for dir in &dirs {
            std::fs::create_dir(dir).unwrap();
        }
        std::os::unix::fs::symlink("../real", dirs[0].join(name)).unwrap();
        std::fs::write(dirs[1].join(name), "").unwrap();
    }
    in_each_shell(&world, |terminal| {
        for (number, name) in NAMES.iter().enumerate() {
            for (dir, typed) in [("s", "ps -s "), ("s", "ps --socket="), ("f", "check -f ")] {
                terminal.line(&format!("cd {}/{dir}{number}; clear", world.app().display()));
                terminal.typed(&format!("tmo {typed}"));
                terminal.keys(["Tab", "C-a"]);
                terminal.line("printf '[%s]' got ");
                let typed = typed.replace(' ', "][");
                terminal.wait_for(&format!("{typed}{name} is passed on"), |screen| {
                    let got = |path: &str| screen.contains(&format!("[got][tmo][{typed}{path}]"));
                    // bash itself takes a file ~root for the directory; fish gets a full path.
                    let full = format!("{}/{dir}{number}/{name}", world.app().display());
                    got(name) || got(&format!("{name}/")) || got(&full)
                });
                terminal.keys(["C-u"]);
            }
        }
        terminal.line(&format!("cd {}; clear", world.app().display()));
    });
    assert!(!ran(&world), "the name of a socket or file was run");
    world.wait_empty();
}

#[test]
fn bash_quotes_the_names_of_files_directories_and_programs() {
    let world = World::new(TWO);
    for (number, name) in ODD_NAMES.iter().enumerate() {
        let file = world.app().join(format!("f{number}")).join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        executable(&file, "");
        std::fs::create_dir_all(world.app().join(format!("d{number}")).join(name)).unwrap();
    }
    std::fs::write(world.home().join("my file"), "").unwrap();
    for compopt in [true, false] {
        in_bash(&world, compopt, |terminal| {
            for (number, name) in ODD_NAMES.iter().enumerate() {
                for quote in ["", "\"", "'"] {
                    let typed = format!("overmind check -f {quote}f{number}/");
                    passes(terminal, &typed, &format!("[check][-f][f{number}/{name}]"));
                }
                let typed = format!("overmind start -d d{number}/");
                passes(terminal, &typed, &format!("[start][-d][d{number}/{name}"));
                let typed = format!("overmind run f{number}/");
                passes(terminal, &typed, &format!("[run][f{number}/{name}]"));
            }
            // The candidate stands right behind the quote; bash itself quotes in another way.
            let dot = if compopt { "" } else { "./" };
            for (number, quote) in [(9, "\""), (5, "'")] {
                terminal.line(&format!("cd f{number}"));
                let typed = format!("overmind check -f {quote}");
                let arguments = format!("[check][-f][{dot}{}]", ODD_NAMES[number]);
                passes(terminal, &typed, &arguments);
                terminal.line("cd ..");
            }
            passes(terminal, r"overmind check -f f3/my\ a", "[check][-f][f3/my app]");
            let home = world.home().display().to_string();
            let path = format!("[check][-f][{home}/my file]");
            passes(terminal, r"overmind check -f ~/my\ f", &path);
        });
    }
    assert!(!ran(&world), "the name of a file was run");
    world.wait_empty();
}

#[test]
fn a_name_with_a_control_character_is_not_offered() {
    let world = World::new(TWO);
    for name in ["two\nlines", "tab\there", "plain"] {
        drop(std::os::unix::net::UnixListener::bind(world.app().join(name)).unwrap());
    }
    assert_eq!(answer(&world, &["tmo", "ps", "-s", ""]).stdout, "words\nplain\n");
}

#[test]
fn fish_runs_no_name_of_a_file_or_directory() {
    const NAMES: [&str; 5] =
        ["a;(touch RAN)", "a|(touch RAN)", "a&(touch RAN)", "a$(touch RAN)", "a(touch RAN)"];
    let world = World::new(TWO);
    for (number, name) in NAMES.iter().enumerate() {
        let dir = world.app().join(format!("d{number}")).join(name);
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        executable(&dir.join("tool"), "#!/bin/sh\n");
    }
    in_fish(&world, |terminal| {
        let lives = || {
            terminal.keys(["C-u"]);
            terminal.line("echo the shell li'v'es");
            terminal.wait("the shell lives");
        };
        for (number, name) in NAMES.iter().enumerate() {
            terminal.line(&format!("cd {}/d{number}", world.app().display()));
            for typed in [
                "tmo start -d 'a",
                "tmo start -d \"a",
                "tmo start -d a",
                "tmo check -f 'a",
                "tmo check --procfile='a",
                "tmo ps -s 'a",
                "tmo run './a",
                "tmo run ./a",
                "tmo run cat 'a",
                "tmo start web -- './a",
            ] {
                afresh(terminal);
                terminal.typed(typed);
                terminal.keys(["Tab"]);
                // How the name is quoted is fish's own affair.
                terminal.wait_for(&format!("{typed} is completed to {name}/"), |screen| {
                    screen.replace('\\', "").contains(&format!("{name}/"))
                });
                terminal.keys(["Tab", "Tab"]);
                lives();
            }
        }
        // No name of a file at all.
        for typed in [
            "tmo run '(touch RAN)",
            "tmo run \"(touch RAN)",
            "tmo run cat '(touch RAN)",
            "tmo run cat '(touch RAN)' ",
            "tmo run 'a=(touch RAN)' cat ",
            "tmo start -d '(touch RAN)",
            "tmo run ';touch RAN;",
        ] {
            afresh(terminal);
            terminal.typed(typed);
            terminal.keys(["Tab", "Tab"]);
            lives();
        }
    });
    assert!(!ran(&world), "the name of a file or directory was run");
    world.wait_empty();
}

#[test]
fn fish_completes_a_value_however_it_is_quoted() {
    let world = World::new(TWO);
    let app = world.app();
    for dir in [app.join("my dir"), world.home().join("my proj")] {
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("Procfile"), "other: true\n").unwrap();
        drop(std::os::unix::net::UnixListener::bind(dir.join("x.sock")).unwrap());
    }
    in_fish(&world, |terminal| {
        for (typed, line) in [
            // A socket, which tmo finds.
            (r"-s my\ dir/x", r"-s my\ dir/x.sock"),
            ("-s my' 'dir/x", "-s my' 'dir/x.sock"),
            ("-s 'my dir/x", "-s 'my dir/x.sock'"),
            (r"-s ~/my\ proj/x", r"-s ~/my\ proj/x.sock"),
            (r"-s $HOME/my\ proj/x", r"-s $HOME/my\ proj/x.sock"),
            ("-s \"$HOME/my proj/x", "-s \"$HOME/my proj/x.sock\""),
            (r"--socket=$HOME/my\ proj/x", r"--socket=$HOME/my\ proj/x.sock"),
            // A path, which fish finds.
            (r"-f my\ dir/Pro", r"-f my\ dir/Procfile"),
            ("-f my' 'dir/Pro", "-f my' 'dir/Procfile"),
            (r"-f ~/my\ proj/Pro", r"-f ~/my\ proj/Procfile"),
            ("-f \"$HOME/my proj/Pro", "-f \"$HOME/my proj/Procfile\""),
            (r"--procfile=~/my\ proj/Pro", r"--procfile=~/my\ proj/Procfile"),
            ("-d ~/my", r"-d ~/my\ proj/"),
            // What is said before counts too.
            (r"-f ~/my\ proj/Procfile -l ot", "-l other"),
            (r"-f $HOME/my\ proj/Procfile -l ot", "-l other"),
            ("-f 'my dir/Procfile' -l ot", "-l other"),
        ] {
            completes(terminal, &format!("tmo start {typed}"), line);
        }
        completes(terminal, "tmo run ~/zzz-t", "tmo run ~/zzz-tool");
        // Between single quotes nothing stands for the home directory.
        for typed in ["tmo check -f '~/my", "tmo check -f '$HOME/my"] {
            afresh(terminal);
            terminal.typed(typed);
            terminal.keys(["Tab", "C-e"]);
            terminal.line("'; echo do'n'e");
            terminal.wait("done");
            let screen = terminal.screen();
            assert!(!screen.contains("my proj"), "{screen}");
        }
    });
    world.wait_empty();
}

#[test]
fn bash_reads_the_line_up_to_the_cursor_in_any_alphabet() {
    let world = World::new("web: exec sleep 1000\n");
    in_bash(&world, true, |terminal| {
        passes(terminal, "overmind stop -s é/s x", "[stop][-s][é/s][x]");
        passes(terminal, "overmind start -s é/ü/s w", "[start][-s][é/ü/s][web]");
    });
    world.wait_empty();
}

#[test]
fn bash_completes_a_path_whose_quote_begins_after_the_home_directory() {
    let world = World::new(TWO);
    let dir = world.home().join("my proj");
    std::fs::create_dir(&dir).unwrap();
    drop(std::os::unix::net::UnixListener::bind(dir.join("x.sock")).unwrap());
    executable(&dir.join("tool"), "#!/bin/sh\n");
    let dir = dir.display();
    for compopt in [true, false] {
        in_bash(&world, compopt, |terminal| {
            for quote in ["\"", "'"] {
                let typed = format!("overmind ps -s ~/{quote}my proj/x");
                passes(terminal, &typed, &format!("[ps][-s][{dir}/x.sock]"));
                let typed = format!("overmind run ~/{quote}my proj/to");
                passes(terminal, &typed, &format!("[run][{dir}/tool]"));
            }
        });
    }
    world.wait_empty();
}

#[test]
fn bash_continues_completion_inside_a_directory() {
    let world = World::new(TWO);
    let bin = world.app().join("a bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(world.app().join("both")).unwrap();
    for tool in [bin.join("tool"), world.app().join("both/tool"), world.app().join("both-run")] {
        executable(&tool, "#!/bin/sh\n");
    }
    std::fs::write(world.app().join("a text"), "").unwrap();
    in_bash(&world, true, |terminal| {
        for (typed, program) in
            [("./a", "./a bin/tool"), ("\"./a", "./a bin/tool"), ("./both-", "./both-run")]
        {
            terminal.typed(&format!("clear; overmind run {typed}"));
            terminal.keys(["Tab", "Tab", "Enter"]);
            terminal.wait(&format!("got [run][{program}]"));
            terminal.keys(["C-l"]);
        }
        afresh(terminal);
        terminal.typed("overmind run ./bo");
        terminal.keys(["Tab", "Tab", "Tab"]);
        terminal.wait("./both/");
        terminal.wait("./both-run");
        terminal.keys(["C-u"]);
    });
    world.wait_empty();
}

/// What the program answers bash.
fn answer(world: &World, words: &[&str]) -> Ran {
    let mut command = world.tmo(["--"]);
    Ran::by(command.args(words).env("_TMO_COMPLETE", "2 bash"))
}

#[test]
fn names_come_from_the_run_or_procfile_that_the_line_refers_to() {
    let world = World::new(TWO);
    world.write("Procfile.dev", "other: true\n");
    let names = |words: &[&str]| {
        let answer = answer(&world, words).stdout;
        answer.strip_prefix("words\n").expect("names are words").replace('\n', " ")
    };
    assert_eq!(names(&["tmo", "start", ""]), "web jobs ");
    assert_eq!(names(&["tmo", "start", "-f", "Procfile.dev", ""]), "other ");
    world.ok(["start", "-D", "-m", "jobs=2", "-s", "far.sock"]);
    assert_eq!(names(&["tmo", "stop", ""]), "web jobs ");
    assert_eq!(names(&["tmo", "stop", "-s", "far.sock", ""]), "web jobs#1 jobs#2 ");
    assert_eq!(names(&["tmo", "stop", "-s", ""]), "far.sock ");
    assert_eq!(names(&["tmo", "stop", "--socket=far.sock", "web", "jo"]), "jobs#1 jobs#2 ");
    world.ok(["quit", "-s", "far.sock"]);
    world.ok(["start", "-D", "-x", "jobs"]);
    assert_eq!(names(&["tmo", "stop", ""]), "web ");
    assert_eq!(names(&["tmo", "start", ""]), "web jobs ");
    world.ok(["quit"]);
    world.write("fleet.toml", "[host.k9]\ngroups = [\"arm\"]\n[host.desk]\n");
    assert_eq!(names(&["tmo", "fleet", "ps", ""]), "k9 desk @arm ");
    assert_eq!(names(&["tmo", "fleet", "restart", "k9/"]), "k9/ k9/web k9/jobs ");
    world.wait_empty();
}

#[test]
fn completion_starts_no_program_and_ends_in_time() {
    let world = World::new(TWO);
    // Whatever is started by name leaves a trace.
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["tmux", "sh", "git"] {
        let script = format!("#!/bin/sh\n: >{}/started\n", world.path().display());
        executable(&bin.join(name), &script);
    }
    let world = world.env("PATH", &bin.display().to_string());
    for line in ["tmo ", "tmo start ", "tmo start -f ", "tmo connect w", "tmo run ", "tmo ps -s "] {
        let words: Vec<&str> = line.split(' ').collect();
        let ran = answer(&world, &words);
        assert_eq!((ran.code, &*ran.stderr), (0, ""), "{line}: {ran:?}");
        assert!(!["", "words\n"].contains(&&*ran.stdout), "{line}");
    }
    assert!(!world.path().join("started").exists());
    // A Procfile that never ends: the shell gets nothing, but it gets it.
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    nix::unistd::mkfifo(&world.app().join("Procfile"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(answer(&world, &["tmo", "start", "w"]).stdout, "words\n");
}

#[test]
fn what_manages_logins_is_completed_before_directories() {
    let world = World::new(TWO);
    std::fs::create_dir(world.app().join("shop")).unwrap();
    let words = |typed: &[&str]| {
        let ran = answer(&world, typed);
        let words = ran.stdout.lines().filter_map(|line| line.split('\t').next());
        words.filter(|word| !word.starts_with('-')).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = words(&["tmo", "web", ""]);
    assert!(
        ["user", "sessions", "logout"].iter().all(|word| first.contains(&(*word).into())),
        "{first:?}"
    );
    let user = words(&["tmo", "web", "user", ""]);
    assert!(user.contains(&"passwd".to_owned()), "{user:?}");
    let add = words(&["tmo", "web", "user", "add", "a"]);
    assert!(!add.contains(&"add".to_owned()), "{add:?}");
    let roles = words(&["tmo", "web", "user", "add", "anna", "--role", ""]);
    assert!(roles.contains(&"operate".to_owned()), "{roles:?}");
    let dir = answer(&world, &["tmo", "web", "sh"]).stdout;
    assert!(!dir.contains("sessions"), "{dir}");
}
