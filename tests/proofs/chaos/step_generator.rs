//! Generates steps from a seed.

use std::time::Duration;

use crate::chaos::config::{Config, GROUPS};
use crate::chaos::step::{
    Action, ConfigEdit, NAMES, Step, TALK, TERMINALS, Targets, TerminalAction, TerminalProgram,
    Victim, WRITERS,
};
use crate::random::{Random, mix};

impl Step {
    /// The step of this number.
    pub(crate) fn of(seed: u64, number: u32) -> Self {
        let mut random = Random::new(mix(seed ^ mix(u64::from(number))));
        let pause = match random.below(4) {
            0 | 1 => 0,
            2 => random.below(20),
            _ => random.below(300),
        };
        let pause = Duration::from_millis(pause);
        let wait = random.below(10) < 6;
        let configured: Vec<_> = Config::of(seed).names().collect();
        let action = match Profile::of(seed) {
            _ if !configured.is_empty() && random.once_in(2) => {
                configured_action(&configured, &mut random)
            }
            Profile::Machinery if random.once_in(3) => Action::Kill(keeper(&mut random)),
            Profile::Panes if random.once_in(4) => Action::Kill(part(&mut random)),
            Profile::Panes | Profile::Machinery if random.once_in(4) => change(&mut random),
            Profile::Starts if random.once_in(3) => begin(&mut random),
            Profile::Even | Profile::Machinery | Profile::Panes | Profile::Starts => {
                action(&mut random)
            }
        };
        Self { number, pause, wait, action, choice: random.next() }
    }
}

/// The kind of action that dominates a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    Even,
    /// Guardians and supervisors are killed.
    Machinery,
    /// Sinks and shims are killed.
    Panes,
    /// Runs begin and end.
    Starts,
}

impl Profile {
    fn of(seed: u64) -> Self {
        match mix(seed) % 4 {
            0 => Self::Even,
            1 => Self::Machinery,
            2 => Self::Panes,
            _ => Self::Starts,
        }
    }
}

fn keeper(random: &mut Random) -> Victim {
    match random.below(4) {
        0 | 1 => Victim::Supervisor,
        2 => Victim::Both,
        _ => Victim::Guardian,
    }
}

fn part(random: &mut Random) -> Victim {
    let name = pick(random, &NAMES);
    if random.once_in(3) { Victim::Shim(name) } else { Victim::Sink(name) }
}

fn change(random: &mut Random) -> Action {
    match random.below(4) {
        0 => Action::Stop(who(random)),
        1 => Action::Restart(who(random)),
        2 => Action::Scale(1 + u8::try_from(random.below(3)).unwrap()),
        _ => Action::StartOne(pick(random, &NAMES)),
    }
}

/// Something about one of these.
fn configured_action(names: &[&'static str], random: &mut Random) -> Action {
    let name = pick(random, names);
    let some =
        if random.once_in(4) { Targets::Group(pick(random, &GROUPS)) } else { Targets::One(name) };
    match random.below(24) {
        0..2 => Action::Stop(some),
        2..5 => Action::Restart(some),
        5..7 => Action::StartOne(name),
        7..11 => Action::Reload(edit(name, random)),
        11 => Action::Declare(name, !random.once_in(3)),
        12..14 => Action::MakeUnhealthy(name),
        14 | 15 => Action::Kill(Victim::Process(name)),
        16 => Action::Kill(part_of(name, random)),
        17 => Action::Quit,
        _ => Action::Kill(keeper(random)),
    }
}

fn edit(name: &'static str, random: &mut Random) -> ConfigEdit {
    match random.below(10) {
        0 => ConfigEdit::Same,
        1..3 => ConfigEdit::Program(name),
        3..5 => ConfigEdit::Policy(name),
        5 | 6 => ConfigEdit::Remove(name),
        7 | 8 => ConfigEdit::Back(name),
        _ => ConfigEdit::Broken,
    }
}

fn part_of(name: &'static str, random: &mut Random) -> Victim {
    if random.once_in(2) { Victim::Shim(name) } else { Victim::Sink(name) }
}

fn begin(random: &mut Random) -> Action {
    match random.below(6) {
        0 | 1 => Action::Start,
        2 => Action::Daemon,
        3 => Action::Quit,
        4 => Action::Kill(Victim::Tmux),
        _ => Action::Kill(Victim::View),
    }
}

fn pick(random: &mut Random, of: &[&'static str]) -> &'static str {
    of[usize::try_from(random.below(of.len() as u64)).unwrap()]
}

fn who(random: &mut Random) -> Targets {
    if random.once_in(5) { Targets::All } else { Targets::One(pick(random, &NAMES)) }
}

fn size(random: &mut Random) -> (u16, u16) {
    let mut one = |least, most| u16::try_from(least + random.below(most - least)).unwrap();
    (one(20, 200), one(3, 60))
}

fn action(random: &mut Random) -> Action {
    match random.below(100) {
        0..8 => Action::Stop(who(random)),
        8..17 => Action::Restart(who(random)),
        17 | 18 => Action::Scale(1 + u8::try_from(random.below(3)).unwrap()),
        19..24 => Action::StartOne(pick(random, &NAMES)),
        24..31 => Action::Start,
        31..34 => Action::Daemon,
        34 | 35 => Action::Quit,
        36 => Action::KillAll,
        37..40 => Action::Echo,
        40 => Action::Follow,
        41 | 42 => Action::Logs,
        43 => {
            let (columns, rows) = size(random);
            Action::Size(columns, rows)
        }
        44..60 => {
            let slot = usize::try_from(random.below(TERMINALS as u64)).unwrap();
            Action::Terminal(slot, typed(random))
        }
        60..90 => Action::Kill(victim(random)),
        90 => Action::End(pick(random, &WRITERS)),
        _ => Action::Check,
    }
}

fn typed(random: &mut Random) -> TerminalAction {
    match random.below(16) {
        0..3 => TerminalAction::Show(TerminalProgram::Start),
        3..6 => TerminalAction::Show(TerminalProgram::Connect(pick(random, &NAMES))),
        6 => TerminalAction::Show(TerminalProgram::Connect(TALK)),
        7 => TerminalAction::Show(if random.once_in(2) {
            TerminalProgram::Echo
        } else {
            TerminalProgram::Follow
        }),
        8 => {
            let (columns, rows) = size(random);
            TerminalAction::Size(columns, rows)
        }
        9 | 10 => TerminalAction::Hold,
        11 => TerminalAction::Release,
        12 => TerminalAction::Text,
        13 => TerminalAction::Detach,
        14 if random.once_in(3) => TerminalAction::Interrupt,
        _ => TerminalAction::Close,
    }
}

fn victim(random: &mut Random) -> Victim {
    match random.below(30) {
        0..8 => Victim::Supervisor,
        8..11 => Victim::Guardian,
        11..15 => Victim::Both,
        15..18 => Victim::View,
        18 | 19 => Victim::Client,
        20..25 => Victim::Sink(pick(random, &WRITERS)),
        25 | 26 => Victim::Shim(pick(random, &NAMES)),
        27 => Victim::Process(pick(random, &NAMES)),
        28 => Victim::Child(if random.once_in(2) { "deaf" } else { "fork" }),
        _ => Victim::Tmux,
    }
}
