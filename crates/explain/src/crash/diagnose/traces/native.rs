//! Messages of C and C++ programs before they abort: assertions, exceptions, the C library,
//! sanitizers.

use super::{Trace, first_own, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

/// ``a: a.c:3: main: Assertion `x' failed.``
static ASSERTION: Expr =
    Expr::new(r"^(?:\S+: )?(\S+?):(\d+): (?:.+: )?Assertion [`'](.+)' failed\.?$");
static ASSERTION_OF_A_MAC: Expr =
    Expr::new(r"^Assertion failed: \((.+)\), function .+, file (.+), line (\d+)\.?$");
static THROWN: Expr = Expr::new(
    r"^terminate called after throwing an instance of '(.+)'$|^libc\+\+abi: terminating (?:due to|with) uncaught exception(?: of type)? (.+)$",
);
static WHAT: Expr = Expr::new(r"^\s+what\(\):\s+(.+)$");
static LIBRARY: Expr = Expr::new(
    r"^(?:\*\*\* )?((?:free|malloc|realloc|malloc_consolidate|munmap_chunk)\(\): .+|double free or corruption.*|corrupted (?:size|double-linked).*|stack smashing detected.*?|buffer overflow detected.*?)(?: \*\*\*.*)?$",
);
static SANITIZER: Expr =
    Expr::new(r"^==\d+==\s*ERROR: (\w+Sanitizer: .+?)(?: on (?:unknown )?address.*| \(pc .*)?$");
/// `    #0 0x4011 in main /srv/app/a.c:2:9`
static FRAME: Expr = Expr::new(r"^\s+#\d+ 0x[0-9a-f]+ in .+ (\S+?):(\d+)(?::\d+)?$");

const STRANGE: [&str; 6] =
    ["/usr/", "/build/", "/libsanitizer/", "/compiler-rt/", "/sysdeps/", "../csu/"];

/// The last such message.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let all =
        [assertion(evidence, lines), thrown(lines), library(lines), sanitizer(evidence, lines)];
    all.into_iter().flatten().max_by_key(|trace| trace.end)
}

fn assertion(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at =
        lines.iter().rposition(|line| ASSERTION.finds(line) || ASSERTION_OF_A_MAC.finds(line))?;
    let [path, line, what] = ASSERTION.groups(lines[at]).or_else(|| {
        let [what, path, line] = ASSERTION_OF_A_MAC.groups(lines[at])?;
        Some([path, line, what])
    })?;
    let place = evidence.own_place(path, line, &STRANGE);
    let text = format!("assertion failed: {what}");
    Some(Trace { begin: at, at, text, place, next: None, end: at })
}

fn thrown(lines: &[&str]) -> Option<Trace> {
    let at = last_of(lines, &THROWN)?;
    let kind = THROWN.group(lines[at])?;
    let what = lines.get(at + 1).and_then(|line| WHAT.group(line));
    let text = what.map_or_else(|| kind.to_owned(), |what| format!("{kind}: {what}"));
    let end = at + usize::from(what.is_some());
    Some(Trace { begin: at, at, text, place: None, next: None, end })
}

fn library(lines: &[&str]) -> Option<Trace> {
    let at = last_of(lines, &LIBRARY)?;
    let text = LIBRARY.group(lines[at])?.to_owned();
    Some(Trace { begin: at, at, text, place: None, next: None, end: at })
}

fn sanitizer(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at = last_of(lines, &SANITIZER)?;
    let text = SANITIZER.group(lines[at])?.to_owned();
    let frames = lines[at..].iter().filter_map(|line| FRAME.groups(line));
    let place = first_own(evidence, frames, &STRANGE);
    // A memory map and a legend follow, which may be long.
    let over = |line: &&str| line.starts_with("==") && line.ends_with("ABORTING");
    let end = lines[at..].iter().rposition(over).map_or(at, |offset| at + offset);
    Some(Trace { begin: at, at, text, place, next: None, end })
}
