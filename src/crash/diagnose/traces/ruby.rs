//! ``app.rb:3:in `run': text (NoMethodError)``, and where from: `\tfrom app.rb:9:in …`.

use super::{Trace, texts};
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;

static HEAD: Expr = Expr::new(r"^(\S+?):(\d+):in [`'](.+?)': (.+ \([A-Z][\w:]*\))$");
/// Where nothing calls: `app.rb:3: syntax error …`, with `(SyntaxError)` behind it or not.
static BARE: Expr =
    Expr::new(r"^(\S+\.rb):(\d+): (.+ \((?:SyntaxError|[A-Z]\w*Error)\)|syntax error.*)$");
static FRAME: Expr = Expr::new(r"^\s+(?:\d+: )?from (\S+?):(\d+):in ");

const STRANGE: [&str; 5] = ["/gems/", "/lib/ruby/", "<internal:", "/rubygems/", "/bundler/"];

/// The last exception: of those that led to each other, the innermost comes last.
pub(super) fn last(evidence: &Evidence) -> Option<Trace> {
    let lines = texts(evidence);
    let at = lines.iter().rposition(|line| HEAD.finds(line) || BARE.finds(line))?;
    let frames = lines[at + 1..].iter().take_while(|line| FRAME.finds(line)).count();
    let end = at + frames;
    let (head, text) = if let Some(found) = HEAD.captures(lines[at]) {
        ((found[1].to_owned(), found[2].to_owned()), found[4].to_owned())
    } else {
        let found = BARE.captures(lines[at])?;
        ((found[1].to_owned(), found[2].to_owned()), found[3].to_owned())
    };
    let frames = lines[at + 1..=end].iter().filter_map(|line| FRAME.captures(line));
    let frames = frames.map(|found| (found[1].to_owned(), found[2].to_owned()));
    let mut all = std::iter::once(head).chain(frames);
    let place = all.find(|(path, _)| evidence.is_own(path, &STRANGE));
    let place = place.map(|(path, line)| evidence.place(&path, &line));
    Some(Trace { begin: at, at, text, place, next: None, end })
}
