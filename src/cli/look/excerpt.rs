//! `tmo logs --max-bytes`: a part of the log that is bounded in bytes, and the places at which it goes on.

use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::reach::log::unreadable;
use crate::journal::read::cursor::Position;
use crate::journal::read::index::IndexReader;
use crate::journal::search::entry::Among;
use crate::journal::search::lines::Entry;
use crate::journal::search::page::{Direction, Pager, Want, Way};
use crate::journal::search::place::share;
use crate::journal::search::plan::LogPlan;
use crate::journal::search::select::Kept;
use crate::model::units;
use crate::view::formatter::{Form, Formatter, LogLine};

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
    /// `formatter` makes what shows them.
    pub(super) fn read(
        index: IndexReader,
        plan: LogPlan,
        bounds: Bounds,
        formatter: impl Fn() -> Formatter,
    ) -> Result<Self, CliError> {
        let LogPlan { filter, selection, from, upto, .. } = plan;
        let after = selection.after;
        let end = Position::at(upto);
        let end = bounds.before.map_or(end, |before| before.min(end));
        let way = match after {
            Some(_) => Way { direction: Direction::Down, from, bound: end },
            None => Way { direction: Direction::Up, from: end, bound: from },
        };
        let most = bounds.lines.unwrap_or(usize::MAX).min(bounds.bytes).max(1);
        let want =
            Want { bytes: bounds.bytes, pattern: selection.pattern.clone(), ..Want::entries(most) };
        let take = |entry: &Entry<'_>| {
            let is_selected = selection.covers(entry) && selection.is_after(entry);
            Ok(is_selected.then(|| Kept::of(entry)))
        };
        let mut pager = Pager::new(index, filter.clone());
        let mut pieces = vec![];
        let gathered = pager.gather(way, &want, take, |found| {
            // What is shown of an entry may be longer or shorter than its text.
            pieces = pieces_of(found, formatter(), bounds.bytes);
            pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>() >= bounds.bytes
        });
        let is_all = gathered.map_err(unreadable)?.end;
        let shown = match after {
            Some(_) => 0..fitting(pieces.iter(), bounds.bytes),
            None => pieces.len() - fitting(pieces.iter().rev(), bounds.bytes)..pieces.len(),
        };
        let is_all = is_all && shown.len() == pieces.len();
        let pieces = &pieces[shown];
        let first = pieces.first().map(|piece| piece.0);
        let last = pieces.last().map(|piece| piece.0).or(after);
        let goes_to_the_end = if after.is_some() { is_all } else { bounds.before.is_none() };
        let next = match last {
            _ if goes_to_the_end && upto == 0 => None,
            // The last line says the same as the end as long as every line counts, and is shorter.
            Some(_) if selection.pattern.is_none() => last,
            _ if goes_to_the_end => {
                let record = upto - 1;
                let last_record = pager.index().get(record).map_err(unreadable)?;
                Some(Position { record, skip: last_record.map_or(0, |record| record.len) })
            }
            _ => last,
        };
        let earlier = match first.filter(|_| after.is_none() && !is_all) {
            Some(first) => {
                let range = (from.record, upto);
                let share = share(pager.index(), &filter, range, first).map_err(unreadable)?;
                Some((share.before, first))
            }
            None => None,
        };
        let text = pieces.iter().flat_map(|(_, piece)| piece).copied().collect();
        Ok(Self { text, earlier, more: after.is_some() && !is_all, next })
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
fn pieces_of(found: &[Kept], mut formatter: Formatter, most: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![];
    for kept in found {
        let entry = kept.entry();
        let mut piece = vec![];
        formatter.show(LogLine::Read(&entry, Among::default()), &mut piece);
        if piece.len() > most {
            piece = match formatter.form {
                Form::Json(_) => shortened(&piece, most).unwrap_or(piece),
                Form::Merged | Form::Raw => cut(piece, most),
            };
        }
        pieces.push((entry.position, piece));
    }
    if let Some((_, last)) = pieces.last_mut() {
        formatter.renderer.finish(last);
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
