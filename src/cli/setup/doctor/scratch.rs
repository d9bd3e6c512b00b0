//! A process in a temporary terminal, created as a start would do it: in tmux on a separate server.
//!
//! Whatever happens, the server, the processes and all files are removed afterwards.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::environment::Variables;
use super::recorder::{ended, parse};
use crate::backend::tmux::{TmuxError, socket};
use crate::backend::{Former, Opening, Survey, Terminals};
use crate::cli::error::CliError;
use crate::config::dirs::{DirError, make_private_dir};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::shell::quoted_bytes;
use crate::model::{LifeId, ProcName};
use crate::protocol::life::Traces;
use crate::protocol::paths::{PanePaths, terminals_dir};
use crate::protocol::spec::Spec;
use crate::protocol::terminal::WantedScreen;
use crate::sys::{self, ProcInfo, files};

/// How long a process may take to start and to record its environment.
const START_PATIENCE: Duration = Duration::from_secs(15);

/// How long killed processes may take to exit.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// File descriptors needed to run a tmux client, read its output, and watch for exits. With fewer than
/// these, tmux itself would begin to spin.
const RESERVE: u32 = 24;

/// The first process, as [`super::project::trial`] names it.
pub(super) const FIRST: &str = "doctor";

/// The second process.
const LATER: &str = "later";

/// Prefix of the names of the directory and of the server; the process id follows.
pub(super) const NAME: &str = "doctor-";

/// What was found out.
#[derive(Debug)]
pub(super) struct ScratchFindings {
    /// Whether the tmux server has loaded libutempter, if that can be seen.
    pub(super) utempter: Option<bool>,
    /// The environment of a process.
    pub(super) first: Result<Variables, CliError>,
    /// The user's configuration, if there is one, and tmux's errors in it.
    pub(super) config: Option<(PathBuf, Result<(), TmuxError>)>,
    /// The environment of a process whose terminal is opened after the user's configuration was sourced;
    /// only if the first process ran.
    pub(super) later: Option<Result<Variables, CliError>>,
}

/// The terminals, and the directory of their files.
#[derive(Debug)]
pub(super) struct Scratch {
    plan: Plan,
    dir: PathBuf,
    /// The parent directories that were created for this, innermost first; they are removed with it.
    made: Vec<PathBuf>,
    terminals: Terminals,
    socket: PathBuf,
    /// The shims that this process has started itself.
    own: RefCell<Vec<ProcInfo>>,
    /// File descriptors reserved for ending everything, which must be possible even if they run out.
    reserve: Vec<File>,
}

impl Scratch {
    /// Prepare the files; nothing is started yet.
    pub(super) fn new(plan: &Plan, base: &Path) -> Result<Self, CliError> {
        let name = format!("{NAME}{}", std::process::id());
        let mut plan = plan.clone();
        plan.tmux_socket = format!("tmo-{name}");
        plan.run = format!("{}-{name}", plan.run);
        "doctor".clone_into(&mut plan.session);
        let made = base.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        let dir = base.join(name);
        let (terminals, socket) = (Terminals::new(&plan, &dir), socket::of_plan(&plan));
        let hold = |_| files::open_dir(Path::new("/"));
        let reserve = (0..RESERVE).map(hold).collect::<io::Result<_>>();
        let reserve = reserve.map_err(CliError::io("/"))?;
        let scratch = Self { plan, dir, made, terminals, socket, own: RefCell::default(), reserve };
        scratch.make(base)?;
        Ok(scratch)
    }

    fn make(&self, base: &Path) -> Result<(), DirError> {
        make_private_dir(base)?;
        make_private_dir(&self.dir)?;
        for dir in [self.dir.join("p"), self.dir.join("log"), terminals_dir(&self.dir)] {
            make_private_dir(&dir)?;
        }
        Ok(())
    }

    /// Run the whole trial; an error if there is no terminal.
    pub(super) async fn look(&self) -> Result<ScratchFindings, CliError> {
        let Some(process) = self.plan.processes.first() else {
            return Err(DirError::NoDirectory { path: self.dir.clone() }.into());
        };
        let opening = self.prepare(process, &process.name)?;
        let survey = self.terminals.start(std::slice::from_ref(&opening)).await?;
        self.note_shims(&survey);
        let utempter = survey.server.and_then(|server| sys::loads(server.pid, "libutempter"));
        let first = self.hear(process, &process.name).await;
        let config = match &self.terminals {
            Terminals::Tmux(tmux) => match tmux.user_config() {
                Some(path) => Some((path.to_owned(), tmux.source_user_config().await)),
                None => None,
            },
            Terminals::Native(_) => None,
        };
        let later = if first.is_ok() { Some(self.later(process).await) } else { None };
        Ok(ScratchFindings { utempter, first, config, later })
    }

    async fn later(&self, process: &ProcessPlan) -> Result<Variables, CliError> {
        let name = ProcName::new(LATER).unwrap_or_else(|_| process.name.clone());
        let opening = self.prepare(process, &name)?;
        let survey = self.terminals.reopen(&opening, &Former::default()).await?;
        self.note_shims(&survey);
        self.hear(process, &name).await
    }

    /// They must be ended even if they report nothing.
    fn note_shims(&self, survey: &Survey) {
        if let Terminals::Native(_) = self.terminals {
            let shims = survey.panes.iter().filter_map(|pane| sys::info(pane.pid));
            self.own.borrow_mut().extend(shims);
        }
    }

    /// Write the spec that makes a shim run this program, which records its environment.
    fn prepare(&self, process: &ProcessPlan, name: &ProcName) -> Result<Opening, CliError> {
        let (paths, record) = (PanePaths::new(&self.dir, name), self.record(name));
        let words = [self.plan.tmo.as_os_str(), OsStr::new("environ"), record.as_os_str()];
        let words = words.map(|word| quoted_bytes(word.as_bytes())).join(&b' ');
        let mut log = self.plan.log.clone();
        log.dir = self.dir.join("log").into();
        let spec = Spec {
            name: name.clone(),
            life: Some(LifeId::FIRST),
            command: std::ffi::OsString::from_vec([b"exec ".to_vec(), words].concat()).into(),
            grace_ms: 0,
            log,
            ..Spec::new(&self.plan, process)
        };
        let (path, bell) = (paths.spec(), paths.bell());
        files::make_fifo(&bell).map_err(CliError::io(bell.display()))?;
        spec.write(&path).map_err(|error| CliError::Other(error.to_string()))?;
        Ok((name.clone(), path))
    }

    /// Where the process of this name records its environment.
    fn record(&self, name: &ProcName) -> PathBuf {
        self.dir.join(format!("{}.env", name.slug()))
    }

    /// Wait until the process has ended and read its record.
    async fn hear(&self, process: &ProcessPlan, name: &ProcName) -> Result<Variables, CliError> {
        let paths = PanePaths::new(&self.dir, name);
        let how = match timeout(START_PATIENCE, ended(&paths)).await {
            Ok(Ok(())) => match files::read_plain(&self.record(name)) {
                Ok(text) => return Ok(parse(&text)),
                Err(_) => "ended before it ran the command".to_owned(),
            },
            Ok(Err(cause)) => return Err(CliError::io(paths.bell().display())(cause)),
            Err(_) => format!("has not run a command within {} s", START_PATIENCE.as_secs()),
        };
        let shell = process.shell.as_path().display().to_string();
        let said = self.said(name).await;
        let text = format!("`{shell}` {how}{said}; look at what it reads when it begins");
        Err(CliError::Other(text))
    }

    /// The first line on the terminal of a process.
    async fn said(&self, name: &ProcName) -> String {
        let pane = match &self.terminals {
            Terminals::Tmux(tmux) => {
                let all = tmux.list().await.unwrap_or_default();
                all.into_iter().find(|pane| pane.process == name.as_str()).map(|pane| pane.pane)
            }
            Terminals::Native(_) => Some(name.slug()),
        };
        let Some(pane) = pane else { return String::new() };
        let screen =
            self.terminals.screen(&pane, WantedScreen::default()).await.unwrap_or_default();
        let line = screen.screen.lines().find(|line| !line.trim().is_empty());
        line.map(|line| format!(" ({})", line.trim())).unwrap_or_default()
    }

    /// End the server and all processes; the files are removed when this value is dropped.
    pub(super) async fn end(mut self) {
        self.reserve.clear();
        let shims: Vec<_> = shims(&self.dir).collect();
        let roots = match &self.terminals {
            Terminals::Tmux(_) => self.server(&shims).await.into_iter().collect(),
            Terminals::Native(_) => self.own.take(),
        };
        let mut all: Vec<_> = roots.iter().flat_map(|root| sys::descendants(root.pid)).collect();
        all.extend(roots.iter().cloned());
        let server = roots.first().map(ProcInfo::id);
        self.terminals.end(server, roots.iter().map(ProcInfo::id));
        for process in all {
            sys::ends_within(process.id(), LAST_MOMENTS);
        }
    }

    /// The server as it reports itself, or else the parent of the processes that it started.
    async fn server(&self, shims: &[ProcInfo]) -> Option<ProcInfo> {
        if let Ok(survey) = self.terminals.survey().await {
            return sys::info(survey.server?.pid);
        }
        sys::info(shims.first()?.ppid).filter(|parent| parent.name == "tmux")
    }
}

/// The living shims of a scratch directory.
pub(super) fn shims(dir: &Path) -> impl Iterator<Item = ProcInfo> {
    [FIRST, LATER].into_iter().filter_map(|process| {
        let paths = PanePaths::of_slug(dir, process);
        Traces::read(&paths.life()).shim?.info()
    })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // These files belong to this process. If removal fails, nothing else can be done. A tmux server
        // leaves its socket behind, however it ends.
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_dir_all(&self.dir);
        for dir in &self.made {
            // Fails if another program has put files there meanwhile.
            let _ = std::fs::remove_dir(dir);
        }
    }
}
