//! `ready`: the checks that a process must pass to be ready.

use std::ops::Range;

use super::probe::{OWN_PORT, asked, bytes, written};
use super::{
    At, Diagnostics, Key, MILLIS, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned, Table,
    Type, Value, json, key,
};
use crate::model::rules::{Check, Probe};
use crate::model::units::written_span;

/// The kinds of checks.
const WAYS: &[&str] = &["log", "port", "http", "exec", "exit", "delay", "notify"];

/// One item of `ready`.
const ITEM: &[Key] = &[
    key("log", Type::Text, "It has printed a line that matches this regular expression."),
    key("ignore_case", Type::Switch, "With `log`: whether upper and lower case are the same.")
        .or("false"),
    key(
        "literal",
        Type::Switch,
        "With `log`: whether it is a literal text instead of an expression.",
    )
    .or("false"),
    key("port", OWN_PORT, "This port accepts connections; true means its own PORT."),
    key("host", Type::Text, "With `port`: the host to connect to.").or("\"127.0.0.1\""),
    key(
        "owner",
        Type::Word(&["auto", "tree", "any"]),
        "With `port`: whose listener counts. \"tree\": one of the process and what it has \
         started; \"any\": each; \"auto\": one of its own at once, another one after 3 \
         seconds, with a warning.",
    )
    .or("\"auto\""),
    key(
        "http",
        Type::Text,
        "A GET request for this http:// URL, or for this path at its own PORT, returns a status from 200 to 399.",
    ),
    key("exec", Type::Text, "This command, run by the shell, exits with 0."),
    key(
        "exit",
        Type::Number(0, 255),
        "The process has ended with this exit code. It can be combined neither with a check \
         by port or http nor with a restart after each end.",
    ),
    key("delay", Type::Time, "The process has run for this long."),
    key(
        "notify",
        Type::Switch,
        "It has sent READY=1 to its NOTIFY_SOCKET, as `systemd-notify --ready` and sd_notify(3) \
         do; what it or a process that it has started sends counts. Linux only.",
    ),
    key(
        "timeout",
        Type::Time,
        "How long the check may take to pass, from the start of the process; after that the \
         start has failed.",
    )
    .or("\"60s\""),
    key("timeout_ms", MILLIS, "The value of `timeout`, in milliseconds."),
    key("every", Type::Time, "The pause between two attempts.").or("\"250ms\""),
    key("every_ms", MILLIS, "The value of `every`, in milliseconds."),
];

pub struct Ready;

impl ProcessKey for Ready {
    type Said = At<Vec<Check>>;
    const KEYS: &'static [Key] = &[key(
        "ready",
        Type::Either(&[Type::Table(&[ITEM]), Type::List(&Type::Table(&[ITEM]))]),
        "A check, or a list of checks, all of which must pass before the process is ready. \
         Without any it is ready as soon as it runs. Each check is a table with one of log, \
         port, http, exec, exit, delay or notify.",
    )
    .or("[]")];
    const PLANNED: Planned = Some(|process| json!(process.rules.ready));

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        let span = view.get("ready")?.span();
        let mut checks = vec![];
        for one in view.tables("ready") {
            checks.extend(item(*one.get_ref(), one.span(), mistakes));
        }
        Some(Spanned::new(span, checks))
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
        let listens =
            |check: &Check| matches!(check.probe, Probe::Port { .. } | Probe::Http { .. });
        if table.ends_ready()
            && let Some(ready) = &table.ready
            && ready.get_ref().iter().any(listens)
        {
            let text = "a process that has ended (`exit`) takes no connections (`port`, `http`); \
                        keep one of them";
            mistakes.add(ready.span(), text);
        }
    }

    fn shown(process: &ProcessPlan) -> Option<Value> {
        let check = |check: &Check| {
            let mut words = written(&check.probe);
            let times = [
                ("timeout", check.timeout_ms, Check::TIMEOUT_MS),
                ("every", check.every_ms, Check::EVERY_MS),
            ];
            for (key, ms, _) in times.into_iter().filter(|(_, ms, usual)| ms != usual) {
                words.insert(key.to_owned(), written_span(ms).into());
            }
            Value::Object(words)
        };
        Some(process.rules.ready.iter().map(check).collect())
    }

    fn size(said: &Self::Said) -> usize {
        said.iter().flat_map(Spanned::get_ref).map(|check| bytes(&check.probe)).sum()
    }
}

impl ProcessTable {
    /// Whether it reports that it is ready.
    pub fn is_notified(&self) -> bool {
        let notify = |check: &Check| check.probe == Probe::Notify {};
        self.ready.as_ref().is_some_and(|ready| ready.get_ref().iter().any(notify))
    }

    /// Whether it is ready only when it has ended.
    pub fn ends_ready(&self) -> bool {
        let exit = |check: &Check| matches!(check.probe, Probe::Exit { .. });
        self.ready.as_ref().is_some_and(|ready| ready.get_ref().iter().any(exit))
    }
}

fn item(view: Table<'_, '_>, span: Range<usize>, mistakes: &mut Diagnostics) -> Option<Check> {
    let times = |keys: [&str; 2], usual: u64, mistakes: &mut Diagnostics| {
        let ways = [view.time(keys[0]), view.number(keys[1])];
        let said = view.either(ways, keys, mistakes);
        if let Some(zero) = said.as_ref().filter(|ms| *ms.get_ref() == 0) {
            mistakes.add(zero.span(), format!("`{}` must be longer than nothing", keys[0]));
        }
        said.map_or(usual, Spanned::into_inner)
    };
    let timeout_ms = times(["timeout", "timeout_ms"], Check::TIMEOUT_MS, mistakes);
    let every_ms = times(["every", "every_ms"], Check::EVERY_MS, mistakes);
    let probe = asked(view, span, WAYS, mistakes)?;
    if let (Probe::Delay { ms }, Some(at)) = (&probe, view.key("delay"))
        && *ms >= timeout_ms
    {
        mistakes.add(at, "this `delay` is no shorter than `timeout`; give it a longer one");
    }
    Some(Check { probe, timeout_ms, every_ms })
}
