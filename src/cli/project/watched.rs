//! What of `watch` in `tmo.toml` has no effect at present.

use std::collections::BTreeSet;
use std::path::Path;

use super::input::Start;
use crate::cli::runtime;
use crate::config::place::git::GitRules;
use crate::model::file_change::WatchMode;
use crate::model::limits::TOLD;
use crate::model::plan::Plan;
use crate::model::plan::file_patterns::{fixed_part, is_of_a_tool};
use crate::model::plan::rules::FileWatch;

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
pub(in crate::cli) fn stale(start: &Start) -> Vec<String> {
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
