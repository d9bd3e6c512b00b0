//! Follows the run: the end of its journal and its state, whichever supervisor answers.

use std::rc::Rc;

use tokio::sync::mpsc::Sender;
use tokio::task::spawn_local;

use super::shell::Shell;
use crate::cli::error::CliError;
use crate::cli::reach::instance::Instance;
use crate::client::{Backoff, Client, ClientError, HeadEvent, LONGEST_PAUSE, WatchEvent};
use crate::sys::clock;
use crate::ui::state::list::SupervisorLink;
use crate::ui::state::msg::Msg;

impl Shell {
    /// Begin to follow the end of the journal.
    pub(super) fn follow_head(&self) {
        spawn_local(follow_head(Rc::clone(&self.instance), self.sender.clone()));
    }

    /// After the end of a run: if another one has begun, follow it.
    pub(super) fn look_for_run(&mut self) {
        let is_view = self.stop.is_some();
        if is_view || self.left.is_some() || !self.ui.run.is_over() {
            return;
        }
        if self.instance.runtime.is_held() {
            self.ui.run.link = SupervisorLink::Away(clock::now());
            self.follow_state();
            self.follow_head();
        }
    }

    /// Begin to follow the state of the run.
    pub(super) fn follow_state(&self) {
        spawn_local(follow_state(Rc::clone(&self.instance), self.sender.clone()));
    }
}

/// Pass on the end of the journal until the run is over or nobody listens any more.
async fn follow_head(instance: Rc<Instance>, sender: Sender<Msg>) -> Option<()> {
    let open = async |client: Client| client.head(false).await;
    loop {
        let mut news = connect(&instance, &sender, &open).await?;
        while let Some(Ok(event)) = news.next().await {
            let msg = match event {
                HeadEvent::Head(head) => Msg::Head(head),
                HeadEvent::End(end) => {
                    return sender.send(Msg::Ended(Box::new(end))).await.ok();
                }
                HeadEvent::Leave => continue,
            };
            sender.send(msg).await.ok()?;
        }
        sender.send(Msg::Away).await.ok()?;
    }
}

/// Pass on the state of the run until it is over or nobody listens any more.
async fn follow_state(instance: Rc<Instance>, sender: Sender<Msg>) -> Option<()> {
    let open = async |client: Client| client.watch().await;
    loop {
        let mut news = connect(&instance, &sender, &open).await?;
        while let Some(Ok(event)) = news.next().await {
            let msg = match event {
                WatchEvent::State(state) => Msg::State(state),
                WatchEvent::Process(process) => Msg::Process(process),
                WatchEvent::End => return Some(()),
            };
            sender.send(msg).await.ok()?;
        }
    }
}

/// Open a stream of the supervisor, however long that takes; `None` if there is no use in further tries.
async fn connect<T>(
    instance: &Instance,
    sender: &Sender<Msg>,
    open: &impl AsyncFn(Client) -> Result<T, ClientError>,
) -> Option<T> {
    let mut backoff = Backoff::up_to(LONGEST_PAUSE);
    loop {
        let error = match instance.ask(open).await {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        if matches!(error, CliError::NothingRuns { .. }) || instance.is_over() {
            // Its end was not reported: the supervisor was killed while the run ended.
            let _ = sender.send(Msg::Gone).await;
            return None;
        }
        sender.send(Msg::Away).await.ok()?;
        // Nothing announces that a supervisor that can't be reached answers again.
        backoff.wait().await;
    }
}
