//! Tasks that wait for the kernel: bells (FIFOs) and ends of processes (pidfds).

use std::os::fd::OwnedFd;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::task::{JoinHandle, spawn_local};

use crate::model::{ProcId, ProcessId};
use crate::queue::{Event, Queue};
use crate::sys::{self, files};

/// The byte that a sink writes when it is ready.
const SINK_READY: u8 = b'S';

/// Listen to a bell for as long as the task lives. The task ends if the bell can't be opened again,
/// because its directory is gone. It then reports that the sink is gone, and the recovery of the sink
/// listens again.
///
/// When the last writer closes a FIFO, its reader sees end-of-file from then on. The bell is
/// therefore opened again, and checked for a writer, since a shim holds it only while it rings.
pub(crate) fn listen(id: ProcId, path: &Path, queue: Queue) -> std::io::Result<JoinHandle<()>> {
    let path = path.to_owned();
    let open = move || {
        files::make_fifo(&path)?;
        pipe::OpenOptions::new().open_receiver(&path)
    };
    let mut bell = open()?;
    Ok(spawn_local(async move {
        loop {
            // The kernel reports only changes, so the present state must be queried. The writer may
            // be a shim that is ringing just now; whether it is a sink is checked later.
            let BellState { held, ready, .. } = ask(&bell);
            if ready && held {
                queue.push(Event::SinkUp(id));
            }
            if !held {
                queue.push(Event::SinkGone(id));
            }
            queue.push(Event::Bell(id));
            if hear(id, &bell, &queue).await.is_err() {
                return;
            }
            match open() {
                Ok(fresh) => bell = fresh,
                Err(_) => return queue.push(Event::SinkGone(id)),
            }
        }
    }))
}

/// Pass on each ring until the bell has no writer for a moment. Another reader may have taken the
/// bytes: it is enough to know that it rang.
async fn hear(id: ProcId, bell: &pipe::Receiver, queue: &Queue) -> std::io::Result<()> {
    let mut buffer = [0u8; 512];
    loop {
        let ready = bell.ready(Interest::READABLE).await?;
        loop {
            match bell.try_read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    if buffer[..count].contains(&SINK_READY) {
                        queue.push(Event::SinkUp(id));
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    queue.push(Event::Bell(id));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if ready.is_read_closed() {
            return Ok(());
        }
    }
}

/// Whether any process has this bell open for writing.
///
/// To find out, pending bytes must be read. That does not wake the listening task any more, since
/// the kernel reports only what can still be read, so the ring is queued here.
pub(crate) fn is_held(id: ProcId, path: &Path, queue: &Queue) -> bool {
    let Ok(bell) = pipe::OpenOptions::new().open_receiver(path) else { return false };
    let asked = ask(&bell);
    if asked.rung {
        queue.push(Event::Bell(id));
    }
    asked.held
}

/// The result of reading a bell until it is empty.
struct BellState {
    /// A process has it open for writing.
    held: bool,
    /// A sink has reported that it is ready.
    ready: bool,
    /// Bytes were read, so it had been rung.
    rung: bool,
}

/// Read a newly opened bell until it is empty.
fn ask(bell: &pipe::Receiver) -> BellState {
    let mut asked = BellState { held: true, ready: false, rung: false };
    let mut buffer = [0u8; 512];
    // Read without tokio, which would first wait for a readiness event. Bytes that were written
    // before come first; they do not show whether there is still a writer.
    loop {
        match nix::unistd::read(bell, &mut buffer) {
            Ok(0) => return BellState { held: false, ..asked },
            Ok(count) => {
                asked.rung = true;
                asked.ready |= buffer[..count].contains(&SINK_READY);
            }
            Err(_) => return asked,
        }
    }
}

/// Wait for the exit of a process that is not a child; pushes `event` once.
pub(crate) fn exit(id: ProcessId, event: Event, queue: Queue) -> std::io::Result<()> {
    let mut fd = watch(id)?;
    spawn_local(async move {
        let _ = fd.readable().await;
        // Where pidfds are refused, a timer is readable in their place.
        while sys::alive(id) {
            let Ok(again) = watch(id) else { break };
            fd = again;
            let _ = fd.readable().await;
        }
        queue.push(event);
    });
    Ok(())
}

fn watch(id: ProcessId) -> std::io::Result<AsyncFd<OwnedFd>> {
    let fd: OwnedFd = sys::watch_exit(id)?;
    #[expect(unsafe_code, reason = "the descriptor must stay open while it is registered")]
    // SAFETY: the `AsyncFd` owns the descriptor, so it is closed after it was deregistered.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? };
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Event, Queue, is_held};
    use crate::model::ProcId;
    use crate::sys::files;

    #[tokio::test]
    async fn a_ring_that_was_read_to_find_out_who_holds_the_bell_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.fifo");
        let queue = Queue::default();
        files::make_fifo(&path).unwrap();
        let mut sink = files::open_fifo(&path, true).unwrap();
        assert!(is_held(ProcId::at(3), &path, &queue));
        assert!(queue.pop().is_none(), "nobody has rung");
        sink.write_all(b"x").unwrap();
        assert!(is_held(ProcId::at(3), &path, &queue));
        assert!(matches!(queue.pop(), Some(Event::Bell(id)) if id == ProcId::at(3)));
        drop(sink);
        assert!(!is_held(ProcId::at(3), &path, &queue));
    }
}
