//! The log of a run on another machine or in a container, reached through a forwarded socket: it is read through its
//! API, since its files are not here.
//!
//! The flags, the style and the times of `--around` are those of `logs.rs`; its supervisor selects the lines, with those
//! around them. What is left here are requests for pages and new lines in place of a cursor over files.

use std::time::Duration;

use super::logs::LogsArgs;
use super::logs::{query_of, shows_divider, style, window};
use crate::cli::error::CliError;
use crate::cli::output::stdout::{Stdout, goes_on, write};
use crate::cli::reach::instance::{Far, Instance};
use crate::cli::runtime;
use crate::cli::view::while_wanted;
use crate::client::Next;
use crate::journal::history::{Line, LogQuery};
use crate::view::api_lines::ApiLines;
use crate::view::paint::Style;
use crate::view::reading::Spans;

/// `tmo logs` and `tmo events`.
pub(super) fn logs(instance: &Instance, far: &Far, args: &LogsArgs) -> Result<u8, CliError> {
    if let Some((flag, _)) =
        [("--raw", args.raw), ("--path", args.path), ("--before", args.before.is_some())]
            .iter()
            .find(|one| one.1)
    {
        return Err(far.lacks(&format!("{flag} needs its files")));
    }
    let (mut ask, window) = (query_of(args)?, window(args)?);
    let style = (!args.json).then(|| style(instance, args));
    let mut lines = ApiLines::new(style, &far.state.processes);
    if shows_divider(args) {
        lines.divide_at(far.state.started);
    }
    let mut outlet = Stdout::new(args.max_bytes);
    runtime::block_on(while_wanted(async {
        let mut show = |line: Line<'static>| goes_on(outlet.put(&lines.show(&line))).map(drop);
        if let Some(window) = window {
            return around(instance, ask, window, &mut show).await;
        }
        each(instance, &mut ask, &mut show).await?;
        if args.follow {
            follow(instance, ask, &mut lines).await?;
        }
        Ok(())
    }))?;
    goes_on(outlet.put(&lines.finish()))?;
    outlet.finish()
}

/// `tmo echo`.
pub(super) fn echo(
    instance: &Instance,
    far: &Far,
    query: LogQuery,
    style: Style,
) -> Result<u8, CliError> {
    let mut lines = ApiLines::new(Some(style), &far.state.processes);
    runtime::block_on(while_wanted(follow(instance, query, &mut lines))).map(|()| 0)
}

/// Read everything that is asked for, and then ask for what follows it.
async fn each(
    instance: &Instance,
    ask: &mut LogQuery,
    show: &mut impl FnMut(Line<'static>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    loop {
        let page = instance.ask(async |client| client.lines(ask).await).await?;
        page.lines.into_iter().try_for_each(&mut *show)?;
        (ask.after, ask.last) = (page.next, None);
        if !page.more {
            return Ok(());
        }
    }
}

/// Read what all processes printed around each match.
async fn around(
    instance: &Instance,
    mut matches: LogQuery,
    window: Duration,
    show: &mut impl FnMut(Line<'static>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut spans = Spans::new(window);
    each(instance, &mut matches, &mut |line| {
        if let (Ok(time), None) = (line.time.parse(), &line.event) {
            spans.add(time);
        }
        Ok(())
    })
    .await?;
    for mut ask in spans.queries() {
        let mut apart = true;
        let mut show = |line| show(Line { apart: std::mem::take(&mut apart), ..line });
        each(instance, &mut ask, &mut show).await?;
    }
    Ok(())
}

/// Print new lines until the run ends or the reader is gone.
async fn follow(
    instance: &Instance,
    mut ask: LogQuery,
    lines: &mut ApiLines,
) -> Result<(), CliError> {
    let mut out = tokio::io::stdout();
    let mut stream = instance.ask(async |client| client.follow(&ask).await).await?;
    while let Next::Line(line) =
        instance.next_event(&mut stream, async |client| client.follow(&ask).await).await?
    {
        if !goes_on(write(&mut out, &lines.show(&line)).await)? {
            return Ok(());
        }
        (ask.after, ask.last) = (Some(line.cursor), None);
    }
    goes_on(write(&mut out, &lines.finish()).await).map(drop)
}
