//! Candidates for the values of flags and arguments.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::{ArgMatches, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, ValueCompleter};

use crate::cli::args::topics::TOPICS;
use crate::cli::persona::Persona;
use crate::config::place::project::project_above;
use crate::config::place::socket::SocketFlags;
use crate::config::{Env, StartOptions};
use crate::fleet::inventory::Inventory;
use crate::model::name::action::ActionName;
use crate::model::network::Network;
use crate::model::plan::ProcessPlan;
use crate::model::signal::SignalName;
use crate::run::dir::RuntimeDir;
use crate::run::find::{Found, RunTarget, find};
use crate::sys::files::{self, ChosenBy};

/// The id of the candidate that stands for the shell's own completion of files.
pub(in crate::cli) const FILES: &str = "shell::files";

/// The id of the candidate that stands for the shell's own completion of directories.
pub(in crate::cli) const DIRECTORIES: &str = "shell::directories";

/// The word that means every process, where one is allowed.
const ALL: &str = "all";

/// The relevant words before the cursor.
#[derive(Debug, Default)]
struct PrecedingFlags {
    /// The commands of tmo.
    commands: Vec<String>,
    run: RunTarget,
    procfile: Option<PathBuf>,
    root: Option<PathBuf>,
    names: Vec<String>,
    /// The command is `start`, which can also be asked for what a start has left out.
    starts: bool,
}

/// Global, because completers only receive the word at the cursor.
static TYPED: OnceLock<PrecedingFlags> = OnceLock::new();

/// Remember the commands, and the words before the cursor.
pub(in crate::cli) fn remember(command: Command, words: &[OsString]) {
    let commands = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let matches = command.ignore_errors(true).try_get_matches_from(words);
    let matches = matches.ok().and_then(|mut matches| matches.remove_subcommand());
    let typed = matches.map(|(verb, matches)| PrecedingFlags {
        starts: verb == "start",
        ..PrecedingFlags::from_matches(&matches)
    });
    // Each process completes only one word.
    let _ = TYPED.set(PrecedingFlags { commands, ..typed.unwrap_or_default() });
}

impl PrecedingFlags {
    fn from_matches(matches: &ArgMatches) -> Self {
        fn one<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> Option<T> {
            matches.try_get_one(id).ok().flatten().cloned()
        }
        let all = |id: &str| -> Vec<String> {
            let words = matches.try_get_many(id).ok().flatten();
            words.map(|words| words.cloned().collect()).unwrap_or_default()
        };
        Self {
            run: RunTarget {
                address: SocketFlags {
                    socket: one(matches, "socket"),
                    network: one(matches, "network"),
                },
                project: one(matches, "project"),
            },
            procfile: one(matches, "procfile"),
            root: one(matches, "root"),
            names: all("names"),
            ..Self::default()
        }
    }
}

/// The id of a flag, and what completes its value.
type Completion = (&'static str, fn() -> ArgValueCompleter);

/// What completes the values of the flags of a start.
const OF_START: [Completion; 15] = [
    ("names", process),
    ("procfile", file),
    ("root", directory),
    ("wait", processes),
    ("exit_code_from", process),
    ("processes", processes),
    ("ignored_processes", processes),
    ("can_die", processes),
    ("auto_restart", processes_or_all),
    ("formation", formation),
    ("stop_signals", stop_signals),
    ("socket", socket),
    ("network", network),
    ("tmux_config", file),
    ("shell", shell),
];

/// The command and all below it, with completers for the flags of a start, which the crate that declares those can't
/// name.
pub(in crate::cli) fn with_completers(command: Command) -> Command {
    command.mut_subcommands(with_completers).mut_args(|arg| {
        let is_done = arg.get::<ArgValueCompleter>().is_some() || !arg.get_action().takes_values();
        let row = OF_START.iter().find(|(id, _)| arg.get_id() == id);
        match row.filter(|_| !is_done && arg.get_possible_values().is_empty()) {
            Some((_, completer)) => arg.add(completer()),
            None => arg,
        }
    })
}

/// Whether a candidate continues the typed text.
pub(in crate::cli) fn fits(candidate: &str, current: &OsStr) -> bool {
    candidate.starts_with(&*current.to_string_lossy())
}

/// Wrap a function as a completer.
pub(in crate::cli) fn by(
    function: impl Fn(&OsStr) -> Vec<CompletionCandidate> + Send + Sync + 'static,
) -> ArgValueCompleter {
    ArgValueCompleter::new(function)
}

fn candidates<S: AsRef<str>>(
    all: impl IntoIterator<Item = S>,
    current: &OsStr,
) -> Vec<CompletionCandidate> {
    let fitting = all.into_iter().filter(|one| fits(one.as_ref(), current));
    fitting.map(|one| CompletionCandidate::new(one.as_ref())).collect()
}

/// One of these words.
pub(in crate::cli) fn one_of(words: &'static [&'static str]) -> ArgValueCompleter {
    by(move |current| candidates(words, current))
}

/// Completion that is delegated to the shell.
fn left_to_shell(id: &str) -> Vec<CompletionCandidate> {
    vec![CompletionCandidate::new("").id(Some(id.to_owned()))]
}

/// A file.
pub(in crate::cli) fn file() -> ArgValueCompleter {
    by(|_| left_to_shell(FILES))
}

/// A directory.
pub(in crate::cli) fn directory() -> ArgValueCompleter {
    by(|_| left_to_shell(DIRECTORIES))
}

/// A control socket: those in the directory typed so far, else any path.
pub(in crate::cli) fn socket() -> ArgValueCompleter {
    by(|current| {
        let typed = current.to_string_lossy();
        let dir = typed.rfind('/').map_or("", |slash| &typed[..=slash]);
        let entries = std::fs::read_dir(if dir.is_empty() { Path::new(".") } else { dir.as_ref() });
        let sockets = entries.into_iter().flatten().flatten().filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_socket() || kind.is_symlink())
                && entry.path().metadata().is_ok_and(|found| found.file_type().is_socket())
        });
        // The shell reads one candidate per line, so names with line breaks can't be passed.
        let names = sockets.filter_map(|entry| entry.file_name().into_string().ok());
        let paths = names.map(|name| format!("{dir}{name}"));
        let paths = paths.filter(|path| !path.contains(char::is_control));
        let mut found = candidates(paths, current);
        found.sort();
        if found.is_empty() { left_to_shell(FILES) } else { found }
    })
}

/// The kind of socket. As in overmind, invalid words are rejected only when the value is used.
pub(in crate::cli) fn network() -> ArgValueCompleter {
    by(|current| candidates(Network::ALL.map(Network::name), current))
}

/// A moment in the past.
pub(in crate::cli) fn moment() -> ArgValueCompleter {
    one_of(&["10m", "1h", "24h"])
}

/// A command of tmo, or a topic of the help.
pub(in crate::cli) fn verb() -> ArgValueCompleter {
    by(|current| {
        let commands = TYPED.get().map_or(&[][..], |typed| &typed.commands).iter();
        let topics = TOPICS.iter().map(|topic| topic.name);
        candidates(commands.map(String::as_str).chain(topics), current)
    })
}

/// A shell of this machine.
pub(in crate::cli) fn shell() -> ArgValueCompleter {
    by(|current| {
        let list = files::read_project(Path::new("/etc/shells"), ChosenBy::Project);
        let list = String::from_utf8(list.unwrap_or_default()).unwrap_or_default();
        let paths = list.lines().filter(|line| line.starts_with('/'));
        let mut names: Vec<_> = paths.filter_map(|path| path.rsplit('/').next()).collect();
        names.extend(["sh", "bash"]);
        names.sort_unstable();
        names.dedup();
        candidates(names, current)
    })
}

/// A signal, in the notation that was begun: `USR1`, `SIGUSR1`, `usr1`.
pub(in crate::cli) fn signal() -> ArgValueCompleter {
    by(|current| candidates(signals(&current.to_string_lossy()), current))
}

fn signals(current: &str) -> Vec<String> {
    const EVERYDAY: [&str; 7] = ["HUP", "INT", "TERM", "USR1", "USR2", "QUIT", "KILL"];
    let upper = current.to_ascii_uppercase();
    let prefix = if upper.starts_with("SI") { "SIG" } else { "" };
    let small = current.starts_with(|first: char| first.is_ascii_lowercase());
    let mut names: Vec<String> = SignalName::all().map(|name| name.to_string()).collect();
    let place = |name: &String| EVERYDAY.iter().position(|one| one == name);
    names.sort_by_key(|name| place(name).unwrap_or(EVERYDAY.len()));
    let written = |name: String| format!("{prefix}{name}");
    let written = names.into_iter().map(written);
    written.map(|name| if small { name.to_ascii_lowercase() } else { name }).collect()
}

/// The condition of `tmo wait --for`: the keywords; a regular expression has no candidates.
#[derive(Clone)]
struct WaitedFor;

impl ValueCompleter for WaitedFor {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        candidates(["running", "ready", "exit", "port", "prompt", "log"], current)
    }

    fn complete_at(&self, at: usize, current: &OsStr) -> Vec<CompletionCandidate> {
        if at == 0 { self.complete(current) } else { vec![] }
    }
}

/// The condition to wait for.
pub(in crate::cli) fn waited_for() -> ArgValueCompleter {
    ArgValueCompleter::new(WaitedFor)
}

/// A process or group that has not been typed yet, or a comma list of these.
pub(in crate::cli) fn process() -> ArgValueCompleter {
    by(|current| {
        let typed = TYPED.get().map_or(&[][..], |typed| &typed.names);
        let ProcessNames { names, groups, .. } = known();
        let words = || names.iter().chain(&groups).filter(|word| !typed.contains(word));
        comma_list(current, |_| words().cloned().collect())
    })
}

/// Hosts and groups of the fleet.
pub(in crate::cli) fn fleet_hosts() -> ArgValueCompleter {
    by(|current| comma_list(current, |_| hosts_and_groups().collect()))
}

/// The same, each with what may follow.
pub(in crate::cli) fn fleet_target() -> ArgValueCompleter {
    by(|current| {
        let processes = known().names;
        let on = |host: String| {
            processes.iter().map(move |process| format!("{host}/{process}")).collect::<Vec<_>>()
        };
        candidates(
            hosts_and_groups().flat_map(|host| [vec![format!("{host}/")], on(host)].concat()),
            current,
        )
    })
}

/// From the file alone: no host is asked.
fn hosts_and_groups() -> impl Iterator<Item = String> {
    let dir = std::env::current_dir().unwrap_or_default();
    let fleet = Inventory::nearest(&dir, &Env::real()).ok();
    let groups = |fleet: &Inventory| {
        fleet.groups().iter().map(|group| format!("@{group}")).collect::<Vec<_>>()
    };
    let groups = fleet.as_ref().map(groups).unwrap_or_default();
    fleet.into_iter().flat_map(|fleet| fleet.hosts).map(|host| host.name).chain(groups)
}

/// `list`, `show` or a process.
pub(in crate::cli) fn crash() -> ArgValueCompleter {
    by(|current| {
        let words = ["list", "show"].map(str::to_owned);
        candidates(words.into_iter().chain(known().names), current)
    })
}

/// An entry and its number of instances.
pub(in crate::cli) fn count() -> ArgValueCompleter {
    by(|current| candidates(assigned("", &[], None), current))
}

/// A comma list of processes.
pub(in crate::cli) fn processes() -> ArgValueCompleter {
    by(|current| comma_list(current, |_| names_and_groups().collect()))
}

/// A comma list of processes, or `all`.
pub(in crate::cli) fn processes_or_all() -> ArgValueCompleter {
    by(|current| comma_list(current, |_| names_and_groups().chain([ALL.to_owned()]).collect()))
}

/// A comma list of entries and their numbers of instances.
pub(in crate::cli) fn formation() -> ArgValueCompleter {
    by(|current| comma_list(current, |item| assigned(item, &[], Some(ALL))))
}

/// A comma list of entries and a signal for each.
pub(in crate::cli) fn stop_signals() -> ArgValueCompleter {
    by(|current| {
        comma_list(current, |item| {
            let value = item.split_once('=').map_or("", |(_, value)| value);
            assigned(item, &signals(value), None)
        })
    })
}

/// `name=`, or `name=value` once the name is complete.
fn assigned(item: &str, values: &[String], more: Option<&str>) -> Vec<String> {
    if let Some((name, _)) = item.split_once('=') {
        return values.iter().map(|value| format!("{name}={value}")).collect();
    }
    let names = entries().into_iter().chain(known().groups).chain(more.map(str::to_owned));
    names.map(|name| format!("{name}=")).collect()
}

/// Completions for the last item of a comma list, without items that are already in it.
fn comma_list(current: &OsStr, items: impl Fn(&str) -> Vec<String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let (before, last) = current.rsplit_once(',').map_or(("", &*current), |(b, last)| (b, last));
    let name = |item: &str| item.split('=').next().unwrap_or_default().trim().to_owned();
    let there: Vec<String> = before.split(',').map(name).collect();
    let items = items(last).into_iter().filter(|item| !there.contains(&name(item)));
    let before = if before.is_empty() { String::new() } else { format!("{before},") };
    candidates(items.map(|item| format!("{before}{item}")), OsStr::new(&*current))
}

/// The actions of the run, else those of the configuration.
pub(in crate::cli) fn action() -> ArgValueCompleter {
    by(|current| candidates(known().actions, current))
}

/// The entries of the names.
fn entries() -> Vec<String> {
    let entry = |name: &String| name.split('#').next().unwrap_or_default().to_owned();
    let mut entries: Vec<String> = known().names.iter().map(entry).collect();
    entries.dedup();
    entries
}

/// The names of the relevant processes, and their groups.
fn names_and_groups() -> impl Iterator<Item = String> {
    let ProcessNames { names, groups, .. } = known();
    names.into_iter().chain(groups)
}

/// The names of processes, and their groups in the form `@group`.
#[derive(Default)]
struct ProcessNames {
    names: Vec<String>,
    groups: BTreeSet<String>,
    /// The words for the actions.
    actions: Vec<String>,
}

impl ProcessNames {
    fn new(
        names: Vec<String>,
        groups: impl Iterator<Item = impl Display>,
        actions: &[ActionName<'_>],
    ) -> Self {
        let groups = groups.map(|group| format!("@{group}")).collect();
        Self { names, groups, actions: ActionName::words(actions) }
    }
}

/// The relevant processes: those of the run, else those of the Procfile in this directory, or in the directory
/// of the run that a client here would talk to.
fn known() -> ProcessNames {
    let nothing = PrecedingFlags::default();
    let typed = TYPED.get().unwrap_or(&nothing);
    let found = find(&typed.run, Persona::here() == Persona::Overmind);
    let Ok(Found { context, socket, identity }) = found else {
        return ProcessNames::default();
    };
    // Not from a directory that another user could write to.
    let runtime = identity.trusted_runtime().ok();
    let runtime = runtime.filter(|_| typed.procfile.is_none());
    if let Some(Ok(plan)) = runtime.map(|dir| RuntimeDir::new(dir).plan()) {
        let left_out = plan.left_out.iter().filter(|_| typed.starts);
        let all = plan.present().chain(left_out);
        let names = all.clone().map(|process| process.name.to_string()).collect();
        let actions: Vec<_> = plan.actions.iter().filter_map(ProcessPlan::action_name).collect();
        return ProcessNames::new(names, all.flat_map(|process| &process.rules.groups), &actions);
    }
    let beside =
        if socket.tcp.is_some() { Some(&*context.start_dir) } else { socket.path.parent() };
    let load = |procfile: Option<PathBuf>, root: Option<PathBuf>| {
        context.load(&StartOptions { procfile, root, ..StartOptions::default() }).ok()
    };
    let nearest = || load(beside.map(|dir| dir.join("Procfile")), None);
    let above = project_above(&context.start_dir, &context.env).map(|dir| dir.join("Procfile"));
    let meant = load(typed.procfile.clone(), typed.root.clone()).or_else(nearest);
    let loaded = meant.or_else(|| load(Some(above?), None));
    let Some(loaded) = loaded else { return ProcessNames::default() };
    let names: Vec<_> = loaded.procfile.entries.into_iter().map(|entry| entry.name).collect();
    let groups: Vec<_> = names.iter().flat_map(|name| loaded.toml.table_of(name).groups).collect();
    let actions: Vec<_> = loaded.toml.action_places().map(|(action, _)| action).collect();
    ProcessNames::new(names, groups.iter().map(toml::Spanned::get_ref), &actions)
}
