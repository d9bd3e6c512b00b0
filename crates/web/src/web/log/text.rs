//! The log as text, with the bytes that `tmo logs` prints into a pipe.
//!
//! It is read in small parts while it is sent, so a journal of any size needs the same memory.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use futures_util::stream;
use tokio::task::spawn_blocking;

use crate::journal::search::entry::Among;
use crate::journal::search::lines::{Lines, Split};
use crate::journal::search::pattern::Pattern;
use crate::journal::search::select::Selection;
use crate::journal::streams::Stream;
use crate::journal::write::clear;
use crate::journal::{Cursor, Filter, IndexReader, Position, Streams};
use crate::sys::local;
use crate::view::merged::Renderer;
use crate::view::paint::{Mode, Stamp, Style};
use crate::view::reading::Form;
use crate::web::access::Scope;
use crate::web::runs::{Run, exactly, whole};
use crate::web::server::{Answered, Refusal, unknown, unreadable};

/// How much is read at once.
const PAGE: usize = 64 << 10;

/// The selection of entries and their form.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextAsk {
    /// The processes; none means all.
    names: Vec<String>,
    /// The first and the last entry.
    from: Option<Position>,
    to: Option<Position>,
    /// The time before each line.
    stamp: Stamp,
    /// Only lines of processes, without names or times.
    bare: bool,
    /// What the lines must match, and what they must not.
    only: Vec<Selection>,
}

impl TextAsk {
    /// Parse a query; `None` if it is malformed or asks for more than the session may see.
    pub(crate) fn parse(query: &str, scope: &Scope) -> Option<Self> {
        let mut ask = Self::default();
        let (mut grep, mut hide, mut ignores_case) = (None, None, false);
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "name" if scope.has_process(whole(&value)) => ask.names.push(match scope.names() {
                    Some(_) => exactly(whole(&value)),
                    None => value.into_owned(),
                }),
                "from" => ask.from = Some(value.parse().ok()?),
                "to" => ask.to = Some(value.parse().ok()?),
                "grep" => grep = Some(value),
                "ignore-case" => ignores_case = value == "true",
                "hide" => hide = Some(value),
                "form" => {
                    (ask.stamp, ask.bare) = match &*value {
                        "names" => (Stamp::None, false),
                        "times" => (Stamp::Date, false),
                        "plain" => (Stamp::None, true),
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
        if let (true, Some(names)) = (ask.names.is_empty(), scope.names()) {
            ask.names = names.iter().map(|name| exactly(name)).collect();
        }
        let wanted = grep.map(|grep| Pattern::new(&grep, ignores_case, false));
        let unwanted = hide.map(|hide| Pattern::new(&hide, false, true));
        for pattern in wanted.into_iter().chain(unwanted) {
            ask.only.push(Selection { pattern: Some(pattern.ok()?), ..Selection::default() });
        }
        Some(ask)
    }
}

/// Answer with text.
pub(crate) async fn answer(
    run: &Run,
    ask: TextAsk,
    scope: &Scope,
    goes_on: impl Fn() -> bool + Send + 'static,
) -> Answered {
    let known = run.known.clone();
    // Events of a process may name others.
    let is_limited = scope.names().is_some();
    let opened = spawn_blocking(move || {
        let dirs = known.dirs();
        let streams = Streams::open(&dirs)?.all().to_vec();
        let is_present = |stream: &&Stream| {
            known
                .plan
                .as_ref()
                .is_none_or(|plan| plan.processes.iter().any(|process| process.name == stream.name))
        };
        let present: Vec<_> = streams.iter().filter(is_present).collect();
        TextReader::new(&ask, IndexReader::open(&dirs), &streams, &present, is_limited)
    });
    let reader = match opened.await.map_err(io::Error::other).and_then(|opened| opened) {
        Ok(Some(reader)) => reader,
        Ok(None) => return Err(unknown()),
        Err(error) => return Err(unreadable(&error)),
    };
    let pages = stream::unfold(Some(reader), move |reader| {
        let reader = reader.filter(|_| goes_on());
        async move {
            let mut reader = reader?;
            let read = spawn_blocking(move || (reader.next(), reader)).await;
            match read.map_err(io::Error::other) {
                Ok((Ok(None), _)) => None,
                Ok((Ok(Some(page)), reader)) => Some((Ok(Bytes::from(page)), Some(reader))),
                // The connection is aborted, so that the client does not take the text for complete.
                Ok((Err(error), _)) | Err(error) => Some((Err(error), None)),
            }
        }
    });
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    Ok(([kind], Body::from_stream(pages)).into_response())
}

/// Answer with the text as a named file.
pub(crate) async fn file(
    run: &Run,
    ask: TextAsk,
    scope: &Scope,
    goes_on: impl Fn() -> bool + Send + 'static,
) -> Answered {
    let name: Vec<_> = [run.known.title()]
        .into_iter()
        .chain(ask.names.iter().map(|word| whole(word).to_owned()))
        .collect();
    let safe = |one: char| if one.is_ascii_alphanumeric() || one == '-' { one } else { '_' };
    let name: String = name.join("-").chars().take(100).map(safe).collect();
    let mut response = answer(run, ask, scope, goes_on).await?;
    if let Ok(value) = format!("attachment; filename=\"{name}.log\"").parse() {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The answer to a request that is malformed or asks for more than the session may see.
pub(crate) fn refused() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "the request is malformed, or this login does not allow it",
    )
}

/// Reads the log as text.
struct TextReader {
    lines: Lines,
    form: Form,
    from: Position,
    to: Option<Position>,
    only: Vec<Selection>,
    upto: u64,
    is_limited: bool,
    is_over: bool,
}

impl TextReader {
    /// `None` if a process is unknown.
    fn new(
        ask: &TextAsk,
        mut index: IndexReader,
        streams: &[Stream],
        present: &[&Stream],
        is_limited: bool,
    ) -> io::Result<Option<Self>> {
        if !ask.names.iter().all(|name| streams.iter().any(|stream| stream.is_meant(name))) {
            return Ok(None);
        }
        let mut filter = Filter::named(&ask.names, streams);
        if !is_limited {
            filter = filter.and_events_about(&ask.names, streams);
        }
        let dirs = index.dirs().clone();
        let mark = Position { record: clear::mark(&dirs), skip: 0 };
        let (from, upto) = (ask.from.unwrap_or(mark).max(mark), index.len()?);
        let (stamp, bare) = (ask.stamp, ask.bare);
        let style = Style { stamp, bare, zone: local::zone(), ..Style::new(Mode::Plain) };
        let renderer = Renderer::of_journal(style, &dirs, present.iter().copied());
        let is_part = ask.from.is_some() || ask.to.is_some() || !ask.only.is_empty();
        let split = if is_part { Split::Lines } else { Split::Never };
        Ok(Some(Self {
            lines: Lines::new(Cursor::over(index, from, filter), split),
            form: Form::Merged(Box::new(renderer)),
            from,
            to: ask.to,
            only: ask.only.clone(),
            upto,
            is_limited,
            is_over: false,
        }))
    }

    /// The next page; `None` after the last one.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut page, mut scratch) = (vec![], vec![]);
        while !self.is_over && page.len() < PAGE {
            let Some(entry) = self.lines.next(self.upto)? else {
                self.is_over = true;
                break;
            };
            if self.to.is_some_and(|to| entry.position > to) {
                self.is_over = true;
            } else if entry.position >= self.from
                && (entry.is_line() || !self.is_limited)
                && self.only.iter().all(|selection| selection.matches(&entry, &mut scratch))
            {
                self.form.show(&entry, Among::default(), &mut page);
            }
        }
        if self.is_over {
            self.form.finish(&mut page);
        }
        Ok((!page.is_empty()).then_some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::{Stamp, TextAsk};
    use crate::journal::Position;
    use crate::web::access::Scope;

    #[test]
    fn a_limited_session_gets_its_processes_only() {
        let scope = Scope::Processes { run: "0a".into(), names: vec!["web".into(), "a b".into()] };
        let names = |query: &str| TextAsk::parse(query, &scope).map(|ask| ask.names);
        let both = Some(vec!["=web".to_owned(), "=a b".to_owned()]);
        assert_eq!(names(""), both);
        assert_eq!(names("form=plain"), both);
        assert_eq!(names("name=a+b"), Some(vec!["=a b".to_owned()]));
        assert_eq!(names("name=%3Da+b"), Some(vec!["=a b".to_owned()]));
        for more in ["name=db", "name=web&name=db", "name=w*", "n%61me=db", "name="] {
            assert_eq!(names(more), None, "{more}");
        }
    }

    #[test]
    fn a_query_is_parsed_and_a_malformed_one_is_refused() {
        let parse = |query: &str| TextAsk::parse(query, &Scope::All);
        let at = |record, skip| Some(Position { record, skip });
        let (from, to) = (at(3, 0), at(7, 12));
        let asked = parse("name=web&from=3.0&to=7.12&form=times").unwrap();
        assert_eq!((asked.from, asked.to, asked.stamp), (from, to, Stamp::Date));
        assert_eq!(asked.names, ["web"]);
        for malformed in ["from=x", "to=", "form=html", "colour=1", "grep=(", "hide=[", "name"] {
            let is_name = malformed == "name";
            assert_eq!(parse(malformed).is_some(), is_name, "{malformed}");
        }
    }
}
