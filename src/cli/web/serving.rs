//! What `tmo web`, its background server and `tmo server` share: where a server listens, which one runs already,
//! its link and how that is opened.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::SignalKind;
use tokio::time::{sleep, timeout};

use super::open::{self, How};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::reach::addresses::{PORT_FILE, kept_port};
use crate::cli::reach::instance::Instance;
use crate::cli::runtime::SignalSet;
use crate::config::load::Context;
use crate::config::place::dirs::{make_private_dir, state_base};
use crate::config::{Env, OwnPath};
use crate::protocol::spec::replace;
use crate::sys::{tcp_holders, tcp_sockets};
use crate::web::Ending;
use crate::web::access::options::Access;
use crate::web::server::command_socket::{self, ServerScope};
use crate::web::server::guardian::{self, Guardian, Listening, USUAL_PORT};

/// How long a starting server may take to answer.
const START: Duration = Duration::from_secs(10);

/// The caller's own `PATH`, without what belongs to a project.
pub(super) fn own_path(context: &Context, only: Option<&Instance>) -> OwnPath {
    let above = crate::config::place::project::project_above(&context.start_dir, &context.env);
    let named = only.map(|instance| instance.context.start_dir.clone());
    let dirs: Vec<_> =
        [Some(context.start_dir.clone()), above, named].into_iter().flatten().collect();
    OwnPath::new(&context.env, dirs.iter().map(PathBuf::as_path))
}

/// How links are opened.
pub(super) struct Browser {
    pub(super) how: Option<How>,
    pub(super) own: OwnPath,
    pub(super) dir: PathBuf,
    /// The run that they lead to.
    pub(super) run: Option<String>,
    /// Whether anybody may use them.
    pub(super) is_shared: bool,
}

impl Browser {
    /// The addresses of a link, which lead to the run.
    pub(super) fn lead(&self, link: &str) -> String {
        let Some(run) = &self.run else { return link.to_owned() };
        let addresses: Vec<_> = link.split(' ').map(|one| format!("{one}/r/{run}")).collect();
        addresses.join(" ")
    }

    pub(super) async fn open(&self, link: &str) {
        if let Some(how) = self.how {
            // The first address is the local one.
            let link = link.split(' ').next().unwrap_or(link);
            open::open(link, self.is_shared, how, &self.own, &self.dir).await;
        }
    }
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listen {
    pub(super) host: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

/// The guardian of a server in the foreground. It prints the port if that is not the default.
pub(super) fn guardian_here(
    env: &Env,
    place: Listen,
    access: Access,
    dir: &Path,
) -> Result<Guardian, CliError> {
    let is_first = place.port.is_none() && kept_port(env).is_none();
    let guardian = Guardian::new(listen(env, place)?, access, dir.to_owned());
    let guardian = guardian.map_err(CliError::io("can't start the web server"))?;
    if is_first && guardian.port() != USUAL_PORT {
        output::print(&format!(
            "port {USUAL_PORT} is taken{}; using {}\n",
            holder(USUAL_PORT),
            guardian.port()
        ))?;
    }
    Ok(guardian)
}

/// The sockets of the server with this port, or of all servers of this user.
pub(super) fn doors(dir: &Path, port: Option<u16>) -> impl Iterator<Item = (u16, PathBuf)> {
    command_socket::all(dir).into_iter().filter(move |(at, _)| port.is_none_or(|port| port == *at))
}

/// A running server.
pub(super) struct Running {
    pub(super) port: u16,
    /// Its socket.
    pub(super) door: PathBuf,
    /// A new link to it.
    pub(super) link: String,
}

/// A running server, at this port or any, that can give one of these links; the first ones are preferred.
pub(super) async fn running(
    dir: &Path,
    port: Option<u16>,
    wanted: &[ServerScope<'_>],
) -> Option<Running> {
    for wanted in wanted {
        for (at, door) in doors(dir, port) {
            if let Some(link) = command_socket::link(&door, wanted).await {
                return Some(Running { port: at, door, link });
            }
        }
    }
    None
}

/// The addresses of a link, one per line.
pub(super) fn lines(link: &str) -> String {
    link.replace(' ', "\n  ")
}

/// Listen at this port, or else at the one that the page has, or else at any. The page has it from then on.
pub(super) fn listen(env: &Env, Listen { host, port }: Listen) -> Result<Listening, CliError> {
    let base = state_base(env);
    make_private_dir(&base)?;
    let path = base.join(PORT_FILE);
    let kept = kept_port(env);
    let listening = match port.or(kept) {
        Some(port) => listen_at(host, port)?,
        None => {
            guardian::listen_anywhere(host).map_err(CliError::io("can't listen at any port"))?
        }
    };
    if kept != Some(listening.port) {
        replace(&path, listening.port.to_string().as_bytes())
            .map_err(CliError::io(path.display()))?;
    }
    Ok(listening)
}

fn listen_at(host: Option<IpAddr>, port: u16) -> Result<Listening, CliError> {
    guardian::listen_at(host, port).map_err(|error| {
        let why = if error.kind() == ErrorKind::AddrInUse {
            format!("port {port} is taken{}", holder(port))
        } else if error.kind() == ErrorKind::PermissionDenied {
            format!("only root may listen at port {port}, as at most below 1024")
        } else {
            return CliError::io(format!("can't listen at port {port}"))(error);
        };
        CliError::Other(format!("{why}; `--port N` of `tmo web` moves the page for good"))
    })
}

/// The process that holds this port, as text to append; empty if nothing holds it.
fn holder(port: u16) -> String {
    let sockets = sockets_of(port);
    match tcp_holders(&sockets).first() {
        Some(holder) => format!(" by {} (pid {})", holder.comm, holder.pid),
        None if sockets.is_empty() => String::new(),
        None => " by a program of another user".to_owned(),
    }
}

/// A running server that can give one of these links; the first ones are preferred.
///
/// # Errors
/// The user's server can't give them, or it is to be at another port. There is only one.
pub(super) async fn only_server(
    dir: &Path,
    port: Option<u16>,
    wanted: &[ServerScope<'_>],
) -> Result<Option<Running>, CliError> {
    let found = running(dir, None, wanted).await;
    let other = match &found {
        Some(found) => port.filter(|port| ![0, found.port].contains(port)).map(|_| found.port),
        None => running(dir, None, &[ServerScope::Any]).await.map(|other| other.port),
    };
    let Some(at) = other else { return Ok(found) };
    let what = if found.is_some() { "" } else { ", perhaps for one project only" };
    let text = format!("tmo web runs already at port {at}{what}; `tmo web --stop` ends it");
    Err(CliError::Other(text))
}

/// The first link of a starting server; `None` if it can't start, which its guardian reports.
pub(super) async fn first_link(guardian: &Guardian) -> Option<String> {
    let path = guardian.door();
    let asked = async {
        loop {
            if let Some(link) = command_socket::link(&path, &ServerScope::Any).await {
                return link;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(START, asked).await.ok()
}

/// Print and open the link as soon as the server answers.
pub(super) async fn greet(
    guardian: &Guardian,
    browser: &Browser,
    end: &str,
) -> Result<(), CliError> {
    let Some(link) = first_link(guardian).await else { return Ok(()) };
    let link = browser.lead(&link);
    let port = guardian.port();
    let names = if guardian.has_names() {
        format!("Processes at http://NAME.PROJECT.localhost:{port}; `tmo open` lists them\n")
    } else {
        String::new()
    };
    output::print(&format!(
        "tmo web listens at port {port}\nWeb UI available at {addresses}\n{names}\
         Press Ctrl+C to stop\n\n\
         The link logs in once, within 5 minutes; `tmo web --link` prints another one. {end}\n",
        addresses = lines(&link),
    ))?;
    browser.open(&link).await;
    Ok(())
}

/// The signals by which the user ends a server.
pub(super) fn end_signals() -> Result<SignalSet, CliError> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    SignalSet::new(&kinds).map_err(CliError::io("can't start"))
}

/// Completes when the user ends the command or the terminal is closed.
pub(super) fn interrupted() -> Result<impl Future<Output = ()>, CliError> {
    let mut signals = end_signals()?;
    Ok(async move {
        signals.next().await;
    })
}

/// The message after the end of a server.
pub(super) const fn farewell(ending: Ending) -> &'static str {
    match ending {
        Ending::Run => "the run is over; the page ends",
        Ending::Guardian | Ending::Restart | Ending::Asked => "the page ends",
    }
}

pub(super) fn sockets_of(port: u16) -> Vec<u64> {
    tcp_sockets(port).into_iter().map(|(_, socket)| socket).collect()
}
