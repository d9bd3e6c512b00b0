//! `panic: text`, `goroutine 1 [running]:`, and the place: `\t/app/main.go:12 +0x1d`.

use super::{Trace, last_of};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(r"^(?:panic: .+|fatal error: .+)$");
static FRAME: Expr = Expr::new(r"^\s+(/\S+\.go|[A-Z]:/\S+\.go|\S+\.go):(\d+)(?: \+0x[0-9a-f]+)?$");
static ROUTINE: Expr = Expr::new(r"^goroutine \d+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[");

const STRANGE: [&str; 5] = ["/go/src/", "/pkg/mod/", "/go/pkg/", "/libexec/src/", "/vendor/"];

/// The last panic: the first panic value in it, and the first frame of its goroutine.
pub(super) fn last(evidence: &Evidence, lines: &[&str]) -> Option<Trace> {
    let at = last_of(lines, &HEAD)?;
    let rest = &lines[at + 1..];
    // Without goroutines it is not a panic of Go.
    let routine = rest.iter().take(12).position(|line| ROUTINE.finds(line))?;
    let frames = rest.iter().enumerate().skip(routine + 1);
    let frames = frames.filter_map(|(at, line)| Some((at, FRAME.groups(line)?)));
    let mut place = None;
    let mut end = at + 1 + routine;
    // The frames of deferred functions that recover come before the frame that panicked.
    let own = rest.iter().skip(routine + 1).take_while(|line| !line.trim().is_empty());
    let panicked = own.enumerate().filter(|(_, line)| line.starts_with("panic(")).last();
    let from = panicked.map_or(0, |(offset, _)| routine + 1 + offset + 2);
    for (offset, [path, line]) in frames {
        end = at + 1 + offset;
        if offset >= from && place.is_none() {
            place = evidence.own_place(path, line, &STRANGE);
        }
    }
    let text = lines[at].trim_end().trim_end_matches(" [recovered]");
    Some(Trace { begin: at, at, text: text.to_owned(), place, next: None, end })
}
