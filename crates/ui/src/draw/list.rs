//! The list of processes.

use std::time::Duration;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::cells::{put, put_right, restyle};
use super::theme::{Theme, word};
use crate::figures::Figures;
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::state::Ui;
use crate::state::layout::Focus;

pub(super) fn draw(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let top = ui.list_top();
    let selected = ui.list.selected_row();
    let rows = std::iter::once(None).chain(ui.list.rows().map(Some));
    for (y, (number, process)) in (area.top()..area.bottom()).zip(rows.enumerate().skip(top)) {
        let line = Rect { y, height: 1, ..area };
        match process {
            None => {
                let chosen = ui.list.chosen();
                let mark = if chosen.is_empty() { theme.mark() } else { " " };
                put(buffer, (line.x, y), 1, mark, theme.dim());
                put(buffer, (line.x + 1, y), line.width - 1, "ALL", theme.strong());
            }
            Some(process) => row(ui, theme, line, ui.state_shown(process), buffer),
        }
        if number == selected {
            let is_in_list = ui.screen.focus == Focus::List;
            let style = if is_in_list { theme.selected() } else { theme.strong() };
            restyle(buffer, line, style);
        }
    }
}

/// Mark, sign, name, state, age and flags. If there is little room, the sign stays, then the word.
fn row(ui: &Ui, theme: Theme, line: Rect, process: &ProcessState, buffer: &mut Buffer) {
    let list = &ui.list;
    let shown = list.marked.contains(&process.name) || list.open.as_ref() == Some(&process.name);
    put(buffer, (line.x, line.y), 1, if shown { theme.mark() } else { " " }, theme.dim());
    let is_now = ui.timeline.as_ref().is_none_or(|timeline| timeline.cursor.is_none());
    let asks_since = process.prompt.as_ref().filter(|_| is_now).map(|prompt| prompt.since);
    let asks = asks_since.is_some();
    let now = ui.shown_time();
    let plain = (theme.sign(process, now), theme.state(process, now));
    let (sign, style) = if asks { ("?", theme.asking()) } else { plain };
    // Of a run that is over, or before the first start, no state is known.
    let is_known = process.since > Timestamp::EPOCH;
    put(buffer, (line.x + 1, line.y), 1, if is_known { sign } else { " " }, style);
    if is_now && ui.drifted.contains(&process.name) {
        put(buffer, (line.x + 2, line.y), 1, theme.pick("*", "~"), theme.asking());
    }
    let pending = list.pending.iter().find(|(name, _)| *name == process.name);
    let figures = ui.figures.as_ref().and_then(|figures| figures.last(&process.name));
    let word = match pending {
        _ if !is_known || figures.is_some() => String::new(),
        Some((_, doing)) => (*doing).to_owned(),
        None if asks => "asks".to_owned(),
        None => word(process, now),
    };
    let age = match figures {
        Some(figures) => used(figures),
        None if !is_known => String::new(),
        None => age(ui.shown_time().since(asks_since.unwrap_or(process.since))),
    };
    let flags: u64 = process.flags.iter().filter(|flag| flag.exceeded).map(|flag| flag.count).sum();
    let crashes = process.ends.failing(now).map_or(0, |story| u64::from(story.times));
    let counted = |count: u64, sign: &str| match count {
        0 => String::new(),
        count => format!(" {sign}{count}"),
    };
    let counts = counted(crashes, theme.pick("✖", "x")) + &counted(flags, theme.pick("⚑", "f"));
    let mut end = line.right();
    if !counts.is_empty() {
        end = put_right(buffer, line, &counts, theme.bad());
    }
    let area = Rect { width: end - line.x, ..line };
    let name_width = u16::try_from(ui.name_width()).unwrap_or(16);
    let name = line.x + 3;
    let with_age = if word.is_empty() { format!(" {age}") } else { format!(" {word:9} {age:>3}") };
    let room = area.right().saturating_sub(name + name_width);
    let text = if u16::try_from(with_age.chars().count()).unwrap_or(u16::MAX) <= room {
        with_age
    } else {
        // The name has at least half of the width; the count of a crash loop stands at the end.
        let word = word.split(" · ").next().unwrap_or_default();
        format!(" {word}").chars().take(usize::from(area.width / 2)).collect()
    };
    let end = put_right(buffer, area, &text, style);
    let width = end.saturating_sub(name);
    put(buffer, (name, line.y), width, process.name.as_str(), theme.name(process.config.color));
}

/// Processor time and memory: ` 3% 41M`.
fn used(figures: &Figures) -> String {
    let percent = figures.cpu_percent.map_or("-".to_owned(), |percent| format!("{percent:.0}%"));
    format!("{percent:>4} {:>5}", mebibytes(figures.memory_bytes))
}

/// A size in at most five columns: `41M`, `1.5G`.
pub(super) fn mebibytes(bytes: u64) -> String {
    match bytes >> 20 {
        mib @ 0..1024 => format!("{mib}M"),
        mib => format!("{}.{}G", mib >> 10, (mib & 1023) * 10 / 1024),
    }
}

/// An age in three columns: `12s`, `59m`, `23h`, `99d`.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", (seconds / 86400).min(999)),
    }
}
