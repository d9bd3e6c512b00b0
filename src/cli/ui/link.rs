//! Follows the run: the end of its journal and its state, whichever supervisor answers.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::Shell;
use crate::cli::error::CliError;
use crate::cli::instance::Instance;
use crate::client::{HeadEvent, WatchEvent};
use crate::ui::state::msg::Msg;

/// How long to wait before connecting again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MOST_PAUSE: Duration = Duration::from_secs(2);

impl Shell {
    /// Begin to follow the run.
    pub(super) fn follow_run(&self) {
        let (instance, sender) = (Rc::clone(&self.instance), self.sender.clone());
        tokio::task::spawn_local(follow_head(instance, sender));
        let (instance, sender) = (Rc::clone(&self.instance), self.sender.clone());
        tokio::task::spawn_local(follow_state(instance, sender));
    }
}

/// Pass on the end of the journal until the run is over or nobody listens any more.
async fn follow_head(instance: Rc<Instance>, sender: Sender<Msg>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let news = instance.ask(async |client| client.head(false).await).await;
        let mut news = match news {
            Ok(news) => news,
            Err(error) => {
                if !wait(&instance, &sender, &error, &mut pause).await {
                    return;
                }
                continue;
            }
        };
        pause = FIRST_PAUSE;
        while let Some(Ok(event)) = news.next().await {
            let msg = match event {
                HeadEvent::Head(head) => Msg::Head(head),
                HeadEvent::End(end) => {
                    let _ = sender.send(Msg::Ended(Box::new(end))).await;
                    return;
                }
                HeadEvent::Leave => continue,
            };
            if sender.send(msg).await.is_err() {
                return;
            }
        }
        if sender.send(Msg::Away).await.is_err() {
            return;
        }
    }
}

/// Pass on the state of the run.
async fn follow_state(instance: Rc<Instance>, sender: Sender<Msg>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let news = instance.ask(async |client| client.watch().await).await;
        let mut news = match news {
            Ok(news) => news,
            Err(error) => {
                if !wait(&instance, &sender, &error, &mut pause).await {
                    return;
                }
                continue;
            }
        };
        pause = FIRST_PAUSE;
        while let Some(Ok(event)) = news.next().await {
            let msg = match event {
                WatchEvent::State(state) => Msg::State(state),
                WatchEvent::Process(process) => Msg::Process(process),
                WatchEvent::End => return,
            };
            if sender.send(msg).await.is_err() {
                return;
            }
        }
    }
}

/// Wait before the next try; false if there is no use in one.
async fn wait(
    instance: &Instance,
    sender: &Sender<Msg>,
    error: &CliError,
    pause: &mut Duration,
) -> bool {
    if matches!(error, CliError::NothingRuns(_)) || instance.is_over() {
        // Its end was not reported: the supervisor was killed while the run ended.
        let _ = sender.send(Msg::Gone).await;
        return false;
    }
    if sender.send(Msg::Away).await.is_err() {
        return false;
    }
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(MOST_PAUSE);
    true
}
