//! `tmo web`: serves the web interface until Ctrl-C.

mod address;
mod background;
mod open;
mod people;
mod server;
mod serving;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::open::How;
use self::serving::{
    Browser, Listen, doors, greet, guardian_here, interrupted, lines, only_server, own_path,
    running, sockets_of,
};
use crate::cli::args::{ClientArgs, WebArgs};
use crate::cli::error::CliError;
use crate::cli::fleet::trust;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::{output, runtime};
use crate::config::Env;
use crate::config::load::Context;
use crate::fleet::inventory::Inventory;
use crate::fleet::procman;
use crate::model::name::role::Role;
use crate::model::state::ProcessState;
use crate::model::text::shell::quoted;
use crate::model::units::span;
use crate::run::registry::{self, KnownRun};
use crate::sys::tcp_holders;
use crate::web::MOST_HOSTS;
use crate::web::server::command_socket::{self, NoAnswer, ServerScope, Share};
pub(super) use crate::web::server::guardian::Listening as PageSockets;
pub(super) use address::{browse, open_process};
pub(super) use background::{BACKGROUND, open_page, serve_in_background, start_in_background};
pub(super) use server::server;

/// Serve, or print a link to the running server.
pub(super) fn web(args: &WebArgs) -> Result<u8, CliError> {
    let context = Context::here()?;
    let dir = command_socket::dir(&context.env)?;
    if let Some(what) = &args.verb {
        return people::manage(what, &context.env, &dir);
    }
    let access = people::access(args, &context.env)?;
    let only = only(args)?;
    let id = only.as_ref().map(|instance| instance.identity.id.clone());
    if args.stop {
        return runtime::block_on(stop(&dir, args.port));
    }
    let share = if args.share.is_empty() { None } else { Some(shared(args, only.as_ref())?) };
    let fleet = fleet_file(args, &context)?;
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
        let only = id.as_deref().map(ServerScope::Only);
        let wanted: Vec<_> = only.into_iter().chain([ServerScope::All]).collect();
        if let Some(running) = only_server(&dir, args.port, &wanted).await? {
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
        let guardian = guardian_here(&context.env, place, access, &dir)?;
        let guardian = guardian.only(id.clone(), None).fleet(fleet);
        let watch = guardian.watch(interrupted()?);
        let end = format!("Ctrl-C ends the page, not the runs.{}", example(args, guardian.port()));
        let served = tokio::join!(watch, greet(&guardian, &browser, &end));
        open::remove_pages(&dir);
        served.0.map_err(CliError::io("can't serve"))?;
        served.1.map(|()| 0)
    })
}

/// How programs act with their token: a text to print, if they have one.
fn example(args: &WebArgs, port: u16) -> String {
    let file = args.token_file.as_ref().filter(|_| args.role != Some(Role::Read));
    let Some(file) = file else { return String::new() };
    let file = quoted(&file.display().to_string());
    format!(
        "\n\nPrograms send the token; with several runs, ?run= names one:\n\n  \
         curl -H \"Authorization: Bearer $(cat {file})\" -X POST http://localhost:{port}/api/process/NAME/start"
    )
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
        let of = |instance: &Instance| instance.identity.id.clone();
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
            if command_socket::about(&door).await.is_err_and(|why| why == NoAnswer::Silent) {
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
            let only = command_socket::about(&running.door).await.ok().and_then(|about| about.only);
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
    let others: Vec<_> =
        command_socket::all(dir).into_iter().map(|(at, _)| at.to_string()).collect();
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
        Some(path) => {
            let project = Some(path.clone());
            Instance::find(&ClientArgs { project, ..args.client.clone() }).map(Some)
        }
        None if args.client.socket.is_some() || args.client.project.is_some() => {
            Instance::find(&args.client).map(Some)
        }
        None => Ok(None),
    }
}

/// The file with the hosts to show, if they are to be shown. Its commands must be allowed.
fn fleet_file(args: &WebArgs, context: &Context) -> Result<Option<PathBuf>, CliError> {
    let Context { start_dir, env, .. } = context;
    let inventory = match &args.fleet {
        None => return Ok(None),
        Some(Some(file)) => procman::read_any(start_dir, env, file)?,
        Some(None) => Inventory::nearest(start_dir, env)?,
    };
    trust::check(&inventory, env)?;
    if inventory.hosts.len() > MOST_HOSTS {
        let (count, path) = (inventory.hosts.len(), inventory.path.display());
        let text = format!(
            "a page shows {MOST_HOSTS} hosts at most, and {path} has {count}: `--fleet=FILE` names one with fewer"
        );
        return Err(CliError::Other(text));
    }
    Ok(Some(start_dir.join(inventory.path)))
}

/// End the server with this port, or all servers of this user.
async fn stop(dir: &Path, port: Option<u16>) -> Result<u8, CliError> {
    let (mut any_ends, mut failed) = (false, None);
    for (at, path) in doors(dir, port) {
        match command_socket::stop(&path).await {
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

/// The error if a server does not answer.
pub(super) fn silent(port: u16) -> CliError {
    let holders = tcp_holders(&sockets_of(port));
    let end = holders.first().map_or_else(String::new, |p| format!("; `kill {}` ends it", p.pid));
    CliError::Other(format!("the web server at port {port} does not answer{end}"))
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

/// Whether options are given that a running server does not accept.
fn is_special(args: &WebArgs) -> bool {
    let is_open = args.host.is_some() || args.public_url.is_some();
    is_open || args.fleet.is_some() || args.token_file.is_some() || !args.trusted_proxy.is_empty()
}
