//! `tmo echo`: follows the log.

use futures_util::future::OptionFuture;
use tokio::io::{AsyncReadExt as _, stdout};

use super::pages::{follow_api, renderer_of};
use crate::cli::args::{ClientArgs, values};
use crate::cli::error::CliError;
use crate::cli::output::outlet::{FAREWELL, Lost, Outlet, input_ended};
use crate::cli::output::stdout::{goes_on, write};
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::reach::log::{Source, unreadable};
use crate::cli::runtime;
use crate::cli::view::keyboard::Keyboard;
use crate::cli::view::{stop_signal, while_wanted};
use crate::client::HeadEvent;
use crate::client::address::Address;
use crate::client::overmind::OvermindClient;
use crate::config::Env;
use crate::journal::history::{LogQuery, OutputStream};
use crate::journal::read::cursor::Position;
use crate::journal::search::page::before_last_lines;
use crate::journal::write::clear;
use crate::view::formatter::{Form, Formatter};
use crate::view::merged::Renderer;
use crate::view::paint::{Stamp, Style};
use crate::view::printer::Job;

/// Follow the merged log, from now on.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo echo                      everything
  tmo echo -n 20                the last 20 lines, then follow
  tmo echo web worker           only these")]
pub(in crate::cli) struct EchoArgs {
    /// Show only these processes.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    names: Vec<String>,
    /// Start with the last N lines of output.
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Only standard error (err) of processes that keep it apart, or only the other output (out).
    #[arg(long, value_name = "STREAM", value_enum, hide_possible_values = true)]
    stream: Option<OutputStream>,
    /// Show the time of each line.
    #[arg(short = 'T', long, short_alias = 't')]
    timestamps: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Follow the log from now on.
pub(in crate::cli) fn echo(args: &EchoArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let server = runtime::block_on(instance.server())?;
    let is_all = args.names.is_empty() && args.lines.is_none() && args.stream.is_none();
    let overmind = match (server, instance.address()) {
        (Server::Overmind(address), _) => Some(OvermindClient::new(&address)),
        // tmo also serves overmind's protocol over TCP, which carries the log.
        (Server::Tmo, address @ Address::Tcp(_)) if is_all => {
            Some(OvermindClient::of_tmo(&address))
        }
        (Server::Tmo, _) => None,
    };
    if let Some(client) = overmind {
        return runtime::block_on(foreign(client, &instance.context.env));
    }
    let query = LogQuery {
        names: args.names.clone(),
        stream: args.stream,
        last: args.lines,
        ..LogQuery::default()
    };
    let stamp = if args.timestamps { Stamp::Clock } else { Stamp::None };
    let style = Source::style(&instance.context.env, stamp);
    if let Some(far) = instance.far() {
        let mut formatter = Formatter::new(Form::Merged, renderer_of(far, style));
        let followed = follow_api(&instance, query, &mut formatter);
        return runtime::block_on(while_wanted(followed)).map(|()| 0);
    }
    instance.on_this_machine()?;
    let source = Source::of_instance(&instance)?;
    let filter = query.filter(&source.streams).map_err(CliError::Unknown)?;
    let mut index = source.index();
    let record = index.len().map_err(unreadable)?;
    let position = match args.lines {
        None => Position::at(record),
        Some(lines) => {
            let mark = Position::at(clear::mark(&source.dirs));
            before_last_lines(index, &filter, mark, record, lines).map_err(unreadable)?
        }
    };
    follow(&instance, source.job(position, filter, style), false)
}

/// Print a stream of overmind's protocol.
async fn foreign(client: OvermindClient, env: &Env) -> Result<u8, CliError> {
    let mut stream = client.echo().await?;
    let style = Style { bare: true, ..Source::style(env, Stamp::None) };
    let mut renderer = Renderer::new(style, &[]);
    while_wanted(async {
        let (mut out, mut buffer, mut shown) = (stdout(), vec![0; 8192], vec![]);
        loop {
            let read = stream.read(&mut buffer).await.map_err(CliError::io("the log"))?;
            if read == 0 {
                renderer.finish(&mut shown);
            } else {
                renderer.pass(&buffer[..read], &mut shown);
            }
            if !goes_on(write(&mut out, &shown).await)? || read == 0 {
                return Ok(());
            }
            shown.clear();
        }
    })
    .await?;
    let mut rest = vec![];
    renderer.settle(&mut rest);
    // A blocked terminal must not keep the command from ending.
    let _ = tokio::time::timeout(FAREWELL, write(&mut stdout(), &rest)).await;
    Ok(0)
}

/// Follow the log until the run ends, a signal arrives or the reader is gone; on request, until standard input ends.
pub(in crate::cli) fn follow(
    instance: &Instance,
    job: Job,
    until_input_ends: bool,
) -> Result<u8, CliError> {
    let mut outlet = Outlet::open(job)?;
    runtime::block_on(async {
        let shown = tokio::select! {
            shown = show_while(instance, &mut outlet, std::future::pending::<()>()) => shown?,
            ended = input_ended(), if until_input_ends => {
                return ended.map(|()| 0).map_err(CliError::io("a thread"));
            }
        };
        match shown {
            ShownUntil::RunOver => outlet.finish(stop_signal()).await,
            ShownUntil::Signal => outlet.leave(FAREWELL).await,
            ShownUntil::ReaderGone | ShownUntil::Done(()) => {}
        }
        Ok(0)
    })
}

/// Why the log is not shown any longer.
pub(in crate::cli) enum ShownUntil<T> {
    /// What it was shown during is done.
    Done(T),
    /// The run is over, or this view is to leave.
    RunOver,
    /// A signal asks to stop.
    Signal,
    /// Nobody reads it.
    ReaderGone,
}

/// Show the log as it grows while this is going on.
pub(in crate::cli) async fn show_while<T>(
    instance: &Instance,
    outlet: &mut Outlet,
    work: impl Future<Output = T>,
) -> Result<ShownUntil<T>, CliError> {
    outlet.obey_terminal();
    let keyboard = Keyboard::open();
    instance.warn_of_stopped_supervisor();
    let mut heads = instance.heads().await?;
    let mut stop = std::pin::pin!(stop_signal());
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            event = instance.next_of(&mut heads) => match event {
                Ok(HeadEvent::Head(head)) => outlet.printer.head(head),
                Ok(HeadEvent::End(_) | HeadEvent::Leave) | Err(_) => return Ok(ShownUntil::RunOver),
            },
            Some(()) = OptionFuture::from(keyboard.as_ref().map(Keyboard::entered)) => {
                outlet.printer.entered();
            }
            _ = &mut stop => return Ok(ShownUntil::Signal),
            done = &mut work => {
                // What it has printed is in the log, but perhaps not told yet.
                if let Ok(HeadEvent::Head(head)) = instance.next_of(&mut instance.heads().await?).await {
                    outlet.printer.head(head);
                }
                return Ok(ShownUntil::Done(done));
            }
            lost = outlet.lost() => return match lost {
                Lost::Reader | Lost::Terminal => Ok(ShownUntil::ReaderGone),
                Lost::Failed(error) => Err(CliError::io("standard output")(error)),
            },
        }
    }
}
