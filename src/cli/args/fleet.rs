//! `tmo fleet`: the verbs that run on hosts. Each keeps the flags that it has without a fleet.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::target::ClientArgs;
use super::typed::span;
use super::{
    ConnectArgs, CrashesArgs, EchoArgs, EventsArgs, FailuresArgs, FlagsArgs, GraphArgs, LogsArgs,
    LsArgs, NamesArgs, PreviewArgs, PsArgs, ReloadArgs, RestartArgs, ScaleArgs, ScreenArgs,
    SendArgs, SignalArgs, StartArgs, TopArgs, UiArgs, WaitArgs, WhyArgs,
};
use crate::cli::completions::values;

/// What becomes of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetKind {
    /// A table of the rows of all hosts.
    Table,
    /// A line for each host, and what failed.
    Act,
    /// The text of each host below its name.
    Text,
    /// Lines of all hosts, merged by time.
    Lines,
    /// The terminal of one host.
    Terminal,
    /// A command in the directory of the project.
    Exec,
    /// The program of tmo is put onto the hosts.
    Install,
    /// A prompt for the other verbs.
    Shell,
    /// About the fleet itself; nothing is executed on a host.
    Own,
}

/// A verb of the fleet.
#[derive(Debug)]
pub struct FleetVerb {
    /// Its name, here and on the hosts.
    pub name: &'static str,
    /// What becomes of the answers.
    pub kind: FleetKind,
    about: &'static str,
    /// Adds the flags that the verb has on a host.
    flags: fn(Command) -> Command,
    /// The id of the argument that names processes; [`TARGETS`] if there is none.
    names: &'static str,
}

/// The id of the hosts of a verb that names no processes.
const TARGETS: &str = "fleet_targets";

const fn verb(
    name: &'static str,
    kind: FleetKind,
    about: &'static str,
    flags: fn(Command) -> Command,
    names: &'static str,
) -> FleetVerb {
    FleetVerb { name, kind, about, flags, names }
}

/// All verbs.
pub const FLEET_VERBS: &[FleetVerb] = &[
    verb("ps", FleetKind::Table, "List the processes of all hosts", PsArgs::augment_args, TARGETS),
    verb(
        "top",
        FleetKind::Table,
        "Show once what the processes use",
        TopArgs::augment_args,
        TARGETS,
    ),
    verb("ls", FleetKind::Table, "List all your runs on all hosts", LsArgs::augment_args, TARGETS),
    verb(
        "start",
        FleetKind::Act,
        "Start the runs, or processes of them",
        StartArgs::augment_args,
        "names",
    ),
    verb(
        "stop",
        FleetKind::Act,
        "Stop processes; the runs stay up",
        NamesArgs::augment_args,
        "names",
    ),
    verb("restart", FleetKind::Act, "Restart processes", RestartArgs::augment_args, "names"),
    verb(
        "reload",
        FleetKind::Act,
        "Read the files of the projects again",
        ReloadArgs::augment_args,
        TARGETS,
    ),
    verb(
        "apply",
        FleetKind::Act,
        "Give the hosts the processes that the inventory has for them",
        std::convert::identity,
        TARGETS,
    ),
    verb("signal", FleetKind::Act, "Send a signal to processes", SignalArgs::augment_args, "names"),
    verb(
        "scale",
        FleetKind::Act,
        "Change how many instances run",
        ScaleArgs::augment_args,
        "counts",
    ),
    verb(
        "send",
        FleetKind::Act,
        "Type into the terminal of a process",
        SendArgs::augment_args,
        "name",
    ),
    verb("wait", FleetKind::Act, "Wait for processes", WaitArgs::augment_args, "names"),
    verb("quit", FleetKind::Act, "Stop the runs", ClientArgs::augment_args, TARGETS),
    verb("kill", FleetKind::Act, "Kill the runs at once", ClientArgs::augment_args, TARGETS),
    verb(
        "why",
        FleetKind::Text,
        "Explain what is wrong, or how a run ended",
        WhyArgs::augment_args,
        "name",
    ),
    verb(
        "crashes",
        FleetKind::Text,
        "List crash reports, or show one",
        CrashesArgs::augment_args,
        "what",
    ),
    verb(
        "logs",
        FleetKind::Lines,
        "Print the logs of all hosts, merged by time",
        LogsArgs::augment_args,
        "names",
    ),
    verb(
        "events",
        FleetKind::Lines,
        "Print the events of all hosts, merged by time",
        EventsArgs::augment_args,
        "names",
    ),
    verb("echo", FleetKind::Lines, "Follow the logs from now on", EchoArgs::augment_args, "names"),
    verb(
        "flags",
        FleetKind::Text,
        "Show how often flags matched",
        FlagsArgs::augment_args,
        "names",
    ),
    verb(
        "screen",
        FleetKind::Text,
        "Print the screen of a process",
        ScreenArgs::augment_args,
        "name",
    ),
    verb("graph", FleetKind::Text, "Show the start order", GraphArgs::augment_args, "names"),
    verb("check", FleetKind::Text, "Check the projects", PreviewArgs::augment_args, "names"),
    verb(
        "config",
        FleetKind::Text,
        "Show the settings of processes",
        PreviewArgs::augment_args,
        "names",
    ),
    verb(
        "doctor",
        FleetKind::Text,
        "Find out why tmo does not work there",
        PreviewArgs::augment_args,
        "names",
    ),
    verb(
        "failures",
        FleetKind::Text,
        "Show the texts that mean failure",
        FailuresArgs::augment_args,
        "name",
    ),
    verb(
        "connect",
        FleetKind::Terminal,
        "Open the terminal of a process",
        ConnectArgs::augment_args,
        "name",
    ),
    verb(
        "ui",
        FleetKind::Terminal,
        "Show the run of a host in full screen",
        UiArgs::augment_args,
        "name",
    ),
    verb("exec", FleetKind::Exec, "Run a command in the directory of the project", exec, TARGETS),
    verb("install", FleetKind::Install, "Put the program of tmo onto the hosts", install, TARGETS),
    verb("shell", FleetKind::Shell, "Type verbs at a prompt", std::convert::identity, ""),
    verb("trust", FleetKind::Own, "Allow the commands that this fleet.toml names", trust, ""),
];

fn exec(command: Command) -> Command {
    let words = Arg::new("command").value_name("COMMAND").num_args(1..).last(true).required(true);
    command.arg(words.help("The command and its arguments, without a shell"))
}

fn install(command: Command) -> Command {
    command
        .arg(
            Arg::new("from")
                .long("from")
                .value_name("PROGRAM")
                .value_parser(value_parser!(PathBuf))
                .add(values::file())
                .help("This program of tmo, for hosts where the one that runs here can't run"),
        )
        .arg(
            Arg::new("boot")
                .long("boot")
                .action(ArgAction::SetTrue)
                .help("The run of the project comes back after a reboot of the host"),
        )
}

fn trust(command: Command) -> Command {
    command
        .arg(Arg::new("yes").short('y').long("yes").action(ArgAction::SetTrue).help("Do not ask"))
}

/// `tmo fleet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetArgs {
    /// The inventory.
    pub file: Option<PathBuf>,
    /// The file of procman that is used as one.
    pub config: Option<PathBuf>,
    /// The hosts in the configuration of ssh are used as one, and only those that answer are shown.
    pub discover: bool,
    /// Only these hosts.
    pub hosts: Vec<String>,
    /// How long a host may be silent.
    pub patience: Duration,
    /// Whether connections are kept for the next command.
    pub persist: bool,
    /// Print JSON.
    pub json: bool,
    /// What to do; without it, the hosts are listed.
    pub verb: Option<FleetCommand>,
}

/// A verb of the fleet as it was typed.
#[derive(Debug, Clone)]
pub struct FleetCommand {
    /// The verb.
    pub verb: &'static FleetVerb,
    /// What is meant: hosts and processes.
    pub words: Vec<String>,
    /// The words for tmo on the host.
    pub argv: FleetArgv,
    /// How many hosts at once.
    pub batch: Option<usize>,
    /// What each batch waits for: a word of `tmo wait --for`.
    pub until: Option<String>,
    /// `--yes` of `trust`.
    pub yes: bool,
    /// `--from` of `install`.
    pub from: Option<PathBuf>,
    /// `--boot` of `install`.
    pub boot: bool,
}

impl PartialEq for FleetCommand {
    fn eq(&self, other: &Self) -> bool {
        self.verb.name == other.verb.name && self.words == other.words && self.argv == other.argv
    }
}

impl Eq for FleetCommand {}

/// The words for tmo on a host, with a gap for the names of processes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetArgv {
    /// The verb and its flags.
    flags: Vec<String>,
    /// What stands before the names, such as a signal.
    before: Vec<String>,
    /// What stands behind them, such as a text.
    behind: Vec<String>,
    /// What follows `--` is a command, so names stand before that.
    takes_command: bool,
}

impl FleetArgv {
    /// The words with these names.
    pub fn with(&self, names: &[String]) -> Vec<String> {
        let (first, names) = names.split_at(if self.takes_command { names.len() } else { 0 });
        let positional = [&self.before, names, &self.behind].concat();
        let dashes = (!positional.is_empty()).then(|| "--".to_owned());
        let flags = self.flags.iter().chain(first).cloned();
        flags.chain(dashes).chain(positional).collect()
    }

    /// The words with another flag.
    #[must_use]
    pub fn and(&self, flag: &str) -> Self {
        let mut words = self.clone();
        if !words.flags.iter().any(|known| known == flag) {
            words.flags.push(flag.to_owned());
        }
        words
    }

    /// Remove this flag; returns its value, which is empty if it has none.
    pub fn take(&mut self, flag: &str) -> Option<String> {
        let value = |word: &str| word.strip_prefix(flag)?.strip_prefix('=').map(str::to_owned);
        let at = self.flags.iter().position(|word| word == flag || value(word).is_some())?;
        let word = self.flags.remove(at);
        Some(value(&word).unwrap_or_default())
    }

    /// The words of another verb with the same flags.
    #[must_use]
    pub fn of_verb(mut self, verb: &str) -> Self {
        if let Some(first) = self.flags.first_mut() {
            verb.clone_into(first);
        }
        self
    }

    /// Whether this flag was typed.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}

impl Args for FleetArgs {
    fn augment_args(command: Command) -> Command {
        // Only this verb pays for its own.
        command
            .arg(
                Arg::new("fleet_file")
                    .long("fleet")
                    .value_name("FILE")
                    .value_parser(value_parser!(PathBuf))
                    .global(true)
                    .add(values::file())
                    .help("The inventory; else TMO_FLEET, or fleet.toml here or above"),
            )
            .arg(
                Arg::new("fleet_config")
                    .long("config")
                    .value_name("FILE.json")
                    .value_parser(value_parser!(PathBuf))
                    .conflicts_with("fleet_file")
                    .global(true)
                    .add(values::file())
                    .help("The processes and deputies of procman, in place of an inventory"),
            )
            .arg(
                Arg::new("fleet_discover")
                    .long("discover")
                    .action(ArgAction::SetTrue)
                    .conflicts_with_all(["fleet_file", "fleet_config"])
                    .help("List the hosts in ~/.ssh/config that answer, without an inventory"),
            )
            .arg(
                Arg::new("fleet_hosts")
                    .long("hosts")
                    .value_name("HOSTS")
                    .value_delimiter(',')
                    .action(ArgAction::Append)
                    .global(true)
                    .add(values::fleet_hosts())
                    .help("Only these hosts: names, patterns, @groups"),
            )
            .arg(
                Arg::new("fleet_patience")
                    .long("connect-timeout")
                    .value_name("TIME")
                    .value_parser(span)
                    .default_value("8s")
                    .global(true)
                    .help("How long a host may be silent"),
            )
            .arg(
                Arg::new("fleet_no_persist")
                    .long("no-persist")
                    .action(ArgAction::SetTrue)
                    .global(true)
                    .help("End the connections to the hosts instead of keeping them for a minute"),
            )
            .arg(
                Arg::new("fleet_json")
                    .long("json")
                    .action(ArgAction::SetTrue)
                    .help("Print JSON: for each host `host`, `ok`, `error`, `answer`"),
            )
            .defer(|command| command.subcommands(FLEET_VERBS.iter().map(subcommand)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn subcommand(verb: &FleetVerb) -> Command {
    let mut command = (verb.flags)(Command::new(verb.name)).about(verb.about);
    let mut positional: Vec<_> =
        command.get_positionals().map(|arg| arg.get_id().clone()).collect();
    if matches!(verb.kind, FleetKind::Own | FleetKind::Shell) {
        return command;
    }
    let help = "HOST/NAME, HOST/, @GROUP, patterns on both sides, or a NAME that one host has";
    if verb.names == TARGETS {
        let hosts = Arg::new(TARGETS).value_name("HOST").num_args(0..).add(values::fleet_hosts());
        command = command.arg(hosts.help("Names, patterns, @groups; all without"));
        positional.insert(0, TARGETS.into());
    } else {
        command = command.mut_arg(verb.names, |arg| {
            let is_one =
                verb.kind == FleetKind::Terminal || verb.name == "send" || verb.name == "failures";
            let (count, action) =
                if is_one { (1..=1, ArgAction::Set) } else { (1..=usize::MAX, ArgAction::Append) };
            let value = if verb.name == "scale" { "HOST/NAME=N" } else { "HOST/NAME" };
            let arg = arg.value_name(value).num_args(count).action(action).help(help);
            arg.value_parser(value_parser!(String)).add(values::fleet_target())
        });
    }
    // An argument that is changed or added becomes the last one; clap goes by their order, too.
    for (place, id) in positional.into_iter().enumerate() {
        command = command.mut_arg(id, |arg| arg.index(1 + place));
    }
    if verb.kind == FleetKind::Act {
        command = command
            .arg(
                Arg::new("fleet_batch")
                    .long("batch")
                    .value_name("N")
                    .value_parser(value_parser!(usize))
                    .help("This many hosts at once; the next ones only if all of these did it"),
            )
            .arg(
                Arg::new("fleet_until")
                    .long("until")
                    .value_name("WHAT")
                    .value_parser(["running", "ready", "port"])
                    .requires("fleet_batch")
                    .help("What a batch waits for before the next one"),
            );
    }
    if !command.get_arguments().any(|arg| arg.get_id() == "json") {
        let json = Arg::new("fleet_verb_json").long("json").action(ArgAction::SetTrue);
        command =
            command.arg(json.help("Print JSON: for each host `host`, `ok`, `error`, `answer`"));
    }
    command
}

impl FromArgMatches for FleetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        // A flag may stand before the verb or behind it.
        let inner = matches.subcommand().map(|(_, inner)| inner);
        let is_set = |id: &str| {
            let all = [Some(matches), inner].into_iter().flatten();
            all.filter_map(|matches| matches.try_get_one::<bool>(id).ok().flatten()).any(|set| *set)
        };
        let hosts = matches.get_many::<String>("fleet_hosts");
        Ok(Self {
            file: matches.get_one("fleet_file").cloned(),
            config: matches.get_one("fleet_config").cloned(),
            discover: is_set("fleet_discover"),
            hosts: hosts.into_iter().flatten().cloned().collect(),
            patience: matches.get_one("fleet_patience").copied().unwrap_or_default(),
            persist: !is_set("fleet_no_persist"),
            json: is_set("fleet_json") || is_set("fleet_verb_json") || is_set("json"),
            verb: matches.subcommand().map(|(name, matches)| command(name, matches)).transpose()?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn command(name: &str, matches: &ArgMatches) -> Result<FleetCommand, clap::Error> {
    let verb = FLEET_VERBS.iter().find(|verb| verb.name == name);
    let verb = verb.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::InvalidSubcommand))?;
    let one = |id: &str| matches.try_get_one::<String>(id).ok().flatten().cloned();
    let mut words = vec![];
    let mut argv = FleetArgv { flags: vec![verb.name.to_owned()], ..FleetArgv::default() };
    let mut is_behind = false;
    let command = subcommand(verb);
    argv.takes_command = command.get_positionals().any(Arg::is_last_set);
    let mut arguments: Vec<&Arg> = command.get_arguments().collect();
    arguments.sort_by_key(|arg| arg.get_index());
    for arg in arguments {
        let id = arg.get_id().as_str();
        let is_typed = matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
        let mut values = text_values(matches, id)?;
        if id == verb.names {
            is_behind = true;
            if verb.name == "crashes"
                && values.first().is_some_and(|word| ["list", "show"].contains(&&**word))
            {
                argv.before.push(values.remove(0));
            }
            words = values;
        } else if id.starts_with("fleet_") || !is_typed {
        } else if arg.is_positional() {
            let into = if is_behind { &mut argv.behind } else { &mut argv.before };
            into.extend(values);
        } else if let Some(long) = arg.get_long() {
            flag(&mut argv.flags, &format!("--{long}"), arg, values);
        } else if let Some(short) = arg.get_short() {
            flag(&mut argv.flags, &format!("-{short}"), arg, values);
        }
    }
    Ok(FleetCommand {
        verb,
        words,
        argv,
        batch: matches.try_get_one("fleet_batch").ok().flatten().copied(),
        until: one("fleet_until"),
        yes: matches.try_get_one("yes").ok().flatten().copied().unwrap_or_default(),
        from: matches.try_get_one("from").ok().flatten().cloned(),
        boot: matches.try_get_one("boot").ok().flatten().copied().unwrap_or_default(),
    })
}

fn flag(into: &mut Vec<String>, name: &str, arg: &Arg, values: Vec<String>) {
    if !arg.get_action().takes_values() {
        into.push(name.to_owned());
    } else if arg.get_num_args().is_some_and(|count| count.max_values() > 1) && values.len() > 1 {
        into.push(name.to_owned());
        into.extend(values);
    } else {
        into.extend(values.into_iter().map(|value| format!("{name}={value}")));
    }
}

fn text_values(matches: &ArgMatches, id: &str) -> Result<Vec<String>, clap::Error> {
    let Ok(Some(values)) = matches.try_get_raw(id) else { return Ok(vec![]) };
    let texts = values.map(|value| {
        value
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| clap::Error::new(clap::error::ErrorKind::InvalidUtf8))
    });
    texts.collect()
}
