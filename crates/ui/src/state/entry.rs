//! An entry of the journal, laid out for the width of the screen.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::journal::read::cursor::Position;
use crate::journal::search::styled::Row;
use crate::model::time::Timestamp;

/// How far tabs are apart.
const TAB: usize = 8;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Output of a process.
    Output,
    /// A start, an end, or a message of the supervisor; wrapped between words.
    Note,
    /// Such a message that says why a process has failed.
    Failure,
}

/// An entry of the journal.
#[derive(Debug, Clone)]
pub struct LogEntry {
    pub position: Position,
    /// When it was printed.
    pub time: Timestamp,
    /// The process that printed it, or that it is about.
    pub name: Option<String>,
    /// The xterm colour of that process.
    pub color: u8,
    /// The number of the life; 0 for none.
    pub life: u32,
    /// What it is.
    pub kind: EntryKind,
    /// Its rows, with styles.
    pub rows: Vec<Row>,
    /// Where each line of the screen begins.
    lines: Vec<ScreenLine>,
    form: Option<Form>,
}

/// How entries are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Columns for the text.
    pub columns: usize,
    /// Whether long lines are wrapped.
    pub wrap: bool,
}

/// The part of an entry that takes one line of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScreenLine {
    pub row: usize,
    /// The run of the row in which it begins.
    pub run: usize,
    /// The byte of that run.
    pub byte: usize,
    /// The column of the row; tabs are measured from its beginning.
    pub column: usize,
    /// The column at which the next line begins, if the row has another one.
    pub until: Option<usize>,
}

impl LogEntry {
    /// An entry, not laid out yet.
    pub fn new(position: Position, time: Timestamp, kind: EntryKind, rows: Vec<Row>) -> Self {
        let (name, color, life) = (None, 7, 0);
        Self { position, time, name, color, life, kind, rows, lines: vec![], form: None }
    }

    pub fn lay_out(&mut self, form: Form) {
        if self.form == Some(form) {
            return;
        }
        self.form = Some(form);
        self.lines.clear();
        let by_words = self.kind != EntryKind::Output;
        for (number, row) in self.rows.iter().enumerate() {
            lay_out(row, number, form, by_words, &mut self.lines);
        }
    }

    /// Where its lines on the screen begin.
    pub fn lines(&self) -> &[ScreenLine] {
        &self.lines
    }

    /// Its text, one line for each row.
    pub fn text(&self) -> String {
        let rows = self.rows.iter().map(text_of);
        rows.collect::<Vec<_>>().join("\n")
    }

    /// How much memory it takes, roughly.
    pub fn size(&self) -> usize {
        let runs = self.rows.iter().flatten();
        size_of::<Self>() + runs.map(|run| run.text.len() + size_of_val(run)).sum::<usize>()
    }
}

pub fn text_of(row: &Row) -> String {
    row.iter().map(|run| run.text.as_str()).collect()
}

/// The width of a grapheme that begins at this column.
pub fn width_at(grapheme: &str, column: usize) -> usize {
    match grapheme {
        "\t" => TAB - column % TAB,
        grapheme => grapheme.width(),
    }
}

fn lay_out(row: &Row, number: usize, form: Form, by_words: bool, lines: &mut Vec<ScreenLine>) {
    lines.push(ScreenLine { row: number, ..ScreenLine::default() });
    if !form.wrap || form.columns == 0 {
        return;
    }
    // Mostly, the bytes of a row are fewer than the columns.
    let bytes: usize = row.iter().map(|run| run.text.len()).sum();
    if bytes <= form.columns && row.iter().all(|run| !run.text.contains('\t')) {
        return;
    }
    let (mut column, mut begun) = (0, 0);
    // Where the last word begins.
    let (mut word, mut was_blank) = (None, false);
    for (at, run) in row.iter().enumerate() {
        for (byte, grapheme) in run.text.grapheme_indices(true) {
            let mut width = width_at(grapheme, column);
            let here = ScreenLine { row: number, run: at, byte, column, until: None };
            let is_blank = grapheme == " ";
            if by_words && was_blank && !is_blank {
                word = Some(here);
            }
            was_blank = is_blank;
            // A line that consists of one wide character is as narrow as it can be.
            if column + width > begun + form.columns && column > begun {
                if grapheme == "\t" {
                    // The rest of a tab does not begin the next line.
                    width = (begun + form.columns).saturating_sub(column);
                    column += width;
                    continue;
                }
                // A word that fits into a line is not divided.
                let whole = word.take().filter(|word| column - word.column < form.columns / 2);
                let line = whole.unwrap_or(here);
                if let Some(last) = lines.last_mut() {
                    last.until = Some(line.column);
                }
                lines.push(line);
                begun = line.column;
            }
            column += width;
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{EntryKind, Form, LogEntry};
    use crate::journal::read::cursor::Position;
    use crate::journal::search::styled::Run;
    use crate::model::terminal::sgr::Sgr;
    use crate::model::time::Timestamp;

    fn begins(runs: &[&str], columns: usize, wrap: bool) -> Vec<(usize, usize)> {
        let run = |text: &&str| Run { text: (*text).to_owned(), style: Sgr::default() };
        let row = runs.iter().map(run).collect();
        let mut entry =
            LogEntry::new(Position::default(), Timestamp::EPOCH, EntryKind::Output, vec![row]);
        entry.lay_out(Form { columns, wrap });
        entry.lines().iter().map(|line| (line.run, line.byte)).collect()
    }

    #[test]
    fn a_long_row_takes_several_lines() {
        assert_eq!(begins(&["abcdef"], 6, true), [(0, 0)]);
        assert_eq!(begins(&["abcdefg"], 6, true), [(0, 0), (0, 6)]);
        assert_eq!(begins(&["abcdefg"], 6, false), [(0, 0)]);
        assert_eq!(begins(&["abc", "defg", "h"], 3, true), [(0, 0), (1, 0), (1, 3)]);
        assert_eq!(begins(&[], 3, true), [(0, 0)]);
    }

    #[test]
    fn messages_are_wrapped_between_words() {
        let lines = |text: &str, columns| {
            let row = vec![Run { text: text.to_owned(), style: Sgr::default() }];
            let mut entry =
                LogEntry::new(Position::default(), Timestamp::EPOCH, EntryKind::Note, vec![row]);
            entry.lay_out(Form { columns, wrap: true });
            let (lines, ends) = (entry.lines(), entry.lines().iter().map(|line| line.until));
            let begins = lines.iter().skip(1).map(|line| Some(line.column)).chain([None]);
            assert!(ends.eq(begins), "each ends where the next begins");
            lines.iter().map(|line| line.byte).collect::<Vec<_>>()
        };
        assert_eq!(lines("one two three", 8), [0, 8]);
        assert_eq!(lines("one two three", 10), [0, 8]);
        assert_eq!(lines("a verylongwordofonly", 8), [0, 8, 16], "no better than in the middle");
    }

    #[test]
    fn wide_characters_and_tabs_are_measured() {
        assert_eq!(begins(&["日本語"], 4, true), [(0, 0), (0, 6)]);
        assert_eq!(begins(&["日本語"], 1, true), [(0, 0), (0, 3), (0, 6)], "too narrow");
        assert_eq!(begins(&["日\tx"], 1, true), [(0, 0), (0, 4)], "a tab after it");
        assert_eq!(begins(&["a\tbc"], 9, true), [(0, 0), (0, 3)]);
        assert_eq!(begins(&["abc\td"], 5, true), [(0, 0), (0, 4)]);
        assert_eq!(begins(&["e\u{301}e\u{301}e\u{301}"], 2, true), [(0, 0), (0, 6)]);
    }
}
