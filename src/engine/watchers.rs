//! Tasks that wait for the kernel: bells (FIFOs) and ends of processes (pidfds).

use std::os::fd::OwnedFd;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::task::{JoinHandle, spawn_local};

use super::queue::{Event, Queue};
use crate::model::ProcId;
use crate::sys::{self, files};

/// What a sink writes when it is ready.
const SINK_READY: u8 = b'S';

/// Listen to a bell for as long as the task lives.
///
/// That nobody held it for a moment is told once per opening and would be told for ever
/// afterwards, so the bell is opened anew then, and asked whether somebody holds it now: a shim
/// holds it for the length of a ring only.
pub(super) fn listen(id: ProcId, path: &Path, queue: Queue) -> std::io::Result<JoinHandle<()>> {
    let path = path.to_owned();
    let open = move || {
        files::make_fifo(&path)?;
        pipe::OpenOptions::new().open_receiver(&path)
    };
    let mut bell = open()?;
    Ok(spawn_local(async move {
        loop {
            // The kernel reports changes only; what is the case already must be asked for. Who
            // holds it may be a shim that rings just now: whether it is a sink is asked later.
            let Asked { held, ready, .. } = ask(&bell);
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
                Err(_) => return,
            }
        }
    }))
}

/// Pass on each ring until there was a moment when nobody held the bell. Somebody else may have
/// listened and taken the word: that it rang is enough.
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

/// Whether somebody holds the writing end of this bell now.
///
/// To find out, what was rung must be read. The task that listens is not woken for it any more: the
/// kernel reports only what can still be read. So it is put into the queue here.
pub(super) fn is_held(id: ProcId, path: &Path, queue: &Queue) -> bool {
    let Ok(bell) = pipe::OpenOptions::new().open_receiver(path) else { return false };
    let asked = ask(&bell);
    if asked.rung {
        queue.push(Event::Bell(id));
    }
    asked.held
}

/// What is found out by reading a bell until it is empty.
struct Asked {
    /// Somebody holds the writing end.
    held: bool,
    /// A sink has said that it is ready.
    ready: bool,
    /// Something was read, so it had been rung.
    rung: bool,
}

/// Read a bell just opened until it is empty.
fn ask(bell: &pipe::Receiver) -> Asked {
    let mut asked = Asked { held: true, ready: false, rung: false };
    let mut buffer = [0u8; 512];
    // Past tokio, which would not ask the kernel before it has heard from it. What was rung before
    // comes first; it says nothing about who is there now.
    loop {
        match nix::unistd::read(bell, &mut buffer) {
            Ok(0) => return Asked { held: false, ..asked },
            Ok(count) => {
                asked.rung = true;
                asked.ready |= buffer[..count].contains(&SINK_READY);
            }
            Err(_) => return asked,
        }
    }
}

/// Wait for the end of a process that is no child; pushes `event` once.
pub(super) fn exit(pid: u32, start_time: u64, event: Event, queue: Queue) -> std::io::Result<()> {
    let fd = watch(pid, start_time)?;
    spawn_local(async move {
        let _ = fd.readable().await;
        queue.push(event);
    });
    Ok(())
}

fn watch(pid: u32, start_time: u64) -> std::io::Result<AsyncFd<OwnedFd>> {
    let fd: OwnedFd = sys::watch_exit(pid, start_time)?;
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
