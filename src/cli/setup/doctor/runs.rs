//! Checks the run here, and what else of this user runs: whether the parts of the run fit this program and its
//! environment this shell, what other runs have left, and who reaches the pages of `tmo web`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::findings::Report;
use crate::backend::tmux::{Tmux, TmuxError};
use crate::cli::project::input::Start;
use crate::cli::reach::leftovers;
use crate::cli::reach::request::state_at;
use crate::cli::{CliError, runtime};
use crate::client::Client;
use crate::config::Env;
use crate::config::place::dirs::runtime_base;
use crate::engine::persisted_state::adoptable;
use crate::model::ProcName;
use crate::model::plan::{Backend, Plan, ProcessPlan};
use crate::model::state::State;
use crate::model::text::OsText;
use crate::pane::shim;
use crate::protocol::life::Traces;
use crate::protocol::paths::PanePaths;
use crate::protocol::tmux_socket::TMUX_DIR;
use crate::run::dir::RuntimeDir;
use crate::run::{listen, registry};
use crate::sys::dial::{self, ListenerState};
use crate::sys::{self, tcp_sockets};
use crate::web::access::users::{self, Users};
use crate::web::server::command_socket::{self, NoAnswer};

const RUNS: &str = "runs";
const WEB: &str = "web";
/// The version of this program.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// Variables that the shim sets, and that shells set for every program.
const OF_SHIM_AND_SHELL: [&str; 6] = ["PWD", "TMO_SESSION", "TMO_PROCESS", "_", "SHLVL", "OLDPWD"];
/// Parts of the names of variables whose values are never shown.
const SECRET: [&str; 8] =
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "DSN", "AUTH"];

/// A process of tmo that belongs to the run.
struct Part {
    name: String,
    version: String,
    pid: u32,
}

impl Part {
    /// The shim of a process, if it is alive.
    fn shim(process: &ProcName, runtime: &Path) -> Option<Self> {
        let Traces { shim, version, .. } = Traces::load(&PanePaths::new(runtime, process).life());
        let shim = shim.filter(|shim| sys::alive(*shim))?;
        Some(Self { name: format!("the shim of {process}"), version, pid: shim.pid })
    }

    /// What is odd about it, if anything.
    fn oddity(&self, tmo: &Path) -> Option<String> {
        let Self { name, version, .. } = self;
        if version != OWN {
            return Some(format!("{name} is of tmo {version}"));
        }
        let (path, is_there) = sys::program_of(self.pid)?;
        if !is_there {
            return Some(format!("{name} is a program that was replaced ({})", path.display()));
        }
        let is_this = path == tmo || path.canonicalize().ok() == tmo.canonicalize().ok();
        (!is_this).then(|| format!("{name} is another program ({})", path.display()))
    }
}

/// Report the version and path of this program.
pub(super) fn tell_version(report: &mut Report) {
    use std::env::consts::{ARCH, OS};
    let at = std::env::current_exe().unwrap_or_default();
    report.ok("version", format!("tmo {OWN} ({}) on {OS}, {ARCH}", at.display()));
}

/// Check the run here. `fresh` is the plan of a start, `tmux` the caller's own one.
pub(super) fn check_run(
    report: &mut Report,
    start: &Start,
    fresh: Option<&Plan>,
    tmux: Option<&Path>,
) {
    let asked = runtime::block_on(async { Ok(state_at(&start.address()).await?) });
    let state = match asked {
        Ok(state) => state,
        Err(error) => return report.fail("run", error),
    };
    let (name, version) = ("the supervisor".to_owned(), state.version.clone());
    let mut parts = vec![Part { name, version, pid: state.pid }];
    if let Ok(plan) = start.runtime.plan() {
        let shim = |process: &ProcessPlan| Part::shim(&process.name, start.runtime.dir());
        parts.extend(plan.processes.iter().filter_map(shim));
        if let Some(fresh) = fresh {
            check_environment(report, &plan, fresh);
        }
        if let Some(program) = tmux.filter(|_| plan.backend == Backend::Tmux) {
            check_tmux_server(report, start, &plan, program, &state);
        }
    }
    let odd: Vec<String> = parts.iter().filter_map(|part| part.oddity(&start.tmo)).collect();
    if odd.is_empty() {
        report.ok("run", format!("all parts are tmo {OWN} (pid {})", state.pid));
    } else {
        let remedy = "`tmo quit`, then `tmo start` restarts it with this one";
        report.note("run", format!("{}; {remedy}", odd.join(", ")));
    }
}

/// Check whether the installed tmux can talk to the running server, which may be another version.
fn check_tmux_server(
    report: &mut Report,
    start: &Start,
    plan: &Plan,
    program: &Path,
    state: &State,
) {
    let mut asking = plan.clone();
    asking.tmux = program.into();
    // With the environment of this command, but the socket directory of that run.
    let is_dir = |(name, _): &(OsText, OsText)| name.as_bytes() == TMUX_DIR.as_bytes();
    asking.env = start.context.env.of_caller().pairs();
    asking.env.retain(|pair| !is_dir(pair));
    let dir = OsText::from(TMUX_DIR);
    let of_run = plan.caller_env().get(&dir).map(|&value| (dir.clone(), value.clone()));
    asking.env.extend(of_run);
    asking.origin = None;
    let tmux = Tmux::new(&asking, start.runtime.dir());
    let mut was_gone = false;
    let asked = runtime::block_on(async {
        let asked = tmux.survey().await;
        was_gone = asked.as_ref().is_err_and(TmuxError::is_unreachable);
        if !was_gone {
            return Ok(asked);
        }
        // The supervisor needs tmux for a screen, and makes a lost socket of tmux again.
        let of_terminal = state.processes.iter().find(|process| process.pane.is_some());
        if let Some(process) = of_terminal
            && let Ok(client) = Client::connect(&start.address()).await
        {
            // If this fails, so does the next call.
            let _ = client.screen(&format!("={}", process.name), false).await;
        }
        Ok(tmux.survey().await)
    });
    match asked {
        Ok(Err(error)) => {
            let text = format!("its tmux server does not answer: {error}");
            report.fail_so("run", text, "`tmo quit`, then `tmo start` starts it again");
        }
        Ok(Ok(_)) if was_gone => {
            let text = "the socket of its tmux server was gone; the server has made it again";
            report.note("run", text);
        }
        Ok(Ok(_)) | Err(_) => {}
    }
}

/// Report what has changed in the shell since the run was started.
fn check_environment(report: &mut Report, old: &Plan, fresh: &Plan) {
    /// As many names as fit a line that can be read.
    const MOST: usize = 40;
    let variables = |plan: &Plan| -> Variables {
        plan.env.iter().cloned().map(|(name, value)| (name.0, value.0)).collect()
    };
    let mut changes = differences(&variables(old), &variables(fresh));
    if changes.is_empty() {
        return;
    }
    let more = changes.len().saturating_sub(MOST);
    changes.truncate(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text = format!(
        "the run here was started with other variables than are set now: {}{more}; `tmo quit`, then \
         `tmo start` takes them over",
        changes.join(", ")
    );
    report.note("environment", text);
}

/// Variables by name.
type Variables = BTreeMap<OsString, OsString>;

/// The variables that differ, except those that are irrelevant to a process whatever their cause: the name of each, and
/// for a list of paths the entries added and removed.
fn differences(old: &Variables, new: &Variables) -> Vec<String> {
    let names: BTreeSet<&OsString> = old.keys().chain(new.keys()).collect();
    let is_noise = |name: &OsStr| {
        shim::is_of_terminal(name) || OF_SHIM_AND_SHELL.iter().any(|own| name == *own)
    };
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differing
        .filter(|name| !is_noise(name))
        .map(|name| difference(&name.to_string_lossy(), old.get(name), new.get(name)))
        .collect()
}

fn difference(name: &str, old: Option<&OsString>, new: Option<&OsString>) -> String {
    let is_secret = SECRET.iter().any(|word| name.to_uppercase().contains(word));
    match (old, new) {
        (Some(_), None) => format!("-{name}"),
        (None, _) => format!("+{name}"),
        (Some(old), Some(new)) if name.ends_with("PATH") && !is_secret => {
            format!("{name} ({})", differing_entries(old, new))
        }
        (Some(_), Some(_)) => name.to_owned(),
    }
}

/// The entries of a list of paths that were added and removed.
fn differing_entries(old: &OsStr, new: &OsStr) -> String {
    let split = |text: &OsStr| -> Vec<String> {
        String::from_utf8_lossy(text.as_bytes()).split(':').map(str::to_owned).collect()
    };
    let old = split(old);
    let new = split(new);
    let added = new.iter().filter(|entry| !old.contains(entry)).map(|entry| format!("+{entry}"));
    let removed = old.iter().filter(|entry| !new.contains(entry)).map(|entry| format!("-{entry}"));
    let all: Vec<String> = added.chain(removed).collect();
    if all.is_empty() { "in another order".to_owned() } else { all.join(" ") }
}

/// Report existing runs, and those whose supervisor is dead.
pub(super) fn check_runs(report: &mut Report, start: &Start) {
    let env = &start.context.env;
    let dirs = match registry::runtime_dirs(env) {
        Ok(dirs) => dirs,
        Err(error) => return report.fail(RUNS, CliError::io(runtime_base(env).display())(error)),
    };
    let mut living = 0;
    for runtime in dirs {
        if runtime.is_held() {
            living += 1;
        } else {
            check_leftovers(report, &runtime);
        }
    }
    for left in leftovers::left_over(env) {
        report.note(RUNS, left);
    }
    report.ok(RUNS, format!("you have {living}; `tmo ls` lists them"));
}

/// Report what a run without a supervisor has left behind.
fn check_leftovers(report: &mut Report, runtime: &RuntimeDir) {
    let dir = runtime.dir().display();
    let Ok(plan) = runtime.plan() else {
        if runtime.plan_file().exists() || runtime.state_file().exists() {
            let text =
                format!("{dir} can't be read; `rm -r {dir}` once none of its processes lives");
            report.note(RUNS, text);
        }
        return;
    };
    let root = plan.root.as_path().display();
    let flags = match &plan.tcp {
        Some(tcp) => format!("-S {} -s {}", tcp.network.name(), tcp.address),
        None => format!("-s {}", plan.socket.as_path().display()),
    };
    match adoptable(runtime) {
        Ok(true) => report.note(
            RUNS,
            format!(
                "processes live in {root} whose supervisor was killed; `tmo ps {flags}` goes on \
                 with them, `tmo quit {flags}` ends them"
            ),
        ),
        Ok(false) => {
            let own = listen::own_sockets(runtime.dir());
            let sockets = own.iter().map(|socket| &**socket).chain([plan.socket.as_path()]);
            let mut text = format!("a run in {root} was killed and has left files");
            for path in sockets.filter(|path| matches!(dial::probe(path), Ok(ListenerState::Dead)))
            {
                // Writing to a string does not fail.
                let _ = write!(text, ", {} that nobody listens on", path.display());
            }
            report.note(RUNS, text + &format!("; `tmo cleanup {flags}` removes them"));
        }
        Err(error) => report.note(RUNS, format!("{root}: {error}")),
    }
}

/// Check the users and the servers.
pub(super) fn check_web(report: &mut Report, env: &Env) {
    if let Some(path) = users::path(env) {
        match Users::load(&path) {
            Err(error) => report.fail(WEB, error),
            Ok(all) if all.users.is_empty() => {}
            Ok(all) => report.ok(WEB, format!("users: {}", all.users.len())),
        }
    }
    for (port, path) in command_socket::all(&runtime_base(env).join("web")) {
        let asked = runtime::block_on(async { Ok(command_socket::about(&path).await) });
        match asked {
            Ok(Ok(about)) => check_server(report, port, &about),
            Ok(Err(NoAnswer::Silent)) => report.fail(WEB, crate::cli::web::silent(port)),
            Ok(Err(NoAnswer::NoServer)) | Err(_) => {}
        }
    }
}

fn check_server(report: &mut Report, port: u16, about: &command_socket::About) {
    let addresses = tcp_sockets(port).into_iter().map(|(at, _)| at.ip());
    let far = addresses.filter(|ip| !ip.to_canonical().is_loopback()).min();
    let mut text = format!("a server listens at port {port}");
    if let Some(far) = far {
        let _ = write!(text, " of {far}, too, which other machines can reach");
    }
    if let Some(public) = &about.public {
        let _ = write!(text, "; its public address is {public}");
    }
    if about.has_token {
        text += "; programs have access with a token";
    }
    if about.public.is_some() && about.proxies.is_empty() {
        let more =
            "; without --trusted-proxy, all its browsers share one delay after wrong passwords";
        return report.note(WEB, text + more);
    }
    report.ok(WEB, text);
}

#[cfg(test)]
mod tests {
    use super::{Variables, differences};

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn no_value_is_shown_but_the_entries_of_a_path() {
        let old = [("GONE", "s3cret"), ("PATH", "/a:/b"), ("API_KEY_PATH", "/k"), ("SAME", "1")];
        let new = [("PATH", "/c:/b"), ("API_KEY_PATH", "/l"), ("SAME", "1"), ("PORT", "s3cret")];
        let found = differences(&variables(&old), &variables(&new));
        assert_eq!(found.join(", "), "API_KEY_PATH, -GONE, PATH (+/c -/a), +PORT");
    }
}
