//! The guardian of a web server. It owns the sockets and the sessions, and restarts the server when that
//! dies.
//!
//! Sessions end with the sockets. A page whose server is gone sends its cookie to the next program that
//! listens on the port. As long as a session is valid, that program must be a server of this guardian.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::api::secret::random_hex;
use crate::sys::{self, files};
use crate::web::access::options::Access;
use crate::web::server::ending::Ending;
use crate::web::server::listen::Listening;
use crate::web::server::serve::Handover;

/// After this many deaths in a row within [`QUICK`] of the start, the server is not restarted.
const MOST_QUICK_DEATHS: u32 = 20;
/// A shorter life of a server counts as a quick death.
const QUICK: Duration = Duration::from_millis(200);
/// How long the server may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Bytes of the id in the name of a server.
const ID: usize = 16;

/// A guardian, with everything that a server needs.
#[derive(Debug)]
pub struct Guardian {
    sockets: Vec<TcpListener>,
    sessions: File,
    program: PathBuf,
    /// The arguments of its servers, still without descriptors.
    handover: Handover,
}

/// A running server.
struct Running {
    child: Child,
    /// Closes when this value is dropped or this process dies.
    _pipe: io::PipeWriter,
}

impl Guardian {
    /// A guardian of these sockets. `dir` is the directory of [`super::door`].
    pub fn new(listening: Listening, access: Access, dir: PathBuf) -> io::Result<Self> {
        let Listening { port, sockets } = listening;
        // A new name each time. Otherwise, a cached page or a service worker of a program that had the port and the
        // name before could affect the pages of this server.
        let id = random_hex(ID)?;
        let path = dir.join(format!("{port}.sessions"));
        let sessions = files::unnamed(&path)?;
        let program = std::env::current_exe()?;
        let handover = Handover { port, id, dir, access, ..Handover::default() };
        Ok(Self { sockets, sessions, program, handover })
    }

    /// Show only the instance with this id, and end with the run with this id.
    #[must_use]
    pub fn only(mut self, instance: Option<String>, run: Option<String>) -> Self {
        (self.handover.only, self.handover.run) = (instance, run);
        self
    }

    /// End with the last run.
    #[must_use]
    pub const fn until_no_run(mut self) -> Self {
        self.handover.until_no_run = true;
        self
    }

    /// Whether its servers serve the names of processes.
    pub const fn has_names(&self) -> bool {
        self.handover.access.public.is_none() || self.handover.access.names
    }

    /// Also show the runs of the hosts in this file.
    #[must_use]
    pub fn fleet(mut self, file: Option<PathBuf>) -> Self {
        self.handover.fleet = file;
        self
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.handover.port
    }

    /// The socket of the server for the user's own commands.
    pub fn door(&self) -> PathBuf {
        super::command_socket::path(&self.handover.dir, self.port())
    }

    /// Keep a server running until `end`, or until the end of its run; returns which of them it was.
    pub async fn watch(&self, end: impl Future<Output = ()>) -> io::Result<Ending> {
        let mut end = std::pin::pin!(end);
        let mut quick = 0;
        let result = loop {
            let begun = Instant::now();
            let mut running = self.spawn()?;
            tokio::select! {
                () = &mut end => {
                    let Running { mut child, _pipe: pipe } = running;
                    drop(pipe);
                    if tokio::time::timeout(FAREWELL, child.wait()).await.is_err() {
                        let _ = child.kill().await;
                    }
                    break Ok(Ending::Asked);
                }
                status = running.child.wait() => {
                    let code = status.as_ref().ok().and_then(ExitStatus::code);
                    match code.and_then(Ending::of_code) {
                        Some(ending @ (Ending::Run | Ending::Asked)) => break Ok(ending),
                        Some(Ending::Restart) => continue,
                        Some(Ending::Guardian) | None => {}
                    }
                    quick = if begun.elapsed() < QUICK { quick + 1 } else { 0 };
                    if quick >= MOST_QUICK_DEATHS {
                        let why = format!("the web server ends at once ({})", status?);
                        break Err(io::Error::other(why));
                    }
                }
            }
        };
        let _ = std::fs::remove_file(self.door());
        result
    }

    fn spawn(&self) -> io::Result<Running> {
        // `dup` gives descriptors without close-on-exec; nothing else is started by this process meanwhile.
        let sockets: Result<Vec<_>, _> = self.sockets.iter().map(nix::unistd::dup).collect();
        let sockets = sockets?;
        let sessions = nix::unistd::dup(&self.sessions)?;
        let (reading, writing) = io::pipe()?;
        let guardian = nix::unistd::dup(&reading)?;
        let handover = Handover {
            sockets: sockets.iter().map(OwnedFd::as_raw_fd).collect(),
            sessions: sessions.as_raw_fd(),
            guardian: guardian.as_raw_fd(),
            ..self.handover.clone()
        };
        let child = Command::new(sys::program(&self.program))
            .arg("web-server")
            .arg(serde_json::to_string(&handover)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Ctrl-C must reach only the guardian, so that the server can end in order.
            .process_group(0)
            .spawn()?;
        Ok(Running { child, _pipe: writing })
    }
}
