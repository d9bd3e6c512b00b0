//! Copying: lines of the journal, or the command that prints them.

use std::fmt::Write as _;

use super::Ui;
use super::entry::LogEntry;
use super::log::window::LinePlace;
use super::msg::Effect;
use crate::model::shell::quoted;
use crate::model::time::Timestamp;

impl Ui {
    /// Copy the selected lines, or the current one.
    pub(super) fn copy(&mut self) {
        self.log.step(0);
        let Some(current) = self.log.current().map(|entry| entry.position) else { return };
        let other = self.log.selection.take().unwrap_or(current);
        let (first, last) = (current.min(other), current.max(other));
        let entries = self.log.entries().iter();
        let chosen = entries.filter(|entry| (first..=last).contains(&entry.position));
        let lines: Vec<_> = chosen.map(|entry| self.copied(entry)).collect();
        let what = if lines.len() == 1 { "the line" } else { "the lines" };
        self.effects.push(Effect::Copy(lines.join("\n"), what));
    }

    /// The text of an entry, with its time if times are shown.
    fn copied(&self, entry: &LogEntry) -> String {
        if !self.log.times {
            return entry.text();
        }
        format!("{} {}", self.now.shown(entry.time, "%Y-%m-%d %H:%M:%S%.3f"), entry.text())
    }

    /// Copy the command that prints what is on the screen.
    pub(super) fn copy_command(&mut self) {
        let shown = self.log.visible_lines().lines;
        let entry = |place: Option<&LinePlace>| place.and_then(|at| self.log.entry(*at));
        let (Some(first), Some(last)) = (entry(shown.first()), entry(shown.last())) else { return };
        let time = |time: Timestamp| self.now.shown(time, "%Y-%m-%dT%H:%M:%S%.9f");
        let mut command = "tmo logs".to_owned();
        for name in self.list.chosen() {
            command.push(' ');
            command.push_str(&quoted(&name));
        }
        let (since, until) = (time(first.time), time(last.time.next()));
        // Writing to a string does not fail.
        let _ = write!(command, " --since {since} --until {until}");
        if let Some(find) = self.find.as_ref().filter(|find| find.filters) {
            let ignores_case = !find.text.chars().any(char::is_uppercase);
            let flag = if ignores_case { "-i " } else { "" };
            let text = if find.literal { regex::escape(&find.text) } else { find.text.clone() };
            let _ = write!(command, " {flag}--grep {}", quoted(&text));
        }
        self.effects.push(Effect::Copy(command, "the command"));
    }
}
