//! What a start is given: flags, environment, project.

use std::path::PathBuf;

use super::command;
use super::place::{self, StartDirectory};
use crate::cli::error::CliError;
use crate::cli::persona::Persona;
use crate::cli::reach::addresses::kept_port;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::wait::Readiness;
use crate::client::address::Address;
use crate::config::inherit::{inherit_here, let_owner_in};
use crate::config::load::Context;
use crate::config::{OwnPath, Project, StartOptions};
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
        let (context, typed_in) = place::place(Context::here()?, &mut typed)?;
        let number = command::prepare(&context.env, &context.start_dir, &mut typed)?;
        if Persona::here() == Persona::Overmind && context.env.path("COLORS").is_none() {
            typed.colors.get_or_insert_with(|| "2,3,4,5,6,42,130,103,129,108".to_owned());
        }
        let typed = typed.settled();
        let project = context.project(&typed)?;
        project.socket.check()?;
        let wait = typed.wait.as_deref().map(Readiness::read).transpose()?;
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
