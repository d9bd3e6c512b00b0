//! The probes that `ready` and `live` have in common.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::pattern::pattern;
use super::{Diagnostics, ITEM_BYTES, PORT, Spanned, Table, Type};
use crate::config::toml::validate::number;
use crate::model::rules::{PortOwner, Probe};
use crate::model::units::written_span;

/// A port number, or the port that tmo assigns to the process (`$PORT`).
pub(super) const OWN_PORT: Type = Type::Either(&[PORT, Type::Switch]);

/// The memory that this check takes.
pub(super) fn bytes(probe: &Probe) -> usize {
    let text = match probe {
        Probe::Log(text) => text.pattern.len(),
        Probe::Port { host, .. } => host.len(),
        Probe::Http { url } => url.len(),
        Probe::Exec { command } => command.as_bytes().len(),
        Probe::Exit { .. } | Probe::Delay { .. } | Probe::Notify {} | Probe::Watchdog { .. } => 0,
    };
    text + ITEM_BYTES
}

/// A probe in the syntax of a `tmo.toml`, without default values.
pub(super) fn written(probe: &Probe) -> Map<String, Value> {
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
pub(super) fn asked(
    view: Table<'_, '_>,
    span: Range<usize>,
    ways: &[&str],
    mistakes: &mut Diagnostics,
) -> Option<Probe> {
    let there: Vec<&str> = ways.iter().copied().filter(|key| view.get(key).is_some()).collect();
    let list = ways.join(", ");
    let [way] = there[..] else {
        let second = there.get(1).and_then(|key| view.key(key));
        match second {
            None => mistakes.add(span, format!("this asks for nothing; give it one of {list}")),
            Some(at) => {
                let text = "this asks for two things at once; make a check of each";
                mistakes.add(at, text);
            }
        }
        return None;
    };
    for (key, of) in
        [("ignore_case", "log"), ("literal", "log"), ("host", "port"), ("owner", "port")]
    {
        if let Some(at) = view.key(key).filter(|_| way != of) {
            mistakes.add(at, format!("`{key}` means nothing without `{of}`"));
        }
    }
    Some(match way {
        "port" => port(view, mistakes)?,
        "log" => {
            let switch = |key| view.switch(key).is_some_and(Spanned::into_inner);
            let how = (!switch("literal"), switch("ignore_case"));
            Probe::Log(pattern(&view.text("log")?, how, mistakes))
        }
        "http" => Probe::Http { url: url(&view.text("http")?, mistakes)? },
        "exec" => Probe::Exec { command: view.filled("exec", mistakes)?.into_inner().into() },
        "exit" => Probe::Exit { code: view.number("exit")?.into_inner() },
        "notify" => notify(view, mistakes)?,
        "watchdog" => Probe::Watchdog { ms: view.time("watchdog")?.into_inner() },
        _ => Probe::Delay { ms: view.time("delay")?.into_inner() },
    })
}

fn port(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Option<Probe> {
    let host = match view.get("host") {
        Some(_) => view.filled("host", mistakes)?.into_inner(),
        None => Probe::HERE.to_owned(),
    };
    let owner = view.word("owner").map_or(PortOwner::Auto, Spanned::into_inner);
    let value = view.get("port")?;
    let port = match value.get_ref().as_bool() {
        Some(true) => Probe::ITS_PORT,
        Some(false) => {
            let text = "`port = false` asks for nothing; write a number, or true for its PORT";
            mistakes.add(value.span(), text);
            return None;
        }
        None => u16::try_from(number(value.get_ref())?).ok()?,
    };
    Some(Probe::Port { host, port, owner })
}

fn notify(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Option<Probe> {
    let value = view.switch("notify")?;
    if !value.get_ref() {
        let text = "`notify = false` asks for nothing; write true, or leave it out";
        mistakes.add(value.span(), text);
        return None;
    }
    Some(Probe::Notify {})
}

/// A URL that can be probed, or a path, which is one of its own PORT.
fn url(at: &Spanned<String>, mistakes: &mut Diagnostics) -> Option<String> {
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
