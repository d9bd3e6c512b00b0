//! What tells browsers apart: the cookie of a session, and which browser it says to be.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use crate::model::text::untrusted::cleaned;
use crate::web::access::Site;

/// The name of the cookie of a session. Cookies do not distinguish ports, so the name contains the port of this server. Over TLS, the prefix
/// `__Host-` keeps other hosts of the domain from setting it.
fn cookie_name(site: Site, port: u16) -> String {
    match site {
        Site::Local => format!("tmo-{port}"),
        Site::Public => format!("__Host-tmo-{port}"),
    }
}

/// The header that sets the cookie of a session. Scripts can't read the cookie.
pub(crate) fn session_cookie(site: Site, port: u16, value: &str) -> String {
    let secure = match site {
        Site::Local => "",
        Site::Public => "; Secure",
    };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}", cookie_name(site, port))
}

/// The most values that are tried.
const MOST_VALUES: usize = 8;

/// The values of the cookie in a request. There may be several: a page of another port of this host can set some for longer paths.
pub(crate) fn cookie_values(
    headers: &HeaderMap,
    site: Site,
    port: u16,
) -> impl Iterator<Item = &str> {
    let name = cookie_name(site, port);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs =
        all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value).take(MOST_VALUES)
}

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
        (None, _) => cleaned(agent).chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};
    use serde::Deserialize;

    use super::{MOST_VALUES, Visitor, browser, cookie_values};
    use crate::web::access::Site;

    #[test]
    fn values_that_others_have_added_hide_none() {
        let mut headers = HeaderMap::new();
        for value in ["tmo-1=x; tmo-10=no; other=1", "a; tmo-1=own"] {
            headers.append(header::COOKIE, HeaderValue::from_static(value));
        }
        assert_eq!(cookie_values(&headers, Site::Local, 1).collect::<Vec<_>>(), ["x", "own"]);
        assert_eq!(cookie_values(&headers, Site::Public, 1).count(), 0);
        let many = "tmo-1=x; ".repeat(100);
        headers.insert(header::COOKIE, HeaderValue::from_str(&many).unwrap());
        assert_eq!(cookie_values(&headers, Site::Local, 1).count(), MOST_VALUES);
    }

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
