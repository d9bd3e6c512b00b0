//! `thread 'main' panicked at src/main.rs:4:5:`, and `Error: …` with `Caused by:`.

use super::{Trace, first_own, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

/// Since 1.73 the message is in the next line.
static PANIC: Expr =
    Expr::new(r"^thread '[^']*'(?: \(\d+\))? panicked at ([^\s']\S*?):(\d+):\d+:$");
static OLD: Expr = Expr::new(r"^thread '[^']*' panicked at '(.*)', (\S+?):(\d+):\d+$");
static FRAME: Expr = Expr::new(r"^\s+at (\S+\.rs):(\d+)(?::\d+)?$");
static ERROR: Expr = Expr::new(r"^Error: (.+)$");
static LINK: Expr = Expr::new(r"^\s+(?:\d+: )?(\S.*)$");

/// The `unwrap` error for joining a panicked thread, or for a lock that was held during a panic.
static JOINED: Expr = Expr::new(r"`Err` value: (?:Any \{ \.\. \}|PoisonError \{)");

const STRANGE: [&str; 4] = ["/rustc/", "/.cargo/", "/rustlib/", "/registry/src/"];

/// The last panic, or the last error that `main` returned.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let both = [panicked(evidence, lines), returned(lines)];
    both.into_iter().flatten().max_by_key(|trace| trace.end)
}

/// The last panic. If that only passes on the panic of another thread, the panic of that thread.
fn panicked(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let last = panic(evidence, lines)?;
    if !JOINED.finds(&last.text) {
        return Some(last);
    }
    let Some(first) = panic(evidence, &lines[..last.begin]) else { return Some(last) };
    Some(Trace { end: last.end, ..first })
}

fn panic(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let head = lines.iter().rposition(|line| PANIC.finds(line) || OLD.finds(line))?;
    let (at, message, place) = if let Some(place) = PANIC.groups(lines[head]) {
        let at = (head + 1).min(lines.len() - 1);
        (at, lines[at], place)
    } else {
        let [message, path, line] = OLD.groups(lines[head])?;
        (head, message, [path, line])
    };
    let rest = &lines[at..];
    let frames = rest.iter().filter_map(|line| FRAME.groups(line));
    let place = first_own(evidence, [place].into_iter().chain(frames), &STRANGE);
    let tail = |line: &&str| FRAME.finds(line) || line.starts_with("note: ");
    let end = rest.iter().rposition(tail).map_or(at, |last| at + last);
    let text = format!("panic: {}", message.trim());
    Some(Trace { begin: head, at, text, place, next: None, end })
}

/// The format of anyhow and eyre: the last entry below `Caused by:` is the root cause.
fn returned(lines: &[&str]) -> Option<Trace> {
    let head = last_of(lines, &ERROR)?;
    let text = ERROR.group(lines[head])?.to_owned();
    let below = lines[head + 1..].iter().take(3).position(|line| line.trim() == "Caused by:");
    let Some(below) = below.map(|below| head + 1 + below) else {
        // On its own it is no more than any other line with an error, unless it has Rust's debug
        // format.
        let debug = text.contains(" { ") || text.contains('(');
        let alone = Trace { begin: head, at: head, text, place: None, next: None, end: head };
        return debug.then_some(alone);
    };
    let links = lines[below + 1..].iter().take_while(|line| LINK.finds(line)).count();
    let at = below + links;
    let inner = LINK.group(lines[at]).unwrap_or(&text).trim().to_owned();
    let text = if links == 0 { text } else { format!("{text}: {inner}") };
    Some(Trace { begin: head, at, text, place: None, next: None, end: at })
}
