//! `tmo web`: serves the web interface until Ctrl-C.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::args::WebArgs;
use super::error::CliError;
use super::instance::{Instance, Server};
use crate::config::load::Context;
use crate::model::request::ProcessState;
use crate::sys::{tcp_holders, tcp_sockets};
use crate::web::door::{self, Share};
use crate::web::guardian::Guardian;
use crate::web::listen::{self, Listening, USUAL_PORT};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(10);

/// Serve, or print a link to the server that runs.
pub(super) fn web(args: &WebArgs) -> Result<u8, CliError> {
    let context = Context::here()?;
    let dir = door::dir(&context.env).map_err(|error| CliError::Other(error.to_string()))?;
    let share = if args.share.is_empty() { None } else { Some(shared(args)?) };
    super::block_on(async {
        let running = running(&dir, args.port, share.as_ref()).await;
        match (running, args.link || share.is_some()) {
            (Some(link), true) => {
                super::print(&format!("{link}\n"))?;
                return Ok(0);
            }
            (None, true) => {
                let what = "no web server runs here; `tmo web` starts one".to_owned();
                return Err(CliError::Other(what));
            }
            (Some(link), false) => {
                super::print(&format!(
                    "tmo web runs already; this link logs in once:\n\n  {link}\n\n"
                ))?;
                return Ok(0);
            }
            (None, false) => {}
        }
        let listening = listen(args.port)?;
        if args.port.is_none() && listening.port != USUAL_PORT {
            super::print(&format!(
                "port {USUAL_PORT} is taken{}; using {}\n",
                holder(USUAL_PORT),
                listening.port
            ))?;
        }
        let guardian = Guardian::new(listening, &context.env, dir);
        let guardian = guardian.map_err(CliError::io("can't start the web server"))?;
        let watch = guardian.watch(interrupted()?);
        let (watched, greeted) = tokio::join!(watch, greet(&guardian));
        watched.map_err(CliError::io("can't serve"))?;
        greeted.map(|()| 0)
    })
}

/// What a link for somebody else allows.
fn shared(args: &WebArgs) -> Result<Share, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let Server::Tmo = super::block_on(instance.server())? else {
        return Err(CliError::Other(
            "only runs of tmo have pages, this one is of overmind".to_owned(),
        ));
    };
    let state = super::block_on(instance.state())?;
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

/// A link of a server that runs: of the one with this port, or of any.
async fn running(dir: &Path, port: Option<u16>, share: Option<&Share>) -> Option<String> {
    for (at, path) in door::all(dir) {
        if port.is_none_or(|port| port == at)
            && let Some(link) = door::link(&path, share).await
        {
            return Some(link);
        }
    }
    None
}

fn listen(port: Option<u16>) -> Result<Listening, CliError> {
    let Some(port) = port else {
        return listen::anywhere().map_err(CliError::io("can't listen at any port"));
    };
    listen::at(port).map_err(|error| {
        if error.kind() != ErrorKind::AddrInUse {
            return CliError::io(format!("can't listen at port {port}"))(error);
        }
        CliError::Other(format!(
            "port {port} is taken{}; another `--port`, or none, finds a free one",
            holder(port)
        ))
    })
}

/// Which process has this port, as words to append; nothing if it is another user's.
fn holder(port: u16) -> String {
    let sockets: Vec<u64> = tcp_sockets(port).into_iter().map(|(_, socket)| socket).collect();
    let holders = tcp_holders(&sockets);
    holders.first().map_or_else(String::new, |p| format!(" by {} (pid {})", p.comm, p.pid))
}

/// Print the address as soon as the server answers.
async fn greet(guardian: &Guardian) -> Result<(), CliError> {
    let path = guardian.door();
    let asked = async {
        loop {
            if let Some(link) = door::link(&path, None).await {
                return link;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    // If the server can't start, its guardian reports why.
    let Ok(link) = timeout(START, asked).await else { return Ok(()) };
    super::print(&format!(
        "tmo web listens at port {}; this link logs in once, within 5 minutes:\n\n  {link}\n\n\
         `tmo web --link` prints another one. Ctrl-C ends the page, not the runs.\n",
        guardian.port(),
    ))?;
    Ok(())
}

/// Returns when the user wants it to end, or the terminal is gone.
fn interrupted() -> Result<impl Future<Output = ()>, CliError> {
    let of = |kind| signal(kind).map_err(CliError::io("can't start"));
    let mut all =
        [of(SignalKind::interrupt())?, of(SignalKind::terminate())?, of(SignalKind::hangup())?];
    Ok(async move {
        let [interrupt, terminate, hangup] = &mut all;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
