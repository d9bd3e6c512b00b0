//! Checks the control socket of the project and its listener, and the socket of its tmux server.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::libc;
use nix::unistd::{AccessFlags, access};

use super::findings::Report;
use crate::cli::project::input::Start;
use crate::cli::project::ports::described;
use crate::cli::runtime;
use crate::client::{ClientError, Listener, identify_listener};
use crate::model::network::TcpAddress;
use crate::model::plan::Plan;
use crate::protocol::tmux_socket;
use crate::run::listen;
use crate::sys::dial::{self, ListenerState};
use crate::sys::{self, why};

const CHECK: &str = "socket";

/// The maximum length of a socket's path.
const LONGEST_PATH: usize =
    size_of::<libc::sockaddr_un>() - std::mem::offset_of!(libc::sockaddr_un, sun_path) - 1;

/// Check the control socket of this project and its listener.
pub(super) fn check_control_socket(report: &mut Report, start: &Start) {
    let path = &start.project.socket.path;
    let shown = start.project.socket.shown.display();
    let held = start.runtime.is_held();
    if let Some(tcp) = &start.project.socket.tcp {
        return check_address(report, tcp, held);
    }
    if listen::in_the_way(path).is_some() {
        let text = format!("{shown} is in the way: it is not a socket");
        return report.fail_so(CHECK, text, "move it away, or give another socket with `-s`");
    }
    match dial::probe(path) {
        Ok(ListenerState::Live) if held => report.ok(CHECK, format!("{shown}: a run listens")),
        Ok(ListenerState::Live) => check_listener(report, start),
        Ok(ListenerState::Nothing) if held => report.note(
            CHECK,
            format!("{shown} is gone although a run is up; commands still find the run"),
        ),
        Ok(ListenerState::Dead) => report.note(
            CHECK,
            format!("nobody listens on {shown}; the next start takes its place, `tmo cleanup` removes it"),
        ),
        Ok(ListenerState::Nothing) => check_room(report, start),
        Err(error) => report.fail_so(
            CHECK,
            format!("{shown}: {}", why(&error)),
            "give another socket with `-s`",
        ),
    }
}

/// Check a TCP control address.
fn check_address(report: &mut Report, tcp: &TcpAddress, held: bool) {
    let port = tcp.address.rsplit(':').next().and_then(|port| port.parse().ok());
    let taken = sys::tcp_listeners(port.as_slice());
    let text = format!("{} {}", tcp.network.name(), tcp.address);
    match taken.first().filter(|_| !held) {
        Some((_, listener)) => {
            let who = described(listener.process.as_ref(), None);
            let text = format!("{text} is taken: {who} listens on it");
            report.fail_so(CHECK, text, "end it, or give another address with `-s`");
        }
        None => report.ok(CHECK, text),
    }
}

/// Report a listener that does not hold our lock.
fn check_listener(report: &mut Report, start: &Start) {
    let path = &start.project.socket.path;
    let shown = start.project.socket.shown.display();
    let asked = runtime::block_on(async { Ok(identify_listener(path).await) });
    match asked {
        Ok(Ok(Listener::Tmo(state))) => {
            let pid = state.pid;
            let text = format!("a run of another session listens on {shown} (pid {pid})");
            report.note(CHECK, text + "; commands reach it");
        }
        Ok(Ok(Listener::Overmind)) => {
            let todo = "`tmo quit` ends it, or give another socket with `-s`";
            report.fail_so(CHECK, format!("overmind itself listens on {shown}"), todo);
        }
        Ok(Err(error @ (ClientError::Stranger { .. } | ClientError::SharedDirectory { .. }))) => {
            report.fail(CHECK, error);
        }
        Ok(Err(error)) => {
            let text = format!("another program listens on {shown}: {error}");
            report.fail_so(CHECK, text, "end it, or give another socket with `-s`");
        }
        Err(error) => report.fail(CHECK, error),
    }
}

/// Whether a socket can be created there.
fn check_room(report: &mut Report, start: &Start) {
    let path = &start.project.socket.path;
    let shown = start.project.socket.shown.display();
    let dir = path.parent().unwrap_or(Path::new("/"));
    if let Err(error) = access(dir, AccessFlags::W_OK | AccessFlags::X_OK) {
        let text = format!("{} can't be written to: {}", dir.display(), why(&error.into()));
        return report.fail_so(CHECK, text, "give a socket elsewhere with `-s`");
    }
    let elsewhere = "the socket goes to the runtime directory, with a link here";
    let length = path.as_os_str().as_bytes().len();
    if length > LONGEST_PATH {
        let text =
            format!("the path of {shown} has {length} bytes, a socket may have {LONGEST_PATH}; ");
        return report.note(CHECK, text + elsewhere);
    }
    let trial = dir.join(format!(".tmo{}", std::process::id()));
    match UnixListener::bind(&trial) {
        Ok(_) => {
            // This process created it just now.
            let _ = std::fs::remove_file(&trial);
            report.ok(CHECK, format!("{shown} can be made ({length} of {LONGEST_PATH} bytes)"));
        }
        // The temporary name is longer than the real one.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            report.ok(CHECK, format!("{shown} ({length} of {LONGEST_PATH} bytes)"));
        }
        Err(error) => {
            let text = format!("no socket can be created in {}: {}; ", dir.display(), why(&error));
            report.note(CHECK, text + elsewhere);
        }
    }
}

/// Check the socket of the tmux server, whose path tmux determines.
pub(super) fn check_tmux_socket(report: &mut Report, plan: &Plan) {
    let path = tmux_socket::of_plan(plan);
    let length = path.as_os_str().as_bytes().len();
    if length > LONGEST_PATH {
        let text = format!(
            "the socket {} of tmux has {length} bytes, {LONGEST_PATH} are possible",
            path.display()
        );
        report.fail_so(CHECK, text, "set TMUX_TMPDIR to a directory with a shorter path");
    }
}

#[cfg(test)]
mod tests {
    use super::LONGEST_PATH;

    #[test]
    fn the_longest_path_is_that_of_the_system() {
        let fits = |length: usize| nix::sys::socket::UnixAddr::new(&*"x".repeat(length)).is_ok();
        assert!(fits(LONGEST_PATH) && !fits(LONGEST_PATH + 1));
    }
}
