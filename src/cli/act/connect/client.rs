//! Runs the tmux client as a child that uses this terminal, but whose messages are not shown.

use std::io::{self, Read};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, raise};
use tokio::signal::unix::{SignalKind, signal};

use crate::backend::tmux::version::one_line;
use crate::cli::runtime::{SignalSet, code_of};
use crate::sys;

/// Show this client in the terminal until it ends. Returns its exit code, or tmux's error message if it did
/// not show anything.
///
/// The client uses its standard input as the terminal; the other two streams carry only its messages before
/// and after, which are in tmux's words.
pub(super) async fn show(command: &mut Command) -> io::Result<Result<u8, String>> {
    let mut ended = signal(SignalKind::child())?;
    let mut signals = SignalSet::of_end_and(&[])?;
    sys::end_with_parent(command);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut asked = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if sys::stopped_by(child.id())?.is_some() {
            // `C-b C-z` stops the client; the shell waits for this process, so it must stop too.
            raise(Signal::SIGSTOP)?;
            sys::signal_pid(child.id(), Signal::SIGCONT as i32)?;
            continue;
        }
        asked = tokio::select! {
            _ = ended.recv() => continue,
            signal = signals.next() => Some(signal),
        };
        // SIGTERM makes it restore the terminal. If it is gone, its exit is about to be reported.
        sys::signal_pid(child.id(), Signal::SIGTERM as i32)?;
    };
    let complaint = one_line(&said(child.stderr.take())?);
    let code = match asked {
        Some(signal) => code_of(signal),
        None => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
    };
    let refused = asked.is_none() && !status.success() && !complaint.is_empty();
    Ok(if refused { Err(complaint) } else { Ok(code) })
}

fn said(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut words = vec![];
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut words)?;
    }
    Ok(words)
}
