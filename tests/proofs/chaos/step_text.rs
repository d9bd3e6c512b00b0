//! Steps as text.

use std::fmt;

use crate::chaos::config::FAILURE_TEXT;
use crate::chaos::step::{
    Action, ConfigEdit, Step, TALK, Targets, TerminalAction, TerminalProgram, Victim,
};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}. ", self.number)?;
        if !self.pause.is_zero() {
            write!(f, "after {} ms ", self.pause.as_millis())?;
        }
        write!(f, "{}", self.action)?;
        let waits = matches!(self.action, Action::Kill(_) | Action::Terminal(..) | Action::Check);
        if !self.wait && !waits { f.write_str(" &") } else { Ok(()) }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::One(name) | Self::Group(name) => write!(f, " {name}"),
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
            Self::Scale(count) => write!(f, "tmo scale {TALK}={count}"),
            Self::StartOne(name) => write!(f, "POST /api/processes/{name}/start"),
            Self::Quit => f.write_str("tmo quit"),
            Self::KillAll => f.write_str("tmo kill"),
            Self::Echo => f.write_str("tmo echo"),
            Self::Follow => f.write_str("tmo logs -f"),
            Self::Logs => f.write_str("tmo logs"),
            Self::Size(columns, rows) => write!(f, "PUT /api/size {columns}x{rows}"),
            Self::Terminal(slot, typed) => write!(f, "terminal {slot}: {typed}"),
            Self::Kill(victim) => write!(f, "kill -9 {victim}"),
            Self::Reload(edit) => write!(f, "{edit}, tmo reload"),
            Self::Declare(name, true) => write!(f, "tmo failures add {name} '{FAILURE_TEXT}'"),
            Self::Declare(name, false) => write!(f, "tmo failures remove {name} '{FAILURE_TEXT}'"),
            Self::MakeUnhealthy(name) => write!(f, "{name} becomes unhealthy"),
            Self::End(name) => write!(f, "{name} ends by itself with 3"),
            Self::Check => f.write_str("check"),
        }
    }
}

impl fmt::Display for ConfigEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("nothing changes"),
            Self::Program(name) => write!(f, "{name} is to run something else"),
            Self::Policy(name) => write!(f, "what follows from {name} changes"),
            Self::Remove(name) => write!(f, "{name} goes"),
            Self::Back(name) => write!(f, "{name} is as it was"),
            Self::Broken => f.write_str("tmo.toml is broken"),
        }
    }
}

impl fmt::Display for TerminalAction {
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

impl fmt::Display for TerminalProgram {
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
