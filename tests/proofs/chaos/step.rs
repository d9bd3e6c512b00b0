//! The steps. Each is generated from the seed and its own number alone, so any of them can be left out
//! without a change of the others.

use std::time::Duration;

/// The processes.
pub(crate) const NAMES: [&str; 6] = ["fast", "even", "quick", "deaf", "fork", "talk"];
/// Those that write numbered lines: at full speed, steadily, a few at the start of each life.
pub(crate) const WRITERS: [&str; 3] = ["fast", "even", "quick"];
/// The one that is typed to.
pub(crate) const TALK: &str = "talk";
/// How many terminals there may be.
pub(crate) const TERMINALS: usize = 2;

/// The processes that a command names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Targets {
    All,
    One(&'static str),
    /// With its `@`.
    Group(&'static str),
}

/// A change of the `tmo.toml`, and a `tmo reload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigEdit {
    /// None.
    Same,
    /// Its command changes.
    Program(&'static str),
    /// Its restart policy or its checks change.
    Policy(&'static str),
    /// It is removed.
    Remove(&'static str),
    /// It is as generated, or comes back so.
    Back(&'static str),
    /// The file is invalid until tmo has reported it.
    Broken,
}

/// The program in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TerminalProgram {
    Start,
    Connect(&'static str),
    Echo,
    Follow,
}

/// An action in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TerminalAction {
    Show(TerminalProgram),
    Size(u16, u16),
    Hold,
    Release,
    Text,
    Detach,
    Interrupt,
    Close,
}

/// The part that is killed.
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
    /// Another process of its tree.
    Child(&'static str),
    Tmux,
}

/// The action of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Daemon,
    Stop(Targets),
    Restart(Targets),
    StartOne(&'static str),
    /// So many instances of the one that is typed to; only the first is looked after.
    Scale(u8),
    Quit,
    KillAll,
    Echo,
    Follow,
    Logs,
    Size(u16, u16),
    Terminal(usize, TerminalAction),
    Kill(Victim),
    Reload(ConfigEdit),
    /// Declare its failure text as a failure, or remove the declaration.
    Declare(&'static str, bool),
    /// Its liveness check fails from now on.
    MakeUnhealthy(&'static str),
    /// It ends by itself.
    End(&'static str),
    /// Wait until nothing changes, then compare with the expected state.
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
    /// Random bits for choices at the time of the execution.
    pub(crate) choice: u64,
}
