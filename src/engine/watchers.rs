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
            told_gone = match hear(id, &bell, &queue).await {
                Ok(Silence::Gone) => {
                    queue.push(Event::SinkGone(id));
                    true
                }
                Ok(Silence::Deaf) => false,
                Err(_) => return,
            };
            match pipe::OpenOptions::new().open_receiver(&path) {
                Ok(fresh) => bell = fresh,
                Err(_) => return,
            }
        }
    }))
}

/// Why a bell is heard no more.
enum Silence {
    /// Nobody holds it.
    Gone,
    /// Everybody had let go of it, then somebody took it again. The runtime never forgets that a
    /// pipe was closed and would call this one readable for ever.
    Deaf,
}

/// Pass on each ring until nobody holds the bell.
async fn hear(id: ProcId, bell: &pipe::Receiver, queue: &Queue) -> std::io::Result<Silence> {
    let mut buffer = [0u8; 512];
    loop {
        let ready = bell.ready(Interest::READABLE).await?;
        match bell.try_read(&mut buffer) {
            Ok(0) => return Ok(Silence::Gone),
            Ok(count) => {
                if buffer[..count].contains(&SINK_READY) {
                    queue.push(Event::SinkUp(id));
                }
                queue.push(Event::Bell(id));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if ready.is_read_closed() {
                    return Ok(Silence::Deaf);
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
    use std::fs::File;
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;

    use super::super::queue::{Event, Queue};
    use super::{listen, make_bell};

    fn hold(path: &Path) -> File {
        let flags = nix::libc::O_NONBLOCK;
        File::options().read(true).write(true).custom_flags(flags).open(path).unwrap()
    }

    /// Takes events out until this one comes.
    async fn hears(queue: &Queue, what: impl Fn(&Event) -> bool) {
        let heard = async {
            loop {
                match queue.pop() {
                    Some(event) if what(&event) => return,
                    Some(_) => {}
                    None => queue.filled().await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), heard).await.unwrap();
    }

    #[tokio::test]
    async fn a_bell_that_was_let_go_and_taken_again_is_heard_and_keeps_nobody_busy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bell");
        make_bell(&path).unwrap();
        let queue = Queue::default();
        let all = async {
            let task = listen(3, &path, queue.clone()).unwrap();
            hears(&queue, |event| matches!(event, Event::Bell(3))).await;
            // The runtime sees that it was let go; before the listener has its turn (this future
            // is woken together with it and runs first) it is taken again.
            let (wake, mut woken) = tokio::net::UnixStream::pair().unwrap();
            hold(&path).write_all(b"l").unwrap();
            drop(wake);
            woken.read_u8().await.unwrap_err();
            let mut sink = hold(&path);
            hears(&queue, |event| matches!(event, Event::Bell(3))).await;
            sink.write_all(b"S").unwrap();
            hears(&queue, |event| matches!(event, Event::SinkUp(3))).await;
            drop(sink);
            hears(&queue, |event| matches!(event, Event::SinkGone(3))).await;
            task.abort();
        };
        tokio::task::LocalSet::new().run_until(all).await;
    }
}
