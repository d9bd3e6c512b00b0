//! `tmo web`: serves the web interface until Ctrl-C.

mod address;
mod background;
mod open;
mod people;
mod server;
mod serving;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::open::How;
use self::serving::{
    Browser, Listen, doors, greet, guardian_here, interrupted, lines, only_server, own_path,
    running, sockets_of,
};
use crate::cli::args::{ClientArgs, parse_time, values};
use crate::cli::error::CliError;
use crate::cli::fleet::trust;
use crate::cli::reach::instance::{Instance, Server};
use crate::cli::{output, runtime};
use crate::config::Env;
use crate::config::load::Context;
use crate::config::options::port;
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

/// Serve a page that shows all runs in a browser.
#[derive(Default, clap::Args)]
#[command(after_help = "\
Examples:
  tmo web                       serves until Ctrl-C, and prints a link that logs in
  tmo web --link                prints another link for the running server
  tmo web --port 8080           listens at this port; fails if it is taken
  tmo web --open                also opens the page in the browser; --window: in its own window
  tmo web ../shop               shows only the run of that project
  tmo web --stop                stops the server; the runs continue
  tmo web --share web,api --for 2h
                                prints a read-only link to these two processes, for a colleague

  tmo web --public-url https://tmo.example.com
                                behind a proxy with TLS, for phones and colleagues
  tmo web user add anna --role operate
                                adds a user of that address; asks for a password
  tmo web user list             also: passwd NAME, remove NAME
  tmo web sessions              lists the sessions with user, role and last use
  tmo web logout 3f2a81c0       ends a session; --all ends all

The server listens only at this machine's loopback addresses. A link logs in once, within 5 minutes, and
only for the user who started the server. Runs don't depend on the server: start and stop it at any time.")]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct WebArgs {
    /// What to do instead of serving.
    #[command(subcommand)]
    verb: Option<WebVerb>,
    /// The directory of a project, to show only its run. One that is called `user` is `./user`.
    #[arg(value_name = "PATH", add = values::directory(), conflicts_with = "project")]
    path: Option<PathBuf>,
    /// Listen at this port (0: any free one) from now on. Without it, the page keeps its port, at first the first free
    /// one from 10000 on.
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    port: Option<u16>,
    /// Open the page in the browser.
    #[arg(long)]
    open: bool,
    /// Open the page in a window without tabs, if Chromium, Chrome, Edge or Brave is installed.
    #[arg(long)]
    window: bool,
    /// Don't open the page, even if other options or variables request it.
    #[arg(long, visible_alias = "no-ui", conflicts_with_all = ["open", "window"],
        overrides_with = "no_open")]
    no_open: bool,
    /// Stop the web server. The runs continue.
    #[arg(long, conflicts_with_all = ["open", "window", "link", "share"])]
    stop: bool,
    /// Also listen at this address, for a TLS proxy on another machine; needs --public-url.
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// The public address of a TLS proxy in front of tmo, as `https://NAME[:PORT]`.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// With --public-url: also serve the names of processes, without a login, to programs of this user on this
    /// machine. Whoever reaches such a program that forwards bytes (stunnel, socat, ssh -R) reaches them too.
    #[arg(long, requires = "public_url")]
    names: bool,
    /// The IP address of a proxy; its X-Forwarded-For header is trusted for the address of the browser.
    #[arg(long, value_name = "ADDRESS")]
    trusted_proxy: Vec<IpAddr>,
    /// Accept API requests with the token in this file (`Authorization: Bearer`).
    #[arg(long, value_name = "FILE", requires = "role", add = values::file())]
    token_file: Option<PathBuf>,
    /// The role of these programs.
    #[arg(long, value_enum, value_name = "ROLE", requires = "token_file")]
    role: Option<Role>,
    /// Also show the runs of the hosts in this file; without one, in `TMO_FLEET` or the nearest fleet.toml.
    #[arg(long, alias = "config", overrides_with = "fleet", value_name = "FILE", num_args = 0..=1, require_equals = true, add = values::file(),
        conflicts_with_all = ["path", "socket", "project", "link", "share", "stop"])]
    #[expect(clippy::option_option, reason = "the flag, perhaps with a file")]
    fleet: Option<Option<PathBuf>>,
    /// Print a login link for the running server.
    #[arg(long)]
    link: bool,
    /// Print a read-only link to these processes of the run, for another person.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', add = values::process())]
    share: Vec<String>,
    /// With --share: how long the link and its session are valid.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, default_value = "30m", requires = "share")]
    time: Duration,
    #[command(flatten)]
    client: ClientArgs,
}

/// The subcommands of `tmo web`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub(in crate::cli) enum WebVerb {
    /// Manage who logs in with a password, at the address of --public-url.
    User {
        /// What to do.
        #[command(subcommand)]
        verb: WebUserVerb,
    },
    /// List who is logged in to your web servers.
    Sessions {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a session that `tmo web sessions` lists, or all.
    Logout {
        /// The id of the session; its first digits are enough.
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// End all sessions.
        #[arg(long)]
        all: bool,
    },
}

/// The subcommands of `tmo web user`. A password is asked for at a terminal, else it is the first line of standard input.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub(in crate::cli) enum WebUserVerb {
    /// Add a user; asks for the password, or reads it from standard input.
    Add {
        /// The name of the user.
        name: String,
        /// What the user may do.
        #[arg(long, value_enum, value_name = "ROLE")]
        role: Role,
    },
    /// Change the password of a user, whose sessions end.
    Passwd {
        /// The name of the user.
        name: String,
    },
    /// Remove a user, whose sessions end.
    Remove {
        /// The name of the user.
        name: String,
    },
    /// List the users and their roles.
    List,
}

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
