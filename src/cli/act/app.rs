//! `tmo app`: adds, updates, removes and lists the apps of a project.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::reload::reload_apps;
use crate::apps::change::{AppErrorKind, ProjectApps};
use crate::apps::manifest::{App, InstallState, process_name};
use crate::apps::store::{self, StoreError};
use crate::apps::zip::{LARGEST_ARCHIVE, ZipError};
use crate::cli::args::{AppArgs, AppDo};
use crate::cli::error::CliError;
use crate::cli::output::confirm::{can_ask, confirm};
use crate::cli::output::progress::while_blocked;
use crate::cli::output::table::table;
use crate::cli::output::{self, Versioned};
use crate::cli::project::input::Start;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::request;
use crate::cli::runtime;
use crate::client::WatchEvent;
use crate::config::StartOptions;
use crate::model::event::Note;
use crate::model::plan::AfterInstall;
use crate::model::request::Request;
use crate::model::text::shell;
use crate::model::time::Timestamp;
use crate::model::units::{self, whole_seconds};
use crate::model::{Condition, ProcName, ProcessStatus};
use crate::sys::{clock, files};

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::App(error.into())
    }
}

/// The JSON document about a change.
#[derive(Serialize)]
struct ChangeDocument {
    ok: bool,
    /// The kind of the error, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<AppErrorKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<ProcName>,
    /// Whether the project runs.
    running: bool,
}

/// An app in the list.
#[derive(Serialize)]
struct ListedApp<'a> {
    name: &'a str,
    process: &'a str,
    /// The state of its process, if the project runs.
    state: Option<ProcessStatus>,
    installed: bool,
    script: &'a str,
    args: &'a [String],
    autostart: bool,
    dir: PathBuf,
    /// When this version was added.
    version: u64,
}

#[derive(Serialize)]
struct List<'a> {
    apps: Vec<ListedApp<'a>>,
}

/// The directory of a project's apps, and its run.
struct AppTarget {
    dir: PathBuf,
    /// The run, if the project runs.
    run: Option<Instance>,
    /// The names of the other processes.
    others: Vec<String>,
}

/// List, add, update or remove.
pub(in crate::cli) fn app(args: &AppArgs) -> Result<u8, CliError> {
    let mut place = AppTarget::find(args)?;
    let name = args.name.as_deref().unwrap_or_default();
    if args.what == AppDo::List {
        return place.list(args);
    }
    let changed = place.change(args, name);
    if args.json {
        let error = changed.as_ref().err();
        output::print_json(&Versioned::new(ChangeDocument {
            ok: changed.is_ok(),
            error: error.map(|error| match error {
                CliError::App(app) => app.kind(),
                _ => AppErrorKind::Failed,
            }),
            reason: error.map(ToString::to_string),
            process: process_name(name).ok(),
            running: place.run.is_some(),
        }))?;
    }
    changed
}

impl AppTarget {
    fn find(args: &AppArgs) -> Result<Self, CliError> {
        let mut instance = Instance::find(&args.client)?;
        match runtime::block_on(instance.server()) {
            Ok(server) => {
                server.refuse_overmind()?;
                Self::of_run(instance)
            }
            // Only the project in this directory can be changed without its run.
            Err(error @ CliError::NothingRuns { .. })
                if args.client.socket.is_some() || args.client.project.is_some() =>
            {
                Err(error)
            }
            Err(CliError::NothingRuns { .. }) => Self::of_project(args),
            Err(error) => Err(error),
        }
    }

    /// The apps of a running run.
    fn of_run(instance: Instance) -> Result<Self, CliError> {
        instance.on_this_machine()?;
        runtime::block_on(instance.refuse_other_project())?;
        instance.refuse_project_above()?;
        let plan = instance.runtime.plan()?;
        let dir = plan.apps.as_path().to_owned();
        let others = plan.present().filter(|process| process.install.is_none());
        let others = others.map(|process| process.name.entry().to_owned()).collect();
        Ok(Self { dir, run: Some(instance), others })
    }

    /// The apps of a project that does not run.
    fn of_project(args: &AppArgs) -> Result<Self, CliError> {
        let start = StartOptions { procfile: args.procfile.clone(), ..StartOptions::default() };
        let start = Start::gather(start)?;
        let dir = start.project.apps(&start.context.env);
        let loaded = match start.context.load(&start.typed) {
            // The error may be about the app itself, which must stay removable.
            Err(_) if args.what != AppDo::Add => {
                return Ok(Self { dir, run: None, others: vec![] });
            }
            loaded => loaded.map_err(|error| start.without_procfile(error))?,
        };
        let names = loaded.procfile.entries.into_iter().map(|entry| entry.name);
        let others = names.filter(|name| loaded.apps.of_process(name).is_none()).collect();
        Ok(Self { dir, run: None, others })
    }

    fn change(&mut self, args: &AppArgs, name: &str) -> Result<u8, CliError> {
        let states = match &self.run {
            Some(run) if args.what != AppDo::Add => runtime::block_on(run.state())?.processes,
            Some(_) | None => vec![],
        };
        let apps = ProjectApps { dir: &self.dir, others: &self.others, states: &states };
        match args.what {
            AppDo::List => Ok(0),
            AppDo::Add => {
                let mut zip = open(args.zip.as_deref())?;
                let app = unpacking(|| apps.add(name, new(args), &mut zip))?;
                self.report(args, &format!("{name}: added as process {}", app.dir))?;
                self.reload()?;
                match &self.run {
                    Some(run) if !args.no_wait => runtime::block_on(installed(run, &app.dir)),
                    Some(_) | None => Ok(0),
                }
            }
            AppDo::Update => {
                let mut zip = open(args.zip.as_deref())?;
                let app = unpacking(|| apps.update(name, &mut zip))?;
                self.report(args, &format!("{name}: updated"))?;
                self.reload_and_install(args, &app)
            }
            AppDo::Remove => {
                let dir = self.dir.join(apps.changeable(name)?.dir);
                let question = format!("Remove {name} and all files in {}?", dir.display());
                if !args.yes && !can_ask() {
                    let text = "a confirmation needs a terminal; --yes removes it without one";
                    return Err(CliError::Usage(text.to_owned()));
                }
                if !args.yes && !confirm(&question)? {
                    return Ok(1);
                }
                apps.remove(name)?;
                self.report(args, &format!("{name}: removed"))?;
                self.reload()
            }
        }
    }

    fn report(&self, args: &AppArgs, text: &str) -> Result<(), CliError> {
        if args.json {
            return Ok(());
        }
        let later = match (&self.run, args.what) {
            (None, AppDo::Add | AppDo::Update) => "; the next start installs it",
            (Some(_), _) | (None, AppDo::List | AppDo::Remove) => "",
        };
        output::print(&format!("{text}{later}\n")).map(drop)
    }

    /// Reload the configuration of the run, which then installs new apps.
    fn reload(&mut self) -> Result<u8, CliError> {
        match &mut self.run {
            Some(run) => runtime::block_on(Box::pin(reload_apps(run))),
            None => Ok(0),
        }
    }

    /// Reload, and install an app that the run already has.
    fn reload_and_install(&mut self, args: &AppArgs, app: &App) -> Result<u8, CliError> {
        let Some(run) = &mut self.run else { return Ok(0) };
        let done = runtime::block_on(async {
            Box::pin(reload_apps(run)).await?;
            let then = if app.autostart { AfterInstall::Run } else { AfterInstall::Stop };
            let install = Request::Install { name: app.dir.clone(), then };
            request::request(run, install, !args.no_wait).await
        });
        let manifest = store::read_manifest(&self.dir)?;
        if manifest.of_process(&app.dir).is_some_and(|(_, app)| app.restored) {
            // The run learns that it needs no installation.
            runtime::block_on(Box::pin(reload_apps(run)))?;
            output::warn(&format!("the version before is back; `tmo start {}` runs it", app.dir));
        }
        done
    }

    fn list(&self, args: &AppArgs) -> Result<u8, CliError> {
        let manifest = store::read_manifest(&self.dir)?;
        let states = match &self.run {
            Some(run) => runtime::block_on(run.state())?.processes,
            None => vec![],
        };
        let row = |(name, app): (&'_ String, &'_ App)| {
            let state = states.iter().find(|state| state.name.as_str() == app.dir);
            (name.clone(), app.clone(), state.map(|state| state.state.clone()))
        };
        let wanted = |name: &String| args.name.as_ref().is_none_or(|wanted| wanted == name);
        let found: Vec<_> =
            manifest.apps.iter().filter(|(name, _)| wanted(name)).map(row).collect();
        if args.json {
            let apps = found.iter().map(|(name, app, state)| ListedApp {
                name,
                process: &app.dir,
                state: state.clone(),
                installed: app.state == InstallState::Installed,
                script: &app.script,
                args: &app.args,
                autostart: app.autostart,
                dir: self.dir.join(&app.dir),
                version: app.version,
            });
            return output::print_json(&Versioned::new(List { apps: apps.collect() }));
        }
        if found.is_empty() {
            output::warn(&"there are no apps here; `tmo app add NAME --zip FILE` adds one");
            return Ok(0);
        }
        let rows = found.iter().map(|(name, app, state)| {
            let installed = match app.state {
                InstallState::New => "not installed",
                InstallState::Installed => "installed",
            };
            let words: Vec<_> = app.args.iter().map(|arg| shell::quoted(arg)).collect();
            let state = state.as_ref().map_or_else(|| installed.to_owned(), ToString::to_string);
            let age = clock::now().since(Timestamp::from_nanos(app.version));
            let added = format!("{} ago", units::span(age));
            [name.clone(), app.dir.clone(), state, added, app.script.clone(), words.join(" ")]
        });
        output::print(&table(["APP", "PROCESS", "STATE", "ADDED", "SCRIPT", "ARGUMENTS"], rows))
    }
}

/// Wait until a new app is installed and, if it starts with the run, has started.
async fn installed(run: &Instance, name: &str) -> Result<u8, CliError> {
    loop {
        let mut changes = run.ask(async |client| client.watch().await).await?;
        // If the supervisor is killed, another one takes over and is watched instead.
        while let Some(Ok(change)) = changes.next().await {
            let processes = match change {
                WatchEvent::State(state) => state.processes,
                WatchEvent::Process(process) => vec![*process],
                WatchEvent::End => return Err(CliError::Over("it was stopped".to_owned())),
            };
            let process = processes.into_iter().find(|process| process.name.as_str() == name);
            let Some(process) = process else { continue };
            let waits = process.condition() == Condition::Waiting;
            if waits && process.state != ProcessStatus::Restarting {
                continue;
            }
            return match &process.problem {
                Some(Note::NotInstalled(why)) => {
                    Err(CliError::Problems(vec![format!("{name}: {why}").into()]))
                }
                Some(_) | None => Ok(0),
            };
        }
    }
}

fn new(args: &AppArgs) -> App {
    App {
        script: args.script.clone(),
        args: args.args.clone(),
        env: args.env.iter().cloned().collect(),
        autostart: !args.no_start,
        install_timeout_seconds: whole_seconds(args.install_timeout).max(1),
        ..App::default()
    }
}

/// Add or update an app, which may take long.
fn unpacking<T>(work: impl FnOnce() -> T) -> T {
    while_blocked("unpacking the archive", || None, work)
}

/// Open an archive.
fn open(path: Option<&Path>) -> Result<File, CliError> {
    let path = path.unwrap_or(Path::new(""));
    let file = files::open_archive(path, LARGEST_ARCHIVE);
    let file = file.map_err(CliError::io(path.display()))?;
    file.ok_or_else(|| StoreError::Zip(ZipError::LargeArchive).into())
}
