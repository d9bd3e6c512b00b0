//! A contestant that runs.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::procs;
use crate::reader::{PATIENCE, Reader};

/// A contestant, from its start to its end.
#[derive(Debug)]
pub(crate) struct Running {
    /// The command in the foreground; of the floor, the server.
    pub(crate) main: u32,
    child: Option<Child>,
    end: Option<Command>,
    reader: Option<Reader>,
    pub(crate) files: Vec<PathBuf>,
}

impl Running {
    pub(crate) fn of_child(child: Child, reader: Option<Reader>, files: Vec<PathBuf>) -> Self {
        Self { main: child.id(), child: Some(child), end: None, reader, files }
    }

    /// `end` is a call of tmux without its command.
    pub(crate) fn of_server(
        mut end: Command,
        main: u32,
        reader: Option<Reader>,
        files: Vec<PathBuf>,
    ) -> Self {
        end.arg("kill-server").stdout(Stdio::null()).stderr(Stdio::null());
        Self { main, child: None, end: Some(end), reader, files }
    }

    /// What it shows, if that goes into a pipe.
    pub(crate) fn reader(&mut self) -> &mut Reader {
        self.reader.as_mut().unwrap()
    }

    /// Make it stop: as Ctrl-C does; the floor by `kill-server`. Returns the times until all of
    /// these processes were gone and until it was gone itself.
    pub(crate) fn stop(&mut self, processes: &[u32]) -> (Option<Duration>, Option<Duration>) {
        let watch = Watch::new(processes, self.main);
        let begun = Instant::now();
        let ending = self.end.as_mut().map(|end| end.spawn().unwrap());
        if ending.is_none() {
            procs::kill(self.main, 2);
        }
        let times = watch.wait(begun, self.reader.as_mut());
        if let Some(mut ending) = ending {
            ending.wait().unwrap();
        }
        times
    }

    /// Make it stop, whatever time it takes.
    pub(crate) fn finish(mut self) {
        self.stop(&[]);
    }

    /// Wait until it has ended by itself; how long that took.
    pub(crate) fn back(&mut self, begun: Instant) -> Option<Duration> {
        Watch::new(&[], self.main).wait(begun, self.reader.as_mut()).1
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

/// Hears of the ends of processes.
struct Watch {
    processes: Vec<OwnedFd>,
    main: Option<OwnedFd>,
}

impl Watch {
    fn new(processes: &[u32], main: u32) -> Self {
        let open = |pid: &u32| {
            pidfd_open(Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap(), PidfdFlags::empty())
        };
        let processes = processes.iter().filter_map(|pid| open(pid).ok()).collect();
        Self { processes, main: open(&main).ok() }
    }

    /// Times until the processes and the main one were gone; what is shown meanwhile is read away.
    fn wait(
        mut self,
        begun: Instant,
        mut reader: Option<&mut Reader>,
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
            if gone.is_some() && back.is_some() || begun.elapsed() > PATIENCE * 2 {
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
