//! The last error of a running process.
//!
//! A watcher restarts a program when a file changes, and survives the program's failure. Its output
//! shows where each attempt begins and how it ended, so an error is obsolete once the next attempt
//! begins.

#[cfg(test)]
mod tests;

use regex::Regex;

use super::cause::{Cause, CauseKind, Certainty};
use super::diagnose::{at_start, clue, diagnose};
use super::evidence::{Evidence, OutputLine};
use super::expr::Expr;
use crate::model::plan::rules::{Text, WatcherPatterns};

/// The last error that a running process has printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// The cause of the error.
    pub cause: Cause,
    /// The program has failed, and nothing runs until a file changes.
    pub waits: bool,
}

/// The patterns for the output of one watcher.
struct Reloader {
    good_means: Good,
    /// An attempt begins.
    begins: Expr,
    /// The attempt has failed.
    failed: Expr,
    good: Expr,
}

/// What a watcher reports by its line for an attempt that has not failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Good {
    /// The program has ended with success.
    Ended,
    /// The program runs. It is printed for each attempt that does not fail, and a failure need not be.
    Runs,
    /// Either, or there is no such line.
    Either,
}

const fn reloader(begins: &'static str, failed: &'static str, good: &'static str) -> Reloader {
    Reloader {
        good_means: Good::Either,
        begins: Expr::new(begins),
        failed: Expr::new(failed),
        good: Expr::new(good),
    }
}

const fn runner(begins: &'static str, failed: &'static str, good: &'static str) -> Reloader {
    let mut row = reloader(begins, failed, good);
    row.good_means = Good::Ended;
    row
}

const fn server(begins: &'static str, failed: &'static str, good: &'static str) -> Reloader {
    let mut row = reloader(begins, failed, good);
    row.good_means = Good::Runs;
    row
}

/// Matches no line.
const NEVER: &str = r"[^\s\S]";

static RELOADERS: [Reloader; 20] = [
    // nodemon
    runner(
        r"^\[nodemon\] (?:re)?starting\b",
        r"^\[nodemon\] app crashed\b",
        r"^\[nodemon\] clean exit\b",
    ),
    // node --watch
    runner(r"^Restarting '", r"^Failed running '", r"^Completed running '"),
    // tsx watch. node prints a line for each program that an exception has ended.
    reloader(
        r"\[tsx\] (?:change|unlink|add|rerunning|Restarting)",
        r"^Node\.js v\d+\.\d+\.\d+\S*$",
        NEVER,
    ),
    // ts-node-dev
    reloader(r"^\[INFO\] [\d:]+ (?:Restarting|ts-node-dev ver)", r"^\[ERROR\] [\d:]+ ⨯", NEVER),
    // deno --watch
    runner(
        r"^Watcher File change detected",
        r"^Watcher Process failed\b",
        r"^Watcher Process finished\b",
    ),
    // tsc --watch, nest start --watch
    reloader(
        r"(?:Starting (?:incremental )?compilation|File change detected)",
        r"Found [1-9]\d* errors?\. Watching for file changes",
        r"Found 0 errors\. Watching for file changes",
    ),
    // esbuild --watch
    reloader(r"^\[watch\] build started\b", r"^\d+ errors?$", NEVER),
    // vite
    reloader(
        NEVER,
        r"\[vite\].* (?:Internal server error|Pre-transform error)\b",
        r"\[vite\].* (?:hmr update|page reload|server restarted)\b|VITE v\S+ +ready in",
    ),
    // vitest
    reloader(r"^\s*RERUN\b", r"^\s*FAIL +Tests failed\. Watching", r"^\s*PASS +Waiting for file"),
    // webpack --watch, webpack serve
    reloader(
        r"^assets? by |^asset \S+ ",
        r"\bcompiled with \d+ errors?\b",
        r"\bcompiled (?:successfully|with \d+ warnings?)\b",
    ),
    // flask --debug
    reloader(r"^ \* (?:Detected change in|Restarting with) ", NEVER, r"^ \* Debugger is active"),
    // next dev
    reloader(r"^ *○ Compiling\b", NEVER, r"^ *✓ (?:Compiled|Ready)\b"),
    // rollup --watch, vite build --watch
    reloader(
        r"^bundles |^build started\.\.\.",
        r"^error during build:",
        r"^(?:created .* in|built in) ",
    ),
    // cargo-watch
    runner(
        r"^\[Running '",
        r"^\[Finished running\. Exit status: (?:exit status: )?[1-9]",
        r"^\[Finished running\. Exit status: (?:exit status: )?0\b",
    ),
    // watchexec
    runner(r"^\[Running: ", r"^\[Command exited with [1-9]", r"^\[Command was successful\b"),
    // air
    reloader(
        r"^building\.\.\.$",
        r"^(?:failed to build|Process Exit with Code: [1-9])",
        r"^running\.\.\.$",
    ),
    // entr -s
    reloader(NEVER, r"^\w*sh returned exit code [1-9]", r"^\w*sh returned exit code 0\b"),
    // watchfiles, which reports no failure, around `go run`, which does.
    reloader(
        r"^\[[\d:]+\] (?:watchfiles v|\d+ changes? detected)",
        r"^(?:exit status [1-9]\d*|# (?:command-line-arguments|[\w-]+(?:\.[\w-]+)+/\S+))$",
        NEVER,
    ),
    // manage.py runserver
    server(
        r"^Watching for file changes with ",
        NEVER,
        r"^(?:Starting development server at|Quit the server with) ",
    ),
    // uvicorn --reload
    server(
        r"(?:WatchFiles|StatReload) detected (?:file )?changes? in|Started reloader process",
        NEVER,
        r"Application startup complete\.",
    ),
];

/// The state at the end of the output.
#[derive(Default)]
struct Course {
    /// The first line of the current attempt.
    begin: usize,
    /// The current attempt was begun by a watcher that will report when the program runs.
    is_open: bool,
    /// The line that reports the failure. A watcher may print more after it.
    failed: Option<usize>,
}

impl Course {
    fn read_lines(lines: &[OutputLine], own: &[WatcherPatterns]) -> Self {
        let mut course = Self::default();
        let own: Vec<_> = own.iter().filter_map(compiled).collect();
        for (at, line) in lines.iter().enumerate() {
            for [failed, recovered] in &own {
                if failed.is_match(&line.text) {
                    course = Self { is_open: false, failed: Some(at), ..course };
                } else if recovered.is_match(&line.text) {
                    course = Self { begin: at, is_open: false, failed: None };
                }
            }
            for reloader in &RELOADERS {
                if reloader.failed.finds(&line.text) {
                    course = Self { is_open: false, failed: Some(at), ..course };
                } else if reloader.begins.finds(&line.text) {
                    let is_open = reloader.good_means == Good::Runs;
                    course = Self { begin: at, is_open, failed: None };
                } else if reloader.good.finds(&line.text) {
                    course = Self { begin: at + 1, is_open: false, failed: None };
                }
            }
        }
        course
    }
}

/// The expressions of a watcher of the project. They were checked with the file that they are in.
fn compiled(own: &WatcherPatterns) -> Option<[Regex; 2]> {
    let expression = |text: &Text| Regex::new(&text.pattern).ok();
    Some([expression(&own.failed)?, expression(&own.recovered)?])
}

/// The last error among the last lines of a running life, unless it is obsolete.
pub fn last_error(evidence: &Evidence) -> Option<LastError> {
    let lines = &evidence.lines;
    let course = Course::read_lines(lines, &evidence.watchers);
    let attempt = Evidence { lines: lines[course.begin..].to_vec(), ..evidence.clone() };
    let printed = diagnose(&attempt).into_iter().filter(|cause| cause.kind != CauseKind::ExitCode);
    // A line that looks like an error need not be one if nothing has failed.
    let found = printed.filter(|cause| cause.evidence.is_some()).find(|cause| {
        course.failed.is_some()
            || cause.kind == CauseKind::Exception
            || cause.kind == CauseKind::ConnectionRefused
                && cause.certainty == Certainty::Certain
                // What was not ready yet is no error of a process that goes on.
                && evidence.facts.late.is_none()
            || cause.kind == CauseKind::LoggedError && cause.place.is_some()
            || course.is_open && cause.certainty > Certainty::Possible
    });
    let waits = course.failed.is_some() || course.is_open && found.is_some();
    // A server whose port is taken may end with success.
    let waits = waits || has_ended(lines) && evidence.facts.taken.is_some();
    let certainty = Certainty::Certain;
    found
        .or_else(|| {
            let line = lines.get(course.failed?)?;
            let text = line.text.trim().to_owned();
            let cause = Cause::certain(CauseKind::LoggedError, text, None);
            Some(Cause { evidence: Some(clue(line)), ..cause })
        })
        .or_else(|| at_start(evidence).filter(|_| has_ended(lines)))
        .map(|cause| LastError { cause: Cause { certainty, ..cause }, waits })
}

/// Whether the program below a watcher has ended with success, and nothing has been printed since.
pub fn has_ended(lines: &[OutputLine]) -> bool {
    let last = lines.iter().rfind(|line| !line.text.trim().is_empty());
    let mut ends = RELOADERS.iter().filter(|reloader| reloader.good_means == Good::Ended);
    last.is_some_and(|line| ends.any(|reloader| reloader.good.finds(&line.text)))
}

/// Whether the program below a watcher has failed, according to the last lines of its life. `tmo ps`
/// calls this for each process, and most have printed nothing of that kind.
pub fn has_failed(lines: &[OutputLine], own: &[WatcherPatterns]) -> bool {
    let is_trace = |line: &OutputLine| line.text.starts_with("Traceback ");
    let may_fail = |line: &OutputLine| {
        is_trace(line) || RELOADERS.iter().any(|reloader| reloader.failed.finds(&line.text))
    };
    if own.is_empty() && !lines.iter().any(may_fail) {
        return false;
    }
    let course = Course::read_lines(lines, own);
    course.failed.is_some() || course.is_open && lines[course.begin..].iter().any(is_trace)
}
