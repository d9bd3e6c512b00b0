//! Tables for human readers, as wide as their contents.

/// The widest column. A longer cell is printed whole, but the other lines are not padded to it: the
/// table would be as large as its longest cell times its number of lines.
const WIDEST: usize = 200;

/// The lines of a table with these headers; the last column is not padded.
pub(super) fn table<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    painted(&heads, &rows.into_iter().collect::<Vec<_>>(), |_, _| None)
}

/// The same with colours for some cells, selected by row and column.
pub(super) fn painted<R: AsRef<[String]>>(
    heads: &[&str],
    rows: &[R],
    paint: impl Fn(usize, usize) -> Option<&'static str>,
) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let widths = widths([&heads[..]].into_iter().chain(rows.iter().map(AsRef::as_ref)), WIDEST);
    let rows = rows.iter().enumerate();
    let rows = rows.map(|(row, cells)| line(cells.as_ref(), &widths, |column| paint(row, column)));
    [line(&heads, &widths, |_| None)].into_iter().chain(rows).collect()
}

/// The lines of these rows, with no column except the last padded beyond this width.
pub(super) fn columns<const N: usize>(rows: &[[String; N]], widest: usize) -> String {
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

fn line(
    cells: &[String],
    widths: &[usize],
    paint: impl Fn(usize) -> Option<&'static str>,
) -> String {
    let mut line = String::new();
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
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
    use super::table;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["wéb", "1", "a b"], ["worker", "23", ""]].map(|row| row.map(str::to_owned));
        let expected = "NAME    N   WORDS\nwéb     1   a b\nworker  23\n";
        assert_eq!(table(["NAME", "N", "WORDS"], rows), expected);
    }

    #[test]
    fn a_cell_may_have_any_length() {
        let long = "x".repeat(70_000);
        let text = table(["NAME", "N"], [[long.clone(), "1".to_owned()]]);
        assert!(text.ends_with(&format!("{long}  1\n")), "{}", text.len());
        // A longer cell does not widen the other lines.
        let short = std::iter::repeat_n(["x".to_owned(), "1".to_owned()], 100);
        let text = table(["NAME", "N"], short.chain([[long, "1".to_owned()]]));
        assert!(text.len() < 100_000, "{}", text.len());
    }
}
