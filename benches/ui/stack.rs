//! A run of tmo, in the background.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::harness::wait::eventually_within;
use crate::programs::{GO, LAST, command};
use crate::shared::World;
use crate::terminal::Terminal;

/// The run, and the world that it is in.
pub(crate) struct Stack {
    world: World,
    /// When its processes were started.
    pub(crate) begun: Instant,
}

/// The journal of [`Stack::with_journal`] keeps everything.
const KEEP_ALL: &str = "[log]\nper_process = \"64GiB\"\ntotal = \"64GiB\"\n";
/// How long a run may take to start and to print its last line.
const LIMIT: Duration = Duration::from_secs(240);

impl Stack {
    /// Start these commands, each as a process named `p0`, `p1` and so on.
    pub(crate) fn start(commands: &[String]) -> Self {
        Self::start_with(commands, "")
    }

    /// The same with this `tmo.toml`.
    fn start_with(commands: &[String], settings: &str) -> Self {
        let world = World::new();
        let mut procfile = String::new();
        for (i, command) in commands.iter().enumerate() {
            let _ = writeln!(procfile, "p{i}: exec {command}");
        }
        std::fs::write(world.app().join("Procfile"), procfile).unwrap();
        std::fs::write(world.app().join("tmo.toml"), settings).unwrap();
        let mut stack = Self { world, begun: Instant::now() };
        let status =
            stack.tmo(&["start", "-D", "--port-auto"]).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "tmo start: {status}");
        stack.begun = Instant::now();
        stack
    }

    /// A run of three processes with a journal of so many MiB.
    pub(crate) fn with_journal(mib: u32) -> Self {
        let fill = format!("{} {mib}", command("fill"));
        let stack = Self::start_with(&[fill, command("stay"), command("stay")], KEEP_ALL);
        stack.wait_last();
        stack
    }

    /// A run of so many processes, one of which has printed the last line of its log.
    pub(crate) fn of_processes(count: u32) -> Self {
        let mut commands = vec![command("last")];
        commands.resize(count as usize, command("stay"));
        let stack = Self::start(&commands);
        std::fs::write(stack.world.app().join(GO), "").unwrap();
        stack.wait_last();
        stack
    }

    /// A run that prints so many lines per second.
    pub(crate) fn printing(per_second: u32) -> Self {
        let print = format!("{} {per_second}", command("print"));
        Self::start(&[print, command("stay"), command("stay")])
    }

    fn wait_last(&self) {
        eventually_within(LIMIT, "the last line", || {
            let said = self.tmo(&["logs", "-n", "5"]).output().unwrap();
            String::from_utf8_lossy(&said.stdout).contains(LAST).then_some(())
        });
    }

    /// tmo with these words.
    pub(crate) fn tmo(&self, words: &[&str]) -> Command {
        let mut command = self.world.command(env!("CARGO_BIN_EXE_tmo"));
        command.args(words);
        command
    }

    /// Open the interface.
    pub(crate) fn open(&self) -> Terminal {
        Terminal::run(&self.tmo(&["ui"]))
    }

    /// Open the interface, and wait until it shows the processes.
    pub(crate) fn opened(&self) -> Terminal {
        let terminal = self.open();
        terminal.first(|screen| screen.contains("p0") && screen.contains("running"));
        terminal
    }

    /// The process id of the supervisor.
    pub(crate) fn supervisor(&self) -> u32 {
        let all = self.world.living();
        let is_it = |verb: Option<&String>| verb.is_some_and(|verb| verb == "supervise");
        all.iter().find(|process| is_it(process.args.get(1))).expect("a supervisor").pid
    }

    /// What the journal occupies, in bytes.
    pub(crate) fn journal_bytes(&self) -> f64 {
        let said = self.tmo(&["logs", "p0", "--path"]).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let size = |path: &str| std::fs::metadata(path).map_or(0, |file| file.len());
        let mib = said.lines().map(size).sum::<u64>() >> 10;
        f64::from(u32::try_from(mib).unwrap()) * 1024.0
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // What is left is killed with its world.
        let _ = self.tmo(&["quit"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
