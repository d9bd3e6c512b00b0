//! The access to the web interface: users, sessions, and the options for other machines.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use serde::Serialize;

use super::{WebArgs, WebUserVerb, WebVerb};
use crate::cli::error::CliError;
use crate::cli::output::table::table;
use crate::cli::{output, runtime};
use crate::config::Env;
use crate::config::place::dirs::state_base;
use crate::model::name::nearest::nearest;
use crate::sys::{end_by, local};
use crate::web::SessionEntry;
use crate::web::access::options::{Access, public_host, read_token};
use crate::web::access::users::{self, LONGEST_PASSWORD, Users, UsersError};
use crate::web::server::command_socket::{self, End, NoAnswer};

/// The character that Ctrl-C sends.
const INTERRUPT: u8 = 3;

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Other(error.to_string())
}

/// The command that was probably meant by a word that is no directory.
pub(super) fn meant(word: &str) -> Option<&'static str> {
    Some(match word {
        "stop" | "quit" | "end" | "kill" | "down" => "tmo web --stop",
        "start" | "serve" | "run" | "up" => "tmo web",
        "open" => "tmo web --open",
        "link" | "url" | "login" => "tmo web --link",
        "share" => "tmo web --share NAMES",
        "help" => "tmo web --help",
        "users" | "list" => "tmo web user list",
        "add" => "tmo web user add NAME --role read",
        "passwd" | "password" => "tmo web user passwd NAME",
        "remove" | "delete" | "rm" => "tmo web user remove NAME",
        word => match nearest(word, ["user", "sessions", "logout"])? {
            "user" => "tmo web user list",
            "sessions" => "tmo web sessions",
            _ => "tmo web logout ID",
        },
    })
}

/// Run a subcommand.
pub(super) fn manage(what: &WebVerb, env: &Env, dir: &Path) -> Result<u8, CliError> {
    match what {
        WebVerb::User { verb } => manage_users(verb, env, dir),
        WebVerb::Sessions { json } => list_sessions(dir, *json),
        WebVerb::Logout { id: Some(id), .. } => log_out(dir, id),
        WebVerb::Logout { id: None, .. } => ended(dir, End::All, "done", 0),
    }
}

fn manage_users(verb: &WebUserVerb, env: &Env, dir: &Path) -> Result<u8, CliError> {
    match verb {
        WebUserVerb::List => list_users(&Users::load(&users_file(env)?)?),
        WebUserVerb::Add { name, role } => {
            let password = password()?;
            change(env, |users| users.add(name, *role, &password))?;
            output::print(&format!("{name} is added\n"))
        }
        WebUserVerb::Passwd { name } => {
            let password = password()?;
            let before = sessions_of(dir, name)?;
            change(env, |users| users.change(name, &password))?;
            ended(dir, End::User(name), &format!("{name} has a new password"), before)
        }
        WebUserVerb::Remove { name } => {
            let before = sessions_of(dir, name)?;
            change(env, |users| users.remove(name))?;
            ended(dir, End::User(name), &format!("{name} is removed"), before)
        }
    }
}

fn users_file(env: &Env) -> Result<PathBuf, CliError> {
    users::path(env).ok_or_else(|| failed("HOME is not set; set HOME or XDG_CONFIG_HOME"))
}

/// Change the users. Call this after the password was typed: until then, other commands may change the users.
fn change(
    env: &Env,
    act: impl FnOnce(&mut Users) -> Result<(), UsersError>,
) -> Result<(), CliError> {
    Ok(Users::edit(&users_file(env)?, act)?)
}

fn list_users(users: &Users) -> Result<u8, CliError> {
    if users.users.is_empty() {
        return output::print("there are no users; `tmo web user add NAME --role read` adds one\n");
    }
    let rows = users.users.iter().map(|user| [user.name.clone(), user.role.word().to_owned()]);
    output::print(&table(["USER", "ROLE"], rows))
}

/// All sessions of all web servers of this user.
fn list_sessions(dir: &Path, json: bool) -> Result<u8, CliError> {
    let (all, done) = of_all(dir, &async |door| command_socket::sessions(door).await)?;
    let all = all.into_iter().flat_map(|(port, sessions)| {
        sessions.into_iter().map(move |session| ListedSession { port, session })
    });
    let all: Vec<_> = all.collect();
    if json {
        output::print_json(&all)?;
        return done;
    }
    if all.is_empty() {
        return done.and_then(|_| output::print("there are no sessions\n"));
    }
    let zone = local::zone();
    let rows = all.into_iter().map(|ListedSession { port, session: one }| {
        let user = one.user.unwrap_or_else(|| "(link)".to_owned());
        let sees = one.processes.map_or_else(|| "everything".to_owned(), |all| all.join(","));
        let address = one.visitor.address.map_or_else(String::new, |address| address.to_string());
        let used = local::date_and_time(one.used, &zone);
        let role = one.role.word().to_owned();
        [one.id, user, role, sees, port.to_string(), one.visitor.browser, address, used]
    });
    let heads = ["SESSION", "USER", "ROLE", "SEES", "PORT", "BROWSER", "FROM", "LAST USED"];
    output::print(&table(heads, rows))?;
    done
}

/// A session, and the web server that has it.
#[derive(Serialize)]
struct ListedSession {
    /// The port of the server.
    port: u16,
    #[serde(flatten)]
    session: SessionEntry,
}

/// What web servers have answered, with their ports.
type Answers<T> = Vec<(u16, T)>;

/// The answers of all web servers of this user, and an error if one does not answer.
fn of_all<T>(
    dir: &Path,
    ask: &impl AsyncFn(&Path) -> Result<T, NoAnswer>,
) -> Result<(Answers<T>, Result<u8, CliError>), CliError> {
    runtime::block_on(async {
        let (mut answers, mut done) = (vec![], Ok(0));
        for (port, door) in command_socket::all(dir) {
            match ask(&door).await {
                Ok(answer) => answers.push((port, answer)),
                Err(NoAnswer::Silent) => done = Err(super::silent(port)),
                Err(NoAnswer::NoServer) => {}
            }
        }
        Ok((answers, done))
    })
}

/// The number of sessions of this user.
fn sessions_of(dir: &Path, name: &str) -> Result<usize, CliError> {
    let (all, _) = of_all(dir, &async |door| command_socket::sessions(door).await)?;
    let all = all.iter().flat_map(|(_, all)| all);
    Ok(all.filter(|session| session.user.as_deref() == Some(name)).count())
}

/// End sessions on all web servers of this user, and print `what` with the number of ended sessions. Servers watch the
/// file of users, so they may have ended some of the `before` earlier sessions already.
fn ended(dir: &Path, which: End<'_>, what: &str, before: usize) -> Result<u8, CliError> {
    let (ended, done) = of_all(dir, &async |door| command_socket::end(door, which).await)?;
    let ended = ended.into_iter().map(|(_, ended)| ended).sum::<usize>().max(before);
    output::print(&format!("{what}; sessions ended: {ended}\n"))?;
    done
}

fn log_out(dir: &Path, id: &str) -> Result<u8, CliError> {
    let (ended, done) = of_all(dir, &async |door| command_socket::end(door, End::Id(id)).await)?;
    match ended.into_iter().map(|(_, ended)| ended).sum::<usize>() {
        0 => done.and_then(|_| {
            Err(failed(format!("there is no session {id}; `tmo web sessions` lists all")))
        }),
        ended => output::print(&format!("sessions ended: {ended}\n")),
    }
}

/// The options that open the web interface to other machines, checked.
pub(super) fn access(args: &WebArgs, env: &Env) -> Result<Access, CliError> {
    let public = args.public_url.as_ref().map(|url| {
        public_host(url).map_err(|why| CliError::Other(format!("--public-url {url}: {why}")))
    });
    let public = public.transpose()?;
    let users = users_file(env).unwrap_or_default();
    let known = Users::load(&users)?;
    let token = match (&args.token_file, args.role) {
        (Some(path), Some(role)) => {
            let path = std::path::absolute(path).map_err(failed)?;
            read_token(&path).map_err(failed)?;
            Some((path, role))
        }
        (Some(_) | None, _) => None,
    };
    if let Some(host) = args.host.filter(|host| !host.is_loopback()) {
        may_listen_at(host, public.is_some(), !known.users.is_empty() || token.is_some())?;
    }
    let proxies = args.trusted_proxy.iter().map(IpAddr::to_canonical).collect();
    Ok(Access { public, proxies, users, state: state_base(env), token, names: args.names })
}

/// Whether the web interface may be served at an address that other machines reach.
fn may_listen_at(host: IpAddr, has_url: bool, has_login: bool) -> Result<(), CliError> {
    let why = if host.is_unspecified() && host.is_ipv6() {
        "name one address, or 0.0.0.0".to_owned()
    } else if !has_url {
        "over plain http, output and passwords can be read on the way; forward the port \
         (`ssh -L 10000:localhost:10000 HOST`), or name the TLS proxy in front with --public-url"
            .to_owned()
    } else if !has_login {
        "no login is possible there; `tmo web user add NAME --role read` adds a user, --token-file \
         lets programs in"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(CliError::Other(format!("tmo web does not listen at {host}: {why}")))
}

/// Read a password: typed twice at a terminal, or the first line of standard input.
fn password() -> Result<String, CliError> {
    let read = CliError::io("can't read the password");
    if !io::stdin().is_terminal() {
        return line().map_err(read);
    }
    let once = |prompt: &str| -> io::Result<String> {
        write!(io::stderr(), "{prompt}: ")?;
        let typed = line();
        writeln!(io::stderr())?;
        typed
    };
    let twice = || -> io::Result<_> {
        let _silent = Silent::enter()?;
        Ok((once("Password")?, once("Again")?))
    };
    let (one, again) = twice().map_err(read)?;
    if one == again { Ok(one) } else { Err(failed("the two passwords differ; nothing is changed")) }
}

/// Read a line of standard input, without the line end.
fn line() -> io::Result<String> {
    let mut input = io::stdin().lock();
    let mut typed = vec![];
    while typed.len() <= LONGEST_PASSWORD && !typed.ends_with(b"\n") {
        let got = input.fill_buf()?;
        let end = got.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(got.len(), |at| at + 1);
        if taken == 0 {
            break;
        }
        typed.extend_from_slice(&got[..taken]);
        input.consume(taken);
        if typed.contains(&INTERRUPT) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    let text = String::from_utf8(typed).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal without echo, until dropped. Ctrl-C ends the line, and the terminal is also restored before a signal ends
/// this process.
struct Silent {
    before: Termios,
    mask: SigSet,
}

impl Silent {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        let ending: SigSet = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT]
            .into_iter()
            .collect();
        let mask = ending.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let restored = before.clone();
        // The signals are blocked in this thread, so that it can wait for them.
        std::thread::Builder::new().spawn(move || {
            if let Ok(signal) = ending.wait() {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &restored);
                let _ = ending.thread_unblock();
                end_by(signal as i32);
            }
        })?;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before, mask })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // This fails if the terminal was closed.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        let _ = self.mask.thread_set_mask();
    }
}
