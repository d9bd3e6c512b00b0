//! `tmo logs` and `tmo echo`: the log, what is there and what comes.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};

use anstream::adapter::StripBytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, stdout};

use super::args::{EchoArgs, LogsArgs};
use super::error::CliError;
use super::instance::{Instance, Server};
use super::log::Source;
use super::outlet::{Lost, Outlet};
use super::view::stop_signal;
use crate::config::Env;
use crate::control::address::Address;
use crate::control::client::HeadEvent;
use crate::control::lock;
use crate::journal::cursor::{Filter, Position};
use crate::journal::ingest::Ingest;
use crate::journal::query::tail;
use crate::journal::reader::IndexReader;
use crate::journal::segment::{LOG, Listing};
use crate::view::merged::Chunk;
use crate::view::paint::Mode;
use crate::view::printer::Job;

/// Follow the log from now on.
pub(super) fn echo(args: &EchoArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let server = super::block_on(instance.server())?;
    match (server, instance.address()) {
        (Server::Overmind(address), _) => {
            return super::block_on(foreign(&address, &instance.context.env));
        }
        // It speaks overmind's lines as well, and they carry the log.
        (Server::Tmo, address @ Address::Tcp(_))
            if args.names.is_empty() && args.lines.is_none() =>
        {
            return super::block_on(foreign(&address, &instance.context.env));
        }
        (Server::Tmo, _) => instance.on_this_machine()?,
    }
    let source = Source::of_instance(&instance)?;
    let filter = source.filter(&args.names)?;
    let mut index = source.index();
    let record = index.len().map_err(CliError::io("the journal"))?;
    let position = match args.lines {
        None => Position { record, skip: 0 },
        Some(lines) => {
            tail(&mut index, &filter, lines as u64, record).map_err(CliError::io("the journal"))?
        }
    };
    let style = Source::style(&instance.context.env, false);
    follow(&instance, source.job(position, filter, style))
}

/// Pass on what an overmind streams.
async fn foreign(address: &Address, env: &Env) -> Result<u8, CliError> {
    let client = crate::control::overmind_client::OvermindClient::new(address);
    let mut stream = client.echo().await?;
    // Coloured for whom it may be.
    let mode = Source::style(env, false).mode;
    let coloured = matches!(mode, Mode::Exact | Mode::Terminal { color: true });
    let copy = async {
        let (mut out, mut buffer, mut strip) = (stdout(), [0; 8192], StripBytes::new());
        loop {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return out.flush().await;
            }
            if coloured {
                out.write_all(&buffer[..read]).await?;
            } else {
                for piece in strip.strip_next(&buffer[..read]) {
                    out.write_all(piece).await?;
                }
            }
            out.flush().await?;
        }
    };
    tokio::select! {
        copied = copy => match copied {
            // Whoever reads has enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            copied => copied.map_err(CliError::io("the log"))?,
        },
        stopped = stop_signal() => stopped.map_err(CliError::io("signals"))?,
    }
    Ok(0)
}

/// Print what is there, and with `-f` what comes.
pub(super) fn logs(args: &LogsArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let instance = Instance::find(&args.client)?;
    let source = Source::of_instance(&instance)?;
    let filter = source.filter(&args.names)?;
    if args.path {
        return paths(&source, &filter, out);
    }
    let supervised = lock::is_held(instance.runtime.dir()).unwrap_or(false);
    let mut index = if supervised { source.index() } else { whole_index(&source)? };
    let upto = index.len().map_err(CliError::io("the journal"))?;
    let position = match args.lines {
        None => Position::default(),
        Some(lines) => {
            tail(&mut index, &filter, lines as u64, upto).map_err(CliError::io("the journal"))?
        }
    };
    let style = Source::style(&instance.context.env, false);
    if args.follow && supervised {
        return follow(&instance, source.job(position, filter, style));
    }
    let mut job = source.job(position, filter.clone(), style);
    job.cursor = crate::journal::cursor::Cursor::over(index, position, filter);
    // Past `out`, which takes escapes and odd bytes away where there is no terminal: what a
    // process printed is printed.
    print(job, upto, args.no_prefix, &mut std::io::stdout().lock())
}

/// The index with what no supervisor has indexed yet.
fn whole_index(source: &Source) -> Result<IndexReader, CliError> {
    let streams: Vec<_> = source.streams.iter().map(|s| (s.number, s.name.slug())).collect();
    let mut ingest =
        Ingest::in_memory(&source.dirs, &streams, false).map_err(CliError::io("the journal"))?;
    while ingest.catch_up(u64::MAX).map_err(CliError::io("the journal"))?.more {}
    Ok(ingest.into_index())
}

fn print(mut job: Job, upto: u64, raw: bool, out: &mut dyn Write) -> Result<u8, CliError> {
    const BATCH: usize = 64 << 10;
    let (mut text, mut page) = (vec![], vec![]);
    let read = CliError::io("the journal");
    let result = loop {
        match job.cursor.next(upto, &mut text) {
            Ok(None) => break Ok(()),
            Ok(Some(chunk)) if raw => {
                if chunk.record.kind == crate::journal::record::Kind::Text {
                    put_plain(&text, &mut page);
                }
            }
            Ok(Some(chunk)) => {
                let chunk = Chunk::whole(&chunk.record, &text, chunk.lost);
                job.renderer.render(chunk, &mut page);
            }
            Err(error) => break Err(error),
        }
        if page.len() >= BATCH {
            if gone(out.write_all(&page))? {
                return Ok(0);
            }
            page.clear();
        }
    };
    job.renderer.finish(&mut page);
    gone(out.write_all(&page))?;
    gone(out.flush())?;
    result.map_err(read)?;
    Ok(0)
}

/// Lines as they were printed: the terminal has put a carriage return before each newline.
fn put_plain(text: &[u8], page: &mut Vec<u8>) {
    for line in text.split_inclusive(|&b| b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                page.extend_from_slice(line);
                page.push(b'\n');
            }
            None => page.extend_from_slice(line),
        }
    }
}

/// Whether nobody reads any more, which is no error.
fn gone(written: std::io::Result<()>) -> Result<bool, CliError> {
    match written {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(CliError::io("standard output")(error)),
    }
}

/// Show the log as it comes, until the run ends, a signal comes or nobody reads any more.
fn follow(instance: &Instance, job: Job) -> Result<u8, CliError> {
    let mut outlet = Outlet::open(job)?;
    super::block_on(async {
        let mut news = instance.ask(async |client| client.head(false).await).await?;
        let stop = stop_signal();
        tokio::pin!(stop);
        loop {
            let event = tokio::select! {
                event = news.next() => event,
                _ = &mut stop => return Ok(0),
                lost = outlet.lost() => match lost {
                    Lost::Reader | Lost::Terminal => return Ok(0),
                    Lost::Failed(error) => return Err(CliError::io("standard output")(error)),
                },
            };
            match event {
                Some(Ok(HeadEvent::Head(head))) => outlet.printer.head(head),
                Some(Ok(HeadEvent::End(_) | HeadEvent::Leave) | Err(_)) => break,
                // The supervisor was killed, and another one is started; or it was the last.
                None => match instance.ask(async |client| client.head(false).await).await {
                    Ok(fresh) => news = fresh,
                    Err(_) => break,
                },
            }
        }
        outlet.printer.finish();
        let done = tokio::task::spawn_blocking(move || outlet.printer.join());
        tokio::select! {
            _ = done => {}
            _ = &mut stop => {}
        }
        Ok(0)
    })
}

/// The files that hold the text, oldest first.
fn paths(source: &Source, filter: &Filter, out: &mut dyn Write) -> Result<u8, CliError> {
    let mut text = String::new();
    for stream in source.streams.iter().filter(|s| filter.takes(s.number)) {
        let mut listing = Listing::new(&stream.name.slug(), LOG);
        listing.refresh(&source.dirs).map_err(CliError::io(source.dirs.journal.display()))?;
        for segment in listing.segments() {
            if let Some(path) = segment.path(&source.dirs, listing.slug(), LOG) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{}", path.display());
            }
        }
    }
    super::print(out, text.as_bytes())
}
