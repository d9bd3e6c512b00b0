//! The page of `tmo start --web`: a server in the background that ends with the run.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::people;
use super::serving::{Listen, farewell, first_link, guardian, interrupted, running};
use crate::cli::args::WebArgs;
use crate::cli::error::CliError;
use crate::cli::reach::instance::Instance;
use crate::cli::{output, runtime};
use crate::config::Env;
use crate::config::dirs::instance_id;
use crate::sys::{self, clock};
use crate::web::door::{self, ServerScope};

/// The hidden command that serves.
pub(in crate::cli) const BACKGROUND: &str = "web-background";

/// The task of the server in the background.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    /// The id of the instance.
    instance: String,
    /// The id of its run.
    run: String,
    /// Where it listens; `None`: at the first free port.
    port: Option<u16>,
}

/// Serve the page of this run in the background, at this port or any, unless a server does so already, and print its
/// link.
pub(in crate::cli) fn start_in_background(
    instance: &Instance,
    port: Option<u16>,
) -> Result<(), CliError> {
    let id = instance_id(&instance.context.env, &instance.socket.path);
    let dir = door::dir(&instance.context.env)?;
    let wanted = [ServerScope::Only(&id)];
    let known = runtime::block_on(async { Ok(running(&dir, port, &wanted).await) })?;
    let link = match known {
        Some(known) => known.link,
        None => launch(instance, id, port)?,
    };
    output::print(&format!("Web UI available at {link}\n")).map(drop)
}

/// Start the server; its first line is a link, or why there is none.
fn launch(instance: &Instance, id: String, port: Option<u16>) -> Result<String, CliError> {
    let failed = CliError::io("can't serve the page");
    let plan = instance.runtime.plan()?;
    let task = Task { instance: id, run: plan.run, port };
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
    let _ = sys::close_inherited(&[]);
    // The server must outlive the terminal. `setsid` fails only for the leader of a process group.
    let _ = nix::unistd::setsid();
    let env = Env::real();
    let dir = door::dir(&env)?;
    runtime::block_on(async {
        let access = people::access(&WebArgs::default(), &env)?;
        let place = Listen { host: None, port: task.port };
        // The command that has started it reads this line.
        let guardian = guardian((place, access), &dir)
            .inspect_err(|error| _ = output::print(&format!("{error}\n")))?;
        let guardian = guardian.only(Some(task.instance), Some(task.run));
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
