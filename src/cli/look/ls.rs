//! `tmo ls`: lists all runs of this user.

use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::error::CliError;
use crate::cli::output::table::{FleetTable, TableRow, table};
use crate::cli::reach::addresses::Addresses;
use crate::cli::reach::instance::left_by_link;
use crate::cli::reach::leftovers::left_over;
use crate::cli::reach::request::state_at;
use crate::cli::{output, runtime};
use crate::client::address::Address;
use crate::config::Env;
use crate::config::error::ConfigError;
use crate::config::load::Context;
use crate::config::place::dirs::runtime_base;
use crate::journal::last_run::LastRun;
use crate::model::state::State;
use crate::model::text::OsText;
use crate::model::text::untrusted::{Untrusted, shown};
use crate::model::time::Timestamp;
use crate::model::units;
use crate::run::registry::{self, KnownRun, Standing};
use crate::sys::clock;

/// List all your runs.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo ls
  tmo ls --json | jq -r '.[].socket'")]
pub(in crate::cli) struct LsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct ListedRun {
    title: Untrusted,
    /// `running`, `quitting`, `abandoned`: its supervisor was killed, but its processes may be alive; or `elsewhere`:
    /// another machine has recorded it, and its end is not known.
    state: Cow<'static, str>,
    /// The other machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Untrusted>,
    pid: Option<u32>,
    running: usize,
    processes: usize,
    started: Timestamp,
    root: OsText,
    socket: Option<OsText>,
    /// The ports of the processes, in the order of the Procfile.
    ports: Vec<u16>,
    /// Where a browser reaches them, while `tmo web` runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    urls: Vec<String>,
}

const HEAD: [&str; 7] = ["TITLE", "STATE", "PROCESSES", "SINCE", "ADDRESS", "ROOT", "SOCKET"];

/// List them.
pub(in crate::cli) fn ls(args: &LsArgs) -> Result<u8, CliError> {
    let env = match Context::here() {
        Ok(context) => context.env,
        // The current directory is gone; only its env files would be needed.
        Err(ConfigError::StartDir(_)) => Env::real(),
        Err(error) => return Err(error.into()),
    };
    let known = registry::unfinished(&env)
        .and_then(|here| Ok(here.chain(registry::elsewhere(&env)?)))
        .map_err(CliError::io(runtime_base(&env).display()))?;
    let mut runs: Vec<_> = known.filter_map(|known| ListedRun::new(&env, known)).collect();
    runs.sort_by_key(|run| run.started);
    for left in left_over(&env) {
        output::warn(&left);
    }
    if args.json {
        return output::print_json(&runs);
    }
    output::print(&table(HEAD, runs.iter().map(row)))
}

impl ListedRun {
    /// A run that goes on here, or may go on on another machine.
    fn new(env: &Env, known: KnownRun) -> Option<Self> {
        let address = known.socket().map(Address::Unix);
        let Some(plan) = known.plan else { return Self::elsewhere(&known.last) };
        let held = known.standing == Standing::Held;
        let state = address.filter(|_| held).and_then(|address| {
            runtime::block_on(async { Ok(state_at(&address).await.ok()) }).ok()?
        });
        let running = |state: &State| state.processes.iter().filter(|p| p.pid.is_some()).count();
        // If a link was redirected since, it would show the directory of another run.
        let origin = plan.origin.as_ref().filter(|origin| origin.dir == plan.root);
        let root = origin.and_then(left_by_link).map_or(plan.root.clone(), OsText::from);
        Some(Self {
            state: Cow::Borrowed(match &state {
                Some(state) if state.quitting => "quitting",
                _ => known.standing.word(),
            }),
            host: None,
            pid: state.as_ref().map(|state| state.pid),
            running: state.as_ref().map_or(0, running),
            processes: plan.present().filter(|process| process.action.is_none()).count(),
            ports: plan.present().filter_map(|process| process.port).collect(),
            urls: Addresses::of(env, &plan).into_pages(),
            title: plan.title.into(),
            started: plan.started,
            root,
            socket: Some(plan.socket),
        })
    }

    fn elsewhere(last: &LastRun) -> Option<Self> {
        let machine = last.elsewhere()?;
        Some(Self {
            title: last.title().into(),
            state: "elsewhere".into(),
            host: Some(machine.name.clone().into()),
            started: machine.started,
            root: last.origin.clone().unwrap_or_else(|| last.journal.clone()),
            ..Self::default()
        })
    }
}

/// The runs in the answer of another host's `tmo ls --json`, and how many of their processes run.
pub(in crate::cli) fn runs_of_host(answer: &[u8]) -> String {
    let runs: Vec<ListedRun> = serde_json::from_slice(answer).unwrap_or_default();
    let there = runs.iter().filter(|run| run.host.is_none());
    let there = there.map(|run| format!("{} {}/{}", run.title, run.running, run.processes));
    there.collect::<Vec<_>>().join(", ")
}

/// The table of `tmo fleet ls`, of what `tmo ls --json` prints on each host.
pub(in crate::cli) fn fleet_table() -> FleetTable {
    FleetTable {
        heads: ["HOST"].into_iter().chain(HEAD).collect(),
        state: 2,
        rows_of: Box::new(|host, answer| {
            let runs: Vec<ListedRun> = serde_json::from_slice(answer)?;
            let row =
                |run| TableRow { cells: [&[host.to_owned()][..], &row(run)].concat(), color: None };
            Ok(runs.iter().map(row).collect())
        }),
    }
}

fn row(run: &ListedRun) -> [String; 7] {
    let root = run.root.as_path();
    let path = |path: &Path| shown(&path.display().to_string()).into_owned();
    let socket = run.socket.as_ref().map(OsText::as_path);
    let none = || "-".to_owned();
    let since = clock::now().since(run.started);
    let port = || run.ports.first().map(|port| format!("localhost:{port}"));
    [
        run.title.to_string(),
        run.host.as_ref().map_or_else(|| run.state.to_string(), |host| format!("on {host}")),
        run.host.as_ref().map_or_else(|| format!("{}/{}", run.running, run.processes), |_| none()),
        units::span(since),
        run.urls.first().cloned().or(port()).unwrap_or_else(none),
        path(root),
        socket.map_or_else(none, |socket| path(socket.strip_prefix(root).unwrap_or(socket))),
    ]
}
