//! Tasks that wait for the kernel: bells (FIFOs) and ends of processes (pidfds).

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::stat::Mode;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::task::{JoinHandle, spawn_local};

use super::queue::{Event, Queue};
use crate::supervisor::ProcId;
use crate::sys;

/// What a sink writes when it is ready.
const SINK_READY: u8 = b'S';

/// Make the FIFO (0600) unless it is there.
pub(super) fn make_bell(path: &Path) -> std::io::Result<()> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(nix::Error::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Listen to a bell for as long as the task lives.
///
/// That nobody holds it any more (no sink is alive) is told once per opening and would be told
/// for ever afterwards, so the bell is opened anew then.
pub(super) fn listen(id: ProcId, path: &Path, queue: Queue) -> std::io::Result<JoinHandle<()>> {
    let path = path.to_owned();
    let mut bell = pipe::OpenOptions::new().open_receiver(&path)?;
    Ok(spawn_local(async move {
        let mut told_gone = false;
        loop {
            // The kernel reports changes only; what is the case already must be asked for.
            match held(&bell) {
                true => queue.push(Event::SinkUp(id)),
                false if !told_gone => queue.push(Event::SinkGone(id)),
                false => {}
            }
            queue.push(Event::Bell(id));
            match hear(id, &bell, &queue).await {
                Ok(Silence::Nobody) => {
                    queue.push(Event::SinkGone(id));
                    told_gone = true;
                }
                Ok(Silence::Moment) => told_gone = false,
                Err(_) => return,
            }
            match pipe::OpenOptions::new().open_receiver(&path) {
                Ok(fresh) => bell = fresh,
                Err(_) => return,
            }
        }
    }))
}

/// Why a bell must be opened anew.
enum Silence {
    /// Nobody holds it.
    Nobody,
    /// For a moment nobody did, now somebody does: a shim rang and left, then the sink came.
    Moment,
}

/// Pass on each ring until nobody holds the bell, if only for a moment.
async fn hear(id: ProcId, bell: &pipe::Receiver, queue: &Queue) -> std::io::Result<Silence> {
    let mut buffer = [0u8; 512];
    loop {
        let ready = bell.ready(Interest::READABLE).await?;
        match bell.try_read(&mut buffer) {
            Ok(0) => return Ok(Silence::Nobody),
            Ok(count) => {
                if buffer[..count].contains(&SINK_READY) {
                    queue.push(Event::SinkUp(id));
                }
                queue.push(Event::Bell(id));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                // What was closed once is readable for ever to tokio: we would never wait again.
                if ready.is_read_closed() {
                    return Ok(Silence::Moment);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether somebody holds the writing end of a bell just opened.
fn held(bell: &pipe::Receiver) -> bool {
    // Past tokio, which would not ask the kernel before it has heard from it.
    !matches!(nix::unistd::read(bell, &mut [0u8; 512]), Ok(0))
}

/// Wait for the end of a process that is no child; pushes `event` once.
pub(super) fn exit(pid: u32, start_time: u64, event: Event, queue: Queue) -> std::io::Result<()> {
    let fd: OwnedFd = sys::watch_exit(pid, start_time)?;
    #[expect(unsafe_code, reason = "the descriptor must stay open while it is registered")]
    // SAFETY: the `AsyncFd` owns the descriptor, so it is closed after it was deregistered.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? };
    spawn_local(async move {
        let _ = fd.readable().await;
        queue.push(event);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::net::unix::pipe;

    use super::{Queue, Silence, hear, make_bell};

    /// A shim rang and left, and was seen to leave, before the sink came.
    #[test]
    fn who_comes_after_a_moment_without_anybody_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bell");
        make_bell(&path).unwrap();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio.block_on(async {
            let bell = pipe::OpenOptions::new().open_receiver(&path).unwrap();
            let open = || std::fs::File::options().read(true).write(true).open(&path).unwrap();
            open().write_all(b"l").unwrap();
            bell.readable().await.unwrap();
            let _sink = open();
            let heard = hear(0, &bell, &Queue::default()).await.unwrap();
            assert!(matches!(heard, Silence::Moment));
        });
    }
}
