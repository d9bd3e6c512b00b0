//! Draws the interface: the same state always gives the same cells.

mod cells;
mod figures;
mod footer;
mod header;
mod list;
mod log;
mod overlay;
pub mod theme;
mod timeline;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use self::theme::Theme;
use super::state::Ui;
use super::state::layout::SMALLEST;

/// How wide the log has to be for pages to be shown over it alone.
const WIDE: u16 = 80;

/// Draw everything. Returns where the cursor stands, if it is visible.
pub fn draw(ui: &Ui, theme: Theme, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let areas = ui.areas();
    if areas.header.is_empty() {
        let (width, height) = SMALLEST;
        let text = format!("too small: {width} x {height}");
        cells::put(buffer, (0, 0), buffer.area.width, &text, theme.strong());
        return None;
    }
    header::draw(ui, theme, areas.header, buffer);
    if !areas.list.is_empty() {
        list::draw(ui, theme, areas.list, buffer);
    }
    for y in areas.rule.top()..areas.rule.bottom() {
        cells::put(buffer, (areas.rule.x, y), 1, theme.pick("│", "|"), theme.dim());
    }
    if !areas.log.is_empty() {
        log::draw(ui, theme, areas.log, buffer);
    }
    if !areas.strip.is_empty() {
        if ui.timeline.is_some() {
            timeline::draw(ui, theme, areas.strip, buffer);
        } else if let Some(figures) = &ui.figures {
            figures::draw(ui, figures, theme, areas.strip, buffer);
        }
    }
    let body = Rect::new(0, areas.header.bottom(), areas.header.width, areas.footer.y - 1);
    let is_wide = areas.log.width >= WIDE;
    overlay::draw(ui, theme, if is_wide { areas.log } else { body }, buffer);
    footer::draw(ui, theme, areas.footer, buffer)
}
