//! Tables for human readers, as wide as their contents. On a terminal that is narrower, the last column is wrapped.

use std::io::stdout;

use crate::view::screen::window_size;

/// The widest column. A longer cell is printed whole, but the other lines are not padded to it: the
/// table would be as large as its longest cell times its number of lines.
const WIDEST: usize = 200;

/// The narrowest column that is wrapped. If less is left of the terminal, the text has lines of its own.
const NARROWEST: usize = 20;

/// The indent of text that has lines of its own.
const INDENT: usize = 4;

/// The SGR sequence of an error.
pub(in crate::cli) const RED: Option<&str> = Some("\x1b[31m");

/// A row of a table with a column that has colours.
pub(in crate::cli) struct TableRow {
    pub(in crate::cli) cells: Vec<String>,
    /// The colour of its cell in that column.
    pub(in crate::cli) color: Option<&'static str>,
}

/// A table of `tmo fleet`, for which each host has rows.
pub(in crate::cli) struct FleetTable {
    pub(in crate::cli) heads: Vec<&'static str>,
    /// The column with the state, which has colours.
    pub(in crate::cli) state: usize,
    pub(in crate::cli) rows_of: RowsOfHost,
}

/// The rows of the host with this name, from the JSON that its verb has printed.
type RowsOfHost = Box<dyn Fn(&str, &[u8]) -> serde_json::Result<Vec<TableRow>>>;

/// The width of standard output, if it is a terminal.
pub(in crate::cli) fn terminal_width() -> Option<usize> {
    window_size(stdout()).map(|(columns, _)| usize::from(columns))
}

/// The lines of a table with these headers, for standard output; the last column is not padded.
pub(in crate::cli) fn table<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows = rows.into_iter().map(|cells| TableRow { cells: cells.into(), color: None });
    painted(&heads, &rows.collect::<Vec<_>>(), None, terminal_width())
}

/// The same with colours in a column, for a terminal of this width or, if there is none, of any width.
pub(in crate::cli) fn painted(
    heads: &[&str],
    rows: &[TableRow],
    painted: Option<usize>,
    width: Option<usize>,
) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all = [&heads[..]].into_iter().chain(rows.iter().map(|row| &row.cells[..]));
    let widths = widths(all, WIDEST);
    let rows = rows.iter().map(|row| {
        let cells = wrapped(&row.cells, &widths, width);
        line(&cells, &widths, |column| row.color.filter(|_| painted == Some(column)))
    });
    [line(&heads, &widths, |_| None)].into_iter().chain(rows).collect()
}

/// The lines of these rows, with no column except the last padded beyond this width.
pub(in crate::cli) fn columns<const N: usize>(rows: &[[String; N]], widest: usize) -> String {
    let widths = widths(rows.iter().map(|row| &row[..]), widest);
    rows.iter().map(|row| line(row, &widths, |_| None)).collect()
}

fn widths<'r>(rows: impl Iterator<Item = &'r [String]>, widest: usize) -> Vec<usize> {
    let mut widths = vec![];
    for row in rows {
        widths.resize(row.len(), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().min(widest).max(*width);
        }
    }
    widths
}

/// The cells of a row; if it is wider than this, the last one with line breaks between its words.
fn wrapped(cells: &[String], widths: &[usize], width: Option<usize>) -> Vec<String> {
    let (Some(width), Some((last, others))) = (width, cells.split_last()) else {
        return cells.to_vec();
    };
    let padded = others.iter().zip(widths);
    let before: usize = padded.map(|(cell, &width)| cell.chars().count().max(width) + 2).sum();
    if before + last.chars().count() <= width {
        return cells.to_vec();
    }
    let longest = last.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
    let room = width.saturating_sub(before);
    let fits = room >= longest.max(NARROWEST);
    let (indent, room) = if fits { (before, room) } else { (INDENT, width.saturating_sub(INDENT)) };
    let next_line = format!("\n{}", " ".repeat(indent));
    let mut text = if fits { String::new() } else { next_line.clone() };
    let mut used = 0;
    for word in last.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            text += &next_line;
            used = 0;
        } else if used > 0 {
            text.push(' ');
            used += 1;
        }
        text += word;
        used += length;
    }
    [others, &[text]].concat()
}

fn line(
    cells: &[String],
    widths: &[usize],
    paint: impl Fn(usize) -> Option<&'static str>,
) -> String {
    let mut line = String::new();
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        if cell.starts_with('\n') {
            line.truncate(line.trim_end().len());
        }
        let blanks = " ".repeat(width.saturating_sub(cell.chars().count()) + 2);
        match paint(column) {
            Some(color) => line.extend([color, cell, "\x1b[0m", &blanks]),
            None => line.extend([&**cell, &blanks]),
        }
    }
    line.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::{TableRow, painted};

    fn table<const N: usize>(
        heads: [&str; N],
        rows: &[[String; N]],
        width: Option<usize>,
    ) -> String {
        let rows = rows.iter().map(|cells| TableRow { cells: cells.to_vec(), color: None });
        painted(&heads, &rows.collect::<Vec<_>>(), None, width)
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["wéb", "1", "a b"], ["worker", "23", ""]].map(|row| row.map(str::to_owned));
        let expected = "NAME    N   WORDS\nwéb     1   a b\nworker  23\n";
        assert_eq!(table(["NAME", "N", "WORDS"], &rows, None), expected);
    }

    #[test]
    fn the_last_column_is_wrapped_at_words_on_a_narrow_terminal() {
        let note = "db ended with code 1; `tmo start web` starts it";
        let rows = [["web", note], ["a", "b"]].map(|row| row.map(str::to_owned));
        let heads = ["NAME", "NOTE"];
        let whole = format!("NAME  NOTE\nweb   {note}\na     b\n");
        assert_eq!(table(heads, &rows, None), whole);
        assert_eq!(table(heads, &rows, Some(6 + note.len())), whole);
        let in_column = "\
NAME  NOTE
web   db ended with code 1; `tmo
      start web` starts it
a     b
";
        assert_eq!(table(heads, &rows, Some(35)), in_column);
        let below = "\
NAME  NOTE
web
    db ended with code
    1; `tmo start web`
    starts it
a     b
";
        assert_eq!(table(heads, &rows, Some(23)), below);
        let word = [["web".to_owned(), "x".repeat(30)]];
        let text = table(heads, &word, Some(35));
        assert_eq!(text, format!("NAME  NOTE\nweb\n    {}\n", "x".repeat(30)), "it fits there");
    }

    #[test]
    fn a_cell_may_have_any_length() {
        let long = "x".repeat(70_000);
        let text = table(["NAME", "N"], &[[long.clone(), "1".to_owned()]], None);
        assert!(text.ends_with(&format!("{long}  1\n")), "{}", text.len());
        // A longer cell does not widen the other lines.
        let short = std::iter::repeat_n(["x".to_owned(), "1".to_owned()], 100);
        let rows: Vec<_> = short.chain([[long, "1".to_owned()]]).collect();
        let text = table(["NAME", "N"], &rows, None);
        assert!(text.len() < 100_000, "{}", text.len());
    }
}
