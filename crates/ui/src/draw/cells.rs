//! Puts text into cells.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::journal::search::styled::Row;
use crate::model::terminal::sgr::Sgr;
use crate::state::entry::{ScreenLine, width_at};

/// Put text at a place, at most `width` columns; returns the column after it.
pub(super) fn put(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    width: u16,
    text: &str,
    style: Style,
) -> u16 {
    if width == 0 || !buffer.area.contains((x, y).into()) {
        return x;
    }
    buffer.set_stringn(x, y, text, usize::from(width), style).0
}

/// Put text at the right end of an area; returns the column before it.
pub(super) fn put_right(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    use unicode_width::UnicodeWidthStr as _;
    let width = u16::try_from(text.width()).unwrap_or(u16::MAX).min(area.width);
    let x = area.right() - width;
    put(buffer, (x, area.y), width, text, style);
    x
}

/// Fill an area with blanks.
pub(super) fn clear(buffer: &mut Buffer, area: Rect) {
    for position in area.positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            cell.reset();
        }
    }
}

/// Set the style of a part of a line.
pub(super) fn restyle(buffer: &mut Buffer, area: Rect, style: Style) {
    buffer.set_style(area.intersection(buffer.area), style);
}

/// The part of a row that is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPart {
    /// Where it begins.
    pub(super) from: ScreenLine,
    /// How many columns of it are hidden.
    pub(super) left: usize,
}

/// Draw a part of a row into one line. `style` gives the style of a byte of the row's text, whose own style
/// is given.
pub(super) fn put_row(
    buffer: &mut Buffer,
    area: Rect,
    row: &Row,
    part: RowPart,
    style: impl Fn(usize, Sgr) -> Style,
) {
    let begin = part.from.column + part.left;
    let end = begin + usize::from(area.width);
    let end = part.from.until.map_or(end, |until| until.min(end));
    let mut column = part.from.column;
    let mut offset: usize = row.iter().take(part.from.run).map(|run| run.text.len()).sum();
    for (at, run) in row.iter().enumerate().skip(part.from.run) {
        let first = if at == part.from.run { part.from.byte } else { 0 };
        for (byte, grapheme) in run.text[first..].grapheme_indices(true) {
            let width = width_at(grapheme, column);
            if column + width > end && grapheme != "\t" || column >= end {
                return;
            }
            if column + width > begin && width > 0 {
                let style = style(offset + first + byte, run.style);
                // A wide character or a tab may begin in the hidden part.
                let x = column.max(begin) - begin;
                let x = area.x + u16::try_from(x).unwrap_or(0);
                if grapheme == "\t" || column < begin {
                    let cells = (column + width).min(end) - column.max(begin);
                    let blanks = " ".repeat(cells);
                    buffer.set_stringn(x, area.y, blanks, cells, style);
                } else {
                    buffer.set_stringn(x, area.y, grapheme, width, style);
                }
            }
            column += width;
        }
        offset += run.text.len();
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use ratatui_core::buffer::{Buffer, Cell};
    use ratatui_core::layout::Rect;
    use ratatui_core::style::Style;

    use super::{RowPart, put_row};
    use crate::journal::search::styled::Run;
    use crate::model::terminal::sgr::Sgr;
    use crate::state::entry::ScreenLine;

    fn drawn(text: &str, from: ScreenLine, left: usize, width: u16) -> String {
        let area = Rect::new(0, 0, width, 1);
        let mut buffer = Buffer::empty(area);
        let row = vec![Run { text: text.to_owned(), style: Sgr::default() }];
        put_row(&mut buffer, area, &row, RowPart { from, left }, |_, _| Style::new());
        buffer.content().iter().map(Cell::symbol).collect()
    }

    #[test]
    fn a_row_is_cut_at_both_ends() {
        let start = ScreenLine::default();
        assert_eq!(drawn("abcdef", start, 0, 4), "abcd");
        assert_eq!(drawn("abcdef", start, 2, 3), "cde");
        assert_eq!(drawn("a\tb", start, 0, 10), "a       b ");
        assert_eq!(drawn("a\tb", start, 4, 6), "    b ");
        let later = ScreenLine { byte: 3, column: 3, ..start };
        assert_eq!(drawn("abcdef", later, 0, 9), "def      ");
        assert_eq!(drawn("日本", start, 1, 3), " 本 ", "half a wide character is blank");
        assert_eq!(drawn("a日", start, 0, 2), "a ");
        let until_word = ScreenLine { until: Some(8), ..start };
        assert_eq!(
            drawn("one two three", until_word, 0, 11),
            "one two    ",
            "the rest is on the next line"
        );
    }
}
