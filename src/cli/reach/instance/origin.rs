//! Checks which project the run on a socket belongs to: a file of one project must not affect another's
//! run.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::Instance;
use crate::cli::error::CliError;
use crate::client::{Listener, identify_listener};
use crate::config::place::dirs::is_runtime_dir;
use crate::config::place::project::is_project;
use crate::config::place::socket::NamedBy;
use crate::model::plan::{DirIdentity, Origin};
use crate::model::text::shell::quoted;
use crate::run::dir::RuntimeDir;
use crate::sys;
use crate::sys::files::{self, number};

impl Instance {
    /// Refuse to change another project's run if a link or an env file of this project leads to it. If the
    /// user names the socket, that run is intended.
    pub(in crate::cli) async fn refuse_other_project(&self) -> Result<(), CliError> {
        // The socket may have been moved here from another project, unless the run that holds the lock was
        // started with the socket at this path.
        let is_usual = self.socket.named_by == NamedBy::Nothing && self.far().is_none();
        let is_of_path = self.runtime.is_held()
            && self.runtime.dir().file_name() == self.identity.runtime.file_name();
        self.refuse_led(is_usual && !is_of_path).await
    }

    /// The same for a command that affects a whole run.
    pub(in crate::cli) async fn refuse_other_run(&self) -> Result<(), CliError> {
        self.refuse_other_project().await?;
        self.refuse_project_above()
    }

    /// The same for a run to which a link or a file of this project leads, or for any.
    async fn refuse_led(&self, any: bool) -> Result<(), CliError> {
        self.refuse_other_container()?;
        if !any && !self.is_led() {
            return Ok(());
        }
        // If the run is on another machine, its directories are not here.
        let origin = if self.far().is_some() { None } else { self.origin_of_run().await };
        self.refuse_origin(origin.as_deref())
    }

    /// The same if no supervisor answers and the files do not show the project: refused if parts of a run live.
    pub(in crate::cli) fn refuse_unknown_project(&self) -> Result<(), CliError> {
        if self.is_led() && !self.parts().is_empty() { self.refuse_origin(None) } else { Ok(()) }
    }

    /// The same for the log of a past run.
    pub(in crate::cli) fn refuse_log_of_other_project(&self) -> Result<(), CliError> {
        if self.is_led() { self.refuse_origin(self.last_origin().as_deref()) } else { Ok(()) }
    }

    /// The same for the leftovers of a past run.
    pub(in crate::cli) fn refuse_leftovers_of_other_project(&self) -> Result<(), CliError> {
        match self.last_origin() {
            origin @ Some(_) if self.is_led() => self.refuse_origin(origin.as_deref()),
            Some(_) => Ok(()),
            None => self.refuse_unknown_project(),
        }
    }

    /// The same for the surviving processes of a run in another session, whose plan is in another
    /// directory.
    pub(in crate::cli) fn refuse_sessions_of_other_project(&self) -> Result<(), CliError> {
        let others = if self.is_led() { self.runtime.of_other_sessions() } else { vec![] };
        others.iter().try_for_each(|dir| {
            let is_known = is_runtime_dir(&self.context.env, dir);
            let origin = is_known.then(|| origin_of(&RuntimeDir::new(dir))).flatten();
            self.refuse_origin(origin.as_deref())
        })
    }

    /// For a start: refuse another project's run if its socket is where this project's own belongs,
    /// or if the user named its socket. A run without a known project is accepted, and so is one
    /// whose project was moved.
    pub(in crate::cli) async fn refuse_run_in_our_place(&self) -> Result<(), CliError> {
        self.refuse_led(false).await?;
        let Some(dir) = self.origin_of_run().await else { return Ok(()) };
        let there = number(&dir);
        if there.is_none() || there == number(self.here()) {
            return Ok(());
        }
        let shown = self.socket.shown.display();
        let dir = dir.display();
        let flags = self.socket.naming_flags();
        Err(CliError::Other(format!(
            "the run of {dir} has its socket at {shown}, where this project's belongs; \
             `tmo quit{flags}` ends that run, and `tmo start -s SOCKET` starts this project beside it"
        )))
    }

    /// For a command that affects a whole run: refuse the run of a parent directory, or of the process in
    /// which the command was typed, if the current directory is a project of its own that is not running.
    pub(in crate::cli) fn refuse_project_above(&self) -> Result<(), CliError> {
        let is_inside = self.context.env.caller("TMO_SESSION").is_some();
        let (above, root) = match self.socket.named_by {
            NamedBy::Variable if is_inside => {
                let plan = self.runtime.plan().ok();
                let known = plan.and_then(|plan| {
                    let root = plan.root.as_path().to_owned();
                    Some((plan.origin?.dir.as_path().to_owned(), Some(root)))
                });
                // The plan of a run in another session can't be read. Its socket is usually in its project.
                let beside = || self.socket.path.parent().unwrap_or(Path::new("/")).to_owned();
                known.unwrap_or_else(|| (beside(), None))
            }
            NamedBy::Nothing | NamedBy::Flag | NamedBy::Variable | NamedBy::Project => {
                (self.here().to_owned(), None)
            }
        };
        let is_of_run = |dir: &Path| dir == above || Some(dir) == root.as_deref();
        let own = self.context.start_dir.ancestors().take_while(|dir| !is_of_run(dir));
        let Some(own) = own.into_iter().find(|dir| is_project(dir, &self.context.env)) else {
            return Ok(());
        };
        Err(CliError::Other(format!(
            "nothing runs in {}; to use the run of {}, name its socket: -s {}",
            own.display(),
            above.display(),
            quoted(&self.socket.shown.to_string_lossy())
        )))
    }

    /// Refuse the run of a directory with the same path in another container that shares the runtime
    /// directories.
    fn refuse_other_container(&self) -> Result<(), CliError> {
        if self.socket.named_by != NamedBy::Nothing || self.far().is_some() {
            return Ok(());
        }
        let here = self.here();
        let origin = self.runtime.plan().ok().and_then(|plan| plan.origin);
        let origin = origin.filter(|origin| origin.dir.as_path() == here);
        let Some(theirs) = origin.and_then(|origin| origin.identity) else { return Ok(()) };
        let own = identity(here);
        if own.number == theirs.number || own.namespace == theirs.namespace {
            return Ok(());
        }
        Err(CliError::Other(format!(
            "the run in {} is for another {here}, in another container (mount namespace); end it \
             there, or give this container an XDG_RUNTIME_DIR of its own",
            self.runtime.dir().display(),
            here = here.display()
        )))
    }

    /// Whether the socket was chosen by a link or a file of a project, not by the user. If the user
    /// names a link in the project, its target counts as the user's choice only if the link was named
    /// with a flag, not in a variable.
    fn is_led(&self) -> bool {
        let here = &self.context.start_dir;
        let path = &self.socket.path;
        // Other users may have put a link at the named place if they can write there.
        let is_of_others = || files::leads_over_links_of_others(path);
        match self.socket.named_by {
            NamedBy::Project => true,
            _ if self.socket.tcp.is_some() => false,
            NamedBy::Nothing => path.is_symlink() || self.has_other_names(),
            NamedBy::Flag => is_of_others(),
            NamedBy::Variable => is_of_others() || path.starts_with(here) && self.leads_away(here),
        }
    }

    /// The project directory of the current run.
    async fn origin_of_run(&self) -> Option<PathBuf> {
        // If the lock is held, the plan beside it is that of the run. Otherwise the answering run may
        // differ from the one that left the plan.
        let on_disk = origin_of(&self.runtime);
        match on_disk.clone().filter(|_| self.runtime.is_held()) {
            None => self.asked_origin().await.or(on_disk),
            origin => origin,
        }
    }

    /// The same for the last run, of which only the log may be left.
    fn last_origin(&self) -> Option<PathBuf> {
        origin_of(&self.runtime).or_else(|| Some(self.last_run()?.origin?.as_path().to_owned()))
    }

    /// The same, from the answer of the run.
    async fn asked_origin(&self) -> Option<PathBuf> {
        let Ok(Listener::Tmo(state)) = identify_listener(&self.address()).await else {
            return None;
        };
        state.origin.as_ref().map(|dir| dir.as_path().to_owned())
    }

    /// The directory of the project in which the socket is searched.
    fn here(&self) -> &Path {
        // Without a setting, the nearest socket in a parent directory counts.
        let beside = self.socket.path.parent().filter(|_| self.socket.named_by == NamedBy::Nothing);
        beside.unwrap_or(&self.context.start_dir)
    }

    fn refuse_origin(&self, origin: Option<&Path>) -> Result<(), CliError> {
        let here = self.here();
        let whose = match origin.map(|dir| (dir, number(dir))) {
            Some((_, there)) if there.is_some() && there == number(here) => return Ok(()),
            Some((dir, Some(_))) => format!("the run of {}", dir.display()),
            Some((_, None)) | None if self.leads_away(here) => {
                "a run that may not be this project's".to_owned()
            }
            Some((_, None)) | None => return Ok(()),
        };
        let real = self.socket.path.is_symlink().then(|| files::resolved(&self.socket.path));
        // The other name of a hard-linked socket, in the project of the run.
        let name = || Some(origin?.join(self.socket.path.file_name()?));
        let twin = || name().filter(|name| number(name) == number(&self.socket.path));
        let real = real.or_else(|| twin().filter(|_| self.has_other_names()));
        let shown = real.as_ref().unwrap_or(&self.socket.shown).display();
        Err(CliError::Other(format!(
            "the socket of this project leads to {whose}; to use that run, name its socket: -s {shown}"
        )))
    }

    /// Whether the socket has several hard links, as in a copy of a project made with `cp -al`: it may
    /// belong to the original.
    fn has_other_names(&self) -> bool {
        let found = self.socket.path.symlink_metadata();
        self.socket.tcp.is_none()
            && found.is_ok_and(|found| found.file_type().is_socket() && found.nlink() > 1)
    }

    /// Whether the socket is outside of the project in this directory, or might be.
    fn leads_away(&self, here: &Path) -> bool {
        if self.has_other_names() {
            return true;
        }
        let real = files::resolved(&self.socket.path);
        // If the path is too long for a socket, a run puts a link to its own socket there.
        let is_own = real.parent() == Some(&files::resolved(self.runtime.dir()));
        self.socket.tcp.is_some() || !is_own && !real.starts_with(files::resolved(here))
    }
}

/// The project directory of the run with this runtime directory, from its plan.
fn origin_of(runtime: &RuntimeDir) -> Option<PathBuf> {
    let origin = runtime.plan().ok()?.origin?;
    Some(origin.dir.as_path().to_owned())
}

/// The directory in which a run was started, if the symbolic link through which it was reached has been
/// redirected since.
pub(in crate::cli) fn left_by_link(origin: &Origin) -> Option<&Path> {
    let real = origin.real_dir.as_ref()?.as_path();
    let now = origin.dir.as_path().canonicalize().ok()?;
    (now != real).then_some(real)
}

/// The identity of the directory that a path currently names.
pub(in crate::cli) fn identity(dir: &Path) -> DirIdentity {
    DirIdentity { number: number(dir), namespace: sys::mount_namespace() }
}
