//! Whether a request may pass, decided from its head alone.
//!
//! Any page in the same browser can send requests here, also pages of other ports of this machine. So a
//! request passes only if it names this server (`Host`), comes from one of its own pages (`Origin`,
//! `Sec-Fetch-Site`) and carries both the cookie and a proof of the key of one session.

use axum::http::{HeaderMap, Method, StatusCode, header};

use super::grant::{Grant, Role};

/// What a path needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: the page and its files, which hold no secret.
    Nothing,
    /// To come from an own page: login.
    OwnPage,
    /// A session with this role.
    Session(Role),
    /// The session of an admin, and a ZIP archive as body. Nothing else may be put.
    Archive,
}

/// What a body may be: JSON, or the archive.
const JSON: &str = "application/json";
const ZIP: &str = "application/zip";

/// Who sends a request, as far as a session shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender<'a> {
    /// No session: a part of the proof is missing or wrong.
    Unknown,
    /// A session with these rights.
    Session(&'a Grant),
}

/// Why a request does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    /// The status of the answer.
    pub(super) status: StatusCode,
    /// The reason.
    pub(super) reason: &'static str,
}

const fn refused(status: StatusCode, reason: &'static str) -> Result<(), Refused> {
    Err(Refused { status, reason })
}

/// The names by which this server may be addressed, without ports: a port may be forwarded to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    own: String,
}

impl Names {
    /// The usual names of this machine, and `tmo-<id>.localhost`.
    pub(super) fn new(id: &str) -> Self {
        Self { own: format!("tmo-{id}.localhost") }
    }

    /// The name that only this server has.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    fn has(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            // An IPv6 address without a port ends with a bracket.
            Some((name, port)) if !host.ends_with(']') => {
                if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
                    name
                } else {
                    return false;
                }
            }
            Some(_) | None => host,
        };
        let name = name.to_ascii_lowercase();
        ["localhost", "127.0.0.1", "[::1]", &*self.own].contains(&&*name)
    }
}

/// Decide.
pub(super) fn judge(
    (method, headers): (&Method, &HeaderMap),
    names: &Names,
    need: Need,
    sender: Sender<'_>,
) -> Result<(), Refused> {
    let host = only(headers, &header::HOST);
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return refused(StatusCode::BAD_REQUEST, "the request has no `Host`, or several");
    };
    if !names.has(host) {
        return refused(
            StatusCode::MISDIRECTED_REQUEST,
            "tmo does not answer by this name; use the address that `tmo web` prints",
        );
    }
    if headers.contains_key("service-worker") {
        return refused(StatusCode::FORBIDDEN, "there are no service workers here");
    }
    let methods: &[Method] = match need {
        Need::Archive => &[Method::PUT],
        Need::Nothing | Need::OwnPage | Need::Session(_) => {
            &[Method::GET, Method::HEAD, Method::POST]
        }
    };
    if !methods.contains(method) {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "this path has another method");
    }
    if need == Need::Nothing {
        return Ok(());
    }
    of_own_page(method, headers, host)?;
    match (need, sender) {
        (Need::Nothing | Need::OwnPage, _) => Ok(()),
        (Need::Session(_) | Need::Archive, Sender::Unknown) => refused(
            StatusCode::UNAUTHORIZED,
            "not logged in; `tmo web --link` prints a link that logs in",
        ),
        (Need::Session(role), Sender::Session(grant)) if grant.role >= role => Ok(()),
        (Need::Archive, Sender::Session(grant)) if grant.role == Role::Admin => Ok(()),
        (Need::Session(_) | Need::Archive, Sender::Session(_)) => {
            refused(StatusCode::FORBIDDEN, "this login does not allow that")
        }
    }
}

/// The value of a header that must occur once.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// Whether the request comes from a page of this server. A browser sends `Origin` with each POST and each
/// WebSocket, and `Sec-Fetch-Site` with every request; a page can forge neither.
fn of_own_page(method: &Method, headers: &HeaderMap, host: &str) -> Result<(), Refused> {
    const OTHER: &str = "requests of other pages are refused";
    let is_socket = headers.contains_key(header::UPGRADE);
    let is_reading = [Method::GET, Method::HEAD].contains(method);
    match only(headers, &header::ORIGIN) {
        Some(origin) if origin == format!("http://{host}") => {}
        None if !headers.contains_key(header::ORIGIN) && !is_socket && is_reading => {}
        Some(_) | None => return refused(StatusCode::FORBIDDEN, OTHER),
    }
    let site = headers.get_all("sec-fetch-site");
    if site.iter().any(|site| site != "same-origin") {
        return refused(StatusCode::FORBIDDEN, OTHER);
    }
    let form = headers.get(header::CONTENT_TYPE).and_then(|form| form.to_str().ok());
    let form = form.map(|form| form.split(';').next().unwrap_or(form).trim());
    if method == Method::POST && form.is_some_and(|form| form != JSON) {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only `application/json` is taken");
    }
    if method == Method::PUT && form != Some(ZIP) {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only `application/zip` is taken");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{Names, Need, Sender, judge};
    use crate::web::grant::{Grant, Role, Scope};

    const OWN: &str = "tmo-0123.localhost:10000";

    #[test]
    fn the_usual_names_are_known_with_any_port_and_no_others() {
        let names = Names::new("0123");
        for own in [
            OWN,
            "localhost",
            "LocalHost:1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:9",
            "tmo-0123.localhost",
        ] {
            assert!(names.has(own), "{own}");
        }
        let others = [
            "",
            ":",
            "localhost:",
            "localhost:x",
            "localhost:1:2",
            "a.localhost",
            "localhost.",
            "127.0.0.2",
            "tmo-0123.localhost.evil.com",
            "evil.com",
            "::1",
            "[::1",
            "tmo-0124.localhost",
            "localhost:+1",
        ];
        for other in others {
            assert!(!names.has(other), "{other}");
        }
    }

    /// What a request has. Each is chosen on its own.
    #[derive(Debug, Clone)]
    struct Head {
        method: Method,
        hosts: Vec<&'static str>,
        origins: Vec<&'static str>,
        sites: Vec<&'static str>,
        form: Option<&'static str>,
        is_socket: bool,
        is_worker: bool,
        need: Need,
        role: Option<Role>,
    }

    fn heads() -> impl Strategy<Value = Head> {
        let hosts =
            select(vec![vec![OWN], vec!["localhost:1"], vec![], vec!["evil.com"], vec![OWN, OWN]]);
        let origins = select(vec![
            vec![],
            vec!["http://tmo-0123.localhost:10000"],
            vec!["http://localhost:1"],
            vec!["https://tmo-0123.localhost:10000"],
            vec!["null"],
            vec!["http://tmo-0123.localhost:10000", "http://tmo-0123.localhost:10000"],
        ]);
        let sites = select(vec![
            vec![],
            vec!["same-origin"],
            vec!["same-site"],
            vec!["cross-site"],
            vec!["none"],
            vec!["same-origin", "cross-site"],
        ]);
        let methods =
            select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::OPTIONS]);
        let forms = select(vec![
            None,
            Some("application/json"),
            Some("text/plain"),
            Some("application/json; a=b"),
            Some("application/zip"),
        ]);
        let mut needs = vec![Need::Nothing, Need::OwnPage, Need::Archive];
        needs.extend(Role::ALL.map(Need::Session));
        let roles = select(std::iter::once(None).chain(Role::ALL.map(Some)).collect::<Vec<_>>());
        (methods, hosts, origins, sites, forms, any::<[bool; 2]>(), select(needs), roles).prop_map(
            |(method, hosts, origins, sites, form, [is_socket, is_worker], need, role)| Head {
                method,
                hosts,
                origins,
                sites,
                form,
                is_socket,
                is_worker,
                need,
                role,
            },
        )
    }

    fn headers(head: &Head) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, values: &[&'static str]| {
            for value in values {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        };
        add("host", &head.hosts);
        add("origin", &head.origins);
        add("sec-fetch-site", &head.sites);
        add("content-type", head.form.as_slice());
        add("upgrade", if head.is_socket { &["websocket"] } else { &[] });
        add("service-worker", if head.is_worker { &["script"] } else { &[] });
        headers
    }

    /// The rules, as a user would say them.
    fn may_pass(head: &Head) -> bool {
        let Head { method, hosts, origins, sites, form, is_socket, is_worker, need, role } = head;
        let (is_get, is_post) =
            (method == Method::GET || method == Method::HEAD, method == Method::POST);
        let own = matches!(hosts[..], [OWN | "localhost:1"]);
        let is_upload = *need == Need::Archive;
        let is_method = if is_upload { method == Method::PUT } else { is_get || is_post };
        if !own || *is_worker || !is_method {
            return false;
        }
        if *need == Need::Nothing {
            return true;
        }
        let origin = format!("http://{}", hosts[0]);
        let from_us = origins[..] == [&*origin] || origins.is_empty() && is_get && !is_socket;
        let site = sites.is_empty() || sites[..] == ["same-origin"];
        let is_form = match (is_upload, is_post) {
            (true, _) => *form == Some("application/zip"),
            (false, true) => form.is_none_or(|form| form.starts_with("application/json")),
            (false, false) => true,
        };
        let allowed = match need {
            Need::Nothing | Need::OwnPage => true,
            Need::Session(needed) => role.is_some_and(|role| role >= *needed),
            Need::Archive => *role == Some(Role::Admin),
        };
        from_us && site && is_form && allowed
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_gate_lets_pass_what_the_rules_allow_and_nothing_else(head in heads()) {
            let grant = head.role.map(|role| Grant { role, scope: Scope::All, until: None });
            let sender = grant.as_ref().map_or(Sender::Unknown, Sender::Session);
            let names = Names::new("0123");
            let verdict = judge((&head.method, &headers(&head)), &names, head.need, sender);
            prop_assert_eq!(verdict.is_ok(), may_pass(&head), "{:?}", verdict);
            if let (Err(refused), None) = (verdict, head.role) {
                prop_assert_ne!(refused.status, StatusCode::OK);
            }
        }
    }
}
