//! The first line: the run, its processes by state, and where in the log the screen is.

use std::time::Duration;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::cells::{put, put_right, restyle};
use super::theme::Theme;
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::model::{Condition, ProcessStatus, units};
use crate::state::Ui;
use crate::state::list::SupervisorLink;
use crate::state::log::ScrollPosition;

pub(super) fn draw(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let right = position(ui);
    let end = put_right(buffer, area, &right, theme.strong());
    if ui.timeline.as_ref().is_some_and(|timeline| timeline.cursor.is_some()) {
        restyle(buffer, Rect { x: end, width: area.right() - end, ..area }, theme.selected());
    }
    let room = |x: u16| end.saturating_sub(x + 1);
    let mut x = area.x + 1;
    x = put(buffer, (x, area.y), room(x), &ui.run.title, theme.strong()) + 2;
    let (link, is_bad) = link(ui);
    let is_wide = area.width >= 60;
    if is_wide || is_bad {
        let style = if is_bad { theme.bad() } else { theme.strong() };
        x = put(buffer, (x, area.y), room(x), &link, style) + 2;
    }
    // Of a run that is over, or before the first start, no state is known.
    let shown = ui.list.processes.iter().map(|process| ui.state_shown(process));
    let known = shown.filter(|process| process.since > Timestamp::EPOCH);
    let known: Vec<_> = known.filter(|process| process.state != ProcessStatus::LeftOut).collect();
    let now = ui.shown_time();
    let of = |is: Condition| known.iter().filter(move |one| one.condition_at(now) == is);
    let count = |is: Condition| of(is).count();
    let done = of(Condition::Done);
    let exited = done.filter(|process| process.state == ProcessStatus::Exited).count();
    let flags = known.iter().flat_map(|process| process.flags.iter());
    let is_now = ui.timeline.as_ref().is_none_or(|timeline| timeline.cursor.is_none());
    let asks = |process: &&ProcessState| is_now && process.prompt.is_some();
    let asking = ui.list.processes.iter().filter(asks).count();
    let parts = [
        (count(Condition::Running).saturating_sub(asking), "run", "●", "*", theme.dim()),
        (asking, if asking == 1 { "asks" } else { "ask" }, "?", "?", theme.asking()),
        (count(Condition::Failed), "failed", "✖", "x", theme.bad()),
        (count(Condition::CrashLoop), "in a crash loop", "↻", "@", theme.bad()),
        (count(Condition::Waiting), "wait", "◌", ".", theme.dim()),
        (exited, "done", "✓", "+", theme.dim()),
        (count(Condition::Done) - exited, "stopped", "■", "#", theme.dim()),
        (flags.filter(|flag| flag.exceeded).count(), "flagged", "⚑", "f", theme.bad()),
    ];
    for (count, word, sign, ascii, style) in parts {
        if count == 0 {
            continue;
        }
        let sign = theme.pick(sign, ascii);
        let text = if is_wide { format!("{count} {word}") } else { format!("{count}{sign}") };
        if text.width() >= usize::from(room(x)) {
            break;
        }
        x = put(buffer, (x, area.y), room(x), &text, style) + if is_wide { 2 } else { 1 };
    }
}

/// What is to be said about the run as a whole.
fn link(ui: &Ui) -> (String, bool) {
    match &ui.run.link {
        SupervisorLink::Away(since) => {
            let away = ui.now.time.since(*since);
            if away < Duration::from_secs(1) {
                return ("supervisor away".to_owned(), true);
            }
            let span = units::span(Duration::from_secs(away.as_secs()));
            (format!("supervisor away for {span}"), true)
        }
        SupervisorLink::Over(Some(end)) => {
            (format!("the run is over (exit {})", end.code), end.code != 0)
        }
        SupervisorLink::Over(None) => ("no run".to_owned(), false),
        SupervisorLink::Live if ui.run.quitting => ("stopping".to_owned(), true),
        SupervisorLink::Live => {
            // Seconds would change all the time.
            let up = match ui.shown_time().since(ui.run.started).as_secs() / 60 {
                0 => "<1 min".to_owned(),
                minutes => units::span(Duration::from_secs(minutes * 60)),
            };
            (format!("up {up}"), false)
        }
    }
}

/// Where the screen is in the log.
fn position(ui: &Ui) -> String {
    if let Some(around) = &ui.filter.around {
        let time = ui.now.formatted(around.time, "%H:%M:%S%.3f");
        return format!("around {time} ±{}s (+ -) ", around.seconds);
    }
    if let Some(time) = ui.timeline.as_ref().and_then(|timeline| timeline.cursor) {
        let ago = units::span(ui.now.time.since(time));
        return format!(" {}, {ago} ago ", ui.now.formatted(time, "%H:%M:%S%.3f"));
    }
    let what = match ui.list.chosen().as_slice() {
        [] => String::new(),
        [one] => format!("{one}  "),
        more => format!("{} processes  ", more.len()),
    };
    let filter = ui.find.as_ref().filter(|find| find.filters);
    let mut filter = filter.map_or(String::new(), |find| format!("only /{}/  ", find.text));
    if ui.filter.only_events {
        filter.push_str("only events  ");
    }
    let last = ui.log.last_shown();
    let time = last.map_or(String::new(), |entry| ui.now.formatted(entry.time, "%H:%M:%S"));
    match ui.log.view {
        ScrollPosition::Follow => format!("{what}{filter}{time}  follow "),
        ScrollPosition::At(_) => {
            let below = ui.log.lines_below();
            let below = if below.is_empty() { below } else { format!("  {below} below (G)") };
            let percent = ui.log.percent().map_or(String::new(), |percent| format!("  {percent}%"));
            format!("{what}{filter}{time}{percent}{below} ")
        }
    }
}
