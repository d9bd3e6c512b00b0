//! The contestants, and what can be asked of each.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::contestants::{floor, foreground, mprocs, pm2, supervisord};
use crate::running::{Running, output_within};
use crate::shared::World;

/// What kind of contestant it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tmo,
    /// tmo with terminals of its own, without tmux.
    Native,
    Floor,
    /// Runs a Procfile when called with these words.
    Procfile(&'static [&'static str]),
    /// The same, and can be asked for a list and for restarts.
    Overmind,
    /// Runs the commands that are its arguments.
    Arguments,
    Mprocs,
    Supervisord,
    Pm2,
}

/// A contestant.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    /// How it is run, and what of it is measured.
    note: &'static str,
}

/// Where the output is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    File,
    Pipe,
}

/// Whoever is not tmo.
const OTHERS: [(&str, &str, Kind, &str); 12] = [
    ("earlier", "tmo-earlier", Kind::Tmo, "`tmo start` of another version"),
    (
        "floor",
        "tmux",
        Kind::Floor,
        "bare tmux with `pipe-pane 'exec cat >> file'`; it is stopped by `kill-server`, its restart \
         is `respawn-pane -k`, its `ps` is `list-panes`",
    ),
    ("overmind", "overmind", Kind::Overmind, "`overmind start`"),
    ("hivemind", "hivemind", Kind::Procfile(&[]), "`hivemind`; has neither list nor restart"),
    (
        "foreman",
        "foreman",
        Kind::Procfile(&["start"]),
        "`foreman start`; has neither list nor restart",
    ),
    (
        "honcho",
        "honcho",
        Kind::Procfile(&["start"]),
        "`honcho start`; has neither list nor restart",
    ),
    (
        "ultraman",
        "ultraman",
        Kind::Procfile(&["start"]),
        "`ultraman start`; has neither list nor restart",
    ),
    (
        "nf",
        "nf",
        Kind::Procfile(&["start"]),
        "npm's foreman, `nf start`; has neither list nor restart",
    ),
    (
        "concurrently",
        "concurrently",
        Kind::Arguments,
        "`concurrently --names`; has neither list nor restart",
    ),
    ("mprocs", "mprocs", Kind::Mprocs, mprocs::NOTE),
    ("supervisord", "supervisord", Kind::Supervisord, supervisord::NOTE),
    ("pm2", "pm2", Kind::Pm2, pm2::NOTE),
];

/// tmo, the floor, and the peers that are there, of those that are wanted; and who is missing.
pub(crate) fn find_all(wanted: &[String]) -> (Vec<Tool>, Vec<&'static str>) {
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let (mut all, mut missing) = (vec![], vec![]);
    if wants("tmo") {
        let program = env!("CARGO_BIN_EXE_tmo").into();
        let note = if cfg!(target_feature = "crt-static") {
            "`tmo start`, linked statically as in a release archive"
        } else {
            "`tmo start`, as it was built here"
        };
        all.push(Tool { name: "tmo", kind: Kind::Tmo, program, note });
    }
    if wants("native") {
        let program = env!("CARGO_BIN_EXE_tmo").into();
        let note = "the same with `--backend native`: without tmux";
        all.push(Tool { name: "native", kind: Kind::Native, program, note });
    }
    for (name, program, kind, note) in OTHERS.into_iter().filter(|other| wants(other.0)) {
        if let Ok(program) = which::which(program) {
            all.push(Tool { name, kind, program, note });
        } else {
            eprintln!("bars: {name} is not on PATH, left out");
            missing.push(name);
        }
    }
    (all, missing)
}

/// The names of all contestants.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names = vec!["tmo", "native"];
    names.extend(OTHERS.map(|other| other.0));
    names
}

impl Tool {
    /// Run these commands, each as a process named `p0`, `p1` and so on.
    pub(crate) fn start(&self, world: &World, commands: &[String], to: To) -> Running {
        match self.kind {
            Kind::Tmo | Kind::Native | Kind::Overmind => {
                foreground::by_procfile(self, world, &["start"], commands, to)
            }
            Kind::Procfile(words) => foreground::by_procfile(self, world, words, commands, to),
            Kind::Arguments => foreground::by_arguments(self, world, commands, to),
            Kind::Floor => floor::start(self, world, commands, to),
            Kind::Mprocs => mprocs::start(self, world, commands, to),
            Kind::Supervisord => supervisord::start(self, world, commands, to),
            Kind::Pm2 => pm2::start(self, world, commands, to),
        }
    }

    /// The command that lists what runs, where there is one.
    pub(crate) fn ps(&self, world: &World) -> Option<Command> {
        let command = match self.kind {
            Kind::Tmo | Kind::Native | Kind::Overmind => self.call(world, &["ps"]),
            Kind::Floor => floor::call(self, world, &["list-panes", "-a"]),
            Kind::Supervisord => supervisord::call(self, world, &["status"]),
            Kind::Pm2 => self.call(world, &["ls"]),
            Kind::Mprocs | Kind::Procfile(_) | Kind::Arguments => return None,
        };
        Some(quiet(command))
    }

    /// The command that restarts the process `p0`, where there is one.
    pub(crate) fn restart(&self, world: &World) -> Option<Command> {
        let command = match self.kind {
            Kind::Tmo | Kind::Native | Kind::Overmind | Kind::Pm2 => {
                self.call(world, &["restart", "p0"])
            }
            Kind::Floor => floor::call(self, world, &["respawn-pane", "-k", "-t", "=s:=p0"]),
            Kind::Supervisord => supervisord::call(self, world, &["restart", "all:p0"]),
            Kind::Mprocs => mprocs::restart(self, world),
            Kind::Procfile(_) | Kind::Arguments => return None,
        };
        Some(quiet(command))
    }

    fn call(&self, world: &World, words: &[&str]) -> Command {
        let mut command = world.command(&self.program);
        command.args(words);
        command
    }

    /// Where it keeps what its processes print, when it is not asked for anything else.
    pub(crate) const fn keeps(&self) -> To {
        match self.kind {
            Kind::Floor | Kind::Mprocs | Kind::Supervisord | Kind::Pm2 => To::File,
            Kind::Tmo | Kind::Native | Kind::Overmind | Kind::Procfile(_) | Kind::Arguments => {
                To::Pipe
            }
        }
    }

    /// Whether it ends when all of its processes have ended.
    pub(crate) const fn ends(&self, to: To) -> bool {
        match self.kind {
            Kind::Supervisord | Kind::Mprocs => false,
            Kind::Pm2 => matches!(to, To::Pipe),
            Kind::Tmo
            | Kind::Native
            | Kind::Floor
            | Kind::Overmind
            | Kind::Procfile(_)
            | Kind::Arguments => true,
        }
    }

    /// Whether there is a stream of its output that somebody may be slow to read.
    pub(crate) fn streams(&self) -> bool {
        self.kind != Kind::Mprocs
    }

    /// Which version, and how it is run.
    pub(crate) fn describe(&self) -> String {
        let world = World::new();
        let word = if self.kind == Kind::Floor { "-V" } else { "--version" };
        let said = output_within(self.call(&world, &[word]), Duration::from_secs(20));
        let said = said.unwrap_or_default();
        // tmo prints its commit after the version.
        let mut words = said.lines().next_back().unwrap_or_default().split_whitespace();
        let version = words.find(|word| word.contains(|char: char| char.is_ascii_digit()));
        let version = version.unwrap_or("(unknown version)");
        format!("- **{}** {version}: {}.", self.name, self.note)
    }
}

/// A command whose words nobody reads.
fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
