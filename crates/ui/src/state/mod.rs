//! What the interface shows, and how it reacts: no clock, no file, no terminal.

mod act;
pub mod entry;
pub mod finding;
mod input;
pub mod layout;
pub mod list;
pub mod log;
pub mod msg;
pub mod prompt;
pub mod timeline;
mod unfinished;

use std::sync::Arc;
use std::time::Duration;

use self::finding::{Find, LogFilter, Visit};
use self::layout::UiScreen;
use self::list::{List, ShownRun};
use self::log::Log;
use self::msg::{Answered, Effect, Msg, Now, Question};
use self::prompt::{Overlay, Prompt};
use self::timeline::Timeline;
use self::unfinished::Unfinished;
use crate::figures::series::Series;
use crate::model::ProcName;
use crate::model::state::{ProcessState, State};
use crate::model::time::Timestamp;

/// How long a message that needs no reaction stays.
const TOAST: Duration = Duration::from_secs(3);

/// How long what has changed is not asked for again.
const DRIFT_PAUSE: Duration = Duration::from_secs(5);

/// A message for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    /// It stays until a key is pressed.
    pub is_error: bool,
    /// When it disappears.
    pub until: Timestamp,
}

/// The interface.
#[derive(Debug, Default)]
pub struct Ui {
    pub screen: UiScreen,
    pub run: ShownRun,
    /// The processes.
    pub list: List,
    pub log: Log,
    /// Which entries of it are shown.
    pub filter: LogFilter,
    /// The search.
    pub find: Option<Find>,
    /// The timeline, if it is shown.
    pub timeline: Option<Timeline>,
    /// The samples of processor time and memory, if they are shown.
    pub figures: Option<Series>,
    /// The addresses of the processes in the browser, as far as they were found.
    pub addresses: Vec<(ProcName, String)>,
    /// The processes for which something has changed since they were started.
    pub drifted: Vec<ProcName>,
    /// When that was asked last.
    drift_asked: Timestamp,
    /// The input.
    pub prompt: Option<Prompt>,
    /// What lies over the log.
    pub overlay: Option<Overlay>,
    /// A message.
    pub toast: Option<Toast>,
    /// The time.
    pub now: Now,
    /// Lines that have no end yet.
    unfinished: Unfinished,
    /// A visit to an error or a start that is going on.
    visiting: Option<Visit>,
    /// The last ticket that was given to a question.
    ticket: u64,
    /// What is to be done because of the present message.
    effects: Vec<Effect>,
}

impl Ui {
    /// An interface before anything is known.
    pub fn new(size: (u16, u16), now: Now) -> Self {
        let mut ui = Self {
            screen: layout::UiScreen::new(size),
            run: ShownRun { started: now.time, ..ShownRun::default() },
            now,
            ..Self::default()
        };
        ui.lay_out();
        ui.log.follow();
        ui
    }

    /// Begin at this time, and with only the lines that match.
    pub fn begin(&mut self, time: Option<Timestamp>, grep: Option<&str>) {
        self.find = grep.and_then(|text| finding::Find::new(text, false));
        if let Some(find) = &mut self.find {
            find.filters = true;
        }
        if let Some(time) = time {
            self.log.begin_at(time);
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
        if self.screen.is_narrow() && self.timeline.is_none() && moves_log {
            // Only one of list and log is visible.
            self.screen.focus = layout::Focus::Log;
        }
        self.move_cursor(before);
        self.lay_out();
        self.choose();
        self.show_unfinished();
        self.ask_for_timeline();
        if let Some(last) = self.log.new_screen_end() {
            let choice = Arc::clone(&self.filter.choice);
            self.effects.push(Effect::Ask(Question::ScreenEnd(last, choice)));
        }
        if let Some(load) = self.log.next_load() {
            let ticket = self.next_ticket();
            self.log.load_ticket = ticket;
            let choice = Arc::clone(&self.filter.choice);
            self.effects.push(Effect::Ask(Question::Load(ticket, load, choice)));
        }
        std::mem::take(&mut self.effects)
    }

    fn react(&mut self, msg: Msg) {
        match msg {
            Msg::Key(key) => {
                self.ask_for_drift();
                self.key(key);
            }
            Msg::Paste(text) => {
                if let Some(prompt) = &mut self.prompt {
                    prompt.paste(&text);
                    self.typed();
                } else {
                    self.say("pasted text goes into a process with i, or into a search with /");
                }
            }
            Msg::Mouse(mouse) => self.mouse_used(mouse),
            Msg::Resize(columns, rows) => self.screen.size = (columns, rows),
            Msg::State(state) => self.set_state(*state),
            Msg::Process(process) => self.set_process(*process),
            Msg::Detached => self.effects.push(Effect::Leave),
            Msg::Head(_) | Msg::Away | Msg::Ended(_) | Msg::Gone => self.news(msg),
            Msg::Loaded(loaded) => {
                if loaded.ticket == self.log.load_ticket {
                    self.log.grow(loaded.head);
                    self.unfinished.loaded(loaded.head);
                    self.log.take(loaded);
                }
            }
            Msg::Marks(found) => self.found_marks(found),
            Msg::Output(output) => self.measured(output),
            Msg::Unfinished(lines) => {
                for (partial, entry) in lines {
                    self.unfinished.set_entry(partial, entry);
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
            Msg::Addresses(all, wanted) => self.found_addresses(all, wanted),
            Msg::Drift(names) => self.drifted = names,
            Msg::ScreenEnd(end) => self.log.screen_end = Some(end),
            Msg::Note(text) => self.say(text),
            Msg::Unreadable(why) => {
                self.log.give_up();
                self.complain(format!("the journal can't be read: {why}"));
            }
            Msg::Failed(text) => self.complain(text),
            Msg::Figures(sample) => {
                if let Some(figures) = &mut self.figures {
                    figures.push(sample);
                }
            }
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
            if self.run.is_away() {
                self.run.link = list::SupervisorLink::Live;
            }
            self.run.quitting |= head.stopping;
            self.unfinished.update(&head, self.log.head, self.now.time);
            return self.log.grow(head.records);
        }
        match (msg, &self.run.link) {
            (Msg::Away, list::SupervisorLink::Live) => {
                self.run.link = list::SupervisorLink::Away(self.now.time);
            }
            (Msg::Ended(end), _) => self.run.link = list::SupervisorLink::Over(Some(end)),
            (Msg::Gone, list::SupervisorLink::Live | list::SupervisorLink::Away(_)) => {
                self.run.link = list::SupervisorLink::Over(None);
            }
            _ => return,
        }
        if self.run.is_over() {
            self.list.end(self.now.time);
            // Its last records were not announced.
            self.log.look_again();
        }
    }

    fn set_process(&mut self, process: ProcessState) {
        self.list.pending.retain(|(name, _)| *name != process.name);
        if self.drifted.contains(&process.name) {
            self.drift_asked = Timestamp::EPOCH;
        }
        self.list.update(process);
        self.ask_for_drift();
    }

    fn set_state(&mut self, state: State) {
        if self.run.id != state.run {
            if !self.run.id.is_empty() {
                self.say("another run has begun");
            }
            self.log.begin_run();
            // Without a supervisor, the journal was indexed in memory.
            self.effects.push(Effect::Ask(Question::Reopen));
        }
        self.run.set(&state);
        self.list.set([state.processes, state.left_out].concat());
        self.effects.push(Effect::Addresses(None));
        self.drift_asked = Timestamp::EPOCH;
        self.ask_for_drift();
    }

    /// Ask what has changed since the processes were started, unless that was asked a moment ago.
    fn ask_for_drift(&mut self) {
        if self.now.time.since(self.drift_asked) >= DRIFT_PAUSE && !self.run.is_over() {
            self.drift_asked = self.now.time;
            self.effects.push(Effect::Drift);
        }
    }

    /// The address of a process in the browser, if it was found.
    pub fn address(&self, name: &ProcName) -> Option<&str> {
        let mut all = self.addresses.iter();
        all.find(|(known, _)| known == name).map(|(_, address)| address.as_str())
    }

    fn found_addresses(&mut self, all: Option<Vec<(ProcName, String)>>, wanted: Option<ProcName>) {
        let has_server = all.is_some();
        self.addresses = all.unwrap_or_default();
        let Some(name) = wanted else { return };
        match self.address(&name).map(str::to_owned) {
            Some(address) => self.effects.push(Effect::Browse(address)),
            None if has_server => {
                self.complain(format!("{name} has no port, so it has no address"));
            }
            None => {
                self.complain(
                    "no web server shows this run; `tmo web` in another terminal starts one",
                );
            }
        }
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
        if self.filter.choose(&self.list, self.find.as_ref()) {
            self.lay_out();
            self.log.reload();
        }
    }

    fn show_unfinished(&mut self) {
        let due = self.unfinished.take_due(self.now.time);
        if !due.is_empty() {
            self.effects.push(Effect::Ask(Question::Unfinished(due)));
        }
        self.log.set_unfinished(match self.filter.around {
            Some(_) => vec![],
            None => self.unfinished.entries(&self.filter.choice),
        });
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
        let list = self.areas().list.height > 0 && !self.run.is_over();
        let ages = self.list.processes.iter().filter(|_| list).map(age).min();
        let away = self.run.is_away().then_some(Duration::from_secs(1));
        let soon = Duration::from_millis(20);
        let unfinished = self.unfinished.next_alarm();
        let unfinished = unfinished.map(|at| at.since(self.now.time));
        [toast, ages, away, unfinished].into_iter().flatten().min().map(|alarm| alarm.max(soon))
    }
}
