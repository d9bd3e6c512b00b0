//! The unfinished line.

use super::clean::fold;
use super::limits::LONGEST_LINE;
use super::pattern::Both;

/// The state of the unfinished line. Of a long one, only the beginning and the end are kept.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Its first [`LONGEST_LINE`] bytes, for expressions, plus one: so `$` does not match where it
    /// is cut.
    head: Vec<u8>,
    /// The part that has not been searched for texts yet, with the bytes before it in which a match
    /// may begin.
    window: Vec<u8>,
    folded: Vec<u8>,
    /// Whether the line is longer than its head.
    is_long: bool,
    /// The maximum length of a match of a text.
    span: usize,
    /// Whether anything was added since the last search.
    pub(super) fresh: bool,
    /// Expressions whose needles have been seen in the line.
    pub(super) may: Vec<bool>,
    /// Patterns that have been found in the line.
    pub(super) seen: Vec<bool>,
}

impl Open {
    /// For this number of patterns, none of which is longer than `span`.
    pub(super) fn new(patterns: usize, span: usize) -> Self {
        let none = vec![false; patterns];
        Self { span, may: none.clone(), seen: none, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Append text to the line.
    pub(super) fn push(&mut self, text: &[u8]) {
        let room = LONGEST_LINE + 1 - self.head.len();
        self.is_long |= text.len() > room;
        self.head.extend_from_slice(&text[..room.min(text.len())]);
        // New text may complete a match that begins at the end of the searched part.
        let kept = self.window.len().min(self.span.saturating_sub(1));
        self.window.drain(..self.window.len() - kept);
        self.window.extend_from_slice(text);
        fold(&self.window, &mut self.folded);
        self.fresh = true;
    }

    /// The part to search for texts.
    pub(super) fn window(&self) -> Both<'_> {
        Both { text: &self.window, folded: &self.folded }
    }

    /// The beginning of the line.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The part of the line to show after a match in the window, and the place of the match in it.
    pub(super) fn around(&self, found: usize) -> (&[u8], usize) {
        if self.is_long {
            (&self.window, found)
        } else {
            (&self.head, found + self.head.len().saturating_sub(self.window.len()))
        }
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.head.capacity() + self.window.capacity() + self.folded.capacity()
    }

    /// The line has ended.
    pub(super) fn clear(&mut self) {
        const USUAL: usize = 4096;
        self.head.clear();
        self.window.clear();
        self.folded.clear();
        for buffer in [&mut self.head, &mut self.window, &mut self.folded] {
            buffer.shrink_to(USUAL);
        }
        (self.is_long, self.fresh) = (false, false);
        self.may.fill(false);
        self.seen.fill(false);
    }
}
