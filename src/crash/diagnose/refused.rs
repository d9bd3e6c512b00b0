//! A refused connection: a service that the process needs is not running.

use std::net::IpAddr;

use super::{Findings, clue, ports, quoted};
use crate::crash::cause::CauseKind;
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName};

static REFUSED: Expr = Expr::new(
    r"(?i)ECONNREFUSED|connection refused|ConnectionRefused|could not connect to \S+ at|Failed to connect to \S+ port \d+|Connection to \S+:\d+ refused|No connection could be made",
);

/// `connect ECONNREFUSED 127.0.0.1:5432`, `port 5432`, `dial tcp [::1]:5432`.
static PORT: [Expr; 4] = [
    Expr::new(r"(?i)ECONNREFUSED \S*?:(\d{2,5})\b"),
    Expr::new(r"(?i)\bport[ :=]{1,2}(\d{2,5})\b"),
    Expr::new(r"(?i)(?:dial tcp|to|at|connect) \S*?:(\d{2,5})\b"),
    Expr::new(r"://[^\s/]*:(\d{2,5})\b"),
];

/// The host and its port: `smtp.example.com:587`, `"db" (10.0.0.5), port 5432`, `host='db', port=5432`.
static HOST: [Expr; 3] = [
    Expr::new(
        r"(?i)(?:\b(?:ECONNREFUSED|dial [a-z]+\d?|to|at|connect) |//(?:[^\s/@]*@)?)\[?([0-9a-z:][0-9a-z._:-]*)\]?:(\d{2,5})\b",
    ),
    Expr::new(
        r"(?i)\bhost[ :=]{1,2}['\x22]?([0-9a-z][0-9a-z._-]*)['\x22]?,? port[ :=]{1,2}(\d{2,5})\b",
    ),
    Expr::new(
        r"(?i)\b(?:to|at|for) ['\x22]?([0-9a-z][0-9a-z._-]*)['\x22]?(?: \([^)]*\))?,? port[ :=]{1,2}(\d{2,5})\b",
    ),
];

/// Words before `port` that are no hosts.
const NO_HOSTS: [&str; 5] = ["the", "a", "this", "server", "local"];

/// The services that usually use these ports.
const USUAL: [(u16, &str); 13] = [
    (5432, "Postgres"),
    (3306, "MySQL"),
    (6379, "Redis"),
    (27017, "MongoDB"),
    (9200, "Elasticsearch"),
    (5672, "RabbitMQ"),
    (9092, "Kafka"),
    (11211, "memcached"),
    (1025, "a mail catcher"),
    (4222, "NATS"),
    (2181, "ZooKeeper"),
    (8086, "InfluxDB"),
    (1433, "SQL Server"),
];

/// The score if the process that was to listen has ended: above all output, below what tmo did.
const GONE: i32 = 95;

/// How many lines before the message the port may be.
const NEAR: usize = 3;

/// The message that a connection was refused.
struct RefusedConnection<'e> {
    /// The number of its last line.
    at: usize,
    /// The line with the port, and the port.
    named: Option<(&'e str, u16)>,
}

fn refused(evidence: &Evidence) -> Option<RefusedConnection<'_>> {
    let at = evidence.lines.iter().rposition(|line| REFUSED.finds(&line.text))?;
    let port = |line: &str| {
        let by_words = PORT.iter().find_map(|expr| expr.group(line)?.parse::<u16>().ok());
        by_words.or_else(|| ports::number(line))
    };
    // Node prints the port in the lines before, which list each address that it tried.
    let near = evidence.lines[..=at].iter().rev().take(NEAR + 1).map(|line| line.text.as_str());
    let named = near.into_iter().find_map(|line| Some((line, port(line)?)));
    Some(RefusedConnection { at, named })
}

/// The process of the run that a connection was refused for, and the time. If the message has no port: those
/// that it may have been for.
pub fn refused_by(evidence: &Evidence) -> Option<(Vec<&ProcName>, Timestamp)> {
    let RefusedConnection { at, named } = refused(evidence)?;
    let names: Vec<_> = match named {
        Some((line, port)) if other_host(line, port).is_none() => {
            let named = evidence.others.iter().find(|(_, reported)| *reported == port);
            named.map(|(name, _)| name).into_iter().collect()
        }
        Some(_) => vec![],
        None => evidence.facts.needs.iter().collect(),
    };
    (!names.is_empty()).then(|| (names, evidence.lines[at].time))
}

/// How a process is gone, and the next command.
fn end_of(name: &ProcName, exit: Option<Exit>) -> (String, String) {
    let name = quoted(name.as_str());
    match exit {
        Some(exit) => (format!("ended with {}", exit.describe()), format!("tmo why {name}")),
        None => ("was stopped".to_owned(), format!("tmo start {name}")),
    }
}

pub(super) fn find(found: &mut Findings<'_>) {
    let evidence = found.evidence;
    let Some(RefusedConnection { at, named }) = refused(evidence) else { return };
    if let (None, Some((name, exit))) = (named, &evidence.facts.gone) {
        let (ended, next) = end_of(name, *exit);
        let text = format!(
            "nothing listens where it wanted to connect; it depends on {name}, which {ended}"
        );
        found.add_line(78, at, CauseKind::ConnectionRefused, text).next = Some(next);
        return;
    }
    let Some((line, port)) = named else {
        let text = "nothing listens where it wanted to connect".to_owned();
        found.add_line(72, at, CauseKind::ConnectionRefused, text).next =
            Some(ports::listeners(None));
        return;
    };
    if let Some((name, exit)) = &evidence.facts.gone {
        let (ended, next) = end_of(name, *exit);
        let text = format!("nothing listens on port {port} of {name}, which {ended}");
        // Whatever else was printed follows from this.
        let cause = found.add(GONE, CauseKind::ConnectionRefused, text, next);
        cause.evidence = Some(clue(&evidence.lines[at]));
        return;
    }
    let usual = USUAL.iter().find(|(usual, _)| *usual == port);
    let usual = usual.map_or_else(String::new, |(_, name)| format!(", where {name} usually is"));
    let (text, next) = if let Some(host) = other_host(line, port) {
        (
            format!("nothing listens on port {port} of {host}{usual}"),
            format!("nc -vz {host} {port}"),
        )
    } else {
        let owner = evidence.others.iter().find(|(_, reported)| *reported == port);
        let (whose, next) = owner.map_or_else(
            || (usual, format!("nc -vz localhost {port}")),
            |(name, _)| {
                (format!(", the port of {name}"), format!("tmo why {}", quoted(name.as_str())))
            },
        );
        (format!("nothing listens on port {port}{whose}"), next)
    };
    found.add_line(78, at, CauseKind::ConnectionRefused, text).next = Some(next);
}

/// The host of this port in a line, if it is not this machine. It has only characters that shells take as
/// they are.
fn other_host(line: &str, port: u16) -> Option<&str> {
    let of_port = |expr: &Expr| {
        let [host, its] = expr.groups(line)?;
        (its.parse() == Ok(port)).then_some(host)
    };
    let host = HOST.iter().find_map(of_port)?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return (!ip.is_loopback() && !ip.is_unspecified()).then_some(host);
    }
    let name = host.to_ascii_lowercase();
    let is_name = name.contains(|c: char| c.is_ascii_alphabetic()) && !name.contains(':');
    let is_here = name == "localhost" || name.ends_with(".localhost");
    (is_name && !is_here && !NO_HOSTS.contains(&&*name)).then_some(host)
}
