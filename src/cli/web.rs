//! `tmo web`: serves the web interface until Ctrl-C.

mod background;
mod open;
mod people;
mod server;

use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::SignalKind;
use tokio::time::{sleep, timeout};

use self::open::How;
use super::args::WebArgs;
use super::error::CliError;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::runtime::SignalSet;
use crate::cli::{output, runtime};
use crate::config::dirs::instance_id;
use crate::config::load::Context;
use crate::config::{Env, OwnPath};
use crate::model::request::ProcessState;
use crate::model::units::span;
use crate::run::registry::{self, KnownRun};
use crate::sys::{tcp_holders, tcp_sockets};
use crate::web::Ending;
use crate::web::access::Access;
use crate::web::door::{self, NoAnswer, ServerScope, Share};
use crate::web::guardian::Guardian;
use crate::web::listen::{self, Listening, USUAL_PORT};
pub(super) use background::{BACKGROUND, serve_in_background, start_in_background};
pub(super) use server::server;

/// How long a starting server may take to answer.
const START: Duration = Duration::from_secs(10);

/// Serve, or print a link to the running server.
pub(super) fn web(args: &WebArgs) -> Result<u8, CliError> {
    let context = Context::here()?;
    let dir = door::dir(&context.env)?;
    if let Some(what) = &args.verb {
        return people::manage(what, &context.env, &dir);
    }
    let access = people::access(args, &context.env)?;
    let only = only(args)?;
    let id = only.as_ref().map(|instance| instance_id(&instance.socket.path));
    if args.stop {
        return runtime::block_on(stop(&dir, args.port));
    }
    let share = if args.share.is_empty() { None } else { Some(shared(args, only.as_ref())?) };
    let project = Project::of(only.as_ref(), args, &context.env);
    let how = How::of(args, None, &context.env);
    let run = project.run.clone().filter(|_| share.is_none());
    let (own, is_shared) = (own_path(&context, only.as_ref()), share.is_some());
    let browser = Browser { how, own, dir: dir.clone(), run, is_shared };
    if args.link || share.is_some() {
        let link = print_link(args, share.as_ref(), &project, only.is_some(), browser);
        return runtime::block_on(link);
    }
    runtime::block_on(async {
        let wanted = id.as_deref().map_or(ServerScope::All, ServerScope::Only);
        if let Some(running) = running(&dir, args.port, &[wanted]).await {
            if is_special(args) {
                let what = "tmo web runs already; `tmo web --stop` ends it, then start it with these \
                            options";
                return Err(CliError::Other(what.to_owned()));
            }
            let (port, link) = (running.port, browser.lead(&running.link));
            output::print(&format!(
                "tmo web runs already at port {port}; this link logs in once:\n\n  {}\n\n",
                lines(&link)
            ))?;
            browser.open(&link).await;
            return Ok(0);
        }
        let place = Listen { host: args.host, port: args.port };
        let guardian = guardian_here(place, access, &dir)?.only(id.clone(), None);
        let watch = guardian.watch(interrupted()?);
        let served =
            tokio::join!(watch, greet(&guardian, &browser, "Ctrl-C ends the page, not the runs."));
        open::remove_pages(&dir);
        served.0.map_err(CliError::io("can't serve"))?;
        served.1.map(|()| 0)
    })
}

/// The project that links lead to: the named one, or the one in this directory.
struct Project {
    /// Its instance.
    id: Option<String>,
    /// The same, if pages show a run of it.
    run: Option<String>,
    /// The roots of the runs that pages show, by instance.
    roots: BTreeMap<String, PathBuf>,
}

impl Project {
    fn of(only: Option<&Instance>, args: &WebArgs, env: &Env) -> Self {
        let here = || Instance::find(&args.client).ok();
        let of = |instance: &Instance| instance_id(&instance.socket.path);
        let id = only.map(of).or_else(|| here().as_ref().map(of));
        // What can't be read is not shown either.
        let all = registry::all(env).unwrap_or_default();
        let run = id.clone().filter(|id| all.contains_key(id));
        let root = |(id, run): (String, KnownRun)| Some((id, run.root()?.to_owned()));
        Self { id, run, roots: all.into_iter().filter_map(root).collect() }
    }

    /// Which runs a server shows, in words.
    fn scope_of(&self, only: Option<&str>) -> String {
        match only {
            None => "shows all runs".to_owned(),
            Some(_) if only == self.id.as_deref() => "shows only this project".to_owned(),
            Some(only) => self.roots.get(only).map_or_else(
                || "shows only another project".to_owned(),
                |root| format!("shows only {}", root.display()),
            ),
        }
    }
}

/// Print a link to a running server, either for the user or to be shared, and open it. A server for only this
/// project is preferred to one for all runs.
async fn print_link(
    args: &WebArgs,
    share: Option<&Share>,
    project: &Project,
    is_named: bool,
    mut browser: Browser,
) -> Result<u8, CliError> {
    let own = project.id.as_deref().map(ServerScope::Only);
    let any = Some(ServerScope::Any).filter(|_| !is_named);
    let wanted: Vec<_> = match share {
        Some(share) => vec![ServerScope::Share(share)],
        None => own.into_iter().chain([ServerScope::All]).chain(any).collect(),
    };
    let Some(running) = running(&browser.dir, args.port, &wanted).await else {
        for (port, door) in doors(&browser.dir, args.port) {
            if door::about(&door).await.is_err_and(|why| why == NoAnswer::Silent) {
                return Err(silent(port));
            }
        }
        return Err(none_runs(&browser.dir, args.port, "; `tmo web` starts one"));
    };
    match share {
        // At a terminal, explain the link; scripts get only the link.
        Some(share) if std::io::stdout().is_terminal() => {
            _ = output::print(&describe_share(share))?;
        }
        Some(_) => {}
        None => {
            let only = door::about(&running.door).await.ok().and_then(|about| about.only);
            let shows = project.scope_of(only.as_deref());
            output::warn(&format!("the web server at port {} {shows}", running.port));
            browser.run = browser.run.filter(|run| only.as_ref().is_none_or(|only| only == run));
        }
    }
    let link = browser.lead(&running.link);
    output::print(&format!("{}\n", lines(&link)))?;
    browser.open(&link).await;
    Ok(0)
}

/// What a shared link allows, and how to use it.
fn describe_share(share: &Share) -> String {
    let time = span(Duration::from_secs(share.seconds));
    format!(
        "For {time}, this link gives read-only access to {}. It logs in once. To use it on another machine, \
         forward the port (ssh -L):\n\n",
        share.names.join(", ")
    )
}

/// The error if no server answers.
fn none_runs(dir: &Path, port: Option<u16>, next: &str) -> CliError {
    let others: Vec<_> = door::all(dir).into_iter().map(|(at, _)| at.to_string()).collect();
    CliError::Other(match port {
        Some(port) if !others.is_empty() => {
            format!("no web server runs here at port {port}, but at {}", others.join(", "))
        }
        Some(_) | None => format!("no web server runs here{next}"),
    })
}

/// The only run to show, if one is named.
fn only(args: &WebArgs) -> Result<Option<Instance>, CliError> {
    match &args.path {
        Some(path)
            if !path.exists()
                && let Some(command) = path.to_str().and_then(people::meant) =>
        {
            let text =
                format!("there is no directory `{}`; did you mean `{command}`?", path.display());
            Err(CliError::Usage(text))
        }
        Some(path) => Instance::find_in(path, &args.client).map(Some),
        None if args.client.socket.is_some() || args.client.project.is_some() => {
            Instance::find(&args.client).map(Some)
        }
        None => Ok(None),
    }
}

/// The caller's own `PATH`, without what belongs to a project.
fn own_path(context: &Context, only: Option<&Instance>) -> OwnPath {
    let above = crate::config::lookup::project_above(&context.start_dir, &context.env);
    let named = only.map(|instance| instance.context.start_dir.clone());
    let dirs: Vec<_> =
        [Some(context.start_dir.clone()), above, named].into_iter().flatten().collect();
    OwnPath::of(&context.env, dirs.iter().map(PathBuf::as_path))
}

/// How links are opened.
struct Browser {
    how: Option<How>,
    own: OwnPath,
    dir: PathBuf,
    /// The run that they lead to.
    run: Option<String>,
    /// Whether anybody may use them.
    is_shared: bool,
}

impl Browser {
    /// The addresses of a link, which lead to the run.
    fn lead(&self, link: &str) -> String {
        let Some(run) = &self.run else { return link.to_owned() };
        let addresses: Vec<_> = link.split(' ').map(|one| format!("{one}/r/{run}")).collect();
        addresses.join(" ")
    }

    async fn open(&self, link: &str) {
        if let Some(how) = self.how {
            // The first address is the local one.
            let link = link.split(' ').next().unwrap_or(link);
            open::open(link, self.is_shared, how, &self.own, &self.dir).await;
        }
    }
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
struct Listen {
    host: Option<IpAddr>,
    port: Option<u16>,
}

/// The guardian of a new server.
fn guardian((place, access): (Listen, Access), dir: &Path) -> Result<Guardian, CliError> {
    let listening = listen(place.host, place.port)?;
    let guardian = Guardian::new(listening, access, dir.to_owned());
    guardian.map_err(CliError::io("can't start the web server"))
}

/// The guardian of a server in the foreground. It prints the port if that is not the default.
fn guardian_here(place: Listen, access: Access, dir: &Path) -> Result<Guardian, CliError> {
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

/// End the server with this port, or all servers of this user.
async fn stop(dir: &Path, port: Option<u16>) -> Result<u8, CliError> {
    let (mut any_ends, mut failed) = (false, None);
    for (at, path) in doors(dir, port) {
        match door::stop(&path).await {
            Ok(()) => {
                output::print(&format!("the web server at port {at} ends\n"))?;
                any_ends = true;
            }
            Err(NoAnswer::Silent) => failed = Some(silent(at)),
            Err(NoAnswer::NoServer) => {}
        }
    }
    match failed {
        Some(failed) => Err(failed),
        None if any_ends => Ok(0),
        None => Err(none_runs(dir, port, "")),
    }
}

/// The sockets of the server with this port, or of all servers of this user.
fn doors(dir: &Path, port: Option<u16>) -> impl Iterator<Item = (u16, PathBuf)> {
    door::all(dir).into_iter().filter(move |(at, _)| port.is_none_or(|port| port == *at))
}

/// The error if a server does not answer.
pub(super) fn silent(port: u16) -> CliError {
    let holders = tcp_holders(&sockets_of(port));
    let end = holders.first().map_or_else(String::new, |p| format!("; `kill {}` ends it", p.pid));
    CliError::Other(format!("the web server at port {port} does not answer{end}"))
}

fn sockets_of(port: u16) -> Vec<u64> {
    tcp_sockets(port).into_iter().map(|(_, socket)| socket).collect()
}

/// The permissions of a shared link.
fn shared(args: &WebArgs, only: Option<&Instance>) -> Result<Share, CliError> {
    let mut instance = match only {
        Some(instance) => instance.clone(),
        None => Instance::find(&args.client)?,
    };
    let Server::Tmo = runtime::block_on(instance.server())? else {
        return Err(CliError::Other(
            "only runs of tmo have pages, this one is of overmind".to_owned(),
        ));
    };
    let state = runtime::block_on(instance.state())?;
    let is_meant = |word: &String| state.processes.iter().any(|process| process.is_meant(word));
    if let Some(unknown) = args.share.iter().find(|word| !is_meant(word)) {
        return Err(CliError::unknown(
            unknown,
            state.processes.iter().map(|process| &process.name),
        ));
    }
    let meant = |process: &&ProcessState| args.share.iter().any(|word| process.is_meant(word));
    let names = state.processes.iter().filter(meant).map(|process| process.name.to_string());
    Ok(Share { run: state.run, names: names.collect(), seconds: args.time.as_secs() })
}

/// A running server.
struct Running {
    port: u16,
    /// Its socket.
    door: PathBuf,
    /// A new link to it.
    link: String,
}

/// A running server, at this port or any, that can give one of these links; the first ones are preferred.
async fn running(dir: &Path, port: Option<u16>, wanted: &[ServerScope<'_>]) -> Option<Running> {
    for wanted in wanted {
        for (at, door) in doors(dir, port) {
            if let Some(link) = door::link(&door, wanted).await {
                return Some(Running { port: at, door, link });
            }
        }
    }
    None
}

/// Whether options are given that a running server does not accept.
fn is_special(args: &WebArgs) -> bool {
    let is_open = args.host.is_some() || args.public_url.is_some();
    is_open || args.token_file.is_some() || !args.trusted_proxy.is_empty()
}

/// The addresses of a link, one per line.
fn lines(link: &str) -> String {
    link.replace(' ', "\n  ")
}

fn listen(host: Option<IpAddr>, port: Option<u16>) -> Result<Listening, CliError> {
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
async fn first_link(guardian: &Guardian) -> Option<String> {
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
async fn greet(guardian: &Guardian, browser: &Browser, end: &str) -> Result<(), CliError> {
    let Some(link) = first_link(guardian).await else { return Ok(()) };
    let link = browser.lead(&link);
    output::print(&format!(
        "tmo web listens at port {}\nWeb UI available at {addresses}\nPress Ctrl+C to stop\n\n\
         The link logs in once, within 5 minutes; `tmo web --link` prints another one. {end}\n",
        guardian.port(),
        addresses = lines(&link),
    ))?;
    browser.open(&link).await;
    Ok(())
}

/// The signals by which the user ends a server.
fn end_signals() -> Result<SignalSet, CliError> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    SignalSet::new(&kinds).map_err(CliError::io("can't start"))
}

/// Completes when the user ends the command or the terminal is closed.
fn interrupted() -> Result<impl Future<Output = ()>, CliError> {
    let mut signals = end_signals()?;
    Ok(async move {
        signals.next().await;
    })
}

/// The message after the end of a server.
const fn farewell(ending: Ending) -> &'static str {
    match ending {
        Ending::Run => "the run is over; the page ends",
        Ending::Guardian | Ending::Restart | Ending::Asked => "the page ends",
    }
}
