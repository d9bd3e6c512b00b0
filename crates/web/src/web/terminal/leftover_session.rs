//! Ends the tmux session of a page that has left a terminal, if tmux does not do so itself.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::Env;
use crate::config::own_path::OwnPath;
use crate::model::state::State;
use crate::model::text::OsText;
use crate::web::runs::{Run, state};

/// How long tmux may take to notice that a client is gone. It sends no notification of that.
const GONE_FOR_TMUX: Duration = Duration::from_secs(1);

/// Ends the tmux session of a page when dropped. Normally a hook of tmux does that, but tmux 3.3a sometimes does not
/// run the hook.
pub(crate) struct LeftoverSession {
    pub(crate) run: Arc<Run>,
    /// The process that is attached to the session.
    pub(crate) client: Option<u32>,
}

impl Drop for LeftoverSession {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let run = Arc::clone(&self.run);
        tokio::spawn(async move {
            // Ending the session while its client is detaching sometimes crashes tmux 3.3a.
            sleep(GONE_FOR_TMUX).await;
            end_session(&run, &format!("c-{client}")).await;
        });
    }
}

/// The variable that says where tmux has its sockets.
const TMUX_DIR: &str = "TMUX_TMPDIR";

/// End this session if no client is attached to it. Usually it no longer exists.
async fn end_session(run: &Run, session: &str) {
    let Some(runtime) = run.known.runtime.clone() else { return };
    let Ok(State { tmux: Some(address), .. }) = state(&run.known).await else { return };
    let root = run.known.root().into_iter();
    let Some(tmux) = OwnPath::of(&Env::real(), root).find("tmux") else { return };
    let mut command = Command::new(tmux);
    let dir = move || {
        let plan = runtime.plan().ok()?;
        plan.caller_env().get(&OsText::from(TMUX_DIR)).map(|dir| dir.0.clone())
    };
    match spawn_blocking(dir).await {
        Ok(Some(dir)) => command.env(TMUX_DIR, dir),
        Ok(None) => command.env_remove(TMUX_DIR),
        Err(_) => return,
    };
    command.arg("-L").arg(&address.socket);
    command.args(["if-shell", "-F", "-t", &format!("={session}:"), "#{session_attached}", ""]);
    command.arg(format!("kill-session -t '={session}'"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.status().await {
        tracing::warn!("can't run tmux: {error}");
    }
}
