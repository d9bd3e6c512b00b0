//! A tmux server of the doctor's own with a process in it, as a start would make them.
//!
//! Whatever comes of it, the server, its processes and all files are gone afterwards.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::time::timeout;

use super::environment::Variables;
use super::recorder::{ended, parse};
use crate::backend::tmux::panes::Former;
use crate::backend::tmux::{Tmux, TmuxError, socket};
use crate::config::dirs::{DirError, make_private_dir};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::shell::quoted_bytes;
use crate::model::{LifeId, ProcName};
use crate::plan::process_env;
use crate::protocol::life::Traces;
use crate::protocol::paths::PanePaths;
use crate::protocol::spec::{SPEC_VERSION, Spec, Want, replace};
use crate::sys::{self, ProcInfo, files, why};

/// How long a process may take to begin and to write down its environment.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long what was killed may take to be gone.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// What a client of tmux takes to be started and heard, and to watch what ends. Where there are not
/// even these, tmux itself would begin to spin.
const RESERVE: u32 = 24;

/// The names of the directory and of the server begin so; the process id follows.
pub(super) const NAME: &str = "doctor-";

/// Why a process could not be tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScratchError {
    /// There is no place for its files.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// A file of it.
    #[error("{}: {}", path.display(), why(cause))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// tmux refused.
    #[error(transparent)]
    Tmux(#[from] TmuxError),
    /// The process did not run.
    #[error("`{shell}` {how}{said}; look at what it reads when it begins")]
    NotRun {
        /// The shell.
        shell: String,
        /// How it failed.
        how: String,
        /// What was to be seen in the terminal.
        said: String,
    },
}

/// What was seen of the server.
#[derive(Debug)]
pub(super) struct Seen {
    /// Whether it has loaded libutempter, if that can be seen.
    pub(super) utempter: Option<bool>,
    /// The environment of a process.
    pub(super) first: Result<Variables, ScratchError>,
    /// The user's configuration, if there is one, and what tmux says of it.
    pub(super) config: Option<(PathBuf, Result<(), TmuxError>)>,
    /// The environment of a process whose window is opened once that was read; only if the first
    /// ran.
    pub(super) later: Option<Result<Variables, ScratchError>>,
}

/// The server, and where it has its files.
#[derive(Debug)]
pub(super) struct Scratch {
    plan: Plan,
    dir: PathBuf,
    /// The directories above that were made for this, innermost first; they go with it.
    made: Vec<PathBuf>,
    tmux: Tmux,
    socket: PathBuf,
    /// Held back for what ends the server: whatever is short, that must be possible.
    reserve: Vec<File>,
}

impl Scratch {
    /// A place for the server; it is not started yet.
    pub(super) fn new(plan: &Plan, base: &Path) -> Result<Self, ScratchError> {
        let name = format!("{NAME}{}", std::process::id());
        let mut plan = plan.clone();
        plan.tmux_socket = format!("tmo-{name}");
        plan.run = format!("{}-{name}", plan.run);
        "doctor".clone_into(&mut plan.session);
        let made = base.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        let dir = base.join(name);
        let (tmux, socket) = (Tmux::new(&plan, &dir), socket::of_plan(&plan));
        let hold = |_| files::open_dir(Path::new("/"));
        let reserve = (0..RESERVE).map(hold).collect::<io::Result<_>>();
        let reserve = reserve.map_err(|cause| ScratchError::File { path: "/".into(), cause })?;
        let scratch = Self { plan, dir, made, tmux, socket, reserve };
        scratch.make(base)?;
        Ok(scratch)
    }

    fn make(&self, base: &Path) -> Result<(), ScratchError> {
        make_private_dir(base)?;
        make_private_dir(&self.dir)?;
        for part in ["p", "log"] {
            make_private_dir(&self.dir.join(part))?;
        }
        Ok(())
    }

    /// Try it all; an error if there is no server.
    pub(super) async fn look(&self) -> Result<Seen, ScratchError> {
        let Some(process) = self.plan.processes.first() else {
            return Err(DirError::NoDirectory { path: self.dir.clone() }.into());
        };
        let (spec, record) = self.prepare(process, &process.name)?;
        let opening = (process.name.clone(), spec);
        let survey = self.tmux.start(std::slice::from_ref(&opening)).await?;
        let utempter = sys::loads(survey.pid, "libutempter");
        let first = self.hear(process, &process.name, &record).await;
        let config = match self.tmux.user_config() {
            Some(path) => Some((path.to_owned(), self.tmux.source_user_config().await)),
            None => None,
        };
        let later = if first.is_ok() { Some(self.later(process).await) } else { None };
        Ok(Seen { utempter, first, config, later })
    }

    async fn later(&self, process: &ProcessPlan) -> Result<Variables, ScratchError> {
        let name = ProcName::new("later").unwrap_or_else(|_| process.name.clone());
        let (spec, record) = self.prepare(process, &name)?;
        self.tmux.reopen(&(name.clone(), spec), &Former::default()).await?;
        self.hear(process, &name, &record).await
    }

    /// Write the spec by which a shim runs this program, which writes down what reaches it.
    fn prepare(
        &self,
        process: &ProcessPlan,
        name: &ProcName,
    ) -> Result<(PathBuf, PathBuf), ScratchError> {
        let paths = PanePaths::new(&self.dir, name);
        let record = self.dir.join(format!("{}.env", name.slug()));
        let words = [self.plan.tmo.as_os_str(), OsStr::new("environ"), record.as_os_str()];
        let words = words.map(|word| quoted_bytes(word.as_bytes())).join(&b' ');
        let mut log = self.plan.log.clone();
        log.dir = self.dir.join("log").into();
        let spec = Spec {
            version: SPEC_VERSION,
            generation: 1,
            name: name.clone(),
            run: self.plan.run.clone(),
            want: Want::Run,
            life: Some(LifeId::FIRST),
            kill: None,
            shell: process.shell.clone(),
            command: std::ffi::OsString::from_vec([b"exec ".to_vec(), words].concat()).into(),
            argv: None,
            cwd: self.plan.root.clone(),
            env: process_env(&self.plan, process),
            inherit: self.plan.inherit.clone(),
            stop_signal: process.stop_signal,
            grace_ms: 0,
            known: 0,
            log,
        };
        let (path, bell) = (paths.spec(), paths.bell());
        let failed = |path: PathBuf| move |cause| ScratchError::File { path, cause };
        files::make_fifo(&bell).map_err(failed(bell))?;
        let text = serde_json::to_vec(&spec).unwrap_or_default();
        replace(&path, &text).map_err(failed(path.clone()))?;
        Ok((path, record))
    }

    /// Wait until the process has ended and read what it has written.
    async fn hear(
        &self,
        process: &ProcessPlan,
        name: &ProcName,
        record: &Path,
    ) -> Result<Variables, ScratchError> {
        let paths = PanePaths::new(&self.dir, name);
        let how = match timeout(PATIENCE, ended(&paths)).await {
            Ok(Ok(())) => match files::read_plain(record) {
                Ok(text) => return Ok(parse(&text)),
                Err(_) => "ended before it ran the command".to_owned(),
            },
            Ok(Err(cause)) => return Err(ScratchError::File { path: paths.bell(), cause }),
            Err(_) => format!("has not run a command within {} s", PATIENCE.as_secs()),
        };
        let shell = process.shell.as_path().display().to_string();
        Err(ScratchError::NotRun { shell, how, said: self.said(name).await })
    }

    /// The first line that the terminal of a process shows.
    async fn said(&self, name: &ProcName) -> String {
        let pane = self.tmux.list().await.ok();
        let pane = pane.and_then(|all| all.into_iter().find(|pane| pane.process == name.as_str()));
        let Some(pane) = pane else { return String::new() };
        let screen = self.tmux.screen(&pane.pane, false).await.unwrap_or_default();
        let line = screen.lines().find(|line| !line.trim().is_empty());
        line.map(|line| format!(" ({})", line.trim())).unwrap_or_default()
    }

    /// End the server and all that it has started; the files go with this value.
    pub(super) async fn end(mut self) {
        self.reserve.clear();
        let Some(server) = self.server().await else { return };
        let mut all = sys::descendants(server.pid);
        all.push(server.clone());
        let watched: Vec<_> =
            all.iter().filter_map(|p| sys::watch_exit(p.pid, p.start_time).ok()).collect();
        if self.tmux.kill_server().await.is_err() {
            // Its client may not be had, as where there may be no more processes.
            let _ = sys::signal(server.pid, server.start_time, nix::libc::SIGTERM);
        }
        for fd in watched {
            let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
            let limit = PollTimeout::try_from(LAST_MOMENTS).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut fds, limit);
        }
    }

    /// The server, as it tells itself, or else the parent of what it has started.
    async fn server(&self) -> Option<ProcInfo> {
        if let Ok(survey) = self.tmux.survey().await {
            return sys::info(survey.pid);
        }
        let process = self.plan.processes.first()?;
        let life = PanePaths::new(&self.dir, &process.name).life();
        let (shim, start_time) = Traces::read(&life).shim?;
        let shim = sys::info(shim).filter(|shim| shim.start_time == start_time)?;
        sys::info(shim.ppid).filter(|parent| parent.name == "tmux")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // They are this process's own. Where that fails nothing else can be done.
        // A server leaves its socket, however it has ended.
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_dir_all(&self.dir);
        for dir in &self.made {
            // Not if somebody else has put something there meanwhile.
            let _ = std::fs::remove_dir(dir);
        }
    }
}
