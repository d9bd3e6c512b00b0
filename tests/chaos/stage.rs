//! The world in which steps are executed, and what is known about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::book::Book;
use crate::harness::{Terminal, World, eventually_within, pause, procs};
use crate::journal::Excuses;
use crate::model::{Course, Model, Wanted};
use crate::programs::{self, SCRIPTS};
use crate::rules::Rules;
use crate::running::Running;
use crate::step::{NAMES, Step, TERMINALS, WRITERS};

/// How many seconds anything may take that is to end by itself.
static DEADLINE: AtomicU64 = AtomicU64::new(60);

/// How long anything may take that is to end by itself.
pub(crate) fn deadline() -> Duration {
    Duration::from_secs(DEADLINE.load(Ordering::Relaxed))
}

/// What hangs is known to hang: wait less for it.
pub(crate) fn hurry() {
    DEADLINE.store(15, Ordering::Relaxed);
}

/// A world with its processes and those who look on.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    pub(crate) model: Model,
    /// What the `tmo.toml` says, and said in the beginning.
    pub(crate) rules: Rules,
    pub(crate) drawn: Rules,
    pub(crate) book: Book,
    /// When it was last looked whether somebody waits for ever.
    pub(crate) asked: Instant,
    /// A reload may have come to nothing.
    pub(crate) unloaded: bool,
    pub(crate) running: Vec<Running>,
    pub(crate) terminals: [Option<Terminal<'a>>; TERMINALS],
    names: [String; TERMINALS],
    /// Whom the terminals are connected to.
    pub(crate) connected: [Option<&'static str>; TERMINALS],
    /// When a command was typed into them.
    pub(crate) typed: [Instant; TERMINALS],
    /// Outputs to be read at the end.
    pub(crate) outputs: Vec<(String, String)>,
    /// Lives whose last words may be lost.
    pub(crate) excused: BTreeMap<&'static str, Excuses>,
    /// Nobody was left to take things away.
    pub(crate) abandoned: bool,
    pub(crate) story: Vec<String>,
    pub(crate) verbose: bool,
    /// Whole lines of the log, in the end.
    pub(crate) lines: u64,
    began: Instant,
    pub(crate) files: u32,
    opened: u32,
}

/// A world with the Procfile of all this.
pub(crate) fn world(rules: &Rules) -> World {
    let mut procfile = String::new();
    for name in NAMES {
        let command = if WRITERS.contains(&name) {
            programs::command(&format!("write {name}"))
        } else {
            format!("exec sh {name}.sh")
        };
        let _ = writeln!(procfile, "{name}: {command}");
    }
    let world = World::new(&procfile);
    for (name, text) in SCRIPTS {
        world.write(name, text);
    }
    for dir in ["hooked", "lives", "out", "up", "sick", "tries"] {
        std::fs::create_dir(world.app().join(dir)).unwrap();
    }
    for name in rules.names() {
        world.write(&format!("tries/{name}"), "");
    }
    if !rules.entries.is_empty() {
        world.write("tmo.toml", &rules.to_string());
    }
    world.env("TMO_LOG_PER_PROCESS", "0").env("TMO_LOG_TOTAL", "0").env("TMO_TIMEOUT", "0.5")
}

impl<'a> Stage<'a> {
    pub(crate) fn new(world: &'a World, rules: Rules, verbose: bool) -> Self {
        let mut book = Book::default();
        book.says(&rules);
        Self {
            world,
            model: Model::new(),
            rules: rules.clone(),
            drawn: rules,
            book,
            asked: Instant::now(),
            unloaded: false,
            running: vec![],
            terminals: [const { None }; TERMINALS],
            names: [const { String::new() }; TERMINALS],
            connected: [None; TERMINALS],
            typed: [Instant::now(); TERMINALS],
            outputs: vec![],
            excused: BTreeMap::new(),
            abandoned: false,
            story: vec![],
            verbose,
            lines: 0,
            began: Instant::now(),
            files: 0,
            opened: 0,
        }
    }

    /// Note what happens.
    pub(crate) fn tell(&mut self, text: impl AsRef<str>) {
        let line = format!("{:>9.3} {}", self.began.elapsed().as_secs_f64(), text.as_ref());
        if self.verbose {
            println!("{line}");
        }
        self.story.push(line);
    }

    pub(crate) fn play(&mut self, steps: &[Step]) {
        for step in steps {
            pause(step.pause);
            self.reap();
            self.tell(step.to_string());
            self.act(step);
        }
        self.tell("the end");
        self.finish();
    }

    /// A command changes these processes.
    pub(crate) fn want(&mut self, names: &[&'static str], wanted: Wanted) {
        if self.model.course == Course::Ends {
            // What had been killed may be told to stop before its death is noticed.
            self.model.unsure();
        }
        let wanted = if self.model.certain() { wanted } else { Wanted::Either };
        self.model.want(names, wanted);
    }

    /// What others do to the same processes at the same time is uncertain: those are returned.
    pub(crate) fn dispute(&mut self, newest: &mut Running) -> BTreeSet<&'static str> {
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

    /// Run a tmo to its end, past all expectations.
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
    pub(crate) fn excuse(&mut self, name: &'static str) {
        if let Some(lives) = self.under_way(name) {
            self.excused.entry(name).or_default().ends.extend(lives);
        }
    }

    /// A key that interrupts was typed into the terminal of this one.
    pub(crate) fn excuse_holes(&mut self, name: &'static str) {
        if let Some(lives) = self.under_way(name) {
            self.excused.entry(name).or_default().holes.extend(lives);
        }
    }

    /// The newest life of a writer, and the one that may just be beginning.
    fn under_way(&self, name: &str) -> Option<[u64; 2]> {
        let lives = crate::journal::written(self.world).remove(name)?;
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

    /// The tmux server of the run: whoever the shims are children of.
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
