//! Starting the guardian in the background and hearing what becomes of it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::CliError;
use crate::engine::guard::News;

/// What guardian and supervisor tell while they start.
#[derive(Debug)]
pub(super) struct Launch {
    news: BufReader<File>,
}

impl Launch {
    /// Start the guardian of this runtime directory. `plan` is what to run unless there is
    /// something to be adopted.
    pub(super) fn begin(tmo: &Path, runtime: &Path, plan: Option<&Path>) -> Result<Self, CliError> {
        let failed = |e: nix::Error| CliError::Io { what: "pipe".into(), source: e.into() };
        let (news, teller) = nix::unistd::pipe().map_err(failed)?;
        // Only the teller is for the guardian; it is told its number.
        rustix::io::fcntl_setfd(&news, rustix::io::FdFlags::CLOEXEC)
            .map_err(|e| failed(nix::Error::from_raw(e.raw_os_error())))?;
        let mut guard = Command::new(crate::sys::program(tmo));
        guard.arg("guard").arg(runtime).arg(plan.unwrap_or(Path::new("-")));
        guard.arg(teller.as_raw_fd().to_string());
        guard.current_dir("/");
        guard.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        guard.spawn().map_err(CliError::io(format_args!("can't start {}", tmo.display())))?;
        Ok(Self { news: BufReader::new(File::from(news)) })
    }

    /// The next news; an end without any is a failure too.
    pub(super) fn next(&mut self) -> Result<News, CliError> {
        let gone = || CliError::Other("the supervisor died while it was starting".into());
        let mut line = String::new();
        self.news.read_line(&mut line).map_err(CliError::io("news"))?;
        serde_json::from_str(&line).map_err(|_| gone())
    }

    /// The same; nothing if this becomes readable before there are any.
    pub(super) fn next_unless(&mut self, stop: impl AsFd) -> Result<Option<News>, CliError> {
        while self.news.buffer().is_empty() {
            let mut fds = [
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.news.get_ref().as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) if fds[0].any() == Some(true) => return Ok(None),
                // A line is told in one piece.
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(CliError::io("news")(error.into())),
            }
        }
        self.next().map(Some)
    }
}
