//! Bookmarks: lines of the log to come back to.

use super::Log;

impl Log {
    /// Set a bookmark at the current line, or remove it. Returns whether there is one now; `None` without a
    /// current line.
    pub fn toggle_bookmark(&mut self) -> Option<bool> {
        let position = self.current()?.position;
        if let Some(at) = self.bookmarks.iter().position(|known| *known == position) {
            self.bookmarks.remove(at);
            return Some(false);
        }
        self.bookmarks.push(position);
        self.bookmarks.sort_unstable();
        Some(true)
    }

    /// Go to the next bookmark, after the last one to the first; false if there is none.
    pub fn go_to_next_bookmark(&mut self) -> bool {
        let here = self.current().map(|entry| entry.position);
        let after = self.bookmarks.iter().find(|known| here.is_some_and(|here| **known > here));
        let Some(&next) = after.or(self.bookmarks.first()) else { return false };
        self.go_to(next);
        true
    }
}
