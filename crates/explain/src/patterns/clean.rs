//! Removes colours from lines, and folds the case of ASCII letters.

use crate::model::terminal::escape::is_ordinary_but_for_escapes;

const ESC: u8 = 0x1b;

/// The text of the lines at the beginning of this piece that consist of text and colours, and the length of
/// these lines in the piece. All other lines have to be drawn. `is_usual`: the piece is known to be
/// [ordinary but for its escape sequences](is_ordinary_but_for_escapes).
pub(super) fn lines<'a>(
    piece: &'a [u8],
    is_usual: bool,
    text: &'a mut Vec<u8>,
) -> (&'a [u8], usize) {
    let whole = if is_usual { whole_lines(piece) } else { usual_lines(piece) };
    let lines = &piece[..whole];
    if memchr::memchr(ESC, lines).is_none() {
        return (lines, whole);
    }
    text.clear();
    let mut rest = lines;
    loop {
        let escape = memchr::memchr(ESC, rest).unwrap_or(rest.len());
        text.extend_from_slice(&rest[..escape]);
        rest = &rest[escape..];
        let Some(length) = colour(rest) else { break };
        rest = &rest[length..];
    }
    if rest.is_empty() {
        return (text, whole);
    }
    // Without the line in which the other sequence is.
    text.truncate(whole_lines(text));
    (text, whole_lines(&lines[..whole - rest.len()]))
}

/// The length of a text up to the end of its last line break.
pub(super) fn whole_lines(text: &[u8]) -> usize {
    memchr::memrchr(b'\n', text).map_or(0, |newline| newline + 1)
}

/// The length of the lines at the beginning of a text that are ordinary but for their escape sequences.
fn usual_lines(text: &[u8]) -> usize {
    let mut ends = memchr::memchr_iter(b'\n', text).map(|newline| newline + 1);
    let mut begin = 0;
    while let Some(end) = ends.next()
        && is_ordinary_but_for_escapes(&text[begin..end])
    {
        begin = end;
    }
    begin
}

/// The length of the colour sequence at the beginning of a text.
fn colour(text: &[u8]) -> Option<usize> {
    /// Longer sequences are left to the scanner.
    const LONGEST: usize = 32;
    let inside = text.strip_prefix(b"\x1b[")?;
    let inside = &inside[..inside.len().min(LONGEST)];
    let end = inside.iter().position(|&byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (inside[end] == b'm').then_some(end + 3)
}

/// Convert ASCII letters to lower case. Everything else stays, and so do all offsets.
pub(super) fn fold(text: &[u8], folded: &mut Vec<u8>) {
    folded.clear();
    folded.extend_from_slice(text);
    folded.make_ascii_lowercase();
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::model::terminal::escape::is_ordinary_but_for_escapes;

    #[test]
    fn only_lines_of_text_and_colours_are_taken() {
        let cases: [(&[u8], &str, usize); 9] = [
            (b"a\tb\r\nc", "a\tb\r\n", 5),
            (b"a\r\nb\r", "a\r\n", 3),
            (b"one\n10%\r20%\r\ntwo\n", "one\n", 4),
            (b"\x1b[31mred\x1b[m!\nx\n", "red!\nx\n", 15),
            (b"\x1b[31mred\x1b[m!\ny\x1b[K\nx\n", "red!\n", 13),
            (b"\x1b[31mred\nblue\x1b[", "red\n", 9),
            ("£5 café\n°C: 5\n".as_bytes(), "£5 café\n°C: 5\n", 17),
            (b"x\na\xc2\x9bx\n", "x\n", 2),
            (b"be\x07ll\n", "", 0),
        ];
        for (piece, expected, length) in cases {
            let mut text = vec![];
            let is_usual = is_ordinary_but_for_escapes(piece);
            let (found, taken) = lines(piece, is_usual, &mut text);
            assert_eq!((found, taken), (expected.as_bytes(), length), "{}", piece.escape_ascii());
        }
    }
}
