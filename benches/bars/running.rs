//! A contestant that runs.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::reader::{PATIENCE, Reader};

/// A contestant, from its start to its end.
#[derive(Debug)]
pub(crate) struct Running {
    /// The command in the foreground; of one that has none, the server.
    pub(crate) main: u32,
    child: Option<Child>,
    pub(crate) end: End,
    reader: Option<Reader>,
    pub(crate) files: Vec<PathBuf>,
}

/// How it is made to stop.
#[derive(Debug)]
pub(crate) enum End {
    /// By Ctrl-C, which the whole group gets.
    Interrupt,
    /// By a command.
    Call(Command),
    /// By the key `q` in its terminal.
    Key(File),
}

impl Running {
    pub(crate) fn of_child(child: Child, reader: Option<Reader>, files: Vec<PathBuf>) -> Self {
        Self { main: child.id(), child: Some(child), end: End::Interrupt, reader, files }
    }

    pub(crate) const fn of_server(
        main: u32,
        end: End,
        reader: Option<Reader>,
        files: Vec<PathBuf>,
    ) -> Self {
        Self { main, child: None, end, reader, files }
    }

    /// What it shows, if that goes into a pipe.
    pub(crate) fn reader(&mut self) -> &mut Reader {
        self.reader.as_mut().unwrap()
    }

    /// Make it stop. Returns the times until all of these processes were gone and until it was
    /// gone itself.
    pub(crate) fn stop(&mut self, processes: &[u32]) -> (Option<Duration>, Option<Duration>) {
        let watch = Watch::new(processes, self.main);
        let begun = Instant::now();
        let ending = match &mut self.end {
            End::Interrupt => {
                // It may be gone.
                let _ = kill_process_group(pid(self.main), Signal::INT);
                None
            }
            End::Call(call) => {
                Some(call.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
            }
            End::Key(keyboard) => {
                let _ = keyboard.write_all(b"q");
                None
            }
        };
        let times = watch.wait(begun, self.reader.as_mut());
        if let Some(mut ending) = ending {
            within(&mut ending, PATIENCE);
        }
        times
    }

    /// Make it stop, whatever time it takes.
    pub(crate) fn finish(mut self) {
        self.stop(&[]);
    }

    /// Wait until it has ended by itself; how long that took.
    pub(crate) fn back(&mut self, begun: Instant) -> Option<Duration> {
        // pm2 takes twelve seconds to see that nothing is left.
        Watch::new(&[], self.main).until(begun, self.reader.as_mut(), PATIENCE * 4).1
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // One that hangs on being stopped is killed; what it leaves, its world clears away.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }
}

/// Wait for the end of a command; whether it was a success. One that hangs is killed.
pub(crate) fn within(child: &mut Child, patience: Duration) -> Option<bool> {
    let (_, back) = Watch::new(&[], child.id()).until(Instant::now(), None, patience);
    if back.is_none() {
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    back.map(|_| status.success())
}

/// What a command says, if it returns in time.
pub(crate) fn output_within(mut command: Command, patience: Duration) -> Option<String> {
    let said = tempfile::tempfile().unwrap();
    command.stdout(said.try_clone().unwrap()).stderr(said.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    within(&mut child, patience)?;
    let mut text = vec![];
    let mut said = said;
    std::io::Seek::rewind(&mut said).unwrap();
    said.read_to_end(&mut text).unwrap();
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Hears of the ends of processes.
struct Watch {
    processes: Vec<OwnedFd>,
    main: Option<OwnedFd>,
}

impl Watch {
    fn new(processes: &[u32], main: u32) -> Self {
        let open = |of: &u32| pidfd_open(pid(*of), PidfdFlags::empty());
        let processes = processes.iter().filter_map(|pid| open(pid).ok()).collect();
        Self { processes, main: open(&main).ok() }
    }

    /// Times until the processes and the main one were gone; what is shown meanwhile is read away.
    fn wait(
        self,
        begun: Instant,
        reader: Option<&mut Reader>,
    ) -> (Option<Duration>, Option<Duration>) {
        self.until(begun, reader, PATIENCE * 2)
    }

    /// The same with another deadline.
    fn until(
        mut self,
        begun: Instant,
        mut reader: Option<&mut Reader>,
        patience: Duration,
    ) -> (Option<Duration>, Option<Duration>) {
        let (mut gone, mut back) = (None, None);
        loop {
            self.processes.retain(|fd| !over(fd));
            self.main = self.main.take().filter(|fd| !over(fd));
            if self.processes.is_empty() {
                gone.get_or_insert_with(|| begun.elapsed());
            }
            if self.main.is_none() {
                back.get_or_insert_with(|| begun.elapsed());
            }
            if gone.is_some() && back.is_some() || begun.elapsed() > patience {
                return (gone, back);
            }
            let fds = self.processes.iter().chain(&self.main).map(OwnedFd::as_fd);
            let fds = fds.chain(reader.as_ref().map(|reader| reader.as_fd()));
            let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            let _ = poll(&mut fds, PollTimeout::from(200_u8));
            let shown = reader.is_some() && fds.last().is_some_and(|fd| fd.any() == Some(true));
            // Nothing comes after its end.
            if shown && reader.as_mut().is_some_and(|r| r.take(Duration::ZERO).is_none()) {
                reader = None;
            }
        }
    }
}

fn over(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) > 0
}
