//! `tmo logs --max-bytes`: a part of the log that is bounded in bytes, and the places at which it goes on.

use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::reach::log::unreadable;
use crate::journal::read::cursor::Position;
use crate::journal::read::index::IndexReader;
use crate::journal::search::entry::Among;
use crate::journal::search::page::{Pager, Want};
use crate::journal::search::place::share;
use crate::journal::search::plan::LogPlan;
use crate::journal::search::select::Kept;
use crate::model::units;
use crate::view::reading::Form;

/// Stands for the rest of a line that is longer than all that may be shown.
const CUT: &str = "… (the rest of this line is left out)\n";

/// A part of the log.
#[derive(Debug, Default)]
pub(super) struct Excerpt {
    /// Its lines.
    pub(super) text: Vec<u8>,
    /// What was left out before it: how many bytes of output, and the `--before` that shows it.
    pub(super) earlier: Option<(u64, Position)>,
    /// Whether lines after it were left out: only with `--after`, since otherwise the last lines are there.
    pub(super) more: bool,
    /// The `--after` that shows what comes later; `None` in an empty log.
    pub(super) next: Option<Position>,
}

/// How much of the log, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// At most this many bytes.
    pub(super) bytes: usize,
    /// At most this many lines.
    pub(super) lines: Option<usize>,
    /// What is before this place, instead of before the end.
    pub(super) before: Option<Position>,
}

impl Excerpt {
    /// What fits of what a plan selects: the first lines if they are those after a place, otherwise the last ones.
    /// `form` makes the form in which they are shown.
    pub(super) fn read(
        index: IndexReader,
        plan: LogPlan,
        bounds: Bounds,
        form: impl Fn() -> Form,
    ) -> Result<Self, CliError> {
        let LogPlan { filter, selection, from, upto, .. } = plan;
        let after = selection.after;
        let end = Position::at(upto);
        let end = bounds.before.map_or(end, |before| before.min(end));
        let most = bounds.lines.unwrap_or(usize::MAX).min(bounds.bytes).max(1);
        let mut pager = Pager::new(index, filter.clone());
        let mut found: Vec<Kept> = vec![];
        let mut at = if after.is_some() { from } else { end };
        let (is_all, pieces) = loop {
            // What is shown of an entry may be longer or shorter than its text.
            let want = Want {
                bytes: bounds.bytes,
                pattern: selection.pattern.clone(),
                ..Want::entries(most - found.len())
            };
            let step = match after {
                Some(_) => pager.down(at, end.record, &want),
                None => pager.up(at, from, &want),
            };
            let mut step = step.map_err(unreadable)?;
            step.entries.retain(|kept| {
                let entry = kept.entry();
                selection.covers(&entry) && selection.is_after(&entry)
            });
            match after {
                Some(_) => found.append(&mut step.entries),
                None => _ = found.splice(0..0, step.entries),
            }
            at = step.reached;
            let pieces = pieces_of(&found, form(), bounds.bytes);
            let shown: usize = pieces.iter().map(|(_, piece)| piece.len()).sum();
            if step.end || shown >= bounds.bytes || found.len() >= most {
                break (step.end, pieces);
            }
        };
        let shown = match after {
            Some(_) => 0..fitting(pieces.iter(), bounds.bytes),
            None => pieces.len() - fitting(pieces.iter().rev(), bounds.bytes)..pieces.len(),
        };
        let is_all = is_all && shown.len() == pieces.len();
        let pieces = &pieces[shown];
        let (first, last) =
            (pieces.first().map(|piece| piece.0), pieces.last().map(|piece| piece.0));
        let last_record = upto.saturating_sub(1);
        let record = pager.index().get(last_record).map_err(unreadable)?;
        let behind_all =
            Position { record: last_record, skip: record.map_or(0, |record| record.len) };
        // The last line says the same as long as every line counts, and is shorter.
        let shown = if selection.pattern.is_none() { last.or(after) } else { None };
        let behind_all = shown.or(Some(behind_all));
        let behind_all = behind_all.filter(|_| upto > 0);
        let goes_to_the_end = if after.is_some() { is_all } else { bounds.before.is_none() };
        let earlier = match first.filter(|_| after.is_none() && !is_all) {
            Some(first) => {
                let range = (from.record, upto);
                let share = share(pager.index(), &filter, range, first).map_err(unreadable)?;
                Some((share.before, first))
            }
            None => None,
        };
        let text = pieces.iter().flat_map(|(_, piece)| piece).copied().collect();
        Ok(Self {
            text,
            earlier,
            more: after.is_some() && !is_all,
            next: if goes_to_the_end { behind_all } else { last.or(after) },
        })
    }

    /// What to say below it: what is left out, and how to read it.
    pub(super) fn remarks(&self) -> Option<String> {
        let earlier = self.earlier.map(|(bytes, at)| {
            let size = match bytes {
                0 => String::new(),
                _ => format!(" ({} of output)", units::bytes(bytes)),
            };
            format!("what is before this{size} is left out: `--before {at}` shows it")
        });
        let what = if self.more { "there is more" } else { "what comes later" };
        let next = self.next.map(|at| format!("{what}: `--after {at}`"));
        let said: Vec<_> = earlier.into_iter().chain(next).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// What is shown of an entry, and its place.
type Piece = (Position, Vec<u8>);

/// What is shown of these entries; of a single one at most this many bytes.
fn pieces_of(found: &[Kept], mut form: Form, most: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![];
    for kept in found {
        let (entry, mut piece) = (kept.entry(), vec![]);
        form.show(&entry, Among::default(), &mut piece);
        if piece.len() > most {
            piece = match form {
                Form::Json(_) => shortened(&piece, most).unwrap_or(piece),
                Form::Merged(_) | Form::Raw => cut(piece, most),
            };
        }
        pieces.push((entry.position, piece));
    }
    if let Some((_, last)) = pieces.last_mut() {
        form.finish(last);
    }
    pieces
}

/// How many of these pieces fit; at least one.
fn fitting<'a>(pieces: impl Iterator<Item = &'a Piece>, most: usize) -> usize {
    let mut bytes = 0;
    let fits = |(_, piece): &&Piece| {
        bytes += piece.len();
        bytes <= most
    };
    let mut pieces = pieces.peekable();
    let any = usize::from(pieces.peek().is_some());
    pieces.take_while(fits).count().max(any)
}

/// The beginning of a line that is longer than all that may be shown.
fn cut(text: Vec<u8>, most: usize) -> Vec<u8> {
    match text.get(..most) {
        Some(first) if text.len() > most => {
            let first = String::from_utf8_lossy(first);
            (first.trim_end_matches('\u{fffd}').to_owned() + CUT).into_bytes()
        }
        Some(_) | None => text,
    }
}

/// A line as JSON, with the first bytes of its text.
fn shortened(line: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut line: Value = serde_json::from_slice(line).ok()?;
    let text = line.get_mut("text")?;
    *text =
        String::from_utf8(cut(text.as_str()?.as_bytes().to_vec(), most)).ok()?.trim_end().into();
    Some((line.to_string() + "\n").into_bytes())
}
