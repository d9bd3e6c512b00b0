//! What container engines need: machines for them, and the files of an image.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::fleet::hosts::must;
use crate::harness::{Ran, Terminal, World, eventually, eventually_within, executable, procs};
use crate::table::Table;

/// How long an engine may take for anything, on a machine ten times as busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(400);

/// Each line of `web` names its container and has the next number.
pub(crate) const PROCFILE: &str = "\
web: i=0; while sleep 0.2; do i=$((i+1)); echo \"$HOSTNAME line $i\"; done
worker: echo hello; while read x; do echo \"got $x\"; done
";

/// The directory of the project in an image.
pub(crate) const ROOT: &str = "/srv/shop";

/// The `PATH` in an image.
pub(crate) const PATH: &str = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin";

/// Becomes the first process of a machine: its name, a file that says that it is there, a line to execute before that, what it runs. `/run` and `/var/lib` are
/// its own, so that the engines leave nothing here.
const MACHINE: &str = r#"
hostname "$1" && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && ip link set lo up &&
eval "$3" && touch "$2" && eval "$4" & wait
"#;

/// The settings of podman.
const CONTAINERS_CONF: &str = r#"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
netns = "none"
pids_limit = 0
"#;

/// Whether a part that needs these programs is left out: in the short form, or loudly where one is missing.
pub(crate) fn are_missing(part: &str, times: u32, programs: &[&str]) -> bool {
    if times == 0 {
        return true;
    }
    let why = match programs.iter().find(|name| which::which(name).is_err()) {
        _ if !nix::unistd::geteuid().is_root() => "only root can start engines".to_owned(),
        Some(name) => format!("there is no {name}"),
        None => return false,
    };
    println!("{part}: SKIPPED: {why}");
    let is_required = std::env::var_os("TMO_ENGINES").is_some_and(|how| how == "required");
    assert!(!is_required, "{why}");
    true
}

/// A machine: processes, mounts, a name and a network of its own. It is lost, with all its processes, when this is dropped.
pub(crate) struct Machine {
    /// `unshare`, whose only child is the first process of the machine.
    outer: Child,
}

impl Machine {
    /// Start one of this name. Its first process executes two lines of `sh`: one before it is there, and what it runs.
    pub(crate) fn new(world: &World, name: &str, before: &str, line: &str) -> Self {
        let at = |end: &str| world.path().join(format!("{name}{end}"));
        let log = std::fs::File::create(at(".log")).unwrap();
        let mut outer = world.command("unshare");
        outer.args(["-mupnf", "--kill-child", "--mount-proc", "sh", "-c", MACHINE, "sh", name]);
        outer.arg(at(".up")).args([before, line]).stdout(log.try_clone().unwrap()).stderr(log);
        let machine = Self { outer: outer.spawn().unwrap() };
        eventually_within(PATIENCE, "the machine is there", || at(".up").exists().then_some(()));
        machine
    }

    /// The words before a command that runs on this machine.
    pub(crate) fn enter(&self) -> String {
        let pid = self.pid();
        let kinds = [("mount", "mnt"), ("uts", "uts"), ("net", "net"), ("pid", "pid_for_children")];
        let flags = kinds.map(|(flag, file)| format!(" --{flag}=/proc/{pid}/ns/{file}"));
        format!("nsenter{}", flags.concat())
    }

    /// A process that has its network.
    pub(crate) fn pid(&self) -> u32 {
        self.outer.id()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let pid = self.pid();
        let first = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        // Its child ends with it, and with that all others.
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        let first = first.trim().parse();
        eventually_within(PATIENCE, "the machine is gone", || {
            (!first.as_ref().is_ok_and(|first| procs::alive(*first))).then_some(())
        });
    }
}

/// A machine with podman.
pub(crate) struct Podman {
    _machine: Machine,
    /// The script that runs podman there.
    pub(crate) script: String,
}

impl Podman {
    /// Start it; its first process executes a line of `sh` before.
    pub(crate) fn new(world: &World, before: &str) -> Self {
        let machine = Machine::new(world, "engine", before, "sleep infinity");
        let at = |file: &str| world.path().join(file).display().to_string();
        std::fs::write(at("containers.conf"), CONTAINERS_CONF).unwrap();
        let script = format!(
            "#!/bin/sh\nCONTAINERS_CONF={} exec {} podman --root /var/lib/store --runroot /run/store --tmpdir /run/tmp \"$@\"\n",
            at("containers.conf"),
            machine.enter()
        );
        executable(Path::new(&at("podman")), &script);
        Self { _machine: machine, script: at("podman") }
    }

    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let ran = Ran::of(&Command::new(&self.script).args(words).output().unwrap());
        assert_eq!(ran.code, 0, "podman {words:?}: {ran:?}");
        ran.stdout
    }

    /// Make an image of this file.
    pub(crate) fn import(&self, tar: &Path, name: &str) {
        let changes = [format!("WORKDIR {ROOT}"), format!("ENV {PATH}")];
        let [root, path] = &changes;
        let tar = tar.display().to_string();
        self.ok(&["import", "--quiet", "--change", root, "--change", path, &tar, name]);
    }
}

/// The verbs for two hosts of one process each, of which `web` prints lines and `worker` repeats what it reads.
pub(crate) fn verbs(here: &World, web: &str, worker: &str, table: &mut Table) {
    let fleet = |args: &[&str]| here.run([&["fleet"], args].concat());
    let pid = || {
        let ps = fleet(&["ps", &format!("{web}/")]).stdout;
        ps.lines().nth(1).unwrap().split_whitespace().nth(2).unwrap().to_owned()
    };
    let (web, before) = (&format!("{web}/web"), pid());
    let ran = fleet(&["restart", web]);
    table.must("restart", ran.stdout.trim(), &*format!("{web}  restarted"));
    table.must("restart: it has another pid", pid() == before, false);
    let why = fleet(&["why", web]).stdout;
    table.must("why: it runs", why.contains("running"), true);
    let logs = || fleet(&["logs", "-n", "3", web]).stdout;
    eventually("there are three lines again", || {
        (logs().matches(" line ").count() == 3).then_some(())
    });
    let count = logs().lines().filter(|line| line.starts_with(web)).count();
    table.must("logs -n 3: lines", count, 3);
    let terminal = Terminal::open(here, "a", 90, 30);
    terminal.tmo(&format!("fleet connect {worker}/worker; echo 'it is'  over"));
    terminal.wait("hello");
    terminal.line("abc");
    terminal.wait("got abc");
    terminal.keys(["C-b", "d"]);
    terminal.wait("it is over");
    terminal.close();
    let logs = fleet(&["logs", &format!("{worker}/worker")]).stdout;
    table.must("connect: what was typed is in the log", logs.matches("got abc").count(), 1);
}

/// Remove the cgroups of this name, once nothing is in them.
pub(crate) fn remove_cgroups(name: &str) {
    let find = |action: &str| {
        let mut find = Command::new("find");
        find.args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path", &format!("*/{name}*")]);
        find.arg(action).stderr(Stdio::null()).output().unwrap().stdout
    };
    eventually_within(PATIENCE, "no cgroup is left", || {
        find("-delete");
        find("-print").is_empty().then_some(())
    });
}

/// The files of an image as `image.tar` of the world: tmo, a shell, some programs, and the project.
pub(crate) fn image(world: &World) -> PathBuf {
    let root = world.path().join("image");
    for dir in ["usr/local/bin", "bin", "tmp", "etc", &ROOT[1..]] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    for name in ["sh", "sleep", "cat"] {
        program(&root, &which::which(name).unwrap(), &format!("bin/{name}"));
    }
    program(&root, Path::new(env!("CARGO_BIN_EXE_tmo")), "usr/local/bin/tmo");
    must(Command::new("cp").arg("-a").arg(world.app().join(".")).arg(root.join(&ROOT[1..])));
    let tar = world.path().join("image.tar");
    must(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&root).arg("."));
    tar
}

/// Copy a program and its libraries.
fn program(root: &Path, from: &Path, to: &str) {
    must(Command::new("install").arg("--strip").arg(from).arg(root.join(to)));
    let libraries = Command::new("ldd").arg(from).output().unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        must(Command::new("install").arg("-D").arg(library).arg(root.join(&library[1..])));
    }
}

/// The command that `tmo export` prints as the next one.
pub(crate) fn next(printed: &str) -> &str {
    printed.trim_end().lines().next_back().unwrap().trim()
}
