//! `tmo ls`: lists all runs of this user.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::args::LsArgs;
use super::error::CliError;
use super::instance::left_by_link;
use super::leftovers::remains_at;
use super::request::state_at;
use super::table::table;
use crate::client::address::Address;
use crate::config::Env;
use crate::config::dirs::runtime_base;
use crate::config::error::ConfigError;
use crate::config::load::Context;
use crate::engine::runtime_dir::RuntimeDir;
use crate::instance::{listen, lock};
use crate::model::request::State;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::units;
use crate::model::untrusted::{Untrusted, shown};
use crate::runs::{self, KnownRun, Standing, runtime_dirs};
use crate::sys::{self, clock};

/// One run.
#[derive(Debug, Serialize)]
struct Run {
    title: Untrusted,
    /// `running`, `quitting`, or `abandoned`: its supervisor was killed, but its processes may be alive.
    state: &'static str,
    pid: Option<u32>,
    running: usize,
    processes: usize,
    started: Timestamp,
    root: OsText,
    socket: OsText,
    /// The ports of the processes, in the order of the Procfile.
    ports: Vec<u16>,
}

const HEAD: [&str; 7] = ["TITLE", "STATE", "PROCESSES", "SINCE", "PORT", "ROOT", "SOCKET"];

/// List them.
pub(super) fn ls(args: &LsArgs) -> Result<u8, CliError> {
    let env = match Context::here() {
        Ok(context) => context.env,
        // The current directory is gone; only its env files would be needed.
        Err(ConfigError::StartDir(_)) => Env::real(),
        Err(error) => return Err(error.into()),
    };
    let base = runtime_base(&env);
    let mut runs = super::block_on(async {
        let mut runs = vec![];
        for runtime in there(&base)? {
            runs.extend(look(&runtime).await);
        }
        Ok(runs)
    })?;
    runs.sort_by_key(|run| run.started);
    for left in left_over(&env) {
        super::warn(&left);
    }
    if args.json {
        return super::print_json(&runs);
    }
    super::print(&table(HEAD, runs.iter().map(row)))
}

/// The runtime directories of this user.
pub(super) fn there(base: &Path) -> Result<Vec<RuntimeDir>, CliError> {
    let dirs = runtime_dirs(base).map_err(CliError::io(base.display()))?;
    Ok(dirs.into_iter().map(RuntimeDir::new).collect())
}

/// What is alive of the runs that have no supervisor and can't be taken over.
pub(super) fn left_over(env: &Env) -> Vec<String> {
    let marks: BTreeSet<String> = sys::all()
        .iter()
        .filter_map(|process| sys::variable_of(process.pid, "TMO_SESSION"))
        .collect();
    let is_marked = |id: &str| marks.iter().any(|run| run.starts_with(&format!("{id}-")));
    let left = |run: &KnownRun| {
        let dir = run.last.as_ref()?.origin.as_ref()?.as_path();
        let runtime = RuntimeDir::new(runtime_base(env).join(&run.id));
        let is_kept =
            run.standing == Standing::Held || runtime.has_survivors() || runtime.has_keeper();
        let place = format!("in {}", dir.display());
        if is_kept { None } else { remains_at(&runtime, &place, "`tmo kill` there") }
    };
    // Without the records of past runs, the list itself is complete.
    let known = runs::all(env).unwrap_or_default();
    known.values().filter(|run| is_marked(&run.id)).filter_map(left).collect()
}

async fn look(runtime: &RuntimeDir) -> Option<Run> {
    let plan = runtime.plan().ok()?;
    let held = lock::is_held(runtime.dir()).unwrap_or(false);
    let state = if held { ask(&plan, runtime).await } else { None };
    let running = |state: &State| state.processes.iter().filter(|p| p.pid.is_some()).count();
    let ports: Vec<u16> = plan.present().filter_map(|process| process.port).collect();
    let processes = plan.present().count();
    // If a link was redirected since, it would show the directory of another run.
    let origin = plan.origin.as_ref().filter(|origin| origin.dir == plan.root);
    let root = origin.and_then(left_by_link).map_or(plan.root.clone(), OsText::from);
    Some(Run {
        title: plan.title.into(),
        state: match &state {
            Some(state) if state.quitting => "quitting",
            _ if held => "running",
            _ => "abandoned",
        },
        pid: state.as_ref().map(|state| state.pid),
        running: state.as_ref().map_or(0, running),
        processes,
        ports,
        started: plan.started,
        root,
        socket: plan.socket,
    })
}

async fn ask(plan: &crate::model::plan::Plan, runtime: &RuntimeDir) -> Option<State> {
    let address = Address::Unix(listen::locate(plan.socket.as_path(), runtime.dir()));
    state_at(&address).await.ok()
}

fn row(run: &Run) -> [String; 7] {
    let (root, socket) = (run.root.as_path(), run.socket.as_path());
    let path = |path: &Path| shown(&path.display().to_string()).into_owned();
    let since = clock::now().since(run.started);
    [
        run.title.to_string(),
        run.state.to_owned(),
        format!("{}/{}", run.running, run.processes),
        units::span(since),
        run.ports.first().map_or_else(|| "-".to_owned(), ToString::to_string),
        path(root),
        path(socket.strip_prefix(root).unwrap_or(socket)),
    ]
}
