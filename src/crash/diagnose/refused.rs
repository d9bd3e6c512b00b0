//! A refused connection: a service that the process needs is not running.

use super::{Findings, ports, quoted};
use crate::crash::cause::Kind;
use crate::crash::expr::Expr;

static REFUSED: Expr = Expr::new(
    r"(?i)ECONNREFUSED|connection refused|ConnectionRefused|could not connect to \S+ at|Failed to connect to \S+ port \d+|Connection to \S+:\d+ refused|No connection could be made",
);

/// `connect ECONNREFUSED 127.0.0.1:5432`, `port 5432`, `dial tcp [::1]:5432`.
static PORT: [Expr; 3] = [
    Expr::new(r"(?i)ECONNREFUSED \S*?:(\d{2,5})\b"),
    Expr::new(r"(?i)\bport[ :=]{1,2}(\d{2,5})\b"),
    Expr::new(r"(?i)(?:dial tcp|to|at|connect) \S*?:(\d{2,5})\b"),
];

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

/// How many lines before the message the port may be.
const NEAR: usize = 3;

pub(super) fn find(found: &mut Findings<'_>) {
    let Some((at, line)) = found.last(&REFUSED) else { return };
    let evidence = found.evidence;
    let port = |line: &str| {
        let by_words = PORT.iter().find_map(|expr| expr.group(line)?.parse::<u16>().ok());
        by_words.or_else(|| ports::number(line))
    };
    // Node prints the port in the lines before, which list each address that it tried.
    let before = evidence.lines[..at].iter().rev().take(NEAR).map(|line| line.text.as_str());
    let Some(port) = [line].into_iter().chain(before).find_map(port) else {
        let text = "nobody takes connections where it wanted to connect".to_owned();
        found.add_line(72, at, Kind::ConnectionRefused, text).next = Some(ports::listeners(None));
        return;
    };
    let owner = evidence.others.iter().find(|(_, reported)| *reported == port);
    let usual = USUAL.iter().find(|(usual, _)| *usual == port);
    let (whose, next) = match (owner, usual) {
        (Some((name, _)), _) => {
            (format!(", the port of {name}"), format!("tmo why {}", quoted(name.as_str())))
        }
        (None, Some((_, name))) => {
            (format!(", where {name} usually is"), format!("nc -vz localhost {port}"))
        }
        (None, None) => (String::new(), format!("nc -vz localhost {port}")),
    };
    let text = format!("nobody takes connections at port {port}{whose}");
    found.add_line(78, at, Kind::ConnectionRefused, text).next = Some(next);
}
