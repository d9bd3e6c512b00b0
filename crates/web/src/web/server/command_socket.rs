//! The Unix socket of a web server for the user's own commands: they request links, list and end sessions.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::config::Env;
use crate::config::place::dirs::{DirError, make_private_dir, runtime_base};
use crate::sys::files::{if_there, open_null};
use crate::sys::{clock, is_own_uid};
use crate::web::access::{Grant, Role, Scope, SessionEntry};
use crate::web::server::{Ending, Server};

/// How long one conversation may take.
const CONVERSATION_PATIENCE: Duration = Duration::from_secs(5);
/// How many descriptors are kept for commands.
const KEPT: usize = 4;
/// A longer line is not from our own commands.
const LONGEST_LINE: u64 = 64 << 10;

/// The directory with the sockets of this user's web servers.
pub fn dir(env: &Env) -> Result<PathBuf, DirError> {
    let base = runtime_base(env);
    make_private_dir(&base)?;
    let dir = base.join("web");
    make_private_dir(&dir).map(|()| dir)
}

/// The socket of the web server with this port.
pub(crate) fn path(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!("{port}.sock"))
}

/// Open the socket, and replace one that a killed server has left.
pub(crate) fn open(path: &Path) -> io::Result<UnixListener> {
    if_there(std::fs::remove_file(path))?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answer the commands that connect.
pub(crate) async fn serve_commands(listener: UnixListener, server: Arc<Server>) {
    // Descriptors for commands: browsers may use up all others.
    let mut kept = VecDeque::new();
    loop {
        while kept.len() < KEPT
            && let Ok(file) = open_null()
        {
            kept.push_back(file);
        }
        match listener.accept().await {
            Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| is_own_uid(peer.uid())) => {
                let server = Arc::clone(&server);
                tokio::spawn(
                    async move { timeout(CONVERSATION_PATIENCE, talk(stream, &server)).await },
                );
            }
            Ok(_) => {}
            // Too many open files.
            Err(_) if kept.pop_front().is_some() => {
                if let Some(Ok((stream, _))) = listener.accept().now_or_never()
                    && stream.peer_cred().is_ok_and(|peer| is_own_uid(peer.uid()))
                {
                    let _ = timeout(CONVERSATION_PATIENCE, talk(stream, &server)).await;
                }
            }
            // Waiting clients are accepted once there are fewer.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn talk(stream: UnixStream, server: &Server) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(LONGEST_LINE)).read_line(&mut line).await?;
    let answer = match line.trim_end() {
        "link" if server.runs.only().is_none() => server.link(Grant::OWNER)?,
        "link any" => server.link(Grant::OWNER)?,
        "link" => "error: this server shows one run only".to_owned(),
        "stop" => {
            server.closing.send_replace(Some(Ending::Asked));
            "ok".to_owned()
        }
        other if let Some(only) = other.strip_prefix("link ") => {
            if server.runs.only() == Some(only) {
                server.link(Grant::OWNER)?
            } else {
                "error: this server shows other runs".to_owned()
            }
        }
        other if let Some(share) = other.strip_prefix("share ") => {
            match shared(share, server).await {
                Some(grant) => server.link(grant)?,
                None => "error: there is no such run".to_owned(),
            }
        }
        "sessions" => serde_json::to_string(&server.sessions().entries(clock::now()))?,
        "about" => serde_json::to_string(&About::new(server))?,
        other if let Some(instance) = other.strip_prefix("answering ") => {
            serde_json::to_string(&server.processes.answering(&server.runs, instance).await)?
        }
        "end all" => server.end_sessions(|_, _| true).to_string(),
        other if let Some(id) = other.strip_prefix("end id ").filter(|id| !id.is_empty()) => {
            server.end_sessions(|full, _| full.starts_with(id)).to_string()
        }
        other if let Some(name) = other.strip_prefix("end user ") => {
            server.end_sessions(|_, user| user.is_some_and(|user| user.name == name)).to_string()
        }
        other => format!("error: `{other}` is unknown to this version of tmo"),
    };
    writing.write_all(format!("{answer}\n").as_bytes()).await
}

/// The rights of a shared link.
async fn shared(text: &str, server: &Server) -> Option<Grant> {
    let Share { run, names, seconds } = serde_json::from_str(text).ok()?;
    let all = server.runs.listed().await.ok()?;
    let run = all.iter().find(|known| known.run() == Some(&run))?.id.clone();
    let until = Some(clock::now() + Duration::from_secs(seconds));
    Some(Grant { role: Role::Read, scope: Scope::Processes { run, names }, until })
}

/// The permissions of a shared link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Share {
    pub run: String,
    /// The processes.
    pub names: Vec<String>,
    /// How long they are valid.
    pub seconds: u64,
}

/// The settings that a web server reports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct About {
    /// The public address.
    pub public: Option<String>,
    /// The trusted proxies.
    pub proxies: Vec<IpAddr>,
    /// Whether programs can authenticate with a token.
    pub has_token: bool,
    /// The id of the only instance that it shows; `None`: it shows all.
    #[serde(default)]
    pub only: Option<String>,
    /// Whether processes are reached at it by their names.
    #[serde(default)]
    pub has_names: bool,
}

impl About {
    fn new(server: &Server) -> Self {
        let public = server.names.public().map(|public| format!("https://{public}"));
        let (proxies, has_token) = (server.access.proxies.clone(), server.access.token.is_some());
        let only = server.runs.only().map(str::to_owned);
        Self { public, proxies, has_token, only, has_names: server.processes.has_names() }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// No server listens at the socket.
    NoServer,
    /// The server does not answer.
    Silent,
}

/// Request the settings of a web server.
pub async fn about(path: &Path) -> Result<About, NoAnswer> {
    parsed(&ask_server(path, "about").await?)
}

/// Request the sessions of a web server.
pub async fn sessions(path: &Path) -> Result<Vec<SessionEntry>, NoAnswer> {
    parsed(&ask_server(path, "sessions").await?)
}

/// Request the host names of an instance at which processes answer HTTP.
pub async fn answering(path: &Path, instance: &str) -> Result<Vec<String>, NoAnswer> {
    parsed(&ask_server(path, &format!("answering {instance}")).await?)
}

fn parsed<T: DeserializeOwned>(line: &str) -> Result<T, NoAnswer> {
    serde_json::from_str(line).map_err(|_| NoAnswer::Silent)
}

/// The sessions to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// All sessions.
    All,
    /// The sessions whose id begins with this text.
    Id(&'a str),
    /// The sessions of a user.
    User(&'a str),
}

/// End sessions; returns how many ended.
pub async fn end(path: &Path, which: End<'_>) -> Result<usize, NoAnswer> {
    let what = match which {
        End::All => "end all".to_owned(),
        End::Id(id) => format!("end id {id}"),
        End::User(name) => format!("end user {name}"),
    };
    parsed(&ask_server(path, &what).await?)
}

/// The server whose link is wanted.
#[derive(Debug, Clone, Copy)]
pub enum ServerScope<'a> {
    /// A server that shows all runs.
    All,
    /// A server that shows only the instance with this id.
    Only(&'a str),
    /// Any server.
    Any,
    /// Any server that has this run, for a shared link.
    Share(&'a Share),
}

/// Request a new link; `None` if no server answers at this socket, or if it is not the wanted one.
pub async fn link(path: &Path, scope: &ServerScope<'_>) -> Option<String> {
    let ask = match scope {
        ServerScope::All => "link".to_owned(),
        ServerScope::Only(instance) => format!("link {instance}"),
        ServerScope::Any => "link any".to_owned(),
        ServerScope::Share(share) => format!("share {}", serde_json::to_string(share).ok()?),
    };
    ask_server(path, &ask).await.ok().filter(|line| line.starts_with("http"))
}

/// Stop the web server.
pub async fn stop(path: &Path) -> Result<(), NoAnswer> {
    ask_server(path, "stop").await.map(drop)
}

/// Send one line to the web server at this socket, and read its answer.
async fn ask_server(path: &Path, ask: &str) -> Result<String, NoAnswer> {
    let connect = UnixStream::connect(path).await;
    let stream = connect.map_err(|error| {
        let gone = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        // Otherwise, too many others wait.
        if gone.contains(&error.kind()) { NoAnswer::NoServer } else { NoAnswer::Silent }
    })?;
    if !stream.peer_cred().is_ok_and(|peer| is_own_uid(peer.uid())) {
        return Err(NoAnswer::NoServer);
    }
    let asked = async {
        let (reading, mut writing) = stream.into_split();
        writing.write_all(format!("{ask}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(reading.take(LONGEST_LINE)).read_line(&mut line).await?;
        io::Result::Ok(line.trim_end().to_owned())
    };
    match timeout(CONVERSATION_PATIENCE, asked).await {
        Ok(Ok(line)) if !line.is_empty() => Ok(line),
        Ok(Ok(_) | Err(_)) | Err(_) => Err(NoAnswer::Silent),
    }
}

/// The sockets of the web servers of this user, by port.
pub fn all(dir: &Path) -> Vec<(u16, PathBuf)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let port = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".sock")?.parse().ok();
    let mut all: Vec<_> = entries.filter_map(|e| Some((port(&e.path())?, e.path()))).collect();
    all.sort();
    all
}
