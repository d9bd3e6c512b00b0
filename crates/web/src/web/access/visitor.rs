//! Who has begun a session, as far as that can be told.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use crate::model::untrusted::cleaned;

/// The longest name of an unknown browser, in characters.
const LONGEST_BROWSER_NAME: usize = 40;
/// What the header has for each browser, before those that imitate it.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
/// The same for systems.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// A browser, and where it connected from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Visitor {
    /// `Firefox on Linux`, as the browser says; empty if it says nothing.
    pub browser: String,
    /// Its address; behind a trusted proxy, the one that the proxy names.
    pub address: Option<IpAddr>,
}

impl Visitor {
    pub(crate) fn new(headers: &HeaderMap, address: IpAddr) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Self { browser: browser(agent.unwrap_or_default()), address: Some(address) }
    }
}

/// The browser and the system that a `User-Agent` names.
fn browser(agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => cleaned(agent).chars().take(LONGEST_BROWSER_NAME).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{Visitor, browser};

    #[test]
    fn an_older_server_does_not_tell_it() {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(flatten)]
            visitor: Visitor,
        }
        let entry: Entry = serde_json::from_str(r#"{ "id": "x" }"#).unwrap();
        assert_eq!(entry.visitor, Visitor::default());
    }

    #[test]
    fn browsers_and_systems_are_named() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 \
                 Safari/537.36 Edg/131.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.11", "curl/8.11"),
            ("", ""),
        ] {
            assert_eq!(browser(agent), name, "{agent}");
        }
    }
}
