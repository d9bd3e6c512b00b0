//! Runs the tmux client as a child that uses this terminal, but whose messages are not shown.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::backend::tmux::version::one_line;
use crate::sys;

/// Show this client in the terminal until it ends. Returns its exit code, or tmux's error message if it did
/// not show anything.
///
/// The client uses its standard input as the terminal; the other two streams carry only its messages before
/// and after, which are in tmux's words.
pub(super) async fn show(command: &mut Command) -> io::Result<Result<u8, String>> {
    let mut ended = signal(SignalKind::child())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    sys::end_with_parent(command);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut asked = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if sys::stopped_by(child.id())?.is_some() {
            suspend(&child)?;
            continue;
        }
        let signal = tokio::select! {
            _ = ended.recv() => continue,
            _ = hangup.recv() => Signal::SIGHUP,
            _ = terminate.recv() => Signal::SIGTERM,
            _ = interrupt.recv() => Signal::SIGINT,
            _ = quit.recv() => Signal::SIGQUIT,
        };
        asked = Some(signal);
        // SIGTERM makes it restore the terminal.
        send(&child, Signal::SIGTERM)?;
    };
    let complaint = one_line(&said(child.stderr.take())?);
    let code = match asked {
        Some(signal) => 128_u8.saturating_add(u8::try_from(signal as i32).unwrap_or(0)),
        None => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
    };
    let refused = asked.is_none() && !status.success() && !complaint.is_empty();
    Ok(if refused { Err(complaint) } else { Ok(code) })
}

/// `C-b C-z` stops the client; the shell waits for this process, so it must stop too.
fn suspend(child: &Child) -> io::Result<()> {
    raise(Signal::SIGSTOP)?;
    send(child, Signal::SIGCONT)
}

fn send(child: &Child, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    match kill(Pid::from_raw(pid), signal) {
        // Its exit is about to be reported.
        Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn said(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut words = vec![];
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut words)?;
    }
    Ok(words)
}
