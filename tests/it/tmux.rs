//! tmux with a user's configuration, used by hand, broken, too old or missing.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::control_socket::{socket, talk};
use crate::harness::{Terminal, World, eventually, executable, procs};
use crate::takeover::quiet_run;

/// A process that prints this many lines and stays.
fn lines(count: u32) -> String {
    format!("seq 1 {count}; echo all done; exec sleep 1000")
}

/// Each of the lines once and in order.
#[track_caller]
fn complete(world: &World, process: &str, count: u32, lives: usize) {
    let text = String::from_utf8(world.ok(["logs", process, "--no-prefix"]).into()).unwrap();
    let mut life: String = (1..=count).map(|n| format!("{n}\n")).collect();
    life += "all done\n";
    assert!(text == life.repeat(lives), "{process}: {} bytes of {}", text.len(), life.len());
}

/// Start, restart, close and open windows under a configuration; nothing may be lost.
fn survives(config: &str, sourced: bool) {
    let procfile = format!("web: {}\nworker: {}\n", lines(400), lines(400));
    let world = World::new(&procfile);
    std::fs::write(world.home().join(".tmux.conf"), config).unwrap();
    let mut view = world.start([""; 0]);
    world.wait_text("web", "| all done\n");
    world.wait_text("worker", "| all done\n");
    if sourced {
        eventually("the configuration is there", || {
            (world.tmux(["show-options", "-gqv", "@sourced"]) == "yes\n").then_some(())
        });
    }
    // Sessions and windows that come now come under its rules.
    world.tmux(["kill-window", "-t", "=app:=web"]);
    world.wait_state("web", "stopped");
    world.ok(["restart", "web", "worker"]);
    eventually("both again", || (view.log().matches("| all done\n").count() == 4).then_some(()));
    complete(&world, "web", 400, 2);
    complete(&world, "worker", 400, 2);
    assert_eq!(view.interrupt(), 0);
    assert!(!view.log().contains("error"), "{}", view.log());
    world.wait_empty();
}

#[test]
fn tmux_hooks_of_the_user_do_not_affect_a_run() {
    survives(
        "set-hook -g after-new-window \"run-shell 'sleep 1'\"\n\
         set-hook -g after-new-session \"run-shell 'sleep 1'\"\n\
         set-hook -g after-pipe-pane 'pipe-pane'\n\
         set-hook -g window-linked 'kill-window'\n\
         set-hook -g session-created 'kill-server'\n\
         set-hook -g session-closed 'kill-server'\n\
         set-hook -g client-attached 'kill-server'\n\
         set-hook -g pane-died 'kill-server'\n\
         set-hook -g pane-exited 'kill-server'\n\
         set-hook -g window-unlinked 'kill-server'\n\
         set-hook -ga alert-bell 'kill-server'\n\
         set -g @sourced yes\n",
        true,
    );
}

#[test]
fn tmux_configuration_is_read_after_all_windows_exist() {
    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let mut procfile =
        "first: until [ -e go ]; do sleep 0.05; done; echo up; exec sleep 1000\n".to_owned();
    let mut toml = "[process.first]\nready = { log = \"^up$\" }\n".to_owned();
    for name in NAMES {
        writeln!(procfile, "{name}: echo hello; exec sleep 1000").unwrap();
        writeln!(toml, "[process.{name}]\ndepends_on = [\"first\"]").unwrap();
    }
    let world = World::new(&procfile);
    world.write("tmo.toml", &toml);
    let config = "set-hook -g after-new-window 'kill-window'\nset -g @sourced yes\n";
    std::fs::write(world.home().join(".tmux.conf"), config).unwrap();
    let view = world.start([""; 0]);
    world.wait_state("first", "running");
    eventually("the configuration is there", || {
        (world.tmux(["show-options", "-gqv", "@sourced"]) == "yes\n").then_some(())
    });
    world.write("go", "");
    for name in NAMES {
        view.shows(&format!("{name}      | hello\n"));
    }
    let windows = world.tmux(["list-windows", "-a"]);
    assert_eq!(windows.lines().count(), 10, "{windows}");
    assert!(!view.log().contains("window"), "{}", view.log());
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn tmux_options_of_the_user_do_not_affect_a_run() {
    survives(
        "set -g destroy-unattached on\nset -g exit-empty on\nset -g exit-unattached on\n\
         set -g window-size manual\nset -g base-index 1\nset -g pane-base-index 1\n\
         set -g renumber-windows on\nset -g remain-on-exit off\nset -g history-limit 0\n\
         set -g default-command 'false'\nset -g default-shell /bin/false\n\
         set -g automatic-rename on\nset -g allow-rename on\nset -g lock-after-time 1\n\
         set -g status off\nset -g prefix C-a\nset -g @sourced yes\n",
        true,
    );
}

#[test]
fn a_session_in_the_tmux_configuration_does_not_affect_a_run() {
    survives("new-session -d -s mine\nset -g @sourced yes\n", true);
}

#[test]
fn a_broken_tmux_configuration_does_not_affect_a_run() {
    survives("set -g status on\nthis is no command\nif-shell {\nset -g nosuchoption {\n", false);
}

#[test]
fn connect_keeps_the_users_keys_and_names_those_to_leave() {
    let world = World::new("web: echo hello; exec sleep 1000\n");
    std::fs::write(world.home().join(".tmux.conf"), "unbind C-b\nset -g prefix C-a\n").unwrap();
    let view = world.start([""; 0]);
    view.shows("| hello\n");
    eventually("the prefix", || {
        (world.tmux(["show-options", "-gv", "prefix"]) == "C-a\n").then_some(())
    });
    let terminal = Terminal::open(&world, "a", 80, 20);
    terminal.tmo("connect web");
    terminal.wait("to leave: C-a d");
    terminal.keys(["C-a", "d"]);
    terminal.wait("left web; it is ");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_killed_tmux_server_ends_the_run_and_is_reported() {
    let world = World::new(
        "web: setsid sleep 1000 & trap '' HUP; echo up; sleep 1000; sleep 1000\n\
         worker: echo up; exec sleep 1000\n",
    )
    .env("TMO_TIMEOUT", "0.5");
    let mut view = world.start([""; 0]);
    eventually("both are up", || (view.log().matches("| up\n").count() == 2).then_some(()));
    procs::kill(world.tmux_server(), 9);
    assert_ne!(view.code(), 0);
    let log = view.log();
    assert!(log.contains("The tmux server is gone: ending everything\n"), "{log}");
    assert!(world.tree("web").is_empty() && world.tree("worker").is_empty());
    assert!(world.run(["ps"]).code != 0);
    world.wait_empty();
}

#[test]
fn closing_a_window_stops_its_process_and_a_restart_opens_it_again() {
    let world = World::new(
        "web: echo life $$; exec sleep 1000\nworker: setsid sleep 1000 & exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| life ");
    for close in ["kill-window", "kill-pane"] {
        let pid = world.wait_state("web", "running").unwrap();
        world.tmux([close, "-t", "web"]);
        world.wait_state("web", "stopped");
        assert!(!procs::alive(pid));
        assert!(world.tree("web").is_empty());
        assert_eq!(world.field("worker", "state"), "running");
        let refused = world.run(["connect", "web"]).stderr;
        assert!(refused.contains("gone; `tmo restart web` opens one"), "{refused}");
        world.ok(["restart", "web"]);
        let pid = world.wait_state("web", "running").unwrap();
        view.shows(&format!("| life {pid}\n"));
    }
    assert_eq!(view.log().matches("Its window was closed: stopping...").count(), 2);
    // Even all windows at once end no more than what was in them.
    world.tmux(["kill-session"]);
    world.wait_state("web", "stopped");
    world.wait_state("worker", "stopped");
    world.ok(["restart", "web", "worker"]);
    let pid = world.wait_state("web", "running").unwrap();
    view.shows(&format!("| life {pid}\n"));
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn respawning_a_pane_restarts_its_process() {
    let world = World::new("web: echo life $$; exec sleep 1000\nworker: exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    view.shows("| life ");
    let first = world.wait_state("web", "running").unwrap();
    world.tmux(["respawn-pane", "-k", "-t", "web"]);
    eventually("another life", || {
        let pid = world.field("web", "pid").as_u64()?;
        view.log()
            .contains(&format!("| life {pid}\n"))
            .then_some(pid)
            .filter(|p| *p != u64::from(first))
    });
    assert!(!procs::alive(first));
    assert_eq!(world.field("web", "state"), "running");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_renamed_window_keeps_its_process() {
    let world = World::new("web: echo life $$; exec sleep 1000\nworker: exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    view.shows("| life ");
    world.tmux(["rename-window", "-t", "web", "my favourite"]);
    world.tmux(["swap-window", "-d", "-s", "my favourite", "-t", "worker"]);
    world.ok(["restart", "web"]);
    let pid = world.wait_state("web", "running").unwrap();
    view.shows(&format!("| life {pid}\n"));
    let terminal = Terminal::open(&world, "a", 80, 20);
    terminal.tmo("connect web");
    terminal.wait(&format!("life {pid}"));
    terminal.close();
    assert_eq!(view.interrupt(), 0);
}

/// A world whose PATH begins with a directory that holds this `tmux`.
fn with_fake(script: &str) -> World {
    let world = World::new("web: exec sleep 1000\n");
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    executable(&bin.join("tmux"), script);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    world.env("PATH", &path)
}

#[track_caller]
fn refuses(world: &World, words: &str) {
    let ran = world.run(["start"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (1, "", words));
    let ran = world.run(["start", "-D"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, words));
    assert!(world.living().is_empty());
}

#[test]
fn a_start_that_insists_on_tmux_reports_that_it_is_missing() {
    let world = World::new("web: exec sleep 1000\n");
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    let world = world.env("PATH", bin.to_str().unwrap()).env("TMO_BACKEND", "tmux");
    refuses(&world, "tmo: Can't find tmux. Did you forget to install it?\n");
}

#[test]
fn start_reports_a_tmux_that_is_too_old() {
    let world = with_fake("#!/bin/sh\necho tmux 2.9a\n").env("TMO_BACKEND", "tmux");
    let tmux = world.path().join("bin/tmux");
    let words =
        format!("tmo: {} is tmux 2.9a, too old: tmo needs tmux 3.0 or later\n", tmux.display());
    refuses(&world, &words);
}

#[test]
fn start_quotes_the_error_of_a_broken_tmux() {
    let script = "#!/bin/sh\necho 'libevent-2.1.so.7: cannot open' >&2\nexit 127\n";
    let world = with_fake(script).env("TMO_BACKEND", "tmux");
    let tmux = world.path().join("bin/tmux");
    refuses(
        &world,
        &format!("tmo: {} -V failed: libevent-2.1.so.7: cannot open\n", tmux.display()),
    );
}

#[test]
fn start_fails_with_the_error_of_a_tmux_that_opens_no_window() {
    let world = with_fake(
        "#!/bin/sh\ncase $1 in -V) echo tmux 3.3a;; *) echo 'no space on device' >&2; exit 1;; esac\n",
    );
    let mut view = world.start([""; 0]);
    assert_eq!(view.code(), 1);
    assert!(view.log().contains("Can't open its window: tmux "), "{}", view.log());
    assert!(view.log().contains("no space on device"), "{}", view.log());
}

#[test]
fn start_reports_a_tmux_that_answers_nothing() {
    let world = with_fake("#!/bin/sh\ncase $1 in -V) echo tmux 3.3a;; esac\n");
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("tmux display-message: it printed nothing"), "{}", ran.stderr);
}

#[test]
fn a_tmux_that_ends_before_it_has_opened_a_window_leaves_no_socket() {
    let path = std::env::var_os("PATH").unwrap();
    let tmux = std::env::split_paths(&path).map(|dir| dir.join("tmux")).find(|p| p.exists());
    let tmux = tmux.unwrap().display().to_string();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*new-session*) {tmux} -L \"$2\" -f /dev/null start-server\n\
         echo 'command too long' >&2; exit 1;;\nesac\nexec {tmux} \"$@\"\n"
    );
    let world = with_fake(&script);
    let mut view = world.start([""; 0]);
    assert_eq!(view.code(), 1);
    assert!(view.log().contains("command too long"), "{}", view.log());
    let left = || {
        let dir = world.path().join("tmux").join(format!("tmux-{}", nix::unistd::getuid()));
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    assert_eq!(left(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_tmux_that_refuses_its_directory_leaves_listeners_there_alone() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let socket = world.tmux(["display-message", "-p", "#{socket_path}"]);
    let socket = std::path::PathBuf::from(socket.trim());
    let dir = socket.parent().unwrap().to_owned();
    world.ok(["quit"]);
    world.wait_empty();
    // Another user may make the directory first, and put a link there.
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
    let at = world.path().join("listens");
    let script = "import socket,sys,time; s=socket.socket(1); s.bind(sys.argv[1]); s.listen(); \
                  print('up', flush=True); time.sleep(1000)";
    let mut bystander = world.command("python3");
    bystander.args(["-c", script]).arg(&at).stdout(std::process::Stdio::piped());
    let Ok(mut bystander) = bystander.spawn() else { return };
    let mut up = [0; 3];
    std::io::Read::read_exact(bystander.stdout.as_mut().unwrap(), &mut up).unwrap();
    std::os::unix::fs::symlink(&at, &socket).unwrap();
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(bystander.try_wait().unwrap(), None, "it was killed");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn sixty_concurrent_processes_lose_no_output() {
    let names: Vec<String> = (1..=60).map(|n| format!("process_with_a_long_name_{n}")).collect();
    let procfile: Vec<String> = names.iter().map(|n| format!("{n}: {}\n", lines(100))).collect();
    let world = World::new(&procfile.concat());
    let mut view = world.start([""; 0]);
    eventually("all are there", || {
        (view.log().matches("| all done\n").count() == 60).then_some(())
    });
    for name in &names {
        complete(&world, name, 100, 1);
    }
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_pipe_closed_by_hand_is_opened_again() {
    let world = World::new("web: exec 3<>do; echo ready; while read x <&3; do echo $x; done\n");
    nix::unistd::mkfifo(&world.app().join("do"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut view = world.start([""; 0]);
    view.shows("| ready\n");
    let sink = world.sink("web");
    world.tmux(["pipe-pane", "-t", "web"]);
    view.shows("| Its pipe was broken: output may be missing here\n");
    eventually("another sink", || world.pane_part("sink", "web").filter(|pid| *pid != sink));
    world.write("do", "heard again\n");
    view.shows("| heard again\n");
    assert_eq!(view.log().matches("Its pipe was broken").count(), 1, "{}", view.log());
    assert_eq!(view.interrupt(), 0);
}

/// Somebody's shell in a window that they called as a process is called: never taken for it.
#[test]
fn a_restart_leaves_a_users_window_with_the_name_of_the_process_alone() {
    let world = quiet_run();
    world.tmux(["kill-window", "-t", "web"]);
    world.wait_state("web", "stopped");
    let own = "#{pane_id} #{pane_pid}";
    let made = world.tmux(["new-window", "-d", "-P", "-F", own, "-n", "web", "sleep 1000"]);
    let user: u32 = made.trim().split_once(' ').unwrap().1.parse().unwrap();
    world.ok(["restart", "web"]);
    world.wait_text("web", "up");
    assert!(procs::alive(user));
    let names = world.tmux(["list-windows", "-F", "#{window_name}"]);
    assert_eq!(names.lines().filter(|name| *name == "web").count(), 2, "{names}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_process_whose_name_is_a_number_has_its_own_output() {
    let runs = [&["web", "0"][..], &["1", "0"], &["web", "api", "1"], &["3000", "-1", "2", "3"]];
    for names in runs {
        let line = |name: &&str| format!("{name}: echo out of {name}; exec sleep 1000\n");
        let world = World::new(&names.iter().map(line).collect::<String>());
        world.ok(["start", "-D"]);
        for round in 1..=2 {
            for name in names {
                let own = format!("out of {name}\n").repeat(round);
                eventually("its own output, and no other", || {
                    (world.run(["logs", "--no-prefix", "--", name]).stdout == own).then_some(())
                });
            }
            let windows = world.tmux(["list-windows", "-F", "#{@tmo_name} #{window_name}"]);
            let is_named = |line: &str| line.split_once(' ').is_some_and(|(a, b)| a == b);
            assert!(windows.lines().all(is_named), "{windows}");
            if round == 1 {
                world.ok(["restart"]);
            }
        }
        for name in names {
            let answer = talk(&socket(&world), &format!("get-connection {name}\n"));
            let target = answer.trim_end().split_once(' ').unwrap().1;
            let shown = world.tmux(["display-message", "-p", "-t", target, "#{@tmo_name}"]);
            assert_eq!(shown.trim_end(), *name, "{answer}");
        }
        world.ok(["quit"]);
        world.wait_empty();
    }
}

/// The socket of the run's tmux server.
fn tmux_socket(world: &World) -> std::path::PathBuf {
    world.tmux(["display-message", "-p", "#{socket_path}"]).trim_end().into()
}

#[test]
fn a_run_whose_tmux_socket_was_removed_works_on() {
    let world = World::new("web: while read line; do echo \"got $line\"; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let (lost, server) = (tmux_socket(&world), world.tmux_server());
    let remove = || std::fs::remove_file(&lost).unwrap();
    remove();
    world.ok(["screen", "web"]);
    remove();
    world.ok(["send", "web", "one", "--enter"]);
    world.wait_text("web", "got one");
    let terminal = Terminal::open(&world, "a", 80, 20);
    remove();
    terminal.tmo("connect web");
    terminal.wait("got one");
    terminal.close();
    remove();
    world.ok(["scale", "web=2"]);
    world.wait_state("web#2", "running");
    remove();
    let typed = world.ok(["connect", "--print", "web"]);
    assert!(typed.contains("new-session"), "{typed}");
    world.ok(["restart", "web#2"]);
    let answer = talk(&socket(&world), "get-connection web\n");
    assert!(answer.contains(" app:web\n"), "{answer}");
    assert!(lost.exists(), "overmind's client runs tmux next");
    remove();
    let doctor = world.run(["doctor"]).stdout;
    assert!(doctor.contains("the socket of its tmux server was gone"), "{doctor}");
    assert!(!doctor.contains("tmo quit"), "{doctor}");
    assert_eq!(world.tmux_server(), server);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn the_directory_of_the_tmux_socket_is_made_again() {
    let world = World::new("web: while read line; do echo \"got $line\"; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let lost = tmux_socket(&world);
    let remove = || std::fs::remove_dir_all(world.path().join("tmux")).unwrap();
    remove();
    let typed = world.ok(["connect", "--print", "web"]);
    assert!(typed.contains("new-session"), "{typed}");
    let dir = lost.parent().unwrap();
    assert_eq!(crate::control_socket::mode(dir), 0o700);
    remove();
    world.ok(["send", "web", "one", "--enter"]);
    world.wait_text("web", "got one");
    remove();
    world.ok(["screen", "web"]);
    remove();
    world.ok(["scale", "web=2"]);
    world.wait_state("web#2", "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn sent_text_ends_copy_mode() {
    let world = World::new("web: stty -echo; while read line; do echo \"got $line\"; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.tmux(["copy-mode", "-t", "web"]);
    world.ok(["send", "web", "echo x1", "--enter"]);
    world.wait_text("web", "got echo x1");
    assert_eq!(world.tmux(["display-message", "-p", "-t", "web", "#{pane_in_mode}"]), "0\n");
    world.ok(["quit"]);
}
