//! The screen: how large its parts are, and where.

use ratatui_core::layout::Rect;

use super::Ui;
use super::entry::Form;

/// Lines of figures below their title: memory and processor time.
const FIGURE_LANES: usize = 2;

/// Which part the arrows move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    #[default]
    List,
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
        areas(size, wishes)
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

/// The smallest size on which something useful can be shown.
pub const SMALLEST: (u16, u16) = (20, 5);
/// Below this width, list and log are not shown side by side.
pub const NARROW: u16 = 60;
/// From this width on, the list is wider.
const WIDE: u16 = 120;

/// The areas of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Areas {
    /// The first line.
    pub header: Rect,
    /// The list; empty if it is not shown.
    pub list: Rect,
    /// The line between list and log.
    pub rule: Rect,
    /// The log; empty if it is not shown.
    pub log: Rect,
    /// The timeline or the figures; empty if neither is shown.
    pub strip: Rect,
    /// The last line.
    pub footer: Rect,
}

/// What decides about the areas, besides the size.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// Only the log.
    pub zoom: bool,
    /// The list has the focus; on a narrow screen only it is shown then.
    pub list_focus: bool,
    /// The width of the list, if it was changed.
    pub list_width: Option<u16>,
    /// How many lanes the timeline or the figures have; `None` if neither is shown.
    pub lanes: Option<usize>,
}

/// Divide a screen of this size.
pub fn areas((width, height): (u16, u16), wishes: Wishes) -> Areas {
    if width < SMALLEST.0 || height < SMALLEST.1 {
        return Areas::default();
    }
    let line = |y| Rect::new(0, y, width, 1);
    let top = 1;
    // The lanes and their axis take at most a third; the log keeps at least two lines.
    let lanes =
        |lanes: usize| u16::try_from(lanes).unwrap_or(u16::MAX).clamp(1, height / 3 - 1) + 1;
    let strip = wishes.lanes.filter(|_| height >= 6).map_or(0, lanes);
    let rows = height - 2 - strip;
    let body = Rect::new(0, top, width, rows);
    let strip = Rect::new(0, body.bottom(), width, strip);
    let mut areas = Areas { header: line(0), strip, footer: line(height - 1), ..Areas::default() };
    if wishes.zoom || width < NARROW && !wishes.list_focus {
        areas.log = body;
        return areas;
    }
    if width < NARROW {
        areas.list = body;
        return areas;
    }
    let usual = if width >= WIDE { 34 } else { 26 };
    let list = wishes.list_width.unwrap_or(usual).clamp(12, width / 2);
    areas.list = Rect::new(0, top, list, rows);
    areas.rule = Rect::new(list, top, 1, rows);
    areas.log = Rect::new(list + 1, top, width - list - 1, rows);
    areas
}

#[cfg(test)]
mod tests {
    use super::{Areas, Wishes, areas};

    #[test]
    fn the_screen_is_divided_without_gap_or_overlap() {
        for width in [20, 40, 59, 60, 80, 120, 200, 400] {
            for (height, lanes) in
                [(5, None), (5, Some(3)), (6, Some(3)), (24, Some(0)), (200, Some(9))]
            {
                for (zoom, list_focus) in [(false, false), (true, false), (false, true)] {
                    let wishes = Wishes { zoom, list_focus, list_width: Some(300), lanes };
                    let areas = areas((width, height), wishes);
                    let body = [areas.list, areas.rule, areas.log, areas.strip];
                    let cells: u32 = body.iter().map(|area| area.area()).sum();
                    assert_eq!(cells, u32::from(width) * u32::from(height - 2));
                    assert!(body.iter().all(|area| area.right() <= width));
                }
            }
        }
        assert_eq!(areas((19, 24), Wishes::default()), Areas::default());
        assert_eq!(areas((80, 4), Wishes::default()), Areas::default());
    }
}
