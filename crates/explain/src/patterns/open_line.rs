//! The unfinished line.

use super::LONGEST_LINE;
use super::clean::fold;
use super::pattern::Both;
use crate::model::terminal::escape::{Scanner, Token};
use crate::model::terminal::line::{Line, trimmed};

/// How much of a line is kept: enough that `$` does not match where it is cut, which may be within a
/// character.
const KEPT: usize = LONGEST_LINE + 4;

/// The state of the unfinished line. Of a long one, only the beginning and the end are kept.
#[derive(Debug, Default)]
pub(super) struct OpenLine {
    /// The line as it is shown: its present row if it is drawn in several.
    pub(super) line: Line,
    /// Whether this is not its first row.
    is_continued: bool,
    scanner: Scanner,
    /// What was printed since the cursor was moved and has not been searched for texts yet, with the bytes
    /// before it in which a match may begin.
    window: Vec<u8>,
    folded: Vec<u8>,
    /// The maximum length of a match of a text.
    span: usize,
    /// Whether anything was added since the last search.
    pub(super) fresh: bool,
    /// Patterns that have been found in the line.
    pub(super) seen: Vec<bool>,
}

impl OpenLine {
    /// For this number of patterns, none of which is longer than `span`.
    pub(super) fn new(patterns: usize, span: usize) -> Self {
        let line = Line::limited(KEPT);
        Self { line, span, seen: vec![false; patterns], ..Self::default() }
    }

    /// Whether anything of a line has come.
    pub(super) fn is_begun(&self) -> bool {
        self.line.is_begun() || self.is_continued
    }

    /// The same line, to be searched for other patterns.
    pub(super) fn renew(&mut self, old: Self) {
        (self.line, self.is_continued, self.scanner) = (old.line, old.is_continued, old.scanner);
        self.line.flatten();
        self.window.extend_from_slice(self.line.text());
        self.fresh = self.is_begun();
    }

    /// The next bytes of the line, which are to be fed to it: text, or a sequence that moves the cursor or
    /// erases something. A text is in the window afterwards.
    pub(super) fn next_run<'a>(&mut self, bytes: &mut &'a [u8]) -> &'a [u8] {
        // New text may complete a match that begins at the end of the searched part.
        let kept = self.window.len().min(self.span.saturating_sub(1));
        self.window.drain(..self.window.len() - kept);
        let (all, mut rest) = (*bytes, *bytes);
        let at = loop {
            let at = all.len() - rest.len();
            match self.scanner.next(&mut rest) {
                None => break all.len(),
                Some(Token::Text(text)) => self.window.extend_from_slice(text),
                // It is scanned again, as the next run.
                Some(token) if draws(token) && self.window.len() > kept => break at,
                Some(token) if draws(token) => {
                    self.window.clear();
                    break all.len() - rest.len();
                }
                Some(_) => {}
            }
        };
        let (run, rest) = all.split_at(at);
        *bytes = rest;
        fold(&self.window, &mut self.folded);
        self.fresh = true;
        run
    }

    /// The part to search for texts.
    pub(super) fn window(&self) -> Both<'_> {
        Both { text: &self.window, folded: &self.folded }
    }

    /// The line as it is shown at present, if it is, and which patterns have been found in it.
    pub(super) fn row(&mut self) -> Option<(&[u8], &mut [bool])> {
        self.line.flatten();
        let is_shown = self.line.is_visible() || !self.line.is_edited() && !self.is_continued;
        is_shown.then(|| (trimmed(&self.line), &mut self.seen[..]))
    }

    /// The part of the line to show after a match in the window, and the place of the match in it.
    pub(super) fn around(&mut self, found: usize) -> (&[u8], usize) {
        if self.line.is_cut() {
            return (&self.window, found);
        }
        self.line.flatten();
        let text = self.line.text();
        let is_edited = self.line.is_edited();
        (text, if is_edited { 0 } else { (text.len() + found).saturating_sub(self.window.len()) })
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.line.held() + self.window.capacity() + self.folded.capacity()
    }

    /// A row has ended. What was printed last belongs to the next one.
    pub(super) fn next_row(&mut self) {
        self.line.next_line();
        self.is_continued = true;
        self.seen.fill(false);
    }

    /// The line has ended.
    pub(super) fn clear(&mut self) {
        const USUAL: usize = 4096;
        self.line.reset();
        self.scanner.reset();
        self.window.clear();
        self.folded.clear();
        for buffer in [&mut self.window, &mut self.folded] {
            buffer.shrink_to(USUAL);
        }
        (self.is_continued, self.fresh) = (false, false);
        self.seen.fill(false);
    }
}

/// Whether a sequence moves the cursor or erases something, so that a text after it does not continue the one
/// before it.
fn draws(token: Token<'_>) -> bool {
    match token {
        Token::Control(byte) => matches!(byte, b'\r' | 0x08 | 0x0b | 0x0c),
        // Not colours, modes and questions.
        Token::Csi(_, last) => !matches!(last, b'm' | b'h' | b'l' | b'n' | b'c' | b'q' | b't'),
        Token::Escape(_) => true,
        _ => false,
    }
}
