//! `tmo stop`, `restart`, `quit`, `kill`: asking for something and waiting until it is done.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::error::CliError;
use super::instance::{Instance, Server};
use crate::control::client::ClientError;
use crate::control::overmind_client::OvermindClient;
use crate::model::request::{Outcome, Request};

/// A wait longer than this is shown, so that nobody thinks it hangs.
const MOMENT: Duration = Duration::from_millis(400);

/// Ask, wait, tell what went wrong.
pub(super) async fn request(
    instance: &Instance,
    request: Request,
    wait: bool,
) -> Result<u8, CliError> {
    match instance.server().await? {
        Server::Tmo(client) => {
            let asked = client.request(&request, wait);
            let outcome = match with_progress(words(&request), asked).await {
                // A supervisor that is killed meanwhile is started again, and asked again: what
                // was done already is done at once.
                Err(ClientError::Lost { .. }) => {
                    instance.client().await?.request(&request, wait).await?
                }
                other => other?,
            };
            verdict(outcome)
        }
        Server::Overmind(address) => {
            let overmind = OvermindClient::new(&address);
            match request {
                Request::Restart { names } => overmind.restart(names).await?,
                Request::Stop { names } => overmind.stop(names).await?,
                Request::Quit => overmind.quit().await?,
                Request::Kill => overmind.kill().await?,
                Request::Start { .. } | Request::Resize { .. } => {
                    let text = "overmind runs here, which can't do that".to_owned();
                    return Err(CliError::Other(text));
                }
            }
            Ok(0)
        }
    }
}

fn verdict(outcome: Outcome) -> Result<u8, CliError> {
    match outcome {
        Outcome { unknown: Some(unknown), .. } => Err(CliError::Unknown(unknown)),
        Outcome { ok: true, .. } => Ok(0),
        Outcome { problems, .. } => Err(CliError::Problems(problems)),
    }
}

fn words(request: &Request) -> &'static str {
    match request {
        Request::Start { .. } => "starting",
        Request::Stop { .. } => "stopping",
        Request::Restart { .. } => "restarting",
        Request::Quit => "stopping everything",
        Request::Kill => "killing everything",
        Request::Resize { .. } => "resizing",
    }
}

/// Show that something is going on if it takes longer than a moment; on a terminal only.
async fn with_progress<T>(words: &'static str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(MOMENT, &mut work).await {
        return done;
    }
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner().with_message(words);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    bar.finish_and_clear();
    done
}
