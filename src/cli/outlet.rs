//! Whether somebody still takes what a command shows for as long as it lasts.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::error::CliError;
use crate::config::inherit::is_ignored;
use crate::view::printer::{Job, Pause, Printer};
use crate::view::screen;

/// How long what is being written when the terminal goes may take.
pub(super) const FAREWELL: Duration = Duration::from_millis(500);

/// Why the output came to nothing.
#[derive(Debug)]
pub(super) enum Lost {
    /// Nobody reads the pipe any more.
    Reader,
    /// The terminal is gone.
    Terminal,
    /// It can't be written, or the journal can't be read.
    Failed(io::Error),
}

/// A printer to standard output, and what becomes of that.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) printer: Printer,
    lost: mpsc::Receiver<Lost>,
}

impl Outlet {
    /// Start showing.
    pub(super) fn open(job: Job) -> Result<Self, CliError> {
        let (tell, lost) = mpsc::channel(2);
        let terminal = screen::is_terminal(io::stdout());
        if !terminal {
            watch_reader(tell.clone()).map_err(CliError::io("a thread"))?;
        }
        let broken = move |error: io::Error| {
            let lost = if error.kind() == io::ErrorKind::BrokenPipe {
                Lost::Reader
            } else if terminal {
                Lost::Terminal
            } else {
                Lost::Failed(error)
            };
            // Nobody may want to know any more.
            let _ = tell.blocking_send(lost);
        };
        let printer = Printer::start(job, broken).map_err(CliError::io("the printer"))?;
        Ok(Self { printer, lost })
    }

    /// From now on, stop on Ctrl-Z and die of Ctrl-\, with the title of the terminal as it was before.
    /// After `fg` the title is set again, and an unfinished line is drawn again behind its prefix.
    pub(super) fn obey_terminal(&self) {
        tokio::spawn(stop_on_request(self.printer.pause()));
        tokio::spawn(die_on_request(self.printer.pause()));
    }

    /// Leave off where it is, and the terminal as it was. If that takes longer than this, the next
    /// view repeats a little.
    pub(super) async fn leave(self, most: Duration) {
        self.printer.stop();
        let left = tokio::task::spawn_blocking(move || self.printer.join());
        let _ = tokio::time::timeout(most, left).await;
    }

    /// Show all that is there. A stopped terminal may hold that up for as long as it likes; `stop` ends it.
    pub(super) async fn finish(self, stop: impl Future<Output = io::Result<()>>) {
        self.printer.finish();
        let done = tokio::task::spawn_blocking(move || self.printer.join());
        tokio::select! {
            _ = done => {}
            _ = stop => {}
        }
    }

    /// Wait until the output is lost.
    pub(super) async fn lost(&mut self) -> Lost {
        match self.lost.recv().await {
            Some(lost) => lost,
            // The thread that watches is gone, so nothing more will be known.
            None => std::future::pending().await,
        }
    }
}

/// Stop on Ctrl-Z, and give the terminal back to the shell until this program goes on.
async fn stop_on_request(pause: Pause) {
    if is_ignored(Signal::SIGTSTP) {
        return;
    }
    // Without a handler, the signal still stops this program.
    let Ok(mut asked) = signal(SignalKind::from_raw(Signal::SIGTSTP as i32)) else { return };
    while asked.recv().await.is_some() {
        // A terminal that takes nothing must not keep this program from being stopped.
        let _ = tokio::time::timeout(FAREWELL, pause.begin()).await;
        // If that fails, this program simply continues.
        let _ = crate::sys::stop();
        pause.end();
    }
}

/// Die of Ctrl-\ (SIGQUIT) as usual, with the title of the terminal as it was before.
async fn die_on_request(pause: Pause) {
    if is_ignored(Signal::SIGQUIT) {
        return;
    }
    // Without a handler, the signal still kills this program.
    let Ok(mut asked) = signal(SignalKind::quit()) else { return };
    if asked.recv().await.is_some() {
        // A terminal that takes nothing must not keep this program from dying.
        let _ = tokio::time::timeout(FAREWELL, pause.begin()).await;
        // It does not return.
        let _ = signal_hook::low_level::emulate_default_handler(Signal::SIGQUIT as i32);
    }
}

/// Returns when the reader of standard output is gone, even if nothing is being written. Never
/// returns for a terminal.
pub(super) async fn reader_gone() -> io::Result<()> {
    let (tell, mut gone) = mpsc::channel(1);
    if !screen::is_terminal(io::stdout()) {
        watch_reader(tell)?;
    }
    match gone.recv().await {
        Some(_) => Ok(()),
        // The thread that watches is gone, so nothing more will be known.
        None => std::future::pending().await,
    }
}

/// Tell when the reader of standard output goes, also if nothing is written then. The thread ends
/// with the process.
fn watch_reader(tell: mpsc::Sender<Lost>) -> io::Result<()> {
    let watch = move || {
        let stdout = io::stdout();
        // No event is asked for: that leaves errors, of which a closed pipe is one.
        let mut output = [PollFd::new(&stdout, PollFlags::empty())];
        let _ = retry_on_intr(|| poll(&mut output, None));
        if output[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            let _ = tell.blocking_send(Lost::Reader);
        }
    };
    std::thread::Builder::new().name("outlet".into()).spawn(watch).map(drop)
}
