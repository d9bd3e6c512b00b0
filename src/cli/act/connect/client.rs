//! Runs the tmux client as a child that uses this terminal, but whose messages are not shown,
//! also inside another tmux, which intercepts its own prefix key; and the message that `connect` prints when it ends.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, raise};
use tokio::signal::unix::{SignalKind, signal};

use crate::backend::tmux::attach::through;
use crate::backend::tmux::version::{one_line, run_client};
use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::Source;
use crate::cli::reach::request::state_at;
use crate::cli::runtime::{SignalSet, code_of};
use crate::journal::record::Kind;
use crate::model::state::ProcessState;
use crate::model::{Exit, ProcName, ProcessStatus};
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

/// tmux's default prefix.
const USUAL: &str = "C-b";

/// The keys that send the prefix to the inner tmux, from a terminal with this `TMUX`.
pub(super) async fn prefix(program: &OsStr, outer: Option<&OsStr>, inner: &str) -> String {
    let Some(socket) = outer.and_then(|tmux| tmux.as_bytes().split(|b| *b == b',').next()) else {
        return inner.to_owned();
    };
    let socket = Path::new(OsStr::from_bytes(socket));
    if UnixStream::connect(socket).is_err() {
        // The variable is left over from a tmux that has ended.
        return inner.to_owned();
    }
    let mut ask = tokio::process::Command::new(program);
    ask.arg("-S").arg(socket).args(["display-message", "-p", "#{prefix}"]);
    ask.args([";", "list-keys", "-T", "prefix"]);
    match run_client(&mut ask, None).await {
        Ok(said) if said.status.success() => through(&String::from_utf8_lossy(&said.stdout), inner),
        // It refuses this client version: assume the default prefix.
        Ok(_) | Err(_) => through(USUAL, inner),
    }
}

/// The current state of the process, in words.
pub(super) async fn words(instance: &Instance, name: &ProcName) -> String {
    // Not worth a takeover.
    match state_at(&instance.address()).await.ok() {
        Some(state) if !state.quitting => {
            of_process(name, state.processes.iter().find(|process| process.name == *name))
        }
        Some(_) => of_run(name, last_exit(instance, name), "is ending"),
        None if instance.is_over() => of_run(name, last_exit(instance, name), "is over"),
        // Supervisor and guardian were killed; the next command takes the run over.
        None => format!("left {name}"),
    }
}

fn of_process(name: &ProcName, process: Option<&ProcessState>) -> String {
    let Some(process) = process else { return format!("left {name}: it is gone") };
    match (&process.state, process.ends.exit) {
        (ProcessStatus::Running, _) => format!("left {name}; it is still running"),
        (ProcessStatus::Exited | ProcessStatus::Error | ProcessStatus::Broken, Some(exit)) => {
            format!("left {name}; it has ended with {}", exit.describe())
        }
        (state, _) => format!("left {name}; it is {state}"),
    }
}

fn of_run(name: &ProcName, exit: Option<Exit>, run: &str) -> String {
    match exit {
        Some(exit) => format!("{name} has ended with {}; the run {run}", exit.describe()),
        None => format!("left {name}; the run {run}"),
    }
}

/// The exit code of a client whose terminal is gone: that of the process, if it has ended.
pub(super) fn exit_code(instance: &Instance, name: &ProcName) -> u8 {
    last_exit(instance, name).map_or(0, Exit::shell_status)
}

/// The exit of the last life of this process, from the journal.
fn last_exit(instance: &Instance, name: &ProcName) -> Option<Exit> {
    let source = Source::of_instance(instance).ok()?;
    let stream =
        source.streams.iter().find(|stream| stream.name == *name && !stream.stderr)?.number;
    let mut index = source.index();
    let end = index.len().ok()?;
    let last = index.rfind(end, |_, record| {
        let counts = record.stream == stream && matches!(record.kind, Kind::Start | Kind::Exit);
        counts.then_some(*record)
    });
    // If the last event is a start, it is still running.
    last.ok()??.exit()
}

#[cfg(test)]
mod tests {
    use super::{of_process, of_run};
    use crate::model::state::ProcessState;
    use crate::model::{Exit, ProcName, ProcessStatus};

    #[test]
    fn each_way_to_leave_has_its_words() {
        let name = ProcName::new("web").unwrap();
        let mut web = ProcessState::new(name.clone(), ProcessStatus::Running, Some(7));
        assert_eq!(of_process(&name, Some(&web)), "left web; it is still running");
        web.state = ProcessStatus::Stopped;
        assert_eq!(of_process(&name, Some(&web)), "left web; it is stopped");
        (web.state, web.ends.exit) = (ProcessStatus::Exited, Some(Exit::Code(3)));
        assert_eq!(of_process(&name, Some(&web)), "left web; it has ended with code 3");
        assert_eq!(of_process(&name, None), "left web: it is gone");
        let killed = Some(Exit::Signal(9));
        let words = "web has ended with signal 9 (SIGKILL); the run is over";
        assert_eq!(of_run(&name, killed, "is over"), words);
        assert_eq!(of_run(&name, None, "is ending"), "left web; the run is ending");
    }
}
