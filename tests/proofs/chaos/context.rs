//! The state of one round: the world, and what is known about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::chaos::action_log::ActionLog;
use crate::chaos::commands::RunningCommand;
use crate::chaos::config::Config;
use crate::chaos::log_lines::AllowedLoss;
use crate::chaos::model::{Desired, Model, RunExpectation};
use crate::chaos::programs::{self, SCRIPTS};
use crate::chaos::step::{NAMES, Step, TERMINALS, WRITERS};
use crate::harness::{Terminal, World, eventually_within, pause, procs};

/// The deadline in seconds for everything that ends by itself.
static DEADLINE: AtomicU64 = AtomicU64::new(60);

/// The deadline for everything that ends by itself.
pub(crate) fn deadline() -> Duration {
    Duration::from_secs(DEADLINE.load(Ordering::Relaxed))
}

/// While shrinking a failure, a hang is known: wait less for it.
pub(crate) fn shorten_deadline() {
    DEADLINE.store(15, Ordering::Relaxed);
}

/// The world, the expected state and the commands in progress.
pub(crate) struct Context<'a> {
    pub(crate) world: &'a World,
    pub(crate) model: Model,
    /// The present content of the `tmo.toml`, and the generated one.
    pub(crate) config: Config,
    pub(crate) drawn: Config,
    pub(crate) actions: ActionLog,
    /// When processes that wait forever were last searched.
    pub(crate) asked: Instant,
    /// A reload may have had no effect.
    pub(crate) unloaded: bool,
    pub(crate) running: Vec<RunningCommand>,
    pub(crate) terminals: [Option<Terminal<'a>>; TERMINALS],
    names: [String; TERMINALS],
    /// The processes that the terminals are connected to.
    pub(crate) connected: [Option<&'static str>; TERMINALS],
    /// When a command was typed into them.
    pub(crate) typed: [Instant; TERMINALS],
    /// Outputs to be read at the end.
    pub(crate) outputs: Vec<(String, String)>,
    /// Lives whose last output may be lost.
    pub(crate) allowed_loss: BTreeMap<&'static str, AllowedLoss>,
    /// No part was left to remove files.
    pub(crate) abandoned: bool,
    pub(crate) trace: Vec<String>,
    pub(crate) verbose: bool,
    /// Whole lines of the log, in the end.
    pub(crate) lines: u64,
    began: Instant,
    pub(crate) files: u32,
    opened: u32,
}

/// A world with the Procfile of all this.
pub(crate) fn world(config: &Config, seed: u64) -> World {
    let mut procfile = String::new();
    for name in NAMES {
        let command = if WRITERS.contains(&name) {
            programs::command(&format!("write {name}"))
        } else {
            format!("exec sh {name}.sh")
        };
        let _ = writeln!(procfile, "{name}: {command}");
    }
    // Unless all tests run over the same terminals, the seed decides.
    let backend = ["tmux", "native"][usize::from(seed.is_multiple_of(2))];
    let mut world = World::new(&procfile);
    if !world.extra.iter().any(|(name, _)| name == "TMO_BACKEND") {
        world = world.env("TMO_BACKEND", backend);
    }
    for (name, text) in SCRIPTS {
        world.write(name, text);
    }
    for dir in ["hooked", "lives", "out", "up", "sick", "tries"] {
        std::fs::create_dir(world.app().join(dir)).unwrap();
    }
    for name in config.names() {
        world.write(&format!("tries/{name}"), "");
    }
    if !config.entries.is_empty() {
        world.write("tmo.toml", &config.to_string());
    }
    world.env("TMO_LOG_PER_PROCESS", "0").env("TMO_LOG_TOTAL", "0").env("TMO_TIMEOUT", "0.5")
}

impl<'a> Context<'a> {
    pub(crate) fn new(world: &'a World, config: Config, verbose: bool) -> Self {
        let mut actions = ActionLog::default();
        actions.record_config(&config);
        Self {
            world,
            model: Model::new(),
            config: config.clone(),
            drawn: config,
            actions,
            asked: Instant::now(),
            unloaded: false,
            running: vec![],
            terminals: [const { None }; TERMINALS],
            names: [const { String::new() }; TERMINALS],
            connected: [None; TERMINALS],
            typed: [Instant::now(); TERMINALS],
            outputs: vec![],
            allowed_loss: BTreeMap::new(),
            abandoned: false,
            trace: vec![],
            verbose,
            lines: 0,
            began: Instant::now(),
            files: 0,
            opened: 0,
        }
    }

    /// Add a line to the trace.
    pub(crate) fn log(&mut self, text: impl AsRef<str>) {
        let line = format!("{:>9.3} {}", self.began.elapsed().as_secs_f64(), text.as_ref());
        if self.verbose {
            println!("{line}");
        }
        self.trace.push(line);
    }

    pub(crate) fn run_steps(&mut self, steps: &[Step]) {
        for step in steps {
            pause(step.pause);
            self.reap();
            self.log(step.to_string());
            self.execute(step);
        }
        self.log("the end");
        self.finish();
    }

    /// A command changes these processes.
    pub(crate) fn want(&mut self, names: &[&'static str], desired: Desired) {
        if self.model.course == RunExpectation::Ends {
            // A killed process may be asked to stop before its death is noticed.
            self.model.unsure();
        }
        let desired = if self.model.certain() { desired } else { Desired::Either };
        self.model.want(names, desired);
    }

    /// What others do to the same processes at the same time is uncertain: those are returned.
    pub(crate) fn disputed_processes(
        &mut self,
        newest: &mut RunningCommand,
    ) -> BTreeSet<&'static str> {
        let meets = |some: &[&str], others: &[&str]| some.iter().any(|n| others.contains(n));
        let mut disputed = BTreeSet::new();
        for running in &mut self.running {
            let same = meets(&running.changes, &newest.changes);
            let pulled =
                meets(&running.changes, &newest.pulls) || meets(&running.pulls, &newest.changes);
            if same || pulled {
                running.codes.clear();
                newest.codes.clear();
            }
            let both = running.changes.iter().chain(&newest.changes).copied();
            let shared =
                |n: &&'static str| running.changes.contains(n) && newest.changes.contains(n);
            disputed.extend(both.filter(|name| pulled || shared(name)));
        }
        disputed
    }

    /// Whether a command is under way that may change this process.
    pub(crate) fn changing(&self, name: &str) -> bool {
        self.running.iter().any(|running| running.changes.contains(&name))
    }

    /// Run a command to its end without a check of its result.
    pub(crate) fn quick(&self, args: &[&str]) -> (i32, String, String) {
        let out = self.world.app().join("out/quick");
        let err = self.world.app().join("out/quick.err");
        let mut command = self.world.tmo(args);
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let what = format!("`tmo {}` returns", args.join(" "));
        let status = eventually_within(deadline(), &what, || child.try_wait().unwrap());
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        (status.code().unwrap_or(-1), read(out), read(err))
    }

    /// The name of the program that has a terminal.
    pub(crate) fn shows(&mut self, slot: usize) -> String {
        self.terminal(slot);
        let mut command = self.world.command("tmux");
        command.args(["-L", &format!("test-{}", self.names[slot])]);
        let output = command.args(["display-message", "-p", "#{pane_current_command}"]).output();
        String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned()
    }

    /// Whether a terminal shows a process.
    pub(crate) fn is_connected(&mut self, slot: usize) -> bool {
        let client = if self.world.is_native() { "tmo" } else { "tmux" };
        self.connected[slot].is_some() && self.shows(slot).starts_with(client)
    }

    /// A terminal; opened if it is not there.
    pub(crate) fn terminal(&mut self, slot: usize) -> &Terminal<'a> {
        if self.terminals[slot].is_none() {
            self.opened += 1;
            self.names[slot] = format!("{slot}-{}", self.opened);
            self.terminals[slot] = Some(Terminal::open(self.world, &self.names[slot], 90, 24));
            self.connected[slot] = None;
        }
        self.terminals[slot].as_ref().unwrap()
    }

    /// The newest life of a writer may end without its last words; so may the one that is just
    /// beginning.
    pub(crate) fn allow_lost_end(&mut self, name: &'static str) {
        if let Some(lives) = self.under_way(name) {
            self.allowed_loss.entry(name).or_default().ends.extend(lives);
        }
    }

    /// A key that interrupts was typed into the terminal of this one.
    pub(crate) fn allow_holes(&mut self, name: &'static str) {
        if let Some(lives) = self.under_way(name) {
            self.allowed_loss.entry(name).or_default().holes.extend(lives);
        }
    }

    /// The newest life of a writer, and the one that may just be beginning.
    fn under_way(&self, name: &str) -> Option<[u64; 2]> {
        let lives = crate::chaos::log_lines::written(self.world).remove(name)?;
        let newest = lives.keys().max().copied().unwrap_or(0);
        Some([newest, newest + 1])
    }

    /// The main process of this one, by its life file.
    pub(crate) fn main_process(&self, name: &str) -> Option<u32> {
        let runtime =
            std::fs::read_dir(self.world.path().join("run/tmo")).ok()?.flatten().next()?;
        let text = std::fs::read_to_string(runtime.path().join(format!("p/{name}.life"))).ok()?;
        let entries = text.lines().filter_map(|l| serde_json::from_str(l).ok());
        let entries: Vec<serde_json::Value> = entries.collect();
        let start = entries.iter().rev().find(|entry| entry["event"] == "start")?;
        let pid = u32::try_from(start["pid"].as_u64()?).ok()?;
        let mark = format!("TMO_PROCESS={name}");
        (procs::alive(pid) && procs::environment(pid).contains(&mark)).then_some(pid)
    }

    /// The tmux server of the run: the parent of the shims.
    pub(crate) fn tmux_server(&self) -> Option<u32> {
        NAMES.iter().find_map(|name| {
            let server = parent(self.world.pane_part("shim", name)?)?;
            let comm = std::fs::read_to_string(format!("/proc/{server}/comm")).ok()?;
            comm.starts_with("tmux").then_some(server)
        })
    }
}

/// The parent of a process.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
