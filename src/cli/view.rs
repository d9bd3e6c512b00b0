//! The view of a run: shows the log, passes signals on, ends with the run's exit code.
//!
//! Its control connection carries no text, only where the journal ends. When that connection
//! breaks, the supervisor was killed; the guardian starts it again, and should that be dead too,
//! the view starts another one.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::error::CliError;
use super::launch::Launch;
use super::log::Source;
use crate::config::Env;
use crate::config::inherit::is_ignored;
use crate::control::client::{Client, ClientError, HeadEvent, HeadStream};
use crate::control::handle::End;
use crate::control::listen;
use crate::engine::guard::News;
use crate::engine::runtime::Runtime;
use crate::journal::cursor::Position;
use crate::model::plan::Plan;
use crate::model::request::Request;
use crate::view::paint::name_width;
use crate::view::printer::Printer;
use crate::view::{screen, words};

/// 128 + SIGHUP: what a command that lost its terminal ends with.
const HUNG_UP: u8 = 129;

/// What is shown.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) plan: Plan,
    pub(super) runtime: Runtime,
    pub(super) tmo: PathBuf,
    pub(super) env: Env,
    pub(super) timestamps: bool,
}

/// Something that happens to a view.
enum Wake {
    /// News of the run; nothing when the connection broke.
    News(Option<HeadEvent>),
    Stop,
    Hangup,
    Resize,
    /// Nobody reads our output any more.
    Unread,
}

/// Show the run until it ends; returns its exit code.
pub(super) fn show(shown: &Shown) -> Result<u8, CliError> {
    let (gone, unread) = mpsc::channel(1);
    let printer = shown.printer(move || _ = gone.blocking_send(()))?;
    super::block_on(async {
        let ending = shown.follow(&printer, unread).await?;
        let Some(end) = ending else { return Ok(HUNG_UP) };
        for word in shown.last_words(&end) {
            printer.say(word, true);
        }
        printer.finish();
        // A stopped terminal may hold it up for as long as it likes; a signal ends that.
        let done = tokio::task::spawn_blocking(move || printer.join());
        tokio::select! {
            _ = done => {}
            _ = stop_signal() => {}
        }
        Ok(end.code)
    })
}

impl Shown {
    fn printer(&self, gone: impl FnOnce() + Send + 'static) -> Result<Printer, CliError> {
        let saved = self.runtime.saved()?;
        let first = Position { record: saved.first_record, skip: 0 };
        let position = self.runtime.shown().unwrap_or(first).max(first);
        let shown = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.runtime.shown_file())
            .map_err(CliError::io(self.runtime.shown_file().display()))?;
        let source = Source::of_plan(&self.plan, self.runtime.dir())?;
        let style = Source::style(&self.env, self.timestamps);
        let mut job = source.job(position, source.filter(&[])?, style);
        job.shown = Some(shown);
        job.renderer.title(&self.plan.title, "tmo", &mut job.first);
        Printer::start(job, gone).map_err(CliError::io("the printer"))
    }

    /// Who ended first, why, and what it said last: the reason must not have scrolled away.
    fn last_words(&self, end: &End) -> Vec<String> {
        const LINES: u64 = 10;
        let Some(culprit) = &end.culprit else { return vec![] };
        let lines = Source::of_plan(&self.plan, self.runtime.dir())
            .and_then(|source| source.last_lines(&culprit.name, LINES))
            .unwrap_or_default();
        let lines: Vec<&[u8]> = lines.split(|&b| b == b'\n').filter(|l| !l.is_empty()).collect();
        words::last_words(&[words::Death {
            name: culprit.name.as_str(),
            exit: culprit.exit,
            uptime: Duration::from_nanos(culprit.ran_ns),
            last_lines: &lines,
        }])
    }

    /// Until the run ends (how), or our terminal does (nothing).
    async fn follow(
        &self,
        printer: &Printer,
        mut unread: mpsc::Receiver<()>,
    ) -> Result<Option<End>, CliError> {
        let mut signals = Signals::new().map_err(CliError::io("signals"))?;
        let mut news = self.connect().await?.head(true).await?;
        loop {
            let wake = tokio::select! {
                event = news.next() => Wake::News(event.and_then(Result::ok)),
                wake = signals.next() => wake,
                Some(()) = unread.recv() => Wake::Unread,
            };
            match wake {
                Wake::News(Some(HeadEvent::Head(head))) => printer.head(head),
                Wake::News(Some(HeadEvent::End(end))) => return Ok(Some(end)),
                Wake::News(None) => match self.reconnect(printer).await? {
                    Some(fresh) => news = fresh,
                    None => return Ok(Some(End { code: 1, culprit: None })),
                },
                Wake::Stop | Wake::Unread => self.quit(),
                Wake::Hangup => return Ok(None),
                Wake::Resize => self.resize(printer),
            }
        }
    }

    async fn connect(&self) -> Result<Client, ClientError> {
        Client::connect(&listen::locate(self.plan.socket.as_path(), self.runtime.dir())).await
    }

    /// The supervisor was killed. Its guardian starts another one and keeps the socket meanwhile;
    /// if that is dead too, start a guardian. Nothing if there is nothing left.
    async fn reconnect(&self, printer: &Printer) -> Result<Option<HeadStream>, CliError> {
        loop {
            if let Ok(client) = self.connect().await
                && let Ok(news) = client.head(true).await
            {
                return Ok(Some(news));
            }
            let mut launch = Launch::begin(&self.tmo, self.runtime.dir(), None)?;
            let first = tokio::task::spawn_blocking(move || launch.next());
            match first.await.map_err(|e| CliError::Other(e.to_string()))?? {
                News::Failed { message, .. } => {
                    printer.say(format!("The supervisor is gone: {message}"), true);
                    return Ok(None);
                }
                News::Listening { adopted, .. } => {
                    let count = adopted.unwrap_or(0);
                    let text = format!(
                        "Supervisor and guardian were killed; new ones go on with {count} processes"
                    );
                    printer.say(text, true);
                }
                News::Held { .. } | News::Running | News::Ended { .. } => {}
            }
        }
    }

    /// Ask for a graceful stop; asked again, the supervisor kills.
    fn quit(&self) {
        let address = listen::locate(self.plan.socket.as_path(), self.runtime.dir());
        tokio::spawn(async move {
            if let Ok(client) = Client::connect(&address).await {
                // How it went is told by the end of the run.
                let _ = client.request(&Request::Quit, true).await;
            }
        });
    }

    /// Panes follow the terminal that shows their log.
    fn resize(&self, printer: &Printer) {
        let Some((columns, _)) = screen::window_size(std::io::stdout()) else { return };
        printer.resize(columns);
        let width = name_width(self.plan.processes.iter().map(|p| p.name.as_str()));
        let Some(terminal) = screen::stdin_size() else { return };
        let (columns, rows) = screen::pane_size(Some(terminal), width, self.timestamps);
        let address = listen::locate(self.plan.socket.as_path(), self.runtime.dir());
        tokio::spawn(async move {
            if let Ok(client) = Client::connect(&address).await {
                let _ = client.request(&Request::Resize { columns, rows }, false).await;
            }
        });
    }
}

/// The signals a view reacts to. Those that the caller ignored (`nohup`) stay ignored.
struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
    resize: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let unless_ignored = |number: Signal, kind| {
            if is_ignored(number) { Ok(None) } else { signal(kind).map(Some) }
        };
        Ok(Self {
            interrupt: unless_ignored(Signal::SIGINT, SignalKind::interrupt())?,
            terminate: unless_ignored(Signal::SIGTERM, SignalKind::terminate())?,
            hangup: unless_ignored(Signal::SIGHUP, SignalKind::hangup())?,
            resize: signal(SignalKind::window_change())?,
        })
    }

    async fn next(&mut self) -> Wake {
        tokio::select! {
            () = arrives(&mut self.interrupt) => Wake::Stop,
            () = arrives(&mut self.terminate) => Wake::Stop,
            () = arrives(&mut self.hangup) => Wake::Hangup,
            _ = self.resize.recv() => Wake::Resize,
        }
    }
}

async fn arrives(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// SIGINT, SIGTERM or SIGHUP.
pub(super) async fn stop_signal() -> std::io::Result<()> {
    let mut signals = Signals::new()?;
    loop {
        match signals.next().await {
            Wake::Stop | Wake::Hangup => return Ok(()),
            Wake::Resize | Wake::News(_) | Wake::Unread => {}
        }
    }
}
