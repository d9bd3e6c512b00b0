//! mprocs in a terminal.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::common::harness::wait::pause;
use crate::programs::{GO, command};
use crate::rows::between;
use crate::shared::World;
use crate::terminal::Terminal;

/// A world with commands for mprocs.
pub(crate) struct Mprocs {
    world: World,
    program: PathBuf,
}

impl Mprocs {
    /// These commands, each as a process named `p0`, `p1` and so on; `None` if there is no mprocs.
    pub(crate) fn prepare(commands: &[String]) -> Option<Self> {
        let program = which::which("mprocs").ok()?;
        let world = World::new();
        let mut config = "procs:\n".to_owned();
        for (i, command) in commands.iter().enumerate() {
            let _ = writeln!(config, "  p{i}:\n    shell: \"exec {command}\"");
        }
        std::fs::write(world.app().join("mprocs.yaml"), config).unwrap();
        std::fs::write(world.app().join(GO), "").unwrap();
        Some(Self { world, program })
    }

    /// So many processes, the first of which prints a line.
    pub(crate) fn of_processes(count: u32) -> Option<Self> {
        let mut commands = vec![command("last")];
        commands.resize(count as usize, command("stay"));
        Self::prepare(&commands)
    }

    /// One that prints so many lines per second, and two others.
    pub(crate) fn printing(per_second: u32) -> Option<Self> {
        let print = format!("{} {per_second}", command("print"));
        Self::prepare(&[print, command("stay"), command("stay")])
    }

    /// Start it in a terminal.
    pub(crate) fn open(&self) -> Terminal {
        Terminal::run(&self.world.command(&self.program))
    }

    /// Start it, and wait until it shows its list.
    pub(crate) fn opened(&self) -> Terminal {
        let terminal = self.open();
        terminal.first(|screen| screen.contains("p0") && screen.contains("p1"));
        terminal
    }
}

/// Whether it is there, and which version.
pub(crate) fn describe() -> String {
    let Ok(program) = which::which("mprocs") else {
        return "mprocs is not on `PATH`.".to_owned();
    };
    let said = Command::new(program).arg("--version").output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    format!(
        "{said} runs its processes itself, so its figures include what tmo's supervisor and tmux do."
    )
}

/// Select the second process, and the first one again, beside whose name then stands a mark.
pub(crate) fn select(terminal: &mut Terminal, number: u32) -> [Duration; 2] {
    let is_second = |screen: &str| screen.contains("•p1");
    pause(between(number));
    let second = terminal.press("j", is_second);
    pause(between(number + 1));
    [second, terminal.press("k", |screen| !is_second(screen))]
}
