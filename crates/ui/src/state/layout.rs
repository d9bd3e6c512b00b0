//! The screen, and how large its parts are.

use super::Ui;
use super::areas::{self, Areas, NARROW, Wishes};
use super::entry::Form;

/// Lines of figures below their title: memory and processor time.
const FIGURE_LANES: usize = 2;

/// Which part the arrows move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The list.
    #[default]
    List,
    /// The log.
    Log,
}

/// The screen: its size, and what the user has chosen for it.
#[derive(Debug, Default)]
pub struct UiScreen {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Which part the arrows move in.
    pub focus: Focus,
    /// Only the log is shown.
    pub zoom: bool,
    /// The width of the list, if it was changed.
    pub list_width: Option<u16>,
    /// The mouse is used.
    pub mouse: bool,
}

impl UiScreen {
    /// A screen of this size before anything is chosen.
    pub(super) fn new(size: (u16, u16)) -> Self {
        let mut screen = Self { size, mouse: true, ..Self::default() };
        if screen.is_narrow() {
            screen.focus = Focus::Log;
        }
        screen
    }

    /// Whether only one of list and log is visible.
    pub const fn is_narrow(&self) -> bool {
        self.size.0 < NARROW
    }

    /// Move between list and log; the list appears if only the log is shown.
    pub(super) fn move_focus(&mut self) {
        let is_in_list = self.focus == Focus::List && !self.zoom;
        self.focus = if is_in_list { Focus::Log } else { Focus::List };
        self.zoom = false;
    }
}

impl Ui {
    /// Where the parts of the screen are.
    pub fn areas(&self) -> Areas {
        let UiScreen { size, focus, zoom, list_width, .. } = self.screen;
        let list_focus = focus == Focus::List && self.list.open.is_none();
        let figures = self.figures.as_ref().map(|_| FIGURE_LANES);
        let lanes = self.timeline.as_ref().map(|_| self.lanes().len()).or(figures);
        let wishes = Wishes { zoom, list_focus, list_width, lanes };
        areas::areas(size, wishes)
    }

    /// The columns before the text of a line: the time and the name.
    pub fn gutter(&self) -> (usize, usize) {
        let times = match (&self.filter.around, self.log.times) {
            (Some(_), _) => 10,
            (None, true) => 13,
            (None, false) => 0,
        };
        let names = if self.filter.choice.names.len() == 1 { 0 } else { self.name_width() + 1 };
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
