//! The table of the commands: how each is called, where the help lists it, and what carries it out. Dispatch, help, man
//! pages and completions are made from it.
//!
//! The arguments of a command, the text of its help and what it does are in a file of its own.

mod help;
mod parse;
#[cfg(test)]
mod tests;

use clap::{ArgMatches, Command};

use self::Subject::{Nothing, Processes, Start};
pub use self::help::command;
pub(super) use self::help::short_help;
pub use self::parse::parse;
use super::act::{
    actions, app, cleanup, connect, ending, failures, processes, reload, run, terminal, watch,
};
use super::error::CliError;
use super::look::{crashes, echo, events, flags, graph, logs, ls, ps, top, wait, why};
use super::project::{check, config, demo, export, import, init};
use super::setup::{self, completions, doctor, man};
use super::{fleet, mcp, start, ui, web};

/// A command.
pub(in crate::cli) struct Verb {
    pub(in crate::cli) name: &'static str,
    /// Other names, which the help shows.
    aliases: &'static [&'static str],
    /// Former names, which go on working and are shown nowhere: `Verb { former: &["NAME"], ..verb(…) }`.
    former: &'static [&'static str],
    /// The group of the help that lists it.
    group: &'static str,
    subject: Subject,
    action: &'static dyn VerbAction,
}

/// What the arguments of a command are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// Processes of a run, which may have been left out of its start.
    Processes,
    /// A start: the help of its flags has their variables and defaults.
    Start,
    Nothing,
}

// The groups of the help.
const EVERY_DAY: &str = "Every day";
const THE_RUN: &str = "The run";
const HOSTS: &str = "Several hosts";
const AGENTS: &str = "Coding agents";
const THE_LOG: &str = "The log";
const A_PROCESS: &str = "A process";
const PROJECT: &str = "The project";
const TMO: &str = "tmo itself";

/// A command with its arguments.
type BoundVerb = Box<dyn FnOnce() -> Result<u8, CliError>>;

/// What a command takes and does.
trait VerbAction: Sync {
    fn with_args(&self, command: Command) -> Command;
    fn bind(&self, matches: &ArgMatches) -> Result<BoundVerb, clap::Error>;
}

/// A function of the arguments.
struct Does<A: 'static>(fn(&A) -> Result<u8, CliError>);

impl<A: clap::Args> VerbAction for Does<A> {
    fn with_args(&self, command: Command) -> Command {
        A::augment_args(command)
    }

    fn bind(&self, matches: &ArgMatches) -> Result<BoundVerb, clap::Error> {
        let args = A::from_arg_matches(matches)?;
        let does = self.0;
        Ok(Box::new(move || does(&args)))
    }
}

const fn verb(
    name: &'static str,
    aliases: &'static [&'static str],
    group: &'static str,
    subject: Subject,
    action: &'static dyn VerbAction,
) -> Verb {
    Verb { name, aliases, former: &[], group, subject, action }
}

/// All commands in the order of the help, group by group.
static VERBS: &[Verb] = &[
    verb("start", &["s"], EVERY_DAY, Start, &Does(start::start)),
    verb("ps", &["status"], EVERY_DAY, Nothing, &Does(ps::ps)),
    verb("logs", &[], EVERY_DAY, Processes, &Does(logs::logs)),
    verb("restart", &["r"], EVERY_DAY, Processes, &Does(processes::restart)),
    verb("stop", &["interrupt", "i"], EVERY_DAY, Processes, &Does(processes::stop)),
    verb("connect", &["c"], EVERY_DAY, Processes, &Does(connect::connect)),
    verb("why", &[], EVERY_DAY, Processes, &Does(why::why)),
    verb("quit", &["q"], EVERY_DAY, Nothing, &Does(ending::quit)),
    verb("ui", &[], THE_RUN, Nothing, &Does(ui::ui)),
    verb("web", &[], THE_RUN, Nothing, &Does(web::web)),
    verb("open", &[], THE_RUN, Processes, &Does(web::open_process)),
    verb("server", &[], THE_RUN, Nothing, &Does(web::server)),
    verb("top", &[], THE_RUN, Nothing, &Does(top::top)),
    verb("reload", &[], THE_RUN, Nothing, &Does(reload::reload)),
    verb("scale", &[], THE_RUN, Processes, &Does(processes::scale)),
    verb("app", &[], THE_RUN, Nothing, &Does(app::app)),
    verb("detach", &[], THE_RUN, Nothing, &Does(ending::detach)),
    verb("kill", &["k"], THE_RUN, Nothing, &Does(ending::kill)),
    verb("cleanup", &[], THE_RUN, Nothing, &Does(cleanup::cleanup)),
    verb("ls", &[], THE_RUN, Nothing, &Does(ls::ls)),
    verb("fleet", &[], HOSTS, Nothing, &Does(fleet::fleet)),
    verb("mcp", &[], AGENTS, Nothing, &Does(mcp::mcp)),
    verb("echo", &[], THE_LOG, Processes, &Does(echo::echo)),
    verb("events", &[], THE_LOG, Processes, &Does(events::events)),
    verb("crashes", &[], THE_LOG, Processes, &Does(crashes::crashes)),
    verb("flags", &[], THE_LOG, Processes, &Does(flags::flags)),
    verb("failures", &[], THE_LOG, Start, &Does(failures::failures)),
    verb("act", &[], A_PROCESS, Nothing, &Does(actions::act)),
    verb("send", &[], A_PROCESS, Processes, &Does(terminal::send)),
    verb("screen", &[], A_PROCESS, Processes, &Does(terminal::screen)),
    verb("signal", &[], A_PROCESS, Processes, &Does(processes::signal)),
    verb("wait", &[], A_PROCESS, Processes, &Does(wait::wait)),
    verb("watch", &[], A_PROCESS, Processes, &Does(watch::watch)),
    verb("run", &["exec", "e"], A_PROCESS, Nothing, &Does(run::run_command)),
    verb("demo", &[], PROJECT, Nothing, &Does(demo::demo)),
    verb("init", &[], PROJECT, Start, &Does(init::init)),
    verb("import", &[], PROJECT, Nothing, &Does(import::import_project)),
    verb("export", &[], PROJECT, Nothing, &Does(export::export_project)),
    verb("check", &[], PROJECT, Start, &Does(check::check)),
    verb("config", &[], PROJECT, Start, &Does(config::config)),
    verb("graph", &[], PROJECT, Start, &Does(graph::graph)),
    verb("schema", &[], PROJECT, Nothing, &Does(init::print_schema)),
    verb("doctor", &[], PROJECT, Start, &Does(doctor::doctor)),
    verb("setup", &[], TMO, Nothing, &Does(setup::setup)),
    verb("completions", &[], TMO, Nothing, &Does(completions::completions)),
    verb("man", &[], TMO, Nothing, &Does(man::manual)),
];

impl Verb {
    /// The command with this name.
    pub(in crate::cli) fn named(name: &str) -> Option<&'static Self> {
        VERBS.iter().find(|verb| {
            verb.name == name || verb.aliases.contains(&name) || verb.former.contains(&name)
        })
    }

    /// This command with its arguments and help.
    pub(in crate::cli) fn with_args(&self, command: Command) -> Command {
        self.action.with_args(command)
    }

    fn command(&self) -> Command {
        let command = self.with_args(Command::new(self.name));
        command.visible_aliases(self.aliases.iter().copied()).aliases(self.former.iter().copied())
    }
}
