//! `ready` and `live`: ways to find out about a process.

use std::ops::Range;

use ::toml::Spanned;

use super::problem::Mistakes;
use super::read::{action, either, pattern, said, word};
use super::shape::{At, View, number};
use super::table::{Asked, LiveTable, ReadyCheck};
use crate::model::rules::{Action, Check, PortOwner, Probe};

/// Where a port is looked for if nothing is said.
const HERE: &str = "127.0.0.1";

/// What may be asked before a process is ready.
const OF_READY: &[&str] = &["log", "port", "http", "exec", "exit", "delay"];
/// What may be asked again and again.
const OF_LIVE: &[&str] = &["port", "http", "exec"];

/// `ready`.
pub(super) fn ready(view: View<'_, '_>, mistakes: &mut Mistakes) -> At<Vec<ReadyCheck>> {
    let span = view.get("ready")?.span();
    let mut checks = vec![];
    for item in view.tables("ready") {
        checks.extend(check(*item.get_ref(), item.span(), mistakes));
    }
    Some(Spanned::new(span, checks))
}

fn check(view: View<'_, '_>, span: Range<usize>, mistakes: &mut Mistakes) -> Option<ReadyCheck> {
    let times = |keys: [&str; 3], usual: u64, mistakes: &mut Mistakes| {
        let ways = [view.time(keys[0]), view.number(keys[1]), None];
        let said = either(view, ways, keys, mistakes);
        if let Some(zero) = said.as_ref().filter(|ms| *ms.get_ref() == 0) {
            mistakes.add(zero.span(), format!("`{}` must be longer than nothing", keys[0]));
        }
        said.map_or(usual, Spanned::into_inner)
    };
    let timeout_ms = times(["timeout", "timeout_ms", ""], Check::TIMEOUT_MS, mistakes);
    let every_ms = times(["every", "every_ms", ""], Check::EVERY_MS, mistakes);
    let asked = asked(view, span, OF_READY, mistakes)?;
    if let (Asked::Probe(Probe::Delay { ms }), Some(at)) = (&asked, view.key("delay"))
        && *ms >= timeout_ms
    {
        mistakes.add(at, "this `delay` is no shorter than `timeout`; give it a longer one");
    }
    Some(ReadyCheck { asked, timeout_ms, every_ms })
}

/// `live`.
pub(super) fn live(view: View<'_, '_>, mistakes: &mut Mistakes) -> At<LiveTable> {
    let (span, view) = (view.key("live")?, *view.table("live")?.get_ref());
    let asked = asked(view, span.clone(), OF_LIVE, mistakes)?;
    let time = |key: &str, usual: u64| view.time(key).map_or(usual, Spanned::into_inner);
    let live = LiveTable {
        asked,
        every_ms: time("every", 10_000),
        timeout_ms: time("timeout", 2000),
        failures: view.number("failures").map_or(3, Spanned::into_inner),
        action: word(view, "action", action).map_or(Action::Restart, Spanned::into_inner),
    };
    for (key, ms) in [("every", live.every_ms), ("timeout", live.timeout_ms)] {
        if let (0, Some(at)) = (ms, view.key(key)) {
            mistakes.add(at, format!("`{key}` must be longer than nothing"));
        }
    }
    Some(Spanned::new(span, live))
}

/// The one thing that is asked.
fn asked(
    view: View<'_, '_>,
    span: Range<usize>,
    ways: &[&str],
    mistakes: &mut Mistakes,
) -> Option<Asked> {
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
    let probe = match way {
        "port" => return port(view, mistakes),
        "log" => {
            let switch = |key| view.switch(key).is_some_and(Spanned::into_inner);
            let how = (!switch("literal"), switch("ignore_case"));
            Probe::Log(pattern(&view.text("log")?, how, mistakes))
        }
        "http" => Probe::Http { url: url(&view.text("http")?, mistakes)? },
        "exec" => Probe::Exec { command: said(view, "exec", mistakes)?.into_inner().into() },
        "exit" => Probe::Exit { code: view.number("exit")?.into_inner() },
        _ => Probe::Delay { ms: view.time("delay")?.into_inner() },
    };
    Some(Asked::Probe(probe))
}

fn port(view: View<'_, '_>, mistakes: &mut Mistakes) -> Option<Asked> {
    let host = match view.get("host") {
        Some(_) => said(view, "host", mistakes)?.into_inner(),
        None => HERE.to_owned(),
    };
    let owner = word(view, "owner", port_owner).map_or(PortOwner::Auto, Spanned::into_inner);
    let value = view.get("port")?;
    if let Some(own) = value.get_ref().as_bool() {
        if !own {
            let text = "`port = false` asks for nothing; write a number, or true for its PORT";
            mistakes.add(value.span(), text);
        }
        return own.then_some(Asked::OwnPort(host, owner));
    }
    let port = u16::try_from(number(value.get_ref())?).ok()?;
    Some(Asked::Probe(Probe::Port { host, port, owner }))
}

fn port_owner(word: &str) -> Option<PortOwner> {
    match word {
        "auto" => Some(PortOwner::Auto),
        "tree" => Some(PortOwner::Tree),
        "any" => Some(PortOwner::Any),
        _ => None,
    }
}

/// An address that can be asked.
fn url(at: &Spanned<String>, mistakes: &mut Mistakes) -> Option<String> {
    let url = at.get_ref();
    let Some(rest) = url.strip_prefix("http://") else {
        let text = if url.starts_with("https://") {
            "https is not spoken here; ask with `exec = \"curl -fsS …\"`"
        } else {
            "an address begins with http://, as in http://127.0.0.1:8080/health"
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
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || !good_port || url.contains(odd) {
        mistakes.add(at.span(), "an address is of the form http://host:port/path");
        return None;
    }
    Some(url.clone())
}
