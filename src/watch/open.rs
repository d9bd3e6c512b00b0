//! The line that has not ended yet.

use super::clean::fold;
use super::limits::LONGEST_LINE;
use super::pattern::Both;

/// What is known of it; of a long one only its beginning and its end are kept.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Its first [`LONGEST_LINE`] bytes, for expressions, and one more: no line ends where it is cut.
    head: Vec<u8>,
    /// What texts have not been looked for in, with what may be their beginning before it.
    window: Vec<u8>,
    folded: Vec<u8>,
    /// There is more of it than its head.
    is_long: bool,
    /// So many bytes must be looked at together.
    span: usize,
    /// Something was added since it was last looked at.
    pub(super) fresh: bool,
    /// Expressions whose needles were seen in it.
    pub(super) may: Vec<bool>,
    /// Patterns that were found in it.
    pub(super) seen: Vec<bool>,
}

impl Open {
    /// For so many patterns, of which none is longer than `span`.
    pub(super) fn new(patterns: usize, span: usize) -> Self {
        let none = vec![false; patterns];
        Self { span, may: none.clone(), seen: none, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// More of it.
    pub(super) fn push(&mut self, text: &[u8]) {
        let room = LONGEST_LINE + 1 - self.head.len();
        self.is_long |= text.len() > room;
        self.head.extend_from_slice(&text[..room.min(text.len())]);
        // What comes next may continue the end of what was looked at.
        let kept = self.window.len().min(self.span.saturating_sub(1));
        self.window.drain(..self.window.len() - kept);
        self.window.extend_from_slice(text);
        fold(&self.window, &mut self.folded);
        self.fresh = true;
    }

    /// What texts are to be looked for in.
    pub(super) fn window(&self) -> Both<'_> {
        Both { text: &self.window, folded: &self.folded }
    }

    /// Its beginning.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// What can be shown of it where something was found in its window, and the place of that.
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

    /// It has ended.
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
