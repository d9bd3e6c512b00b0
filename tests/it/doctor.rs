//! `tmo doctor`: its findings, and that it changes nothing.

use std::os::unix::net::UnixListener;

use crate::harness::{Ran, World, procs};

const QUIET: &str = "web: exec sleep 1000\nworker: exec sleep 1000\n";

impl Ran {
    /// The only line that begins so.
    #[track_caller]
    fn line(&self, begins: &str) -> &str {
        let mut lines = self.stdout.lines().filter(|line| line.starts_with(begins));
        let line = lines.next().unwrap_or_else(|| panic!("no {begins:?}: {self:#?}"));
        assert_eq!(lines.next(), None, "{self:#?}");
        line
    }
}

/// A world whose ports nobody else has.
fn world(procfile: &str) -> World {
    World::new(procfile).env("TMO_NO_PORT", "1")
}

/// Run it and see that it changes nothing.
#[track_caller]
fn examine(world: &World, arguments: &[&str]) -> Ran {
    let before = (files(world, "run"), files(world, "tmux"), files(world, "app"));
    let mut all = vec!["doctor"];
    all.extend(arguments);
    let ran = world.run(all);
    assert_eq!(ran.stderr, "", "{ran:#?}");
    let after = (files(world, "run"), files(world, "tmux"), files(world, "app"));
    assert_eq!(before, after, "{ran:#?}");
    ran
}

fn files(world: &World, name: &str) -> Vec<std::path::PathBuf> {
    let mut files = crate::harness::files(&world.path().join(name));
    files.sort();
    files
}

fn kill_all(pids: &[u32]) {
    for &pid in pids {
        procs::kill(pid, 9);
    }
    crate::harness::eventually("they are gone", || {
        pids.iter().all(|&pid| !procs::alive(pid)).then_some(())
    });
}

#[test]
fn doctor_reports_no_failure_on_a_sound_system() {
    let world = world(QUIET);
    let ran = examine(&world, &[]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(!ran.stdout.contains("FAIL") && !ran.stdout.contains('\x1b'), "{ran:#?}");
    ran.line("ok    version: tmo ");
    ran.line("ok    Procfile: ./Procfile: 2 processes: web, worker");
    let terminals = if world.is_native() { "ok    terminals: output is " } else { "ok    tmux: " };
    ran.line(terminals);
    ran.line("ok    socket: ./.overmind.sock can be made (");
    ran.line("ok    runtime: ");
    ran.line("ok    journal: ");
    ran.line("ok    limits: descriptors: ");
    ran.line("ok    runs: you have 0");
    assert!(world.living().is_empty(), "{:?}", world.living());
    assert!(!world.path().join("run/tmo").exists(), "it was not there before");
    world.wait_empty();
}

#[test]
fn doctor_json_has_all_findings() {
    let world = world("web: true\n").env("CLICOLOR_FORCE", "1");
    let reported = |ran: &Ran| -> serde_json::Value { serde_json::from_str(&ran.stdout).unwrap() };
    let ran = examine(&world, &["--json"]);
    let json = reported(&ran);
    assert_eq!((ran.code, &json["api"], &json["ok"]), (0, &1.into(), &true.into()), "{ran:#?}");
    for finding in json["findings"].as_array().unwrap() {
        let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 4, "{keys:?}");
        assert!(finding["check"].is_string() && finding["text"].is_string());
        assert!(["ok", "note", "fail"].contains(&finding["level"].as_str().unwrap()));
        assert!(finding["todo"].is_string() || finding["todo"].is_null());
    }
    let ran = examine(&world, &["--json", "-f", "nosuch"]);
    let json = reported(&ran);
    assert_eq!((ran.code, &json["ok"]), (1, &false.into()));
    let failed =
        json["findings"].as_array().unwrap().iter().find(|f| f["level"] == "fail").unwrap();
    assert_eq!(failed["text"], "open nosuch: no such file or directory");
    assert_eq!(failed["check"], "Procfile");
    assert!(failed["todo"].as_str().unwrap().contains("`-f`"));
    assert!(examine(&world, &[]).stdout.contains("\x1b[32mok  \x1b[0m"), "colours are forced");
}

#[test]
fn doctor_runs_the_other_checks_without_tmux() {
    let world = world(QUIET);
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    let world = world.env("PATH", bin.to_str().unwrap()).env("TMO_BACKEND", "tmux");
    let ran = examine(&world, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.line("FAIL").starts_with("FAIL  tmux: Can't find tmux"), "{ran:#?}");
    assert!(ran.line("FAIL").contains("; install tmux"));
    ran.line("ok    Procfile: ");
    ran.line("ok    runs: ");
    let ran = examine(&world, &["-H", "nosuchshell"]);
    assert!(ran.stdout.contains("FAIL  shell: can't find the shell `nosuchshell`; install it"));
}

#[test]
fn doctor_quotes_the_error_of_a_broken_tmux() {
    let world = |procfile| self::world(procfile).env("TMO_BACKEND", "tmux");
    let broken = world(QUIET).with_tmux(|_| "echo 'libevent is missing' >&2; exit 127".to_owned());
    let ran = examine(&broken, &[]);
    assert!(
        ran.code == 1 && ran.line("FAIL").contains("-V failed: libevent is missing;"),
        "{ran:#?}"
    );
    let old = world(QUIET).with_tmux(|_| "echo tmux 2.9a".to_owned());
    assert!(examine(&old, &[]).line("FAIL").contains("is tmux 2.9a, too old"));
}

#[test]
fn doctor_names_the_tmux_configuration_that_is_read_and_one_that_is_not() {
    let world = world(QUIET);
    let config = world.home().join(".tmux.conf");
    std::fs::write(&config, "set -g prefix C-a\n").unwrap();
    let line = format!("ok    tmux.conf: {} is read at a start", config.display());
    assert_eq!(examine(&world, &[]).line("ok    tmux.conf: "), line);
    std::fs::remove_file(&config).unwrap();
    let other = world.home().join(".config/tmux");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("tmux.conf"), "").unwrap();
    assert!(examine(&world, &[]).line("note  tmux.conf: ").contains("tmux.conf is not read; `-F "));
    let ran = examine(&world, &["-F", "/nonexistent/conf"]);
    assert!(ran.stdout.contains("/nonexistent/conf can't be read"), "{ran:#?}");
}

#[test]
fn doctor_names_an_env_file_that_is_skipped_without_its_values() {
    let world = world("web: true\n");
    world.write(".env", "s3cret4 s3cret5\n");
    let ran = examine(&world, &[]);
    let line = ran.line("FAIL");
    assert!(line.starts_with("FAIL  env files: ./.env is skipped: ") && !line.contains("s3cret"));
}

#[test]
fn doctor_reports_a_shell_that_cannot_be_executed() {
    let world = world("web: true\n");
    world.write("shell", "#!/bin/sh\n");
    let ran = examine(&world, &["-H", "./shell"]);
    assert!(
        ran.stdout.contains("FAIL  shell: ") && ran.stdout.contains("; `chmod +x` it"),
        "{ran:#?}"
    );
}

#[test]
fn doctor_reports_leftovers_of_killed_runs_with_the_command_to_remove_them() {
    let world = world("web: trap '' HUP; echo up; while sleep 0.1; do :; done\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "up");
    let ran = examine(&world, &[]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.line("ok    run: all parts are tmo ");
    ran.line("ok    socket: ./.overmind.sock: a run listens");
    ran.line("ok    runs: you have 1");
    let (supervisor, tmux) = (world.supervisor(), world.terminal_server());
    kill_all(&[world.guardian(), supervisor]);
    let ran = examine(&world, &[]);
    let socket = world.app().join(".overmind.sock");
    let line = ran.line("note  runs: processes live in ");
    assert!(line.contains(&format!("`tmo ps -s {}` goes on", socket.display())), "{line}");
    ran.line("note  socket: nobody listens on ./.overmind.sock; ");
    let mut parts = vec![world.shim("web")];
    parts.extend(tmux);
    parts.push(world.sink("web"));
    kill_all(&parts);
    // Also told where another project is asked about.
    let elsewhere = world.tmo(["doctor", "-s", "/tmp/none/at/all"]).output().unwrap();
    let ran_elsewhere = Ran::of(&elsewhere);
    let todo = format!("; `tmo cleanup -s {}` removes them", socket.display());
    assert!(ran_elsewhere.line("note  runs: a run in ").ends_with(&todo), "{ran_elsewhere:#?}");
    world.ok(["cleanup"]);
    assert!(!examine(&world, &[]).stdout.contains("note  runs"));
    world.wait_empty();
}

#[test]
fn doctor_reports_a_run_with_a_different_environment() {
    let world = world(QUIET);
    world.ok(["start", "-D"]);
    let world = world.env("NEW_SECRET", "s3cret");
    let ran = examine(&world, &[]);
    let line = ran.line("note  environment: ");
    assert!(line.contains("than are set now: +NEW_SECRET; `tmo quit`"), "{ran:#?}");
    assert!(!ran.stdout.contains("s3cret"));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn doctor_names_the_holder_of_a_taken_port() {
    let world = World::new("web: exec python3 -m http.server -b 127.0.0.1 $PORT\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = examine(&world, &["-p", &port]);
    let line = ran.line("FAIL");
    let here = std::env::current_dir().unwrap();
    let me = format!("(pid {}) in {} listens on it; begin", std::process::id(), here.display());
    assert!(ran.code == 1 && line.contains(&me), "{ran:#?}");
    drop(taken);
    if world.shell("python3 --version").code != 0 {
        return;
    }
    world.ok(["start", "-D", "-p", &port]);
    world.ok(["wait", "web", "--for", "port"]);
    let ran = examine(&world, &["-p", &port, "-s", "other.sock"]);
    let line = ran.line("FAIL");
    let app = world.app();
    let whose = format!(
        ") in {} listens on it; `tmo quit -s {}/.overmind.sock` ends that run",
        app.display(),
        app.display()
    );
    assert!(line.contains("taken: web of another run (python3") && line.contains(&whose), "{line}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn doctor_reports_what_a_process_lacks() {
    let world = world(
        "web: python3 main.py --port 1\nmany: true; exec sleep 1000\nworker: exec sleep 1000\n",
    );
    world.write("unmarked.sh", "exec sleep 1000\n");
    let toml = "[process.plain]\ncommand = \"./unmarked.sh\"\n\
                [process.plain.env]\nTOKEN = \"s3cret\"\nVIRTUAL_ENV = \"none\"\n";
    world.write("tmo.toml", toml);
    let ran = examine(&world, &["web"]);
    assert!(
        ran.line("FAIL  script: ").contains("web can't run main.py: no such file or directory")
    );
    assert!(ran.line("ok    program: ").contains("python3"), "{ran:#?}");
    assert!(ran.line("note  log: ").contains("web has printed nothing here yet"), "{ran:#?}");
    assert_eq!(ran.code, 1, "{ran:#?}");
    let ran = examine(&world, &["plain"]);
    assert!(
        ran.line("FAIL  program: ").contains("plain can't run ./unmarked.sh: permission denied")
    );
    assert!(ran.line("FAIL  environment: ").contains("the virtual environment none"), "{ran:#?}");
    assert!(!ran.stdout.contains("s3cret"), "{ran:#?}");
    world.ok(["start", "-D", "many", "worker"]);
    world.wait_state("worker", "running");
    let ran = world.run(["doctor", "many", "worker"]);
    assert!(
        ran.stdout.contains("note  program: only the shell knows what it runs for many"),
        "{ran:#?}"
    );
    assert!(ran.stdout.contains("worker runs /"), "{ran:#?}");
    world.ok(["quit"]);
}

#[test]
fn doctor_reports_an_impossible_socket_path() {
    let world = world(QUIET);
    let long = format!("{}/s", "d".repeat(120));
    std::fs::create_dir(world.app().join("d".repeat(120))).unwrap();
    let ran = examine(&world, &["-s", &long]);
    let line = ran.line("note  socket: ");
    assert!(
        ran.code == 0 && line.contains("bytes, a socket may have 107; the socket goes to"),
        "{line}"
    );
    world.write("file", "mine");
    let line = examine(&world, &["-s", "file"]).line("FAIL").to_owned();
    assert!(line.starts_with("FAIL  socket: file is in the way"), "{line}");
    // Without our lock somebody else listens.
    let listener = UnixListener::bind(world.app().join("other")).unwrap();
    let overmind = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"PROCESS PID STATUS\n");
        }
    });
    let line = examine(&world, &["-s", "other"]).line("FAIL").to_owned();
    assert!(line.starts_with("FAIL  socket: overmind itself listens on other"), "{line}");
    overmind.join().unwrap();
    std::fs::remove_file(world.app().join("other")).unwrap();
}

#[test]
fn doctor_reports_unusable_directories() {
    let world = world(QUIET).env("XDG_RUNTIME_DIR", "/nonexistent");
    let temp = world.path().join("t");
    std::fs::create_dir(&temp).unwrap();
    let world = world.env("TMPDIR", temp.to_str().unwrap()).env("HOME", "");
    let ran = examine(&world, &[]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.line("note  runtime: XDG_RUNTIME_DIR (/nonexistent) is not a directory of yours; ");
    ran.line("note  journal: HOME is not set");
    let base = temp.join(format!("tmo-{}", nix::unistd::geteuid()));
    std::fs::write(&base, "in the way").unwrap();
    let ran = examine(&world, &[]);
    assert!(ran.code == 1 && ran.stdout.contains("FAIL  runtime: "), "{ran:#?}");
    std::fs::remove_file(&base).unwrap();
    let world = world.env("TMO_DAEMONIZE", "perhaps");
    let ran = examine(&world, &[]);
    assert!(ran.line("FAIL  settings: ").contains("TMO_DAEMONIZE=perhaps"), "{ran:#?}");
}

#[test]
fn doctor_names_a_file_in_the_place_of_a_directory() {
    let world = world(QUIET);
    world.write("file", "");
    world.write("tmo.toml", "[log]\ndir = \"file/below\"\n");
    let ran = examine(&world, &[]);
    let line = ran.line("FAIL  journal: ");
    assert!(line.contains("/file is not a directory; rename that file, "), "{ran:#?}");
}

#[test]
fn doctor_reports_a_run_of_a_different_tmo_program() {
    let world = world(QUIET);
    let copy = world.path().join("tmo");
    // By another process, as above.
    let copied = world.command("cp").arg(env!("CARGO_BIN_EXE_tmo")).arg(&copy).status().unwrap();
    assert!(copied.success());
    let started = world.command(&copy).args(["start", "-D"]).output().unwrap();
    assert!(started.status.success());
    let ran = examine(&world, &[]);
    let line = ran.line("note  run: ");
    let reported = format!("the shim of web is another program ({})", copy.display());
    assert!(
        ran.code == 0 && line.contains(&reported) && line.contains("; `tmo quit`, then"),
        "{line}"
    );
    std::fs::remove_file(&copy).unwrap();
    let ran = examine(&world, &[]);
    let line = ran.line("note  run: ");
    assert!(line.contains("the supervisor is a program that was replaced ("), "{line}");
    world.ok(["quit"]);
    world.wait_empty();
}

/// As after an upgrade of tmux while a run is there.
#[test]
fn doctor_reports_a_tmux_that_cannot_speak_to_the_server_of_the_run() {
    let newer = |real: &str| {
        let odd = "echo 'protocol version mismatch (client 9, server 8)' >&2; exit 1";
        format!(
            "case \"$*\" in -V) ;; *) [ -e \"${{0%/*}}/newer\" ] && {{ {odd}; }} ;; esac\n\
             exec {real} \"$@\""
        )
    };
    let world = world(QUIET).with_tmux(newer);
    world.ok(["start", "-D"]);
    assert_eq!(examine(&world, &[]).code, 0);
    let flag = world.path().join("bin/newer");
    std::fs::write(&flag, "").unwrap();
    let ran = examine(&world, &[]);
    assert!(ran.line("FAIL  run: ").contains("protocol version mismatch"), "{ran:#?}");
    // What is told to be done does it.
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn doctor_reports_limits_that_are_too_low() {
    let world = world(QUIET);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("ulimit -n 45 && exec {tmo} doctor"));
    let line = ran.line("FAIL");
    assert!(ran.code == 1 && line.contains("about 50 are needed, 45 are allowed; raise"), "{line}");
    for few in [9, 17, 30, 38] {
        let ran = world.shell(&format!("ulimit -n {few} && exec {tmo} doctor"));
        assert!(ran.code == 1 && ran.stdout.contains("FAIL  limits: "), "{ran:#?}");
        assert!(world.living().is_empty(), "{few}: {:?}", world.living());
    }
    let ran = world.shell(&format!("ulimit -Sn 45 && exec {tmo} doctor"));
    assert_eq!(ran.code, 0, "the soft one is raised: {ran:#?}");
}

#[test]
fn doctor_reports_a_taken_address() {
    let world = world(QUIET);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = examine(&world, &["-S", "tcp", "-s", &address]);
    let line = ran.line("FAIL  socket: ");
    assert!(line.contains(&format!("tcp {address} is taken: ")), "{line}");
}
