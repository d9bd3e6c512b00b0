//! What the interface shows, and how it reacts: no clock, no file, no terminal.

mod act;
pub mod areas;
mod copying;
pub mod entry;
pub mod find;
mod finding;
mod input;
mod layout;
pub mod list;
pub mod log;
mod mouse;
pub mod msg;
pub mod offers;
pub mod overlay;
pub mod prompt;
pub mod timeline;
mod unfinished;

use std::sync::Arc;
use std::time::Duration;

use self::areas::NARROW;
use self::find::Find;
use self::finding::Visit;
use self::list::List;
use self::log::Log;
use self::msg::{Answered, Choice, Effect, Msg, Now, Question};
use self::overlay::Overlay;
use self::prompt::Prompt;
use self::timeline::Timeline;
use self::unfinished::Unfinished;
use crate::figures::series::Series;
use crate::journal::cursor::Position;
use crate::model::request::{ProcessState, State};
use crate::model::run_end::End;
use crate::model::time::Timestamp;

/// How long a message that needs no reaction stays.
const TOAST: Duration = Duration::from_secs(3);

/// Which part the arrows move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The list.
    #[default]
    List,
    /// The log.
    Log,
}

/// The connection to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SupervisorLink {
    /// It answers.
    #[default]
    Live,
    /// It does not, since then.
    Away(Timestamp),
    /// The run is over; its exit code, if known, and who decided it.
    Over(Option<Box<End>>),
}

/// A message for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The text.
    pub text: String,
    /// It stays until a key is pressed.
    pub is_error: bool,
    /// When it disappears.
    pub until: Timestamp,
}

/// What all processes printed around a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// The time of the line.
    pub time: Timestamp,
    /// How many seconds before and after it are of interest.
    pub seconds: u64,
}

impl Around {
    /// Whether a line of this time is of interest.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.time.between(time) <= Duration::from_secs(self.seconds)
    }
}

/// The interface.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that don't depend on each other")]
pub struct Ui {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The title of the run.
    pub title: String,
    /// Its id.
    pub run: String,
    /// When it began.
    pub started: Timestamp,
    /// It is being stopped.
    pub quitting: bool,
    /// The connection to its supervisor.
    pub link: SupervisorLink,
    /// The processes.
    pub list: List,
    /// The log.
    pub log: Log,
    /// Which part the arrows move in.
    pub focus: Focus,
    /// Only the log is shown.
    pub zoom: bool,
    /// Times are shown before lines.
    pub times: bool,
    /// The mouse is used.
    pub mouse: bool,
    /// The width of the list, if it was changed.
    pub list_width: Option<u16>,
    /// The search.
    pub find: Option<Find>,
    /// The lines around one line are shown.
    pub around: Option<Around>,
    /// The timeline, if it is shown.
    pub timeline: Option<Timeline>,
    /// Only entries that are not output are shown.
    pub only_events: bool,
    /// Processor time and memory are shown.
    pub shows_figures: bool,
    /// The samples of them.
    pub figures: Series,
    /// The input.
    pub prompt: Option<Prompt>,
    /// What lies over the log.
    pub overlay: Option<Overlay>,
    /// A message.
    pub toast: Option<Toast>,
    /// Bookmarks.
    pub bookmarks: Vec<Position>,
    /// The other end of a selection of lines.
    pub selection: Option<Position>,
    /// The time.
    pub now: Now,
    /// Leaving stops the run too, by default.
    pub owns_run: bool,
    /// The time at which to begin, until the run is known.
    begins_at: Option<Timestamp>,
    /// Lines that have no end yet.
    unfinished: Unfinished,
    /// Which entries are shown.
    choice: Arc<Choice>,
    /// The filter in it.
    applied: Option<(String, bool)>,
    /// A visit to an error or a start that is going on.
    visiting: Option<Visit>,
    ticket: u64,
    /// The ticket of the load that is awaited.
    load_ticket: u64,
    /// What is to be done because of the present message.
    effects: Vec<Effect>,
}

impl Ui {
    /// An interface before anything is known.
    pub fn new(size: (u16, u16), now: Now) -> Self {
        let mut ui = Self {
            size,
            started: now.time,
            focus: if size.0 < NARROW { Focus::Log } else { Focus::List },
            mouse: true,
            now,
            ..Self::default()
        };
        ui.lay_out();
        ui.log.follow();
        ui
    }

    /// Begin at this time, and with only the lines that match.
    pub fn begin(&mut self, time: Option<Timestamp>, grep: Option<&str>) {
        self.find = grep.and_then(|text| Find::new(text, false));
        if let Some(find) = &mut self.find {
            find.filters = true;
        }
        self.begins_at = time;
        if let Some(time) = time {
            self.log.go_to_time(time);
        }
    }

    /// Something has happened.
    pub fn update(&mut self, msg: Msg, now: Timestamp) -> Vec<Effect> {
        self.now.time = now;
        if self.toast.as_ref().is_some_and(|toast| !toast.is_error && toast.until <= now) {
            self.toast = None;
        }
        let before = self.log.view;
        let was_filtered = self.is_filtered();
        self.react(msg);
        let moves_log = self.log.view != before || self.is_filtered() != was_filtered;
        if self.size.0 < NARROW && self.timeline.is_none() && moves_log {
            // Only one of list and log is visible.
            self.focus = Focus::Log;
        }
        self.move_cursor(before);
        self.lay_out();
        self.choose();
        self.show_unfinished();
        self.ask_for_timeline();
        if let Some(last) = self.log.new_screen_end() {
            self.effects.push(Effect::Ask(Question::ScreenEnd(last, Arc::clone(&self.choice))));
        }
        if let Some(load) = self.log.next_load() {
            self.load_ticket = self.next_ticket();
            let question = Question::Load(self.load_ticket, load, Arc::clone(&self.choice));
            self.effects.push(Effect::Ask(question));
        }
        std::mem::take(&mut self.effects)
    }

    fn react(&mut self, msg: Msg) {
        match msg {
            Msg::Key(key) => self.key(key),
            Msg::Paste(text) => {
                if let Some(prompt) = &mut self.prompt {
                    prompt.paste(&text);
                    self.typed();
                } else {
                    self.say("pasted text goes into a process with i, or into a search with /");
                }
            }
            Msg::Mouse(mouse) => self.mouse_used(mouse),
            Msg::Resize(columns, rows) => self.size = (columns, rows),
            Msg::State(state) => self.set_state(*state),
            Msg::Process(process) => {
                self.list.pending.retain(|(name, _)| *name != process.name);
                self.list.update(*process);
            }
            Msg::Detached => self.effects.push(Effect::Leave),
            Msg::Head(_) | Msg::Away | Msg::Ended(_) | Msg::Gone => self.news(msg),
            Msg::Loaded(loaded) => {
                if loaded.ticket == self.load_ticket {
                    self.log.grow(loaded.head);
                    self.unfinished.loaded(loaded.head);
                    self.log.take(loaded);
                }
            }
            Msg::Marks(found) => self.found_marks(found),
            Msg::Output(output) => self.measured(output),
            Msg::Unfinished(lines) => {
                for (partial, entry) in lines {
                    self.unfinished.read(partial, entry);
                }
            }
            Msg::Found(found) => self.found(&found),
            Msg::Counted(counted) => self.counted(counted),
            Msg::Answered(answered) => self.answered(answered),
            Msg::Page(page) => {
                if let Some(overlay) = &mut self.overlay {
                    overlay.set_page(page);
                }
            }
            Msg::ScreenEnd(end) => self.log.screen_end = Some(end),
            Msg::Note(text) => self.say(text),
            Msg::Unreadable(why) => {
                self.log.give_up();
                self.complain(format!("the journal can't be read: {why}"));
            }
            Msg::Failed(text) => self.complain(text),
            Msg::Figures(sample) => self.figures.push(sample),
            Msg::Alarm => {}
        }
    }

    /// Whether only matching lines are shown.
    fn is_filtered(&self) -> bool {
        self.find.as_ref().is_some_and(|find| find.filters)
    }

    /// News of the run as a whole.
    fn news(&mut self, msg: Msg) {
        if let Msg::Head(head) = msg {
            if matches!(self.link, SupervisorLink::Away(_)) {
                self.link = SupervisorLink::Live;
            }
            self.quitting |= head.stopping;
            self.unfinished.update(&head, self.log.head, self.now.time);
            return self.log.grow(head.records);
        }
        match (msg, &self.link) {
            (Msg::Away, SupervisorLink::Live) => self.link = SupervisorLink::Away(self.now.time),
            (Msg::Ended(end), _) => self.link = SupervisorLink::Over(Some(end)),
            (Msg::Gone, SupervisorLink::Live | SupervisorLink::Away(_)) => {
                self.link = SupervisorLink::Over(None);
            }
            _ => return,
        }
        if matches!(self.link, SupervisorLink::Over(_)) {
            self.list.end(self.now.time);
            // Its last records were not announced.
            self.log.look_again();
        }
    }

    fn set_state(&mut self, state: State) {
        if !self.run.is_empty() && self.run != state.run {
            self.say("another run has begun");
        }
        if self.run != state.run {
            self.quitting = false;
            self.log.follow();
            if let Some(time) = self.begins_at.take() {
                self.log.go_to_time(time);
            }
            // Without a supervisor, the journal was indexed in memory.
            self.effects.push(Effect::Ask(Question::Reopen));
        }
        self.link = SupervisorLink::Live;
        self.title = state.title.to_string();
        (self.run, self.started) = (state.run, state.started);
        self.quitting |= state.quitting;
        self.list.set(state.processes);
    }

    fn answered(&mut self, answered: Answered) {
        self.list.pending.retain(|(name, _)| !answered.names.contains(name));
        match answered.error {
            None => self.say(answered.what),
            Some(error) => self.complain(error),
        }
    }

    /// Show a message for a short time.
    pub fn say(&mut self, text: impl Into<String>) {
        let until = self.now.time + TOAST;
        self.toast = Some(Toast { text: text.into(), is_error: false, until });
    }

    /// Show a message until a key is pressed.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), is_error: true, until: Timestamp::LAST });
    }

    fn next_ticket(&mut self) -> u64 {
        self.ticket += 1;
        self.ticket
    }

    /// Show what the list and the filter select.
    fn choose(&mut self) {
        let names = if self.around.is_some() { vec![] } else { self.list.chosen() };
        let filter = self.find.as_ref().filter(|find| find.filters && self.around.is_none());
        let applied = filter.map(|find| (find.text.clone(), find.literal));
        let only_events = self.only_events && self.around.is_none();
        let old = &*self.choice;
        if names == old.names && applied == self.applied && only_events == old.only_events {
            return;
        }
        self.applied = applied;
        let pattern = filter.map(|find| find.pattern.clone());
        self.choice = Arc::new(Choice { names, pattern, only_events });
        self.lay_out();
        self.log.reload();
    }

    fn show_unfinished(&mut self) {
        let due = self.unfinished.take_due(self.now.time);
        if !due.is_empty() {
            self.effects.push(Effect::Ask(Question::Unfinished(due)));
        }
        let entries =
            if self.around.is_some() { vec![] } else { self.unfinished.entries(&self.choice) };
        self.log.set_unfinished(entries);
    }

    /// Whether a process is waiting for input.
    pub fn asks(&self, process: &ProcessState) -> bool {
        self.prompt_of(process).is_some()
    }

    /// The prompt at which a process is waiting for input, and since when.
    pub fn prompt_of(&self, process: &ProcessState) -> Option<(String, Timestamp)> {
        process.pid?;
        self.unfinished.asks(&process.name, self.now.time)
    }

    /// In how long something on the screen changes by itself, if nothing else happens.
    pub fn next_alarm(&self) -> Option<Duration> {
        let toast = self.toast.as_ref().filter(|toast| !toast.is_error);
        let toast = toast.map(|toast| toast.until.since(self.now.time));
        // An age is shown in seconds below a minute, then in minutes.
        let age = |process: &ProcessState| {
            let age = self.now.time.since(process.since);
            let unit = if age.as_secs() < 60 { 1 } else { 60 };
            let rest = Duration::from_secs((age.as_secs() / unit + 1) * unit);
            rest.saturating_sub(age)
        };
        let list = self.areas().list.height > 0 && !matches!(self.link, SupervisorLink::Over(_));
        let ages = self.list.processes.iter().filter(|_| list).map(age).min();
        let away = matches!(self.link, SupervisorLink::Away(_)).then_some(Duration::from_secs(1));
        let soon = Duration::from_millis(20);
        let unfinished = self.unfinished.next_alarm(self.now.time);
        let unfinished = unfinished.map(|at| at.since(self.now.time));
        [toast, ages, away, unfinished].into_iter().flatten().min().map(|alarm| alarm.max(soon))
    }
}
