//! `tmo fleet` with up to 1,000 hosts: time, processor time and memory against their number.
//!
//! A stand-in for `ssh`, which is this program under another name, answers after a latency between 5 and 300 ms, fixed
//! for each host. No network and no host takes part: the figures are those of tmo.
//!
//! ```text
//! cargo bench --bench fleet
//! cargo bench --bench fleet -- --quick
//! cargo bench --bench fleet -- --save
//! ```
//!
//! `--quick` has at most 100 hosts and short streams. The program fails only if an answer is wrong.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that can't go on fails"
)]
#![expect(clippy::disallowed_methods, reason = "benches read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are printed")]

#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../../tests/common/mod.rs"]
mod common;
mod measured;
#[expect(dead_code, unused_imports, reason = "another bench needs more of it")]
#[path = "../shared/mod.rs"]
mod shared;
mod ssh;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tmo::sys::clock;

use common::harness;
use measured::{Measured, measured};
use shared::{World, quantile};

const TMO: &str = env!("CARGO_BIN_EXE_tmo");

/// What runs on each host.
const PROCFILE: &str = "\
web: echo 'request served in 12 ms, 200 OK, 1234 bytes, GET /x/y'; exec sleep 1000
worker: exec sleep 1000
clock: exec sleep 1000
db: exec sleep 1000
";

/// The hosts whose lines can be followed at once.
const MOST_FOLLOWED: u32 = 64;

/// How many calls tmo makes at once.
const AT_ONCE: u32 = 16;

fn main() -> ExitCode {
    let mut words = std::env::args();
    let own = words.next().unwrap();
    let words: Vec<String> = words.collect();
    if Path::new(&own).file_name().is_some_and(|name| name == "ssh") {
        return ssh::run(&words);
    }
    let has = |flag: &str| words.iter().any(|word| word == flag);
    if !has("--bench") {
        println!("nothing is measured here: `cargo bench --bench fleet` does");
        return ExitCode::SUCCESS;
    }
    measure(has("--quick"), has("--save"));
    ExitCode::SUCCESS
}

fn measure(is_quick: bool, is_saved: bool) {
    let (runs, numbers, seconds) =
        if is_quick { (1, &[10, 100][..], 3) } else { (3, &[10, 100, 300, 1000][..], 10) };
    let about = shared::conditions(runs).replace("interleaved runs", "runs");
    let fleet = Fleet::new();
    let mut heads = vec!["hosts".to_owned()];
    heads.extend(numbers.iter().map(u32::to_string));
    let mut rows = vec![heads, vec!["---".to_owned()]];
    rows[1].resize(numbers.len() + 1, "---:".to_owned());
    for (what, words, has_faults) in [
        ("ps", &["ps"][..], false),
        ("ps, 1 % do not answer and 1 % can't be reached", &["ps"], true),
        ("restart --batch 50", &["restart", "--batch", "50"], false),
    ] {
        let all = numbers.iter().map(|&hosts| {
            eprintln!("{what}: {hosts} hosts");
            fleet.name_hosts((0..hosts).map(|number| format!("h{number}")));
            let runs = (0..runs).map(|_| fleet.answered(words, hosts, has_faults));
            (hosts, runs.collect())
        });
        rows.extend(rows_of(what, &all.collect::<Vec<_>>()));
    }
    let mut report = format!(
        "{about} The hosts have latencies between 5 and 300 ms, and four processes each. \
         A stand-in that does not answer stays silent until tmo ends it. The log was followed once.\n\n{}\n",
        table(&rows)
    );
    eprintln!("logs -f");
    let streams = fleet.streams(seconds);
    let flood = fleet.flood(seconds * 3);
    let heads = ["logs -f", "", "bar"].map(str::to_owned).to_vec();
    let rule = ["---", "---:", "---:"].map(str::to_owned).to_vec();
    report += &table(&[vec![heads, rule], streams, flood].concat());
    println!("{report}");
    if is_saved {
        shared::save("fleet", &report, "benches/fleet/WHY.md");
    }
    drop(fleet);
    shared::clear();
}

/// A machine with the stand-in first in its `PATH`, and what the stand-in prints.
struct Fleet {
    world: World,
}

impl Fleet {
    /// What the hosts answer is what a run has answered.
    fn new() -> Self {
        let world = World::new();
        std::fs::write(world.app().join("Procfile"), PROCFILE).unwrap();
        let run = |words: &[&str]| {
            let output = world.command(TMO).args(words).output().unwrap();
            assert!(output.status.success(), "{words:?}: {output:?}");
            output.stdout
        };
        run(&["start", "-D"]);
        run(&["wait", "--for", "running"]);
        let fleet = Self { world: World::new() };
        for dir in ["bin", "answers"] {
            std::fs::create_dir(fleet.at(dir)).unwrap();
        }
        let keep =
            |verb: &str, text: &[u8]| std::fs::write(fleet.at("answers").join(verb), text).unwrap();
        let printed = harness::eventually("a line is in the log", || {
            let all = String::from_utf8(run(&["logs", "--json", "web"])).unwrap();
            all.lines().find(|line| line.contains("\"text\":")).map(str::to_owned)
        });
        keep("logs", printed.as_bytes());
        keep("ps", &run(&["ps", "--json"]));
        keep("restart", &run(&["restart"]));
        run(&["quit"]);
        assert!(world.wait_empty(), "the run has ended");
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), fleet.at("bin/ssh")).unwrap();
        fleet
    }

    fn at(&self, name: &str) -> PathBuf {
        self.world.app().join(name)
    }

    /// Write the file that names these hosts.
    fn name_hosts(&self, names: impl Iterator<Item = String>) {
        let tables = names.map(|name| format!("[host.{name}]\nroot = \"/srv/app\"\n"));
        std::fs::write(self.at("fleet.toml"), tables.collect::<String>()).unwrap();
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = self.world.command(TMO);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.at("bin").display()));
        command.env(ssh::ANSWERS, self.at("answers")).arg("fleet").args(words);
        command
    }

    /// A command that ends by itself; its answers must be right.
    fn answered(&self, words: &[&str], hosts: u32, has_faults: bool) -> Measured {
        let mut command = self.command(words);
        if has_faults {
            command.env(ssh::FAULTS, "1").stderr(std::process::Stdio::null());
        }
        let (mut right, mut lost) = (0, 0);
        let found = measured(&mut command, |line| {
            let text = String::from_utf8_lossy(line);
            right += u32::from(text.contains("  running ") || text.contains("  restarted"));
            lost += u32::from(text.contains("  unreachable "));
        });
        let is_lost = |number: &u32| {
            let number = u64::from(*number);
            has_faults && (ssh::is_frozen(number) || ssh::is_failing(number))
        };
        let wanted = u32::try_from((0..hosts).filter(is_lost).count()).unwrap();
        let each = if words[0] == "ps" { 4 } else { 1 };
        assert_eq!((right, lost), ((hosts - wanted) * each, wanted), "{words:?}: {found:?}");
        assert_eq!(found.code, if wanted > 0 { 3 } else { 0 }, "{words:?}: {found:?}");
        found
    }

    /// As many hosts as can be followed, each with 100 lines/s; one more is refused.
    fn streams(&self, seconds: u32) -> Vec<Vec<String>> {
        let names = |count| (0..count).map(|number| format!("h{number}"));
        self.name_hosts(names(MOST_FOLLOWED + 1));
        let refused = self.command(&["logs", "-f"]).output().unwrap();
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        let names_it =
            text.contains(&format!("at most {MOST_FOLLOWED} hosts")) && text.contains("--hosts");
        assert!(!refused.status.success() && names_it, "{refused:?}");
        self.name_hosts(names(MOST_FOLLOWED));
        let mut lines = 0;
        let mut command = self.command(&["logs", "-f"]);
        command.env(ssh::SECONDS, seconds.to_string());
        let found = measured(&mut command, |line| lines += u32::from(is_line(line)));
        let all = MOST_FOLLOWED * seconds * 100;
        assert_eq!(lines, all, "each line is shown once: {found:?}");
        let what = format!("{MOST_FOLLOWED} hosts with 100 lines/s for {seconds} s");
        let of_tmo = 100.0 * found.cpu / f64::from(seconds * 1000);
        vec![
            row(&format!("{what}: lines shown, of {all}"), lines.to_string(), "all"),
            row(&format!("the same: processor time, in % of {seconds} s"), number(of_tmo), ""),
            row("the same: memory [MiB]", number(found.memory), ""),
            row(
                "the same: memory of the stand-ins for `ssh` [MiB]",
                number(found.others_memory),
                "",
            ),
            row(&format!("{} hosts", MOST_FOLLOWED + 1), "refused".to_owned(), "refused"),
        ]
    }

    /// A host that prints as much as it can, and one that prints a line in a second.
    fn flood(&self, seconds: u32) -> Vec<Vec<String>> {
        self.name_hosts(["flood", "slow"].map(str::to_owned).into_iter());
        let (mut lines, mut delays) = (0_u32, vec![]);
        let mut command = self.command(&["logs", "-f"]);
        command.env(ssh::SECONDS, seconds.to_string());
        let found = measured(&mut command, |line| {
            lines += u32::from(is_line(line));
            if line.starts_with(b"slow/") && is_line(line) {
                let text = String::from_utf8_lossy(line);
                let printed: u64 = text.trim().rsplit(' ').next().unwrap().parse().unwrap();
                let late = Duration::from_nanos(clock::now().nanos().saturating_sub(printed));
                delays.push(late.as_secs_f64() * 1000.0);
            }
        });
        assert_eq!(delays.len(), usize::try_from(seconds).unwrap(), "lines of the other host");
        let delay = |delays: &mut Vec<f64>, percent| number(quantile(delays, percent).unwrap());
        vec![
            row(
                "100,000 lines/s of one host: lines/s shown",
                number(f64::from(lines) / found.wall.as_secs_f64()),
                "",
            ),
            row(
                "the same: line of another host until it is shown, median [ms]",
                delay(&mut delays, 50),
                "≤ 500",
            ),
            row("the same, longest [ms]", delay(&mut delays, 100), "≤ 500"),
            row(
                "the same: processor time, of one processor [%]",
                number(found.cpu / found.wall.as_secs_f64() / 10.0),
                "",
            ),
            row("the same: memory [MiB]", number(found.memory), "bounded"),
        ]
    }
}

/// Whether it is a line of a process.
fn is_line(line: &[u8]) -> bool {
    !line.starts_with(b"system ")
}

/// The rows of a command: for each number of hosts, the runs.
fn rows_of(what: &str, all: &[(u32, Vec<Measured>)]) -> Vec<Vec<String>> {
    let row = |what: &str, value: &dyn Fn(u32, &Measured) -> f64| {
        let median = |(hosts, runs): &(u32, Vec<Measured>)| {
            let mut values: Vec<f64> = runs.iter().map(|run| value(*hosts, run)).collect();
            number(quantile(&mut values, 50).unwrap())
        };
        [vec![what.to_owned()], all.iter().map(median).collect()].concat()
    };
    let each = |hosts| f64::from(hosts);
    vec![
        row(&format!("{what}: time [s]"), &|_, run| run.wall.as_secs_f64()),
        row("the same / (sum of the latencies / 16)", &|hosts, run| {
            let sum: Duration = (0..hosts).map(|number| ssh::latency(u64::from(number))).sum();
            run.wall.as_secs_f64() / (sum / AT_ONCE).as_secs_f64()
        }),
        row("processor time of tmo, per host [ms]", &|hosts, run| run.cpu / each(hosts)),
        row("processor time of the stand-ins, per host [ms]", &|hosts, run| {
            run.others_cpu / each(hosts)
        }),
        row("memory of tmo [MiB]", &|_, run| run.memory),
        row("memory of the stand-ins [MiB]", &|_, run| run.others_memory),
    ]
}

fn row(what: &str, value: String, bar: &str) -> Vec<String> {
    vec![what.to_owned(), value, bar.to_owned()]
}

fn number(value: f64) -> String {
    let digits = usize::from(value < 100.0) + usize::from(value < 10.0);
    format!("{value:.digits$}")
}

/// A table in Markdown; the second row tells the alignment.
fn table(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let _ = if column == 0 {
                write!(text, "| {cell:width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text.push_str("|\n");
    }
    text
}
