//! What a life reports to its `NOTIFY_SOCKET`.
//!
//! Only datagrams of processes below the shim count. The socket is read before ended children are reaped, so that a
//! child which has sent one and ended is still found.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Shim;
use super::life::Life;
use crate::model::LifeId;
use crate::protocol::life::LifeEvent;
use crate::protocol::notify::{MOST_BYTES, Notification, ReportedStatus};
use crate::protocol::paths::PanePaths;
use crate::protocol::spec::Spec;
use crate::sys::{self, NotifySocket};

/// The status is written at most this often.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// The most datagrams that are read before the shim does something else.
const AT_ONCE: usize = 32;
/// The status of a process that reloads its configuration and says no more about it.
const RELOADING: &str = "reloading";

/// The reports of one life.
#[derive(Debug)]
pub(super) struct Reports {
    socket: NotifySocket,
    path: PathBuf,
    is_ready: bool,
    status: ReportedStatus,
    /// What the file says, and when it may be written again.
    written: ReportedStatus,
    write_due: Option<Instant>,
    watchdog: Watchdog,
}

impl Reports {
    /// Listen for the reports of a life that is about to begin; `None` if it makes none.
    pub(super) fn open(spec: &Spec, paths: &PanePaths, life: LifeId) -> io::Result<Option<Self>> {
        if !spec.notify {
            return Ok(None);
        }
        let path = paths.notify(life);
        let status = ReportedStatus { life, text: String::new(), foreign: None };
        Ok(Some(Self {
            socket: NotifySocket::bind(&path)?,
            path,
            is_ready: false,
            written: status.clone(),
            status,
            write_due: None,
            watchdog: Watchdog {
                limit: spec.watchdog_ms.map(Duration::from_millis),
                ..Watchdog::default()
            },
        }))
    }

    /// The path of the socket.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Readable when there is a report.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// When to continue even if there is no report.
    pub(super) fn due(&self) -> Option<Instant> {
        let write = self.write_due.filter(|_| self.status != self.written);
        write.into_iter().chain(self.watchdog.due()).min()
    }

    /// Read what processes below the shim have sent. `false`: there may be more.
    fn receive(&mut self, shim: u32, now: Instant) -> bool {
        let mut buffer = [0; MOST_BYTES];
        for _ in 0..AT_ONCE {
            let datagram = match self.socket.receive(&mut buffer) {
                Ok(datagram) => datagram,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // There is none, or the kernel is out of memory.
                Err(_) => return true,
            };
            if datagram.sender.is_some_and(|sender| sys::is_below(sender, shim)) {
                self.take(Notification::parse(&buffer[..datagram.length]), now);
            } else {
                self.status.foreign = datagram.sender.or(self.status.foreign);
            }
        }
        false
    }

    fn take(&mut self, said: Notification, now: Instant) {
        let is_reload_over = said.is_ready && self.status.text == RELOADING;
        let own = if said.reloads { Some(RELOADING) } else { is_reload_over.then_some("") };
        if let Some(text) = said.status.or(own.map(str::to_owned)) {
            self.status.text = text;
        }
        self.is_ready |= said.is_ready;
        if said.is_ready || said.feeds && self.is_ready {
            self.watchdog.fed = Some(now);
        }
    }

    /// Write the status if it has changed and it is time; returns whether it was written.
    fn write_status(&mut self, path: &Path, now: Instant) -> bool {
        if self.status == self.written || self.write_due.is_some_and(|due| due > now) {
            return false;
        }
        self.write_due = Some(now + STATUS_PAUSE);
        let is_written = self.status.write(path).is_ok();
        if is_written {
            self.written.clone_from(&self.status);
        }
        is_written
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        // What remains is removed with the directory.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Watches how often a life reports that it works.
#[derive(Debug, Default)]
struct Watchdog {
    /// The longest time between two reports; `None`: it is not watched, or it is being stopped.
    limit: Option<Duration>,
    /// The last report; `None` before it was ready.
    fed: Option<Instant>,
    is_silent: bool,
}

impl Watchdog {
    /// When the life is silent for too long.
    fn end(&self) -> Option<Instant> {
        self.fed?.checked_add(self.limit?)
    }

    fn due(&self) -> Option<Instant> {
        self.end().filter(|_| !self.is_silent)
    }

    /// Whether it has become silent (`false`), or is fed again (`true`).
    fn change(&mut self, now: Instant) -> Option<bool> {
        let is_silent = self.end()? <= now;
        (std::mem::replace(&mut self.is_silent, is_silent) != is_silent).then_some(!is_silent)
    }
}

impl Shim {
    /// Handle the reports of a life.
    pub(super) fn hear(&mut self, life: &mut Life) {
        let is_ending = life.is_ending();
        let (number, Some(reports)) = life.reports() else { return };
        let (now, was_ready) = (Instant::now(), reports.is_ready);
        let is_all = reports.receive(self.root.shim, now);
        if reports.write_status(&self.paths.status(), now) {
            self.diary.ring();
        }
        if reports.is_ready && !was_ready {
            self.diary.note(LifeEvent::Ready { life: number });
        }
        if is_ending {
            reports.watchdog.limit = None;
        }
        // A report that is not read yet may have come in time.
        if is_all && let Some(fed) = reports.watchdog.change(now) {
            self.diary.note(LifeEvent::Watchdog { life: number, fed });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::{Reports, STATUS_PAUSE};
    use crate::model::LifeId;
    use crate::pane::shim::tests::spec;
    use crate::protocol::notify::{Notification, ReportedStatus};
    use crate::protocol::paths::PanePaths;
    use crate::protocol::spec::Spec;

    fn opened(dir: &Path) -> (Reports, PanePaths) {
        let spec = Spec { notify: true, watchdog_ms: Some(30_000), ..spec("true") };
        let paths = PanePaths::beside(&dir.join("web.spec"));
        (Reports::open(&spec, &paths, LifeId::FIRST).unwrap().unwrap(), paths)
    }

    fn said(text: &str) -> Notification {
        Notification::parse(text.as_bytes())
    }

    #[test]
    fn only_what_was_sent_below_the_shim_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (mut reports, _) = opened(dir.path());
        let (sender, now) = (UnixDatagram::unbound().unwrap(), Instant::now());
        let own = std::process::id();
        sender.send_to(b"READY=1", reports.path()).unwrap();
        // This process is not below itself, but below its parent.
        assert!(reports.receive(own, now));
        assert_eq!((reports.is_ready, reports.status.foreign), (false, Some(own)));
        sender.send_to(b"READY=1", reports.path()).unwrap();
        let parent = nix::unistd::getppid().as_raw().unsigned_abs();
        assert!(reports.receive(parent, now) && reports.is_ready);
        let path = reports.path().to_owned();
        drop(reports);
        assert!(!path.exists());
    }

    #[test]
    fn the_last_status_is_written_after_a_pause() {
        let dir = tempfile::tempdir().unwrap();
        let (mut reports, paths) = opened(dir.path());
        let (path, now) = (paths.status(), Instant::now());
        let text = || ReportedStatus::load(&path).unwrap().text;
        assert!(!reports.write_status(&path, now), "there is nothing to write");
        reports.take(said("STATUS=a"), now);
        assert!(reports.write_status(&path, now));
        for status in ["STATUS=b", "STATUS=c"] {
            reports.take(said(status), now);
            assert!(!reports.write_status(&path, now));
        }
        assert_eq!((text().as_str(), reports.due()), ("a", Some(now + STATUS_PAUSE)));
        assert!(reports.write_status(&path, now + STATUS_PAUSE));
        assert_eq!((text().as_str(), reports.due()), ("c", None));
        reports.take(said("RELOADING=1"), now);
        assert_eq!(reports.status.text, "reloading");
        reports.take(said("READY=1"), now);
        assert_eq!(reports.status.text, "");
        reports.take(said("RELOADING=1\nSTATUS=x"), now);
        reports.take(said("READY=1"), now);
        assert_eq!(reports.status.text, "x");
    }

    #[test]
    fn the_watchdog_is_silent_once_and_fed_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut reports, _) = opened(dir.path());
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        reports.take(said("WATCHDOG=1"), now);
        assert_eq!((reports.watchdog.due(), reports.watchdog.change(after(99))), (None, None));
        reports.take(said("READY=1"), now);
        assert_eq!(reports.watchdog.due(), Some(after(30)));
        reports.take(said("WATCHDOG=1"), after(20));
        assert_eq!(reports.watchdog.change(after(49)), None);
        assert_eq!(reports.watchdog.change(after(50)), Some(false));
        assert_eq!((reports.watchdog.due(), reports.watchdog.change(after(51))), (None, None));
        reports.take(said("WATCHDOG=1"), after(52));
        assert_eq!(reports.watchdog.change(after(52)), Some(true));
    }
}
