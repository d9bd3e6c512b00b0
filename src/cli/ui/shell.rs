//! The interface with everything around it: the terminal, the journal, the supervisor, and what happens.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::UiArgs;
use super::keys::{Keys, interface_signals, resume};
use super::open::{journal_of, places, processes_of, theme, title_of};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::{Source, unreadable};
use crate::cli::runtime::{SignalSet, until};
use crate::cli::view::{HUNG_UP, INTERRUPTED};
use crate::journal::read::cursor::Position;
use crate::journal::search::landmark::last_states;
use crate::journal::search::pattern::Pattern;
use crate::model::time::moment;
use crate::sys::{clock, local};
use crate::ui::draw::draw;
use crate::ui::draw::theme::Theme;
use crate::ui::reader::ReaderThread;
use crate::ui::state::Ui;
use crate::ui::state::list::SupervisorLink;
use crate::ui::state::msg::{Msg, Now};
use crate::ui::term;
use crate::ui::term::clipboard::Places;
use crate::ui::term::pace::Pace;
use crate::ui::term::writer::Writer;
use crate::view::screen;

/// Who sends the requests of the interface.
pub(super) const SENDER: &str = "tmo ui";
/// How long the state of the run may take before keys are read without it.
const STATE_LIMIT: Duration = Duration::from_millis(500);
/// How many messages may wait.
const WAITING: usize = 256;
/// How long a terminal may take to be given back.
pub(super) const GIVE_BACK: Duration = Duration::from_millis(500);

fn no_terminal() -> CliError {
    CliError::Other("the terminal can't be read".to_owned())
}

/// How the interface was left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) code: u8,
    /// What is printed afterwards.
    pub(super) words: Option<String>,
}

impl Left {
    /// Print the words; returns the exit code.
    pub(super) fn finish(self) -> Result<u8, CliError> {
        if let Some(words) = self.words {
            output::print(&(words + "\n"))?;
        }
        Ok(self.code)
    }
}

/// The interface with everything around it.
pub(super) struct Shell {
    pub(super) instance: Rc<Instance>,
    pub(super) ui: Ui,
    pub(super) theme: Theme,
    pub(super) reader: ReaderThread,
    pub(super) writer: Writer,
    pub(super) written: mpsc::Receiver<io::Result<()>>,
    /// Messages from tasks and threads.
    pub(super) messages: mpsc::Receiver<Msg>,
    pub(super) sender: mpsc::Sender<Msg>,
    /// Until the state of the run is known, keys wait until this time.
    pub(super) state_due: Option<Instant>,
    /// Keys; `None` while another program uses the terminal.
    pub(super) keys: Option<Keys>,
    pub(super) places: Places,
    /// The user has asked for the end of the run.
    pub(super) asked_end: bool,
    /// Asks the view of the run to stop it, if this is one.
    pub(super) stop: Option<mpsc::Sender<()>>,
    pub(super) left: Option<Left>,
    /// Where the plain log was left.
    pub(super) plain_from: Option<Position>,
    /// Gives the panes the size of the log, soon after the last change of the terminal's size.
    pub(super) sizing: Option<JoinHandle<()>>,
    /// Samples what the processes use.
    pub(super) sampling: Option<JoinHandle<()>>,
    pub(super) pace: Pace,
    /// Something has changed since the last frame.
    pub(super) is_dirty: bool,
    /// A key was pressed since then.
    pub(super) is_urgent: bool,
}

/// Something that happens.
enum Wake {
    Msg(Msg),
    /// There is nothing more to read: the terminal is gone.
    NoInput,
    Written(io::Result<()>),
    Signal(SignalKind),
    /// It is time for a frame, or to look at the journal.
    Due,
}

impl Shell {
    pub(super) fn new(instance: Instance, runs: bool) -> Result<Self, CliError> {
        let source = Source::of_instance(&instance)?;
        let (sender, messages) = mpsc::channel(WAITING);
        let answers = sender.clone();
        let journal = journal_of(&instance, &source)?;
        let reader = ReaderThread::start(journal, move |msg| answers.blocking_send(msg).is_ok());
        let reader = reader.map_err(CliError::io("can't start"))?;
        let (done, written) = mpsc::channel(4);
        let writer = Writer::start(move |result| {
            let _ = done.blocking_send(result);
        });
        let writer = writer.map_err(CliError::io("can't start"))?;
        let size = screen::window_size(io::stdout()).unwrap_or((80, 24));
        let now = Now { time: clock::now(), zone: local::zone() };
        let mut ui = Ui::new(size, now);
        if !runs {
            let mut known = processes_of(&source);
            last_states(&source.dirs, &mut known).map_err(unreadable)?;
            ui.run.link = SupervisorLink::Over(None);
            ui.run.title = title_of(&instance);
            ui.list.set(known);
        }
        let shell = Self {
            theme: theme(&instance.context.env),
            places: places(&instance.context.env),
            instance: Rc::new(instance.by(SENDER)),
            ui,
            reader,
            writer,
            written,
            messages,
            sender,
            state_due: runs.then(|| clock::instant() + STATE_LIMIT),
            keys: None,
            asked_end: false,
            stop: None,
            sizing: None,
            left: None,
            plain_from: None,
            sampling: None,
            pace: Pace::new(clock::instant()),
            is_dirty: true,
            is_urgent: true,
        };
        if runs {
            shell.follow_state();
        }
        Ok(shell)
    }

    /// Show at first what was asked for.
    pub(super) fn begin(&mut self, args: &UiArgs) -> Result<(), CliError> {
        if let Some(name) = &args.name {
            self.open(name)?;
        }
        let now = clock::now().utc().to_zoned(local::zone());
        let time = args.at.as_deref().map(|text| moment(text, &now)).transpose();
        let time = time.map_err(|error| CliError::Usage(error.to_string()))?;
        if let Some(text) = &args.grep {
            Pattern::new(text, false, false).map_err(|error| CliError::Usage(error.to_string()))?;
        }
        self.ui.begin(time, args.grep.as_deref());
        Ok(())
    }

    fn open(&mut self, name: &str) -> Result<(), CliError> {
        let source = Source::of_instance(&self.instance)?;
        source.filter(&[name.to_owned()])?;
        let meant = source.streams.iter().find(|stream| stream.is_meant(name));
        let name = meant.map(|stream| stream.name.clone());
        (self.ui.list.selected, self.ui.list.open) = (name.clone(), name);
        Ok(())
    }

    pub(super) async fn run(&mut self) -> Result<Left, CliError> {
        let mut signals = interface_signals()?;
        restore_on_panic();
        self.take_terminal()?;
        self.update(Msg::Alarm).await;
        let result = loop {
            self.look_if_due().await;
            if let Err(error) = self.draw_if_due() {
                break Err(CliError::io("can't draw")(error));
            }
            if let Some(left) = self.left.take() {
                break Ok(left);
            }
            match self.wake(&mut signals).await {
                Wake::Msg(msg) => {
                    if matches!(msg, Msg::Key(_)) {
                        self.look_for_run();
                    }
                    self.update(msg).await;
                    // Everything that is there counts before the next frame.
                    while let Ok(msg) = self.messages.try_recv() {
                        self.update(msg).await;
                    }
                }
                Wake::Written(Ok(())) => {
                    self.writer.written();
                    self.pace.written(clock::instant());
                }
                Wake::NoInput | Wake::Written(Err(_)) => {
                    break Ok(Left { code: HUNG_UP, words: None });
                }
                Wake::Signal(kind) if kind == SignalKind::hangup() => {
                    break Ok(Left { code: HUNG_UP, words: None });
                }
                Wake::Signal(kind) if kind == SignalKind::window_change() => {
                    if let Some((columns, rows)) = screen::window_size(io::stdout()) {
                        self.update(Msg::Resize(columns, rows)).await;
                        self.size_panes();
                    }
                }
                Wake::Signal(kind) if kind == resume() => self.take_terminal()?,
                Wake::Signal(_) if self.stop.is_some() => self.stop_all(),
                Wake::Signal(_) => break Ok(Left { code: INTERRUPTED, words: None }),
                Wake::Due => {}
            }
        };
        self.give_terminal_back().await;
        result
    }

    /// Wait for the next event.
    async fn wake(&mut self, signals: &mut SignalSet) -> Wake {
        let alarm = self.ui.next_alarm().map(|alarm| clock::instant() + alarm);
        let due = [self.frame_due(), self.look_due()].into_iter().flatten().min();
        let state_due = self.state_due;
        let key = async {
            // Keys that were typed ahead act on processes, which have to be known first.
            if let Some(due) = state_due {
                tokio::time::sleep_until(due.into()).await;
            }
            match &mut self.keys {
                Some(keys) => keys.next().await.map_or(Wake::NoInput, Wake::Msg),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            kind = signals.next() => Wake::Signal(kind),
            wake = key => wake,
            Some(written) = self.written.recv() => Wake::Written(written),
            Some(msg) = self.messages.recv() => Wake::Msg(msg),
            () = until(due.map(Into::into)) => Wake::Due,
            () = until(alarm.map(Into::into)) => Wake::Msg(Msg::Alarm),
        }
    }

    /// React to a message.
    pub(super) async fn update(&mut self, msg: Msg) {
        if let Msg::Head(head) = msg {
            return self.pace.grown(head);
        }
        // The screen is complete as soon as possible.
        let is_first = matches!(msg, Msg::Loaded(_)) && self.ui.log.entries().is_empty()
            || matches!(msg, Msg::State(_)) && self.ui.run.id.is_empty();
        self.is_dirty = true;
        self.is_urgent |= is_first
            || matches!(msg, Msg::Key(_) | Msg::Mouse(_) | Msg::Paste(_) | Msg::Resize(..));
        let ended = matches!(msg, Msg::Ended(_) | Msg::Gone);
        if ended || matches!(msg, Msg::State(_) | Msg::Away) {
            self.state_due = None;
        }
        self.react(msg).await;
        // Who has asked for the end has nothing more to see.
        if ended && (self.asked_end || self.has_ended_well()) {
            self.left = Some(self.farewell());
        }
    }

    async fn react(&mut self, msg: Msg) {
        for effect in self.ui.update(msg, clock::now()) {
            self.carry_out(effect).await;
        }
    }

    /// When to look at what is new in the journal; `None` if nothing is, or the terminal is busy.
    fn look_due(&self) -> Option<Instant> {
        self.pace.look_due().filter(|_| self.writer.is_free())
    }

    async fn look_if_due(&mut self) {
        if !self.writer.is_free() {
            return;
        }
        let Some(head) = self.pace.look(clock::instant()) else { return };
        // What was printed changes the screen only when it is loaded.
        let run = &self.ui.run;
        self.is_dirty |= run.link != SupervisorLink::Live || head.stopping != run.quitting;
        self.react(Msg::Head(head)).await;
    }

    /// Whether the run of this view has ended without a failure.
    fn has_ended_well(&self) -> bool {
        let link = &self.ui.run.link;
        self.stop.is_some() && matches!(link, SupervisorLink::Over(Some(end)) if end.code == 0)
    }

    /// When the next frame is to be drawn; `None` while nothing has changed, or the terminal is busy.
    fn frame_due(&self) -> Option<Instant> {
        if !self.is_dirty || !self.writer.is_free() {
            return None;
        }
        Some(self.pace.frame_due(self.is_urgent))
    }

    fn draw_if_due(&mut self) -> io::Result<()> {
        let now = clock::instant();
        if self.keys.is_none() || self.frame_due().is_none_or(|due| due > now) {
            return Ok(());
        }
        let (width, height) = self.ui.screen.size;
        let mut frame = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = draw(&self.ui, self.theme, &mut frame);
        (self.is_dirty, self.is_urgent) = (false, false);
        self.pace.drawn(now, self.writer.draw(frame, cursor)?);
        Ok(())
    }

    /// Take the terminal and read its keys.
    pub(super) fn take_terminal(&mut self) -> Result<(), CliError> {
        term::raw().map_err(CliError::io("the terminal"))?;
        if let Some(size) = screen::window_size(io::stdout()) {
            self.ui.screen.size = size;
        }
        self.writer.enter(self.ui.screen.mouse);
        self.keys = Some(Keys::open().ok_or_else(no_terminal)?);
        let sender = self.sender.clone();
        output::divert_warnings(Some(Box::new(move |text| {
            // If too many messages wait, one more would not be read either.
            let _ = sender.try_send(Msg::Note(text));
        })));
        (self.is_dirty, self.is_urgent) = (true, true);
        Ok(())
    }

    /// Restore the terminal as it was before.
    pub(super) async fn give_terminal_back(&mut self) {
        self.keys = None;
        output::divert_warnings(None);
        self.writer.give_back();
        // A stopped terminal takes nothing, and then nothing is to be waited for.
        let written = async {
            while !self.writer.is_free() {
                if self.written.recv().await.is_none() {
                    break;
                }
                self.writer.written();
            }
        };
        let _ = timeout(GIVE_BACK, written).await;
        self.pace.forget();
        let _ = term::cooked();
    }
}

/// A panic gives the terminal back before it is reported.
fn restore_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        term::restore_now();
        report(panic);
    }));
}
