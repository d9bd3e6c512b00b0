//! The hidden verbs: the processes that a run is made of, and the one by which `tmo doctor` sees what
//! reaches them. None of them is typed by a person.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::api::history::JournalAccess;
use crate::config::Env;
use crate::config::inherit::let_owner_in;
use crate::engine::guard;
use crate::engine::run::{Inherited, supervise};
use crate::engine::runtime::Runtime;
use crate::instance::inherit;
use crate::journal::search::access::RunHistory;
use crate::model::plan::Plan;
use crate::pane::{beside, shim, sink};
use crate::sys::files;
use crate::view::echo::EchoLog;

/// Be that part, if the arguments say so; returns its exit code.
pub(super) fn run(arguments: &[OsString]) -> Option<u8> {
    let part = arguments.get(1)?.to_str()?;
    let path = Path::new(arguments.get(2)?);
    match part {
        "shim" => Some(shim::run(path)),
        "sink" => Some(sink::run(path)),
        "guard" => Some(guardian(path, &arguments[3..])),
        "supervise" => Some(supervisor(path, &arguments[3..])),
        // Its second word tells whose run it belongs to.
        "beside" => {
            let [shell, command] = &arguments[3..] else { return Some(2) };
            Some(beside::run(shell, command))
        }
        "environ" => Some(super::doctor::record(path)),
        _ => None,
    }
}

fn guardian(runtime: &Path, rest: &[OsString]) -> u8 {
    let [plan, news] = rest else { return 2 };
    let news = news.to_str().and_then(|n| n.parse().ok());
    // It outlives the command that it was started by: what that was given is none of its own.
    let _ = crate::sys::close_inherited(news.as_slice());
    let_owner_in();
    let Some(Ok(news)) = news.map(inherit::take) else { return 2 };
    let plan = Some(Path::new(plan)).filter(|plan| *plan != OsStr::new("-"));
    guard::run(runtime, plan, news)
}

fn supervisor(runtime: &Path, rest: &[OsString]) -> u8 {
    let words: Vec<String> = rest.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    log_to_file(&Runtime::new(runtime));
    let run =
        Inherited::from_arguments(runtime, &words).and_then(|i| supervise(runtime, i, &access));
    run.unwrap_or_else(|error| {
        tracing::error!(%error, "the supervisor ends");
        // For its guardian, who tells those who wait.
        let _ = writeln!(std::io::stderr(), "tmo: {error}");
        1
    })
}

/// What clients see of the journal.
fn access(plan: &Plan, runtime: &Path) -> JournalAccess {
    let echo = Arc::new(EchoLog::new(plan, runtime));
    JournalAccess { echo, history: Arc::new(RunHistory::new(plan, runtime)) }
}

/// `TMO_LOG` asks a command to tell what it does, on standard error.
pub(super) fn log_to_stderr() {
    if let Some(filter) = filter() {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // Fails only if it was set up before.
        let _ = log.try_init();
    }
}

/// With `TMO_LOG` the supervisor logs what it does to `tmo.log` in the directory of its journal.
fn log_to_file(runtime: &Runtime) {
    let (Some(filter), Ok(plan)) = (filter(), runtime.plan()) else { return };
    let dir = plan.log.dir.as_path();
    // The first run of a project has no journal yet. Where none can be made, there is no log.
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
