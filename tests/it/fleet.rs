//! `tmo fleet`: verbs on several hosts. A script stands in for ssh: it does what the file of a host says with the line that
//! ssh would pass to the login shell there.

use std::path::Path;

use regex::Regex;

use crate::docs_transcripts::transcripts;
pub(crate) use crate::fleet_hosts::{Fleet, login};
use crate::harness::{Ran, Terminal, World, eventually};

#[test]
fn a_failure_is_told_by_its_message_and_not_by_the_lines_of_a_file_below_it() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    fleet.hosts[0].write("tmo.toml", "title = 'x'\n");
    let ran = fleet.run(&["start"]);
    assert!(ran.code == 1 && ran.stdout.contains("tmo.toml:1:1: unknown key `title`"), "{ran:?}");
}

#[test]
fn tables_show_the_rows_of_all_hosts() {
    let fleet =
        Fleet::new(&["web: exec sleep 1000\n", "web: exec sleep 1000\ndb: exec sleep 1000\n"]);
    let ran = fleet.run(&["ps"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("nothing runs there, `tmo fleet start a/`"),
        "{ran:?}"
    );
    let started = fleet.ok(&["start"]);
    assert_eq!(started, "a/  started\nb/  started\n");
    let table = fleet.ok(&["ps"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(&rows[0][..3], ["HOST", "PROCESS", "PID"]);
    for (row, (host, process)) in rows[1..].iter().zip([("a", "web"), ("b", "web"), ("b", "db")]) {
        let world = &fleet.hosts[usize::from(host == "b")];
        let pid = world.wait_state(process, "running").unwrap().to_string();
        assert_eq!(&row[..4], [host, process, &pid, "running"], "{table}");
    }
    let table = fleet.ok(&["ps", "b/"]);
    assert!(!table.contains("\na ") && table.contains("db"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&fleet.ok(&["ps", "--json"])).unwrap();
    assert_eq!((&json[0]["host"], &json[1]["ok"]), (&"a".into(), &true.into()));
    assert_eq!(json[1]["answer"]["processes"][1]["name"], "db");
    assert!(fleet.ok(&["ls"]).contains("running"));
    assert!(fleet.ok(&["top"]).contains("CPU%"));
    let hosts = fleet.ok(&[]);
    assert!(
        hosts.contains("ssh a")
            && hosts.contains("app 2/2")
            && hosts.contains(env!("CARGO_PKG_VERSION")),
        "{hosts}"
    );
    fleet.ok(&["quit"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn words_name_hosts_groups_and_processes() {
    let fleet =
        Fleet::new(&["web: exec sleep 1000\n", "web: exec sleep 1000\ndb: exec sleep 1000\n"]);
    fleet.ok(&["start"]);
    let pid = |host: usize, name: &str| fleet.hosts[host].wait_state(name, "running");
    let before = [pid(0, "web"), pid(1, "web"), pid(1, "db")];
    assert_eq!(fleet.ok(&["restart", "b/web"]), "b/web  restarted\n");
    assert_eq!(fleet.ok(&["restart", "db"]), "b/db  restarted\n");
    assert_eq!(pid(0, "web"), before[0]);
    assert!(pid(1, "web") != before[1] && pid(1, "db") != before[2]);
    let ran = fleet.run(&["restart", "web"]);
    assert!(
        ran.code == 2 && ran.stderr.contains("web is on a, b; write a/web or b/web"),
        "{ran:?}"
    );
    assert_eq!(fleet.ok(&["restart", "@all/db"]), "b/db  restarted\n");
    assert_eq!(fleet.ok(&["stop", "*/web"]), "a/web  stopped\nb/web  stopped\n");
    for (words, text) in [
        (["restart", "c/web"], "there is no host or group `c`"),
        (["restart", "@al"], "did you mean @all?"),
        (["start", "a//tmp"], "`/tmp` is not a process name"),
        (["start", "a/../b"], "`../b` is not a process name"),
        (["restart", "nosuch"], "no host that answers has a process `nosuch`"),
        (["ps", "b/web"], "this takes hosts, not `b/web`"),
        (["ps", "all"], "did you mean @all?"),
    ] {
        let ran = fleet.run(&words);
        assert!(ran.code == 2 && ran.stderr.contains(text), "{words:?}: {ran:?}");
    }
    let ran = fleet.run(&["restart", "b/nosuch"]);
    assert!(
        ran.code == 1 && ran.stdout.starts_with("b/nosuch  failed: Unknown process name"),
        "{ran:?}"
    );
    assert_eq!(fleet.ok(&["scale", "b/db=2"]), "b/db=2  scaled\n");
    fleet.hosts[1].wait_state("db#2", "running");
    assert_eq!(fleet.ok(&["--hosts", "a", "quit"]), "a/  ended\n");
    fleet.ok(&["quit", "b/"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn a_host_that_does_not_answer_is_named_and_the_others_do_their_part() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    fleet.with("frozen", "exec sleep 1000");
    fleet.ok(&["start", "a/"]);
    let ran = fleet.run(&["ps", "--connect-timeout", "5s"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("a       web"), "{ran:?}");
    assert!(
        ran.stdout.split_whitespace().any(|cell| cell == "unreachable")
            && ran.stdout.contains("no answer within 5 s"),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("1 of 2 hosts did not answer: frozen; `ssh frozen true` tries it"),
        "{ran:?}"
    );
    let ran = fleet.run(&["restart", "--connect-timeout", "5s"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("a/       restarted\nfrozen/  unreachable: no answer"), "{ran:?}");
    // A second call finds out that a host which has begun to answer is lost.
    let once = "[ -f \"$HOSTS/begun\" ] && exec sleep 1000; : >\"$HOSTS/begun\"; ";
    // What is executed there ends with its ssh, as nothing else would end it.
    let login = login(&fleet.hosts[0], "sh").replace("$LINE", "exec $LINE");
    fleet.host("frozen", &format!("{once}{login}"));
    let ran = fleet.run(&["exec", "frozen", "--connect-timeout", "5s", "--", "sleep", "1000"]);
    assert!(
        ran.code == 3
            && ran.stdout.contains(
                "the answer was lost (no answer within 5 s); the order may have been carried out"
            ),
        "{ran:?}"
    );
    fleet.ok(&["quit", "a/"]);
    fleet.hosts[0].wait_empty();
}

#[test]
fn what_is_wrong_with_a_host_is_said_in_a_line() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    let world = &fleet.hosts[0];
    for (name, script, text) in [
        (
            "refused",
            "echo 'ssh: connect to host x port 22: Connection refused' >&2; exit 255".to_owned(),
            "Connection refused",
        ),
        (
            "key",
            "echo 'Host key verification failed.' >&2; exit 255".to_owned(),
            "Host key verification failed.",
        ),
        (
            "none",
            "exec env -i HOME=/nonexistent PATH=/usr/bin:/bin sh -c \"$LINE\"".to_owned(),
            "there is no tmo; looked in its PATH, ~/.local/bin",
        ),
        (
            "old",
            "echo \"tmo: there is no command there\" >&2; exit 2".to_owned(),
            "its tmo knows no fleets",
        ),
        ("fine", login(world, "sh"), "web"),
        (
            "lost",
            format!("({}) | head -1; exit 255", login(world, "sh").trim_start_matches("exec ")),
            "the answer was lost",
        ),
        ("endless", "exec yes".to_owned(), ""),
        (
            "long",
            "while :; do printf xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done".to_owned(),
            "",
        ),
        (
            "garbage",
            "echo '{\"there\": 1, \"host\": 7}'; exit 1".to_owned(),
            "has ended with code 1",
        ),
    ] {
        fleet
            .here
            .write("fleet.toml", &format!("[host.{name}]\nroot = \"{}\"\n", world.app().display()));
        fleet.host(name, &script);
        let ran = fleet.run(&["exec", "--connect-timeout", "5s", "--", "echo", "web"]);
        let is_fine = name == "fine";
        assert_eq!(ran.code, if is_fine { 0 } else { 3 }, "{name}: {ran:?}");
        assert!(ran.stdout.contains(text), "{name}: {ran:?}");
    }
    // What a login shell prints before is skipped, and no escape reaches the terminal.
    fleet
        .here
        .write("fleet.toml", &format!("[host.noisy]\nroot = \"{}\"\n", world.app().display()));
    fleet.host(
        "noisy",
        &format!("echo Welcome; printf '\\033[31m%s\\n' motd; {}", login(world, "sh")),
    );
    let ran = fleet.run(&["exec", "--", "printf", "a\\033[2Jb\\n"]);
    assert!(
        ran.code == 0 && !ran.stdout.contains(['\u{1b}', 'W']) && ran.stdout.contains("[2Jb"),
        "{ran:?}"
    );
    // More than an answer may have.
    let ran = fleet.run(&["exec", "--", "head", "-c", "70000000", "/dev/zero"]);
    assert!(ran.code == 3 && ran.stdout.contains("longer than 64 MiB"), "{ran:?}");
    fleet.here.write("fleet.toml", "[host.noisy]\nroot = \"/nonexistent\"\n");
    let ran = fleet.run(&["ps"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("/nonexistent: no such file or directory; `root`"),
        "{ran:?}"
    );
}

#[test]
fn every_word_arrives_unchanged_through_every_shell() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    let words =
        ["it's", "a \"b\"", "$HOME", "`id`", "#x", "-n", "ü 漢", "a\\nb", "*", "!!", "~", "%s", ""];
    for shell in ["sh", "bash", "dash", "zsh", "fish", "tcsh", "csh", "ksh"] {
        if which::which(shell).is_err() {
            eprintln!("SKIPPED: there is no {shell}");
            continue;
        }
        fleet.hosts[0].without_fish_reading_manuals();
        fleet.host("a", &login(&fleet.hosts[0], shell));
        let printf = ["exec", "--", "printf", "<%s>\\n"];
        let said = fleet.ok(&[&printf[..], &words].concat());
        let wanted: String = words.iter().map(|word| format!("<{word}>\n")).collect();
        assert_eq!(said, wanted, "{shell}");
    }
}

#[test]
fn the_batch_after_a_failure_is_not_asked() {
    let procfile = "web: echo up; exec sleep 1000\n";
    let fleet = Fleet::new(&[procfile; 3]);
    fleet.ok(&["start"]);
    let before = fleet.hosts[2].wait_state("web", "running");
    fleet.hosts[0].wait_state("web", "running");
    let ran = fleet.run(&["restart", "a/web", "b/nosuch", "c/web", "--batch", "1"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("a/web     restarted\nb/nosuch  failed: "), "{ran:?}");
    assert!(ran.stdout.contains("c/web     not asked: a batch failed\n"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("1 of 3 failed, 1 was not asked: c/web; `tmo fleet restart --batch=1 b/nosuch c/web` goes on"),
        "{ran:?}"
    );
    assert_eq!(fleet.hosts[2].wait_state("web", "running"), before);
    let ran = fleet.ok(&["restart", "a/web", "c/web", "--batch", "1", "--until", "running"]);
    assert!(ran.contains("a/web  restarted, running after "), "{ran}");
    // What can't come true ends, with the name of the process.
    let until = ["--batch", "1", "--until", "port", "--within", "300ms"];
    let ran = fleet.run(&[&["restart", "a/", "c/web"], &until[..]].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("a/     restarted, not port: web is not listening on "), "{ran:?}");
    let again = "`tmo fleet restart --batch=1 --until=port --within=300ms a/ c/web` goes on";
    assert!(ran.stderr.contains(again), "{ran:?}");
    // Who dies at once has run, too.
    fleet.hosts[0].write("Procfile", "web: sleep 0.06; exit 3\n");
    fleet.ok(&["reload", "a/"]);
    fleet.hosts[0].wait_empty();
    fleet.hosts[0]
        .write("Procfile", "web: [ ! -e die ] || { sleep 0.06; exit 3; }; exec sleep 1000\n");
    fleet.ok(&["start", "a/", "--until", "running"]);
    fleet.hosts[0].write("die", "");
    let ran = fleet.run(&["restart", "a/", "c/", "--batch", "1", "--until", "running"]);
    assert!(ran.code == 1 && ran.stdout.contains("a/  restarted, not running: "), "{ran:?}");
    assert!(ran.stdout.ends_with("c/  not asked: a batch failed\n"), "{ran:?}");
    // A host is all of it.
    let ran = fleet.run(&["restart", "b", "b/web"]);
    assert!(ran.code == 2 && ran.stderr.contains("write b/web for the process"), "{ran:?}");
    fleet.ok(&["quit", "b/", "c/"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn a_host_says_why_there_was_nothing_to_do_and_what_to_type_here() {
    let fleet = Fleet::new(&["web: exec sleep 1000\ndb: exec sleep 1000\n"]);
    fleet.ok(&["start", "--until", "running"]);
    assert_eq!(fleet.ok(&["start", "--if-needed"]), "a/  runs already\n");
    let told = fleet.ok(&["start", "--if-needed", "--until", "running"]);
    assert!(told.starts_with("a/  runs already, running after "), "{told}");
    fleet.ok(&["stop", "a/"]);
    let told = fleet.ok(&["restart", "a/"]);
    assert!(told.starts_with("a/  nothing to restart: each process was stopped"), "{told}");
    let ran = fleet.run(&["start", "a/"]);
    assert!(ran.code == 0 && ran.stderr.contains("web, db were stopped"), "{ran:?}");
    fleet.ok(&["start", "a/web", "--until", "running"]);
    fleet.ok(&["signal", "KILL", "a/web"]);
    fleet.hosts[0].wait_empty();
    let ran = fleet.run(&["ps"]);
    for part in ["`tmo fleet start a/` starts a run", "(`tmo fleet why a/`)"] {
        let text = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.code == 1 && text.contains(part), "{ran:?}");
    }
    fleet.hosts[0].write("Procfile", "web: exit 3\n");
    fleet.run(&["start"]);
    let why = fleet.run(&["why"]).stdout;
    assert!(why.contains("$ tmo fleet logs --lines=100 a/web\n"), "{why}");
}

#[test]
fn a_command_tells_its_exit_code_and_what_it_writes_to_standard_error() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"; 2]);
    let failing = ["--", "sh", "-c", "echo out; echo wrong >&2; exit 4"];
    let ran = fleet.run(&[&["exec", "a"], &failing[..]].concat());
    assert_eq!((ran.code, &*ran.stdout), (4, "out\n"), "{ran:?}");
    assert_eq!(ran.stderr, "wrong\ntmo: a: it exited with code 4\n");
    let ran = fleet.run(&[&["exec"], &failing[..]].concat());
    assert!(ran.code == 1 && ran.stderr.contains("b: wrong\ntmo: b: it exited with"), "{ran:?}");
    let ran = fleet.run(&["exec", "a", "--", "ls | head"]);
    assert!(ran.code == 127 && ran.stderr.contains("`sh -c 'ls | head'`"), "{ran:?}");
    assert!(ran.stderr.starts_with("tmo: a: "), "{ran:?}");
}

#[test]
fn what_was_answered_before_an_interrupt_is_shown() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    fleet.with("frozen", "touch \"$HOSTS/asked\"; exec sleep 1000");
    fleet.ok(&["start", "a/"]);
    let asked = fleet.here.path().join("hosts/asked");
    for (words, first, told) in [
        (["ps"].as_slice(), "", "interrupted: no answer yet"),
        (
            &["restart", "*/"],
            "a/       restarted\n",
            "frozen/  interrupted: no answer yet; the order may",
        ),
    ] {
        let words = [&["fleet", "--connect-timeout", "1h"], words].concat();
        let mut view = fleet.here.view_into("told", words);
        eventually("it waits for one", || asked.exists().then_some(()));
        eventually("the other one is shown", || view.log().starts_with(first).then_some(()));
        view.signal(nix::libc::SIGINT);
        assert_eq!(view.end().code(), Some(130));
        assert!(view.log().contains(told), "{}", view.log());
        let errors = view.errors();
        assert!(errors.contains("interrupted: ") && errors.ends_with("frozen\n"), "{errors}");
        std::fs::remove_file(&asked).unwrap();
    }
    fleet.ok(&["quit", "a/"]);
}

#[test]
fn commands_of_an_inventory_need_permission_for_each_content() {
    let world = World::new("web: exec sleep 1000\n");
    let tmo = Path::new(env!("CARGO_BIN_EXE_tmo")).parent().unwrap();
    let path = format!("{}:{}", tmo.display(), std::env::var("PATH").unwrap());
    let world = world.env("PATH", &path);
    let file = |more: &str| {
        format!(
            "[host.box]\nvia = [\"sh\", \"-c\", \"touch ran; exec \\\"$@\\\"\", \"sh\"]\nroot = \"{}\"\n{more}",
            world.app().display()
        )
    };
    world.write("fleet.toml", &file(""));
    let ran = world.run(["fleet", "check"]);
    assert!(
        ran.code == 1
            && ran.stderr.contains(
                "commands to execute here, which you have not allowed: `tmo fleet trust`"
            ),
        "{ran:?}"
    );
    let ran = world.run(["fleet", "trust"]);
    assert!(ran.code == 1 && ran.stdout.contains("touch ran"), "{ran:?}");
    assert_eq!(world.read("ran"), "");
    assert!(!world.app().join("ran").exists());
    world.ok(["fleet", "trust", "--yes"]);
    assert!(world.ok(["fleet", "check"]).contains("1 process: web"));
    assert!(world.app().join("ran").exists());
    world.write("fleet.toml", &file("groups = [\"x\"]\n"));
    assert_eq!(world.run(["fleet", "check"]).code, 1, "another content");
}

#[test]
fn a_name_for_a_host_is_no_directory_and_no_flag_there() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    let host = &fleet.hosts[0];
    std::fs::remove_file(host.app().join("Procfile")).unwrap();
    std::fs::create_dir(host.app().join("other")).unwrap();
    host.write("other/Procfile", "x: touch started; exec sleep 1000\n");
    for word in ["a/other", "a/--root=other"] {
        let ran = fleet.run(&["start", "--", word]);
        assert_ne!(ran.code, 0, "{ran:?}");
    }
    assert!(!host.app().join("other/started").exists());
}

#[test]
fn the_terminal_of_a_process_opens_through_ssh() {
    let fleet = Fleet::new(&["web: echo hello; while read x; do echo \"got $x\"; done\n"]);
    fleet.ok(&["start"]);
    let terminal = Terminal::open(&fleet.here, "a", 90, 30);
    terminal.tmo("fleet connect a/web");
    terminal.wait("hello");
    terminal.line("abc");
    terminal.wait("got abc");
    terminal.close();
    fleet.ok(&["quit"]);
    eventually("it is over", || fleet.hosts[0].state().is_none().then_some(()));
    fleet.hosts[0].wait_empty();
}

#[test]
fn verbs_can_be_typed_at_a_prompt() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n", "web: exec sleep 1000\n"]);
    let terminal = Terminal::open(&fleet.here, "a", 90, 30);
    terminal.tmo("fleet --hosts a shell");
    terminal.wait("\nfleet>");
    terminal.line("start");
    terminal.wait("a/  started");
    terminal.keys(["C-c"]);
    terminal.line("tmo fleet stop 'a/web'");
    terminal.wait("a/web  stopped");
    terminal.line("quit");
    terminal.wait("`exit` leaves this prompt");
    terminal.line("quit '*'");
    terminal.wait("a/  ended");
    terminal.line("exit");
    terminal.close();
    fleet.hosts[0].wait_empty();
    assert!(fleet.hosts[1].state().is_none(), "of --hosts");
}

#[test]
fn mistakes_in_the_file_have_a_line_and_hosts_are_completed_from_it() {
    let world = World::new("web: exec sleep 1000\n");
    let ran = world.run(["fleet"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("there is no fleet.toml here or above"),
        "{ran:?}"
    );
    for (text, line, says) in [
        ("[host.a]\nshh = \"x\"\n", 2, "unknown key `shh`; did you mean `ssh`?"),
        ("[hots.a]\n", 1, "unknown key `hots`; did you mean `host`?"),
        ("[host.a]\ngroups = \"a\"\n", 2, "`groups`: invalid type: string \"a\", expected a list"),
        ("[host.a]\n[host.a]\n", 2, "`a` is there twice"),
        ("[host.a]\n\n[host.\"a b\"]\n", 3, "the host `a b` needs a name of letters"),
        ("[host.a]\nssh = \"-oProxyCommand=x\"\n", 1, "`ssh` of a is no name that ssh can have"),
        ("[host.a]\nroot = \"x\"\n", 1, "the root of a must be an absolute path"),
        ("[host.a]\ntmo = \"/x;y\"\n", 1, "tmo of a must be a path"),
        ("[host.a\n", 1, ""),
        ("# nothing\n", 1, "it names no host"),
    ] {
        world.write("fleet.toml", text);
        let ran = world.run(["fleet"]);
        let place = format!("fleet.toml:{line}: {says}");
        assert!(ran.code == 1 && ran.stderr.contains(&place), "{text}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

/// Lines as words, with numbers and units that are others in each run.
fn shape(text: &str) -> Vec<Vec<String>> {
    let number = Regex::new("[0-9.:/]*[0-9]+(?:[KMG]i?B?|B)?").unwrap();
    let words = |line: &str| {
        line.split_whitespace().map(|word| number.replace_all(word, "0").into_owned()).collect()
    };
    text.lines().map(words).collect()
}

/// Assert that a command prints what the manual says.
#[track_caller]
pub(crate) fn assert_prints(command: &str, ran: &Ran) {
    let (.., lines) = transcripts().into_iter().find(|(_, typed, _)| typed == command).unwrap();
    let title = Regex::new("app ([0-9])").unwrap();
    let printed = title.replace_all(&(ran.stdout.clone() + &ran.stderr), "robot $1").into_owned();
    assert_eq!(shape(&printed), shape(&lines.join("\n")), "{printed}");
}

#[test]
fn the_manual_shows_what_is_printed() {
    let fleet = Fleet::named(&[("arm", "drivers: exec sleep 1000\ngripper: exec sleep 1000\n")]);
    let here = &fleet.here;
    here.write("Procfile", "planner: exec python3 -m http.server -b 127.0.0.1 $PORT\n");
    let arm = fleet.hosts[0].app().display().to_string();
    let file = format!(
        "[host.k9]\nssh = \"k9.lan\"\n[host.arm]\nssh = \"arm.lan\"\nroot = \"{arm}\"\n[host.desk]\nssh = \"local\"\n"
    );
    here.write("fleet.toml", &file);
    fleet.host(
        "k9.lan",
        "echo 'ssh: connect to host k9.lan port 22: Connection timed out' >&2; exit 255",
    );
    fleet.host("arm.lan", &login(&fleet.hosts[0], "sh"));
    fleet.run(&["start"]);
    fleet.ok(&["wait", "desk/planner", "--for", "port"]);
    assert_prints("tmo fleet", &fleet.run(&[]));
    let ran = fleet.run(&["ps"]);
    assert_eq!(ran.code, 3);
    // Without a port until something listens.
    let ran = Ran {
        stdout: ran
            .stdout
            .replace(&format!(" {} ", fleet.hosts[0].port(0)), " - ")
            .replace(&format!(" {} ", fleet.hosts[0].port(1)), " - "),
        ..ran
    };
    assert_prints("tmo fleet ps", &ran);
    fleet.run(&["quit"]);
    fleet.hosts[0].wait_empty();
    here.wait_empty();
}

#[test]
fn the_manual_shows_a_rolling_restart_that_fails() {
    let app = "app: test -e fail && exit 1; echo up; exec sleep 1000\n";
    let fleet = Fleet::named(&[("web1", app), ("web2", app), ("web3", app)]);
    for host in &fleet.hosts {
        host.write("tmo.toml", "[process.app]\nready = { log = \"up\" }\n");
    }
    let file = fleet.here.read("fleet.toml").replace("\"all\"", "\"web\"");
    fleet.here.write("fleet.toml", &file);
    fleet.ok(&["start", "--any-can-die"]);
    fleet.ok(&["wait", "--for", "ready"]);
    fleet.hosts[1].write("fail", "");
    let ran = fleet.run(&["restart", "@web", "--batch", "1", "--until", "ready"]);
    assert_eq!(ran.code, 1);
    assert_prints("tmo fleet restart '@web' --batch 1 --until ready", &ran);
    fleet.ok(&["quit"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn the_nearest_file_counts_and_this_machine_needs_no_ssh() {
    let world = World::new("web: exec sleep 1000\n").env("PATH", "/usr/bin:/bin");
    world.write("fleet.toml", "[host.me]\nssh = \"local\"\n");
    let below = world.app().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let mut command = world.tmo(["fleet", "exec", "--", "pwd"]);
    let ran = Ran::of(&command.current_dir(&below).output().unwrap());
    assert_eq!(ran.stdout.trim(), world.app().canonicalize().unwrap().display().to_string());
    world.write("other.toml", "[host.other]\nssh = \"local\"\nroot = \"/\"\n");
    assert_eq!(world.ok(["fleet", "--fleet", "other.toml", "exec", "--", "pwd"]), "/\n");
    let world = world.env("TMO_FLEET", "other.toml");
    assert_eq!(world.ok(["fleet", "exec", "other", "--", "pwd"]), "/\n");
}

#[test]
fn hosts_in_the_configuration_of_ssh_are_found_if_they_answer() {
    let fleet = Fleet::new(&["web: exec sleep 1000\n"]);
    std::fs::remove_file(fleet.here.path().join("fleet.toml")).ok();
    std::fs::remove_file(fleet.here.app().join("fleet.toml")).ok();
    fleet.host("bare", "echo 'sh: tmo: not found' >&2; exit 127\n");
    let home = fleet.here.path().join("home");
    std::fs::create_dir_all(home.join(".ssh/more")).unwrap();
    let config = "Include more/*.conf\nHost a *.lan\n  HostName 10.0.0.1\nhost=gone other\n";
    std::fs::write(home.join(".ssh/config"), config).unwrap();
    std::fs::write(home.join(".ssh/more/x.conf"), "Host bare a\n").unwrap();
    let ran = fleet.here.run(["fleet", "--discover"]);
    let names: Vec<_> = ran.stdout.lines().filter_map(|row| row.split(' ').next()).collect();
    assert_eq!((ran.code, &names[..]), (0, &["HOST", "a", "bare"][..]), "{ran:?}");
    assert!(ran.stdout.contains("there is no tmo"), "{ran:?}");
    assert!(ran.stderr.contains("2 more in "), "{ran:?}");
    assert!(ran.stderr.contains("questions: gone, other\n"), "{ran:?}");
    assert!(ran.stderr.contains("`[host.a]`"), "{ran:?}");
}
