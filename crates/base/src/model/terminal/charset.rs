//! The character sets of a terminal: text, or lines for frames.

/// Whether the sets G0 and G1 draw lines, and which of them is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Charsets {
    lines: [bool; 2],
    second: bool,
}

impl Charsets {
    /// Choose a set: `(` or `)`, and its name.
    pub(super) fn designate(&mut self, place: u8, set: u8) {
        self.lines[usize::from(place == b')')] = set == b'0';
    }

    /// Use G1, or G0.
    pub(super) fn shift(&mut self, second: bool) {
        self.second = second;
    }

    /// Whether letters are lines.
    pub(super) fn draws_lines(self) -> bool {
        self.lines[usize::from(self.second)]
    }

    /// Sequences that choose these sets in a fresh terminal.
    pub(super) fn restore(self, out: &mut Vec<u8>) {
        for (lines, place) in self.lines.into_iter().zip(*b"()") {
            if lines {
                out.extend_from_slice(&[0x1b, place, b'0']);
            }
        }
        if self.second {
            out.push(0x0e);
        }
    }
}

/// The line that a letter stands for.
pub(super) fn line(letter: char) -> char {
    const LINES: [char; 32] = [
        '\u{a0}', '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺',
        '⎻', '─', '⎼', '⎽', '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
    ];
    let at = u32::from(letter).checked_sub(0x5f).and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| LINES.get(at)).copied().unwrap_or(letter)
}
