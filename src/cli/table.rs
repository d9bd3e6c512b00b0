//! Tables for people: as wide as what is in them.

/// The widest column. A longer cell is printed whole, but the other lines are not padded to it: the
/// table would be as large as its longest cell times its number of lines.
const WIDEST: usize = 200;

/// The lines of a table under these heads; the last column is as long as it likes.
pub(super) fn table<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut all = vec![heads.map(str::to_owned)];
    all.extend(rows);
    columns(&all, WIDEST)
}

/// The lines of these rows, with no column but the last wider than this.
pub(super) fn columns<const N: usize>(rows: &[[String; N]], widest: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0).min(widest));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
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
