//! The log as text, with the bytes that `tmo logs` prints into a pipe.
//!
//! It is read in small parts while it is sent, so a journal of any size needs the same memory.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use futures_util::stream;
use tokio::task::spawn_blocking;

use crate::journal::history::{HistoryProblem, LogQuery};
use crate::journal::search::lines::Split;
use crate::journal::search::pattern::Pattern;
use crate::journal::search::select::{SelectedEntries, Selection};
use crate::journal::streams::Stream;
use crate::journal::{Cursor, IndexReader, Position, Streams};
use crate::sys::local;
use crate::view::formatter::{Form, Formatter, LogLine};
use crate::view::merged::Renderer;
use crate::view::paint::{Mode, Stamp, Style};
use crate::web::access::Scope;
use crate::web::runs::{Run, exactly, whole};
use crate::web::server::{Answered, Refusal, unknown, unreadable};

/// How much is read at once.
const PAGE: usize = 64 << 10;

/// The selection of entries and their form.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextAsk {
    /// The processes, and what the lines must match.
    query: LogQuery,
    /// What they must not match.
    hidden: Option<Selection>,
    /// The first and the last entry.
    from: Option<Position>,
    to: Option<Position>,
    /// The time before each line.
    stamp: Stamp,
    /// Only lines of processes, without names or times.
    bare: bool,
}

impl TextAsk {
    /// Parse a query; `None` if it is malformed or asks for more than the session may see.
    pub(crate) fn parse(query: &str, scope: &Scope) -> Option<Self> {
        let mut ask = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "name" if scope.has_process(whole(&value)) => {
                    ask.query.names.push(match scope.names() {
                        Some(_) => exactly(whole(&value)),
                        None => value.into_owned(),
                    });
                }
                "from" => ask.from = Some(value.parse().ok()?),
                "to" => ask.to = Some(value.parse().ok()?),
                "grep" => ask.query.grep = Some(value.into_owned()),
                "ignore-case" => ask.query.ignore_case = value == "true",
                "hide" => {
                    let pattern = Some(Pattern::new(&value, false, true).ok()?);
                    ask.hidden = Some(Selection { pattern, ..Selection::default() });
                }
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
        if let (true, Some(names)) = (ask.query.names.is_empty(), scope.names()) {
            ask.query.names = names.iter().map(|name| exactly(name)).collect();
        }
        // A malformed expression is refused at once.
        ask.query.selection().ok()?;
        Some(ask)
    }
}

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
        let streams = Streams::open(&dirs).map_err(io::Error::from)?.all().to_vec();
        let is_present = |stream: &&Stream| {
            known
                .plan
                .as_ref()
                .is_none_or(|plan| plan.processes.iter().any(|process| process.name == stream.name))
        };
        let present: Vec<_> = streams.iter().filter(is_present).collect();
        TextReader::new(ask, IndexReader::open(&dirs), &streams, &present, is_limited)
    });
    let reader = match opened.await.map_err(io::Error::other) {
        Ok(Ok(reader)) => reader,
        Ok(Err(HistoryProblem::Io(error))) | Err(error) => return Err(unreadable(&error)),
        Ok(Err(_)) => return Err(unknown()),
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
        .chain(ask.query.names.iter().map(|word| whole(word).to_owned()))
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
    entries: SelectedEntries,
    formatter: Formatter,
    to: Option<Position>,
    hidden: Option<Selection>,
    upto: u64,
    is_limited: bool,
    is_over: bool,
}

impl TextReader {
    fn new(
        ask: TextAsk,
        mut index: IndexReader,
        streams: &[Stream],
        present: &[&Stream],
        is_limited: bool,
    ) -> Result<Self, HistoryProblem> {
        let TextAsk { query, hidden, from, to, stamp, bare } = ask;
        let plan = query.plan(&mut index, streams)?;
        let is_part =
            from.is_some() || to.is_some() || hidden.is_some() || plan.selection.pattern.is_some();
        let split = if is_part { Split::Lines } else { Split::Never };
        let style = Style { stamp, bare, zone: local::zone(), ..Style::new(Mode::Plain) };
        let renderer = Renderer::of_journal(style, index.dirs(), present.iter().copied());
        let from = from.map_or(plan.from, |from| from.max(plan.from));
        let cursor = Cursor::over(index, from, plan.filter);
        Ok(Self {
            entries: SelectedEntries::new(cursor, plan.selection, split),
            formatter: Formatter::new(Form::Merged, renderer),
            to,
            hidden,
            upto: plan.upto,
            is_limited,
            is_over: false,
        })
    }

    /// The next page; `None` after the last one.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Self { entries, formatter, to, hidden, upto, is_limited, is_over } = self;
        let mut page = vec![];
        let mut scratch = vec![];
        while !*is_over && page.len() < PAGE {
            let goes_on = entries.next(*upto, &mut |entry, among| {
                *is_over = to.is_some_and(|to| entry.position > to);
                let is_visible = (entry.is_line() || !*is_limited)
                    && hidden.as_ref().is_none_or(|hidden| hidden.matches(entry, &mut scratch));
                if is_visible && !*is_over {
                    formatter.show(LogLine::Read(entry, among), &mut page);
                }
            })?;
            *is_over |= !goes_on;
        }
        if *is_over {
            formatter.renderer.finish(&mut page);
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
        let names = |query: &str| TextAsk::parse(query, &scope).map(|ask| ask.query.names);
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
        assert_eq!(asked.query.names, ["web"]);
        for malformed in ["from=x", "to=", "form=html", "colour=1", "grep=(", "hide=[", "name"] {
            let is_name = malformed == "name";
            assert_eq!(parse(malformed).is_some(), is_name, "{malformed}");
        }
    }
}
