//! The guardian of a web server. It owns the sockets and the sessions, and restarts the server when that
//! dies.
//!
//! Sessions end with the sockets. A page whose server is gone sends its cookie to the next program that
//! listens on the port. As long as a session is valid, that program must be a server of this guardian.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::proof::random_hex;
use crate::sys::{self, files};
use crate::web::access::options::Access;
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
    /// A guardian of these sockets. `dir` is the directory of [`super::command_socket`].
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

/// The default port, which is tried first.
pub const USUAL_PORT: u16 = 10_000;
/// How many ports are tried.
const TRIES: u16 = 100;

/// The listening sockets, all with the same port.
#[derive(Debug)]
pub struct Listening {
    pub port: u16,
    /// The sockets of IPv4 loopback, of IPv6 loopback if this machine has it, and of the requested host.
    pub sockets: Vec<TcpListener>,
}

/// Listen at this port of the loopback addresses and of this host.
///
/// Browsers resolve `localhost` and its subdomains to `::1` or `127.0.0.1`. The server must hold both addresses, as
/// another user could listen at a free one.
pub fn listen_at(host: Option<IpAddr>, port: u16) -> io::Result<Listening> {
    let more = host.filter(|host| !host.is_loopback());
    // The unspecified address includes loopback.
    let is_all = more.is_some_and(|host| host.is_unspecified());
    let first = more.filter(|_| is_all).unwrap_or(Ipv4Addr::LOCALHOST.into());
    let v4 = TcpListener::bind(SocketAddr::from((first, port)))?;
    let port = v4.local_addr()?.port();
    let mut sockets = vec![v4];
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(v6) => sockets.push(v6),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // Without IPv6, no other program can listen there either.
        Err(_) => {}
    }
    if let Some(host) = more.filter(|_| !is_all) {
        sockets.push(TcpListener::bind(SocketAddr::from((host, port)))?);
    }
    Ok(Listening { port, sockets })
}

/// Listen at the first free port from the default one on.
pub fn listen_anywhere(host: Option<IpAddr>) -> io::Result<Listening> {
    let last = USUAL_PORT + TRIES - 1;
    for port in USUAL_PORT..last {
        match listen_at(host, port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            tried => return tried,
        }
    }
    listen_at(host, last)
}

/// Why a server has ended, with its exit code, which reports this to the guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The guardian is gone.
    Guardian = 0,
    /// Another server will replace it.
    Restart = 40,
    /// The run for which it was started is over.
    Run = 41,
    /// The user has stopped it.
    Asked = 42,
}

impl Ending {
    const ALL: [Self; 4] = [Self::Guardian, Self::Restart, Self::Run, Self::Asked];

    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The ending with this exit code.
    pub fn of_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| i32::from(ending.code()) == code)
    }

    /// The word for it in frames to pages.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Guardian | Self::Run | Self::Asked => "shutdown",
            Self::Restart => "restart",
        }
    }
}

/// Wait for the end of the server; returns its reason.
pub(crate) async fn closed(closing: &mut watch::Receiver<Option<Ending>>) -> Ending {
    let why = closing.wait_for(Option::is_some).await;
    why.ok().and_then(|why| *why).unwrap_or(Ending::Guardian)
}
