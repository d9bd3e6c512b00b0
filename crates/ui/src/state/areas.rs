//! Where the parts of the screen are.

use ratatui_core::layout::Rect;

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
