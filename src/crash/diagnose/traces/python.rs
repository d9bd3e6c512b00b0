//! `Traceback (most recent call last):`

use super::{Trace, texts};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

const HEAD: &str = "Traceback (most recent call last):";
const CAUSED: &str = "The above exception was the direct cause of the following exception:";
const DURING: &str = "During handling of the above exception, another exception occurred:";

static FRAME: Expr = Expr::new(r#"^\s*(?:\| )?File "(.+)", line (\d+)"#);
/// `ValueError: text`, `app.errors.Broken`, `requests.exceptions.ConnectionError: …`.
static ERROR: Expr = Expr::new(r"^(?:[A-Za-z_][\w]*\.)*[A-Za-z_]\w*(?::\s.*|:?)$");

const STRANGE: [&str; 4] = ["site-packages", "dist-packages", "/lib/python", "<frozen"];

/// The last traceback; of those that led to each other by `raise … from`, the first.
pub(super) fn last(evidence: &Evidence) -> Option<Trace> {
    let lines = texts(evidence);
    let mut head = lines.iter().rposition(|line| line.trim_end().ends_with(HEAD))?;
    let outer = block(evidence, &lines, head)?;
    let mut inner = outer.clone();
    while let Some(before) = caused_by(&lines, head) {
        let Some(trace) = block(evidence, &lines, before) else { break };
        (inner, head) = (trace, before);
    }
    Some(Trace { end: outer.end, place: inner.place.or(outer.place), ..inner })
}

/// The head of the traceback that was the direct cause of this one.
fn caused_by(lines: &[&str], head: usize) -> Option<usize> {
    let link = lines[..head].iter().rposition(|line| !line.trim().is_empty())?;
    let linked = lines[link].trim() == CAUSED;
    linked.then(|| lines[..link].iter().rposition(|line| line.trim_end().ends_with(HEAD)))?
}

fn block(evidence: &Evidence, lines: &[&str], head: usize) -> Option<Trace> {
    // A logger may have put something before it, which is then before all of its lines.
    let mark = lines[head].trim_end();
    let prefix = mark.strip_suffix(HEAD).unwrap_or("").len();
    let body = |line: &'_ str| line.get(prefix..).map(str::to_owned);
    let mut place = None;
    for (at, line) in lines.iter().enumerate().skip(head + 1) {
        let text = body(line).unwrap_or_else(|| (*line).to_owned());
        let text = if prefix > 0 && !text.starts_with(' ') && FRAME.finds(line) {
            (*line).to_owned()
        } else {
            text
        };
        if let Some(found) = FRAME.captures(&text) {
            if evidence.is_own(&found[1], &STRANGE) {
                place = Some(format!("{}:{}", evidence.shown(&found[1]), &found[2]));
            }
        } else if text.trim() == DURING || text.trim() == CAUSED {
            return None;
        } else if !text.starts_with([' ', '\t']) && ERROR.finds(text.trim_end()) {
            return Some(Trace { at, text: text.trim_end().to_owned(), place, end: at });
        }
    }
    None
}
