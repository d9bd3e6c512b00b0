//! Decides from the head of a request whether it is allowed.
//!
//! Any page in the same browser can send requests to this server, including pages of other ports of this
//! machine. A request is therefore allowed only if it names this server (`Host`), comes from one of its own
//! pages (`Origin`, `Sec-Fetch-Site`) and carries both the cookie and a proof of the key of one session. A
//! program sends a token instead, and none of the headers that only a browser sends.

use axum::http::{HeaderMap, Method, StatusCode, header};

use crate::web::access::{Grant, Role};

/// What a path requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: the page and its files, which hold no secret.
    Nothing,
    /// An own page as the sender: login.
    OwnPage,
    Session(Role),
    /// The session of an admin, the method PUT, and a ZIP archive as body.
    Archive,
}

/// The content types of bodies: JSON, or an archive.
const JSON: &str = "application/json";
const ZIP: &str = "application/zip";

/// The authentication of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authentication<'a> {
    /// None: a part of the proof is missing or wrong.
    Unknown,
    /// A session with these rights.
    Session(&'a Grant),
    /// A program whose token has these rights.
    Token(&'a Grant),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
}

const fn refused(status: StatusCode, reason: &'static str) -> Result<(), Refused> {
    Err(Refused { status, reason })
}

/// The kind of name by which a request addresses the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// A name of this machine, over plain HTTP.
    Local,
    /// The public name, over a proxy with TLS.
    Public,
}

/// The names by which this server may be addressed. Names of this machine match with any port, as a port may be
/// forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerNames {
    own: String,
    public: Option<String>,
}

impl ServerNames {
    /// The usual names of this machine, `tmo-<id>.localhost`, and a public name with its port.
    pub(crate) fn new(id: &str, public: Option<String>) -> Self {
        Self { own: format!("tmo-{id}.localhost"), public }
    }

    /// The public address, if there is one.
    pub(crate) fn public(&self) -> Option<&str> {
        self.public.as_deref()
    }

    /// The kind of name that a request uses; `None` if it is not a name of this server.
    pub(crate) fn site(&self, headers: &HeaderMap) -> Option<Site> {
        let host = only(headers, &header::HOST)?;
        if self.public.as_deref().is_some_and(|public| public.eq_ignore_ascii_case(host)) {
            return Some(Site::Public);
        }
        self.has(host).then_some(Site::Local)
    }

    /// The name that only this server has.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    fn has(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            // Only an IPv6 address without a port ends with a bracket.
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

/// Decide. `is_far`: the connection does not come from loopback.
pub(crate) fn judge(
    method: &Method,
    headers: &HeaderMap,
    names: &ServerNames,
    is_far: bool,
    need: Need,
    sender: Authentication<'_>,
) -> Result<(), Refused> {
    let site = known_site(headers, names, is_far)?;
    if headers.contains_key("service-worker") {
        return refused(StatusCode::FORBIDDEN, "service workers are not supported");
    }
    let methods: &[Method] = match need {
        Need::Archive => &[Method::PUT],
        Need::Nothing | Need::OwnPage | Need::Session(_) => {
            &[Method::GET, Method::HEAD, Method::POST]
        }
    };
    if !methods.contains(method) {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "this path does not support this method");
    }
    if need == Need::Nothing {
        return Ok(());
    }
    let is_program = bearer(headers).is_some();
    if is_program {
        of_program(headers)?;
    } else {
        of_own_page(method, headers, site)?;
    }
    of_kind(method, headers)?;
    let needed = match need {
        Need::Nothing | Need::OwnPage if is_program => {
            return refused(StatusCode::FORBIDDEN, "only a page of tmo can send this request");
        }
        Need::Nothing | Need::OwnPage => return Ok(()),
        Need::Session(role) => role,
        Need::Archive => Role::Admin,
    };
    let grant = match sender {
        Authentication::Session(grant) if !is_program => grant,
        Authentication::Token(grant) if is_program => grant,
        Authentication::Unknown | Authentication::Session(_) | Authentication::Token(_) => {
            return refused(
                StatusCode::UNAUTHORIZED,
                "not logged in; `tmo web --link` prints a link that logs in",
            );
        }
    };
    if grant.role < needed {
        return refused(StatusCode::FORBIDDEN, "this login does not allow that");
    }
    Ok(())
}

/// The kind of name that a request uses, which must be one of this server.
fn known_site(headers: &HeaderMap, names: &ServerNames, is_far: bool) -> Result<Site, Refused> {
    if only(headers, &header::HOST).is_none_or(str::is_empty) {
        let reason = "the request has no `Host`, or several";
        return Err(Refused { status: StatusCode::BAD_REQUEST, reason });
    }
    // Requests from other machines may use only the public name.
    names.site(headers).filter(|site| !is_far || *site == Site::Public).ok_or(Refused {
        status: StatusCode::MISDIRECTED_REQUEST,
        reason: "this host name is unknown; use the address that `tmo web` prints",
    })
}

/// The token in a request. Other kinds of `Authorization` are meant for a proxy.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::AUTHORIZATION).iter();
    let tokens = values.filter_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    // Several tokens count as none.
    tokens.reduce(|_, _| "")
}

/// Check that the request comes from a program: without the headers that a browser adds, no page can have caused
/// it. A program opens no `WebSocket`.
fn of_program(headers: &HeaderMap) -> Result<(), Refused> {
    let names = ["origin", "cookie", "x-tmo-key", "upgrade"];
    if headers
        .keys()
        .any(|name| names.contains(&name.as_str()) || name.as_str().starts_with("sec-"))
    {
        return refused(
            StatusCode::FORBIDDEN,
            "a request with a token has no `Origin`, `Sec-…`, `Upgrade` or cookie",
        );
    }
    Ok(())
}

/// The value of a header that must occur once.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// Check that the request comes from a page of this server. A browser sends `Origin` with each POST and each
/// WebSocket, and `Sec-Fetch-Site` with every request. A page can forge neither.
fn of_own_page(method: &Method, headers: &HeaderMap, site: Site) -> Result<(), Refused> {
    const OTHER: &str = "requests of other pages are refused";
    let scheme = if site == Site::Local { "http" } else { "https" };
    let host = only(headers, &header::HOST).unwrap_or_default();
    let is_socket = headers.contains_key(header::UPGRADE);
    let is_reading = [Method::GET, Method::HEAD].contains(method);
    match only(headers, &header::ORIGIN) {
        Some(origin) if origin == format!("{scheme}://{host}") => {}
        None if !headers.contains_key(header::ORIGIN) && !is_socket && is_reading => {}
        Some(_) | None => return refused(StatusCode::FORBIDDEN, OTHER),
    }
    let site = headers.get_all("sec-fetch-site");
    if site.iter().any(|site| site != "same-origin") {
        return refused(StatusCode::FORBIDDEN, OTHER);
    }
    Ok(())
}

/// Check that the body has the content type that the method requires.
fn of_kind(method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
    let form = headers.get(header::CONTENT_TYPE).and_then(|form| form.to_str().ok());
    let form = form.map(|form| form.split(';').next().unwrap_or(form).trim());
    if method == Method::POST && form.is_some_and(|form| !form.eq_ignore_ascii_case(JSON)) {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only `application/json` is taken");
    }
    if method == Method::PUT && !form.is_some_and(|form| form.eq_ignore_ascii_case(ZIP)) {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only `application/zip` is taken");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{Authentication, Need, ServerNames, Site, bearer, judge};
    use crate::web::access::{Grant, Role, Scope};

    const OWN: &str = "tmo-0123.localhost:10000";

    #[test]
    fn the_usual_names_are_known_with_any_port_and_no_others() {
        let names = ServerNames::new("0123", None);
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

    #[test]
    fn the_public_name_is_known_as_it_is() {
        let names = ServerNames::new("0123", Some("tmo.example.com:8443".to_owned()));
        let site = |host: &'static str| {
            names.site(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]))
        };
        assert_eq!(site("tmo.example.com:8443"), Some(Site::Public));
        assert_eq!(site("TMO.example.com:8443"), Some(Site::Public));
        assert_eq!(site("localhost:8443"), Some(Site::Local));
        for other in
            ["tmo.example.com", "tmo.example.com:1", "example.com:8443", "tmo.example.com:84431"]
        {
            assert_eq!(site(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_given_once() {
        let token = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(token(&["bearer  abc"]).as_deref(), Some("abc"));
        assert_eq!(token(&["Bearer abc", "Bearer abc"]).as_deref(), Some(""));
        assert_eq!(token(&["Basic YTpi"]), None, "a proxy asks for it");
        assert_eq!(token(&["Bearer"]), None);
    }

    const PUBLIC: &str = "tmo.example.com";

    /// The properties of a request, each chosen independently.
    #[derive(Debug, Clone)]
    struct Head {
        method: Method,
        hosts: Vec<&'static str>,
        origins: Vec<&'static str>,
        sites: Vec<&'static str>,
        form: Option<&'static str>,
        is_socket: bool,
        is_worker: bool,
        is_far: bool,
        authorization: Vec<&'static str>,
        has_cookie: bool,
        need: Need,
        role: Option<Role>,
        /// Whether a program with a token sends it.
        is_token: bool,
    }
    fn heads() -> impl Strategy<Value = Head> {
        let hosts = select(vec![
            vec![OWN],
            vec!["localhost:1"],
            vec![PUBLIC],
            vec![],
            vec!["evil.com"],
            vec![OWN, OWN],
        ]);
        let origins = select(vec![
            vec![],
            vec!["http://tmo-0123.localhost:10000"],
            vec!["http://localhost:1"],
            vec!["https://tmo-0123.localhost:10000"],
            vec!["https://tmo.example.com"],
            vec!["http://tmo.example.com"],
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
        let authorization = select(vec![
            vec![],
            vec!["Bearer abc"],
            vec!["Basic YTpi"],
            vec!["Bearer abc", "Bearer abc"],
        ]);
        let senders = (select(needs), roles, authorization, any::<[bool; 3]>());
        (methods, hosts, origins, sites, forms, any::<[bool; 2]>(), senders).prop_map(
            |(method, hosts, origins, sites, form, [is_socket, is_worker], sender)| {
                let (need, role, authorization, [is_far, has_cookie, is_token]) = sender;
                Head {
                    method,
                    hosts,
                    origins,
                    sites,
                    form,
                    is_socket,
                    is_worker,
                    is_far,
                    authorization,
                    has_cookie,
                    need,
                    role,
                    is_token,
                }
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
        add("authorization", &head.authorization);
        add("cookie", if head.has_cookie { &["a=b"] } else { &[] });
        add("service-worker", if head.is_worker { &["script"] } else { &[] });
        headers
    }

    /// The rules, written independently of the code under test.
    fn may_pass(head: &Head) -> bool {
        let Head { method, hosts, origins, sites, form, is_socket, is_worker, need, role, .. } =
            head;
        let (is_get, is_post) =
            (method == Method::GET || method == Method::HEAD, method == Method::POST);
        let is_public = hosts[..] == [PUBLIC];
        let own = is_public || matches!(hosts[..], [OWN | "localhost:1"]) && !head.is_far;
        let is_upload = *need == Need::Archive;
        let is_method = if is_upload { method == Method::PUT } else { is_get || is_post };
        if !own || *is_worker || !is_method {
            return false;
        }
        if *need == Need::Nothing {
            return true;
        }
        let is_form = match (is_upload, is_post) {
            (true, _) => *form == Some("application/zip"),
            (false, true) => form.is_none_or(|form| form.starts_with("application/json")),
            (false, false) => true,
        };
        let needed = match need {
            Need::Nothing | Need::OwnPage => None,
            Need::Session(needed) => Some(*needed),
            Need::Archive => Some(Role::Admin),
        };
        if head.authorization.iter().any(|value| value.starts_with("Bearer")) {
            let bare = origins.is_empty() && sites.is_empty() && !is_socket && !head.has_cookie;
            let Some(needed) = needed else { return false };
            return bare && is_form && head.is_token && role.is_some_and(|role| role >= needed);
        }
        let origin = format!("{}://{}", if is_public { "https" } else { "http" }, hosts[0]);
        let from_us = origins[..] == [&*origin] || origins.is_empty() && is_get && !is_socket;
        let site = sites.is_empty() || sites[..] == ["same-origin"];
        let allowed =
            needed.is_none_or(|needed| !head.is_token && role.is_some_and(|role| role >= needed));
        from_us && site && is_form && allowed
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_gate_lets_pass_what_the_rules_allow_and_nothing_else(head in heads()) {
            let grant = head.role.map(|role| Grant { role, scope: Scope::All, until: None });
            let sender = match &grant {
                Some(grant) if head.is_token => Authentication::Token(grant),
                Some(grant) => Authentication::Session(grant),
                None => Authentication::Unknown,
            };
            let names = ServerNames::new("0123", Some(PUBLIC.to_owned()));
            let of_head = headers(&head);
            let verdict = judge(&head.method, &of_head, &names, head.is_far, head.need, sender);
            prop_assert_eq!(verdict.is_ok(), may_pass(&head), "{:?}", verdict);
            if let (Err(refused), None) = (verdict, head.role) {
                prop_assert_ne!(refused.status, StatusCode::OK);
            }
        }
    }
}
