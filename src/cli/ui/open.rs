//! What the interface needs to know before it begins.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::cli::error::CliError;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::{Source, unreadable};
use crate::config::Env;
use crate::journal::IndexReader;
use crate::journal::ingest::whole_index;
use crate::model::state::{ProcessConfig, ProcessState};
use crate::model::{ProcName, ProcessStatus};
use crate::run::lock;
use crate::ui::draw::theme::Theme;
use crate::ui::keys::actions::ACTIONS;
use crate::ui::pages::Journal;
use crate::ui::term::clipboard::Places;

/// The journal of an instance. Without a supervisor, what nobody has indexed is indexed in memory.
pub(super) fn journal_of(instance: &Instance, source: &Source) -> Result<Journal, CliError> {
    let dir = instance.runtime.dir().to_owned();
    let (dirs, streams) = (source.dirs.clone(), source.streams.clone());
    let open = move || {
        let supervised = lock::is_held(&dir).unwrap_or(false);
        if supervised {
            return Ok(IndexReader::open(&dirs));
        }
        whole_index(&dirs, &streams)
    };
    Journal::new(source.dirs.clone(), Box::new(open)).map_err(unreadable)
}

/// The processes of a run that is over, as far as its journal knows them.
pub(super) fn processes_of(source: &Source) -> Vec<ProcessState> {
    let mut seen = HashSet::<ProcName>::new();
    let streams = source.streams.iter().filter(|stream| seen.insert(stream.name.clone()));
    let processes = streams.map(|stream| ProcessState {
        config: ProcessConfig { color: stream.color, ..ProcessConfig::default() },
        ..ProcessState::new(stream.name.clone(), ProcessStatus::Stopped, None)
    });
    processes.collect()
}

/// The name of a project without a run.
pub(super) fn title_of(instance: &Instance) -> String {
    let dir = instance.socket.path.parent().and_then(Path::file_name);
    dir.map_or(String::new(), |dir| dir.display().to_string())
}

pub(super) fn theme(env: &Env) -> Theme {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env.caller(name));
    let locale = locale.and_then(|locale| locale.to_str()).unwrap_or("C.UTF-8").to_uppercase();
    let is_utf8 = locale.contains("UTF-8") || locale.contains("UTF8");
    // Nearly every terminal shows UTF-8, whatever a missing locale says.
    let is_plain = locale == "C" || locale == "POSIX";
    Theme { color: env.caller("NO_COLOR").is_none(), ascii: !is_utf8 && !is_plain }
}

pub(super) fn places(env: &Env) -> Places {
    let is_set = |name| env.caller(name).is_some();
    Places { tmux: is_set("TMUX"), wayland: is_set("WAYLAND_DISPLAY"), x11: is_set("DISPLAY") }
}

/// The keys, as text.
pub(super) fn keys_of_all_actions() -> String {
    let mut text = String::new();
    let mut group = "";
    for entry in ACTIONS {
        if entry.action.group() != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            group = entry.action.group();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{gap}{group}");
        }
        let keys = entry.key_names().join(" ");
        let _ = writeln!(text, "  {keys:<15} {:<17} {}", entry.name, entry.help);
    }
    text
}
