//! Starts the guardian in the background and reads its reports.

use std::io::{self, BufRead as _, BufReader, PipeReader};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cli::error::CliError;
use crate::client::ClientError;
use crate::client::address::Address;
use crate::run::startup::StartupMessage;

/// `poll` counts whole milliseconds.
const ROUND_UP: Duration = Duration::from_millis(1);

/// The reports of guardian and supervisor while they start.
#[derive(Debug)]
pub(in crate::cli) struct Launch {
    news: BufReader<PipeReader>,
    /// All writers have closed the pipe.
    is_closed: bool,
    guardian: Child,
}

impl Launch {
    /// Start the guardian of this runtime directory. `plan` is the plan to run unless there is a run to
    /// adopt.
    pub(in crate::cli) fn begin(
        tmo: &Path,
        runtime: &Path,
        plan: Option<&Path>,
    ) -> Result<Self, CliError> {
        let (news, teller) = io::pipe().map_err(CliError::io("pipe"))?;
        // Only the write end is inherited by the guardian, which receives its number.
        let inherited = rustix::io::fcntl_setfd(&teller, rustix::io::FdFlags::empty());
        inherited.map_err(|error| CliError::io("pipe")(error.into()))?;
        let mut guard = Command::new(crate::sys::program(tmo));
        guard.arg("guard").arg(runtime).arg(plan.unwrap_or(Path::new("-")));
        guard.arg(teller.as_raw_fd().to_string());
        guard.current_dir("/");
        guard.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let guardian = guard.spawn();
        let guardian =
            guardian.map_err(CliError::io(format_args!("can't start {}", tmo.display())))?;
        Ok(Self { news: BufReader::new(news), is_closed: false, guardian })
    }

    /// The next report; the end of the pipe without one is a failure too. The guardian exits after a reported
    /// failure; this waits until it has, so that a failed command leaves no process behind.
    pub(in crate::cli) fn next(&mut self) -> Result<StartupMessage, CliError> {
        let mut line = String::new();
        self.is_closed = self.news.read_line(&mut line).map_err(CliError::io("news"))? == 0;
        let news = serde_json::from_str(&line)
            .map_err(|_| CliError::Other("the supervisor died while it was starting".into()))?;
        if matches!(news, StartupMessage::Failed { .. }) {
            // An error means that it is gone already.
            let _ = self.guardian.wait();
        }
        Ok(news)
    }

    /// If the guardian is dead, wait until its locks are free, which may be after its end of the pipe has
    /// closed; false if it lives.
    pub(in crate::cli) fn wait_for_death(&mut self) -> bool {
        if self.is_closed {
            // An error means that it is gone already.
            let _ = self.guardian.wait();
        }
        self.is_closed
    }

    /// Like [`Self::next`]; `None` if `stop` becomes readable first.
    pub(in crate::cli) fn next_unless(
        &mut self,
        stop: impl AsFd,
    ) -> Result<Option<StartupMessage>, CliError> {
        if self.arrives(Some(stop.as_fd()), None)? { self.next().map(Some) } else { Ok(None) }
    }

    /// The first report of a supervisor that takes over the run at this address. An error if `stop` becomes
    /// readable or the limit passes first; the takeover continues.
    pub(in crate::cli) fn takeover(
        &mut self,
        at: Address,
        limit: Duration,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<StartupMessage, CliError> {
        let deadline = Instant::now() + limit;
        if self.arrives(stop, Some(deadline))? {
            self.next()
        } else if Instant::now() < deadline {
            Err(CliError::Other("interrupted".to_owned()))
        } else {
            Err(ClientError::TakingOver { at }.into())
        }
    }

    /// Wait for a report; `false` if `stop` becomes readable or the deadline passes first.
    fn arrives(
        &self,
        stop: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> Result<bool, CliError> {
        while self.news.buffer().is_empty() {
            let mut fds = vec![PollFd::new(self.news.get_ref().as_fd(), PollFlags::POLLIN)];
            fds.extend(stop.map(|stop| PollFd::new(stop, PollFlags::POLLIN)));
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.map_or(PollTimeout::NONE, |left| {
                PollTimeout::try_from(left + ROUND_UP).unwrap_or(PollTimeout::MAX)
            });
            match poll(&mut fds, left) {
                Ok(0) => return Ok(false),
                Ok(_) if fds.get(1).is_some_and(|stop| stop.any() == Some(true)) => {
                    return Ok(false);
                }
                // A line is always written as a whole.
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(CliError::io("news")(error.into())),
            }
        }
        Ok(true)
    }
}
