//! `tmo start --ui`: the interface as the view of the run. Unlike `tmo ui`, it gives its terminal's size to
//! the processes, a signal stops the run, and its exit code is that of the run.

use tokio::select;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{LocalSet, spawn_local};

pub(in crate::cli) use super::refuse_without_terminal as check;
use super::shell::{Left, Shell};
use crate::cli::error::CliError;
use crate::cli::reach::instance::Instance;
use crate::cli::runtime::block_on;
use crate::cli::view::signals::Early;
use crate::cli::view::{Display, HUNG_UP, Say, ViewContinuation, ViewState, finish_quietly};
use crate::client::HeadEvent;
use crate::model::exit::End;
use crate::model::request::Head;
use crate::ui::state::layout::{Wishes, areas};
use crate::ui::state::msg::Msg;
use crate::view::screen;

/// The size of a terminal as large as the log of the interface.
pub(in crate::cli) fn log_size() -> Option<(u16, u16)> {
    let size = screen::window_size(std::io::stdin())?;
    let log = areas(size, Wishes::default()).log;
    Some((log.width, log.height))
}

/// Show the run until it ends; returns its exit code.
pub(in crate::cli) fn show(mut shown: ViewState, instance: Instance) -> Result<u8, CliError> {
    block_on(LocalSet::new().run_until(async {
        let (stop, stops) = channel(4);
        let early = shown.early.take();
        let mut shell = Shell::new(instance, true)?;
        shell.ui.run.is_owned = true;
        shell.stop = Some(stop);
        if early.as_ref().is_some_and(Early::asked) {
            shell.stop_all();
        }
        let view = spawn_local(follow(shown, ToInterface(shell.sender.clone()), stops));
        let left = if early.is_some_and(|early| early.hung_up()) {
            Left { code: HUNG_UP, words: None }
        } else {
            shell.run().await?
        };
        if left.code != 0 || !shell.ui.run.is_over() {
            view.abort();
            return left.finish();
        }
        let (shown, end) = view.await??;
        match end {
            Some(end) => {
                left.finish()?;
                finish_quietly(shown, &end).await
            }
            None => left.finish(),
        }
    }))
}

/// Stay connected to the run until it ends; `None` if this view is to be detached.
async fn follow(
    mut shown: ViewState,
    display: ToInterface,
    mut stops: Receiver<()>,
) -> Result<(ViewState, Option<End>), CliError> {
    loop {
        let mut news = match shown.connect(&display).await {
            Ok(ViewContinuation::News(news)) => news,
            Ok(ViewContinuation::Over(end)) => return Ok(display.over(shown, end).await),
            Err(error) => {
                display.send(Msg::Gone).await;
                return Err(error);
            }
        };
        shown.door = None;
        loop {
            let event = select! {
                event = news.next() => event,
                Some(()) = stops.recv() => {
                    shown.quit(&display);
                    continue;
                }
            };
            match event {
                Some(Ok(HeadEvent::Head(head))) => display.send(Msg::Head(head)).await,
                Some(Ok(HeadEvent::End(end))) => return Ok(display.over(shown, end).await),
                Some(Ok(HeadEvent::Leave)) if !shown.interrupted => {
                    display.send(Msg::Detached).await;
                    return Ok((shown, None));
                }
                Some(Ok(HeadEvent::Leave) | Err(_)) | None => break,
            }
        }
        display.send(Msg::Away).await;
    }
}

/// The interface as the display of a view.
struct ToInterface(Sender<Msg>);

impl ToInterface {
    /// If the interface is gone, so is this task.
    async fn send(&self, msg: Msg) {
        let _ = self.0.send(msg).await;
    }

    async fn over(&self, shown: ViewState, end: End) -> (ViewState, Option<End>) {
        self.send(Msg::Ended(Box::new(end.clone()))).await;
        (shown, Some(end))
    }
}

impl Display for ToInterface {
    fn head(&self, head: Head) {
        // The next one says the same, and more.
        let _ = self.0.try_send(Msg::Head(head));
    }

    fn teller(&self) -> Say {
        let sender = self.0.clone();
        Box::new(move |text, error| {
            // If so many messages wait, one more would not be read either.
            let _ = sender.try_send(if error { Msg::Failed(text) } else { Msg::Note(text) });
        })
    }
}
