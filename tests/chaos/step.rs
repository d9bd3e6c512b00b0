//! The possible steps. Each is generated from the seed and its own number alone, so that any of them can be
//! left out without changing the others.

use std::time::Duration;

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
    /// With its `@`.
    Group(&'static str),
}

/// A change of the `tmo.toml`, and a `tmo reload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// None.
    Same,
    /// This one runs something else.
    Program(&'static str),
    /// Other things follow from what it does.
    Policy(&'static str),
    /// It goes.
    Remove(&'static str),
    /// It is as it was in the beginning, or comes back so.
    Back(&'static str),
    /// It is no `tmo.toml` any more, until that was said.
    Broken,
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
    /// So many instances of the one that is typed to; only the first is looked after.
    Scale(u8),
    Quit,
    KillAll,
    Echo,
    Follow,
    Logs,
    Size(u16, u16),
    Terminal(usize, Typed),
    Slay(Victim),
    Reload(Edit),
    /// Declare that this one fails if it complains, or don't any more.
    Declare(&'static str, bool),
    /// It does not answer well from now on.
    Sicken(&'static str),
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
