//! `tmo reload`: re-reads the configuration and applies the changes.

use serde::Serialize;

use crate::cli::args::{self, ClientArgs};
use crate::cli::output::{self, Versioned, print_warnings};
use crate::cli::project::drift::{Drift, changed_settings, drift, read_again};
use crate::cli::project::input::Start;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::reach::request::{self, change_order};
use crate::cli::{CliError, runtime};
use crate::config::Project;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::request::Request;
use crate::model::state::ProcessState;
use crate::model::{ProcName, ProcessStatus};
use crate::plan::{self, ProcessChange, Reloaded};
use crate::run::dir::RuntimeDir;

/// Read Procfile, tmo.toml and env files again, and apply the changes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo reload                    one line for each process: what was done
  tmo reload --dry-run          what would be done
  tmo reload --json | jq -r '.processes[] | select(.change == \"restarted\").name'

Processes whose command, directory, environment, shell or port changed are restarted; removed ones
are stopped, new ones started. Other changes apply at once, without a restart. Flags and variables
are those that the run was started with. If anything can't be read, nothing changes.")]
pub(in crate::cli) struct ReloadArgs {
    /// Change nothing; show what would be done.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Only the apps that were added, updated or removed; other changes wait.
    #[arg(long)]
    apps: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Return as soon as the request is accepted, not when it is done.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// How many times in a row other commands may change the processes while the files are read.
const MOST_TRIES: u32 = 20;

/// The JSON document.
#[derive(Serialize)]
struct ReloadDocument<'a> {
    dry_run: bool,
    warnings: &'a [String],
    processes: Vec<ToldChange<'a>>,
}

/// The change to one process.
#[derive(Serialize)]
struct ToldChange<'a> {
    name: &'a ProcName,
    #[serde(flatten)]
    change: &'a ProcessChange,
    /// It is not running, and the reload does not start it.
    stays_stopped: bool,
}

/// The part of the configuration to re-read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReloadScope {
    All,
    Failures,
    Apps,
}

/// The result of a reload.
struct Made {
    reloaded: Reloaded,
    /// The states before the reload.
    states: Vec<ProcessState>,
    /// Processes that have completed and do not run again.
    completed: Vec<ProcName>,
    warnings: Vec<String>,
    done: Result<u8, CliError>,
}

/// Reload, and report the changes.
pub(in crate::cli) fn reload(args: &ReloadArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let made = runtime::block_on(async {
        let server = instance.server().await?;
        instance.on_this_machine()?;
        instance.refuse_other_run().await?;
        server.refuse_overmind()?;
        let scope = if args.apps { ReloadScope::Apps } else { ReloadScope::All };
        Box::pin(make(&mut instance, scope, args.dry_run, !args.no_wait)).await
    })?;
    let Made { reloaded, states, completed, warnings, done } = made;
    let stays = |name: &ProcName| is_stopped(&states, name) || completed.contains(name);
    if args.json {
        let document = ReloadDocument {
            dry_run: args.dry_run,
            warnings: &warnings,
            processes: reloaded
                .changes
                .iter()
                .map(|(name, change)| ToldChange { name, change, stays_stopped: stays(name) })
                .collect(),
        };
        output::print_json(&Versioned::new(document))?;
        return done;
    }
    print_warnings(&warnings);
    let lines = reloaded.changes.iter().map(|change| {
        let stopped = stays(&change.0);
        line_of_change(change, &reloaded.plan, &states, stopped, args.dry_run) + "\n"
    });
    output::print(&lines.collect::<String>())?;
    done
}

/// After a project's failure declarations have changed: reload them into its run, if there is one. Other
/// changes of the configuration wait for an explicit reload.
pub(in crate::cli) fn reload_failures(project: &Project) -> Result<(), CliError> {
    let Ok(mut instance) = Instance::find(&args::ClientArgs::default()) else {
        return Ok(());
    };
    runtime::block_on(async {
        let Ok(Server::Tmo) = instance.server().await else { return Ok(()) };
        if instance.on_this_machine().is_err() {
            return Ok(());
        }
        let plan = instance.runtime.plan()?;
        // The nearest run may belong to another project.
        let Ok(start) = Start::again(plan, instance.runtime.clone()) else { return Ok(()) };
        if start.project.failures().0 != project.failures().0 {
            return Ok(());
        }
        Box::pin(make(&mut instance, ReloadScope::Failures, false, true)).await?.done.map(drop)
    })
}

/// Reload the apps of a project into its run. Other changes of the configuration wait for an explicit
/// reload.
pub(in crate::cli) async fn reload_apps(instance: &mut Instance) -> Result<u8, CliError> {
    Box::pin(make(instance, ReloadScope::Apps, false, true)).await?.done
}

/// The named processes whose settings have changed since the run has read them. This is for a hint, so errors are
/// ignored.
pub(in crate::cli) fn changed_since_read(runtime: &RuntimeDir, names: &[String]) -> Vec<ProcName> {
    let Ok(old) = runtime.plan() else { return vec![] };
    let is_meant = |drift: &Drift| {
        let process = old.processes.iter().find(|process| process.name == drift.name);
        process.is_some_and(|process| {
            names.is_empty() || names.iter().any(|word| process.is_meant(word))
        })
    };
    let changed = changed_settings(&old, runtime).unwrap_or_default();
    changed.into_iter().filter(is_meant).map(|drift| drift.name).collect()
}

/// Restart what has changed, and nothing else: by a reload, if that is its settings.
pub(in crate::cli) fn restart_drifted(args: &ClientArgs, wait: bool) -> Result<u8, CliError> {
    let mut instance = Instance::find(args)?;
    runtime::block_on(async {
        let server = instance.server().await?;
        instance.on_this_machine()?;
        server.refuse_overmind()?;
        let drift = drift(&instance, &instance.state().await?.processes)?;
        if drift.is_empty() {
            return output::print("nothing has changed\n");
        }
        let (mut code, mut names) = (0, vec![]);
        for one in &drift {
            output::print(&format!(
                "{}: {}\n",
                one.name,
                one.words().collect::<Vec<_>>().join(", ")
            ))?;
            // What a reload restarts has the new program, too.
            names.extend(one.settings.is_empty().then(|| one.name.to_string()));
        }
        if drift.iter().any(|one| !one.settings.is_empty()) {
            instance.refuse_other_run().await?;
            code = Box::pin(make(&mut instance, ReloadScope::All, false, wait)).await?.done?;
        }
        if !names.is_empty() {
            let ask = Request::Restart { names, order: change_order(false) };
            code = code.max(request::request(&mut instance, ask, wait).await?);
        }
        Ok(code)
    })
}

/// Reload, without a word on the terminal; returns the changes in a line.
pub(in crate::cli) async fn reload_from_ui(instance: Instance) -> Result<String, CliError> {
    instance.refuse_other_run().await?;
    let states = instance.state().await?.processes;
    let old = instance.runtime.plan()?;
    let (fresh, mut told) = read_plan(&old, &instance, ReloadScope::All)?;
    let mut reloaded = plan::reload(&old, &fresh);
    let completed = unaffected(&old, &reloaded.plan, &states);
    add_dependents(&mut reloaded, &old, &states, &completed);
    let Reloaded { plan, changes } = reloaded;
    let (ask, key) = (Request::Reload { plan: Box::new(fresh) }, request::key());
    request::verdict(instance.ask(async |client| client.request_once(&ask, &key).await).await?)?;
    for change in changes.iter().filter(|(_, change)| *change != ProcessChange::Unchanged) {
        let stopped = is_stopped(&states, &change.0);
        told.push(line_of_change(change, &plan, &states, stopped, false));
    }
    Ok(if told.is_empty() { "reloaded; nothing has changed".to_owned() } else { told.join("; ") })
}

/// Re-read everything and send the resulting request; repeat this if the processes were changed meanwhile,
/// for instance by a concurrent reload.
async fn make(
    instance: &mut Instance,
    scope: ReloadScope,
    dry_run: bool,
    wait: bool,
) -> Result<Made, CliError> {
    let state = instance.state().await?;
    let mut tries = 0;
    loop {
        tries += 1;
        let old = instance.runtime.plan()?;
        let (fresh, warnings) = read_plan(&old, instance, scope)?;
        let mut reloaded = plan::reload(&old, &fresh);
        let done = if dry_run {
            Ok(0)
        } else {
            let ask = Request::Reload { plan: Box::new(fresh.clone()) };
            request::request(instance, ask, wait).await
        };
        if let Err(CliError::Problems(_)) = &done
            && tries < MOST_TRIES
            && is_stale(instance, &old, &fresh)
        {
            continue;
        }
        let mut completed = unaffected(&old, &reloaded.plan, &state.processes);
        if !dry_run && !completed.is_empty() {
            let now = instance.state().await.map(|state| state.processes).unwrap_or_default();
            let lives = |all: &[ProcessState], name: &ProcName| {
                all.iter().find(|state| state.name == *name).map(|state| state.lives)
            };
            completed.retain(|name| lives(&now, name) == lives(&state.processes, name));
        }
        add_dependents(&mut reloaded, &old, &state.processes, &completed);
        return Ok(Made { reloaded, states: state.processes, completed, warnings, done });
    }
}

/// The processes that have ended as expected, and of which only what all share has changed.
fn unaffected(old: &Plan, new: &Plan, states: &[ProcessState]) -> Vec<ProcName> {
    let own_revision = |plan: &Plan, name: &ProcName| {
        plan.processes.iter().find(|process| process.name == *name).map(|found| found.own_revision)
    };
    let ended = states.iter().filter(|state| state.ends.finished && state.pid.is_none());
    let names = ended.map(|state| &state.name);
    names.filter(|name| own_revision(old, name) == own_revision(new, name)).cloned().collect()
}

/// Add the processes that are restarted with others.
fn add_dependents(
    reloaded: &mut Reloaded,
    old: &Plan,
    states: &[ProcessState],
    completed: &[ProcName],
) {
    let state =
        |name: &ProcName| states.iter().find(|state| state.name == *name).map(|state| &state.state);
    let plan = reloaded.plan.clone();
    let of = |plan: &Plan, name: &ProcName, is: fn(&ProcessPlan) -> bool| {
        plan.processes.iter().any(|process| process.name == *name && is(process))
    };
    reloaded.add_restarted_dependents(
        |name, change| match change {
            ProcessChange::Restarted { .. } => {
                !is_stopped(states, name) && !completed.contains(name)
            }
            // It was part of the run before.
            ProcessChange::New => of(old, name, |p| p.removed) && !of(&plan, name, |p| p.waits),
            _ => false,
        },
        |name| matches!(state(name), Some(ProcessStatus::Running | ProcessStatus::Starting)),
    );
}

/// Whether another command has changed the plan of the run.
fn is_stale(instance: &Instance, old: &Plan, fresh: &Plan) -> bool {
    let Ok(now) = instance.runtime.plan() else { return false };
    now.generation != old.generation && plan::reload(&now, fresh).plan != now
}

/// The plan that a start would make now, adapted to the run, and its warnings.
fn read_plan(
    old: &Plan,
    instance: &Instance,
    scope: ReloadScope,
) -> Result<(Plan, Vec<String>), CliError> {
    let (mut fresh, mut warnings) =
        read_again(old, &instance.runtime).map_err(|error| match error {
            CliError::Other(why) => CliError::Other(format!("{why}; nothing was changed")),
            error => error,
        })?;
    let later = plan::not_reloaded(old, &fresh);
    if !later.is_empty() {
        warnings
            .push(format!("changed, but in force from the next start only: {}", later.join(", ")));
    }
    match scope {
        ReloadScope::All => {}
        ReloadScope::Failures => {
            fresh = plan::with_failures(old, &|name| plan::failures_of(&fresh, name));
        }
        ReloadScope::Apps => fresh = plan::with_apps(old, fresh),
    }
    (fresh.run, fresh.generation) = (old.run.clone(), old.generation);
    Ok((fresh, warnings))
}

fn is_stopped(states: &[ProcessState], name: &ProcName) -> bool {
    states.iter().any(|state| state.name == *name && state.state == ProcessStatus::Stopped)
}

/// The change to a process, in a line.
fn line_of_change(
    (name, change): &(ProcName, ProcessChange),
    plan: &Plan,
    states: &[ProcessState],
    stopped: bool,
    dry_run: bool,
) -> String {
    let would = |did: &str, does: &str| if dry_run { does.to_owned() } else { did.to_owned() };
    let words = match change {
        ProcessChange::Unchanged => "unchanged".to_owned(),
        ProcessChange::Policies { what } => {
            let verb = would("changed", "would change");
            format!("policies {verb} ({})", what.join(", "))
        }
        ProcessChange::Restarted { what, .. } if stopped => {
            format!("changed ({}); it does not run", what.join(", "))
        }
        ProcessChange::Restarted { what, with } => {
            // It may have been skipped, for instance.
            let verb = if states.iter().any(|state| state.name == *name && state.lives == 0) {
                would("started", "would be started")
            } else {
                would("restarted", "would be restarted")
            };
            let with = with.as_ref().map(|on| format!(" with {on}")).unwrap_or_default();
            let what = match what.join(", ") {
                what if what.is_empty() => what,
                what => format!(" ({what} changed)"),
            };
            format!("{verb}{with}{what}")
        }
        ProcessChange::Removed => would("stopped and removed", "would be stopped and removed"),
        ProcessChange::New if plan.processes.iter().any(|p| p.name == *name && p.waits) => {
            would("new, not started", "new, would not be started")
        }
        ProcessChange::New => would("started", "would be started"),
    };
    format!("{name}: {words}")
}
