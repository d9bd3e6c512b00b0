//! `watch`: the files whose changes restart a process.

use super::{
    At, Diagnostics, ITEM_BYTES, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned,
    TEXT_OR_TEXTS, TEXTS, Table, Type, Value, json, key,
};
use crate::model::file_patterns::FilePatterns;
use crate::model::rules::{FileWatch, Stage};
use crate::model::signal::SignalName;
use crate::model::text::OsText;
use crate::model::units::written_span;

/// How long there is no further change, by default.
const DEBOUNCE_MS: u64 = 300;
/// The longest such time: later changes are acted on anyway.
const LONGEST_DEBOUNCE_MS: u64 = 60_000;

/// `watch` as a table.
const WATCH: &[Key] = &[
    key(
        "paths",
        TEXT_OR_TEXTS,
        "The files: paths relative to the directory of this file, directories with all that is in \
         them, and patterns such as \"src/**/*.rs\". A path whose last part has no wildcard counts even if git \
         ignores it.",
    ),
    key(
        "ignore",
        TEXT_OR_TEXTS,
        "Files that do not count although `paths` has them: patterns as in a .gitignore.",
    )
    .or("[]"),
    key("gitignore", Type::Switch, "Whether files that git ignores do not count either.")
        .or("true"),
    key(
        "debounce",
        Type::Time,
        "How long no further file may change before something is done. After 5 s, or ten times this if \
         that is longer, it is done in any case.",
    )
    .or("\"300ms\""),
    key(
        "run",
        Type::Text,
        "A command to run before the restart, such as \"cargo build\", by the shell of the process in \
         its directory and environment. If it fails, the old process goes on.",
    ),
    key(
        "signal",
        Type::Text,
        "A signal to send instead of the restart, such as \"HUP\". A process that has ended is \
         started.",
    ),
];

/// `watch`; paths alone have the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchTable {
    paths: Vec<Spanned<String>>,
    /// All else.
    pub rules: FileWatch,
}

pub struct Watch;

impl ProcessKey for Watch {
    type Said = At<WatchTable>;
    const KEYS: &'static [Key] = &[key(
        "watch",
        Type::Either(&[Type::Text, TEXTS, Type::Table(&[WATCH])]),
        "The files whose changes restart the process: a path, a list of them, or a table. A process \
         that someone has stopped is not started, one that has failed is. `tmo watch` pauses it.",
    )];
    const PLANNED: Planned = Some(|process| json!(process.rules.watch));

    fn shown(process: &ProcessPlan) -> Option<Value> {
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

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let at = view.key("watch")?;
        let table = view.table("watch").map(Spanned::into_inner);
        let (paths, ignore) = match table {
            Some(table) => (table.texts("paths"), table.texts("ignore")),
            None => (view.texts("watch"), vec![]),
        };
        if paths.is_empty() {
            mistakes.add(at, "`watch` names no files; give it `paths`, as in [\"src/**/*.rs\"]");
            return None;
        }
        for (list, is_path) in [(&paths, true), (&ignore, false)] {
            for pattern in list {
                let one = [pattern.get_ref().as_str()];
                let built =
                    if is_path { FilePatterns::new(one, []) } else { FilePatterns::new([], one) };
                if let Err(why) = built {
                    mistakes.add(pattern.span(), why);
                }
            }
        }
        let debounce = table.and_then(|table| table.time("debounce"));
        if let Some(long) = debounce.as_ref().filter(|ms| *ms.get_ref() > LONGEST_DEBOUNCE_MS) {
            mistakes.add(long.span(), "`debounce` can be 60 s at most");
        }
        let run = table.and_then(|table| table.filled("run", mistakes));
        let signal = table.and_then(|table| table.text("signal"));
        let signal = signal.and_then(|text| match text.get_ref().parse::<SignalName>() {
            Ok(signal) => Some(signal),
            Err(error) => {
                mistakes.add(text.span(), error.to_string());
                None
            }
        });
        let plain = |list: &[Spanned<String>]| list.iter().map(|s| s.get_ref().clone()).collect();
        let gitignore = table.and_then(|table| table.switch("gitignore"));
        let rules = FileWatch {
            // `plan::merge` knows it.
            dir: OsText::default(),
            paths: plain(&paths),
            ignore: plain(&ignore),
            gitignore: gitignore.is_none_or(Spanned::into_inner),
            debounce_ms: debounce.map_or(DEBOUNCE_MS, Spanned::into_inner),
            run: run.map(|run| run.into_inner().into()),
            signal,
        };
        Some(Spanned::new(at, WatchTable { paths, rules }))
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
        if let Some(watch) = table.watch.as_ref().filter(|_| table.stage() == Stage::Cleanup) {
            let text = "a process of phase cleanup runs once, at the end; leave out `watch`";
            mistakes.add(watch.span(), text);
        }
    }

    fn size(said: &Self::Said) -> usize {
        let Some(watch) = said else { return 0 };
        let rules = &watch.get_ref().rules;
        let texts = rules.paths.iter().chain(&rules.ignore);
        let run = rules.run.as_ref().map_or(0, |run| run.as_bytes().len());
        run + texts.map(|text| text.len() + ITEM_BYTES).sum::<usize>()
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.watch = said.as_ref().map(|watch| watch.get_ref().rules.clone());
    }
}
