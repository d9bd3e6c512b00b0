//! Carries out actions. What is copied are lines of the journal, or the command that prints them.

use std::fmt::Write as _;
use std::time::Duration;

use super::Ui;
use super::entry::LogEntry;
use super::finding::Around;
use super::layout::Focus;
use super::log::ScrollPosition;
use super::log::window::LinePlace;
use super::msg::{Direction, Effect, Question, Tab, Target};
use super::prompt::{Details, Overlay, Prompt, Subject};
use crate::figures::series::Series;
use crate::keys::actions::{Action, Choosing, Finding, Motion, OnProcess, OnScreen, Taking};
use crate::model::ProcName;
use crate::model::text::shell::quoted;
use crate::model::time::Timestamp;
use crate::view::paint::SYSTEM;

/// How many columns a step sideways is.
const SIDEWAYS: usize = 8;

impl Ui {
    /// Carry out an action.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Move(motion) => self.go(motion),
            Action::Find(finding) => self.find_by(finding),
            Action::Choose(choosing) => self.choose_by(choosing),
            Action::Process(action) => self.act_on_process(action),
            Action::Take(taking) => self.take_along(taking),
            Action::Screen(action) => self.change_screen(action),
        }
    }

    /// Whether the arrows move in the list.
    pub(super) fn is_in_list(&self) -> bool {
        self.screen.focus == Focus::List && self.areas().list.height > 0
    }

    fn go(&mut self, motion: Motion) {
        let rows = isize::try_from(self.log.rows).unwrap_or(1);
        match motion {
            Motion::Up if self.is_in_list() => self.list.step(-1),
            Motion::Down if self.is_in_list() => self.list.step(1),
            Motion::Up => self.log.step(-1),
            Motion::Down => self.log.step(1),
            Motion::PageUp => self.log.scroll((1 - rows).min(-1)),
            Motion::PageDown => self.log.scroll((rows - 1).max(1)),
            Motion::HalfUp => self.log.scroll(-(rows / 2).max(1)),
            Motion::HalfDown => self.log.scroll((rows / 2).max(1)),
            Motion::Home | Motion::End if self.filter.around.is_some() => self.go_to_edge(motion),
            Motion::Home => self.log.go_to_beginning(),
            Motion::End => self.log.follow(),
            Motion::Left => self.log.left = self.log.left.saturating_sub(SIDEWAYS),
            Motion::Right if !self.log.form.wrap => self.log.left += SIDEWAYS,
            Motion::Right => self.say("lines are wrapped; w shows them in one piece"),
            Motion::LifeBefore => self.visit(Target::Starts, Direction::Up),
            Motion::LifeAfter => self.visit(Target::Starts, Direction::Down),
            Motion::GoToTime => self.prompt = Some(Prompt::new(Subject::Time)),
            Motion::Bookmark => self.bookmark(),
            Motion::NextBookmark => self.next_bookmark(),
        }
    }

    /// Go to the first or the last line around the one in question.
    fn go_to_edge(&mut self, motion: Motion) {
        let Some(around) = &self.filter.around else { return };
        let span = Duration::from_secs(around.seconds);
        if motion == Motion::Home {
            self.log.go_to_time(around.time - span);
        } else {
            self.log.go_to_moment(around.time + span);
        }
    }

    fn find_by(&mut self, finding: Finding) {
        match finding {
            Finding::Find => self.prompt = Some(Prompt::new(Subject::Find(self.log.view))),
            Finding::Next => self.search(Direction::Down, false),
            Finding::Previous => self.search(Direction::Up, false),
            Finding::ErrorBefore => self.visit(Target::Entries, Direction::Up),
            Finding::ErrorAfter => self.visit(Target::Entries, Direction::Down),
            Finding::FirstError => self.visit_first_error(),
            Finding::Around => {
                self.log.step(0);
                let current = self.log.current();
                self.filter.around = current.map(|entry| Around { time: entry.time, seconds: 2 });
            }
            Finding::Wider => self.change_around(|seconds| seconds.saturating_mul(2).min(3600)),
            Finding::Closer => self.change_around(|seconds| (seconds / 2).max(1)),
            Finding::Events => {
                self.filter.only_events = !self.filter.only_events;
                self.say(if self.filter.only_events {
                    "only starts, ends and messages of tmo; e shows all"
                } else {
                    "all lines"
                });
            }
        }
    }

    fn change_around(&mut self, change: impl Fn(u64) -> u64) {
        match &mut self.filter.around {
            Some(around) => around.seconds = change(around.seconds),
            None => self.say("x shows what all processes printed around this line"),
        }
    }

    fn choose_by(&mut self, choosing: Choosing) {
        match choosing {
            Choosing::Open if self.is_in_list() => self.open(self.list.selected.clone()),
            Choosing::Open => self.open_line(),
            Choosing::Back => self.back(),
            Choosing::All => self.open(None),
            Choosing::Pick => self.prompt = Some(Prompt::new(Subject::Pick)),
            Choosing::Next => self.open_row(self.list.selected_row() + 1),
            Choosing::Previous => self.open_row(self.list.selected_row().saturating_sub(1)),
            Choosing::Mark => self.mark(),
            Choosing::Invert => {
                let all = self.list.processes.iter().map(|process| process.name.clone());
                let marked = std::mem::take(&mut self.list.marked);
                self.list.marked = all.filter(|name| !marked.contains(name)).collect();
            }
            Choosing::HideStopped => self.list.hides_stopped = !self.list.hides_stopped,
        }
    }

    /// The n-th process of the list.
    pub(super) fn row(&self, row: usize) -> Option<&ProcName> {
        row.checked_sub(1).and_then(|at| self.list.rows().nth(at)).map(|process| &process.name)
    }

    /// Open the n-th process of the list.
    pub(super) fn open_row(&mut self, row: usize) {
        match self.row(row).cloned() {
            Some(name) => self.open(Some(name)),
            None => self.say("the list has no such process"),
        }
    }

    /// Show the log of a process, or of all.
    pub(super) fn open(&mut self, name: Option<ProcName>) {
        self.list.marked.clear();
        self.list.selected.clone_from(&name);
        self.list.open = name;
        (self.overlay, self.filter.around) = (None, None);
    }

    /// Show the current line in whole. Where there is none, the log follows.
    fn open_line(&mut self) {
        let ScrollPosition::At(_) = self.log.view else {
            return self.say("↑ selects a line; Enter shows it in whole");
        };
        let Some(entry) = self.log.current() else { return };
        let time = self.now.formatted(entry.time, "%Y-%m-%d %H:%M:%S%.3f");
        let who = entry.name.as_deref().unwrap_or(SYSTEM);
        let head = format!("{who}, {time}, life {}", entry.life);
        let text = format!("{head}\n\n{}", laid_out(&entry.text()));
        let page = Details { text: Some(text), ..Details::awaited(Tab::Why, None) };
        self.overlay = Some(Overlay::Line(page));
    }

    /// Close what is in the way: the selection, the search, what limits the log.
    fn back(&mut self) {
        if self.log.selection.take().is_some() || self.filter.around.take().is_some() {
            return;
        }
        if self.find.take().is_some() {
            return self.effects.push(Effect::Ask(Question::StopSearch));
        }
        if std::mem::take(&mut self.filter.only_events) {
            return;
        }
        self.list.open = None;
        self.list.marked.clear();
    }

    fn mark(&mut self) {
        let Some(name) = self.list.selected.clone() else {
            return self.say("select a process in the list first");
        };
        if !self.list.marked.remove(&name) {
            self.list.marked.insert(name);
        }
        self.list.open = None;
        self.list.step(1);
    }

    fn change_screen(&mut self, action: OnScreen) {
        let is_over = self.run.is_over();
        match action {
            OnScreen::Focus => self.screen.move_focus(),
            OnScreen::Timeline => self.toggle_timeline(),
            OnScreen::Zoom => self.screen.zoom = !self.screen.zoom,
            OnScreen::Narrower => {
                self.screen.list_width = Some(self.areas().list.width.saturating_sub(2));
            }
            OnScreen::Wider => self.screen.list_width = Some(self.areas().list.width + 2),
            OnScreen::Wrap => self.toggle_wrap(),
            OnScreen::Times => self.log.times = !self.log.times,
            OnScreen::Figures => {
                self.figures = self.figures.is_none().then(Series::default);
                self.effects.push(Effect::Figures(self.figures.is_some()));
            }
            OnScreen::Mouse => {
                self.screen.mouse = !self.screen.mouse;
                let here = "the mouse selects here; M gives it to the terminal";
                let there = "the mouse belongs to the terminal; M takes it back";
                self.say(if self.screen.mouse { here } else { there });
                self.effects.push(Effect::Mouse(self.screen.mouse));
            }
            OnScreen::Actions => self.prompt = Some(Prompt::new(Subject::Action)),
            OnScreen::Help => self.overlay = Some(Overlay::Help(0)),
            // The second time, for SIGKILL.
            OnScreen::Interrupt if self.run.is_owned && self.run.quitting => {
                self.effects.push(Effect::StopAll);
            }
            OnScreen::StopAll if !is_over => self.overlay = Some(Overlay::Quit(false)),
            OnScreen::StopAll => self.complain("the run is over".to_owned()),
            OnScreen::Quit | OnScreen::Interrupt if self.run.is_owned && !is_over => {
                self.overlay = Some(Overlay::Quit(true));
            }
            OnScreen::Quit | OnScreen::Leave | OnScreen::Interrupt => {
                self.effects.push(Effect::Leave);
            }
            OnScreen::Suspend => self.effects.push(Effect::Suspend),
            OnScreen::Redraw => self.effects.push(Effect::Redraw),
        }
    }

    fn toggle_wrap(&mut self) {
        let (form, rows) = (self.log.form, self.log.rows);
        self.log.left = 0;
        self.log.resize(super::entry::Form { wrap: !form.wrap, ..form }, rows);
        let cut = "long lines are cut; ← → move sideways";
        self.say(if form.wrap { cut } else { "long lines are wrapped" });
    }

    fn take_along(&mut self, taking: Taking) {
        match taking {
            Taking::Copy => self.copy(),
            Taking::Select => {
                self.log.step(0);
                self.screen.focus = Focus::Log;
                self.log.selection = match self.log.selection {
                    Some(_) => None,
                    None => self.log.current().map(|entry| entry.position),
                };
            }
            Taking::Command => self.copy_command(),
            Taking::Plain => self.effects.push(Effect::Plain(self.list.chosen())),
        }
    }

    pub(super) fn act_on_process(&mut self, action: OnProcess) {
        match action {
            OnProcess::Why => self.page(Tab::Why),
            OnProcess::Compare => self.page(Tab::Compare),
            OnProcess::Flags => self.page(Tab::Flags),
            OnProcess::Tree => self.page(Tab::Tree),
            OnProcess::Screen => self.page(Tab::Screen),
            _ if self.run.is_over() => {
                self.complain("nothing runs here; `tmo start` starts the processes");
            }
            OnProcess::RestartAll => self.overlay = Some(Overlay::Confirm(action)),
            OnProcess::RestartNamed | OnProcess::StopNamed | OnProcess::StartNamed => {
                let entry = self.list.target().map_or("", |process| process.name.entry());
                self.prompt = Some(Prompt::with(Subject::Names(action), entry));
            }
            OnProcess::Reload => self.effects.push(Effect::Reload),
            _ => self.act_on_target(action),
        }
    }

    fn act_on_target(&mut self, action: OnProcess) {
        let Some(process) = self.list.target() else {
            return self.say("select a process first: ↑ ↓, or o and a part of its name");
        };
        let name = process.name.clone();
        let rests = process.rests();
        match action {
            OnProcess::Browse => self.effects.push(Effect::Addresses(Some(name))),
            OnProcess::Connect => self.effects.push(Effect::Connect(name, false)),
            OnProcess::Watch => self.effects.push(Effect::Connect(name, true)),
            OnProcess::Type => self.prompt = Some(Prompt::new(Subject::Line(name))),
            OnProcess::Signal => self.prompt = Some(Prompt::new(Subject::Signal(name))),
            OnProcess::Scale => {
                self.prompt = Some(Prompt::new(Subject::Scale(name.entry().to_owned())));
            }
            OnProcess::Stop if rests => self.say(format!("{name} does not run; S starts it")),
            OnProcess::Kill | OnProcess::Stop => self.overlay = Some(Overlay::Confirm(action)),
            OnProcess::Restart | OnProcess::Start => self.request(action, &name),
            _ => {}
        }
    }

    fn page(&mut self, tab: Tab) {
        let name = self.list.target().map(|process| process.name.clone());
        if name.is_none() && tab != Tab::Why {
            return self.say("select a process first: ↑ ↓, or o and a part of its name");
        }
        self.show_page(tab, name);
    }

    pub(super) fn show_page(&mut self, tab: Tab, name: Option<ProcName>) {
        self.overlay = Some(Overlay::Details(Details::awaited(tab, name.clone())));
        self.effects.push(Effect::Page(tab, name));
    }

    fn bookmark(&mut self) {
        self.log.step(0);
        match self.log.toggle_bookmark() {
            Some(true) => self.say("bookmark set; ' goes to the next one"),
            Some(false) => self.say("bookmark removed"),
            None => {}
        }
    }

    fn next_bookmark(&mut self) {
        if !self.log.go_to_next_bookmark() {
            self.say("there is no bookmark; b sets one");
        }
    }
}

/// JSON in several lines, anything else as it is.
fn laid_out(text: &str) -> String {
    let Some(at) = text.find(['{', '[']) else { return text.to_owned() };
    let (before, json) = text.split_at(at);
    let value = serde_json::from_str::<serde_json::Value>(json.trim_end());
    let Some(value) = value.ok().filter(|value| value.is_object() || value.is_array()) else {
        return text.to_owned();
    };
    let laid_out = serde_json::to_string_pretty(&value).unwrap_or_default();
    if before.is_empty() { laid_out } else { format!("{before}\n{laid_out}") }
}

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
        format!("{} {}", self.now.formatted(entry.time, "%Y-%m-%d %H:%M:%S%.3f"), entry.text())
    }

    /// Copy the command that prints what is on the screen.
    pub(super) fn copy_command(&mut self) {
        let shown = self.log.visible_lines().lines;
        let entry = |place: Option<&LinePlace>| place.and_then(|at| self.log.entry(*at));
        let (Some(first), Some(last)) = (entry(shown.first()), entry(shown.last())) else { return };
        let time = |time: Timestamp| self.now.formatted(time, "%Y-%m-%dT%H:%M:%S%.9f");
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
