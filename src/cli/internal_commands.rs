//! The hidden verbs: the processes that make up a run. Users never type them.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::apps::install;
use crate::cli::fleet::there;
use crate::config::Env;
use crate::config::inherit::let_owner_in;
use crate::engine::event_loop::{Inherited, supervise};
use crate::engine::guardian;
use crate::fleet::call;
use crate::journal::history::JournalAccess;
use crate::journal::search::access::RunHistory;
use crate::journal::segment::Dirs;
use crate::model::plan::Plan;
use crate::pane::{beside, shim, sink, tty};
use crate::protocol::terminal::Opener;
use crate::run::dir::RuntimeDir;
use crate::run::inherit;
use crate::sys::files;
use crate::view::pipe::EchoLog;

/// Run as that part if the arguments ask for it; returns its exit code.
pub(super) fn run_part(arguments: &[OsString]) -> Option<u8> {
    let part = arguments.get(1)?.to_str()?;
    let path = Path::new(arguments.get(2)?);
    match part {
        "shim" => Some(shim::run_shim(path, Opener::parse(&arguments[3..]))),
        "sink" => Some(sink::run_sink(path)),
        // Run by tmux, which shows a failure on a screen. A terminal that is gone is not held any more.
        tty::RELEASE => Some(tty::release_at(path).map_or(0, |()| 0)),
        "guard" => Some(guardian(path, &arguments[3..])),
        "supervise" => Some(supervisor(path, &arguments[3..])),
        // The second argument identifies its run.
        "beside" => {
            let [shell, command] = &arguments[3..] else { return Some(2) };
            Some(beside::run_beside(shell, command))
        }
        "web-server" => Some(web_server(&arguments[2])),
        // The second argument is the version of bridges.
        "bridge" => Some(web_bridge()),
        super::web::BACKGROUND => Some(web_background(&arguments[2])),
        crate::web::terminal::pty::ATTACH => Some(web_attach(path, &arguments[3..])),
        install::PART => Some(install_app(path)),
        call::WORD => Some(there::there(arguments[2].to_str())),
        _ => None,
    }
}

fn guardian(runtime: &Path, rest: &[OsString]) -> u8 {
    let [plan, news] = rest else { return 2 };
    let news = news.to_str().and_then(|n| n.parse().ok());
    // It outlives the command that started it, so it must not keep that command's file descriptors.
    let _ = crate::sys::close_inherited(news.as_slice());
    let_owner_in();
    let Some(Ok(news)) = news.map(inherit::take) else { return 2 };
    let plan = Some(Path::new(plan)).filter(|plan| *plan != OsStr::new("-"));
    guardian::run_guardian(runtime, plan, news)
}

fn supervisor(runtime: &Path, rest: &[OsString]) -> u8 {
    let words: Vec<String> = rest.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    log_to_file(&RuntimeDir::new(runtime));
    let run =
        Inherited::from_arguments(runtime, &words).and_then(|i| supervise(runtime, i, &access));
    run.unwrap_or_else(|error| {
        tracing::error!(%error, "the supervisor ends");
        // Read by its guardian, which reports it to the waiting commands.
        let _ = writeln!(std::io::stderr(), "tmo: {error}");
        1
    })
}

fn web_attach(socket: &Path, rest: &[OsString]) -> u8 {
    let [name, how] = rest else { return 2 };
    let Some(name) = name.to_str() else { return 2 };
    let error = crate::web::terminal::pty::attach(socket, name, how == "keep-size");
    // The page shows this in its terminal.
    let _ = writeln!(std::io::stderr(), "tmo: can't connect: {error}");
    1
}

fn web_background(task: &OsStr) -> u8 {
    log_to_stderr();
    let task = task.to_str().unwrap_or_default();
    super::web::serve_in_background(task).unwrap_or_else(|error| crate::cli::output::report(&error))
}

fn web_bridge() -> u8 {
    log_to_stderr();
    match crate::web::bridge() {
        Ok(()) => 0,
        Err(error) => {
            super::output::warn(&format!("the bridge ends: {error}"));
            1
        }
    }
}

fn web_server(handover: &OsStr) -> u8 {
    super::internal_commands::log_to_stderr();
    let handover = handover.to_str().and_then(|text| serde_json::from_str(text).ok());
    let Some(handover) = handover else { return 2 };
    match crate::web::server::serve::serve_until_end(&handover) {
        Ok(ending) => ending.code(),
        Err(error) => {
            // Without a standard error, the error can't be reported.
            let _ = writeln!(std::io::stderr(), "tmo: the web server ends: {error}");
            1
        }
    }
}

/// Build the environment of the app in this directory.
fn install_app(dir: &Path) -> u8 {
    let env = Env::real();
    let path = env.caller("PATH").map(OsStr::to_owned);
    let find = |name: &str| which::which_in(name, path.as_ref(), dir).ok();
    install::install_app(dir, &find, &mut std::io::stdout())
}

/// The clients' access to the journal.
fn access(plan: &Plan, runtime: &Path) -> JournalAccess {
    let echo = Arc::new(EchoLog::new(plan, runtime));
    JournalAccess { echo, history: Arc::new(RunHistory::of(Dirs::of_run(plan, runtime))) }
}

/// With `TMO_LOG` a command logs its actions on standard error.
pub(super) fn log_to_stderr() {
    if let Some(filter) = filter() {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // Fails only if logging is initialized already.
        let _ = log.try_init();
    }
}

/// With `TMO_LOG` the supervisor logs its actions to `tmo.log` in the directory of its journal.
fn log_to_file(runtime: &RuntimeDir) {
    let Some(filter) = filter() else { return };
    let Ok(plan) = runtime.plan() else { return };
    let dir = plan.log.dir.as_path();
    // The first run of a project has no journal yet. If the directory can't be created, there is no log.
    let _ = files::make_dirs(dir);
    if let Ok(file) = files::append_to(&dir.join("tmo.log")) {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
        let _ = log.with_writer(std::sync::Mutex::new(file)).try_init();
    }
}

fn filter() -> Option<tracing_subscriber::EnvFilter> {
    let words = Env::real();
    let words = words.caller("TMO_LOG")?.to_str()?.to_owned();
    (!words.is_empty()).then(|| tracing_subscriber::EnvFilter::new(words))
}
