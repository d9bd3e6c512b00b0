//! HTTP on the control socket, as the server hears it.

use serde_json::{Value, json};
use tmo::model::request::{ChangeOrder, Request};
use tmo::server::prefixed_stream::{Language, judge};

use super::input::Input;
use super::socket::{Asked, NAMES, talk};

/// Whatever is sent, what is answered is HTTP; a request that is well-formed is carried out as it
/// stands, once, however it is framed and cut, and any other is refused and does nothing.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.bytes();
    let call = if input.yes() { Some(Call::draw(&mut input)) } else { None };
    let text = match &call {
        Some(call) => call.text(&mut input),
        None => [b"GET /", input.rest()].concat(),
    };
    assert_eq!(judge(&text), Some(Language::Http));
    let cuts = Input::new(seed).cuts(text.len());
    let mut from = 0;
    let pieces = cuts.iter().map(|&to| &text[std::mem::replace(&mut from, to)..to]);
    let (answer, asked) = talk(&pieces.collect::<Vec<_>>());
    let status = status_of(&answer);
    if let Some(call) = call {
        let (expected, wanted) = call.meaning();
        assert_eq!(status, Some(expected), "{}", text.escape_ascii());
        assert_eq!(asked, wanted, "{}", text.escape_ascii());
    }
}

/// The status; every answer is a whole one with a version and, but for streams, JSON in it.
fn status_of(answer: &[u8]) -> Option<u16> {
    if answer.is_empty() {
        return None;
    }
    let text = String::from_utf8(answer.to_vec()).expect("an answer that is no text");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer without a head");
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).expect("no HTTP");
    let status: u16 = status.parse().unwrap();
    let head = head.to_ascii_lowercase();
    // What is no HTTP at all is refused before anything of ours has seen it.
    if head.contains("tmo-version: ") && head.contains("application/json") {
        let length = head.split("content-length: ").nth(1).expect("no length");
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let json: Value = serde_json::from_str(body.get(..length).unwrap_or("{}")).unwrap();
        assert!(status < 400 || status == 409 || json["error"].is_string() || body.is_empty());
    }
    Some(status)
}

/// A request that is well-formed as HTTP.
struct Call {
    method: &'static str,
    path: &'static str,
    query: Vec<(&'static str, &'static str)>,
    body: Body,
}

enum Body {
    None,
    Names(Vec<&'static str>),
    Size(u16, u16),
    Text(String),
}

const PATHS: [&str; 17] = [
    "/api/start",
    "/api/stop",
    "/api/restart",
    "/api/quit",
    "/api/shutdown",
    "/api/status",
    "/api/openapi.json",
    "/api/kill",
    "/api/size",
    "/api/state",
    "/api/processes",
    "/api/processes/db",
    "/api/processes/web%231",
    "/api/processes/db/stop",
    "/api/processes/web%231/restart",
    "/api/processes/x/begin",
    "/api",
];

impl Call {
    fn draw(input: &mut Input<'_>) -> Self {
        let method = input.one_of(&["GET", "POST", "PUT", "DELETE"]);
        let path = input.one_of(&PATHS);
        let keys = ["wait", "key", "view", "x"];
        let values = ["", "1", "0", "true", "no", "maybe", "abc", LONG_KEY];
        let pair = |input: &mut Input<'_>| (input.one_of(&keys), input.one_of(&values));
        let query = (0..input.byte() % 4).map(|_| pair(input)).collect();
        let body = match input.byte() % 4 {
            0 => Body::None,
            1 => {
                let name = |input: &mut Input<'_>| input.one_of(&["db", "web#1", "*", "", "é\n\""]);
                Body::Names((0..input.byte() % 4).map(|_| name(input)).collect())
            }
            2 => Body::Size(input.u16(), input.u16()),
            _ => Some(String::from_utf8_lossy(input.bytes()).into_owned())
                // What is nearly one of the others would need a reader of its own.
                .filter(|text| !text.contains("columns") && text.matches("names").count() < 2)
                .map_or(Body::None, Body::Text),
        };
        Self { method, path, query, body }
    }

    fn text(&self, input: &mut Input<'_>) -> Vec<u8> {
        let query: Vec<String> =
            self.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut text = format!("{} {}{mark}{}", self.method, self.path, query.join("&"));
        text.push_str(" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        let body = self.body();
        if input.yes() {
            text.push_str("Transfer-Encoding: chunked\r\n\r\n");
            let mut from = 0;
            let mut text = text.into_bytes();
            for to in input.cuts(body.len()) {
                if to > from {
                    text.extend(format!("{:x}\r\n", to - from).as_bytes());
                    text.extend([&body[from..to], b"\r\n"].concat());
                    from = to;
                }
            }
            text.extend_from_slice(b"0\r\n\r\n");
            return text;
        }
        let length = format!("Content-Length: {}\r\n\r\n", body.len());
        [text.as_bytes(), length.as_bytes(), &body].concat()
    }

    fn body(&self) -> Vec<u8> {
        let text = match &self.body {
            Body::None => String::new(),
            Body::Names(names) => json!({ "names": names }).to_string(),
            Body::Size(columns, rows) => json!({ "columns": columns, "rows": rows }).to_string(),
            Body::Text(text) => text.clone(),
        };
        text.into_bytes()
    }

    fn last(&self, key: &str) -> Option<&'static str> {
        self.query.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// What it should be answered with, and what the engine should be asked.
    fn meaning(&self) -> (u16, Vec<Asked>) {
        let request = match (self.method, self.path) {
            (
                "GET",
                "/api/state"
                | "/api/status"
                | "/api/openapi.json"
                | "/api/processes"
                | "/api/processes/db"
                | "/api/processes/web%231",
            ) => {
                return (if self.query.is_empty() { 200 } else { 400 }, vec![]);
            }
            ("POST", "/api/start" | "/api/stop" | "/api/restart") => {
                let Some(names) = self.names() else { return (400, vec![]) };
                named(self.path.trim_start_matches("/api/"), names)
            }
            ("POST", "/api/processes/db/stop") => named("stop", vec!["db".to_owned()]),
            ("POST", "/api/processes/web%231/restart") => {
                named("restart", vec!["web#1".to_owned()])
            }
            ("POST", "/api/quit" | "/api/shutdown") => Request::Quit,
            ("POST", "/api/kill") => Request::Kill,
            ("PUT", "/api/size") => match self.size() {
                Some((columns, rows)) => Request::Resize { columns, rows },
                None => return (400, vec![]),
            },
            (_, "/api" | "/api/processes/x/begin") => return (404, vec![]),
            (_, _) => return (405, vec![]),
        };
        // Every word must mean something, also one that another of its name follows.
        let means = |&(name, value): &(&str, &str)| match name {
            "wait" => !matches!(value, "maybe" | "abc" | LONG_KEY),
            "key" => value != LONG_KEY,
            _ => false,
        };
        if !self.query.iter().all(means) {
            return (400, vec![]);
        }
        let wait = !matches!(self.last("wait"), Some("0" | "no"));
        let key = self.last("key").filter(|key| !key.is_empty()).map(str::to_owned);
        let status = match request {
            Request::Kill => 409,
            Request::Start { .. }
            | Request::Stop { .. }
            | Request::Restart { .. }
            | Request::Act { .. }
            | Request::Install { .. }
            | Request::Signal { .. }
            | Request::Watch { .. }
            | Request::Use { .. }
            | Request::Scale { .. }
            | Request::Reload { .. }
            | Request::Quit
            | Request::Resize { .. } => {
                if wait {
                    200
                } else {
                    202
                }
            }
        };
        (status, vec![Asked::Do(request, wait, key)])
    }

    /// The names of a body, none for an empty one.
    fn names(&self) -> Option<Vec<String>> {
        let body = self.body();
        if body.is_empty() {
            return Some(vec![]);
        }
        let Value::Object(body) = serde_json::from_slice(&body).ok()? else { return None };
        if body.keys().any(|key| key != "names") {
            return None;
        }
        let Some(names) = body.get("names") else { return Some(vec![]) };
        names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    }

    fn size(&self) -> Option<(u16, u16)> {
        match &self.body {
            Body::Size(columns, rows) if *columns > 0 && *rows > 0 => Some((*columns, *rows)),
            Body::Size(..) | Body::None | Body::Names(_) | Body::Text(_) => None,
        }
    }
}

const LONG_KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

fn named(verb: &str, names: Vec<String>) -> Request {
    assert!(NAMES.contains(&"db"));
    match verb {
        "start" => Request::Start { names, order: ChangeOrder::default() },
        "stop" => Request::Stop { names, order: ChangeOrder::default() },
        _ => Request::Restart { names, order: ChangeOrder::default() },
    }
}
