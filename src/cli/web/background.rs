//! The page of `tmo start --web`: the user's server in the background, which ends with the last run.

use std::io::{self, BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::WebArgs;
use super::people;
use super::serving::{Listen, Running, farewell, first_link, interrupted, listen, only_server};
use crate::cli::error::CliError;
use crate::cli::reach::instance::Instance;
use crate::cli::{output, runtime};
use crate::config::Env;
use crate::model::name::hostname::ZONE;
use crate::run::inherit;
use crate::sys::{self, clock};
use crate::web::server::command_socket::{self, ServerScope};
use crate::web::server::guardian::{Guardian, Listening};

/// The hidden command that serves.
pub(in crate::cli) const BACKGROUND: &str = "web-background";

/// The task of the server in the background.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    /// The port at which it listens.
    port: u16,
    /// The descriptors of its sockets.
    sockets: Vec<RawFd>,
}

/// Listen where the page of a run is going to be served. If a server shows it already, this is its port, without
/// sockets.
pub(in crate::cli) fn open_page(
    instance: &Instance,
    port: Option<u16>,
) -> Result<Listening, CliError> {
    match server_of(instance, port)? {
        Some(Running { port, .. }) => Ok(Listening { port, sockets: vec![] }),
        None => listen_for_page(instance, port),
    }
}

fn unserved(why: &CliError) -> CliError {
    CliError::Other(format!("can't serve the page: {why}"))
}

fn listen_for_page(instance: &Instance, port: Option<u16>) -> Result<Listening, CliError> {
    listen(&instance.context.env, Listen { host: None, port }).map_err(|why| unserved(&why))
}

/// The server that shows this project, if it runs.
fn server_of(instance: &Instance, port: Option<u16>) -> Result<Option<Running>, CliError> {
    let id = instance.identity.id.clone();
    let dir = command_socket::dir(&instance.context.env)?;
    let wanted = [ServerScope::Only(&id), ServerScope::All];
    runtime::block_on(only_server(&dir, port, &wanted)).map_err(|why| unserved(&why))
}

/// Serve the page of this run in the background, unless a server does so already, and print its link: at these sockets,
/// or at this port or any.
pub(in crate::cli) fn start_in_background(
    instance: &Instance,
    port: Option<u16>,
    page: Option<Listening>,
) -> Result<(), CliError> {
    let page = page.filter(|page| !page.sockets.is_empty());
    let link = match (server_of(instance, port)?, page) {
        (Some(known), _) => known.link,
        (None, Some(page)) => launch(instance, &page)?,
        (None, None) => launch(instance, &listen_for_page(instance, port)?)?,
    };
    output::print(&format!("Web UI available at {link}\n"))?;
    let plan = instance.runtime.plan()?;
    let port = link.split("/#").next().and_then(|address| address.rsplit_once(':'));
    if let (Some(project), Some((_, port))) = (&plan.host, port) {
        let names = format!("http://NAME.{project}{ZONE}:{port}");
        output::print(&format!("Processes at {names}; `tmo open` lists them\n"))?;
    }
    Ok(())
}

/// Start the server; its first line is a link, or why there is none.
fn launch(instance: &Instance, page: &Listening) -> Result<String, CliError> {
    let failed = CliError::io("can't serve the page");
    let plan = instance.runtime.plan()?;
    // `dup` gives descriptors without close-on-exec; nothing else is started by this process meanwhile.
    let sockets: Result<Vec<_>, _> = page.sockets.iter().map(nix::unistd::dup).collect();
    let sockets = sockets.map_err(|errno| CliError::io("can't serve the page")(errno.into()))?;
    let numbers = sockets.iter().map(OwnedFd::as_raw_fd).collect();
    let task = Task { port: page.port, sockets: numbers };
    let task = serde_json::to_string(&task)?;
    let log_path = plan.log.dir.as_path().join("web.log");
    let log = sys::files::append_to(&log_path);
    let log = log.map_or_else(|_| Stdio::null(), Stdio::from);
    let tmo = std::env::current_exe().map_err(CliError::io("can't find tmo itself"))?;
    let started = Command::new(sys::program(&tmo))
        .arg(BACKGROUND)
        .arg(task)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn();
    let mut child = started.map_err(failed)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(CliError::io("can't serve the page"))?;
    }
    let line = line.trim_end();
    if line.starts_with("http") {
        return Ok(line.to_owned());
    }
    let why = match line {
        "" => format!("the server ended at once; see {}", log_path.display()),
        error => error.to_owned(),
    };
    Err(CliError::Other(format!("can't serve the page: {why}")))
}

/// Serve in the background: the hidden command.
pub(in crate::cli) fn serve_in_background(task: &str) -> Result<u8, CliError> {
    let Ok(task) = serde_json::from_str::<Task>(task) else { return Ok(2) };
    let _ = sys::close_inherited(&task.sockets);
    // The server must outlive the terminal. `setsid` fails only for the leader of a process group.
    let _ = nix::unistd::setsid();
    let env = Env::real();
    let dir = command_socket::dir(&env)?;
    runtime::block_on(async {
        let access = people::access(&WebArgs::default(), &env)?;
        let sockets: io::Result<Vec<_>> =
            task.sockets.iter().map(|fd| inherit::take(*fd).map(TcpListener::from)).collect();
        let guardian = sockets
            .and_then(|sockets| Guardian::new(Listening { port: task.port, sockets }, access, dir));
        // The command that has started it reads this line.
        let guardian = guardian
            .inspect_err(|error| _ = output::print(&format!("{error}\n")))
            .map_err(CliError::io("can't start the web server"))?;
        let guardian = guardian.until_no_run();
        let greet = async {
            if let Some(link) = first_link(&guardian).await {
                let _ = output::print(&format!("{link}\n"));
            }
        };
        let (done, ()) = tokio::join!(guardian.watch(interrupted()?), greet);
        let done = done.map_err(CliError::io("can't serve"))?;
        output::warn(&format!("{}: {}", clock::now(), farewell(done)));
        Ok(0)
    })
}
