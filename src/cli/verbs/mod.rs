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
    place: HelpPlace,
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

/// Where the help of the program lists a command: the group and the line in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HelpPlace {
    group: HelpGroup,
    line: u8,
}

/// A group of the help, those of every day first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HelpGroup {
    rank: u8,
    title: &'static str,
}

const EVERY_DAY: HelpGroup = HelpGroup { rank: 1, title: "Every day" };
const THE_RUN: HelpGroup = HelpGroup { rank: 2, title: "The run" };
const HOSTS: HelpGroup = HelpGroup { rank: 3, title: "Several hosts" };
const AGENTS: HelpGroup = HelpGroup { rank: 4, title: "Coding agents" };
const THE_LOG: HelpGroup = HelpGroup { rank: 5, title: "The log" };
const A_PROCESS: HelpGroup = HelpGroup { rank: 6, title: "A process" };
const PROJECT: HelpGroup = HelpGroup { rank: 7, title: "The project" };
const TMO: HelpGroup = HelpGroup { rank: 8, title: "tmo itself" };

impl HelpGroup {
    const fn line(self, line: u8) -> HelpPlace {
        HelpPlace { group: self, line }
    }
}

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
    place: HelpPlace,
    subject: Subject,
    action: &'static dyn VerbAction,
) -> Verb {
    Verb { name, aliases, former: &[], place, subject, action }
}

/// All commands, in the order of tmo(1) and of completions.
static VERBS: &[Verb] = &[
    verb("start", &["s"], EVERY_DAY.line(1), Start, &Does(start::start)),
    verb("check", &[], PROJECT.line(5), Start, &Does(check::check)),
    verb("config", &[], PROJECT.line(6), Start, &Does(config::config)),
    verb("graph", &[], PROJECT.line(7), Start, &Does(graph::graph)),
    verb("init", &[], PROJECT.line(2), Start, &Does(init::init)),
    verb("import", &[], PROJECT.line(3), Nothing, &Does(import::import_project)),
    verb("export", &[], PROJECT.line(4), Nothing, &Does(export::export_project)),
    verb("demo", &[], PROJECT.line(1), Nothing, &Does(demo::demo)),
    verb("schema", &[], PROJECT.line(8), Nothing, &Does(init::print_schema)),
    verb("doctor", &[], PROJECT.line(9), Start, &Does(doctor::doctor)),
    verb("restart", &["r"], EVERY_DAY.line(4), Processes, &Does(processes::restart)),
    verb("stop", &["interrupt", "i"], EVERY_DAY.line(5), Processes, &Does(processes::stop)),
    verb("connect", &["c"], EVERY_DAY.line(6), Processes, &Does(connect::connect)),
    verb("detach", &[], THE_RUN.line(9), Nothing, &Does(ending::detach)),
    verb("quit", &["q"], EVERY_DAY.line(8), Nothing, &Does(ending::quit)),
    verb("kill", &["k"], THE_RUN.line(10), Nothing, &Does(ending::kill)),
    verb("echo", &[], THE_LOG.line(1), Processes, &Does(echo::echo)),
    verb("logs", &[], EVERY_DAY.line(3), Processes, &Does(logs::logs)),
    verb("events", &[], THE_LOG.line(2), Processes, &Does(events::events)),
    verb("why", &[], EVERY_DAY.line(7), Processes, &Does(why::why)),
    verb("crashes", &[], THE_LOG.line(3), Processes, &Does(crashes::crashes)),
    verb("flags", &[], THE_LOG.line(4), Processes, &Does(flags::flags)),
    verb("wait", &[], A_PROCESS.line(5), Processes, &Does(wait::wait)),
    verb("signal", &[], A_PROCESS.line(4), Processes, &Does(processes::signal)),
    verb("watch", &[], A_PROCESS.line(6), Processes, &Does(watch::watch)),
    verb("act", &[], A_PROCESS.line(1), Nothing, &Does(actions::act)),
    verb("scale", &[], THE_RUN.line(7), Processes, &Does(processes::scale)),
    verb("reload", &[], THE_RUN.line(6), Nothing, &Does(reload::reload)),
    verb("send", &[], A_PROCESS.line(2), Processes, &Does(terminal::send)),
    verb("screen", &[], A_PROCESS.line(3), Processes, &Does(terminal::screen)),
    verb("open", &[], THE_RUN.line(3), Processes, &Does(web::open_process)),
    verb("cleanup", &[], THE_RUN.line(11), Nothing, &Does(cleanup::cleanup)),
    verb("ls", &[], THE_RUN.line(12), Nothing, &Does(ls::ls)),
    verb("run", &["exec", "e"], A_PROCESS.line(7), Nothing, &Does(run::run_command)),
    verb("ps", &["status"], EVERY_DAY.line(2), Nothing, &Does(ps::ps)),
    verb("top", &[], THE_RUN.line(5), Nothing, &Does(top::top)),
    verb("ui", &[], THE_RUN.line(1), Nothing, &Does(ui::ui)),
    verb("web", &[], THE_RUN.line(2), Nothing, &Does(web::web)),
    verb("app", &[], THE_RUN.line(8), Nothing, &Does(app::app)),
    verb("server", &[], THE_RUN.line(4), Nothing, &Does(web::server)),
    verb("failures", &[], THE_LOG.line(5), Start, &Does(failures::failures)),
    verb("mcp", &[], AGENTS.line(1), Nothing, &Does(mcp::mcp)),
    verb("fleet", &[], HOSTS.line(1), Nothing, &Does(fleet::fleet)),
    verb("setup", &[], TMO.line(1), Nothing, &Does(setup::setup)),
    verb("completions", &[], TMO.line(2), Nothing, &Does(completions::completions)),
    verb("man", &[], TMO.line(3), Nothing, &Does(man::manual)),
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
