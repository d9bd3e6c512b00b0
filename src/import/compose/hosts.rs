//! Where a service that runs here finds the others.

use std::collections::BTreeMap;

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::node::{SourceNode, SourcePlace, SourceValue};
use super::super::process::ImportedProcess;
use super::super::references::References;

/// What all services need to know.
pub(super) struct ComposeProject {
    /// `docker compose`, with the file if it has to be named.
    pub(super) client: String,
    pub(super) references: References,
    /// How each service is reached from this machine.
    pub(super) hosts: BTreeMap<String, ServiceHost>,
}

/// Where what a service listens on is found from outside its container.
pub(super) struct ServiceHost {
    pub(super) is_local: bool,
    /// It runs only with one of its profiles.
    pub(super) has_profile: bool,
    /// Its ports inside its container and on this machine.
    pub(super) published: Vec<(String, String)>,
}

/// The ports of a service: inside its container, and on this machine.
pub(super) fn published(fields: &Fields) -> Result<Vec<(String, String)>, ImportError> {
    let Some(node) = fields.get("ports") else { return Ok(vec![]) };
    let items = match &node.value {
        SourceValue::List(items) => items.clone(),
        _ => vec![node.clone()],
    };
    let mut ports = vec![];
    for item in items {
        let pair = if let SourceValue::Table(_) = item.value {
            let mut port = Fields::of(item, "ports")?;
            let target = port.text("target")?.map(|text| text.value);
            target.zip(port.text("published")?.map(|text| text.value))
        } else {
            let text = item.text("ports")?;
            let text = text.split('/').next().unwrap_or_default();
            let mut parts = text.rsplitn(3, ':');
            let inside = parts.next().map(str::to_owned);
            inside.zip(parts.next().map(str::to_owned))
        };
        ports.extend(pair);
    }
    Ok(ports)
}

/// How ports are written.
pub(super) fn published_inside(node: &SourceNode) -> Result<Vec<String>, ImportError> {
    let SourceValue::List(items) = &node.value else { return Ok(vec![]) };
    let texts = items.iter().map(|item| match &item.value {
        SourceValue::Table(_) => {
            let target = Fields::of(item.clone(), "ports")?.text("target")?;
            Ok(target.map_or_else(String::new, |target| target.value))
        }
        _ => item.clone().text("ports"),
    });
    texts.collect()
}

/// The ends of names of variables whose values are hosts.
const HOSTS: [&str; 5] = ["HOST", "HOSTNAME", "ADDR", "ADDRESS", "HOSTS"];

/// A value in which other services are reached from this machine.
pub(super) fn reached(
    project: &ComposeProject,
    variable: &str,
    value: &str,
    place: &SourcePlace,
    process: &mut ImportedProcess,
) -> String {
    let mut result = value.to_owned();
    for (name, host) in &project.hosts {
        let Some((before, after)) = split_at_host(&result, name) else { continue };
        // `DB_CONNECTION: mysql` names no host, even if a service is called so.
        let upper = variable.to_ascii_uppercase();
        let is_word = before.is_empty() && after.is_empty();
        if is_word && !HOSTS.iter().any(|end| upper.ends_with(end)) {
            process.comments.push(format!("{variable}: not taken for the service {name}"));
            continue;
        }
        let digits = after
            .strip_prefix(':')
            .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        let digits = digits.filter(|digits| !digits.is_empty());
        let rest = digits.as_ref().map_or(after, |digits| &after[1 + digits.len()..]);
        let port = match (&digits, host.is_local) {
            (Some(port), false) => {
                let outside = host.published.iter().find(|(inside, _)| inside == port);
                if outside.is_none() {
                    let why = format!(
                        "{name} does not publish port {port}, so it can't be reached from here: add it to `ports` of {name}"
                    );
                    process.leave(place, format!("environment.{variable}"), why);
                }
                Some(outside.map_or(port, |(_, outside)| outside).clone())
            }
            (port, _) => port.clone(),
        };
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        result = format!("{before}localhost{port}{rest}");
        process.comments.push(format!("{variable}: {name} is localhost here"));
    }
    result
}

/// A value split around a host name in it.
fn split_at_host<'a>(value: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut from = 0;
    while let Some(found) = value[from..].find(name) {
        let (before, after) = (&value[..from + found], &value[from + found + name.len()..]);
        let begins = before.is_empty() || before.ends_with("//") || before.ends_with(['@', ',']);
        // A scheme may be called like a service: `redis://redis`.
        let ends = after.is_empty() || after.starts_with([':', '/', ',', '?']);
        let ends = ends && !after.starts_with("://");
        // A word alone is a host only if it is the whole value or has a port.
        let is_host = !before.is_empty() || after.is_empty() || after.starts_with(':');
        if begins && ends && is_host {
            return Some((before, after));
        }
        from += found + name.len();
    }
    None
}
