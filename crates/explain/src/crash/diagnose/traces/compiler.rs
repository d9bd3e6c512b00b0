//! Errors of compilers: TypeScript, C, Java, Go, Rust, and of esbuild, vite and webpack.

use std::time::Duration;

use super::super::time_between;
use super::Trace;
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

/// File, line and message in one line.
static IN_A_LINE: [Expr; 3] = [
    Expr::new(r"^(\S+?)\((\d+),\d+\): error [A-Z]+\d+: (.+)$"),
    Expr::new(concat!(
        r"^(\S+?\.(?:c|cc|cpp|cxx|h|hh|hpp|m|mm|[cm]?[jt]sx?|java|kts?|scala|rs|go|swift|zig|hs|proto|vue|svelte))",
        r":(\d+)(?::\d+)?(?::| -) (?:fatal )?error(?: TS\d+)?: (.+)$"
    )),
    Expr::new(r"^(?:vet: )?(\S+\.go):(\d+):\d+: (.+)$"),
];
/// The message; file and line are in one of the next lines.
static BEFORE: [Expr; 3] = [
    Expr::new(r"^error(?:\[E\d+\])?: (.+)$"),
    Expr::new(r"^✘ \[ERROR\] (.+)$"),
    Expr::new(r"\[vite\] (?:\(\w+\) )?(?:Internal server error|Pre-transform error): (.+)$"),
];
static WHERE: Expr = Expr::new(r"^\s+(?:--> |File: )?(\S+?):(\d+):\d+:?$");
/// File and line; the message is in the next line.
static AFTER: Expr = Expr::new(r"^ERROR in (\S+) (\d+):[\d:-]+$");

/// How many lines after the message the place may be.
const NEAR: usize = 3;
/// Errors that are at most this far apart belong together: the first of them counts.
const TOGETHER: usize = 40;
/// The same as a time.
const SAME_BUILD: Duration = Duration::from_secs(2);

/// The first error of the last group.
pub(super) fn first(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let mut all = (0..lines.len()).rev().filter_map(|at| error(evidence, lines, at));
    let last = all.next()?;
    let end = last.end;
    let mut first = last;
    for earlier in all {
        let long_ago = time_between(&evidence.lines, earlier.at, first.at) > SAME_BUILD;
        if first.at - earlier.at > TOGETHER || long_ago {
            break;
        }
        first = earlier;
    }
    Some(Trace { end, ..first })
}

/// The error in this line, if there is one.
fn error(evidence: &Evidence, lines: &[&str], at: usize) -> Option<Trace> {
    let line = lines[at].trim_end();
    let (path, number, what, end) =
        if let Some([path, number, what]) = IN_A_LINE.iter().find_map(|expr| expr.groups(line)) {
            (path, number, what, at)
        } else if let Some([path, number]) = AFTER.groups(line) {
            (path, number, lines.get(at + 1)?.trim(), at + 1)
        } else {
            let what = BEFORE.iter().find_map(|expr| expr.group(line))?;
            let mut below = (at + 1..lines.len()).take(NEAR);
            let (end, [path, number]) =
                below.find_map(|below| Some((below, WHERE.groups(lines[below])?)))?;
            (path, number, what, end)
        };
    let place = Some(evidence.place(path, number));
    let text = format!("it does not compile: {what}");
    Some(Trace { begin: at, at, text, place, next: None, end })
}
