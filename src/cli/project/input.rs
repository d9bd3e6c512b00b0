//! What a start is given: flags, environment, project.

use std::path::{Path, PathBuf};

use super::command;
use crate::cli::error::CliError;
use crate::cli::output::print_warning;
use crate::cli::persona::Persona;
use crate::cli::reach::addresses::kept_port;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::wait::Readiness;
use crate::client::address::Address;
use crate::config::inherit::{inherit_here, let_owner_in};
use crate::config::load::Context;
use crate::config::place::paths::absolute;
use crate::config::place::project::{is_project, project_above};
use crate::config::{Env, OwnPath, Project, StartOptions};
use crate::model::network::Network;
use crate::model::plan::{Inherit, Plan};
use crate::model::text::OsText;
use crate::run::dir::RuntimeDir;
use crate::run::find::Found;
use crate::run::listen;

/// The input of a start.
pub(in crate::cli) struct Start {
    pub(in crate::cli) typed: StartOptions,
    pub(in crate::cli) context: Context,
    pub(in crate::cli) project: Project,
    pub(in crate::cli) runtime: RuntimeDir,
    pub(in crate::cli) tmo: PathBuf,
    pub(in crate::cli) inherit: Inherit,
    pub(in crate::cli) daemonize: bool,
    pub(in crate::cli) timestamps: bool,
    /// The port of the user's page, whether it is served or not.
    pub(in crate::cli) page_port: Option<u16>,
    pub(in crate::cli) wait: Option<Readiness>,
    /// Where the command was typed, if the start uses another directory.
    pub(in crate::cli) typed_in: Option<StartDirectory>,
    /// Which of the runs of this command here it is, if tmo has chosen its socket.
    pub(in crate::cli) number: Option<u32>,
    /// The complete command line, for a later reload.
    pub(in crate::cli) arguments: Vec<OsText>,
    /// The plan of the running run, during a reload.
    pub(in crate::cli) earlier: Option<Plan>,
}

impl Start {
    /// Read the files and flags of a start.
    pub(in crate::cli) fn gather(mut typed: StartOptions) -> Result<Self, CliError> {
        let inherit = inherit_here();
        let_owner_in();
        let (context, typed_in) = choose_directory(Context::here()?, &mut typed)?;
        let number = command::prepare(&context.env, &context.start_dir, &mut typed)?;
        let typed = typed.settled();
        let project = context.project(&typed)?;
        project.socket.check()?;
        let wait = typed.wait.as_deref().map(Readiness::parse).transpose()?;
        let daemonize = context.env.flag(typed.daemonize, "DAEMONIZE");
        let is_tmo = Persona::here() == Persona::Tmo;
        Ok(Self {
            runtime: RuntimeDir::new(&project.identity.runtime),
            tmo: std::env::current_exe().map_err(CliError::io("can't tell where tmo is"))?,
            inherit,
            daemonize: !typed.ui && (wait.is_some() || daemonize?),
            timestamps: context.env.flag(typed.show_timestamps, "SHOW_TIMESTAMPS")?,
            page_port: if is_tmo { kept_port(&context.env) } else { None },
            wait,
            typed_in,
            number,
            arguments: vec![],
            earlier: None,
            project,
            context,
            typed,
        })
    }

    /// The flags that select the run, for the commands in messages.
    pub(in crate::cli) fn flags(&self) -> String {
        self.context.flags(&self.project.socket)
    }

    /// Use this start's own runtime directory, created if it is missing.
    pub(in crate::cli) fn make_runtime(&mut self) -> Result<(), CliError> {
        self.runtime = RuntimeDir::new(self.project.identity.make_runtime()?);
        Ok(())
    }

    /// The part of the caller's own `PATH` outside of the project.
    pub(in crate::cli) fn own_path(&self) -> OwnPath {
        let (project, here) = (&self.project, &*self.context.start_dir);
        let beside = project.procfile.parent();
        OwnPath::new(&self.context.env, [&*project.root, here].into_iter().chain(beside))
    }

    /// The control socket of the run here.
    pub(in crate::cli) fn address(&self) -> Address {
        listen::locate(&self.project.socket.path, self.runtime.dir()).into()
    }

    /// The run that clients talk to.
    pub(in crate::cli) fn instance(&self) -> Instance {
        let Project { socket, identity, .. } = self.project.clone();
        let found = Found { context: self.context.clone(), socket, identity };
        Instance::new(found, self.runtime.clone())
    }
}

/// Where a start was typed, if it uses another directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct StartDirectory {
    pub(in crate::cli) dir: PathBuf,
    /// The first word named the directory to work in.
    pub(in crate::cli) named: bool,
}

/// The directory to use, with its env files, and where the command was typed if that differs. In that case,
/// relative paths among the arguments are made absolute.
fn choose_directory(
    context: Context,
    args: &mut StartOptions,
) -> Result<(Context, Option<StartDirectory>), CliError> {
    if Persona::here() == Persona::Overmind {
        return Ok((context, None));
    }
    let here = context.start_dir.clone();
    let named = named_directory(&context, args)?;
    let Some(dir) = named.clone().or_else(|| project_directory(&context, args)) else {
        return Ok((context, None));
    };
    let typed = StartDirectory { dir: here, named: named.is_some() };
    typed.apply(args, &context.env)?;
    if dir == typed.dir {
        return Ok((context, None));
    }
    if named.is_none() {
        print_warning(&format!("no Procfile here; working in {}", dir.display()));
    }
    Ok((Context::of_other_dir(dir, Env::real()), Some(typed)))
}

impl StartDirectory {
    /// Resolve relative paths against the directory in which they were typed, and remove the named
    /// directory from the process names.
    pub(in crate::cli) fn apply(&self, args: &mut StartOptions, env: &Env) -> Result<(), CliError> {
        if self.named && !args.names.is_empty() {
            args.names.remove(0);
        }
        let from_here = |path: &mut Option<PathBuf>| {
            if let Some(path) = path {
                *path = absolute(&self.dir, path);
            }
        };
        from_here(&mut args.procfile);
        from_here(&mut args.root);
        from_here(&mut args.tmux_config);
        let network = args.network.clone().map_or_else(|| env.text("NETWORK"), |n| Ok(Some(n)))?;
        if network.is_none_or(|name| Network::parse(&name) == Some(Network::Unix)) {
            from_here(&mut args.socket);
        }
        if let Some(shell) = &mut args.shell
            && shell.to_string_lossy().contains('/')
        {
            *shell = absolute(&self.dir, Path::new(shell)).into_os_string();
        }
        Ok(())
    }
}

/// The directory that the first word names: a path, or the name of a project's directory if there is no
/// project here.
fn named_directory(context: &Context, args: &StartOptions) -> Result<Option<PathBuf>, CliError> {
    let Some(word) = args.names.first().filter(|_| !args.by_name) else { return Ok(None) };
    let here = &*context.start_dir;
    let env = &context.env;
    let dir = absolute(here, Path::new(word));
    let path = word.contains('/') || [".", ".."].contains(&word.as_str());
    if path && !dir.is_dir() {
        return Err(CliError::Usage(format!(
            "`{word}` is neither the name of a process nor a directory"
        )));
    }
    // A link may lead anywhere; to follow it, the user types `NAME/`.
    let is_dir = dir.symlink_metadata().is_ok_and(|found| found.is_dir());
    let meant = path || is_dir && is_project(&dir, env) && !is_project(here, env);
    Ok(meant.then_some(dir))
}

/// The directory of the project to start if none is named and there is none here.
fn project_directory(context: &Context, args: &StartOptions) -> Option<PathBuf> {
    let here = &context.start_dir;
    let env = &context.env;
    let names_files = args.procfile.is_some() || env.path("PROCFILE").is_some();
    // A command runs where it was typed, whatever is above.
    if args.is_command() || names_files || is_project(here, env) {
        return None;
    }
    match &args.root {
        Some(root) => Some(absolute(here, root)).filter(|root| is_project(root, env)),
        None => project_above(here, env),
    }
}
