//! A port that another process listens on.

use super::{Findings, clue, quoted};
use crate::crash::cause::{Cause, CauseKind};
use crate::crash::evidence::{Evidence, Holder, OutputLine, OwningRun};
use crate::crash::expr::Expr;

/// The messages of Node, Python, Ruby, Go, Java, Rust, nginx, Postgres, Redis, `MySQL` and common
/// development servers.
static TAKEN: Expr = Expr::new(
    r"(?i)\bEADDRINUSE\b|\bAddrInUse\b|address (?:is )?already in use|only one usage of each socket|\bport\b[^0-9]{0,16}[0-9]{2,5}[^0-9]{0,24}\b(?:in use|being used|occupied|taken|allocated)\b|that port is already in use|\bconnection in use\b|already listening on port|port is already allocated|bind\(\) to \S+ failed \(98",
);

/// Programs that continue on another port have not failed because of it.
static GOES_ON: Expr =
    Expr::new(r"(?i)\b(?:trying|using (?:an|another|available|port)|falling back|instead)\b");

/// The notations for ports: `port 3000`, `('127.0.0.1', 8000)`, `:::3000`, `0.0.0.0:80`, `*:6379`.
static NUMBERS: [Expr; 3] = [
    Expr::new(r"(?i)\bport[ :=#]{1,2}(\d{2,5})\b"),
    Expr::new(r"'[^']*', (\d{2,5})\)"),
    Expr::new(
        r"(?:^|[\s\[(/'\x22])(?:localhost|\*|(?:\d{1,3}\.){3}\d{1,3}|\[?[0-9a-fA-F:]*\]?):(\d{2,5})\b",
    ),
];

/// The part of a line after its time, which could be mistaken for a port.
static BEHIND_TIME: Expr = Expr::new(r"^.*?\b\d{1,2}:\d{2}:\d{2}\b(.*)$");

/// A smaller number in a command is probably not a port.
const LOWEST: u16 = 80;

/// How many lines may be between the message that the port is taken and the number of the port.
const NEAR: usize = 3;
/// How far before the last such message another one may contain the port. The frames of a trace may
/// be between them.
const FAR: usize = 30;

/// The score of a port that was known to be taken at the start, if the process said so, or named it and ended with
/// success: above all output, below what tmo did.
const KNOWN: i32 = 96;
/// The same if nothing listens there any more: above an exit with code 0.
const FREE_AGAIN: i32 = 77;
/// The same if nothing shows that the process tried to listen there: below whatever it printed.
const UNTRIED: i32 = 40;

pub(super) fn add_causes(found: &mut Findings<'_>) {
    if let Some((score, cause)) = known(found.evidence) {
        let Cause { kind, text, next, evidence, .. } = cause;
        found.add(score, kind, text, next.unwrap_or_default()).evidence = evidence;
        if score == KNOWN {
            return;
        }
    }
    let evidence = found.evidence;
    let Some((at, named)) = taken(evidence) else { return };
    // Without a port in the message, it is the possible one on which some process listens.
    let held = || wanted(evidence).into_iter().find(|port| is_held(evidence, *port));
    let (text, next) = describe(evidence, named.or_else(held));
    found.add_line(88, at, CauseKind::PortTaken, text).next = Some(next);
}

/// The port that was taken at the start, if the process ended soon after its start or printed that a port is
/// taken; with its score.
fn known(evidence: &Evidence) -> Option<(i32, Cause)> {
    let port = evidence.facts.taken.as_ref().map(|(port, _)| *port)?;
    let printed = taken(evidence).is_some_and(|(_, named)| named.is_none_or(|named| named == port));
    let tried = evidence.exit.success()
        && evidence.lines.iter().any(|line| {
            line.text.split(|c: char| !c.is_ascii_digit()).any(|word| word.parse() == Ok(port))
        });
    let score = match is_held(evidence, port) {
        _ if printed => KNOWN,
        true if tried => KNOWN,
        false if tried => FREE_AGAIN,
        _ => UNTRIED,
    };
    let cause = (printed || evidence.facts.is_short).then(|| at_start(evidence)).flatten()?;
    Some((score, cause))
}

/// The cause that the port was taken at the start.
pub fn at_start(evidence: &Evidence) -> Option<Cause> {
    let (port, line) = evidence.facts.taken.as_ref()?;
    let (text, next) = describe(evidence, Some(*port));
    let cause = Cause::certain(CauseKind::PortTaken, text, Some(next));
    Some(Cause { evidence: Some(clue(line)), ..cause })
}

/// The ports that are taken according to the output. The caller should look up which processes hold
/// them.
pub fn ports_named(evidence: &Evidence) -> Vec<u16> {
    match taken(evidence) {
        Some((_, Some(named))) => vec![named],
        Some((_, None)) => wanted(evidence),
        None => vec![],
    }
}

/// Whether some process listens on this port.
fn is_held(evidence: &Evidence, port: u16) -> bool {
    evidence.facts.holders.iter().any(|holder| holder.port == port)
}

/// The line with the message that a port is taken, and the port in it.
fn taken(evidence: &Evidence) -> Option<(usize, Option<u16>)> {
    let lines = &evidence.lines;
    let says = |line: &OutputLine| TAKEN.finds(&line.text) && !GOES_ON.finds(&line.text);
    let last = lines.iter().rposition(says)?;
    let from = last.saturating_sub(FAR);
    let names = |line: &OutputLine| says(line) && number(&line.text).is_some();
    let at = lines[from..=last].iter().rposition(names).map_or(last, |offset| from + offset);
    // Search the line itself, then the lines after it (hints), then those before it. If there are
    // several messages (IPv6, IPv4), the others are close as well.
    let behind = lines.iter().skip(at).take(NEAR + 1);
    let before = lines[..at].iter().rev().take(NEAR);
    Some((at, behind.chain(before).find_map(|line| number(&line.text))))
}

/// If the message does not contain the port: the ports in its command and the one it was assigned.
fn wanted(evidence: &Evidence) -> Vec<u16> {
    let numbers = evidence.command.split(|c: char| !c.is_ascii_digit());
    let numbers = numbers.filter(|number| (2..=5).contains(&number.len()));
    let ports = numbers.filter_map(|number| number.parse().ok()).filter(|port| *port >= LOWEST);
    // It need not use the port that it was assigned.
    ports.chain(evidence.port).collect()
}

/// The port in a line.
pub fn number(line: &str) -> Option<u16> {
    let line = BEHIND_TIME.group(line).unwrap_or(line);
    NUMBERS.iter().find_map(|expr| expr.group(line)?.parse().ok()).filter(|port| *port > 0)
}

/// The command that shows which process listens.
pub(super) fn listeners(port: Option<u16>) -> String {
    match (cfg!(target_os = "linux"), port) {
        (true, Some(port)) => format!("ss -ltnp sport = :{port}"),
        (true, None) => "ss -ltnp".to_owned(),
        (false, Some(port)) => format!("lsof -nP -iTCP:{port}"),
        (false, None) => "lsof -nP -iTCP".to_owned(),
    }
}

fn describe(evidence: &Evidence, port: Option<u16>) -> (String, String) {
    let Some(port) = port else {
        let text = "a port or address was taken, and the output does not say which";
        return (text.to_owned(), listeners(None));
    };
    let holder = evidence.facts.holders.iter().find(|holder| holder.port == port);
    // If tmo manages the process that holds the port, tmo must stop it; otherwise it would be restarted.
    if let Some(Holder { process: Some(who), tenant: Some(OwningRun { name, socket }), .. }) =
        holder
        && (socket.is_some() || name != evidence.name.as_str())
    {
        let stop = format!("tmo stop {}", quoted(name));
        let (whose, next) = match socket {
            None => ("", stop),
            // That run may be at work: rather move this one, if tmo has chosen the port.
            Some(_) if evidence.port == Some(port) => {
                (" of another run", "tmo start --port-auto".to_owned())
            }
            Some(socket) => (" of another run", format!("{stop} -s {}", quoted(socket))),
        };
        let text = format!("port {port} is taken by {name}{whose} ({}, pid {})", who.name, who.pid);
        return (text, next);
    }
    match (holder, evidence.owner(port)) {
        (Some(Holder { process: Some(who), .. }), _) => (
            format!("port {port} is taken by {} (pid {})", who.name, who.pid),
            // It may be anything: first see what it is.
            format!("ps -fp {}", who.pid),
        ),
        (_, Some(name)) => {
            (format!("port {port} is taken; it is the port of {name}"), listeners(Some(port)))
        }
        (Some(Holder { process: None, .. }), None) => (
            format!("port {port} is taken by a process of another user or container"),
            format!("sudo lsof -nP -i :{port}"),
        ),
        (None, None) => (
            format!("port {port} was taken, but is free now"),
            // This also starts a new run if this one is over.
            format!("tmo start {}", quoted(evidence.name.as_str())),
        ),
    }
}
