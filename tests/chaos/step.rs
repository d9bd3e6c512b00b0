//! What may be done: steps, each drawn from the seed and its own number alone, so that any of them
//! can be left out and the others stay what they are.

use std::fmt;
use std::time::Duration;

use crate::random::{Random, mix};

/// The processes.
pub(crate) const NAMES: [&str; 6] = ["fast", "even", "quick", "deaf", "fork", "talk"];
/// Those that write numbered lines: at full speed, steadily, a few at the start of each life.
pub(crate) const WRITERS: [&str; 3] = ["fast", "even", "quick"];
/// The one that is typed to.
pub(crate) const TALK: &str = "talk";
/// How many terminals there may be.
pub(crate) const TERMINALS: usize = 2;

/// Some of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    One(&'static str),
}

/// What runs in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Start,
    Connect(&'static str),
    Echo,
    Follow,
}

/// Something done in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    Show(Shown),
    Size(u16, u16),
    Hold,
    Release,
    Text,
    Detach,
    Interrupt,
    Close,
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Supervisor,
    Guardian,
    /// Guardian and supervisor, so that neither sees the other die.
    Both,
    View,
    Client,
    Sink(&'static str),
    Shim(&'static str),
    Process(&'static str),
    /// Another one of its tree.
    Child(&'static str),
    Tmux,
}

/// Something that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Daemon,
    Stop(Who),
    Restart(Who),
    StartOne(&'static str),
    Quit,
    KillAll,
    Echo,
    Follow,
    Logs,
    Size(u16, u16),
    Terminal(usize, Typed),
    Slay(Victim),
    /// It ends by itself.
    End(&'static str),
    /// Wait until nothing moves, then look whether all is as it must be.
    Check,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) number: u32,
    pub(crate) pause: Duration,
    /// Whether the next step waits for its end.
    pub(crate) wait: bool,
    pub(crate) action: Action,
    /// For what can be chosen only when it is done.
    pub(crate) choice: u64,
}

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
        let action = match Mood::of(seed) {
            Mood::Machinery if random.once_in(3) => Action::Slay(keeper(&mut random)),
            Mood::Panes if random.once_in(4) => Action::Slay(part(&mut random)),
            Mood::Panes | Mood::Machinery if random.once_in(4) => change(&mut random),
            Mood::Starts if random.once_in(3) => begin(&mut random),
            Mood::Even | Mood::Machinery | Mood::Panes | Mood::Starts => action(&mut random),
        };
        Self { number, pause, wait, action, choice: random.next() }
    }
}

/// What there is more of in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Even,
    /// Guardians and supervisors die.
    Machinery,
    /// Sinks and shims die.
    Panes,
    /// Runs begin and end.
    Starts,
}

impl Mood {
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
    match random.below(3) {
        0 => Action::Stop(who(random)),
        1 => Action::Restart(who(random)),
        _ => Action::StartOne(pick(random, &NAMES)),
    }
}

fn begin(random: &mut Random) -> Action {
    match random.below(6) {
        0 | 1 => Action::Start,
        2 => Action::Daemon,
        3 => Action::Quit,
        4 => Action::Slay(Victim::Tmux),
        _ => Action::Slay(Victim::View),
    }
}

fn pick(random: &mut Random, of: &[&'static str]) -> &'static str {
    of[usize::try_from(random.below(of.len() as u64)).unwrap()]
}

fn who(random: &mut Random) -> Who {
    if random.once_in(5) { Who::All } else { Who::One(pick(random, &NAMES)) }
}

fn size(random: &mut Random) -> (u16, u16) {
    let mut one = |least, most| u16::try_from(least + random.below(most - least)).unwrap();
    (one(20, 200), one(3, 60))
}

fn action(random: &mut Random) -> Action {
    match random.below(100) {
        0..8 => Action::Stop(who(random)),
        8..19 => Action::Restart(who(random)),
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
        60..90 => Action::Slay(victim(random)),
        90 => Action::End(pick(random, &WRITERS)),
        _ => Action::Check,
    }
}

fn typed(random: &mut Random) -> Typed {
    match random.below(16) {
        0..3 => Typed::Show(Shown::Start),
        3..6 => Typed::Show(Shown::Connect(pick(random, &NAMES))),
        6 => Typed::Show(Shown::Connect(TALK)),
        7 => Typed::Show(if random.once_in(2) { Shown::Echo } else { Shown::Follow }),
        8 => {
            let (columns, rows) = size(random);
            Typed::Size(columns, rows)
        }
        9 | 10 => Typed::Hold,
        11 => Typed::Release,
        12 => Typed::Text,
        13 => Typed::Detach,
        14 if random.once_in(3) => Typed::Interrupt,
        _ => Typed::Close,
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

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}. ", self.number)?;
        if !self.pause.is_zero() {
            write!(f, "after {} ms ", self.pause.as_millis())?;
        }
        write!(f, "{}", self.action)?;
        let waits = matches!(self.action, Action::Slay(_) | Action::Terminal(..) | Action::Check);
        if !self.wait && !waits { f.write_str(" &") } else { Ok(()) }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::One(name) => write!(f, " {name}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("tmo start"),
            Self::Daemon => f.write_str("tmo start -D"),
            Self::Stop(who) => write!(f, "tmo stop{who}"),
            Self::Restart(who) => write!(f, "tmo restart{who}"),
            Self::StartOne(name) => write!(f, "POST /api/processes/{name}/start"),
            Self::Quit => f.write_str("tmo quit"),
            Self::KillAll => f.write_str("tmo kill"),
            Self::Echo => f.write_str("tmo echo"),
            Self::Follow => f.write_str("tmo logs -f"),
            Self::Logs => f.write_str("tmo logs"),
            Self::Size(columns, rows) => write!(f, "PUT /api/size {columns}x{rows}"),
            Self::Terminal(slot, typed) => write!(f, "terminal {slot}: {typed}"),
            Self::Slay(victim) => write!(f, "kill -9 {victim}"),
            Self::End(name) => write!(f, "{name} ends by itself with 3"),
            Self::Check => f.write_str("look"),
        }
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Show(shown) => write!(f, "tmo {shown}"),
            Self::Size(columns, rows) => write!(f, "size {columns}x{rows}"),
            Self::Hold => f.write_str("^S"),
            Self::Release => f.write_str("^Q"),
            Self::Text => f.write_str("type to talk"),
            Self::Detach => f.write_str("leave"),
            Self::Interrupt => f.write_str("^C"),
            Self::Close => f.write_str("close"),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Connect(name) => write!(f, "connect {name}"),
            Self::Echo => f.write_str("echo"),
            Self::Follow => f.write_str("logs -f"),
        }
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supervisor => f.write_str("the supervisor"),
            Self::Guardian => f.write_str("the guardian"),
            Self::Both => f.write_str("guardian and supervisor"),
            Self::View => f.write_str("a view"),
            Self::Client => f.write_str("an echo"),
            Self::Sink(name) => write!(f, "the sink of {name}"),
            Self::Shim(name) => write!(f, "the shim of {name}"),
            Self::Process(name) => f.write_str(name),
            Self::Child(name) => write!(f, "one below {name}"),
            Self::Tmux => f.write_str("the tmux server"),
        }
    }
}
