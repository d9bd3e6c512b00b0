//! The last error of a process that runs.
//!
//! A watcher runs a program again when a file changes, and outlives its failure. What it prints tells
//! where an attempt begins and how it went, so that an error is over where the next attempt begins.

#[cfg(test)]
mod tests;

use super::cause::{Cause, Certainty, Kind};
use super::diagnose::{clue, diagnose};
use super::evidence::{Evidence, Line};
use super::expr::Expr;

/// The last error that a running process has printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// What it is.
    pub cause: Cause,
    /// Its program has failed, and nothing runs until a file changes.
    pub waits: bool,
}

/// What a watcher prints.
struct Watcher {
    /// An attempt begins.
    begins: Expr,
    /// It has failed.
    failed: Expr,
    /// It has succeeded, or runs.
    good: Expr,
    /// Whether each attempt that does not fail prints that.
    tells: bool,
}

const fn watcher(begins: &'static str, failed: &'static str, good: &'static str) -> Watcher {
    Watcher {
        begins: Expr::new(begins),
        failed: Expr::new(failed),
        good: Expr::new(good),
        tells: false,
    }
}

/// One that says when its program runs, and need not say that it has failed.
const fn server(begins: &'static str, failed: &'static str, good: &'static str) -> Watcher {
    Watcher {
        begins: Expr::new(begins),
        failed: Expr::new(failed),
        good: Expr::new(good),
        tells: true,
    }
}

/// No line.
const NEVER: &str = r"[^\s\S]";

static WATCHERS: [Watcher; 18] = [
    // nodemon
    watcher(
        r"^\[nodemon\] (?:re)?starting\b",
        r"^\[nodemon\] app crashed\b",
        r"^\[nodemon\] clean exit\b",
    ),
    // node --watch
    watcher(r"^Restarting '", r"^Failed running '", r"^Completed running '"),
    // tsx watch; node tells of each program that an exception has ended.
    watcher(
        r"\[tsx\] (?:change|unlink|add|rerunning|Restarting)",
        r"^Node\.js v\d+\.\d+\.\d+\S*$",
        NEVER,
    ),
    // ts-node-dev
    watcher(r"^\[INFO\] [\d:]+ (?:Restarting|ts-node-dev ver)", r"^\[ERROR\] [\d:]+ ⨯", NEVER),
    // deno --watch
    watcher(
        r"^Watcher File change detected",
        r"^Watcher Process failed\b",
        r"^Watcher Process finished\b",
    ),
    // tsc --watch, nest start --watch
    watcher(
        r"(?:Starting (?:incremental )?compilation|File change detected)",
        r"Found [1-9]\d* errors?\. Watching for file changes",
        r"Found 0 errors\. Watching for file changes",
    ),
    // esbuild --watch
    watcher(r"^\[watch\] build started\b", r"^\d+ errors?$", NEVER),
    // vite
    watcher(
        NEVER,
        r"\[vite\].* (?:Internal server error|Pre-transform error)\b",
        r"\[vite\].* (?:hmr update|page reload|server restarted)\b|VITE v\S+ +ready in",
    ),
    // vitest
    watcher(r"^\s*RERUN\b", r"^\s*FAIL +Tests failed\. Watching", r"^\s*PASS +Waiting for file"),
    // webpack --watch, webpack serve
    watcher(
        r"^assets? by |^asset \S+ ",
        r"\bcompiled with \d+ errors?\b",
        r"\bcompiled (?:successfully|with \d+ warnings?)\b",
    ),
    // flask --debug
    watcher(r"^ \* (?:Detected change in|Restarting with) ", NEVER, r"^ \* Debugger is active"),
    // next dev
    watcher(r"^ *○ Compiling\b", NEVER, r"^ *✓ (?:Compiled|Ready)\b"),
    // rollup --watch, vite build --watch
    watcher(
        r"^bundles |^build started\.\.\.",
        r"^error during build:",
        r"^(?:created .* in|built in) ",
    ),
    // cargo-watch
    watcher(
        r"^\[Running '",
        r"^\[Finished running\. Exit status: (?:exit status: )?[1-9]",
        r"^\[Finished running\. Exit status: (?:exit status: )?0\b",
    ),
    // watchexec
    watcher(r"^\[Running: ", r"^\[Command exited with [1-9]", r"^\[Command was successful\b"),
    // air
    watcher(
        r"^building\.\.\.$",
        r"^(?:failed to build|Process Exit with Code: [1-9])",
        r"^running\.\.\.$",
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

/// How far the output has come.
#[derive(Default)]
struct Course {
    /// The first line of the present attempt.
    begin: usize,
    /// The present attempt was begun by a watcher that will say when it runs.
    is_open: bool,
    /// The line that says that it has failed; a watcher may print the rest behind that.
    failed: Option<usize>,
}

impl Course {
    fn of(lines: &[Line]) -> Self {
        let mut course = Self::default();
        for (at, line) in lines.iter().enumerate() {
            for watcher in &WATCHERS {
                if watcher.failed.finds(&line.text) {
                    course = Self { is_open: false, failed: Some(at), ..course };
                } else if watcher.begins.finds(&line.text) {
                    course = Self { begin: at, is_open: watcher.tells, failed: None };
                } else if watcher.good.finds(&line.text) {
                    course = Self { begin: at + 1, is_open: false, failed: None };
                }
            }
        }
        course
    }
}

/// The last error among the last lines of a life that goes on, unless it is over.
pub fn last_error(evidence: &Evidence) -> Option<LastError> {
    let lines = &evidence.lines;
    let course = Course::of(lines);
    let attempt = Evidence { lines: lines[course.begin..].to_vec(), ..evidence.clone() };
    let causes = diagnose(&attempt).causes;
    let printed = causes.into_iter().filter(|cause| cause.kind != Kind::ExitCode);
    // A line that looks like an error need not be one where nothing has failed.
    let is_sure = |cause: &Cause| {
        course.failed.is_some()
            || cause.kind == Kind::Exception
            || cause.kind == Kind::LoggedError && cause.place.is_some()
            || course.is_open && cause.certainty > Certainty::Possible
    };
    let found = printed.filter(|cause| cause.evidence.is_some()).find(is_sure);
    let waits = course.failed.is_some() || course.is_open && found.is_some();
    let failed = || {
        let line = lines.get(course.failed?)?;
        let text = line.text.trim().to_owned();
        let (kind, certainty) = (Kind::LoggedError, Certainty::Certain);
        Some(Cause { kind, certainty, text, evidence: Some(clue(line)), place: None, next: None })
    };
    let certainty = Certainty::Certain;
    found.or_else(failed).map(|cause| LastError { cause: Cause { certainty, ..cause }, waits })
}

/// Whether the program below a watcher has failed, by the last lines of its life. It is asked for each
/// process of a table, so the expressions are tried only where a line looks like a failure.
pub fn has_failed(lines: &[Line]) -> bool {
    const SIGNS: [&str; 8] =
        ["rror", "crashed", "ailed", "FAIL", "Traceback", "Node.js v", "exited with", "Exit "];
    if !lines.iter().any(|line| SIGNS.iter().any(|sign| line.text.contains(sign))) {
        return false;
    }
    let course = Course::of(lines);
    let rest = &lines[course.begin..];
    course.failed.is_some()
        || course.is_open && rest.iter().any(|line| line.text.starts_with("Traceback "))
}
