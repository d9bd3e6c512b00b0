//! Detects taken ports, and reserves a block of ports for each project (`--port-auto`, and in linked git worktrees;
//! `ports.json`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::reach::log::Source;
use crate::cli::{CliError, output};
use crate::config::Project;
use crate::config::env::Env;
use crate::config::place::dirs::{make_private_dir, real_parent, state_base};
use crate::config::place::git::linked_worktree;
use crate::crash::{OwningRun, diagnose, facts};
use crate::journal::read::cursor::{Cursor, Filter, Position};
use crate::journal::record::Kind;
use crate::journal::search::runs;
use crate::model::ProcName;
use crate::model::plan::rules::Probe;
use crate::model::plan::{Plan, ProcessPlan, TakenPort};
use crate::model::text::OsText;
use crate::model::text::untrusted::cleaned;
use crate::protocol::spec::replace;
use crate::run::dir::RuntimeDir;
use crate::run::lock::lock_alone;
use crate::run::registry;
use crate::sys::{self, Listener, ProcInfo, files};

/// The distance between the ports of two projects: small, so that many projects fit between two ports of
/// one.
const APART: u16 = 10;

/// Ports that browsers open no page at (the list of <https://fetch.spec.whatwg.org/#port-blocking>), as far as programs
/// without privileges can listen there.
const REFUSED_BY_BROWSERS: [u16; 19] = [
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
    6679, 6697, 10080,
];

/// The file that records the ports of each project, among the state directories.
const BOOK: &str = "ports.json";

/// How much output of an earlier life is searched for a port.
const MOST_READ: usize = 64 << 10;

/// Printed while another command assigns ports to its project.
const WAITS: &str = "another tmo is finding ports for its project; waiting for it";

/// The ports of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    /// The project's directory; once it is gone, the block is free.
    root: OsText,
    /// The requested port, from which the search began.
    asked: u16,
    /// The first port, unless something listens there.
    home: u16,
    /// The ports assigned last.
    ports: Vec<u16>,
}

/// The ports of all projects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Book {
    /// By instance.
    blocks: BTreeMap<String, Block>,
}

struct PortRequest<'a> {
    instance: &'a str,
    root: &'a Path,
    /// The first port to try.
    asked: u16,
    /// Whether to leave that first place to another project.
    shy: bool,
    /// What the kernel takes for connections: any of it may be taken at any time.
    ephemeral: RangeInclusive<u16>,
    /// The offset of each port from the first one.
    above: &'a [u16],
}

impl PortRequest<'_> {
    fn at(&self, first: u16) -> Option<Vec<u16>> {
        self.above.iter().map(|above| first.checked_add(*above)).collect()
    }

    /// The first place that belongs to no other project, and the first of these that is free at present.
    fn find_place(&self, book: &Book, free: impl Fn(&[u16]) -> bool) -> Option<(u16, u16)> {
        let others = book.blocks.iter().filter(|(instance, _)| *instance != self.instance);
        let mut unfit: HashSet<u16> =
            others.flat_map(|(_, block)| block.ports.iter().copied().chain([block.home])).collect();
        unfit.extend(REFUSED_BY_BROWSERS);
        if self.shy {
            unfit.extend(self.at(self.asked).unwrap_or_default());
        }
        let may_be_ephemeral = self.ephemeral.contains(&self.asked);
        let fits = |port: &u16| {
            !unfit.contains(port) && (may_be_ephemeral || !self.ephemeral.contains(port))
        };
        let own = |first: &u16| self.at(*first).is_some_and(|ports| ports.iter().all(fits));
        let known = book.blocks.get(self.instance).filter(|block| block.asked == self.asked);
        let known = known.map(|block| block.home).filter(own);
        let from = if self.shy { self.asked.checked_add(APART)? } else { self.asked };
        let places = || (from..=u16::MAX).step_by(APART.into()).filter(own);
        let home = known.or_else(|| places().next())?;
        let present = [home].into_iter().chain(places());
        let present =
            present.into_iter().find(|first| self.at(*first).is_some_and(|p| free(&p)))?;
        Some((home, present))
    }
}

/// Choose the first port of this plan. With `keep`, the choice is recorded for the next time.
pub(in crate::cli) fn place(
    env: &Env,
    project: &Project,
    plan: &Plan,
    asked: u16,
    keep: bool,
) -> Result<u16, CliError> {
    let base = state_base(env);
    make_private_dir(&base)?;
    let path = base.join(BOOK);
    let lock = base.join("ports.lock");
    let lock = files::append_to(&lock).map_err(CliError::io(lock.display()))?;
    let _lock =
        lock_alone(lock, || output::warn(&WAITS)).map_err(CliError::io("the lock of the ports"))?;
    let mut book = read_book(&path)?;
    book.blocks.retain(|_, block| block.root.as_path().is_dir());
    let above: Vec<u16> =
        plan.processes.iter().filter_map(|p| p.port?.checked_sub(asked)).collect();
    let wanted = PortRequest {
        instance: &project.identity.id,
        root: &project.root,
        asked,
        shy: linked_worktree(&project.root).is_some(),
        ephemeral: sys::ephemeral_ports(),
        above: &above,
    };
    // Read once: there may be thousands of places to check, while others wait for the lock.
    let mut taken = sys::tcp_listening_ports();
    taken.extend(told_to_others(env, project));
    let free = |ports: &[u16]| ports.iter().all(|port| !taken.contains(port));
    let Some((home, present)) = wanted.find_place(&book, free) else {
        let text = format!("there are no {} free ports from {asked} on", above.len());
        return Err(CliError::Other(text));
    };
    if keep {
        let ports = wanted.at(present).unwrap_or_default();
        let block = Block { root: wanted.root.into(), asked, home, ports };
        let instance = project.identity.id.clone();
        if book.blocks.insert(instance, block.clone()) != Some(block) {
            let text = serde_json::to_vec(&book)?;
            replace(&path, &text).map_err(CliError::io(path.display()))?;
        }
    }
    Ok(present)
}

/// An unreadable file is replaced: only the previous ports are lost.
fn read_book(path: &Path) -> Result<Book, CliError> {
    let text = files::if_there(files::read_plain(path)).map_err(CliError::io(path.display()))?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

/// The ports assigned to processes of other runs; they may not listen yet.
fn told_to_others(env: &Env, project: &Project) -> Vec<u16> {
    let own = real_parent(&project.socket.path);
    let plans = registry::unfinished(env).into_iter().flatten().filter_map(|run| run.plan);
    let others = plans.filter(|plan| plan.socket.as_path() != own);
    let ports = |plan: Box<Plan>| -> Vec<u16> {
        plan.present().filter_map(|process| process.port).collect()
    };
    others.flat_map(ports).collect()
}

/// The ports of these processes, in one line.
pub(in crate::cli) fn table(plan: &Plan) -> String {
    let reported = |process: &ProcessPlan| Some(format!("{} {}", process.name, process.port?));
    plan.processes.iter().filter_map(reported).collect::<Vec<_>>().join(", ")
}

/// The ports on which processes are known to listen, and others listen already.
pub(in crate::cli) fn taken_ports(plan: &Plan, runtime: &RuntimeDir) -> Vec<String> {
    takers(plan, runtime).iter().map(|(taken, _)| warning(plan, taken)).collect()
}

/// What a start warns of.
pub(in crate::cli) fn warning(plan: &Plan, taken: &TakenPort) -> String {
    let process = plan.processes.iter().find(|process| process.name == taken.process);
    if process.is_some_and(|process| process.port == Some(taken.port) && !process.has_own_port) {
        format!("{taken}; `tmo start --port-auto` uses free ports")
    } else {
        format!("{taken}; end that program, or name another port in tmo.toml")
    }
}

/// The same, with the managed process that listens, if it is one.
pub(in crate::cli) fn takers(
    plan: &Plan,
    runtime: &RuntimeDir,
) -> Vec<(TakenPort, Option<OwningRun>)> {
    let begin: Vec<_> = plan.processes.iter().filter(|process| !process.waits).collect();
    let checked = begin.iter().flat_map(|process| process.rules.ports());
    let ports: Vec<u16> = begin.iter().filter_map(|process| process.port).chain(checked).collect();
    let taken = sys::tcp_listeners(&ports);
    let reported = |process: &ProcessPlan, port: u16| {
        let (_, Listener { process: holder }) = taken.iter().find(|(taken, _)| *taken == port)?;
        let of = holder.as_ref().and_then(|holder| facts::tenant(holder, &plan.run));
        let dir = holder.as_ref().and_then(|holder| sys::directory_of(holder.pid));
        let dir = dir.filter(|dir| dir.parent().is_some());
        let place = dir.map(|dir| format!(" in {}", cleaned(&dir.to_string_lossy())));
        let by = described(holder.as_ref(), of.as_ref()) + &place.unwrap_or_default();
        Some((TakenPort { process: process.name.clone(), port, by }, of))
    };
    let of_process = |process: &&ProcessPlan| {
        let mut ports: BTreeSet<u16> = process.rules.ports().collect();
        let own = process.port.filter(|port| taken.iter().any(|(taken, _)| taken == port));
        ports.extend(own.filter(|port| is_server(plan, runtime, &process.name, *port)));
        ports.into_iter().filter_map(|port| reported(process, port)).collect::<Vec<_>>()
    };
    begin.iter().flat_map(of_process).collect()
}

/// Whether a process is known to listen on this port: its command or its checks name it, or its last life said that it
/// did.
pub(in crate::cli) fn is_server(
    plan: &Plan,
    runtime: &RuntimeDir,
    name: &ProcName,
    port: u16,
) -> bool {
    let process = plan.processes.iter().find(|process| process.name == *name);
    process.is_some_and(|process| {
        process.rules.ports().any(|its| its == port)
            || itself_names(process, port)
            || has_printed(plan, runtime, name, port)
    })
}

/// A process that listens, if it is visible, and the managed process that it belongs to.
pub(in crate::cli) fn described(holder: Option<&ProcInfo>, of: Option<&OwningRun>) -> String {
    let Some(ProcInfo { name, pid, .. }) = holder else {
        return "another user's process".to_owned();
    };
    match of {
        Some(OwningRun { name: of, socket: Some(_) }) => {
            format!("{of} of another run ({name}, pid {pid})")
        }
        Some(OwningRun { name: of, socket: None }) => format!("{of} ({name}, pid {pid})"),
        None => format!("{name} (pid {pid})"),
    }
}

/// Whether the command of a process, a command of its checks, one of its own variables, or a variable from a file of the
/// project names its port.
pub(in crate::cli) fn names_port(process: &ProcessPlan, env: &Env, port: u16) -> bool {
    // Settings of tmo say nothing about a process.
    let files = env.set_by_files().filter(|(key, _)| !{
        ["TMO_", "OVERMIND_"]
            .iter()
            .any(|prefix| key.as_encoded_bytes().starts_with(prefix.as_bytes()))
    });
    let mut files = files.filter_map(|(key, _)| env.get(key)).map(OsStr::as_encoded_bytes);
    itself_names(process, port) || files.any(|text| names(text, port))
}

/// The same without the files, whose variables are those of all processes.
fn itself_names(process: &ProcessPlan, port: u16) -> bool {
    let command = process.argv.iter().flatten().chain([&process.command]);
    let checks = process.rules.probes().filter_map(|probe| match probe {
        Probe::Exec { command } => Some(command),
        _ => None,
    });
    let own = process.env.iter().map(|(_, value)| value);
    command.chain(checks).chain(own).any(|text| names(text.as_bytes(), port))
}

/// Whether a text has this number, or the name of the variable, as a word.
fn names(text: &[u8], port: u16) -> bool {
    // `PORT=80 serve` names another one.
    has_word(text, &port.to_string(), u8::is_ascii_digit)
        || has_word(text, "PORT", |byte| byte.is_ascii_alphanumeric() || b"_=".contains(byte))
}

fn has_word(text: &[u8], word: &str, is_part: fn(&u8) -> bool) -> bool {
    memchr::memmem::find_iter(text, word).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        !before.is_some_and(is_part) && !text.get(at + word.len()).is_some_and(is_part)
    })
}

/// Whether the last life of a process has printed this port when it began.
fn has_printed(plan: &Plan, runtime: &RuntimeDir, name: &ProcName, port: u16) -> bool {
    // A journal that can't be read tells nothing.
    let text = begin_of_last_life(plan, runtime, name).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().any(|line| says_port(line, port))
}

/// Whether a line says that a server listens on this port, and not only contains the number.
fn says_port(line: &str, port: u16) -> bool {
    const WORDS: [&str; 5] = ["listen", "serv", "running", "started", "ready"];
    has_word(line.as_bytes(), &port.to_string(), u8::is_ascii_digit)
        && (diagnose::number(line) == Some(port)
            || WORDS.iter().any(|word| line.to_ascii_lowercase().contains(word)))
}

/// The first output of the last life of a process, if there is one and the journal can be read.
fn begin_of_last_life(plan: &Plan, runtime: &RuntimeDir, name: &ProcName) -> Option<Vec<u8>> {
    let source = Source::of_plan(plan, runtime.dir()).ok()?;
    let of_process = source.streams.iter().filter(|stream| stream.name == *name);
    let numbers: Vec<_> = of_process.map(|stream| stream.number).collect();
    let mut index = source.index();
    let upto = index.len().ok()?;
    let starts = runs::last_starts(&mut index, &numbers, upto).ok()?;
    let (mut text, mut part) = (vec![], vec![]);
    let record = starts.values().min().copied()?;
    let mut cursor = Cursor::over(index, Position::at(record), Filter::only(numbers));
    while text.len() < MOST_READ
        && let Some(chunk) = cursor.next(upto, &mut part).ok()?
    {
        if chunk.record.kind == Kind::Text {
            text.extend_from_slice(&part);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Block, Book, PortRequest, names, says_port};

    fn wanted<'a>(instance: &'a str, shy: bool, above: &'a [u16]) -> PortRequest<'a> {
        let ephemeral = 32768..=60999;
        PortRequest { instance, root: Path::new("/x"), asked: 5000, shy, ephemeral, above }
    }

    fn book(blocks: &[(&str, u16, &[u16])]) -> Book {
        let block = |&(name, home, ports): &(&str, u16, &[u16])| {
            let block =
                Block { root: Path::new("/x").into(), asked: 5000, home, ports: ports.to_vec() };
            (name.to_owned(), block)
        };
        Book { blocks: blocks.iter().map(block).collect() }
    }

    #[test]
    fn a_project_gets_what_is_nobody_s_and_keeps_it() {
        let two = [0, 100];
        let all = |_: &[u16]| true;
        let first = wanted("a", false, &two);
        assert_eq!(first.find_place(&book(&[]), all), Some((5000, 5000)));
        // A worktree leaves the first place to the main one.
        assert_eq!(wanted("b", true, &two).find_place(&book(&[]), all), Some((5010, 5010)));
        let taken = book(&[("a", 5000, &[5000, 5100]), ("b", 5010, &[5010, 5110])]);
        assert_eq!(wanted("c", false, &two).find_place(&taken, all), Some((5020, 5020)));
        assert_eq!(
            wanted("b", false, &two).find_place(&taken, all),
            Some((5010, 5010)),
            "it stays"
        );
        // Ports that would overlap with those of others are moved.
        let ten = [0, 10, 20];
        assert_eq!(wanted("a", false, &ten).find_place(&taken, all), Some((5020, 5020)));
    }

    #[test]
    fn ports_that_the_kernel_or_browsers_refuse_are_never_chosen() {
        let found = |asked, taken: &[u16], above: &[u16]| {
            let free = |ports: &[u16]| ports.iter().all(|port| !taken.contains(port));
            PortRequest { asked, ..wanted("a", false, above) }.find_place(&book(&[]), free)
        };
        assert_eq!(found(6000, &[], &[0]), Some((6010, 6010)));
        assert_eq!(found(5050, &[5050], &[0, 10]), Some((5070, 5070)), "5060 is for SIP");
        assert_eq!(found(32760, &[32760], &[0]), Some((32760, 61000)));
        assert_eq!(found(40000, &[40000], &[0]), Some((40000, 40010)), "as was asked for");
        // The instances of the main worktree have a place, too.
        assert_eq!(
            wanted("b", true, &[0, 10]).find_place(&book(&[]), |_| true),
            Some((5020, 5020))
        );
    }

    #[test]
    fn a_port_is_named_by_its_number_or_by_its_variable() {
        for text in ["serve -p $PORT", "serve --port=5100", "PORT=${PORT:-80}", "-b [::]:5100"] {
            assert!(names(text.as_bytes(), 5100), "{text}");
        }
        for line in
            ["Listening on 5100", "  Local: http://localhost:5100/", "0.0.0.0:5100", "port 5100"]
        {
            assert!(says_port(line, 5100), "{line}");
        }
        for line in ["5100", "row 5100 of 9000", "5099 5100"] {
            assert!(!says_port(line, 5100), "{line}");
        }
        for text in [
            "PORT=80 serve",
            "serve -p 51000",
            "echo $DB_PORT",
            "x --port 5432",
            "exporter",
            "PORTS=1",
        ] {
            assert!(!names(text.as_bytes(), 5100), "{text}");
        }
    }

    #[test]
    fn what_listens_moves_it_for_this_time() {
        let book = book(&[("a", 5000, &[5000, 5100])]);
        let free = |ports: &[u16]| !ports.contains(&5100);
        assert_eq!(wanted("a", false, &[0, 100]).find_place(&book, free), Some((5000, 5010)));
        assert_eq!(wanted("a", false, &[0, 100]).find_place(&book, |_| false), None);
        assert_eq!(wanted("a", false, &[0, 61000]).find_place(&book, |_| true), None);
    }
}
