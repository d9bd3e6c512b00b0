//! The control socket as a part of the engine, and the rendered log it streams to `echo` clients.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::core::Engine;
use super::echo::EchoLog;
use crate::control::handle::{Handle, JournalAccess};
use crate::control::server::{self, Limits};

/// The running server.
#[derive(Debug)]
pub(super) struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Engine {
    /// Serve clients from now on.
    pub(super) fn serve(
        &self,
        listener: std::os::unix::net::UnixListener,
        handle: Handle,
    ) -> Serving {
        let (stop, stopped) = oneshot::channel::<()>();
        let journal = JournalAccess { echo: Arc::new(EchoLog::new(&self.plan, self.runtime.dir())) };
        let shutdown = async {
            // An error means that the engine is gone, which is the same.
            let _ = stopped.await;
        };
        let task =
            tokio::spawn(server::serve(listener, handle, journal, Limits::default(), shutdown));
        Serving { stop, task }
    }
}

impl Serving {
    /// No new clients; those there may read what they were promised, for a moment.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the control socket"),
            Err(error) => tracing::error!(%error, "the control socket"),
        }
    }
}
