//! `tmo check`: reports the problems that a start would report, without starting. Ports that are
//! taken at present, watched paths without a file and host names with a number are named, but are no problem of the
//! project.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::ports::taken_ports;
use crate::cli::output::{self, Versioned, print_warnings};
use crate::cli::project::input::Start;
use crate::cli::{CliError, runtime};
use crate::config::StartOptions;
use crate::config::error::ConfigError;
use crate::config::load::{Context, find_program};
use crate::config::place::git::GitRules;
use crate::config::toml::TomlProblem;
use crate::fleet::inventory::{self, Inventory};
use crate::fleet::procman;
use crate::model::file_change::WatchMode;
use crate::model::limits::TOLD;
use crate::model::plan::Plan;
use crate::model::plan::file_patterns::{fixed_part, is_of_a_tool};
use crate::model::plan::rules::{DependencyCondition, FileWatch, Need};
use crate::model::units;
use crate::run::listen::{self, ListenError};

/// Check Procfile, tmo.toml, env files, settings and ports without running anything.
#[derive(Default, clap::Args)]
#[command(after_help = "\
Examples:
  tmo check                     exits 1 if anything is wrong
  tmo check -f Procfile.dev -l web,worker
  tmo check --json | jq -r '.errors[].text'

All errors in tmo.toml are reported at once, with line and column.")]
pub(in crate::cli) struct CheckArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    start: StartOptions,
}

/// The JSON document.
#[derive(Serialize)]
struct CheckDocument<'a> {
    ok: bool,
    /// The reasons why nothing can be started.
    errors: Vec<Error<'a>>,
    warnings: &'a [String],
    processes: Vec<&'a str>,
}

/// An error, with its place if it has one.
#[derive(Serialize)]
#[serde(untagged)]
enum Error<'a> {
    Placed(&'a TomlProblem),
    Plain { text: String },
}

impl<'a> Error<'a> {
    fn all(error: &'a CliError) -> Vec<Self> {
        if let CliError::Config(ConfigError::Toml(error)) = error {
            return error.problems.iter().map(Self::Placed).collect();
        }
        vec![Self::Plain { text: error.to_string() }]
    }
}

/// Check everything that a start would check, without running a program; returns 1 on any problem of the project.
pub(in crate::cli) fn check(args: &CheckArgs) -> Result<u8, CliError> {
    let (mut warnings, mut notes) = (vec![], vec![]);
    let fleet = fleet_here();
    let plan = match plan_of_start(args.start.clone(), &mut warnings, &mut notes) {
        // A directory may have nothing but hosts.
        Err(CliError::NoProcfile { .. }) if !matches!(fleet, Ok(None)) => Ok(None),
        plan => plan.map(Some),
    };
    let code = u8::from(plan.is_err() || fleet.is_err() || !warnings.is_empty());
    warnings.append(&mut notes);
    if args.json {
        let problems = [plan.as_ref().err(), fleet.as_ref().err()];
        let document = CheckDocument {
            ok: code == 0,
            errors: problems.into_iter().flatten().flat_map(Error::all).collect(),
            warnings: &warnings,
            processes: plan.as_ref().ok().and_then(Option::as_ref).map(names).unwrap_or_default(),
        };
        output::print_json(&Versioned::new(document))?;
        return Ok(code);
    }
    print_warnings(&warnings);
    if let (Err(error), Err(_)) = (&fleet, &plan) {
        output::warn(error);
    }
    match (plan?, fleet?) {
        _ if code != 0 => Ok(code),
        (None, Some(fleet)) => {
            let lists = fleet.lists.iter().map(|list| format!("@{}", list.name));
            let hosts = fleet.hosts.iter().map(|host| host.name.clone());
            let names: Vec<_> = hosts.chain(lists).collect();
            output::print(&format!("{}: {}\n", inventory::FILE, names.join(", ")))
        }
        (None, None) => Ok(0),
        (Some(plan), _) => output::print(&(summary(&plan) + "\n")),
    }
}

/// The inventory of a fleet in this directory.
fn fleet_here() -> Result<Option<Inventory>, CliError> {
    let context = Context::here()?;
    let file = Path::new(inventory::FILE);
    if context.start_dir.join(file).symlink_metadata().is_err() {
        return Ok(None);
    }
    Ok(Some(procman::read_any(&context.start_dir, &context.env, file)?))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.processes.iter().map(|process| process.name.as_str()).collect()
}

/// The Procfile, and the processes to run.
pub(in crate::cli) fn summary(plan: &Plan) -> String {
    let names = names(plan);
    let count = units::processes(names.len(), "");
    let text = format!("{count}: {}", names.join(", "));
    if plan.is_of_command() {
        return text;
    }
    format!("{}: {text}", plan.procfile.as_path().display())
}

/// What a start with this control socket would run if it were typed here, or in one line why it would be refused. `None`
/// if its project is elsewhere.
pub(in crate::cli) fn planned(socket: &Path) -> Option<Result<Plan, String>> {
    let start = Start::gather(StartOptions::default()).ok()?;
    let has_files = start.project.procfile.exists() || start.project.toml().0.exists();
    let is_it = has_files && start.project.socket.path == socket;
    let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let planned = is_it.then(|| start.resolve(false))?;
    Some(planned.map(|(plan, _)| plan).map_err(|error| first(error.to_string())))
}

/// Servers that others wait for until they have completed, which servers do not.
fn awaited_servers(plan: &Plan) -> impl Iterator<Item = String> {
    let needs = plan
        .processes
        .iter()
        .flat_map(|process| process.rules.needs.iter().map(move |need| (&process.name, need)));
    let awaited = needs.filter(|(_, need)| need.until == DependencyCondition::Completed);
    awaited.filter_map(|(name, Need { on, .. })| {
        let server = plan.processes.iter().find(|process| process.name == *on)?;
        (!server.rules.ports().collect::<Vec<_>>().is_empty()).then(|| {
            format!("{name} waits until {on} has completed, but {on} is a server; wait until it is \"ready\"")
        })
    })
}

/// The plan of a start; `notes` are no mistakes of the project: the ports that processes need and others hold, watched
/// paths without a file, and the host names with a number.
fn plan_of_start(
    args: StartOptions,
    warnings: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Result<Plan, CliError> {
    let start = Start::gather(args)?;
    warnings.extend(start.context.warnings.iter().map(ToString::to_string));
    let plan = start.resolve_with(&|name| find_program(&start.context, name), warnings, false)?;
    // A run here holds its own ports.
    if !start.runtime.is_held() {
        *notes = taken_ports(&plan, &start.runtime);
        if let Some(what) = listen::in_the_way(&start.project.socket.path) {
            let shown = start.project.socket.shown.clone();
            warnings.push(ListenError::InTheWay { shown, what }.to_string());
        }
    }
    if start.runtime.is_held() {
        warnings.extend(stale(&start));
    }
    notes.extend(watch_notes(&plan));
    warnings.extend(awaited_servers(&plan).take(TOLD));
    let numbered = plan.numbered_hosts();
    notes.extend(numbered.iter().take(TOLD).map(|[(name, host), (holder, own)]| {
        format!("{name} is {host} in a browser, because {holder} is {own}")
    }));
    let more = numbered.len().saturating_sub(TOLD);
    notes.extend((more > 0).then(|| format!("{more} more have a number in their host name")));
    Ok(plan)
}

/// The watched paths that do not exist yet, and those where git ignores everything.
pub(in crate::cli) fn watch_notes(plan: &Plan) -> Vec<String> {
    let watched = plan.processes.iter().filter_map(|process| process.rules.watch.as_ref());
    let notes: BTreeSet<_> = watched
        .flat_map(|watch| watch.paths.iter().filter_map(|path| note(watch, path)))
        .take(TOLD)
        .collect();
    notes.into_iter().collect()
}

fn note(watch: &FileWatch, path: &str) -> Option<String> {
    let (dir, part) = (watch.dir.as_path(), Path::new(fixed_part(path)?));
    if dir.join(part).symlink_metadata().is_err() {
        let part = part.display();
        return Some(format!(
            "`{path}` is watched, but {part} does not exist yet; tmo waits for it"
        ));
    }
    if part == Path::new(path) {
        // What is named counts.
        return None;
    }
    let mut git = if watch.gitignore { GitRules::new(dir) } else { GitRules::default() };
    let mut above = part.ancestors().filter(|above| !above.as_os_str().is_empty());
    let left_out = above.find(|above| {
        above.file_name().is_some_and(is_of_a_tool) || git.ignore(&dir.join(above), true)
    })?;
    let (left_out, by) =
        (left_out.display(), if watch.gitignore { "git ignores" } else { "tmo leaves out" });
    Some(format!("nothing in `{path}` is watched, because {by} {left_out}; name {left_out} itself"))
}

/// The processes of the run that is meant whose files have changed and that have not been restarted for that.
fn stale(start: &Start) -> Vec<String> {
    let state = runtime::block_on(start.instance().state());
    let processes = state.map(|state| state.processes).unwrap_or_default();
    let stale = processes.iter().filter_map(|process| {
        let watch = process.watch.as_ref()?;
        // What has just changed is acted on in a moment.
        (watch.is_wrong() || watch.mode == WatchMode::Building).then_some(())?;
        Some(format!("{}: {}", process.name, watch.note.as_ref()?))
    });
    stale.take(TOLD).collect()
}
