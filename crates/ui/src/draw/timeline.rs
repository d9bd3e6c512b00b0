//! The timeline: a lane for each process, with what it printed and what happened to it.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;

use super::cells::{put, put_right, restyle};
use super::theme::Theme;
use crate::journal::search::landmark::{Landmark, LandmarkEvent};
use crate::model::Exit;
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::state::Ui;
use crate::state::timeline::Timeline;

/// An end without a failure.
const ENDED: LandmarkEvent = LandmarkEvent::Exited(Exit::Code(0));

/// The signs, also in ASCII, and what they mean, the most important first.
const LEGEND: [(&str, &str, &str); 8] = [
    ("▲", "^", "start"),
    ("●", "o", "ready"),
    ("✖", "x", "failed"),
    ("■", "#", "ended"),
    ("·", "_", "silent"),
    ("⚑", "f", "flag"),
    ("–", "-", "skipped"),
    ("⋯", "~", "output lost"),
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
        put(buffer, (area.x + 1, y), names - 1, name, theme.name(process.config.color));
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
            put(buffer, (x, lane.y), 1, theme.bar(printed, most), theme.name(process.config.color));
        } else if ran[column] {
            put(buffer, (x, lane.y), 1, theme.pick("·", "_"), theme.dim());
        }
    }
    let mut signs: Vec<Option<(u8, &str, Style)>> = vec![None; columns];
    let mut was_asked = false;
    for mark in timeline.marks.iter().filter(|mark: &&Landmark| mark.name.as_deref() == Some(name))
    {
        // What was asked to end has not failed, whatever its exit code is.
        let is_asked_end = was_asked && matches!(mark.what, LandmarkEvent::Exited(_));
        let turn = if is_asked_end { &ENDED } else { &mark.what };
        was_asked = match turn {
            LandmarkEvent::Asked => true,
            LandmarkEvent::Started(_) | LandmarkEvent::Failed => false,
            _ => was_asked,
        };
        if let Some(column) = timeline.period.column_of(mark.time, columns)
            && let Some(sign) = sign(theme, turn)
            && signs[column].is_none_or(|(weight, ..)| sign.0 >= weight)
        {
            signs[column] = Some(sign);
        }
    }
    for (sign, x) in signs.into_iter().zip(lane.x..) {
        let Some((_, sign, style)) = sign else { continue };
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
            LandmarkEvent::Exited(_) if !is_own => {}
            LandmarkEvent::Exited(_) | LandmarkEvent::RunBegan | LandmarkEvent::RunEnded => {
                since.take().into_iter().for_each(|from| mark_as_ran(from, mark.time));
            }
            _ => {}
        }
    }
    if let Some(from) = since.filter(|_| runs_now) {
        mark_as_ran(from, period.until);
    }
    ran
}

/// The sign of a turn, if it has one. Of several in one column, that with the highest number is shown.
fn sign(theme: Theme, turn: &LandmarkEvent) -> Option<(u8, &'static str, Style)> {
    let (weight, sign, ascii, style) = match turn {
        LandmarkEvent::Failed => (7, "✖", "x", theme.bad()),
        LandmarkEvent::Exited(exit) if !exit.success() => (6, "✖", "x", theme.bad()),
        LandmarkEvent::Gap => (5, "⋯", "~", theme.bad()),
        LandmarkEvent::Flagged => (4, "⚑", "f", theme.bad()),
        LandmarkEvent::Exited(_) => (3, "■", "#", theme.strong()),
        LandmarkEvent::Skipped => (3, "–", "-", theme.bad()),
        LandmarkEvent::Started(_) => (2, "▲", "^", theme.strong()),
        LandmarkEvent::Ready => (1, "●", "o", theme.strong()),
        _ => return None,
    };
    Some((weight, theme.pick(sign, ascii), style))
}

/// The ends of the period, and what the signs mean.
fn axis(ui: &Ui, timeline: &Timeline, theme: Theme, line: Rect, buffer: &mut Buffer) {
    let period = timeline.period;
    let format = match period.length().as_secs() {
        0..60 => "%H:%M:%S%.3f",
        60..86_400 => "%H:%M:%S",
        _ => "%b %d %H:%M",
    };
    let mut from = ui.now.formatted(period.from, format);
    let until = ui.now.formatted(period.until, format) + " ";
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
    for (sign, ascii, meaning) in LEGEND {
        let part = format!("  {} {meaning}", theme.pick(sign, ascii));
        if legend.chars().count() + part.chars().count() + 2 <= room {
            legend.push_str(&part);
        }
    }
    let width = legend.chars().count();
    let x = left + u16::try_from(room.saturating_sub(width) / 2).unwrap_or(0);
    put(buffer, (x, line.y), right.saturating_sub(x), &legend, theme.dim());
}
