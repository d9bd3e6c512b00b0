//! A client for overmind's line protocol, which both overmind and tmo serve.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::address::Address;
use super::{ClientError, connect, tcp};
use crate::api::overmind::OvermindCommand;

/// A larger answer is not from overmind.
const LARGEST_ANSWER: u64 = 1 << 20;

/// An overmind either answers at once from memory or hangs forever; this bounds the wait.
const OVERMIND_PATIENCE: Duration = Duration::from_secs(5);

/// A client of one overmind. Each command uses its own connection, as in overmind.
#[derive(Debug, Clone)]
pub struct OvermindClient {
    at: Address,
    /// Whether the listener is a tmo: over TCP the token is proven to it.
    is_tmo: bool,
}

/// The terminal of a process: `tmux -L <server> attach -t <target>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Name of the tmux server.
    pub server: String,
    /// Session and window.
    pub target: String,
}

impl OvermindClient {
    /// A client of the overmind that listens at this address.
    pub fn new(at: impl Into<Address>) -> Self {
        Self { at: at.into(), is_tmo: false }
    }

    /// A client of the tmo that listens at this address.
    pub fn of_tmo(at: impl Into<Address>) -> Self {
        Self { at: at.into(), is_tmo: true }
    }

    /// The table of processes as overmind prints it.
    pub async fn status(&self) -> Result<String, ClientError> {
        let stream = self.send(&OvermindCommand::Status).await?;
        let mut table = Vec::new();
        let read = async { stream.take(LARGEST_ANSWER).read_to_end(&mut table).await };
        self.patiently(read).await?;
        Ok(String::from_utf8_lossy(&table).into_owned())
    }

    /// The terminal of a process, or of the first one if none is named; `None` if there is no such process.
    pub async fn connection(&self, name: Option<&str>) -> Result<Option<Connection>, ClientError> {
        let command = OvermindCommand::GetConnection(name.map(str::to_owned));
        let stream = self.send(&command).await?;
        let mut line = String::new();
        let mut reader = BufReader::new(stream.take(LARGEST_ANSWER));
        self.patiently(reader.read_line(&mut line)).await?;
        let mut words = line.split_ascii_whitespace().map(str::to_owned);
        Ok(words.next().zip(words.next()).map(|(server, target)| Connection { server, target }))
    }

    /// Send a command; overmind gives no answer.
    pub async fn order(&self, command: &OvermindCommand) -> Result<(), ClientError> {
        self.send(command).await.map(drop)
    }

    /// The log from now on, as bytes to be read from this stream until its end.
    pub async fn echo(&self) -> Result<UnixStream, ClientError> {
        self.send(&OvermindCommand::Echo).await
    }

    async fn send(&self, command: &OvermindCommand) -> Result<UnixStream, ClientError> {
        let line = command.line();
        if let (Address::Tcp(target), false) = (&self.at, self.is_tmo) {
            return tcp::send_plainly(target, &line).await;
        }
        let mut stream = connect(&self.at).await?;
        let sent = stream.write_all(line.as_bytes()).await;
        sent.map_err(|error| self.lost(&error))?;
        Ok(stream)
    }

    async fn patiently<T>(
        &self,
        answer: impl Future<Output = io::Result<T>>,
    ) -> Result<T, ClientError> {
        match tokio::time::timeout(OVERMIND_PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.lost(&error)),
            Err(_) => {
                Err(self.lost(&format!("no answer within {} s", OVERMIND_PATIENCE.as_secs())))
            }
        }
    }

    fn lost(&self, cause: &dyn std::fmt::Display) -> ClientError {
        ClientError::Lost { at: self.at.clone(), cause: cause.to_string() }
    }
}
