//! How large the parts of the screen are.

use super::areas::{self, Areas, Wishes};
use super::entry::Form;
use super::{Focus, Ui};

/// Lines of figures below their title: memory and processor time.
const FIGURE_LANES: usize = 2;

impl Ui {
    /// Where the parts of the screen are.
    pub fn areas(&self) -> Areas {
        let list_focus = self.focus == Focus::List && self.list.open.is_none();
        let figures = self.shows_figures.then_some(FIGURE_LANES);
        let lanes = self.timeline.as_ref().map(|_| self.lanes().len()).or(figures);
        let wishes = Wishes { zoom: self.zoom, list_focus, list_width: self.list_width, lanes };
        areas::areas(self.size, wishes)
    }

    /// The columns before the text of a line: the time and the name.
    pub fn gutter(&self) -> (usize, usize) {
        let times = match (&self.around, self.times) {
            (Some(_), _) => 10,
            (None, true) => 13,
            (None, false) => 0,
        };
        let names = if self.choice.names.len() == 1 { 0 } else { self.name_width() + 1 };
        (times, names)
    }

    /// The width of the column of names.
    pub fn name_width(&self) -> usize {
        let lengths = self.list.processes.iter().map(|process| process.name.as_str().len());
        lengths.max().unwrap_or(0).clamp(6, 16)
    }

    /// Give the log the size of its area.
    pub(super) fn lay_out(&mut self) {
        let log = self.areas().log;
        let (times, names) = self.gutter();
        // One column for the mark of the current line, one for the scroll bar.
        let columns = usize::from(log.width).saturating_sub(times + names + 2).max(1);
        let form = Form { columns, wrap: self.log.form.wrap };
        if log.height > 0 {
            self.log.resize(form, usize::from(log.height));
        }
    }

    /// The first row of the list that is visible.
    pub fn list_top(&self) -> usize {
        let height = usize::from(self.areas().list.height).max(1);
        let rows = self.list.rows().count() + 1;
        let selected = self.list.selected_row();
        // The selection stands in the middle, except at the ends.
        selected.saturating_sub(height / 2).min(rows.saturating_sub(height))
    }
}
