//! `ready` and `live`: the checks of a process, and the probes that they have in common.

use std::ops::Range;

use serde_json::Map;

use super::output::pattern;
use super::{
    ACTIONS, At, Diagnostics, Key, MILLIS, PORT, Planned, ProcessKey, ProcessPlan, ProcessTable,
    Spanned, Table, Type, Value, json, key_rows,
};
use crate::config::toml::validate::number;
use crate::model::plan::rules::{Check, Liveness, PortOwner, Probe, Reaction};
use crate::model::units::written_span;

/// A port number, or the port that tmo assigns to the process (`$PORT`).
const OWN_PORT: Type = Type::Either(&[PORT, Type::Switch]);

/// A probe in the syntax of a `tmo.toml`, without default values.
fn written(probe: &Probe) -> Map<String, Value> {
    let mut words = Map::new();
    let mut word = |key: &str, value: Value| _ = words.insert(key.to_owned(), value);
    match probe {
        Probe::Log(text) => {
            word("log", json!(text.pattern));
            if text.any_case {
                word("ignore_case", json!(true));
            }
            if !text.regex {
                word("literal", json!(true));
            }
        }
        Probe::Port { host, port, owner } => {
            word("port", json!(port));
            if host != Probe::HERE {
                word("host", json!(host));
            }
            if *owner != PortOwner::Auto {
                word("owner", json!(owner));
            }
        }
        Probe::Http { url } => word("http", json!(url)),
        Probe::Exec { command } => word("exec", json!(command)),
        Probe::Exit { code } => word("exit", json!(code)),
        Probe::Delay { ms } => word("delay", json!(written_span(*ms))),
        Probe::Notify {} => word("notify", json!(true)),
        Probe::Watchdog { ms } => word("watchdog", json!(written_span(*ms))),
    }
    words
}

/// The one check that is configured.
fn probe(view: Table<'_, '_>, span: Range<usize>, ways: &[&str]) -> Option<Probe> {
    let there: Vec<&str> = ways.iter().copied().filter(|key| view.get(key).is_some()).collect();
    let list = ways.join(", ");
    let [way] = there[..] else {
        let second = there.get(1).and_then(|key| view.key(key));
        match second {
            None => {
                let text = format!("this asks for nothing; give it one of {list}");
                view.mistakes.add(span, text);
            }
            Some(at) => {
                let text = "this asks for two things at once; make a check of each";
                view.mistakes.add(at, text);
            }
        }
        return None;
    };
    for (key, of) in
        [("ignore_case", "log"), ("literal", "log"), ("host", "port"), ("owner", "port")]
    {
        if let Some(at) = view.key(key).filter(|_| way != of) {
            view.mistakes.add(at, format!("`{key}` means nothing without `{of}`"));
        }
    }
    Some(match way {
        "port" => port(view)?,
        "log" => {
            let regex = !view.is_on("literal");
            let any_case = view.is_on("ignore_case");
            Probe::Log(pattern(&view.text("log")?, regex, any_case, view.mistakes))
        }
        "http" => Probe::Http { url: url(&view.text("http")?, view.mistakes)? },
        "exec" => Probe::Exec { command: view.filled("exec")?.into_inner().into() },
        "exit" => Probe::Exit { code: view.number("exit")?.into_inner() },
        "notify" => notify(view)?,
        "watchdog" => Probe::Watchdog { ms: view.time("watchdog")?.into_inner() },
        _ => Probe::Delay { ms: view.time("delay")?.into_inner() },
    })
}

fn port(view: Table<'_, '_>) -> Option<Probe> {
    let host = match view.get("host") {
        Some(_) => view.filled("host")?.into_inner(),
        None => Probe::HERE.to_owned(),
    };
    let owner = view.word("owner").map_or(PortOwner::Auto, Spanned::into_inner);
    let value = view.get("port")?;
    let port = match value.get_ref().as_bool() {
        Some(true) => Probe::ITS_PORT,
        Some(false) => {
            let text = "`port = false` asks for nothing; write a number, or true for its PORT";
            view.mistakes.add(value.span(), text);
            return None;
        }
        None => u16::try_from(number(value.get_ref())?).ok()?,
    };
    Some(Probe::Port { host, port, owner })
}

fn notify(view: Table<'_, '_>) -> Option<Probe> {
    let value = view.switch("notify")?;
    if !value.get_ref() {
        let text = "`notify = false` asks for nothing; write true, or leave it out";
        view.mistakes.add(value.span(), text);
        return None;
    }
    Some(Probe::Notify {})
}

/// A URL that can be probed, or a path, which is one of its own PORT.
fn url(at: &Spanned<String>, mistakes: &Diagnostics) -> Option<String> {
    let url = at.get_ref();
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if url.starts_with('/') && !url.contains(odd) {
        return Some(url.clone());
    }
    let Some(rest) = url.strip_prefix("http://") else {
        let text = if url.starts_with("https://") {
            "https is not spoken here; ask with `exec = \"curl -fsS …\"`"
        } else {
            "an address begins with http://, as in http://127.0.0.1:8080/health; a path such as /health is at its own PORT"
        };
        mistakes.add(at.span(), text);
        return None;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        Some(_) | None => (host, None),
    };
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if name.is_empty() || !good_port || url.contains(odd) {
        let text = "an address is of the form http://host:port/path; a path such as /health is at its own PORT";
        mistakes.add(at.span(), text);
        return None;
    }
    Some(url.clone())
}

/// The kinds of checks.
const READY_PROBES: &[&str] = &["log", "port", "http", "exec", "exit", "delay", "notify"];

/// One item of `ready`.
const READY: &[Key] = key_rows! {
    "log", Type::Text, None, "It has printed a line that matches this regular expression.";
    "ignore_case", Type::Switch, Some("false"),
        "With `log`: whether upper and lower case are the same.";
    "literal", Type::Switch, Some("false"),
        "With `log`: whether it is a literal text instead of an expression.";
    "port", OWN_PORT, None, "This port accepts connections; true means its own PORT.";
    "host", Type::Text, Some("\"127.0.0.1\""), "With `port`: the host to connect to.";
    "owner", Type::Word(&["auto", "tree", "any"]), Some("\"auto\""),
        "With `port`: whose listener counts. \"tree\": one of the process and what it has started; \"any\": \
         each; \"auto\": one of its own at once, another one after 3 seconds, with a warning.";
    "http", Type::Text, None,
        "A GET request for this http:// URL, or for this path at its own PORT, returns a status from 200 to \
         399.";
    "exec", Type::Text, None, "This command, run by the shell, exits with 0.";
    "exit", Type::Number(0, 255), None,
        "The process has ended with this exit code. It can be combined neither with a check by port or http \
         nor with a restart after each end.";
    "delay", Type::Time, None, "The process has run for this long.";
    "notify", Type::Switch, None,
        "It has sent READY=1 to its NOTIFY_SOCKET, as `systemd-notify --ready` and sd_notify(3) do; what it \
         or a process that it has started sends counts. Linux only.";
    "timeout", Type::Time, Some("\"60s\""),
        "How long the check may take to pass, from the start of the process; after that the start has \
         failed.";
    "timeout_ms", MILLIS, None, "The value of `timeout`, in milliseconds.";
    "every", Type::Time, Some("\"250ms\""), "The pause between two attempts.";
    "every_ms", MILLIS, None, "The value of `every`, in milliseconds.";
};

pub struct Ready;

impl ProcessKey for Ready {
    type Said = At<Vec<Check>>;
    const KEYS: &'static [Key] = key_rows! {
        "ready", Type::Either(&[Type::Table(&[READY]), Type::List(&Type::Table(&[READY]))]), Some("[]"),
            "A check, or a list of checks, all of which must pass before the process is ready. Without any \
             it is ready as soon as it runs. Each check is a table with one of log, port, http, exec, exit, \
             delay or notify.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.ready));

    fn parse(view: Table<'_, '_>) -> Self::Said {
        let span = view.get("ready")?.span();
        let checks = view.tables("ready").iter().filter_map(check).collect();
        Some(Spanned::new(span, checks))
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
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

    fn planned_value(process: &ProcessPlan) -> Option<Value> {
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

fn check(found: &Spanned<Table<'_, '_>>) -> Option<Check> {
    let view = *found.get_ref();
    let time = |keys: [&str; 2], usual: u64| {
        let said = view.either([view.time(keys[0]), view.number(keys[1])], keys);
        if let Some(zero) = said.as_ref().filter(|ms| *ms.get_ref() == 0) {
            view.mistakes.add(zero.span(), format!("`{}` must be longer than nothing", keys[0]));
        }
        said.map_or(usual, Spanned::into_inner)
    };
    let timeout_ms = time(["timeout", "timeout_ms"], Check::TIMEOUT_MS);
    let every_ms = time(["every", "every_ms"], Check::EVERY_MS);
    let probe = probe(view, found.span(), READY_PROBES)?;
    if let (Probe::Delay { ms }, Some(at)) = (&probe, view.key("delay"))
        && *ms >= timeout_ms
    {
        let text = "this `delay` is no shorter than `timeout`; give it a longer one";
        view.mistakes.add(at, text);
    }
    Some(Check { probe, timeout_ms, every_ms })
}

/// The kinds of checks.
const LIVE_PROBES: &[&str] = &["port", "http", "exec", "watchdog"];

/// `live`.
const LIVE: &[Key] = key_rows! {
    "port", OWN_PORT, None, "This port accepts connections; true means its own PORT.";
    "host", Type::Text, Some("\"127.0.0.1\""), "With `port`: the host to connect to.";
    "http", Type::Text, None,
        "A GET request for this http:// URL, or for this path at its own PORT, returns a status from 200 to \
         399.";
    "exec", Type::Text, None, "This command, run by the shell, exits with 0.";
    "watchdog", Type::Time, None,
        "From READY=1 on, it sends WATCHDOG=1 to its NOTIFY_SOCKET at least this often (WATCHDOG_USEC tells \
         it). Needs `ready = { notify = true }`; the first silence counts.";
    "every", Type::Time, Some("\"10s\""), "The pause between two attempts.";
    "timeout", Type::Time, Some("\"2s\""), "How long an attempt may take.";
    "failures", Type::Number(1, 1_000_000), Some("3"),
        "How many attempts must fail in a row before the action is taken.";
    "action", Type::Word(ACTIONS), Some("\"restart\""),
        "What happens then: \"restart\"; \"break\" stops the process until someone starts it; \"notify\" \
         only reports the failure.";
};

pub struct Live;

impl ProcessKey for Live {
    type Said = At<Liveness>;
    const KEYS: &'static [Key] = key_rows! {
        "live", Type::Table(&[LIVE]), None,
            "A check that is repeated while the process is ready: a table with one of port, http, exec or \
             watchdog. If it fails several times in a row, the action is taken.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.live));

    fn planned_value(process: &ProcessPlan) -> Option<Value> {
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

    fn parse(view: Table<'_, '_>) -> Self::Said {
        let span = view.key("live")?;
        let view = view.table("live")?.into_inner();
        let probe = probe(view, span.clone(), LIVE_PROBES)?;
        let is_fed = matches!(probe, Probe::Watchdog { .. });
        for key in ["every", "timeout", "failures"] {
            if let Some(at) = view.key(key).filter(|_| is_fed) {
                view.mistakes.add(at, format!("`{key}` means nothing with `watchdog`"));
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
                view.mistakes.add(at, format!("`{key}` must be longer than nothing"));
            }
        }
        Some(Spanned::new(span, live))
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
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
}
