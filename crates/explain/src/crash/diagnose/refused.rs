//! A refused connection: a service that the process needs is not running.

use std::net::IpAddr;

use super::{Findings, clue, last_lines_of, ports, quoted};
use crate::crash::cause::{CauseKind, Fix};
use crate::crash::evidence::{Evidence, OutputLine};
use crate::crash::expr::Expr;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName};

static REFUSED: Expr = Expr::new(
    r"(?i)ECONNREFUSED|connection refused|ConnectionRefused|could not connect to \S+ at|Failed to connect to \S+ port \d+|Connection to \S+:\d+ refused|No connection could be made|Can't reach database server|Can't create a connection to host",
);

/// A connection that there was has ended. Only if a process is gone, that explains a failure.
static LOST: Expr = Expr::new(
    r"InterfaceError: network error|server closed the connection unexpectedly|Connection terminated unexpectedly|terminating connection due to administrator command|Lost connection to MySQL server",
);

/// `connect ECONNREFUSED 127.0.0.1:5432`, `port 5432`, `dial tcp [::1]:5432`.
static PORT: [Expr; 4] = [
    Expr::new(r"(?i)ECONNREFUSED \S*?:(\d{2,5})\b"),
    Expr::new(r"(?i)\bport[ :=]{1,2}(\d{2,5})\b"),
    // Not a place such as `at src/main.rs:9:68`.
    Expr::new(
        r"(?i)(?:dial tcp|to|at|connect) [`'\x22]?(?:[\w.-]*|\[[0-9a-f:]*\])[`'\x22]?:`?(\d{2,5})\b",
    ),
    Expr::new(r"://[^\s/]*:(\d{2,5})\b"),
];

/// A port of this machine in the source of a program, which tracebacks of Python quote.
static SOURCE: Expr = Expr::new(
    r"^\s.*(?:://|['\x22])(?:localhost|127\.0\.0\.1|\[?::1\]?)(?::|['\x22], ?(?:port=)?)(\d{2,5})\b",
);

/// The host and its port: `smtp.example.com:587`, `"db" (10.0.0.5), port 5432`, `host='db', port=5432`.
static HOST: [Expr; 3] = [
    Expr::new(
        r"(?i)(?:\b(?:ECONNREFUSED|dial [a-z]+\d?|to|at|connect) |//(?:[^\s/@]*@)?)[`\[]?([0-9a-z:][0-9a-z._:-]*)[`\]]?:`?(\d{2,5})\b",
    ),
    Expr::new(
        r"(?i)\bhost[ :=]{1,2}['\x22]?([0-9a-z][0-9a-z._-]*)['\x22]?,?(?: and)? port[ :=]{1,2}(\d{2,5})\b",
    ),
    Expr::new(
        r"(?i)\b(?:to|at|for) ['\x22]?([0-9a-z][0-9a-z._-]*)['\x22]?(?: \([^)]*\))?,? port[ :=]{1,2}(\d{2,5})\b",
    ),
];

/// Words before `port` that are no hosts.
const NO_HOSTS: [&str; 5] = ["the", "a", "this", "server", "local"];

/// The services that usually use these ports, and their programs.
const USUAL: [(u16, &str, &str); 13] = [
    (5432, "Postgres", "postgres"),
    (3306, "MySQL", "mysqld"),
    (6379, "Redis", "redis-server"),
    (27017, "MongoDB", "mongod"),
    (9200, "Elasticsearch", "elasticsearch"),
    (5672, "RabbitMQ", "rabbitmq-server"),
    (9092, "Kafka", "kafka-server-start.sh"),
    (11211, "memcached", "memcached"),
    (1025, "a mail catcher", "mailpit"),
    (4222, "NATS", "nats-server"),
    (2181, "ZooKeeper", "zkServer.sh"),
    (8086, "InfluxDB", "influxd"),
    (1433, "SQL Server", "sqlservr"),
];

/// A port that a command tells a server to listen on.
static SERVED: Expr = Expr::new(
    r"\s(?:-p|-P|--port|-b|--bind|--listen|--addr|http\.server|runserver)(?:[ =]|\b)(?:(?:\d+\.){3}\d+:|localhost:|\[::1?\]:|:)?(\d{2,5})\b",
);
/// Programs that name the port of another one.
static CLIENTS: Expr = Expr::new(
    r"\b(?:psql|pg_\w+|createdb|mysql|mysqladmin|redis-cli|mongosh?|curl|wget|nc|wait-for\S*|dockerize)\s",
);

/// Names of services.
static SERVICE: Expr = Expr::new(
    r"^(?:db|database|pg|postgres|mysql|maria|redis|cache|mongo|rabbit|kafka|elastic|search|queue|broker)",
);

/// The scores if the process that was to listen has ended, or one that it needs: above all output, below what tmo did.
const GONE: (i32, i32) = (95, 85);
/// The scores if it was not ready yet: that is certain, or likely.
const LATE: (i32, i32) = (99, 85);

/// How many lines before the message the port may be.
const NEAR: usize = 3;
/// The same if that line has the same message (of Node, above its frames), or quotes the source.
const FAR: usize = 16;

/// The message that a connection was refused.
struct RefusedConnection<'e> {
    /// The number of its last line.
    at: usize,
    /// The line with the port, and the port.
    named: Option<(&'e str, u16)>,
}

fn refused(evidence: &Evidence) -> Option<RefusedConnection<'_>> {
    let is_it = |line: &OutputLine| REFUSED.finds(&line.text) || LOST.finds(&line.text);
    let at = evidence.lines.iter().rposition(is_it)?;
    if LOST.finds(&evidence.lines[at].text) {
        return Some(RefusedConnection { at, named: None });
    }
    let port = |line: &str| {
        let by_words = PORT.iter().find_map(|expr| expr.group(line)?.parse::<u16>().ok());
        by_words.or_else(|| ports::number(line))
    };
    // Node prints the port in the lines before, which list each address that it tried.
    let before = || (0..=at).rev().map(|at| (at, evidence.lines[at].text.as_str()));
    let head = |line: &str| port(line).filter(|_| REFUSED.finds(line));
    let source = |line: &str| SOURCE.group(line)?.parse().ok();
    let named = before().take(NEAR + 1).find_map(|(at, line)| Some((at, line, port(line)?)));
    let named = named.or_else(|| before().take(FAR).find_map(|(at, it)| Some((at, it, head(it)?))));
    let quoted = || before().take(FAR).find_map(|(_, line)| Some((at, line, source(line)?)));
    let Some((own, line, port)) = named.or_else(quoted) else {
        return Some(RefusedConnection { at, named: None });
    };
    let at = if REFUSED.finds(line) { own } else { at };
    Some(RefusedConnection { at, named: Some((line, port)) })
}

/// What the last connection that was refused may have been for: the process of the run with the port in the message;
/// without one, those that it depends on, or else the services; whether it is one of these for sure; and the time.
pub fn refused_by(evidence: &Evidence) -> Option<(Vec<&ProcName>, bool, Timestamp)> {
    let RefusedConnection { at, named } = refused(evidence)?;
    let (names, is_known): (Vec<_>, _) = match named {
        Some((line, port)) if other_host(line, port).is_some() => (vec![], true),
        Some((_, port)) => (evidence.owner(port).into_iter().collect(), true),
        None if LOST.finds(&evidence.lines[at].text) => (vec![], false),
        None if evidence.facts.needs.is_empty() => {
            let names = evidence.assigned.iter().map(|(name, _)| name);
            (names.filter(|name| SERVICE.finds(name.as_str())).collect(), false)
        }
        None => (evidence.facts.needs.iter().collect(), true),
    };
    Some((names, is_known, evidence.lines[at].time))
}

/// What it needs that the last such connection may have been for, unless a port tells that.
pub fn needed(evidence: &Evidence) -> &[ProcName] {
    match refused(evidence).and_then(|refused| refused.named) {
        Some((line, port)) if other_host(line, port).is_some() => &[],
        Some((_, port)) if evidence.owner(port).is_some() => &[],
        Some(_) | None => &evidence.facts.uses,
    }
}

/// The port on which the program of this command listens, if the command names it, or by its usual one.
pub fn port_of(command: &str) -> Option<u16> {
    let named = SERVED.group(command).filter(|_| !CLIENTS.finds(command));
    let is_run = |program: &str| {
        command.split_whitespace().any(|word| {
            word.rsplit('/').next().and_then(|it| it.split(':').next()) == Some(program)
        })
    };
    let usual = || USUAL.iter().find(|(_, _, program)| is_run(program)).map(|(port, _, _)| *port);
    named.and_then(|port| port.parse().ok()).or_else(usual)
}

/// How a process is gone, and the next command.
fn end_of(name: &ProcName, exit: Option<Exit>) -> (String, String) {
    let name = quoted(name.as_str());
    match exit {
        Some(exit) => (format!("ended with {}", exit.describe()), format!("tmo why {name}")),
        None => ("was stopped".to_owned(), format!("tmo start {name}")),
    }
}

pub(super) fn add_causes(found: &mut Findings<'_>) {
    let evidence = found.evidence;
    let Some(RefusedConnection { at, named }) = refused(evidence) else { return };
    if let (Some((name, is_certain)), None) = (&evidence.facts.late, &evidence.facts.gone) {
        let known =
            || evidence.others.iter().find(|(other, _)| other == name).map(|(_, port)| *port);
        let port = named.map(|(_, port)| port).or_else(known);
        let on = port.map_or_else(String::new, |port| format!(" on port {port}"));
        let text = format!("it began before {name} was ready: nothing listened{on} yet");
        let score = if *is_certain { LATE.0 } else { LATE.1 };
        let cause = found.add_line(score, at, CauseKind::ConnectionRefused, text);
        let me = quoted(evidence.name.as_str());
        if evidence.facts.needs.contains(name) || evidence.facts.is_command {
            cause.next = Some(format!("tmo start {me}"));
        } else {
            cause.next = Some(format!("tmo why {me} --fix"));
            let port = port.filter(|port| !evidence.assigned.contains(&(name.clone(), *port)));
            cause.fix = Some(Fix { depends_on: name.clone(), port });
        }
        return;
    }
    if let Some((name, exit)) = &evidence.facts.gone {
        let (ended, next) = end_of(name, *exit);
        let port = named.map(|(_, port)| port).filter(|port| evidence.owner(*port) == Some(name));
        let (score, text) = match port {
            Some(port) => {
                (GONE.0, format!("nothing listens on port {port} of {name}, which {ended}"))
            }
            None => (GONE.1, format!("{name}, which it needs, {ended}")),
        };
        // Whatever else was printed follows from this.
        let cause = found.add(score, CauseKind::ConnectionRefused, text, next);
        cause.evidence = Some(clue(&evidence.lines[at]));
        return;
    }
    if LOST.finds(&evidence.lines[at].text) {
        return;
    }
    let Some((line, port)) = named else {
        let text = "nothing listens where it wanted to connect".to_owned();
        found.add_line(72, at, CauseKind::ConnectionRefused, text).next =
            Some(ports::listeners(None));
        return;
    };
    let usual = USUAL.iter().find(|(usual, ..)| *usual == port);
    let usual = usual.map_or_else(String::new, |(_, name, _)| format!(", where {name} usually is"));
    let (text, next) = if let Some(host) = other_host(line, port) {
        (
            format!("nothing listens on port {port} of {host}{usual}"),
            format!("nc -vz {host} {port}"),
        )
    } else {
        let (whose, next) = evidence.owner(port).map_or_else(
            || (usual, format!("nc -vz localhost {port}")),
            |name| (format!(", the port of {name}"), last_lines_of(name)),
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
