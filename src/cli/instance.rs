//! The instance that a client command is about.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::CliError;
use crate::config::dirs::find_runtime_dir;
use crate::config::load::Context;
use crate::config::project::{self, SocketPath};
use crate::control::client::{Client, ClientError};
use crate::control::{listen, lock};
use crate::engine::runtime::Runtime;

/// Where an instance is, whether it runs or not.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) context: Context,
    pub(super) socket: SocketPath,
    pub(super) runtime: Runtime,
}

/// Who answers on the socket of an instance.
#[derive(Debug)]
pub(super) enum Server {
    /// A supervisor of ours.
    Tmo(Client),
    /// Somebody without our lock: overmind itself.
    Overmind(PathBuf),
}

impl Instance {
    /// The nearest one, or that of `--socket`.
    pub(super) fn find(socket: Option<&Path>) -> Result<Self, CliError> {
        let context = Context::here()?;
        let socket = project::client_socket(&context.start_dir, socket, &context.env);
        let runtime = Runtime::new(find_runtime_dir(&context.env, &socket.path)?);
        Ok(Self { context, socket, runtime })
    }

    /// The socket to connect to.
    pub(super) fn address(&self) -> PathBuf {
        listen::locate(&self.socket.path, self.runtime.dir())
    }

    /// Connect to whoever answers.
    pub(super) async fn server(&self) -> Result<Server, CliError> {
        let address = self.address();
        if lock::is_held(self.runtime.dir()).unwrap_or(false) {
            return Ok(Server::Tmo(self.client().await?));
        }
        match Client::connect(&address).await {
            Ok(_) => Ok(Server::Overmind(address)),
            Err(error) => Err(self.not_there(error)),
        }
    }

    /// Whether nothing is left of the run.
    pub(super) fn is_over(&self) -> bool {
        !lock::is_held(self.runtime.dir()).unwrap_or(true) && !self.runtime.has_survivors()
    }

    /// Connect to our supervisor.
    pub(super) async fn client(&self) -> Result<Client, CliError> {
        Client::connect(&self.address()).await.map_err(|error| self.not_there(error))
    }

    /// What a refused connection means: nothing runs, or a run whose supervisor was killed.
    pub(super) fn not_there(&self, error: ClientError) -> CliError {
        let refused = matches!(error, ClientError::Dial { .. } | ClientError::Lost { .. });
        if refused && self.runtime.has_survivors() {
            return CliError::Other(
                "the supervisor was killed, its processes still run: `tmo start` takes them over"
                    .to_owned(),
            );
        }
        let ClientError::Dial { cause, .. } = error else { return error.into() };
        // Overmind's words name the socket as the user would.
        let nobody = matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        let dial = ClientError::Dial { path: self.socket.shown.clone(), cause };
        if nobody { CliError::NothingRuns(dial) } else { dial.into() }
    }
}
