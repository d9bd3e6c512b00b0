//! The guardian: holds lock and control socket, starts the supervisor, and restarts it when it is
//! killed.
//!
//! It takes the lock before it decides whether there is a run to adopt, so two simultaneous starts
//! cannot both adopt it. Since it holds the listening socket, a client that connects while the
//! supervisor is being restarted just waits in the queue of the socket, without polling.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::persisted_state::adoptable;
use crate::model::event::list;
use crate::model::units;
use crate::pane::process_tree::{named, named_with_ports};
use crate::run::dir::RuntimeDir;
use crate::run::listen::{self, ListenError, Listening, SocketFiles};
use crate::run::lock::{LockError, RunLock};
use crate::run::startup::{StartupMessage, send_startup_message};
use crate::server::tcp;
use crate::sys::{self, OrphanReport, clock, files};

/// After this many deaths in a row within [`QUICK`] of the start, the supervisor itself must be at
/// fault: do not start it again.
const MOST_QUICK_DEATHS: u32 = 20;
/// A supervisor that lives for less than this dies quickly.
const QUICK: Duration = Duration::from_millis(100);

/// Run the guardian of this runtime directory; `plan` is the run to start if there is none to
/// adopt. Returns the exit code.
pub fn run_guardian(runtime: &Path, plan: Option<&Path>, news: OwnedFd) -> u8 {
    // Fails only for a process group leader, which leads a session already or does not need one.
    let _ = nix::unistd::setsid();
    // With SIGXFSZ ignored, a write beyond the file size limit fails instead of killing the
    // process. The supervisor inherits this.
    crate::sys::ignore_signals(&[nix::libc::SIGXFSZ]);
    let mut news = File::from(news);
    match prepare(&RuntimeDir::new(runtime), plan) {
        Ok(held) => watch(held, news),
        Err(bad) => {
            send_startup_message(&mut news, &bad);
            1
        }
    }
}

/// The resources that the guardian holds for the length of the run.
struct Held {
    runtime: RuntimeDir,
    lock: RunLock,
    listener: OwnedFd,
    spare: Option<OwnedFd>,
    tcp: Option<OwnedFd>,
    program: PathBuf,
    handover: ListenerHandover,
}

/// What a supervisor must know about its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerHandover {
    /// The socket, to be removed at the end.
    pub place: SocketFiles,
    /// A note for the user about it, if there is one.
    pub note: Option<String>,
}

fn prepare(runtime: &RuntimeDir, fresh: Option<&Path>) -> Result<Held, StartupMessage> {
    let lock = RunLock::acquire(runtime.dir()).map_err(|error| match error {
        LockError::Held { pid } => StartupMessage::Held { pid },
        error @ LockError::Io { .. } => failed(error),
    })?;
    match take_up(runtime, fresh) {
        Ok((Listening { listener, spare, place, note, .. }, tcp, program)) => Ok(Held {
            runtime: runtime.clone(),
            lock,
            listener: listener.into(),
            spare: spare.map(OwnedFd::from),
            tcp: tcp.map(OwnedFd::from),
            program,
            handover: ListenerHandover { place, note },
        }),
        Err(news) => {
            lock.release(runtime.dir());
            Err(news)
        }
    }
}

fn failed(error: impl std::fmt::Display) -> StartupMessage {
    StartupMessage::Failed { message: error.to_string(), code: 1 }
}

/// Adopt the existing run, or take the fresh plan, and open the sockets; returns them and the program of the plan.
fn take_up(
    runtime: &RuntimeDir,
    fresh: Option<&Path>,
) -> Result<(Listening, Option<TcpListener>, PathBuf), StartupMessage> {
    if let Some(pid) = runtime.keeper() {
        return Err(failed(format_args!(
            "the lock of the supervisor here (pid {pid}) was removed; `tmo quit` ends its run, \
             after `kill -9 {pid}` a new supervisor takes the run over"
        )));
    }
    let survivors = adoptable(runtime).map_err(|e| failed(e.to_string()))?;
    let mut killed = None;
    if !survivors {
        let fresh = fresh.ok_or_else(StartupMessage::nothing_left)?;
        killed = kill_orphans(runtime)?;
        let in_place = |path: &Path, error: std::io::Error| {
            failed(format_args!("{}: {}", path.display(), sys::why(&error)))
        };
        runtime.clear().map_err(|e| in_place(runtime.dir(), e))?;
        std::fs::rename(fresh, runtime.plan_file()).map_err(|e| in_place(fresh, e))?;
    }
    let plan = runtime.plan().map_err(failed)?;
    let (path, shown) = (plan.socket.as_path(), plan.socket_shown.as_path());
    let clear = || {
        if !survivors {
            // The run has not begun, so its plan, which includes the environment, must not stay on
            // disk.
            let _ = runtime.clear();
        }
    };
    let (tcp, of_tcp) = match plan.tcp.as_ref().map(tcp::bind).transpose() {
        Ok(tcp) => tcp.unzip(),
        // A living run is adopted even if its port has been taken meanwhile.
        Err(error) if survivors => (None, Some(Some(error.to_string()))),
        Err(error) => {
            clear();
            return Err(failed(error));
        }
    };
    let listening = listen::bind(path, shown, runtime.dir());
    let mut listening = listening.inspect_err(|_| clear()).map_err(|error| {
        let is_foreign = matches!(error, ListenError::Foreign { .. });
        let overtaken = is_foreign.then(|| runtime.overtaken()).flatten();
        overtaken.map_or_else(|| failed(error), failed)
    })?;
    if listening.replaced && !survivors && killed.is_none() {
        let socket = shown.display();
        listening.note = Some(format!("{socket} was left by an abandoned run; replaced it"));
    }
    let notes = killed.into_iter().chain(listening.note).chain(of_tcp.flatten());
    let notes: Vec<String> = notes.collect();
    listening.note = (!notes.is_empty()).then(|| notes.join("; "));
    Ok((listening, tcp, plan.tmo.as_path().to_owned()))
}

/// End the leftover processes of a run whose own tmo parts were all killed, so that nothing runs
/// twice.
fn kill_orphans(runtime: &RuntimeDir) -> Result<Option<String>, StartupMessage> {
    let OrphanReport { ended, exempt, left } = runtime.kill_orphans();
    if !left.is_empty() {
        return Err(failed(format_args!(
            "processes of the run that was killed here can't be ended: {}",
            list(&named(&left))
        )));
    }
    Ok((ended > 0).then(|| {
        let count = units::processes(ended, "");
        let spared = if exempt.is_empty() {
            String::new()
        } else {
            format!("; left running on purpose: {}", list(&named_with_ports(&exempt)))
        };
        format!(
            "an earlier run here was killed; ended the processes that it left behind ({count}){spared}"
        )
    }))
}

/// Start the supervisor again whenever it is killed, until it exits by itself.
fn watch(mut held: Held, mut news: File) -> u8 {
    let mut quick = 0;
    loop {
        let begun = clock::now();
        let mut child = match spawn(&held, &news) {
            Ok(child) => child,
            Err(error) => {
                let (program, why) = (held.program.display(), sys::why(&error));
                let message = format!("can't start {program}: {why}");
                if !held.runtime.has_survivors() {
                    clean_up(held);
                }
                send_startup_message(&mut news, &StartupMessage::Failed { message, code: 1 });
                return 1;
            }
        };
        let Ok(status) = child.wait() else { return 1 };
        if let Some(code) = status.code() {
            return ended(held, u8::try_from(code).unwrap_or(1), &mut news);
        }
        let lasted = clock::now().since(begun);
        quick = if lasted < QUICK { quick + 1 } else { 0 };
        tracing::warn!(signal = status.signal(), quick, "the supervisor was killed");
        if !held.runtime.plan_file().exists() && !held.runtime.has_survivors() {
            return clean_up(held);
        }
        // A supervisor that has made the runtime directory again had a lock of its own, which ended with it.
        if !held.lock.is_current(held.runtime.dir())
            && held.runtime.plan_file().exists()
            && let Ok(lock) = RunLock::acquire(held.runtime.dir())
        {
            held.lock = lock;
        }
        if quick >= MOST_QUICK_DEATHS {
            return ended(held, 1, &mut news);
        }
    }
}

/// The supervisor has exited by itself. If the lock is still in place, it could not start or
/// continue (too few file descriptors, a missing library): it has cleaned up nothing and perhaps
/// reported nothing.
fn ended(held: Held, code: u8, news: &mut File) -> u8 {
    if !held.lock.is_current(held.runtime.dir()) {
        return code;
    }
    let said = files::read_plain(&held.runtime.stderr_file()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().find(|line| !line.is_empty());
    let why = last.map_or(String::new(), |line| format!(": {}", line.trim_start_matches("tmo: ")));
    let message = format!("the supervisor could not go on (exit status {code}){why}");
    if held.runtime.has_survivors() {
        let hint = "`tmo kill` ends what runs here";
        let message =
            if message.contains("`tmo kill`") { message } else { format!("{message}; {hint}") };
        send_startup_message(news, &StartupMessage::Failed { message, code: 1 });
        return code;
    }
    let code = clean_up(held).max(code);
    send_startup_message(news, &StartupMessage::Failed { message, code: 1 });
    code
}

/// Remove the last files of a run that is over and has no supervisor to remove them.
fn clean_up(held: Held) -> u8 {
    // What can't be removed is replaced by the next start.
    let _ = held.runtime.clear();
    let _ = held.handover.place.remove();
    held.lock.release(held.runtime.dir());
    1
}

/// Start a supervisor. Each one inherits the news pipe, so the waiting command gets its news from
/// the first supervisor that lives long enough to send them.
fn spawn(held: &Held, news: &File) -> std::io::Result<Child> {
    // `dup` gives descriptors without close-on-exec; this process has one thread, so no other
    // child can get hold of them.
    let listener = nix::unistd::dup(&held.listener)?;
    let spare = held.spare.as_ref().map(nix::unistd::dup).transpose()?;
    let tcp = held.tcp.as_ref().map(nix::unistd::dup).transpose()?;
    let lock = nix::unistd::dup(&held.lock)?;
    let news = nix::unistd::dup(news)?;
    let number = |fd: &OwnedFd| fd.as_raw_fd().to_string();
    let errors = files::append_to(&held.runtime.stderr_file())?;
    let mut command = Command::new(sys::program(&held.program));
    command.arg("supervise").arg(held.runtime.dir()).arg(number(&listener));
    let number_of = |fd: &Option<OwnedFd>| fd.as_ref().map_or_else(|| "-".into(), number);
    command.arg(number_of(&spare)).arg(number_of(&tcp)).arg(number(&lock));
    command.arg(number(&news)).arg(serde_json::to_string(&held.handover)?);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn()
}
