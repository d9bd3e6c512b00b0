//! The lines that a query selects, page by page: from the files of the journal, or from the supervisor of a run on
//! another machine, which selects them there.

use std::time::Duration;

use crate::cli::error::CliError;
use crate::cli::output::stdout::{Stdout, goes_on, write};
use crate::cli::reach::instance::{Far, Instance};
use crate::client::Next;
use crate::journal::history::LogQuery;
use crate::journal::search::select::SelectedEntries;
use crate::view::formatter::{Formatter, LogLine, Spans};
use crate::view::merged::Renderer;
use crate::view::paint::Style;

/// How much text is collected before it is written.
const TEXT: usize = 64 << 10;

/// What is left to read of what a query selects.
pub(super) enum Pages<'a> {
    Files {
        entries: Box<SelectedEntries>,
        upto: u64,
    },
    /// `query` asks for what follows the last page, whether there is `more` now or not.
    Api {
        instance: &'a Instance,
        query: LogQuery,
        more: bool,
    },
}

impl<'a> Pages<'a> {
    pub(super) const fn of_api(instance: &'a Instance, query: LogQuery) -> Self {
        Self::Api { instance, query, more: true }
    }

    /// Show the next page; false if there is none.
    async fn next(&mut self, show: &mut dyn FnMut(LogLine<'_>)) -> Result<bool, CliError> {
        match self {
            Self::Files { entries, upto } => entries
                .next(*upto, &mut |entry, among| show(LogLine::Read(entry, among)))
                .map_err(CliError::io("the log")),
            Self::Api { more: false, .. } => Ok(false),
            Self::Api { instance, query, more } => {
                let page = instance.ask(async |client| client.lines(query).await).await?;
                page.lines.iter().for_each(|line| show(LogLine::Sent(line)));
                (query.after, query.last) = (page.next, None);
                *more = page.more;
                Ok(true)
            }
        }
    }

    /// Print them all; false if they have no reader any more. `begin` is called before the first text is written.
    async fn print(
        &mut self,
        formatter: &mut Formatter,
        outlet: &mut Stdout,
        begin: &mut dyn FnMut(),
    ) -> Result<bool, CliError> {
        // A page of another machine is shown when it comes.
        let most = if matches!(self, Self::Api { .. }) { 1 } else { TEXT };
        let mut text = vec![];
        loop {
            let is_over = !self.next(&mut |line| formatter.show(line, &mut text)).await?;
            if text.len() >= most || is_over {
                begin();
                if !goes_on(outlet.put(&text))? || is_over {
                    return Ok(is_over);
                }
                text.clear();
            }
        }
    }

    /// Print them all or, with a window, what all processes printed around each; false if they have no reader any more.
    /// `open` reads what another query selects.
    pub(super) async fn print_all(
        &mut self,
        window: Option<Duration>,
        mut open: impl FnMut(LogQuery, &Formatter) -> Result<Self, CliError>,
        formatter: &mut Formatter,
        outlet: &mut Stdout,
        begin: &mut dyn FnMut(),
    ) -> Result<bool, CliError> {
        let Some(window) = window else { return self.print(formatter, outlet, begin).await };
        let mut spans = Spans::new(window);
        while self
            .next(&mut |line| line.printed().into_iter().for_each(|time| spans.add(time)))
            .await?
        {}
        for query in spans.queries() {
            formatter.begin_part();
            if !open(query, formatter)?.print(formatter, outlet, begin).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Print what is still pending; false if it has no reader any more.
pub(super) fn finish(formatter: &mut Formatter, outlet: &mut Stdout) -> Result<bool, CliError> {
    let mut text = vec![];
    formatter.renderer.finish(&mut text);
    goes_on(outlet.put(&text))
}

/// A renderer for lines of this run.
pub(super) fn renderer_of(far: &Far, style: Style) -> Renderer {
    let mut renderer = Renderer::new(style, &[]);
    renderer.add_senders(&far.state.processes);
    renderer
}

/// Print new lines of a run on another machine until it ends or they have no reader any more.
pub(super) async fn follow_api(
    instance: &Instance,
    mut query: LogQuery,
    formatter: &mut Formatter,
) -> Result<(), CliError> {
    let mut out = tokio::io::stdout();
    let mut text = vec![];
    let mut stream = instance.ask(async |client| client.follow(&query).await).await?;
    while let Next::Line(line) =
        instance.next_event(&mut stream, async |client| client.follow(&query).await).await?
    {
        formatter.show(LogLine::Sent(&line), &mut text);
        if !goes_on(write(&mut out, &text).await)? {
            return Ok(());
        }
        text.clear();
        (query.after, query.last) = (Some(line.cursor), None);
    }
    formatter.renderer.finish(&mut text);
    goes_on(write(&mut out, &text).await).map(drop)
}
