//! The timeline: a lane for each process, with what it printed and what happened to it.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;

use super::cells::{put, put_right, restyle};
use super::theme::Theme;
use crate::journal::search::landmark::LandmarkEvent;
use crate::journal::search::states::Mark;
use crate::model::Exit;
use crate::model::request::ProcessState;
use crate::model::time::Timestamp;
use crate::ui::state::Ui;
use crate::ui::state::timeline::Timeline;

/// An end without a failure.
const ENDED: LandmarkEvent = LandmarkEvent::Exited(Exit::Code(0));

/// What the signs mean, the most important first.
const LEGEND: [&str; 8] = [
    "▲ start",
    "● ready",
    "✖ failed",
    "■ ended",
    "· silent",
    "⚑ flag",
    "– skipped",
    "⋯ output lost",
];
const ASCII_LEGEND: [&str; 8] = [
    "^ start",
    "o ready",
    "x failed",
    "# ended",
    "_ silent",
    "f flag",
    "- skipped",
    "~ output lost",
];

pub(super) fn draw(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(timeline) = &ui.timeline else { return };
    let (columns, rows) = ui.timeline_size();
    let names = u16::try_from(ui.lane_name_width()).unwrap_or(0);
    let x = area.x + 1 + names;
    let lanes = ui.lanes();
    let shown = lanes.iter().skip(ui.first_lane()).take(rows);
    for (process, y) in shown.zip(area.y..) {
        let name = process.name.as_str();
        put(buffer, (area.x + 1, y), names - 1, name, theme.name(process.color));
        let lane = Rect { x, y, width: u16::try_from(columns).unwrap_or(0), height: 1 };
        draw_lane(timeline, theme, lane, process, buffer);
    }
    axis(ui, timeline, theme, Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
    let cursor = timeline.cursor.unwrap_or(timeline.period.until);
    if let Some(column) = timeline.period.column_of(cursor, columns) {
        let x = x + u16::try_from(column).unwrap_or(0);
        restyle(buffer, Rect { x, width: 1, ..area }, theme.selected());
    }
}

fn draw_lane(
    timeline: &Timeline,
    theme: Theme,
    lane: Rect,
    process: &ProcessState,
    buffer: &mut Buffer,
) {
    let columns = usize::from(lane.width);
    let name = process.name.as_str();
    let output = timeline
        .output
        .as_ref()
        .filter(|output| (output.period, output.columns) == (timeline.period, columns));
    let bytes = output.and_then(|output| output.bytes.get(&process.name));
    let most = bytes.and_then(|bytes| bytes.iter().max()).copied().unwrap_or(0);
    let ran = ran(timeline, name, columns, process.pid.is_some());
    for (column, x) in (0..columns).zip(lane.x..) {
        let printed = bytes.and_then(|bytes| bytes.get(column)).copied().unwrap_or(0);
        if printed > 0 {
            put(buffer, (x, lane.y), 1, theme.bar(printed, most), theme.name(process.color));
        } else if ran[column] {
            put(buffer, (x, lane.y), 1, theme.silent(), theme.dim());
        }
    }
    let mut signs: Vec<Option<&LandmarkEvent>> = vec![None; columns];
    let is_own = |mark: &&Mark| mark.name.as_deref() == Some(name);
    let mut was_asked = false;
    for mark in timeline.marks.iter().filter(is_own) {
        // What was asked to end has not failed, whatever its exit code is.
        let is_asked_end = was_asked && matches!(mark.what, LandmarkEvent::Exited(_));
        let turn = if is_asked_end { &ENDED } else { &mark.what };
        was_asked = match turn {
            LandmarkEvent::Asked => true,
            LandmarkEvent::Started(_) | LandmarkEvent::Failed => false,
            LandmarkEvent::RunBegan
            | LandmarkEvent::RunEnded
            | LandmarkEvent::Installing
            | LandmarkEvent::Ready
            | LandmarkEvent::Exited(_)
            | LandmarkEvent::Skipped
            | LandmarkEvent::Flagged
            | LandmarkEvent::Gap => was_asked,
        };
        if let Some(column) = timeline.period.column_of(mark.time, columns) {
            let sign = &mut signs[column];
            if weight(turn) >= sign.map_or(1, weight) {
                *sign = Some(turn);
            }
        }
    }
    for (turn, x) in signs.iter().zip(lane.x..) {
        let Some((sign, style)) = turn.and_then(|turn| sign(theme, turn)) else { continue };
        put(buffer, (x, lane.y), 1, sign, style);
    }
}

/// In which columns a process ran.
fn ran(timeline: &Timeline, name: &str, columns: usize, runs_now: bool) -> Vec<bool> {
    let mut ran = vec![false; columns];
    let period = timeline.period;
    let mut since = None;
    let mut mark_as_ran = |from: Timestamp, until: Timestamp| {
        let (from, until) = (from.max(period.from), until.min(period.until));
        let column = |time| period.column_of(time, columns);
        if let (true, Some(from), Some(until)) = (from <= until, column(from), column(until)) {
            ran[from..=until].fill(true);
        }
    };
    for mark in &timeline.marks {
        let is_own = mark.name.as_deref() == Some(name);
        match &mark.what {
            LandmarkEvent::Started(_) if is_own => since = Some(mark.time),
            LandmarkEvent::Exited(_) if is_own => {
                since.take().into_iter().for_each(|from| mark_as_ran(from, mark.time));
            }
            LandmarkEvent::RunBegan | LandmarkEvent::RunEnded => {
                since.take().into_iter().for_each(|from| mark_as_ran(from, mark.time));
            }
            LandmarkEvent::Started(_)
            | LandmarkEvent::Installing
            | LandmarkEvent::Ready
            | LandmarkEvent::Asked
            | LandmarkEvent::Failed
            | LandmarkEvent::Exited(_)
            | LandmarkEvent::Skipped
            | LandmarkEvent::Flagged
            | LandmarkEvent::Gap => {}
        }
    }
    if let Some(from) = since.filter(|_| runs_now) {
        mark_as_ran(from, period.until);
    }
    ran
}

/// Which of several turns in one column is shown; 0 for none.
fn weight(turn: &LandmarkEvent) -> u8 {
    match turn {
        LandmarkEvent::Failed => 7,
        LandmarkEvent::Exited(exit) if !exit.success() => 6,
        LandmarkEvent::Gap => 5,
        LandmarkEvent::Flagged => 4,
        LandmarkEvent::Exited(_) | LandmarkEvent::Skipped => 3,
        LandmarkEvent::Started(_) => 2,
        LandmarkEvent::Ready => 1,
        LandmarkEvent::RunBegan
        | LandmarkEvent::RunEnded
        | LandmarkEvent::Installing
        | LandmarkEvent::Asked => 0,
    }
}

fn sign(theme: Theme, turn: &LandmarkEvent) -> Option<(&'static str, Style)> {
    let (sign, ascii, style) = match turn {
        LandmarkEvent::Started(_) => ("▲", "^", theme.strong()),
        LandmarkEvent::Ready => ("●", "o", theme.strong()),
        LandmarkEvent::Failed => ("✖", "x", theme.bad()),
        LandmarkEvent::Exited(exit) if !exit.success() => ("✖", "x", theme.bad()),
        LandmarkEvent::Exited(_) => ("■", "#", theme.strong()),
        LandmarkEvent::Skipped => ("–", "-", theme.bad()),
        LandmarkEvent::Flagged => ("⚑", "f", theme.bad()),
        LandmarkEvent::Gap => ("⋯", "~", theme.bad()),
        LandmarkEvent::RunBegan
        | LandmarkEvent::RunEnded
        | LandmarkEvent::Installing
        | LandmarkEvent::Asked => return None,
    };
    Some((if theme.ascii { ascii } else { sign }, style))
}

/// The ends of the period, and what the signs mean.
fn axis(ui: &Ui, timeline: &Timeline, theme: Theme, line: Rect, buffer: &mut Buffer) {
    let period = timeline.period;
    let format = match period.length().as_secs() {
        0..60 => "%H:%M:%S%.3f",
        60..86_400 => "%H:%M:%S",
        _ => "%b %d %H:%M",
    };
    let time = |time: Timestamp| ui.now.zone.to_datetime(time.utc()).strftime(format).to_string();
    let (mut from, until) = (time(period.from), time(period.until) + " ");
    let (lanes, (_, rows)) = (ui.lanes().len(), ui.timeline_size());
    let part = format!("  {rows} of {lanes} lanes");
    if lanes > rows && from.len() + part.len() + until.len() + 2 <= usize::from(line.width) {
        from.push_str(&part);
    }
    let left = put(buffer, (line.x + 1, line.y), line.width - 1, &from, theme.dim());
    let right = put_right(buffer, line, &until, theme.dim());
    let room = usize::from(right.saturating_sub(left));
    // As much as there is room for.
    let mut legend = String::new();
    let signs = if theme.ascii { ASCII_LEGEND } else { LEGEND };
    for sign in signs {
        if legend.chars().count() + sign.chars().count() + 4 <= room {
            legend.push_str("  ");
            legend.push_str(sign);
        }
    }
    let width = legend.chars().count();
    let x = left + u16::try_from(room.saturating_sub(width) / 2).unwrap_or(0);
    put(buffer, (x, line.y), right.saturating_sub(x), &legend, theme.dim());
}
