//! The log of a run on another machine or in a container, reached through a forwarded socket: it is read through its
//! API, since its files are not here.

use std::time::Duration;

use super::logs::{asked, window};
use crate::api::history::{HistoryAsk, Line};
use crate::cli::args::{EchoArgs, LogsArgs};
use crate::cli::error::CliError;
use crate::cli::output::stdout::{Stdout, goes_on, write};
use crate::cli::reach::instance::{Far, Instance};
use crate::cli::reach::log::Source;
use crate::cli::runtime;
use crate::cli::view::while_wanted;
use crate::client::{LinePage, Next};
use crate::model::time::Timestamp;
use crate::view::api_lines::ApiLines;
use crate::view::paint::Style;
use crate::view::reading::Spans;

/// Lines per request: keeps an answer small even if every line is long.
const PAGE: usize = 200;

/// `tmo logs` and `tmo events`.
pub(in crate::cli) fn logs(
    instance: &Instance,
    far: &Far,
    args: &LogsArgs,
) -> Result<u8, CliError> {
    if let Some((flag, _)) = [("--raw", args.raw), ("--path", args.path)].iter().find(|one| one.1) {
        return Err(far.lacks(&format!("{flag} needs its files")));
    }
    let (ask, window) = (asked(args)?, window(args)?);
    let mut lines = lines_of(instance, far, args);
    let mut outlet = Stdout::new(args.max_bytes);
    runtime::block_on(while_wanted(async {
        let mut show = |line: &Line<'_>| {
            let mut text = vec![];
            lines.show(line, &mut text);
            goes_on(outlet.put(&text)).map(drop)
        };
        if let Some(window) = window {
            return around(instance, ask, window, &mut show).await;
        }
        let after = each(instance, ask.clone(), &mut show).await?;
        if args.follow {
            follow(instance, HistoryAsk { after, last: None, ..ask }, &mut lines).await?;
        }
        Ok(())
    }))?;
    let mut text = vec![];
    lines.finish(&mut text);
    goes_on(outlet.put(&text))?;
    outlet.finish()
}

/// `tmo echo`.
pub(in crate::cli) fn echo(
    instance: &Instance,
    far: &Far,
    args: &EchoArgs,
) -> Result<u8, CliError> {
    let (names, stream) = (args.names.clone(), args.stream);
    let logs = LogsArgs { names, stream, lines: args.lines, ..LogsArgs::default() };
    let mut lines = lines_of(instance, far, &logs);
    runtime::block_on(while_wanted(follow(instance, asked(&logs)?, &mut lines))).map(|()| 0)
}

fn lines_of(instance: &Instance, far: &Far, args: &LogsArgs) -> ApiLines {
    let style = Source::style(&instance.context.env, args.stamp());
    let style = Some(Style { bare: args.no_prefix, ..style }).filter(|_| !args.json);
    ApiLines::new(style, &far.state.processes)
}

/// Read everything that is asked for; returns the cursor behind it.
async fn each(
    instance: &Instance,
    mut ask: HistoryAsk,
    show: &mut impl FnMut(&Line<'_>) -> Result<(), CliError>,
) -> Result<Option<String>, CliError> {
    loop {
        let asked = instance.ask(async |client| client.lines(&ask, PAGE).await);
        let LinePage { lines, next, more } = asked.await?;
        if lines.len() > PAGE || (more && next == ask.after) {
            let text = "the other side returns other lines than those requested";
            return Err(CliError::Other(text.to_owned()));
        }
        lines.iter().try_for_each(&mut *show)?;
        (ask.after, ask.last) = (next, None);
        if !more {
            return Ok(ask.after);
        }
    }
}

/// Read what all processes printed around each match.
async fn around(
    instance: &Instance,
    matches: HistoryAsk,
    window: Duration,
    show: &mut impl FnMut(&Line<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut spans = Spans::new(window);
    each(instance, matches, &mut |line| {
        if line.event.is_none()
            && let Ok(time) = line.time.parse::<Timestamp>()
        {
            spans.add(time);
        }
        Ok(())
    })
    .await?;
    for (at, (begin, end)) in spans.into_iter().enumerate() {
        let (since, until) = (Some(begin.to_string()), Some(end.to_string()));
        let ask = HistoryAsk { since, until, ..HistoryAsk::default() };
        let mut is_first = at > 0;
        each(instance, ask, &mut |line| {
            show(&Line { apart: std::mem::take(&mut is_first), ..line.clone() })
        })
        .await?;
    }
    Ok(())
}

/// After this many consecutive streams without an event `follow` gives up: a supervisor is rarely replaced
/// that often.
const MOST_FRUITLESS: u32 = 20;

/// Print new lines until the run ends or the reader is gone.
async fn follow(
    instance: &Instance,
    mut ask: HistoryAsk,
    lines: &mut ApiLines,
) -> Result<(), CliError> {
    let (mut out, mut text) = (tokio::io::stdout(), vec![]);
    let mut fruitless = 0;
    while fruitless < MOST_FRUITLESS {
        fruitless += 1;
        let mut stream = instance.ask(async |client| client.follow(&ask).await).await?;
        // Without another item, the supervisor was replaced or the connection is gone: the next request shows which.
        while let Some(next) = stream.next().await {
            fruitless = 0;
            let next = next?;
            match &next {
                Next::Line(line) => lines.show(line, &mut text),
                Next::End => lines.finish(&mut text),
            }
            let is_read = goes_on(write(&mut out, &text).await)?;
            let (true, Next::Line(line)) = (is_read, next) else { return Ok(()) };
            (ask.after, ask.last) = (Some(line.cursor), None);
            text.clear();
        }
    }
    let text = "the supervisor keeps closing the stream of events before it has sent one";
    Err(CliError::Other(text.to_owned()))
}
