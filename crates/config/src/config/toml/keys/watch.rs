//! `watch`: the files whose changes restart a process.

use super::{
    At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned, TEXT_OR_TEXTS,
    TEXTS, Table, Type, Value, json, key_rows, plain, value,
};
use crate::model::plan::file_patterns::FilePatterns;
use crate::model::plan::rules::{FileWatch, Stage};
use crate::model::text::OsText;
use crate::model::units::written_span;

/// How long there is no further change, by default.
const DEBOUNCE_MS: u64 = 300;

/// `watch` as a table.
const WATCH: &[Key] = key_rows! {
    "paths", TEXT_OR_TEXTS, None,
        "The files: paths relative to the directory of this file, directories with all that is in them, and \
         patterns such as \"src/**/*.rs\". A path whose last part has no wildcard counts even if git ignores \
         it.";
    "ignore", TEXT_OR_TEXTS, Some("[]"),
        "Files that do not count although `paths` has them: patterns as in a .gitignore.";
    "gitignore", Type::Switch, Some("true"), "Whether files that git ignores do not count either.";
    "debounce", Type::Time, Some("\"300ms\""),
        "How long no further file may change before something is done. After 5 s, or ten times this if that \
         is longer, it is done in any case.";
    "run", Type::Text, None,
        "A command to run before the restart, such as \"cargo build\", by the shell of the process in its \
         directory and environment. If it fails, the old process goes on.";
    "signal", Type::Text, None,
        "A signal to send instead of the restart, such as \"HUP\". A process that has ended is started.";
};

pub struct Watch;

impl ProcessKey for Watch {
    /// Paths alone have the defaults.
    type Said = At<FileWatch>;
    const KEYS: &'static [Key] = key_rows! {
        "watch", Type::Either(&[Type::Text, TEXTS, Type::Table(&[WATCH])]), None,
            "The files whose changes restart the process: a path, a list of them, or a table. A process that \
             someone has stopped is not started, one that has failed is. `tmo watch` pauses it.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.watch));

    fn planned_value(process: &ProcessPlan) -> Option<Value> {
        let watch = process.rules.watch.as_ref()?;
        let mut words = json!({
            "paths": watch.paths,
            "ignore": watch.ignore,
            "gitignore": watch.gitignore,
            "debounce": written_span(watch.debounce_ms),
        });
        if let Some(run) = &watch.run {
            words["run"] = json!(run);
        }
        if let Some(signal) = watch.signal {
            words["signal"] = json!(signal);
        }
        Some(words)
    }

    fn parse(view: Table<'_, '_>) -> Self::Said {
        let at = view.key("watch")?;
        let table = view.table("watch").map(Spanned::into_inner);
        let paths = table.map_or_else(|| view.texts("watch"), |table| table.texts("paths"));
        if paths.is_empty() {
            let text = "`watch` names no files; give it `paths`, as in [\"src/**/*.rs\"]";
            view.mistakes.add(at, text);
            return None;
        }
        let ignore = table.map(|table| table.texts("ignore")).unwrap_or_default();
        let of_paths = paths.iter().map(|path| (path, FilePatterns::new([&**path.get_ref()], [])));
        let of_ignore =
            ignore.iter().map(|path| (path, FilePatterns::new([], [&**path.get_ref()])));
        for (pattern, built) in of_paths.chain(of_ignore) {
            if let Err(why) = built {
                view.mistakes.add(pattern.span(), why);
            }
        }
        let debounce = table.and_then(|table| table.time("debounce"));
        if let Some(long) = debounce.as_ref().filter(|ms| *ms.get_ref() > 60_000) {
            view.mistakes.add(long.span(), "`debounce` can be 60 s at most");
        }
        let run = table.and_then(|table| table.filled("run"));
        let gitignore = table.and_then(|table| table.switch("gitignore"));
        let rules = FileWatch {
            // `plan::merge` knows it.
            dir: OsText::default(),
            paths: plain(&paths),
            ignore: plain(&ignore),
            gitignore: gitignore.is_none_or(Spanned::into_inner),
            debounce_ms: debounce.map_or(DEBOUNCE_MS, Spanned::into_inner),
            run: run.map(|run| run.into_inner().into()),
            signal: table.and_then(|table| table.signal_name("signal")).map(Spanned::into_inner),
        };
        Some(Spanned::new(at, rules))
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
        if let Some(watch) = table.watch.as_ref().filter(|_| table.stage() == Stage::Cleanup) {
            let text = "a process of phase cleanup runs once, at the end; leave out `watch`";
            mistakes.add(watch.span(), text);
        }
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.watch = value(said);
    }
}
