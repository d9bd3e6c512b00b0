//! `Traceback (most recent call last):`

use super::{Trace, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

const HEAD: &str = "Traceback (most recent call last):";
const CAUSED: &str = "The above exception was the direct cause of the following exception:";
const DURING: &str = "During handling of the above exception, another exception occurred:";

static FRAME: Expr = Expr::new(r#"^\s*(?:\| )?File "(.+)", line (\d+)"#);
/// `ValueError: text`, `app.errors.Broken`, `requests.exceptions.ConnectionError: …`.
static ERROR: Expr = Expr::new(r"^(?:[A-Za-z_][\w]*\.)*[A-Za-z_]\w*(?::\s.*|:?)$");

/// If the main program itself does not compile, there is no traceback.
static SYNTAX: Expr = Expr::new(r"^(?:SyntaxError|IndentationError|TabError): ");
/// How many lines before that error its place may be.
const NEAR: usize = 6;

const GROUP: &str = "Exception Group Traceback (most recent call last):";
/// The bars before the lines of an exception group, and the separators between its exceptions.
static BARS: Expr = Expr::new(r"^(?:\s*\|)+ ?(.*)$");
static NEXT: Expr = Expr::new(r"^\s+\+(?:-\+)?-{4,}(?: (\d+|\.{3}) -+)?$");
static MEMBERS: Expr = Expr::new(r"\((\d+) sub-exceptions?\)");

const STRANGE: [&str; 3] = ["site-packages", "dist-packages", "/lib/python"];

/// The last traceback. In a chain by `raise … from`, the first one; in a group, its first
/// exception.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let all = [grouped(evidence, lines), traced(evidence, lines), syntax(evidence, lines)];
    // Of those that end at the same line, prefer the first: in a group each exception has its own
    // traceback.
    all.into_iter().flatten().rev().max_by_key(|trace| trace.end)
}

fn syntax(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at = last_of(lines, &SYNTAX)?;
    let from = at.saturating_sub(NEAR);
    let begin = from + last_of(&lines[from..at], &FRAME)?;
    let [path, line] = FRAME.groups(lines[begin])?;
    let place = evidence.own_place(path, line, &STRANGE);
    let text = lines[at].trim_end().to_owned();
    Some(Trace { begin, at, text, place, next: None, end: at })
}

/// The first exception of the last group that is not itself a group.
fn grouped(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let root = |line: &&str| line.strip_prefix("  + ").is_some_and(|rest| rest.trim_end() == GROUP);
    let begin = lines.iter().rposition(root)?;
    let end = begin
        + lines[begin + 1..].iter().take_while(|line| BARS.finds(line) || NEXT.finds(line)).count();
    let members = lines[begin..=end].iter().find_map(|line| MEMBERS.group(line))?;
    let group = |line: &&str| line.trim_end().ends_with(GROUP) || MEMBERS.finds(line);
    let from = (begin + 1..=end)
        .find(|at| NEXT.finds(lines[*at]) && lines.get(at + 1).is_some_and(|line| !group(line)))?
        + 1;
    let mut place = None;
    let mut error = None;
    for (at, line) in lines.iter().enumerate().take(end + 1).skip(from) {
        let text = BARS.group(line).unwrap_or_default().trim_end();
        if NEXT.finds(line) {
            break;
        } else if let Some([path, line]) = FRAME.groups(text) {
            place = evidence.own_place(path, line, &STRANGE).or(place);
        } else if text == DURING {
            (place, error) = (None, None);
        } else if error.is_none() && text != HEAD && ERROR.finds(text) {
            error = Some((at, text.to_owned()));
        }
    }
    let (at, text) = error?;
    let text = if members == "1" { text } else { format!("{text} (the first of {members})") };
    Some(Trace { begin, at, text, place, next: None, end })
}

fn traced(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let mut head = lines.iter().rposition(|line| line.trim_end().ends_with(HEAD))?;
    let outer = block(evidence, lines, head)?;
    let mut inner = outer.clone();
    while let Some(before) = caused_by(lines, head) {
        let Some(trace) = block(evidence, lines, before) else { break };
        (inner, head) = (trace, before);
    }
    Some(Trace { end: outer.end, place: inner.place.or(outer.place), ..inner })
}

/// The head of the traceback that is the direct cause of this one.
fn caused_by(lines: &[&str], head: usize) -> Option<usize> {
    let link = lines[..head].iter().rposition(|line| !line.trim().is_empty())?;
    let linked = lines[link].trim() == CAUSED;
    linked.then(|| lines[..link].iter().rposition(|line| line.trim_end().ends_with(HEAD)))?
}

fn block(evidence: &Evidence, lines: &[&str], head: usize) -> Option<Trace> {
    // A logger may have printed a prefix before it, and then before all its lines.
    let mark = lines[head].trim_end().strip_suffix(HEAD).unwrap_or("");
    // One that only its head has, such as the `^C` of a terminal, is none.
    let is_alone = !mark.trim().is_empty() && lines.get(head + 1).is_some_and(|l| FRAME.finds(l));
    let prefix = if is_alone { 0 } else { mark.len() };
    let mut place = None;
    for (at, line) in lines.iter().enumerate().skip(head + 1) {
        let text = line.get(prefix..).unwrap_or(line);
        if let Some([path, line]) = FRAME.groups(text) {
            place = evidence.own_place(path, line, &STRANGE).or(place);
        } else if text.trim() == DURING || text.trim() == CAUSED {
            return None;
        } else if !text.starts_with([' ', '\t']) && ERROR.finds(text.trim_end()) {
            let text = text.trim_end().to_owned();
            return Some(Trace { begin: head, at, text, place, next: None, end: at });
        }
    }
    None
}
