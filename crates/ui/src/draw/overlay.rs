//! What lies over the log.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;

use super::cells::{RowPart, clear, put, put_row, restyle};
use super::theme::{Theme, word};
use crate::journal::search::styled::rows_of_text;
use crate::keys::actions::ACTIONS;
use crate::model::ProcName;
use crate::state::Ui;
use crate::state::entry::{EntryKind, Form, LogEntry};
use crate::state::layout::NARROW;
use crate::state::msg::Tab;
use crate::state::prompt::{Details, Offer, Overlay};

pub(super) fn draw(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) {
    match &ui.overlay {
        Some(Overlay::Help(top)) => help(theme, area, *top, buffer),
        Some(Overlay::Details(page)) => {
            clear(buffer, area);
            let body = tabs(theme, area, page, buffer);
            text(theme, body, page, buffer);
        }
        Some(Overlay::Line(page)) => {
            clear(buffer, area);
            text(theme, area, page, buffer);
        }
        Some(Overlay::Quit(_) | Overlay::Confirm(_) | Overlay::Act(_)) | None => {}
    }
    if let Some(offers) = ui.offers() {
        draw_offers(ui, theme, area, &offers, buffer);
    }
}

fn help(theme: Theme, area: Rect, top: usize, buffer: &mut Buffer) {
    clear(buffer, area);
    let mut rows = vec![];
    let mut group = "";
    for entry in ACTIONS {
        if entry.action.group() != group {
            group = entry.action.group();
            rows.push((group.to_owned(), ""));
        }
        rows.push((format!("  {}", entry.key_names().join(" ")), entry.help));
    }
    let top = top.min(rows.len().saturating_sub(usize::from(area.height)));
    let keys_width = 18;
    for (y, (keys, help)) in (area.top()..area.bottom()).zip(rows.into_iter().skip(top)) {
        let style = if help.is_empty() { theme.strong() } else { theme.key() };
        put(buffer, (area.x + 1, y), area.width - 1, &keys, style);
        let x = area.x + keys_width;
        put(buffer, (x, y), area.right().saturating_sub(x), help, Style::new());
    }
}

/// The line with the titles of the pages; returns the rest of the area.
fn tabs(theme: Theme, area: Rect, page: &Details, buffer: &mut Buffer) -> Rect {
    let mut x = area.x + 1;
    let room = |x: u16| area.right().saturating_sub(x);
    let needed: usize = Tab::ALL.iter().map(|tab| tab.title().len() + 2).sum();
    let has_room = |name: &&ProcName| needed + name.as_str().len() + 3 <= usize::from(area.width);
    if let Some(name) = page.name.as_ref().filter(has_room) {
        x = put(buffer, (x, area.y), room(x), name.as_str(), theme.strong()) + 2;
    }
    for tab in Tab::ALL {
        let style = if tab == page.tab { theme.selected() } else { theme.dim() };
        x = put(buffer, (x, area.y), room(x), &format!(" {} ", tab.title()), style);
    }
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

/// Text with SGR sequences, wrapped.
fn text(theme: Theme, area: Rect, page: &Details, buffer: &mut Buffer) {
    let Some(text) = &page.text else {
        put(buffer, (area.x + 1, area.y), area.width - 1, "...", theme.dim());
        return;
    };
    let columns = usize::from(area.width.saturating_sub(2)).max(1);
    let (position, time) = Default::default();
    let mut entry = LogEntry::new(position, time, EntryKind::Note, rows_of_text(text));
    entry.lay_out(Form { columns, wrap: true });
    let top = page.top.min(entry.lines().len().saturating_sub(1));
    for (y, line) in (area.top()..area.bottom()).zip(entry.lines().iter().skip(top)) {
        let cells = Rect::new(area.x + 1, y, area.width.saturating_sub(2), 1);
        let part = RowPart { from: *line, left: 0 };
        put_row(buffer, cells, &entry.rows[line.row], part, |_, sgr| theme.output(sgr));
    }
}

/// What a prompt offers, above it.
fn draw_offers(ui: &Ui, theme: Theme, area: Rect, offers: &[Offer], buffer: &mut Buffer) {
    let Some(prompt) = &ui.prompt else { return };
    let height = u16::try_from(offers.len()).unwrap_or(u16::MAX).min(area.height).max(1);
    let area = Rect { y: area.bottom() - height, height, ..area };
    clear(buffer, area);
    if offers.is_empty() {
        put(buffer, (area.x + 1, area.y), area.width - 1, "none", theme.dim());
    }
    let now = ui.shown_time();
    let top = prompt.choice.saturating_sub(usize::from(height) - 1);
    for (y, at) in (area.top()..area.bottom()).zip(top..offers.len()) {
        let room = |x: u16| area.right().saturating_sub(x);
        let x = area.x + 1;
        match &offers[at] {
            Offer::Process(name) => {
                let Some(process) = ui.list.get(name) else { continue };
                put(buffer, (x, y), 1, theme.sign(process, now), theme.state(process, now));
                let (x, name) = (x + 2, name.as_str());
                let x = put(buffer, (x, y), room(x), name, theme.name(process.config.color)) + 1;
                put(buffer, (x, y), room(x), &word(process, now), theme.dim());
            }
            Offer::OfRun(word, action) => {
                let x = put(buffer, (x, y), room(x), word, theme.strong()).max(area.x + 17) + 1;
                put(buffer, (x, y), room(x), &action.command.to_string(), theme.dim());
            }
            Offer::Action(entry) => {
                put(buffer, (x, y), room(x), entry.name, theme.strong());
                let x = area.x + 18;
                put(buffer, (x, y), room(x), &entry.key_names().join(" "), theme.key());
                let x = area.x + if area.width < NARROW { area.width } else { 32 };
                put(buffer, (x, y), room(x), entry.help, theme.dim());
            }
        }
        if at == prompt.choice {
            restyle(buffer, Rect::new(area.x, y, area.width, 1), theme.selected());
        }
    }
}
