//! What it costs to look for patterns in output, beside taking the same output into the index:
//! `cargo bench --bench patterns`.
//!
//! The figure to look at is the share: so much longer does a byte take with these patterns. Time is
//! that of the processor.

#![expect(clippy::unwrap_used, reason = "a measurement that can't go on fails")]
#![expect(clippy::print_stdout, reason = "figures are to be read")]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../crates/journal/src/tests/place.rs"]
mod place;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use tmo::model::plan::rules::{FailureAction, FailurePattern, Flag, ProcessPolicy, Text};
use tmo::model::{LifeId, StreamNo};
use tmo::patterns::Matcher;
// The journal's own tests name these so.
use tmo::{journal, model};

use place::{EPOCH, Place};

const MIB: usize = 1 << 20;
const SIZE: usize = 128 * MIB;
/// How much is read at once from a stream that is flooded, and how much from a busy one.
const PIECES: [usize; 2] = [64 << 10, 4 << 10];
/// A stream goes on in another file after this.
const SEGMENT: u64 = 16 << 20;

/// Lines of several programs, as they come out of a terminal.
const PLAIN: &str = "\
2026-11-20T12:00:00Z INFO request served in 12 ms, 200 OK, 1234 bytes, GET /x/y\r
[worker] job 8812 (SendMail) done: 15.2ms, queue default, attempt 1 of 5, no error\r
  User Load (0.4ms)  SELECT \"users\".* FROM \"users\" WHERE \"users\".\"id\" = $1 LIMIT $2\r
webpack 5.88.2 compiled 214 modules in 1203 ms; watching for changes in src/app\r
";
const COLOURED: &str = "\
\x1b[2m2026-11-20T12:00:00Z\x1b[0m \x1b[32mINFO\x1b[0m request served in \x1b[1m12 ms\x1b[0m, 200 OK\r
\x1b[36m[worker]\x1b[0m job 8812 (\x1b[33mSendMail\x1b[0m) done: 15.2ms, queue default, no error\r
";

fn main() {
    // `cargo test` runs the benches too, to see that they can be run.
    if !std::env::args().any(|word| word == "--bench") {
        println!("nothing is measured here: `cargo bench --bench patterns` does");
        return;
    }
    for (what, text) in [("plain lines", PLAIN), ("coloured lines", COLOURED)] {
        let text = text.repeat(SIZE / text.len()).into_bytes();
        for piece in PIECES {
            let ingest = ingest(&text, piece);
            let rate = |seconds: f64| f64::from(u32::try_from(text.len()).unwrap()) / 1e9 / seconds;
            println!("{what} in pieces of {piece}: ingest {:.2} GB/s", rate(ingest));
            for (patterns, rules) in rules() {
                let (seconds, hits) = watch(&rules, &text, piece);
                let (rate, share) = (rate(seconds), 100.0 * seconds / ingest);
                println!("  {patterns}: {rate:.1} GB/s, {share:.1} % of ingest, {hits} hits");
            }
        }
    }
}

/// Seconds that the index of this text takes.
fn ingest(text: &[u8], piece: usize) -> f64 {
    let place = Place::new();
    let mut sink = place.sink(1, SEGMENT);
    for (at, piece) in text.chunks(piece).enumerate() {
        sink.append(EPOCH + std::time::Duration::from_nanos(at as u64), piece);
    }
    let mut ingest = place.ingest();
    let begun = seconds();
    while ingest.wake(StreamNo(1), piece as u64).unwrap().more {}
    seconds() - begun
}

/// Seconds that it takes to look for these, and how many are found.
fn watch(rules: &ProcessPolicy, text: &[u8], piece: usize) -> (f64, usize) {
    let mut matcher = Matcher::new(rules).unwrap();
    matcher.begin(Some(LifeId::nth(1)));
    let begun = seconds();
    let mut hits = text.chunks(piece).map(|piece| matcher.feed(piece).len()).sum();
    hits += matcher.finish().len();
    (seconds() - begun, hits)
}

/// How long a processor has worked for us: what else runs on the machine does not count.
fn seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time = usage.user_time() + usage.system_time();
    f64::from(i32::try_from(time.num_microseconds()).unwrap()) / 1e6
}

fn rules() -> [(&'static str, ProcessPolicy); 6] {
    let failures = |texts: &[Text]| ProcessPolicy {
        failures: texts.iter().cloned().map(failure).collect(),
        ..ProcessPolicy::default()
    };
    let all: Vec<Text> = WORDS.iter().map(|word| text(word, false)).collect();
    let expressions = EXPRESSIONS.iter().map(|expression| text(expression, true));
    let mixed: Vec<Text> = all.iter().take(25).cloned().chain(expressions.clone()).collect();
    let loose: Vec<Text> = mixed.iter().cloned().chain([text("^\\d+$", true)]).collect();
    [
        ("no pattern", ProcessPolicy::default()),
        ("1 text", failures(&all[..1])),
        ("50 texts", failures(&all)),
        ("25 texts, 25 expressions", failures(&mixed)),
        ("the same and one without a word in it", failures(&loose)),
        ("1 flag that many lines match", flagged("queue default")),
    ]
}

/// A flag, with the lines around each match.
fn flagged(pattern: &str) -> ProcessPolicy {
    let flag = Flag { context: 1, ..Flag::new(text(pattern, false)) };
    ProcessPolicy { flags: vec![flag], ..ProcessPolicy::default() }
}

fn text(pattern: &str, regex: bool) -> Text {
    Text { pattern: pattern.to_owned(), regex, any_case: true }
}

fn failure(text: Text) -> FailurePattern {
    FailurePattern { text, action: FailureAction::Break }
}

const WORDS: [&str; 50] = [
    "Error: EADDRINUSE",
    "panic:",
    "fatal error",
    "Segmentation fault",
    "core dumped",
    "OutOfMemoryError",
    "Killed",
    "Cannot find module",
    "ModuleNotFoundError",
    "SyntaxError",
    "Traceback (most recent call last)",
    "Address already in use",
    "ECONNREFUSED",
    "connection refused",
    "permission denied",
    "no such file or directory",
    "undefined method",
    "NoMethodError",
    "NullPointerException",
    "StackOverflowError",
    "could not connect to server",
    "database does not exist",
    "role does not exist",
    "password authentication failed",
    "migration pending",
    "Unhandled rejection",
    "UnhandledPromiseRejection",
    "assertion failed",
    "thread 'main' panicked",
    "stack backtrace",
    "deadlock detected",
    "too many open files",
    "disk quota exceeded",
    "no space left on device",
    "certificate has expired",
    "handshake failure",
    "command not found",
    "npm ERR!",
    "yarn error",
    "build failed",
    "compilation failed",
    "failed to compile",
    "linker error",
    "undefined reference",
    "bundler: failed",
    "Could not find gem",
    "Gem::LoadError",
    "LoadError",
    "invalid credentials",
    "license expired",
];

const EXPRESSIONS: [&str; 25] = [
    "^panic: .*",
    "exit(ed)? with (code|status) [1-9]",
    "\\bOOM\\b",
    "listening on port \\d+ failed",
    "E[A-Z]+: bad file descriptor",
    "(?:FATAL|EMERG)\\b.*database",
    "error TS\\d+:",
    "Uncaught \\w+Error",
    "java\\.lang\\.\\w+Exception",
    "goroutine \\d+ \\[running\\]",
    "signal: (killed|aborted)",
    "process \\d+ terminated",
    "\\[error\\] .* refused$",
    "cannot (bind|listen)",
    "heap out of memory|allocation failed",
    "^thread '.*' panicked at",
    "ERROR:\\s+relation \".*\" does not exist",
    "Failed to load (config|plugin)",
    "rake aborted!",
    "exception in thread \"\\w+\"",
    "Invalid (token|argument) at \\d+",
    "timeout after \\d+ ?m?s",
    "worker \\d+ crashed",
    "vite.*internal server error",
    "redis.*connection lost",
];
