//! Writes the output of processes to standard output.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

use nix::libc::SIGINT;
use tokio::io::AsyncWriteExt as _;

use crate::cli::error::CliError;
use crate::config::Env;
use crate::config::place::paths::OwnPath;
use crate::sys;
use crate::view::screen;

/// Standard output, written without the filter that removes escape sequences where there is no terminal:
/// the text was cleaned before, or `--raw` asks for it as it is.
pub(in crate::cli) struct Stdout {
    /// The limit of `--max-bytes`: only the last bytes are printed.
    most: Option<usize>,
    kept: VecDeque<u8>,
    left_out: u64,
    pager: Option<Pager>,
}

/// Shows what is longer than the screen page by page.
pub(in crate::cli) struct Pager {
    command: Command,
    rows: usize,
    /// What fits on the screen so far.
    held: Vec<u8>,
    running: Option<Child>,
}

impl Pager {
    /// That of the user, if standard output is a terminal. It is looked for in this PATH.
    pub(in crate::cli) fn of(env: &Env, path: &OwnPath) -> Option<Self> {
        let (_, rows) = screen::window_size(io::stdout())?;
        let words = env.caller("PAGER").map_or("less".into(), OsStr::to_string_lossy);
        let mut words = words.split_whitespace();
        let mut command = Command::new(path.find(words.next()?)?);
        command.args(words).stdin(Stdio::piped());
        if env.caller("LESS").is_none() {
            command.env("LESS", "FRX");
        }
        Some(Self { command, rows: rows.into(), held: vec![], running: None })
    }

    fn put(&mut self, page: &[u8]) -> io::Result<()> {
        if self.running.is_none() {
            self.held.extend_from_slice(page);
            if memchr::memchr_iter(b'\n', &self.held).count() < self.rows {
                return Ok(());
            }
            self.running = Some(self.command.spawn()?);
            // Ctrl-C is for the pager.
            sys::ignore_signals(&[SIGINT]);
            let held = std::mem::take(&mut self.held);
            return self.put(&held);
        }
        let input = self.running.as_mut().and_then(|child| child.stdin.as_mut());
        input.map_or(Ok(()), |input| input.write_all(page))
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        match &mut self.running {
            // It has the terminal until its user has seen enough. `wait` closes its input.
            Some(child) => _ = child.wait(),
            None => _ = write_out(&self.held),
        }
    }
}

impl Stdout {
    pub(in crate::cli) fn new(most: Option<u64>) -> Self {
        let most = most.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        Self { most, kept: VecDeque::new(), left_out: 0, pager: None }
    }

    pub(in crate::cli) fn paged(self, pager: Option<Pager>) -> Self {
        Self { pager, ..self }
    }

    pub(in crate::cli) fn put(&mut self, page: &[u8]) -> io::Result<()> {
        let Some(most) = self.most else {
            return self.pager.as_mut().map_or_else(|| write_out(page), |pager| pager.put(page));
        };
        self.kept.extend(page);
        let gone = self.kept.len().saturating_sub(most);
        self.kept.drain(..gone);
        self.left_out += gone as u64;
        Ok(())
    }

    pub(in crate::cli) fn finish(mut self) -> Result<u8, CliError> {
        if self.left_out > 0 {
            // Start at a line boundary, so that no partial line or character is printed.
            let kept = self.kept.make_contiguous();
            let part = memchr::memchr(b'\n', kept).map_or(kept.len(), |at| at + 1);
            self.kept.drain(..part);
            let left_out = self.left_out + part as u64;
            super::warn(&format_args!("the first {left_out} bytes are left out (--max-bytes)"));
        }
        let (front, back) = self.kept.as_slices();
        goes_on(write_out(front).and_then(|()| write_out(back)))?;
        Ok(0)
    }
}

/// Marks an error as one of writing standard output, not of reading the log.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unwritten(io::Error);

/// Write and flush.
pub(in crate::cli) fn write_out(page: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(page).and_then(|()| out.flush());
    written.map_err(|error| io::Error::new(error.kind(), Unwritten(error)))
}

/// The same, asynchronously.
pub(in crate::cli) async fn write(out: &mut tokio::io::Stdout, text: &[u8]) -> io::Result<()> {
    out.write_all(text).await?;
    out.flush().await
}

/// Whether the output still has a reader; a closed pipe is not an error.
pub(in crate::cli) fn goes_on(written: io::Result<()>) -> Result<bool, CliError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(match error.downcast() {
            Ok(Unwritten(error)) => CliError::io("standard output")(error),
            Err(error) => CliError::io("the log")(error),
        }),
    }
}
