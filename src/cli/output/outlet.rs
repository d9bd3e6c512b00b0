//! The output of a long-running command, and the detection of its loss.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::cli::error::CliError;
use crate::config::inherit::is_ignored;
use crate::view::printer::{Job, Pause, Printer};
use crate::view::screen;

/// How long a pending write may take when the terminal is lost.
pub(in crate::cli) const FAREWELL: Duration = Duration::from_millis(500);

/// Why the output was lost.
#[derive(Debug)]
pub(in crate::cli) enum Lost {
    /// The pipe has no reader any more.
    Reader,
    /// The terminal is gone.
    Terminal,
    /// Writing failed, or the journal can't be read.
    Failed(io::Error),
}

/// A printer to standard output, and the state of that output.
#[derive(Debug)]
pub(in crate::cli) struct Outlet {
    pub(in crate::cli) printer: Printer,
    lost: mpsc::Receiver<Lost>,
}

impl Outlet {
    /// Start printing.
    pub(in crate::cli) fn open(job: Job) -> Result<Self, CliError> {
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
            // The receiver may be gone.
            let _ = tell.blocking_send(lost);
        };
        let printer = Printer::start(job, broken).map_err(CliError::io("the printer"))?;
        Ok(Self { printer, lost })
    }

    /// From now on, let Ctrl-Z stop and Ctrl-\ kill the program, with the terminal's title restored first.
    /// After `fg` the title is set again, and an unfinished line is redrawn after its prefix.
    pub(in crate::cli) fn obey_terminal(&self) {
        for asked in [Signal::SIGTSTP, Signal::SIGQUIT] {
            tokio::spawn(give_way(self.printer.pause(), asked));
        }
    }

    /// Stop printing where it is, and restore the terminal. If that takes longer than this, the next view
    /// repeats a few lines.
    pub(in crate::cli) async fn leave(self, most: Duration) {
        self.printer.stop();
        let left = tokio::task::spawn_blocking(move || self.printer.join());
        let _ = tokio::time::timeout(most, left).await;
    }

    /// Print everything that is there. A stopped terminal may block this indefinitely; `stop` ends it.
    pub(in crate::cli) async fn finish(self, stop: impl Future<Output = io::Result<()>>) {
        self.printer.finish();
        let done = tokio::task::spawn_blocking(move || self.printer.join());
        tokio::select! {
            _ = done => {}
            _ = stop => {}
        }
    }

    /// Wait until the output is lost.
    pub(in crate::cli) async fn lost(&mut self) -> Lost {
        match self.lost.recv().await {
            Some(lost) => lost,
            // The watching thread is gone, so no loss will be reported.
            None => std::future::pending().await,
        }
    }
}

/// Give the terminal back to the shell before this signal has its usual effect, and take it again if this program is
/// continued.
async fn give_way(pause: Pause, asked: Signal) {
    if is_ignored(asked) {
        return;
    }
    // Without a handler, the signal still has its effect.
    let Ok(mut signals) = signal(SignalKind::from_raw(asked as i32)) else { return };
    while signals.recv().await.is_some() {
        // A blocked terminal must not keep this program from being stopped, or from dying.
        let _ = tokio::time::timeout(FAREWELL, pause.begin()).await;
        // If that fails, this program simply continues.
        let _ = if asked == Signal::SIGTSTP {
            crate::sys::stop()
        } else {
            signal_hook::low_level::emulate_default_handler(asked as i32)
        };
        pause.end();
    }
}

/// Returns when the reader of standard output is gone, even if nothing is being written. Never
/// returns for a terminal.
pub(in crate::cli) async fn reader_gone() -> io::Result<()> {
    let (tell, mut gone) = mpsc::channel(1);
    if !screen::is_terminal(io::stdout()) {
        watch_reader(tell)?;
    }
    match gone.recv().await {
        Some(_) => Ok(()),
        // The watching thread is gone, so nothing will be reported.
        None => std::future::pending().await,
    }
}

/// Returns when standard input has ended. What it says is not used.
pub(in crate::cli) async fn input_ended() -> io::Result<()> {
    let (tell, ended) = oneshot::channel();
    let watch = move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        // The receiver may be gone.
        let _ = tell.send(());
    };
    std::thread::Builder::new().name("input".into()).spawn(watch)?;
    // The sender is not dropped before it was used.
    let _ = ended.await;
    Ok(())
}

/// Report when the reader of standard output goes, even if nothing is being written. The thread ends with
/// the process.
fn watch_reader(tell: mpsc::Sender<Lost>) -> io::Result<()> {
    let watch = move || {
        let stdout = io::stdout();
        // No events are requested: `poll` then reports only errors, such as a closed pipe.
        let mut output = [PollFd::new(&stdout, PollFlags::empty())];
        let _ = retry_on_intr(|| poll(&mut output, None));
        if output[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            let _ = tell.blocking_send(Lost::Reader);
        }
    };
    std::thread::Builder::new().name("outlet".into()).spawn(watch).map(drop)
}
