//! Processes that attack their own files, bell, log or terminal harm only themselves: nothing hangs, and no
//! file of others changes.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::sys::stat::Mode;

use crate::harness::{World, eventually, procs};

/// A program that prints each line that is written to the FIFO `lines`.
const PRINTER: &str = "web: while read x; do echo line $x; done <>lines\nworker: exec sleep 1000\n";

fn printer() -> World {
    let world = World::new(PRINTER).env("TMO_TIMEOUT", "1");
    nix::unistd::mkfifo(&world.app().join("lines"), Mode::S_IRWXU).unwrap();
    world
}

impl World {
    /// One of the files of `web` in the runtime directory.
    fn own(&self, ending: &str) -> PathBuf {
        self.runtime().join("p").join(format!("web{ending}"))
    }

    /// The newest file of the journal of `web`.
    fn segment(&self) -> PathBuf {
        self.ok(["logs", "web", "--path"]).lines().last().unwrap().into()
    }

    /// Everything that is asked of a process still works, and the other one was not hurt.
    fn all_is_well(&self, worker: u32) {
        self.ok(["restart", "web"]);
        self.wait_state("web", "running");
        self.write("lines", "last\n");
        self.wait_text("web", "| line last\n");
        self.ok(["stop", "web"]);
        assert_eq!(self.field("web", "state"), "stopped");
        self.ok(["restart", "web"]);
        assert_eq!(self.wait_state("worker", "running"), Some(worker));
    }
}

#[test]
fn a_users_window_with_the_name_of_a_process_is_left_alone() {
    // Where tmux shows only what fits into ASCII, too.
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n").env("LANG", "C");
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    world.wait_state("worker", "running");
    // A person's own: a second pane beside the process, and a window of the same name.
    world.tmux(["split-window", "-d", "-t", "=app:=web", "exec sleep 4001"]);
    world.tmux(["new-window", "-d", "-n", "web", "exec sleep 4002"]);
    let own = || world.living().into_iter().filter(|p| p.args.iter().any(|a| a.starts_with("400")));
    eventually("both are there", || (own().count() == 2).then_some(()));
    let pane = world.field("web", "pane").as_str().unwrap().to_owned();
    world.tmux(["kill-pane", "-t", &pane]);
    world.wait_state("web", "stopped");
    let before = std::time::Instant::now();
    let ran = world.run(["restart", "web"]);
    assert_eq!(ran.code, 0, "{ran:?} after {:?}", before.elapsed());
    world.wait_state("web", "running");
    assert_eq!(own().count(), 2, "it was nobody's business");
    assert_ne!(world.field("web", "pane"), pane);
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn links_that_replace_files_of_a_process_are_not_followed() {
    let world = printer();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let worker = world.wait_state("worker", "running").unwrap();
    let precious = world.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let segment = world.segment();
    let replace = |path: PathBuf| {
        let _ = fs::remove_file(&path);
        symlink(&precious, &path).unwrap();
    };
    for ending in [".life", ".fifo", ".sink-lock", ".spec.new"] {
        replace(world.own(ending));
    }
    replace(world.runtime().join("state.json.new"));
    replace(segment.with_extension("times"));
    replace(segment);
    // What the next sink and the next shim find.
    for part in ["sink", "shim"] {
        let old = world.pane_part(part, "web").unwrap();
        procs::kill(old, 9);
        if part == "sink" {
            eventually("another one", || world.pane_part(part, "web").filter(|p| *p != old));
            world.all_is_well(worker);
        }
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    // The death of the shim was one of the process.
    view.end();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn fifos_that_replace_files_of_a_process_block_nothing() {
    let world = printer();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let worker = world.wait_state("worker", "running").unwrap();
    let segment = world.segment();
    for path in [world.own(".life"), world.own(".sink-lock"), segment.clone()] {
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    }
    procs::kill(world.sink("web"), 9);
    world.all_is_well(worker);
    procs::kill(world.shim("web"), 9);
    eventually("it is told", || (view.log().contains("Its shim was killed")).then_some(()));
    view.end();
}

#[test]
fn an_emptied_life_file_is_still_used() {
    let world = printer();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let worker = world.wait_state("worker", "running").unwrap();
    File::create(world.own(".life")).unwrap();
    world.all_is_well(worker);
    File::create(world.own(".life")).unwrap();
    procs::kill(world.supervisor(), 9);
    world.wait_state("web", "running");
    world.all_is_well(worker);
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_new_shim_is_heard_after_the_life_file_of_the_old_one_was_removed() {
    let world = printer();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let worker = world.wait_state("worker", "running").unwrap();
    world.ok(["restart", "web"]);
    world.ok(["stop", "web"]);
    fs::remove_file(world.own(".life")).unwrap();
    procs::kill(world.shim("web"), 9);
    world.all_is_well(worker);
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_shim_without_descriptors_is_replaced() {
    let world = printer();
    let mut view = world.start([""; 0]);
    let web = world.wait_state("web", "running").unwrap();
    let worker = world.wait_state("worker", "running").unwrap();
    let shim = world.shim("web");
    let args = ["--pid", &shim.to_string(), "--nofile=0:0"];
    assert!(world.command("prlimit").args(args).status().unwrap().success());
    world.ok(["stop", "web"]);
    assert!(!procs::alive(web) && !procs::alive(shim));
    world.all_is_well(worker);
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_removed_or_replaced_bell_is_created_again() {
    for spoil in [
        |bell: &PathBuf| _ = fs::remove_file(bell),
        |bell: &PathBuf| {
            let _ = fs::remove_file(bell);
            fs::write(bell, "").unwrap();
        },
    ] {
        let world = printer();
        let mut view = world.start([""; 0]);
        world.wait_state("web", "running");
        let worker = world.wait_state("worker", "running").unwrap();
        spoil(&world.own(".fifo"));
        world.write("lines", "one\n");
        view.shows("| line one\n");
        spoil(&world.own(".fifo"));
        let sink = world.sink("web");
        procs::kill(sink, 9);
        eventually("another sink", || world.pane_part("sink", "web").filter(|p| *p != sink));
        world.all_is_well(worker);
        assert_eq!(view.interrupt(), 0);
    }
}

#[test]
fn a_bell_that_was_moved_is_rung_at_its_place_after_a_takeover() {
    let world = printer();
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running");
    world.wait_state("worker", "running");
    crate::sessions::abandon(&world);
    fs::rename(world.own(".fifo"), world.path().join("moved")).unwrap();
    assert_eq!(world.wait_state("web", "running"), web);
    world.write("lines", "one\n");
    world.wait_text("web", "| line one\n");
    world.ok(["quit"]);
}

#[test]
fn a_process_that_was_stopped_while_the_directory_was_away_is_heard_again() {
    let world = printer();
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let worker = world.wait_state("worker", "running").unwrap();
    let (runtime, away) = (world.runtime(), world.path().join("away"));
    fs::rename(&runtime, &away).unwrap();
    // What can be done without its files is done; the others are refused.
    for command in ["restart", "stop", "restart"] {
        let _ = world.run([command, "web"]);
    }
    let _ = fs::remove_dir_all(&runtime);
    fs::rename(&away, &runtime).unwrap();
    world.all_is_well(worker);
    world.ok(["quit"]);
}

#[test]
fn reading_from_the_bell_of_a_shim_prevents_no_command() {
    let world = printer();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let bell = world.own(".fifo");
    let thief = |_| {
        let mut thief = world.command("cat");
        thief.arg(&bell).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut thieves: Vec<_> = (0..3).map(thief).collect();
    for i in 0..50 {
        world.write("lines", &format!("{i}\n"));
    }
    eventually("all is printed", || {
        String::from_utf8_lossy(&world.stream("web")).contains("line 49").then_some(())
    });
    world.ok(["restart", "web"]);
    let sink = world.sink("web");
    procs::kill(sink, 9);
    eventually("another sink", || world.pane_part("sink", "web").filter(|p| *p != sink));
    world.ok(["restart", "web"]);
    world.ok(["stop", "web"]);
    assert_eq!(world.field("web", "state"), "stopped");
    world.ok(["restart", "web"]);
    assert_eq!(view.interrupt(), 0);
    for thief in &mut thieves {
        thief.kill().unwrap();
        thief.wait().unwrap();
    }
    for i in 0..50 {
        assert!(view.log().contains(&format!("| line {i}\n")), "{}", view.log());
    }
}

#[test]
fn a_truncated_segment_loses_no_later_line() {
    let world = printer();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    for i in 0..50 {
        world.write("lines", &format!("before {i}\n"));
    }
    view.shows("| line before 49\n");
    File::create(world.segment()).unwrap();
    for i in 0..10 {
        world.write("lines", &format!("after {i}\n"));
        view.shows(&format!("| line after {i}\n"));
    }
    world.ok(["restart", "web"]);
    world.wait_state("web", "running");
    world.write("lines", "last\n");
    view.shows("| line last\n");
    assert_eq!(view.log().matches("| line after ").count(), 10, "{}", view.log());
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_limit_on_the_size_of_files_kills_neither_shim_nor_supervisor() {
    let world = printer();
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running").unwrap();
    let limit = |pid: u32| {
        let pid = pid.to_string();
        let args = ["--pid", &pid, "--fsize=1024:1024"];
        assert!(world.command("prlimit").args(args).status().unwrap().success());
    };
    let shim = world.shim("web");
    limit(shim);
    limit(world.sink("web"));
    for _ in 0..4 {
        // The life file may hold nothing more: nobody hears of the end.
        assert_eq!(world.run(["restart", "web", "--no-wait"]).code, 0);
    }
    eventually("it was ended", || (!procs::alive(web)).then_some(()));
    assert!(procs::alive(shim), "a limit is no reason to die");
    let supervisor = world.supervisor();
    limit(supervisor);
    assert_ne!(world.run(["restart", "worker"]).code, 0, "its spec can't be written");
    assert_eq!(world.supervisor(), supervisor);
    world.ok(["kill"]);
    world.wait_state_gone();
}

#[test]
fn a_stopped_sink_delivers_all_output_before_the_exit() {
    let world = World::new(
        "web: read x; echo first; kill -STOP $(cat sink); \
         i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; exit 3\n\
         worker: exec sleep 1000\n",
    )
    .env("TMO_CAN_DIE", "web");
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    world.write("sink", &world.sink("web").to_string());
    world.type_into("web", "go");
    view.shows("Exited with code 3");
    let log = view.log();
    let exit = log.find("Exited with code 3").unwrap();
    assert!(log[..exit].contains("| line 100\n"), "{log}");
    assert_eq!(view.interrupt(), 3);
    assert_eq!(view.log().matches("| line ").count(), 100);
}

#[test]
fn a_process_cannot_forge_markers_with_its_nonce() {
    // Everything that the process could know: its nonce, and the number that comes next.
    let world = World::new(
        "web: read x; n=$(sed -n 's/.*nonce\":\"\\([0-9a-f]*\\).*/\\1/p' life | tail -n 1); \
         for skip in 0 4000 4000000000; do for seq in 3 4 5 6 7 8 9; do \
         printf '\\033]7717;tmo;%s;%s;%s\\033\\\\' $n $seq $skip; done; done; \
         i=0; while [ $i -lt 99 ]; do i=$((i+1)); echo line $i; done; exit 3\n\
         worker: exec sleep 1000\n",
    )
    .env("TMO_CAN_DIE", "web");
    let mut view = world.start([""; 0]);
    let web = world.wait_state("web", "running").unwrap();
    symlink(world.own(".life"), world.app().join("life")).unwrap();
    let state = world.state().unwrap();
    let pane = world.field("web", "pane").as_str().unwrap().to_owned();
    // All of it is there by the time it is looked at.
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    if world.is_native() {
        world.type_into("web", "go");
    } else {
        let socket = state["tmux"]["socket"].as_str().unwrap();
        let mut typed = world.command("tmux");
        typed.args(["-L", socket, "send-keys", "-t", &pane, "go", "Enter"]);
        assert!(typed.status().unwrap().success());
    }
    eventually("it has ended", || (!procs::alive(web)).then_some(()));
    eventually("its end is known", || {
        fs::read_to_string(world.own(".life")).unwrap().contains("\"end\"").then_some(())
    });
    procs::kill(supervisor, 18);
    view.shows("Exited with code 3");
    let log = view.log();
    let exit = log.find("Exited with code 3").unwrap();
    assert_eq!(log[..exit].matches("| line ").count(), 99, "{log}");
    assert!(log[..exit].contains("line 1\n"));
    assert_eq!(log.matches("Exited with").count(), 1);
    assert_eq!(view.interrupt(), 3);
}

#[test]
fn a_flushed_start_marker_delays_the_supervisor_only_briefly() {
    let world = World::new(
        "web: python3 -c 'import termios; termios.tcflush(1, termios.TCOFLUSH)'; echo flushed; \
         echo >>flushes; while sleep 0.2; do echo go on; done\n\
         worker: exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| flushed\n");
    let server = world.terminal_server().unwrap_or_else(|| world.sink("web"));
    procs::kill(server, 19);
    let mut restart = world.tmo(["restart", "web"]).spawn().unwrap();
    eventually("the next life has begun", || (world.read("flushes").len() == 2).then_some(()));
    procs::kill(server, 18);
    assert!(eventually("it is restarted", || restart.try_wait().unwrap()).success());
    world.wait_state("web", "running");
    let reported = view.log().matches("| go on\n").count();
    assert!(reported < 100, "some two seconds, not half a minute: {reported}");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn restart_fails_when_the_shim_cannot_start_the_process() {
    let world = printer();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let shim = world.shim("web");
    // Enough to read the spec, not enough for the pipes to a child.
    let limit = format!("--nofile={0}:{0}", procs::descriptors(shim) + 1);
    let args = ["--pid", &shim.to_string(), &limit];
    assert!(world.command("prlimit").args(args).status().unwrap().success());
    let ran = world.run(["restart", "web"]);
    assert_ne!(ran.code, 0, "{ran:?} {}", view.log());
    assert!(ran.stderr.contains("cannot fork"), "{ran:?}");
    assert_eq!(view.code(), 126, "as with a shell");
}

#[test]
fn a_terminal_with_a_wrong_line_discipline_works_in_the_next_life() {
    // Any process may give its terminal the line discipline that refuses everything.
    let world = World::new(
        "web: echo up; read x; python3 -c 'import fcntl, struct; \
         fcntl.ioctl(0, 0x5423, struct.pack(\"i\", 27))'; echo >dumb; exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| up\n");
    world.type_into("web", "go");
    eventually("it is dumb", || (!world.read("dumb").is_empty()).then_some(()));
    world.ok(["restart", "web"]);
    eventually("it speaks", || (view.log().matches("| up\n").count() == 2).then_some(()));
    assert_eq!(view.interrupt(), 0);
}

/// In a process table of its own: a shim dies unseen, and a stranger's daemon gets its number as
/// that of its session, whose leader is gone.
const TAKES_THE_NUMBER: &str = r#"
tmo=$1
$tmo start -D || exit 9
until $tmo ps | grep -q 'web .*running'; do sleep 0.05; done
life=$(echo $XDG_RUNTIME_DIR/tmo/*/p/web.life)
number() { sed -n "s/.*\"event\":\"$1\".*\"pid\":\([0-9]*\).*/\1/p" $life | head -n 1; }
shim=$(number up) web=$(number start)
for p in /proc/[0-9]*; do
  case "$(tr '\0' ' ' <$p/cmdline 2>/dev/null)" in *' guard '*|*' supervise '*) kill -9 ${p#/proc/};; esac
done
kill -9 $shim $web
socket=$(echo $TMUX_TMPDIR/tmux-*/tmo-*)
# Some tmux do not notice that a child has ended before another one does.
while [ -e /proc/$shim ]; do tmux -S $socket new-window -d true; sleep 0.05; done
until [ "$got" = $shim ]; do
  rm -f got
  echo $((shim - 1)) >/proc/sys/kernel/ns_last_pid
  setsid sh -c 'echo $$ >got; sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >daemon'
  got=$(cat got)
  [ "$got" = $shim ] || kill -9 $(cat daemon)
done
$tmo start -D
$tmo kill
kill -0 $(cat daemon) && echo it lives
"#;

#[test]
fn a_session_with_the_reused_pid_of_a_dead_shim_is_left_alone() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let own_table = ["-pf", "--mount-proc", "--kill-child"];
    let may = world.command("unshare").args(own_table).arg("true").output();
    if !may.is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: only root may have a process table of its own");
        return;
    }
    let mut shell = world.command("unshare");
    shell.args(own_table).args(["sh", "-c", TAKES_THE_NUMBER, "sh", env!("CARGO_BIN_EXE_tmo")]);
    let said = shell.output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).ends_with("it lives\n"), "{said:?}");
}

/// The limit that is known: nothing says whose a process is that has another session and another
/// environment, once its shim and its parent are gone. So nobody says that it was ended.
#[test]
fn a_process_that_escapes_a_killed_shim_is_not_reported_as_ended() {
    let world = World::new(
        "web: (env -i setsid sh -c 'echo $$ >escaped; exec sleep 1000' &); \
         while ! [ -s escaped ]; do sleep 0.05; done; kill -9 $PPID; exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("web    | Its shim was killed; ");
    assert_eq!(view.code(), 137);
    let escaped = world.read("escaped").trim().parse().unwrap();
    let lives = procs::alive(escaped);
    procs::kill(escaped, 9);
    eventually("it is gone", || (!procs::alive(escaped)).then_some(()));
    let log = view.log();
    let reported =
        "Its shim was killed; all of its processes that could be found have been ended\n";
    assert!(lives && log.contains(reported), "{log}");
}
