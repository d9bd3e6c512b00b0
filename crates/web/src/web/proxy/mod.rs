//! Processes by their names: `http://PROCESS.PROJECT.localhost:PORT/`.
//!
//! A request to such a name goes to the process, and its answer back. The process gets nothing of tmo, and a page of
//! the process is of another origin than those of tmo. No login is needed: what a process serves on its port, it
//! serves to any program of this machine. Here it serves only to programs of this user. With a public address, such a
//! program may pass on what comes from any machine, so there are no names unless the user allows them.

mod forward;
mod headers;
mod names;
mod page;
mod upstream;
mod waking;

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use futures_util::future::join_all;
use tokio::sync::watch;

use self::forward::Near;
use self::names::Names;
use self::page::Problem;
use self::waking::Caller;
use crate::model::name::hostname::ZONE;
use crate::model::state::ProcessState;
use crate::web::runs::{Runs, state};
use crate::web::server::{Ending, Ends, Places, Taken};

/// The name by which a request addresses a process, in lower case and without its port; `None` if it is for tmo.
///
/// tmo's own name below `localhost` is a single label.
pub(super) fn named(headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    let name = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    // The final dot of a complete name of DNS.
    let name = name.strip_suffix('.').unwrap_or(&name);
    let (_, project) = name.strip_suffix(ZONE)?.rsplit_once('.')?;
    (!project.is_empty()).then(|| name.to_owned())
}

/// Passes requests on to processes.
#[derive(Debug)]
pub(crate) struct Proxy {
    names: Names,
    /// The port at which requests arrive.
    port: u16,
    /// Whether the server has a public address.
    has_public: bool,
    /// Whether names are served in spite of it.
    is_allowed: bool,
}

impl Proxy {
    pub(super) fn new(port: u16, has_public: bool, is_allowed: bool) -> Self {
        Self { names: Names::default(), port, has_public, is_allowed }
    }

    /// Whether names are served at all.
    pub(super) fn has_names(&self) -> bool {
        !self.has_public || self.is_allowed
    }

    /// The names of this instance at which HTTP is answered, or would be after a request has started the process.
    pub(super) async fn answering(&self, runs: &Runs, instance: &str) -> Vec<String> {
        let Ok(Some(run)) = runs.get(instance).await else { return vec![] };
        let Ok(state) = state(&run.known).await else { return vec![] };
        let asked = self.names.upstreams_of(runs, instance).await.into_iter().map(
            async |(name, upstream)| {
                let is_it = |process: &&ProcessState| process.name == upstream.service.process;
                let pid = state.processes.iter().find(is_it)?.pid;
                upstream.answers_http(pid).await.then_some(name)
            },
        );
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Answer a request to the name of a process.
    pub(super) async fn proxied(
        &self,
        runs: &Runs,
        places: &Places,
        closing: watch::Receiver<Option<Ending>>,
        ends: Ends,
        name: &str,
        mut request: Request,
    ) -> Response<Body> {
        let is_html = page::wants_html(request.headers());
        let taken = request.extensions_mut().remove::<Taken>();
        let is_own = taken.as_ref().is_some_and(Taken::is_own);
        if let Some(why) = self.refused(ends, is_own, name, &request) {
            return Problem::new(StatusCode::MISDIRECTED_REQUEST, why).last_answer(is_html);
        }
        if !taken.as_ref().is_none_or(|taken| taken.take_proxied(places)) {
            let why = "too many connections to processes are open";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).last_answer(is_html);
        }
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = path.into();
        }
        let Some(upstream) = self.names.upstream(runs, name).await else {
            let why =
                format!("no process of a run has the name {name}; `tmo open` lists the names");
            return Problem::new(StatusCode::MISDIRECTED_REQUEST, why).last_answer(is_html);
        };
        let Some(place) = places.of_process(&upstream.service.instance, &upstream.service.process)
        else {
            let why = format!("too many requests to {} are open", upstream.service.process);
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).last_answer(is_html);
        };
        let is_own = |origin: &str| upstream.service.site.has(origin, self.port);
        let caller = Caller::new(request.method(), request.headers(), is_own);
        let near = Near { ends, taken, place, closing, caller };
        match forward::forward(runs, &upstream, near, request).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(is_html),
        }
    }

    /// Why a request to a name is refused, whoever has the name.
    fn refused(
        &self,
        ends: Ends,
        is_own: bool,
        name: &str,
        request: &Request,
    ) -> Option<&'static str> {
        if !self.has_names() {
            return Some(
                "a server with --public-url serves no names of processes, unless --names allows them",
            );
        }
        if !name.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        }) {
            return Some("the request has no valid host name");
        }
        let headers = request.headers();
        let mut hosts = headers.get_all(header::HOST).iter();
        let port =
            |host: &str| host.split_once(':').map_or(Some(80), |(_, port)| port.parse().ok());
        let host = hosts.next().and_then(|host| host.to_str().ok());
        if hosts.next().is_some() || host.and_then(port) != Some(self.port) {
            return Some("the request is not for this port");
        }
        let (uri, is_http) = (request.uri(), Some("http"));
        let is_this =
            |at: &Authority| host.is_some_and(|host| at.as_str().eq_ignore_ascii_case(host));
        if request.method() == Method::CONNECT
            || uri.authority().is_some_and(|at| !is_this(at) || uri.scheme_str() != is_http)
        {
            return Some("tmo web is no proxy for other hosts");
        }
        let is_loopback = |at: SocketAddr| at.ip().to_canonical().is_loopback();
        // What a proxy with a public address passes on may come from any machine.
        if !is_loopback(ends.local)
            || !is_loopback(ends.peer)
            || !is_own
            || self.has_public
                && (headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded"))
        {
            return Some(
                "only programs of this user on this machine reach processes by their names",
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::named;

    #[test]
    fn only_names_of_two_labels_below_localhost_are_names_of_processes() {
        let of = |host: &'static str| {
            named(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]))
        };
        for (host, expected) in [
            ("web.shop.localhost:10000", Some("web.shop.localhost")),
            ("WEB.Shop.LocalHost", Some("web.shop.localhost")),
            ("eu.web.shop.localhost:1", Some("eu.web.shop.localhost")),
            ("tmo-0123.localhost:10000", None),
            ("localhost:10000", None),
            (".localhost", None),
            ("127.0.0.1:10000", None),
            ("[::1]:10000", None),
            ("web.shop.localhost.evil:10000", None),
            ("web.shop.localhost.:10000", Some("web.shop.localhost")),
            ("localhost.", None),
            ("web.shop.evil", None),
            ("", None),
        ] {
            assert_eq!(of(host).as_deref(), expected, "{host}");
        }
    }
}
