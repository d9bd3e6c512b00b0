//! The last line: a message, an input, the search, or the keys that help now.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::cells::{clear, put, put_right};
use super::theme::Theme;
use crate::keys::actions::{Action, OnProcess, entry_of};
use crate::model::Condition;
use crate::state::Ui;
use crate::state::layout::Focus;
use crate::state::prompt::{Overlay, Subject};

pub(super) fn draw(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let line = (area.x + 1, area.y);
    let width = area.width.saturating_sub(1);
    if ui.prompt.is_some() {
        return input(ui, theme, area, buffer);
    }
    if let Some(toast) = &ui.toast {
        let style = if toast.is_error { theme.bad() } else { theme.strong() };
        put(buffer, line, width, &one_line(&toast.text), style);
        return None;
    }
    let forms = question(ui);
    let fits = forms.iter().find(|form| form.width() <= usize::from(width));
    if let Some(form) = fits.or(forms.last()) {
        put(buffer, line, width, form, theme.strong());
        return None;
    }
    let mut x = line.0;
    let last = if area.width < 60 { "q ? " } else { "q quit  ? keys " };
    let keys = put_right(buffer, area, last, theme.dim());
    if let Some(find) = &ui.find {
        let text = format!("/{}  {}", find.text, find.words());
        x = put(buffer, line, keys.saturating_sub(line.0), &text, theme.hit()) + 2;
    }
    for (hint, what) in hints(ui) {
        let needed = hint.width() + 1 + what.width();
        if usize::from(keys.saturating_sub(x)) <= needed {
            break;
        }
        x = put(buffer, (x, area.y), area.right() - x, hint, theme.key()) + 1;
        x = put(buffer, (x, area.y), area.right().saturating_sub(x), what, theme.dim()) + 2;
    }
    None
}

/// What is asked, or which keys a page has: in full, then shorter for narrow screens.
fn question(ui: &Ui) -> Vec<String> {
    let forms: &[&str] = match &ui.overlay {
        None => &[],
        Some(Overlay::Quit(true)) => &[
            "stop all: s or Enter   leave running: l or q   any other key: stay",
            "s: stop all  l: leave it  other: stay",
        ],
        Some(Overlay::Quit(false)) => &[
            "leave running: l, q or Enter   stop all: s   any other key: stay",
            "l: leave it  s: stop all  other: stay",
        ],
        Some(Overlay::Confirm(action)) => {
            let name = ui.list.target().map_or("the process", |process| process.name.as_str());
            let (what, key) = if *action == OnProcess::Kill {
                (format!("end {name} with SIGKILL"), "K, y")
            } else if *action == OnProcess::Stop {
                (format!("stop {name}"), "s, y")
            } else {
                ("restart all processes".to_owned(), "R, y")
            };
            return vec![
                format!("{what}? {key} or Enter: yes, any other key: no"),
                format!("{what}? {key}, Enter: yes"),
                format!("{key}, Enter: yes, else no: {what}?"),
            ];
        }
        Some(Overlay::Act(name)) => {
            let action = ui.run.actions.iter().find(|action| action.process == *name);
            let command = action.map_or_else(String::new, |action| action.command.to_string());
            return vec![
                format!("run `{command}`? y or Enter: yes, any other key: no"),
                format!("y, Enter: yes, else no: run {name}?"),
            ];
        }
        Some(Overlay::Details(page)) if page.leads_to.is_some() => &[
            "Enter: to the line   ← → other pages   ↑ ↓ scroll   y copy   q close",
            "Enter: the line  ← → ↑ ↓  y  q close",
        ],
        Some(Overlay::Details(_)) => &[
            "← → other pages   ↑ ↓ scroll   y copy   q close",
            "← → pages  ↑ ↓ scroll  y copy  q close",
        ],
        Some(Overlay::Line(_)) => &["↑ ↓ scroll   y copy   q close"],
        Some(Overlay::Help(_)) => &["↑ ↓ scroll   q close"],
    };
    forms.iter().map(ToString::to_string).collect()
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("  ")
}

/// The keys that help now.
fn hints(ui: &Ui) -> Vec<(&'static str, &'static str)> {
    // What was opened above the usual screen comes first.
    if ui.timeline.is_some() {
        return vec![
            ("← →", "time"),
            ("{ }", "events"),
            ("+ -", "zoom"),
            ("End", "now"),
            ("H", "close"),
        ];
    }
    if ui.log.selection.is_some() {
        return vec![("↑↓", "more lines"), ("y", "copy them"), ("Esc", "select nothing")];
    }
    if ui.filter.around.is_some() {
        return vec![
            ("+ -", "longer, shorter"),
            ("Esc", "back"),
            ("y", "copy"),
            ("Y", "copy as command"),
        ];
    }
    if ui.find.as_ref().is_some_and(|find| find.filters) {
        return vec![
            ("Esc", "all lines"),
            ("n N", "next, previous"),
            ("x", "around"),
            ("y", "copy"),
        ];
    }
    if ui.find.is_some() {
        return vec![
            ("n N", "next, previous"),
            ("/", "find"),
            ("x", "around"),
            ("y", "copy"),
            ("Esc", "end the search"),
        ];
    }
    if ui.run.is_over() {
        return vec![("/", "find"), ("d", "why"), ("[ ]", "errors"), ("y", "copy")];
    }
    if ui.screen.focus == Focus::Log && ui.screen.is_narrow() && ui.log.follows() {
        return vec![("Tab", "list"), ("/", "find"), ("o", "pick"), ("[ ]", "errors")];
    }
    if ui.screen.focus == Focus::Log || !ui.log.follows() {
        return vec![
            ("/", "find"),
            ("[ ]", "errors"),
            ("x", "around"),
            ("y", "copy"),
            ("G", "follow"),
            ("{ }", "starts"),
            ("Enter", "whole line"),
        ];
    }
    let mut hints = vec![];
    if ui.list.target().is_some_and(|process| process.prompt.is_some()) {
        hints.push(("i", "type"));
    }
    match ui.list.target().map(|process| process.condition_at(ui.shown_time())) {
        None => hints.push(("↑↓", "select")),
        Some(Condition::Failed) => hints.extend([("d", "why"), ("r", "restart")]),
        Some(Condition::Done) => hints.push(("S", "start")),
        Some(Condition::Running | Condition::CrashLoop | Condition::Waiting) => {
            hints.extend([("c", "connect"), ("r", "restart"), ("s", "stop"), ("d", "why")]);
            if ui.list.target().is_some_and(|process| ui.address(&process.name).is_some()) {
                hints.push(("O", "browser"));
            }
        }
    }
    hints.extend([("Enter", "open"), ("/", "find"), ("p", "plain"), (":", "more")]);
    hints
}

fn input(ui: &Ui, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let prompt = ui.prompt.as_ref()?;
    clear(buffer, area);
    let (label, hint) = match &prompt.subject {
        Subject::Find(_) => {
            let filters = ui.find.as_ref().is_some_and(|find| find.filters);
            let literal = ui.find.as_ref().is_some_and(|find| find.literal);
            let hint = match (&ui.find, filters, literal) {
                (None, ..) => "Tab: only matching lines   Ctrl-T: as text".to_owned(),
                (Some(find), true, _) => format!("{}   only matching lines (Tab)", find.words()),
                (Some(find), false, true) => format!("{}   as text (Ctrl-T)", find.words()),
                (Some(find), false, false) if find.is_invalid => {
                    format!("{}   no valid expression: as text", find.words())
                }
                (Some(find), false, false) => format!("{}   Tab: only these", find.words()),
            };
            ("/".to_owned(), hint)
        }
        Subject::Pick => ("process: ".to_owned(), "Enter opens   ↑ ↓ others".to_owned()),
        Subject::Time if ui.toast.as_ref().is_some_and(|toast| toast.is_error) => {
            ("go to: ".to_owned(), "not a time; like 14:05, 10m, 2026-11-20 9:00".to_owned())
        }
        Subject::Time => {
            ("go to: ".to_owned(), "14:05   10m ago: 10m   2026-11-20 9:00".to_owned())
        }
        Subject::Line(name) => {
            (format!("lines to {name}: "), "Enter sends, then the next one   Esc ends".to_owned())
        }
        Subject::Action => (":".to_owned(), "Enter does it   ↑ ↓ others   Esc closes".to_owned()),
        Subject::Names(action) => {
            let verb = entry_of(Action::Process(*action)).map_or("", |entry| entry.name);
            (
                format!("{verb}: "),
                "an entry, name or @group   Enter does it   Esc closes".to_owned(),
            )
        }
        Subject::Scale(entry) => {
            let running = ui.list.processes.iter().filter(|one| one.name.entry() == entry).count();
            (
                format!("instances of {entry}: "),
                format!("now {running}   Enter does it   Esc closes"),
            )
        }
        Subject::Signal(name) => (
            format!("signal to {name}: "),
            "HUP, USR1, 10 ...   Enter sends it   Esc closes".to_owned(),
        ),
    };
    let x = put(buffer, (area.x + 1, area.y), area.width - 1, &label, theme.key());
    let room = usize::from(area.right().saturating_sub(x + 1));
    let scroll = prompt.input.visual_scroll(room);
    let text: String = skip_columns(prompt.text(), scroll);
    let end = put(buffer, (x, area.y), area.right().saturating_sub(x), &text, theme.strong());
    let hint_width = u16::try_from(hint.width()).unwrap_or(u16::MAX);
    if area.right().saturating_sub(end) > hint_width.saturating_add(3) {
        put_right(buffer, area, &format!("{hint} "), theme.dim());
    }
    let cursor = prompt.input.visual_cursor().saturating_sub(scroll);
    let cursor = x + u16::try_from(cursor).unwrap_or(0);
    Some((cursor.min(area.right() - 1), area.y))
}

fn skip_columns(text: &str, columns: usize) -> String {
    let mut skipped = 0;
    text.chars()
        .skip_while(|c| {
            let skip = skipped < columns;
            skipped += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
            skip
        })
        .collect()
}
