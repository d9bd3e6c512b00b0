//! The plain log on the normal screen.

use std::io;

use nix::sys::signal::{Signal, raise};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::task::spawn_blocking;

use super::keys::{Keys, interface_signals, next_end};
use super::shell::{GIVE_BACK, Shell};
use crate::cli::error::CliError;
use crate::cli::reach::log::{Source, unreadable};
use crate::cli::runtime::SignalSet;
use crate::journal::read::cursor::Position;
use crate::journal::search::page::before_last_lines;
use crate::model::request::Head;
use crate::sys::clock;
use crate::ui::keys::Key;
use crate::ui::state::msg::{Effect, Msg};
use crate::view::paint::Stamp;
use crate::view::printer::Printer;

/// How many lines are shown at most when it begins.
const MOST_LINES: usize = 2000;

/// What is said before or after these lines.
const HINT: &str = "the plain log; p goes back";

/// How the plain log was left.
enum PlainLogExit {
    Back,
    Leave,
}

impl Shell {
    /// Show the plain log until p or q is pressed.
    pub(super) async fn plain(&mut self, names: &[String]) {
        self.give_terminal_back().await;
        match self.print(names).await {
            Ok(PlainLogExit::Back) => {}
            Ok(PlainLogExit::Leave) => {
                self.left = Some(self.farewell());
                return;
            }
            Err(error) => self.ui.complain(error.to_string()),
        }
        if let Err(error) = self.take_terminal() {
            self.ui.complain(error.to_string());
        }
    }

    /// Print the log of these processes, of all if there are none, from where it was left.
    async fn print(&mut self, names: &[String]) -> Result<PlainLogExit, CliError> {
        let source = Source::of_instance(&self.instance)?;
        let stamp = if self.ui.log.times { Stamp::Date } else { Stamp::None };
        let mut style = Source::style(&self.instance.context.env, stamp);
        style.bare = names.len() == 1;
        let filter = source.filter(names)?;
        let mut index = source.index();
        let upto = index.len().map_err(unreadable)?;
        let floor = Position::default();
        let first =
            before_last_lines(index, &filter, floor, upto, MOST_LINES).map_err(unreadable)?;
        let from = self.plain_from.map_or(first, |from| from.max(first));
        let is_bare = style.bare;
        let mut job = source.job(from, filter, style);
        if is_bare {
            // There are no messages among the lines of a single process.
            job.first.extend_from_slice(format!("\x1b[2m-- {HINT}\x1b[0m\n").as_bytes());
        }
        let printer = Printer::start(job, |_| {}).map_err(CliError::io("can't start"))?;
        printer.head(Head { records: upto, ..Head::default() });
        printer.say(HINT, false);
        let signals = interface_signals()?;
        let mode = KeyMode::enter().map_err(CliError::io("the terminal"))?;
        let next = self.follow_plainly(&printer, &mode, signals).await;
        drop(mode);
        self.plain_from = Some(Position::at(self.ui.log.head));
        printer.finish();
        // It has written all that there is, or the terminal takes nothing.
        let _ = tokio::time::timeout(GIVE_BACK, spawn_blocking(|| printer.join())).await;
        Ok(next)
    }

    async fn follow_plainly(
        &mut self,
        printer: &Printer,
        mode: &KeyMode,
        mut signals: SignalSet,
    ) -> PlainLogExit {
        let Some(mut keys) = Keys::open() else { return PlainLogExit::Leave };
        loop {
            tokio::select! {
                biased;
                // The interface, which has received it too, ends.
                () = next_end(&mut signals) => return PlainLogExit::Back,
                key = keys.next() => {
                    match key {
                        Some(Msg::Key(Key::Char('p' | 'q') | Key::Esc)) => return PlainLogExit::Back,
                        None | Some(Msg::Key(Key::Ctrl('c'))) => return PlainLogExit::Leave,
                        Some(Msg::Key(Key::Enter)) => printer.say("", false),
                        Some(Msg::Key(Key::Ctrl('z'))) => {
                            mode.leave();
                            // Whoever continues this program gives it the terminal.
                            let _ = raise(Signal::SIGTSTP);
                            mode.set();
                        }
                        Some(_) => {}
                    }
                }
                Some(msg) = self.messages.recv() => {
                    if let Msg::Head(head) = &msg {
                        printer.head(head.clone());
                    }
                    if let Msg::Ended(end) = &msg {
                        printer.say(format!("The run is over (exit {})", end.code), end.code != 0);
                    }
                    for effect in self.ui.update(msg, clock::now()) {
                        // Anything else needs a key.
                        if let Effect::Ask(question) = effect {
                            self.reader.ask(question);
                        }
                    }
                }
            }
        }
    }
}

/// The mode of the terminal in which keys are read one by one, while output is printed as usual.
struct KeyMode {
    before: Termios,
}

impl KeyMode {
    fn enter() -> io::Result<Self> {
        let mode = Self { before: tcgetattr(rustix::stdio::stdin())? };
        mode.set();
        Ok(mode)
    }

    fn set(&self) {
        let mut keys = self.before.clone();
        keys.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        // The terminal may be gone; then no key comes either.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &keys);
    }

    fn leave(&self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

impl Drop for KeyMode {
    fn drop(&mut self) {
        self.leave();
    }
}
