//! What goes into the scroll-back before a terminal is shown: the last lines of the log that it does not show itself.

use unicode_width::UnicodeWidthChar as _;

use crate::model::terminal::cells::TAB;
use crate::model::terminal::line::plain;

/// How many lines the log may have that the screen does not show yet.
const AHEAD: usize = 50;

/// The part of a log that has no line in common with these lines of a screen.
///
/// The lines are compared from the end. The screen may have lines of its own between those of the log; but a line of
/// the log is left out only if the screen shows it.
pub(super) fn hidden<'a>(log: &'a [u8], screen: &[String]) -> Vec<&'a [u8]> {
    let mut lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
    let mut texts: Vec<String> = lines.iter().map(|line| text(line)).collect();
    while texts.last().is_some_and(String::is_empty) {
        texts.pop();
    }
    let in_common = |end: usize| {
        screen.iter().rev().fold(0, |count, line| {
            count + usize::from(end > count && texts[end - 1 - count] == *line)
        })
    };
    let ends = texts.len().saturating_sub(AHEAD)..=texts.len();
    // The last one of the best.
    let (count, end) = ends.map(|end| (in_common(end), end)).max().unwrap_or((0, texts.len()));
    lines.truncate(end - count);
    lines
}

/// A line as a terminal shows it, without colours.
fn text(line: &[u8]) -> String {
    let mut bytes = vec![];
    plain(line, &mut bytes);
    let (mut shown, mut column) = (String::new(), 0);
    for character in String::from_utf8_lossy(&bytes).chars() {
        if character == '\t' {
            let width = TAB - column % TAB;
            shown.extend(std::iter::repeat_n(' ', width));
            column += width;
        } else {
            shown.push(character);
            column += character.width().unwrap_or(0);
        }
    }
    shown.truncate(shown.trim_end().len());
    shown
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[track_caller]
    fn check(log: &str, screen: &[&str], expected: &[&str]) {
        let screen: Vec<String> = screen.iter().map(|line| (*line).to_owned()).collect();
        let expected: Vec<&[u8]> = expected.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(hidden(log.as_bytes(), &screen), expected, "{log:?} {screen:?}");
    }

    #[test]
    fn lines_on_the_screen_are_left_out() {
        check("1\n2\n3\n4\n", &["3", "4"], &["1", "2"]);
        check("1\n2\n\x1b[31m3\x1b[m\n\ta\n", &["3", "        a"], &["1", "2"]);
        check("1\n2\n3\n", &["2", "3", "prompt>"], &["1"]);
        check("1\n2\n3\n", &[], &["1", "2", "3"]);
        check("1\n2\n3\n", &["an", "editor"], &["1", "2", "3"]);
    }

    #[test]
    fn lines_that_only_the_screen_has_may_lie_between_them() {
        check("1\n2\n3\n", &["2", "", "it has ended", "3"], &["1"]);
        // Only the end of a wrapped line is visible.
        check("1\nlong line\n3\n", &["line", "3"], &["1", "long line"]);
    }

    #[test]
    fn lines_that_the_screen_does_not_show_yet_are_left_to_it() {
        check("1\n2\n3\n4\n5\n", &["2", "3"], &["1"]);
        check("x\nx\nx\nx\n", &["x", "x"], &["x", "x"]);
    }
}
