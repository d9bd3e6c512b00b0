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
use crate::cli::reach::instance::Instance;
use crate::cli::runtime::SignalSet;
use crate::config::OwnPath;
use crate::config::load::Context;
use crate::sys::{tcp_holders, tcp_sockets};
use crate::web::Ending;
use crate::web::access::Access;
use crate::web::door::{self, ServerScope};
use crate::web::guardian::Guardian;
use crate::web::listen::{self, Listening, USUAL_PORT};

/// How long a starting server may take to answer.
const START: Duration = Duration::from_secs(10);

/// The caller's own `PATH`, without what belongs to a project.
pub(super) fn own_path(context: &Context, only: Option<&Instance>) -> OwnPath {
    let above = crate::config::lookup::project_above(&context.start_dir, &context.env);
    let named = only.map(|instance| instance.context.start_dir.clone());
    let dirs: Vec<_> =
        [Some(context.start_dir.clone()), above, named].into_iter().flatten().collect();
    OwnPath::of(&context.env, dirs.iter().map(PathBuf::as_path))
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

/// The guardian of a new server.
pub(super) fn guardian(
    (place, access): (Listen, Access),
    dir: &Path,
) -> Result<Guardian, CliError> {
    let listening = listen(place.host, place.port)?;
    let guardian = Guardian::new(listening, access, dir.to_owned());
    guardian.map_err(CliError::io("can't start the web server"))
}

/// The guardian of a server in the foreground. It prints the port if that is not the default.
pub(super) fn guardian_here(
    place: Listen,
    access: Access,
    dir: &Path,
) -> Result<Guardian, CliError> {
    let port = place.port;
    let guardian = guardian((place, access), dir)?;
    if port.is_none() && guardian.port() != USUAL_PORT {
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
    door::all(dir).into_iter().filter(move |(at, _)| port.is_none_or(|port| port == *at))
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
            if let Some(link) = door::link(&door, wanted).await {
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

/// Listen at this port or any.
pub(super) fn listen(host: Option<IpAddr>, port: Option<u16>) -> Result<Listening, CliError> {
    let Some(port) = port else {
        return listen::anywhere(host).map_err(CliError::io("can't listen at any port"));
    };
    listen::at(host, port).map_err(|error| {
        let why = if error.kind() == ErrorKind::AddrInUse {
            format!("port {port} is taken{}", holder(port))
        } else if error.kind() == ErrorKind::PermissionDenied {
            format!("only root may listen at port {port}, as at most below 1024")
        } else {
            return CliError::io(format!("can't listen at port {port}"))(error);
        };
        CliError::Other(format!("{why}; name another one, or none to get one that is free"))
    })
}

/// The process that holds this port, as text to append; empty if it belongs to another user.
fn holder(port: u16) -> String {
    let holders = tcp_holders(&sockets_of(port));
    holders.first().map_or_else(String::new, |p| format!(" by {} (pid {})", p.comm, p.pid))
}

/// The first link of a starting server; `None` if it can't start, which its guardian reports.
pub(super) async fn first_link(guardian: &Guardian) -> Option<String> {
    let path = guardian.door();
    let asked = async {
        loop {
            if let Some(link) = door::link(&path, &ServerScope::Any).await {
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
    output::print(&format!(
        "tmo web listens at port {port}\nWeb UI available at {addresses}\n\
         Processes at http://NAME.PROJECT.localhost:{port}; `tmo open` lists them\n\
         Press Ctrl+C to stop\n\n\
         The link logs in once, within 5 minutes; `tmo web --link` prints another one. {end}\n",
        port = guardian.port(),
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
