//! The answer where a process gives none.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::web::log::html::escape;

/// Why there is no answer of a process.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    /// One sentence.
    why: String,
    /// Whether the same request may soon be answered.
    is_passing: bool,
    /// What the process has printed last.
    lines: Vec<String>,
}

/// The page may load and execute nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

impl Problem {
    /// A problem that stays.
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into(), is_passing: false, lines: vec![] }
    }

    /// A problem that time may solve.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self { is_passing: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, why) }
    }

    /// The same with the last lines of the process.
    pub(super) fn with_lines(self, lines: Vec<String>) -> Self {
        Self { lines, ..self }
    }

    /// The answer, after which the connection ends, so that it holds no place.
    pub(super) fn last_answer(self, is_html: bool) -> Response<Body> {
        let mut response = self.into_response(is_html);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// The answer: a page for a browser, which asks again if that may help, or else a line of text.
    pub(super) fn into_response(self, is_html: bool) -> Response<Body> {
        let Self { status, why, is_passing, lines } = self;
        let lines = lines.join("\n");
        let (kind, text) = if is_html {
            let refresh =
                if is_passing { "<meta http-equiv=\"refresh\" content=\"1\">" } else { "" };
            let mut page = format!(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">{refresh}<title>tmo</title>\
                 <style>:root{{color-scheme:light dark}}body{{font:1.1rem/1.5 system-ui;margin:15vh auto;\
                 max-width:40rem;padding:0 1rem}}pre{{font-size:.8rem;overflow-x:auto}}</style><p>"
            );
            escape(&why, &mut page);
            page.push_str("\n<pre>");
            escape(&lines, &mut page);
            page.push('\n');
            ("text/html; charset=utf-8", page)
        } else {
            let end = if lines.is_empty() { "" } else { "\n" };
            ("text/plain; charset=utf-8", format!("{why}\n{lines}{end}"))
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if is_passing {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Whether the sender is a browser that opens a page.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}
