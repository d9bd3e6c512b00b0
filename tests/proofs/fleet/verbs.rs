//! Each verb gives for a host what it gives on the host.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::fleet::hosts::{Fleet, Host};
use crate::harness::{Ran, eventually_or};
use crate::table::Table;

const PROCFILE: &str = "\
web: echo hello; while read x; do echo \"got $x\"; done
db: exec sleep 1000
bad: echo about to fail; exit 3
";

const CONFIG: &str = "\
[process.web]
ready = { log = \"hello\" }
[[process.web.flag]]
name = \"greetings\"
pattern = \"hello\"
[process.bad]
on_exit = \"ignore\"
";

/// Columns that differ from one moment to the next.
const PASSING: [&str; 6] = ["CPU", "CPU%", "MEMORY", "FILES", "OUTPUT", "SINCE"];

/// Columns that only the table of one host has.
const OF_ONE: [&str; 3] = ["READY", "STATUS", "ADDRESS"];

/// What is shown as text: as it is typed for the host `a`, and there. The last tells whether numbers are compared.
const TEXTS: &[(&str, &str, bool)] = &[
    ("why a/", "why", false),
    ("why a/bad", "why bad", false),
    ("crashes a/", "crashes", false),
    ("crashes show a/bad", "crashes show bad", false),
    ("flags a/", "flags", true),
    ("flags a/web", "flags web", true),
    ("screen a/web", "screen web", true),
    ("graph a/", "graph", true),
    ("graph a/web", "graph web", true),
    ("check a/", "check", true),
    ("config a/", "config", true),
    ("config a/web", "config web", true),
    ("doctor a/", "doctor", false),
    ("failures list a/web", "failures list web", true),
    ("logs a/web", "logs web", false),
    (
        "exec a -- sh -c echo${IFS}out;echo${IFS}err>&2;exit${IFS}7",
        "run sh -c echo${IFS}out;echo${IFS}err>&2;exit${IFS}7",
        true,
    ),
    ("screen a/nosuch", "screen nosuch", true),
];

/// What changes something: as it is typed for the host `a`, and on its twin `b`.
const ACTS: &[(&str, &str)] = &[
    ("start a/", "start -D"),
    ("wait a/web --for ready", "wait web --for ready"),
    ("restart a/web", "restart web"),
    ("restart a/", "restart"),
    ("stop a/db", "stop db"),
    ("stop a/db", "stop db"),
    ("wait a/db --for running --timeout 1ms", "wait db --for running --timeout 1ms"),
    ("start a/db", "start -D db"),
    ("signal TERM a/db", "signal TERM db"),
    ("start a/db", "start -D db"),
    ("scale a/web=2", "scale web=2"),
    ("send a/web#2 word", "send web#2 word"),
    ("reload a/", "reload --json"),
    ("restart a/nosuch", "restart nosuch"),
    ("stop a/nosuch", "stop nosuch"),
    ("send a/nosuch x", "send nosuch x"),
    ("quit a/", "quit"),
    ("restart a/", "restart"),
    ("start a/", "start -D"),
    ("kill a/", "kill"),
    ("kill a/", "kill"),
];

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

pub(crate) fn verbs(_: u32, _: u64) -> Table {
    let fleet = Fleet::new(2, PROCFILE, false);
    for host in &fleet.hosts {
        host.world.write("tmo.toml", CONFIG);
    }
    let mut table = Table::default();
    acts(&fleet, &mut table);
    let [a, _] = &fleet.hosts[..] else { unreachable!() };
    fleet.ok(&["start", "a/"]);
    a.world.wait_state("web", "running");
    a.world.wait_state("bad", "exited");
    fleet.ok(&["wait", "a/web", "--for", "ready"]);
    for (verb, state) in [
        ("ps", "STATUS"),
        ("ps --wide --by phase", "STATUS"),
        ("top --count=1", ""),
        ("ls", "STATE"),
    ] {
        let ran = fleet.run(&words(&format!("{verb} a/")));
        let there = a.run(&words(verb));
        let found = (ran.code, cells(&ran.stdout, "a", state));
        let mut wanted = (there.code, cells(&there.stdout, "", state));
        // The sum.
        wanted.1.retain(|row| !row.contains(&"PROCESS=all".to_owned()));
        same(&mut table, verb, &format!("{found:?}"), &format!("{wanted:?}"));
    }
    for (fleet_words, there_words, is_exact) in TEXTS {
        let ran = fleet.run(&words(fleet_words));
        let there = a.run(&words(there_words));
        let mut found = text(&ran, *is_exact);
        // In a merged log, the host stands before the name.
        found.1 = found.1.replace("a/web", "web");
        let mut wanted = text(&there, *is_exact);
        if fleet_words.starts_with("logs ") {
            // Only where the journal is does anybody know how many runs there are.
            let lines: Vec<_> =
                wanted.2.lines().filter(|line| !line.contains("--all-runs")).collect();
            wanted.2 = lines.join("\n");
        }
        if fleet_words.starts_with("exec ") {
            write!(wanted.2, "\na: it exited with code {}", wanted.0).unwrap();
        } else {
            // A verb that fails there is a failure of one host here.
            found.0 = i32::from(found.0 != 0);
            wanted.0 = i32::from(wanted.0 != 0);
        }
        same(&mut table, fleet_words, &format!("{found:?}"), &format!("{wanted:?}"));
    }
    fleet.ok(&["quit", "a/"]);
    fleet.hosts.iter().for_each(Host::wait_idle);
    table
}

fn same(table: &mut Table, what: &str, found: &str, wanted: &str) {
    if found != wanted {
        eprintln!("{what}\n  {found}\n  {wanted}");
    }
    table.must(format!("{what}: as on the host"), found == wanted, true);
}

/// The columns of a table, and its cells that can be compared, each behind the head of its column.
fn cells(text: &str, host: &str, state: &str) -> Vec<Vec<String>> {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\S+").unwrap());
    let mut lines = text.lines();
    let Some(heads) = lines.next() else { return vec![] };
    let starts: Vec<_> = HEAD.find_iter(heads).collect();
    let row = |is_heads: bool, line: &str| {
        let cell = |at: usize| {
            let end = starts.get(at + 1).map_or(line.len(), |next| next.start().min(line.len()));
            let cell = line.get(starts[at].start()..end).unwrap_or_default().trim();
            let head = starts[at].as_str();
            let is_of_both = head == state || !OF_ONE.contains(&head);
            let is_compared = is_of_both && !PASSING.contains(&head);
            match head {
                _ if is_heads => (is_of_both && head != "HOST").then(|| head.to_owned()),
                "HOST" => {
                    assert_eq!(cell, host);
                    None
                }
                // Commands in notes are typed here.
                "NOTE" => {
                    Some(format!("{head}={}", cell.replace("tmo fleet ", "tmo ").replace("a/", "")))
                }
                _ => is_compared.then(|| format!("{head}={cell}")),
            }
        };
        (0..starts.len()).filter_map(cell).collect()
    };
    [row(true, heads)].into_iter().chain(lines.map(|line| row(false, line))).collect()
}

/// Exit code, output and errors; without what shows of the way to the host.
fn text(ran: &Ran, is_exact: bool) -> (i32, String, String) {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+(\.\d+)?").unwrap());
    let mask = |text: &str| {
        // Variables of a session differ, and a terminal shows for whom it waits.
        let lines = text.lines().filter(|line| !line.contains("environment: "));
        let lines = lines.filter(|line| !line.starts_with("tmo: waiting: "));
        let text = with_verbs_alone(&lines.collect::<Vec<_>>().join("\n"));
        if is_exact { text } else { NUMBER.replace_all(&text, "#").into_owned() }
    };
    (ran.code, mask(&ran.stdout), mask(&ran.stderr).replace("tmo: ", ""))
}

/// A text without the words behind the verb of each command that it advises: those are of the fleet.
fn with_verbs_alone(text: &str) -> String {
    static ADVICE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(`|\$ )tmo (?:fleet )?([a-z]+)[^`\n]*").unwrap());
    ADVICE.replace_all(text, "${1}tmo $2").into_owned()
}

/// Do the same on two hosts, on one by the fleet.
fn acts(fleet: &Fleet, table: &mut Table) {
    let [a, b] = &fleet.hosts[..] else { unreachable!() };
    for (place, (fleet_words, there_words)) in ACTS.iter().enumerate() {
        let ran = fleet.run(&[words(fleet_words), vec!["--json"]].concat());
        let there = b.run(&words(there_words));
        let answers: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let answer = &answers[0];
        let said = match &answer["answer"] {
            Value::Null => Value::String(String::new()),
            said => said.clone(),
        };
        let found = (answer["code"].as_i64(), said, answer["error"].as_str().map(str::to_owned));
        let complaint = there.stderr.lines().next_back().map(|line| line.replace("tmo: ", ""));
        let complaint = complaint.filter(|_| there.code != 0);
        let complaint =
            complaint.map(|text| text.replace("nothing runs here", "nothing runs there"));
        let said = || Value::String(there.stdout.trim_end().to_owned());
        let said = serde_json::from_str(&there.stdout).unwrap_or_else(|_| said());
        let wanted = (Some(i64::from(there.code)), said, complaint);
        let what = format!("{}: {fleet_words}", place + 1);
        let [found, wanted] = [format!("{found:?}"), format!("{wanted:?}")];
        same(table, &what, &with_verbs_alone(&found), &with_verbs_alone(&wanted));
        let states = [a, b].map(|host| move || states(host));
        let are_same = || (states[0]() == states[1]()).then_some(());
        let shown = || format!("{:?}\n{:?}", states[0](), states[1]());
        eventually_or(&format!("twins are alike after {fleet_words}"), are_same, shown);
    }
}

/// The processes of a host, their states and how many lives each has had; none without a run.
fn states(host: &Host) -> Vec<(String, String, u64)> {
    let state = host.world.state().unwrap_or_default();
    let text = |process: &Value, name: &str| process[name].as_str().unwrap().to_owned();
    let all = state["processes"].as_array().cloned().unwrap_or_default();
    let row = |process: &Value| {
        (text(process, "name"), text(process, "state"), process["lives"].as_u64().unwrap())
    };
    all.iter().map(row).collect()
}
