//! Whether somebody still takes what a command shows for as long as it lasts.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

use super::error::CliError;
use crate::view::printer::{Job, Printer};
use crate::view::screen;

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

    /// Leave off where it is, and the terminal as it was. If that takes longer than this, the next
    /// view repeats a little.
    pub(super) async fn leave(self, most: Duration) {
        self.printer.stop();
        let left = tokio::task::spawn_blocking(move || self.printer.join());
        let _ = tokio::time::timeout(most, left).await;
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
        while let Err(rustix::io::Errno::INTR) = poll(&mut output, None) {}
        if output[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            let _ = tell.blocking_send(Lost::Reader);
        }
    };
    std::thread::Builder::new().name("outlet".into()).spawn(watch).map(drop)
}
