//! `tmo app`: adds, updates, removes and lists the apps of a project.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::reload::reload_apps;
use crate::apps::change::{AppErrorKind, ProjectApps, other_names};
use crate::apps::manifest::{App, InstallState, process_name};
use crate::apps::store::{self, StoreError};
use crate::apps::zip::{LARGEST_ARCHIVE, ZipError};
use crate::cli::args::{ClientArgs, parse_time, values};
use crate::cli::output::confirm::{can_ask, confirm};
use crate::cli::output::progress::while_blocked;
use crate::cli::output::table::table;
use crate::cli::output::{self, Versioned};
use crate::cli::project::input::Start;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::request;
use crate::cli::{CliError, runtime};
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

/// Add programs from ZIP archives to the run, update and remove them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo app add 'My App' --zip my-app.zip
                                a process My_App, which runs main.py
  tmo app add bot --zip bot.zip --script bot.js --arg --port --arg 80 --no-start
  tmo app update bot --zip bot-2.zip
                                replaces the files and keeps the settings; bot must be stopped
  tmo app remove bot            removes it and its files, after a confirmation
  tmo app list --json | jq -r '.apps[].process'

This runs the code of the archive under your account. Python programs get a virtual environment with the
packages of their requirements.txt, Node.js programs those of their package.json. An archive has at most
50 MiB. If the project is not running, its next start installs the new apps.")]
pub(in crate::cli) struct AppArgs {
    /// What to do.
    #[arg(value_name = "DO")]
    what: AppDo,
    /// The name of the app. In the name of its process, spaces become `_`.
    #[arg(value_name = "NAME", add = values::process(),
        required_if_eq_any([("what", "add"), ("what", "update"), ("what", "remove")]))]
    name: Option<String>,
    /// The ZIP archive.
    #[arg(long, value_name = "FILE", add = values::file(),
        required_if_eq_any([("what", "add"), ("what", "update")]))]
    zip: Option<PathBuf>,
    /// With add: the path of the program within the archive.
    #[arg(long, value_name = "PATH", default_value = "main.py")]
    script: String,
    /// With add: an argument of the program; can be repeated.
    #[arg(long = "arg", value_name = "WORD", allow_hyphen_values = true)]
    args: Vec<String>,
    /// With add: an environment variable of the program; can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// With add: start the app neither after its installation nor with the run.
    #[arg(long)]
    no_start: bool,
    /// With add: how long an installation may take.
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5m")]
    install_timeout: Duration,
    /// With remove: don't ask.
    #[arg(short, long)]
    yes: bool,
    /// Return once the files are in place, before the installation.
    #[arg(long)]
    no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The Procfile of the project, if the project is not running.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    procfile: Option<PathBuf>,
    #[command(flatten)]
    client: ClientArgs,
}

/// What `tmo app` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum AppDo {
    /// Show the apps.
    List,
    /// Add an app.
    Add,
    /// Replace the files of an app; its settings stay.
    Update,
    /// Remove an app and its files.
    Remove,
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.filter(|_| !text.contains('\0'));
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("NAME=VALUE is needed")
}

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
    let mut place = AppTarget::of_args(args)?;
    let name = args.name.as_deref().unwrap_or_default();
    if args.what == AppDo::List {
        return place.print_list(args);
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
    fn of_args(args: &AppArgs) -> Result<Self, CliError> {
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
        runtime::block_on(instance.refuse_other_run())?;
        let plan = instance.runtime.plan()?;
        let dir = plan.apps.as_path().to_owned();
        Ok(Self { dir, run: Some(instance), others: other_names(&plan) })
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
        let others = names.filter(|name| loaded.apps.of_process(name).is_none());
        let actions = loaded.toml.action_places().map(|(action, _)| action.process());
        Ok(Self { dir, run: None, others: others.chain(actions).collect() })
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

    fn print_list(&self, args: &AppArgs) -> Result<u8, CliError> {
        let manifest = store::read_manifest(&self.dir)?;
        let states = match &self.run {
            Some(run) => runtime::block_on(run.state())?.processes,
            None => vec![],
        };
        let wanted = |name: &String| args.name.as_ref().is_none_or(|wanted| wanted == name);
        let apps = manifest.apps.iter().filter(|(name, _)| wanted(name)).map(|(name, app)| {
            let process = states.iter().find(|process| process.name.as_str() == app.dir);
            ListedApp {
                name,
                process: &app.dir,
                state: process.map(|process| process.state.clone()),
                installed: app.state == InstallState::Installed,
                script: &app.script,
                args: &app.args,
                autostart: app.autostart,
                dir: self.dir.join(&app.dir),
                version: app.version,
            }
        });
        let apps: Vec<_> = apps.collect();
        if args.json {
            return output::print_json(&Versioned::new(List { apps }));
        }
        if apps.is_empty() {
            output::warn(&"there are no apps here; `tmo app add NAME --zip FILE` adds one");
            return Ok(0);
        }
        let rows = apps.iter().map(|app| {
            let installed = if app.installed { "installed" } else { "not installed" };
            let state =
                app.state.as_ref().map_or_else(|| installed.to_owned(), ToString::to_string);
            let added = units::span(clock::now().since(Timestamp::from_nanos(app.version)));
            let words: Vec<_> = app.args.iter().map(|arg| shell::quoted(arg)).collect();
            let [name, process, script] = [app.name, app.process, app.script].map(str::to_owned);
            [name, process, state, format!("{added} ago"), script, words.join(" ")]
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
