//! `tmo fleet`: the verbs that run on hosts. Each keeps the flags that it has without a fleet.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{Resettable, ValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use self::FleetKind::{Act, Exec, Install, Lines, Own, Shell, Table, Terminal, Text};
use crate::cli::args::{parse_time, values};
use crate::cli::verbs::Verb;
use crate::model::text::shell::quoted;

/// What becomes of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FleetKind {
    /// A table of the rows of all hosts.
    Table,
    /// A line for each host: what it has done, in this word, or what failed.
    Act(&'static str),
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

#[derive(Debug)]
pub(super) struct FleetVerb {
    /// Its name, here and on the hosts.
    pub(super) name: &'static str,
    kind: FleetKind,
    about: &'static str,
}

const fn verb(kind: FleetKind, name: &'static str, about: &'static str) -> FleetVerb {
    FleetVerb { name, kind, about }
}

/// All verbs, in the order of the help. The flags are those of the command of that name, if there is one.
pub(super) const FLEET_VERBS: &[FleetVerb] = &[
    verb(Table, "ps", "List the processes of all hosts"),
    verb(Table, "top", "Show once what the processes use"),
    verb(Table, "ls", "List all your runs on all hosts"),
    verb(Act("started"), "start", "Start the runs, or processes of them"),
    verb(Act("stopped"), "stop", "Stop processes; the runs stay up"),
    verb(Act("restarted"), "restart", "Restart processes"),
    verb(Act("reloaded"), "reload", "Read the files of the projects again"),
    verb(Act("applied"), "apply", "Give the hosts the processes that the inventory has for them"),
    verb(Act("signalled"), "signal", "Send a signal to processes"),
    verb(Act("scaled"), "scale", "Change how many instances run"),
    verb(Act("sent"), "send", "Type into the terminal of a process"),
    verb(Act("reached"), "wait", "Wait for processes"),
    verb(Act("ended"), "quit", "Stop the runs"),
    verb(Act("killed"), "kill", "Kill the runs at once"),
    verb(Text, "why", "Explain what is wrong, or how a run ended"),
    verb(Text, "crashes", "List crash reports, or show one"),
    verb(Lines, "logs", "Print the logs of all hosts, merged by time"),
    verb(Lines, "events", "Print the events of all hosts, merged by time"),
    verb(Lines, "echo", "Follow the logs from now on"),
    verb(Text, "flags", "Show how often flags matched"),
    verb(Text, "screen", "Print the screen of a process"),
    verb(Text, "graph", "Show the start order"),
    verb(Text, "check", "Check the projects"),
    verb(Text, "config", "Show the settings of processes"),
    verb(Text, "doctor", "Find out why tmo does not work there"),
    verb(Text, "failures", "Show the texts that mean failure"),
    verb(Terminal, "connect", "Open the terminal of a process"),
    verb(Terminal, "ui", "Show the run of a host in full screen"),
    verb(Exec, "exec", "Run a command in the directory of the project"),
    verb(Install, "install", "Put the program of tmo onto the hosts"),
    verb(Shell, "shell", "Type verbs at a prompt"),
    verb(Own, "trust", "Allow the commands that this fleet.toml names"),
];

/// The ids of the arguments that name processes. A verb has one of them, or [`TARGETS`].
const NAMES: [&str; 4] = ["names", "name", "counts", "what"];

/// The id of the hosts of a verb that names no processes.
const TARGETS: &str = "fleet_targets";

fn exec(command: Command) -> Command {
    let words = Arg::new("command").value_name("COMMAND").num_args(1..).last(true).required(true);
    command.arg(words.help("The command and its arguments, without a shell"))
}

fn trust(command: Command) -> Command {
    let yes = Arg::new("yes").short('y').long("yes").action(ArgAction::SetTrue);
    command.arg(yes.help("Do not ask"))
}

/// The flags of `install`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub(super) struct InstallArgs {
    /// This program of tmo, for hosts where the one that runs here can't run.
    #[arg(long, value_name = "PROGRAM", add = values::file())]
    pub(super) from: Option<PathBuf>,
    /// The run of the project comes back after a reboot of the host.
    #[arg(long)]
    pub(super) boot: bool,
}

/// The flags of a verb that changes something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub(super) struct BatchArgs {
    /// This many hosts at once; the next ones only if all of these did it.
    #[arg(id = "fleet_batch", long = "batch", value_name = "N")]
    pub(super) batch: Option<NonZeroUsize>,
    /// What is waited for before it counts as done; with --batch, before the next ones are asked.
    #[arg(id = "fleet_until", long = "until", value_name = "WHAT", value_parser = ["running", "ready", "port"])]
    pub(super) until: Option<String>,
    /// How long --until may take on each host, if not a minute.
    #[arg(id = "fleet_within", long = "within", value_name = "TIME", value_parser = parse_time, requires = "fleet_until")]
    pub(super) within: Option<Duration>,
}

/// Run these commands on several hosts at once, and show the answers as one.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  tmo fleet                         the hosts: reached how, which tmo, clock, load, runs
  tmo fleet ps                      the processes of all
  tmo fleet restart k9/web          one process of one host
  tmo fleet restart '@arm' --batch 1 --until ready
  tmo fleet why                     what is wrong, and where
  tmo fleet connect k9/web          its terminal
  tmo web --fleet                   the runs of all on one page
  tmo fleet exec @arm -- git pull   a command in the directory of the project

A fleet.toml, here or above, names the hosts; `tmo help fleet.toml` has all of it:
  [host.k9]                       the name of the host in `k9/web`
  ssh = \"me@k9.lan\"              what your ssh calls it; default: the name
  root = \"~/robot\"               its project; default: the directory of this file
  groups = [\"arm\"]               `@arm` means all hosts of the group

Each is reached by your own ssh, and needs tmo (`tmo fleet install`). Exits 3 if a host did not answer.")]
pub(in crate::cli) struct FleetArgs {
    /// The file of hosts: a fleet.toml, or JSON of procman; else `TMO_FLEET`, or fleet.toml here or above.
    #[arg(id = "fleet_file", long = "fleet", value_name = "FILE", global = true, add = values::file())]
    pub(super) file: Option<PathBuf>,
    /// The same as --fleet, as users of procman know it.
    #[arg(id = "fleet_config", long = "config", value_name = "FILE.json", conflicts_with = "fleet_file", global = true,
        add = values::file())]
    pub(super) config: Option<PathBuf>,
    /// List the hosts in ~/.ssh/config that answer, without an inventory.
    #[arg(id = "fleet_discover", long = "discover", conflicts_with_all = ["fleet_file", "fleet_config"])]
    pub(super) discover: bool,
    /// Only these hosts: names, patterns, @groups.
    #[arg(id = "fleet_hosts", long = "hosts", value_name = "HOSTS", value_delimiter = ',',
        global = true, add = values::fleet_hosts())]
    pub(super) hosts: Vec<String>,
    /// How long a host may be silent.
    #[arg(id = "fleet_patience", long = "connect-timeout", value_name = "TIME", value_parser = parse_time,
        default_value = "8s", global = true)]
    pub(super) patience: Duration,
    /// End the connections to the hosts instead of keeping them for a minute.
    #[arg(id = "fleet_persist", long = "no-persist", action = ArgAction::SetFalse, global = true)]
    pub(super) persist: bool,
    /// Print JSON: for each host `host`, `ok`, `error`, `answer`.
    // Verbs that have a flag of this name without a fleet keep it.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// What to do; without it, the hosts are listed.
    #[command(subcommand)]
    pub(super) verb: Option<FleetCommand>,
}

/// A verb of the fleet as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FleetCommand {
    pub(super) verb: &'static str,
    /// What becomes of the answers.
    pub(super) kind: FleetKind,
    /// What is meant: hosts and processes.
    pub(super) words: Vec<String>,
    /// The words for tmo on the host.
    pub(super) argv: FleetArgv,
    /// The flags of a verb that changes something, and the words that they were typed as.
    pub(super) batches: BatchArgs,
    batch_words: Vec<String>,
    /// The flags of `install`.
    pub(super) install: InstallArgs,
    /// `--yes` of `trust`.
    pub(super) yes: bool,
}

/// The words for tmo on a host, with a gap for the names of processes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FleetArgv {
    pub(super) verb: String,
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
    pub(super) fn with(&self, names: &[String]) -> Vec<String> {
        let (first, names) = names.split_at(if self.takes_command { names.len() } else { 0 });
        let positional = [&self.before, names, &self.behind].concat();
        let dashes = (!positional.is_empty()).then(|| "--".to_owned());
        let flags = [&self.verb].into_iter().chain(&self.flags).chain(first).cloned();
        flags.chain(dashes).chain(positional).collect()
    }

    /// The words with another flag.
    #[must_use]
    pub(super) fn and(&self, flag: &str) -> Self {
        let mut words = self.clone();
        if !words.has(flag) {
            words.flags.push(flag.to_owned());
        }
        words
    }

    /// Remove this flag; returns its value, which is empty if it has none.
    pub(super) fn take(&mut self, flag: &str) -> Option<String> {
        let at = self.place_of(flag)?;
        let word = self.flags.remove(at);
        Some(word.split_once('=').map_or_else(String::new, |(_, value)| value.to_owned()))
    }

    /// Whether this flag was typed, with any value.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.place_of(flag).is_some()
    }

    fn place_of(&self, flag: &str) -> Option<usize> {
        self.flags.iter().position(|word| {
            word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    }
}

impl FleetCommand {
    /// The words of a command that tmo has on a host; `None` if a fleet has no such verb.
    pub(super) fn of_host(words: &[String]) -> Option<Self> {
        let (verb, words) = words.split_first()?;
        let verb = FLEET_VERBS.iter().find(|known| known.name == verb)?;
        let command = verb.command().no_binary_name(true);
        verb.typed(&command.try_get_matches_from(words).ok()?).ok()
    }

    /// What is typed behind `tmo fleet` for the same with these hosts and processes.
    pub(super) fn typed(&self, names: &[String]) -> String {
        let mut words = self.argv.with(names);
        let mut behind = words.iter().skip_while(|word| *word != "--").skip(1);
        if !self.argv.takes_command && !behind.any(|word| word.starts_with('-')) {
            words.retain(|word| word != "--");
        }
        words.splice(1..1, self.batch_words.iter().cloned());
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

impl FleetVerb {
    /// The flags that the verb has on a host, or those of the fleet itself.
    fn with_flags(&self, command: Command) -> Command {
        match (self.kind, Verb::named(self.name)) {
            (Exec, _) => exec(command),
            (Install, _) => InstallArgs::augment_args(command),
            (Own, _) => trust(command),
            (_, Some(verb)) => verb.with_args(command).after_help(Resettable::Reset),
            (_, None) => command,
        }
    }

    /// Its arguments: those that it has on a host, in which hosts are named.
    fn command(&self) -> Command {
        let mut command = values::with_completers(self.with_flags(Command::new(self.name)));
        if matches!(self.kind, Own | Shell) {
            return command.about(self.about);
        }
        let mut positional: Vec<_> =
            command.get_positionals().map(|arg| arg.get_id().clone()).collect();
        let names = names_in(&command);
        if names == TARGETS {
            let hosts = Arg::new(TARGETS).value_name("HOST").num_args(0..);
            let hosts =
                hosts.add(values::fleet_hosts()).help("Names, patterns, @groups; all without");
            command = command.arg(hosts);
            positional.insert(0, TARGETS.into());
        } else {
            let is_one = self.kind == Terminal || ["send", "failures"].contains(&self.name);
            let (count, action) =
                if is_one { (1..=1, ArgAction::Set) } else { (1..=usize::MAX, ArgAction::Append) };
            let value = if self.name == "scale" { "HOST/NAME=N" } else { "HOST/NAME" };
            let help =
                "HOST/NAME, HOST/, @GROUP, patterns on both sides, or a NAME that one host has";
            command = command.mut_arg(names, |arg| {
                let arg = arg.value_name(value).num_args(count).action(action).help(help);
                arg.value_parser(ValueParser::string()).add(values::fleet_target())
            });
        }
        // An argument that is changed or added becomes the last one; clap goes by their order, too.
        for (place, id) in positional.into_iter().enumerate() {
            command = command.mut_arg(id, |arg| arg.index(1 + place));
        }
        if matches!(self.kind, Act(_)) {
            command = BatchArgs::augment_args(command);
        }
        command.about(self.about)
    }

    /// What was typed for it.
    fn typed(&self, matches: &ArgMatches) -> Result<FleetCommand, clap::Error> {
        let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let command = self.command();
        let mut arguments: Vec<&Arg> = command.get_arguments().collect();
        arguments.sort_by_key(|arg| arg.get_index());
        let mut words = None;
        let takes_command = command.get_positionals().any(Arg::is_last_set);
        let mut argv =
            FleetArgv { verb: self.name.to_owned(), takes_command, ..FleetArgv::default() };
        let mut batch_words = vec![];
        let names = names_in(&command);
        for arg in arguments {
            let id = arg.get_id().as_str();
            let mut values = texts(matches, id)?;
            if id == names {
                let is_verb = |word: &String| ["list", "show"].contains(&&**word);
                if self.name == "crashes" && values.first().is_some_and(is_verb) {
                    argv.before.push(values.remove(0));
                }
                words = Some(values);
            } else if !is_typed(id) {
            } else if id.starts_with("fleet_") {
                batch_words.extend(flag_words(arg, values));
            } else if !arg.is_positional() {
                argv.flags.extend(flag_words(arg, values));
            } else if words.is_none() {
                argv.before.extend(values);
            } else {
                argv.behind.extend(values);
            }
        }
        let place = ["--after", "--before"].into_iter().find(|flag| argv.has(flag));
        if let Some(flag) = place.filter(|_| self.kind == Lines) {
            let text = format!(
                "{flag} names a place in the log of one host; `tmo fleet exec HOST -- tmo logs` reads that"
            );
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, text));
        }
        let batches = matches!(self.kind, Act(_)).then(|| BatchArgs::from_arg_matches(matches));
        let install = (self.kind == Install).then(|| InstallArgs::from_arg_matches(matches));
        let is_raw = ["--raw", "--path", "--clear"].iter().any(|flag| argv.has(flag));
        let kind = match self.kind {
            // These are no lines that could be merged.
            Lines if is_raw && argv.has("--follow") => Terminal,
            Lines if is_raw => Text,
            kind => kind,
        };
        Ok(FleetCommand {
            verb: self.name,
            kind,
            words: words.unwrap_or_default(),
            argv,
            batches: batches.transpose()?.unwrap_or_default(),
            batch_words,
            install: install.transpose()?.unwrap_or_default(),
            yes: self.kind == Own && matches.get_flag("yes"),
        })
    }
}

/// The id of the argument that names processes, or hosts.
fn names_in(command: &Command) -> &'static str {
    let has = |name: &&str| command.get_positionals().any(|arg| arg.get_id() == name);
    NAMES.into_iter().find(has).unwrap_or(TARGETS)
}

/// The words of a flag as it was typed.
fn flag_words(arg: &Arg, values: Vec<String>) -> Vec<String> {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let name =
        long.or_else(|| arg.get_short().map(|short| format!("-{short}"))).unwrap_or_default();
    let takes_many = arg.get_num_args().is_some_and(|count| count.max_values() > 1);
    if !arg.get_action().takes_values() {
        vec![name]
    } else if values.len() > 1 && takes_many {
        [vec![name], values].concat()
    } else {
        values.into_iter().map(|value| format!("{name}={value}")).collect()
    }
}

fn texts(matches: &ArgMatches, id: &str) -> Result<Vec<String>, clap::Error> {
    let values = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
    let texts = values.map(|value| value.to_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or_else(|| clap::Error::new(ErrorKind::InvalidUtf8))
}

impl Subcommand for FleetCommand {
    fn augment_subcommands(command: Command) -> Command {
        // Only this verb pays for its own.
        command.defer(|command| command.subcommands(FLEET_VERBS.iter().map(FleetVerb::command)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        FLEET_VERBS.iter().any(|verb| verb.name == name)
    }
}

impl FromArgMatches for FleetCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = matches.subcommand().and_then(|(name, matches)| {
            let verb = FLEET_VERBS.iter().find(|verb| verb.name == name)?;
            Some(verb.typed(matches))
        });
        typed.unwrap_or_else(|| Err(clap::Error::new(ErrorKind::InvalidSubcommand)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{Args as _, Command, FromArgMatches as _};
    use pretty_assertions::assert_eq;

    use super::FleetArgs;

    fn read(line: &str) -> Result<FleetArgs, clap::Error> {
        let command = FleetArgs::augment_args(Command::new("fleet")).no_binary_name(true);
        FleetArgs::from_arg_matches(&command.try_get_matches_from(line.split(' '))?)
    }

    #[test]
    fn a_place_in_the_log_of_one_host_is_refused_for_several() {
        for flags in ["--after=7.0", "--after 7.0 --raw", "--max-bytes 1k --before 7.0"] {
            let refused = read(&format!("logs {flags}")).err().unwrap().to_string();
            assert!(
                refused.contains(" names a place in the log of one host; "),
                "{flags}: {refused}"
            );
        }
    }

    #[test]
    fn a_verb_of_the_fleet_keeps_its_flags_and_leaves_a_gap_for_names() {
        let argv = |line: &str, names: &[&str]| {
            let args = read(line).unwrap();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            args.verb.unwrap().argv.with(&names).join(" ")
        };
        assert_eq!(argv("ps k9", &[]), "ps");
        assert_eq!(
            argv("restart k9/web --no-deps --batch 2", &["web"]),
            "restart --no-deps -- web"
        );
        assert_eq!(argv("signal USR1 k9/web k9/db", &["web", "db"]), "signal -- USR1 web db");
        assert_eq!(argv("send k9/web -x --enter", &["web"]), "send --enter -- web -x");
        assert_eq!(
            argv("logs k9/web -n 5 --grep web -i", &["web"]),
            "logs --lines=5 --grep=web --ignore-case -- web"
        );
        assert_eq!(argv("wait k9/web --for log up", &["web"]), "wait --for log up -- web");
        assert_eq!(argv("crashes show k9/web", &["web"]), "crashes -- show web");
        assert_eq!(argv("scale k9/web=3", &["web=3"]), "scale -- web=3");
        assert_eq!(
            argv("start k9/ -m web=2 -f Procfile.dev", &[]),
            "start --procfile=Procfile.dev --formation=web=2"
        );
        assert_eq!(argv("exec k9 -- ls -l", &[]), "exec -- ls -l");
        let args = read("--hosts a,b ps --connect-timeout 1s c --json").unwrap();
        assert_eq!(
            (args.hosts, args.patience, args.json),
            (vec!["a".into(), "b".into()], Duration::from_secs(1), true)
        );
    }
}
