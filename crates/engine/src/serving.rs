//! The control socket as a part of the engine.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::server::engine_handle::Handle;
use crate::server::serve::{Files, Limits, Listeners, serve};

/// The running server.
#[derive(Debug)]
pub(super) struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    /// Serve clients from now on.
    pub(super) fn begin(listeners: Listeners, handle: Handle, files: Files) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // An error means that the engine is gone, which also ends the server.
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listeners, handle, files, Limits::default(), shutdown));
        Self { stop, task }
    }

    /// Accept no new clients, and give the present ones a moment to read their last answers.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the control socket"),
            Err(error) => tracing::error!(%error, "the control socket"),
        }
    }
}
