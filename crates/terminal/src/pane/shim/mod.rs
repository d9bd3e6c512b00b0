//! The shim: owns one pane, the process in it and the whole tree below that, for as long as the pane
//! exists.
//!
//! It carries out its spec file, which it reads again on SIGUSR1. It records events in the life file,
//! rings the bell, and writes markers into the output. It is a single thread with one blocking wait;
//! it never polls, and ending processes never waits for a terminal. Trees are ended by
//! `crates/terminal/src/pane/process_tree.rs`: the stop signal, then SIGKILL after the grace period.

mod exit_banner;
mod launch;
mod life;
mod life_log;
mod notify;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc;

pub use self::launch::is_of_terminal;
use self::life::Life;
use self::life_log::LifeLogWriter;
use super::holder::{HolderKeeper, Terminal};
use super::process_tree::{self, Root};
use super::tty::Tty;
use crate::model::{LifeId, ProcessId};
use crate::protocol::life::LifeEvent;
use crate::protocol::paths::PanePaths;
use crate::protocol::spec::{Spec, Want};
use crate::protocol::terminal::Opener;
use crate::sys::{self, Wakes};

/// Signals from terminals and group kills that the shim must survive.
const IGNORED: &[i32] = &[
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGTERM,
    libc::SIGPIPE,
    libc::SIGUSR2,
    // File size limit exceeded: the write also returns an error.
    libc::SIGXFSZ,
];

/// The interval for retrying to write the life file when the disk is full.
const RETRY: Duration = Duration::from_secs(1);

/// Used if waiting for events fails: the kernel is out of memory, or the limit of open files was set
/// to 0 (`prlimit`).
#[expect(clippy::disallowed_methods, reason = "no event can be waited for")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Open a terminal, or a pipe in its place, and what the process has for standard error if that is apart.
fn open_terminal(
    opener: Opener,
    spec: Option<&Spec>,
) -> std::io::Result<(Terminal, Option<OwnedFd>)> {
    let is_pipe = spec.is_some_and(|spec| spec.no_terminal);
    let mut terminal = if is_pipe { Terminal::open_pipe()? } else { Terminal::open(opener.size)? };
    let splits = spec.is_some_and(|spec| spec.split_stderr);
    let stderr = splits.then(|| terminal.split_stderr()).transpose()?;
    Ok((terminal, stderr))
}

/// Run the shim of the pane with this spec file until it is told to exit; returns the exit status.
pub fn run_shim(spec_path: &Path, opener: Option<Opener>) -> u8 {
    // The supervisor was killed while it requested this pane, and the run was over by the time tmux
    // opened it. Neither the shim nor the tmux server that was started for it is needed.
    if let Ok(false) = spec_path.try_exists() {
        let _ = writeln!(std::io::stderr(), "tmo: {}: that run is over", spec_path.display());
        end_own_server();
        return 1;
    }
    match Shim::begin(spec_path, opener) {
        Ok(shim) => {
            shim.serve();
            0
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tmo: cannot start the shim: {error}");
            1
        }
    }
}

/// End the tmux server that started this process, if it is one of tmo's.
fn end_own_server() {
    let here = launch::pane_environment().find(|(name, _)| name == "TMUX");
    let here = here.and_then(|(_, value)| value.into_string().ok()).unwrap_or_default();
    // `socket,pid,session`
    let mut fields = here.rsplitn(3, ',').skip(1);
    let server = nix::unistd::getppid();
    let is_parent = fields.next().and_then(|pid| pid.parse().ok()) == Some(server.as_raw());
    let Some(socket) = fields.next().map(Path::new) else { return };
    let name = socket.file_name().and_then(|name| name.to_str());
    if is_parent && name.is_some_and(|name| name.starts_with("tmo-")) {
        // Otherwise it would leave its socket behind. If it refuses or is gone already, nothing else
        // can be done.
        let _ = std::fs::remove_file(socket);
        let _ = nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGTERM);
    }
}

struct Shim {
    spec_path: PathBuf,
    paths: PanePaths,
    wakes: Wakes,
    tty: Tty,
    diary: LifeLogWriter,
    /// The root of the tree, still without a main process.
    root: Root,
    /// Keeps the holder, if this shim has a terminal of its own.
    holder: Option<HolderKeeper>,
    /// The last spec that was read. Until then, it wants nothing.
    spec: Spec,
    life: Option<Life>,
    /// The highest life that was begun or skipped.
    begun: Option<LifeId>,
    hung_up: bool,
    /// The exempt processes that have been reported already, so that each is reported once.
    named: Vec<ProcessId>,
    /// A descriptor that reports the end of a process that is not our child, for which there is no
    /// SIGCHLD.
    watched: Option<OwnedFd>,
}

impl Shim {
    fn begin(spec_path: &Path, opener: Option<Opener>) -> std::io::Result<Self> {
        // Where there is no /dev/fd, tmux has closed its descriptors itself.
        let _ = sys::close_inherited(&[]);
        if let Some(opener) = opener {
            // Another supervisor learns of this shim from its life file only.
            sys::end_after_parent(opener.supervisor)?;
        }
        let paths = PanePaths::beside(spec_path);
        // Before the signal handlers are installed: this may wait for the lock, and closing the pane
        // must end a shim that waits. Before the terminal is opened: the pane may have another shim,
        // whose holder this one's must not replace.
        let mut diary = LifeLogWriter::new(&paths);
        let spec = Spec::load(spec_path).ok();
        diary.go_on_after(spec.as_ref().map_or(0, |spec| spec.known));
        let terminal = opener.map(|opener| open_terminal(opener, spec.as_ref())).transpose()?;
        let (terminal, stderr) = terminal.unzip();
        let holder = terminal.map(|terminal| HolderKeeper::begin(terminal, spec_path));
        sys::ignore_signals(IGNORED);
        let wakes = Wakes::install()?;
        sys::unblock_signals()?;
        let pid = std::process::id();
        let own = sys::info(pid);
        let (start_time, session) = own.map_or((0, 0), |own| (own.start_time, own.sid));
        let mut shim = Self {
            spec_path: spec_path.to_owned(),
            paths,
            wakes,
            tty: Tty::open(stderr.flatten()),
            begun: diary.begun(),
            diary,
            root: Root {
                shim: pid,
                session,
                main: 0,
                holder: holder.as_ref().map_or(0, HolderKeeper::pid),
            },
            holder,
            spec: Spec::default(),
            life: None,
            hung_up: false,
            named: Vec::new(),
            watched: None,
        };
        shim.tty.calm();
        let pane = launch::pane_environment().find(|(name, _)| name == "TMUX_PANE");
        let pane = pane.map(|(_, id)| id.to_string_lossy().into_owned());
        shim.diary.note(LifeEvent::Up {
            pid,
            start_time,
            pane: if shim.holder.is_some() { shim.paths.slug() } else { pane.unwrap_or_default() },
            tty: shim.tty.name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        if shim.holder.is_some() {
            sys::outlive_parent()?;
        }
        // The supervisor could not signal us before our `Up` entry, so the spec may have changed
        // since.
        shim.read_spec();
        Ok(shim)
    }

    fn serve(mut self) {
        loop {
            self.settle();
            if self.life.is_none() && (self.hung_up || self.spec.want == Want::End) {
                self.diary.note(LifeEvent::Down {});
                return;
            }
            let now = Instant::now();
            let time = self.deadline(now).map(|at| at.saturating_duration_since(now));
            let also = [
                self.watched.as_ref().map(OwnedFd::as_fd),
                self.holder.as_ref().and_then(HolderKeeper::end),
                self.life.as_ref().and_then(Life::socket),
            ];
            if self.wakes.wait(time, also.into_iter().flatten()).is_err() {
                sleep(time.unwrap_or(RETRY).min(RETRY));
            }
            if let Some(holder) = &mut self.holder {
                holder.renew(&self.spec_path);
                self.root.holder = holder.pid();
                if let Some(life) = &mut self.life {
                    life.has_holder(self.root.holder);
                }
            }
            if self.wakes.bell() {
                self.read_spec();
                if let Some(holder) = &self.holder {
                    holder.replace_if_unreachable(&self.paths.terminal());
                }
            }
            if self.wakes.hangup() && !self.hung_up {
                self.hung_up = true;
                self.diary.note(LifeEvent::Hangup {});
            }
            self.diary.catch_up();
        }
    }

    /// Discard what was typed for a life that is over: it must not reach the next one.
    fn discard_input(&self) {
        if let Some(holder) = &self.holder {
            holder.discard_input();
        }
        self.tty.flush_input(self.holder.is_none());
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        let ending = self.life.as_ref().and_then(Life::deadline);
        let retry = self.diary.is_behind().then(|| now + RETRY);
        let holder = self.holder.as_ref().and_then(HolderKeeper::due);
        [ending, retry, holder].into_iter().flatten().min()
    }

    /// Do everything that is possible without waiting.
    fn settle(&mut self) {
        self.watched = None;
        loop {
            if let Some(mut life) = self.life.take() {
                if !self.tend(&mut life) {
                    self.life = Some(life);
                    return;
                }
            } else if let Some(life) = self.fresh_life()
                && self.spec.want == Want::Run
                && !self.hung_up
            {
                self.begun = Some(life);
                let spec = self.spec.clone();
                self.life = self.start(&spec, life);
            } else {
                // Reap between lives too: exempt processes end, and their orphans become our
                // children.
                process_tree::reap_all_but(self.root);
                return;
            }
        }
    }

    fn read_spec(&mut self) {
        match Spec::load(&self.spec_path) {
            Ok(spec) => self.spec = spec,
            Err(error) => return self.trouble(error.to_string()),
        }
        if let Some(life) = self.fresh_life()
            && self.spec.want != Want::Run
        {
            self.begun = Some(life);
            self.diary.note(LifeEvent::Skipped { life });
        }
    }

    /// The life of the spec, if it was neither begun nor skipped.
    fn fresh_life(&self) -> Option<LifeId> {
        self.spec.life.filter(|life| Some(*life) > self.begun)
    }
}
