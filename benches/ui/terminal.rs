//! A program in a terminal, whose screen is known at any time.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{Winsize, openpty};

use crate::common::harness::wait::pause;

const COLUMNS: NonZero<u16> = NonZero::new(120).unwrap();
const ROWS: NonZero<u16> = NonZero::new(40).unwrap();
/// How long anything may take to be shown.
const LIMIT: Duration = Duration::from_secs(60);
/// A slow terminal reads so often in a second.
const READS_PER_SECOND: u32 = 20;

/// The program and its terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    begun: Instant,
    shared: Arc<Shared>,
}

/// What the thread that reads the terminal has in common with the others.
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    /// So many bytes are read in a second; 0 if there is no limit.
    pace: AtomicU32,
}

/// What has been read.
struct Seen {
    parser: vt100::Parser,
    /// When the last bytes came.
    last: Instant,
    is_open: bool,
}

impl Terminal {
    /// Run the program of this command in a terminal.
    pub(crate) fn run(command: &Command) -> Self {
        let size =
            Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let slave = File::from(pty.slave);
        let mut leader = leader(command);
        leader.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        let keyboard = File::from(pty.master);
        let seen = Seen {
            parser: vt100::Parser::new(ROWS, COLUMNS, 0),
            last: Instant::now(),
            is_open: true,
        };
        let shared = Arc::new(Shared {
            seen: Mutex::new(seen),
            changed: Condvar::new(),
            pace: AtomicU32::new(0),
        });
        let (screen, reading) = (keyboard.try_clone().unwrap(), Arc::clone(&shared));
        std::thread::spawn(move || reading.read(screen));
        let begun = Instant::now();
        let child = leader.spawn().unwrap();
        Self { child, keyboard, begun, shared }
    }

    /// The program's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From now on read so many bytes in a second; 0 if there is no limit.
    pub(crate) fn pace(&self, per_second: u32) {
        self.shared.pace.store(per_second, Ordering::Relaxed);
    }

    /// Wait until the screen is so; returns the time since the start of the program.
    pub(crate) fn first(&self, holds: impl Fn(&str) -> bool) -> Duration {
        self.wait(holds) - self.begun
    }

    /// Press a key and wait until the screen is so; returns the time between the two.
    pub(crate) fn press(&mut self, key: &str, holds: impl Fn(&str) -> bool) -> Duration {
        let begun = Instant::now();
        self.types(key);
        self.wait(holds) - begun
    }

    /// Press keys, whatever they do.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.shared.seen.lock().unwrap().parser.screen().contents()
    }

    /// Wait until the screen is so; returns when the bytes came that made it so.
    fn wait(&self, holds: impl Fn(&str) -> bool) -> Instant {
        let deadline = Instant::now() + LIMIT;
        let mut seen = self.shared.seen.lock().unwrap();
        loop {
            let screen = seen.parser.screen().contents();
            if holds(&screen) {
                return seen.last;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !seen.is_open || left.is_zero() {
                drop(seen);
                panic!("in vain; the screen is\n{screen}");
            }
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
    }
}

impl Shared {
    /// Read until the terminal is closed.
    fn read(&self, mut screen: File) {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let pace = self.pace.load(Ordering::Relaxed);
            let most = if pace == 0 { bytes.len() } else { (pace / READS_PER_SECOND) as usize };
            // The end of the last process in the terminal is an error here.
            let count = screen.read(&mut bytes[..most]).unwrap_or(0);
            let mut seen = self.seen.lock().unwrap();
            seen.last = Instant::now();
            seen.is_open = count > 0;
            seen.parser.process(&bytes[..count]);
            drop(seen);
            self.changed.notify_all();
            if count == 0 {
                return;
            }
            if pace > 0 {
                pause(Duration::from_secs(1) / READS_PER_SECOND);
            }
        }
    }
}

/// The same command as the leader of a session, whose terminal is its standard input.
fn leader(command: &Command) -> Command {
    let mut leader = Command::new("setsid");
    leader.arg("--ctty").arg(command.get_program()).args(command.get_args()).env_clear();
    leader.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    leader.current_dir(command.get_current_dir().unwrap());
    leader
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
