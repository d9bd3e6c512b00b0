//! The log.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Modifier, Style};

use super::cells::{RowPart, put, put_row, restyle};
use super::theme::Theme;
use crate::model::time::Timestamp;
use crate::state::Ui;
use crate::state::entry::{EntryKind, LogEntry, text_of};
use crate::state::layout::Focus;
use crate::view::paint::SYSTEM;

pub(super) fn draw(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let shown = ui.log.visible_lines();
    let current = ui.log.current().map(|entry| entry.position);
    let selection = ui.log.selection.zip(current).map(|(a, b)| (a.min(b), a.max(b)));
    if shown.lines.is_empty() && !ui.log.is_loading {
        let nothing = match &ui.find {
            Some(find) if find.filters => format!("no line matches {}", find.text),
            Some(_) | None => "nothing was printed yet".to_owned(),
        };
        put(buffer, (area.x + 1, area.y), area.width - 1, &nothing, theme.dim());
    }
    let lines = shown.lines.iter().zip(shown.blank..);
    for (place, y) in lines {
        let Some(entry) = ui.log.entry(*place) else { continue };
        let y = area.y + u16::try_from(y).unwrap_or(0);
        if y >= area.bottom() {
            break;
        }
        let line = Rect { y, height: 1, ..area };
        let is_first = place.1 == 0;
        if Some(entry.position) == current && is_first {
            put(buffer, (line.x, y), 1, theme.mark(), theme.strong());
        } else if is_first && ui.log.bookmarks.contains(&entry.position) {
            put(buffer, (line.x, y), 1, theme.pick("◆", "+"), theme.strong());
        }
        draw_line(ui, theme, line, entry, place.1, buffer);
        let chosen = selection.is_some_and(|(a, b)| (a..=b).contains(&entry.position));
        let is_cursor = Some(entry.position) == current && ui.screen.focus == Focus::Log;
        if chosen {
            restyle(buffer, line, theme.selected());
        } else if is_cursor {
            restyle(buffer, line, Style::new().add_modifier(Modifier::BOLD));
        }
    }
    scroll_bar(ui, theme, area, buffer);
}

fn draw_line(ui: &Ui, theme: Theme, line: Rect, entry: &LogEntry, at: usize, buffer: &mut Buffer) {
    let (times, names) = ui.gutter();
    let columns = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let mut x = line.x + 1;
    if times > 0 {
        if at == 0 {
            let time = ui.filter.around.map_or_else(
                || ui.now.formatted(entry.time, "%H:%M:%S%.3f"),
                |around| relative(around.time, entry.time),
            );
            put(buffer, (x, line.y), columns(times - 1), &time, theme.dim());
        }
        x += columns(times);
    }
    if names > 0 {
        if at == 0 {
            let name = entry.name.as_deref().unwrap_or(SYSTEM);
            put(buffer, (x, line.y), columns(names - 1), name, theme.name(entry.color));
        }
        x += columns(names);
    }
    let text = Rect::new(x, line.y, line.right().saturating_sub(x + 1), 1);
    let Some(from) = entry.lines().get(at).copied() else { return };
    let Some(row) = entry.rows.get(from.row) else { return };
    // What was printed after the time that the timeline shows comes later.
    let cursor = ui.timeline.as_ref().and_then(|timeline| timeline.cursor);
    let is_later = cursor.is_some_and(|cursor| entry.time > cursor);
    let is_near = !is_later && ui.filter.around.is_none_or(|around| around.contains(entry.time));
    let is_plain = entry.kind == EntryKind::Output && is_near;
    let base = match entry.kind {
        _ if is_plain => Style::new(),
        EntryKind::Failure if is_near => theme.bad(),
        EntryKind::Output | EntryKind::Note | EntryKind::Failure => theme.dim(),
    };
    let whole = text_of(row);
    let places: Vec<_> = match &ui.find {
        Some(find) => find.places.find_iter(&whole).map(|found| found.range()).collect(),
        None => vec![],
    };
    let left = if ui.log.form.wrap { 0 } else { ui.log.left };
    put_row(buffer, text, row, RowPart { from, left }, |byte, sgr| {
        let style = base.patch(theme.output(sgr));
        let is_hit = places.iter().any(|place| place.contains(&byte));
        if is_hit { style.patch(theme.hit()) } else { style }
    });
}

/// A time relative to another in seconds: `-1.204`, `0.000`, `+12.5`.
fn relative(to: Timestamp, time: Timestamp) -> String {
    let seconds = to.between(time).as_secs_f64();
    let sign = match time.cmp(&to) {
        std::cmp::Ordering::Less => "-",
        std::cmp::Ordering::Equal => " ",
        std::cmp::Ordering::Greater => "+",
    };
    let text = if seconds < 1000.0 {
        format!("{sign}{seconds:.3}")
    } else {
        format!("{sign}{seconds:.0}")
    };
    format!("{text:>9}")
}

/// Where in the journal the screen is, in the last column.
fn scroll_bar(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(percent) = ui.log.percent() else { return };
    let rows = u64::from(area.height.max(1));
    let y = if ui.log.is_at_top() { 0 } else { (percent * rows / 100).min(rows - 1) };
    for row in 0..area.height {
        let here = u64::from(row) == y;
        let sign = if here { theme.pick("█", "#") } else { theme.pick("░", ":") };
        put(buffer, (area.right() - 1, area.y + row), 1, sign, theme.dim());
    }
}
