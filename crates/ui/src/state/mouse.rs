//! What the mouse does.

use ratatui_core::layout::Rect;

use super::Ui;
use super::layout::Focus;
use super::msg::Mouse;

impl Ui {
    /// The mouse was used.
    pub(super) fn mouse_used(&mut self, mouse: Mouse) {
        let areas = self.areas();
        let within = |area: Rect, x, y| area.contains((x, y).into());
        match mouse {
            Mouse::Wheel(rows, x, y) => {
                if let Some(overlay) = &mut self.overlay {
                    overlay.scroll(rows);
                } else if within(areas.list, x, y) {
                    self.list.step(rows.signum());
                } else {
                    self.log.scroll(rows);
                }
            }
            Mouse::Press(x, y) if within(areas.list, x, y) => {
                let row = self.list_top() + usize::from(y - areas.list.y);
                self.screen.focus = Focus::List;
                if row <= self.list.rows().count() {
                    self.list.select_row(row);
                }
            }
            Mouse::Press(x, y) | Mouse::Drag(x, y) if within(areas.strip, x, y) => {
                self.point_at_time(x, y);
            }
            Mouse::Press(x, y) if within(areas.log, x, y) && self.overlay.is_none() => {
                self.screen.focus = Focus::Log;
                self.log.selection = None;
                self.log.point_at(usize::from(y - areas.log.y));
            }
            Mouse::Drag(x, y) if within(areas.log, x, y) && self.overlay.is_none() => {
                let begun = self.log.current().map(|entry| entry.position);
                if self.log.selection.is_none() {
                    self.log.selection = begun;
                }
                self.log.point_at(usize::from(y - areas.log.y));
            }
            Mouse::Release(..) if self.log.selection.is_some() => self.copy(),
            Mouse::Press(..) | Mouse::Drag(..) | Mouse::Release(..) => {}
        }
    }
}
