//! `live`: a periodic check whether a process still works.

use super::probe::{OWN_PORT, asked, bytes, written};
use super::{
    ACTIONS, At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned, Table,
    Type, Value, json, key,
};
use crate::model::rules::{Liveness, Probe, Reaction};
use crate::model::units::written_span;

/// The kinds of checks.
const WAYS: &[&str] = &["port", "http", "exec", "watchdog"];

/// `live`.
const LIVE: &[Key] = &[
    key("port", OWN_PORT, "This port accepts connections; true means its own PORT."),
    key("host", Type::Text, "With `port`: the host to connect to.").or("\"127.0.0.1\""),
    key(
        "http",
        Type::Text,
        "A GET request for this http:// URL, or for this path at its own PORT, returns a status from 200 to 399.",
    ),
    key("exec", Type::Text, "This command, run by the shell, exits with 0."),
    key(
        "watchdog",
        Type::Time,
        "From READY=1 on, it sends WATCHDOG=1 to its NOTIFY_SOCKET at least this often \
         (WATCHDOG_USEC tells it). Needs `ready = { notify = true }`; the first silence counts.",
    ),
    key("every", Type::Time, "The pause between two attempts.").or("\"10s\""),
    key("timeout", Type::Time, "How long an attempt may take.").or("\"2s\""),
    key(
        "failures",
        Type::Number(1, 1_000_000),
        "How many attempts must fail in a row before the action is taken.",
    )
    .or("3"),
    key(
        "action",
        Type::Word(ACTIONS),
        "What happens then: \"restart\"; \"break\" stops the process until someone starts it; \
         \"notify\" only reports the failure.",
    )
    .or("\"restart\""),
];

pub struct Live;

impl ProcessKey for Live {
    type Said = At<Liveness>;
    const KEYS: &'static [Key] = &[key(
        "live",
        Type::Table(&[LIVE]),
        "A check that is repeated while the process is ready: a table with one of port, http, \
         exec or watchdog. If it fails several times in a row, the action is taken.",
    )];
    const PLANNED: Planned = Some(|process| json!(process.rules.live));

    fn shown(process: &ProcessPlan) -> Option<Value> {
        let live = process.rules.live.as_ref()?;
        let mut words = written(&live.probe);
        if !matches!(live.probe, Probe::Watchdog { .. }) {
            words.insert("every".into(), written_span(live.every_ms).into());
            words.insert("timeout".into(), written_span(live.timeout_ms).into());
            words.insert("failures".into(), live.failures.into());
        }
        words.insert("action".into(), json!(live.action));
        Some(words.into())
    }

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let (span, view) = (view.key("live")?, view.table("live")?.into_inner());
        let probe = asked(view, span.clone(), WAYS, mistakes)?;
        let is_fed = matches!(probe, Probe::Watchdog { .. });
        for key in ["every", "timeout", "failures"] {
            if let Some(at) = view.key(key).filter(|_| is_fed) {
                mistakes.add(at, format!("`{key}` means nothing with `watchdog`"));
            }
        }
        let usual_failures = if is_fed { 1 } else { 3 };
        let time = |key: &str, usual: u64| view.time(key).map_or(usual, Spanned::into_inner);
        let live = Liveness {
            probe,
            every_ms: time("every", 10_000),
            timeout_ms: time("timeout", 2000),
            failures: view.number("failures").map_or(usual_failures, Spanned::into_inner),
            action: view.word("action").map_or(Reaction::Restart, Spanned::into_inner),
        };
        let watchdog = if let Probe::Watchdog { ms } = live.probe { ms } else { 1 };
        let times =
            [("every", live.every_ms), ("timeout", live.timeout_ms), ("watchdog", watchdog)];
        for (key, ms) in times {
            if let (0, Some(at)) = (ms, view.key(key)) {
                mistakes.add(at, format!("`{key}` must be longer than nothing"));
            }
        }
        Some(Spanned::new(span, live))
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
        if let Some(live) = table.live.as_ref().filter(|_| table.ends_ready()) {
            let text = "it is ready when it has ended (`exit`), so nothing is left to ask; \
                        leave out `live`";
            mistakes.add(live.span(), text);
        } else if let Some(live) = &table.live
            && matches!(live.get_ref().probe, Probe::Watchdog { .. })
            && !table.is_notified()
        {
            let text = "`watchdog` counts from the report that the process is ready; add \
                        `ready = { notify = true }`";
            mistakes.add(live.span(), text);
        }
    }

    fn size(said: &Self::Said) -> usize {
        said.as_ref().map_or(0, |live| bytes(&live.get_ref().probe))
    }
}
