//! Where the control socket is, and what has named it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::dirs::tcp_stand_in;
use super::env::{BadValue, Env, Place};
use super::paths::absolute;
use crate::model::network::{Mixed, Network, TcpAddress};
use crate::model::shell::quoted;
use crate::model::untrusted::shown;

/// The name of the control socket where none is given (overmind's).
pub const SOCKET: &str = ".overmind.sock";

/// A control address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// A variable has no value of its type.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// There is no such network.
    #[error("{verb} {name}: unknown network {name}; there are unix, tcp, tcp4 and tcp6")]
    Network {
        /// What is done there: `listen` or `dial`.
        verb: &'static str,
        /// What was said.
        name: String,
    },
    /// A name that other machines would be asked for, where only a file of the project says so.
    #[error(
        "{} names the host {} for the control address, which is not looked up: a file of \
         the project may name an IP address or `localhost`; to mean that host, use -s {}",
        shown(&file.to_string_lossy()), shown(host), shown(address)
    )]
    Name {
        /// The env file.
        file: PathBuf,
        /// The host.
        host: String,
        /// The whole address.
        address: String,
    },
    /// It is a directory.
    #[error(
        "{} is a directory; -s takes a socket, as in -s {}",
        path.display(), path.join(SOCKET).display()
    )]
    Directory {
        /// The path.
        path: PathBuf,
    },
}

/// A control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPath {
    /// Absolute.
    pub path: PathBuf,
    /// As the user named it, for messages.
    pub shown: PathBuf,
    /// The address on TCP that it stands in for: who is on this machine finds the run by the
    /// socket all the same.
    pub tcp: Option<TcpAddress>,
    /// The places that name the address on TCP and its token, if they are different ones.
    pub mixed: Option<Mixed>,
    /// What has named it.
    pub named_by: NamedBy,
}

/// What has named a control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// Nothing: it is the usual one.
    Nothing,
    /// A flag.
    Flag,
    /// A variable of the user.
    Variable,
    /// An env file of the project.
    Project,
}

impl SocketPath {
    /// A Unix socket.
    fn unix(start_dir: &Path, shown: PathBuf, named_by: NamedBy) -> Self {
        Self { path: absolute(start_dir, &shown), shown, tcp: None, mixed: None, named_by }
    }

    /// The one of a directory for which nothing else was said.
    fn usual(start_dir: &Path) -> Self {
        Self::unix(start_dir, Path::new(".").join(SOCKET), NamedBy::Nothing)
    }

    /// The one of a directory, or of a parent of it.
    fn near(start_dir: &Path, path: &Path) -> Self {
        if path.parent() == Some(start_dir) {
            return Self::usual(start_dir);
        }
        Self::unix(start_dir, path.to_owned(), NamedBy::Nothing)
    }

    /// Refuse a directory that was given as a socket. One in the place of the default socket is
    /// nobody's mistake: a run is found by its runtime directory nevertheless.
    pub fn check(&self) -> Result<(), BadAddress> {
        let is_default = self.path.file_name() == Some(SOCKET.as_ref());
        if self.tcp.is_none() && !is_default && self.path.is_dir() {
            return Err(BadAddress::Directory { path: self.shown.clone() });
        }
        Ok(())
    }

    /// The flags, each behind a space, that a command typed in `start_dir` needs to mean the run on
    /// this socket. There are none where it means that run without them. A variable of the user may
    /// be set in one terminal only, so the flags are needed in spite of it.
    pub fn flags(&self, start_dir: &Path) -> String {
        let found = nearest_socket(start_dir).unwrap_or_else(|| start_dir.join(SOCKET));
        let found_without = match self.named_by {
            NamedBy::Nothing | NamedBy::Project => true,
            NamedBy::Flag | NamedBy::Variable => self.tcp.is_none() && self.path == found,
        };
        if found_without { String::new() } else { self.naming_flags() }
    }

    /// The flags, each behind a space, with which a command typed anywhere means the run on this socket.
    pub fn naming_flags(&self) -> String {
        match &self.tcp {
            Some(tcp) => format!(" -S {} -s {}", tcp.network.name(), quoted(&tcp.address)),
            None => format!(" -s {}", quoted(&self.shown.to_string_lossy())),
        }
    }

    /// What `--socket` and `--network` mean, or their variables, for one who wants to `listen` or
    /// `dial` there; `env` has those that count.
    fn of(
        verb: &'static str,
        start_dir: &Path,
        Named { socket, network }: Named,
        env: &Env,
    ) -> Result<Option<Self>, BadAddress> {
        let of_network = network.as_ref().map(|(_, named_by)| *named_by);
        let of_socket = socket.as_ref().map(|(_, named_by)| *named_by);
        let named_by = of_socket.or(of_network).unwrap_or(NamedBy::Nothing);
        let socket = socket.map(|(socket, _)| socket);
        let network = match network {
            None => Network::Unix,
            Some((name, _)) => Network::parse(&name).ok_or(BadAddress::Network { verb, name })?,
        };
        if network == Network::Unix {
            return Ok(socket.map(|shown| Self::unix(start_dir, shown, named_by)));
        }
        let shown = socket.unwrap_or_else(|| Path::new(".").join(SOCKET));
        let address = shown.to_string_lossy().into_owned();
        // Port 0 is another one each time, so it names no run but that of the directory.
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let dir = Some(start_dir).filter(|_| port == Some(0));
        let path = tcp_stand_in(env, network.name(), &address, dir);
        let token = env.text("TOKEN")?.filter(|token| !token.trim().is_empty());
        let mixed = env.place("TOKEN").filter(|_| token.is_some()).and_then(|of_token| {
            let mut places = [of_network, of_socket].into_iter().flatten().map(NamedBy::place);
            let other = places.find(|place| *place != of_token)?;
            Some(Mixed { address: other.words(), token: of_token.words() })
        });
        let tcp = TcpAddress { network, address, token };
        // The look-up itself would tell other machines what the project has put into the name.
        if let Some(host) = tcp.foreign_name().filter(|_| of_socket == Some(NamedBy::Project)) {
            let (host, address) = (host.to_owned(), tcp.address.clone());
            let file = env.file("SOCKET").unwrap_or(Path::new("an env file")).to_owned();
            return Err(BadAddress::Name { file, host, address });
        }
        Ok(Some(Self { path, shown, tcp: Some(tcp), mixed, named_by }))
    }
}

impl NamedBy {
    const fn variable(place: Place) -> Self {
        match place {
            Place::User => Self::Variable,
            Place::Project => Self::Project,
        }
    }

    const fn place(self) -> Place {
        match self {
            Self::Nothing | Self::Flag | Self::Variable => Place::User,
            Self::Project => Place::Project,
        }
    }
}

/// What `--socket` and `--network` name, or their variables.
struct Named {
    socket: Option<(PathBuf, NamedBy)>,
    network: Option<(String, NamedBy)>,
}

impl Named {
    fn by_flags((socket, network): (Option<PathBuf>, Option<String>)) -> Self {
        let flag = NamedBy::Flag;
        Self { socket: socket.map(|path| (path, flag)), network: network.map(|name| (name, flag)) }
    }

    /// The variables count where there is no flag.
    fn or_by(self, env: &Env) -> Result<Self, BadValue> {
        let by = |name| env.place(name).map(NamedBy::variable);
        let network = match self.network {
            Some(network) => Some(network),
            None => env.text("NETWORK")?.zip(by("NETWORK")),
        };
        let socket = self.socket.or_else(|| env.path("SOCKET").zip(by("SOCKET")));
        Ok(Self { socket, network })
    }
}

/// The socket that a start opens: `-s`, `TMO_SOCKET`, `OVERMIND_SOCKET`, or [`SOCKET`] in the
/// starting directory.
///
/// Processes are told the socket of their own run by these very variables. A start typed inside
/// such a process means a run of its own, so there the variables do not count.
pub fn start_socket(
    start_dir: &Path,
    typed: (Option<PathBuf>, Option<String>),
    env: &Env,
) -> Result<SocketPath, BadAddress> {
    let inside = env.caller("TMO_SESSION").is_some();
    let named = Named::by_flags(typed);
    let named = if inside { named } else { named.or_by(env)? };
    let found = SocketPath::of("listen", start_dir, named, env)?;
    Ok(found.unwrap_or_else(|| SocketPath::usual(start_dir)))
}

/// The socket that a client talks to: `-s`, `TMO_SOCKET`, `OVERMIND_SOCKET`, or the [`SOCKET`] of
/// the starting directory or of its nearest parent that has one.
///
/// Of parents, only a socket of the same user counts: nobody can wait in `/tmp` for others.
pub fn client_socket(
    start_dir: &Path,
    typed: (Option<PathBuf>, Option<String>),
    env: &Env,
) -> Result<SocketPath, BadAddress> {
    let named = Named::by_flags(typed);
    let nearest = nearest_socket(start_dir);
    if named.socket.is_none()
        && named.network.is_none()
        && let Some(nearest) =
            nearest.as_deref().filter(|path| is_of_other_run(path, start_dir, env))
    {
        return Ok(SocketPath::near(start_dir, nearest));
    }
    if let Some(found) = SocketPath::of("dial", start_dir, named.or_by(env)?, env)? {
        return Ok(found);
    }
    Ok(nearest.map_or_else(
        || SocketPath::usual(start_dir),
        |nearest| SocketPath::near(start_dir, &nearest),
    ))
}

/// The [`SOCKET`] of this directory, or of its nearest parent that has one of this user.
pub fn nearest_socket(start_dir: &Path) -> Option<PathBuf> {
    let here = start_dir.join(SOCKET);
    if here.symlink_metadata().is_ok() {
        return Some(here);
    }
    let uid = nix::unistd::geteuid().as_raw();
    let ours = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.uid() == uid);
    start_dir.ancestors().skip(1).map(|dir| dir.join(SOCKET)).find(ours)
}

/// Whether this socket belongs to another project than the run that has started the caller, which
/// has gone to that project since: a start there begins a run of its own, and other commands mean
/// the same run.
fn is_of_other_run(nearest: &Path, start_dir: &Path, env: &Env) -> bool {
    let own = env.caller("TMO_SOCKET").filter(|own| env.caller("OVERMIND_SOCKET") == Some(own));
    let Some(own) = own.map(Path::new).filter(|_| env.caller("TMO_SESSION").is_some()) else {
        return false;
    };
    let (Some(project), Some(other)) = (own.parent(), nearest.parent()) else { return false };
    let has_left = !start_dir.starts_with(project) || other.starts_with(project);
    own.file_name() == Some(SOCKET.as_ref()) && own != nearest && has_left
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::{SOCKET, client_socket};
    use crate::config::project::Project;
    use crate::config::{Env, StartOptions};

    fn none() -> Env {
        Env::default()
    }

    #[test]
    fn a_start_inside_a_process_has_its_own_socket() {
        let env = Env::of([("TMO_SOCKET", "/outer"), ("TMO_SESSION", "1")]);
        let at = Path::new("/x");
        let project = Project::locate(at, &StartOptions::default(), &env).unwrap();
        assert_eq!(project.socket.path, Path::new("/x/.overmind.sock"));
        assert_eq!(client_socket(at, (None, None), &env).unwrap().path, Path::new("/outer"));
    }

    #[test]
    fn a_process_that_enters_another_project_means_the_run_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for project in ["own/nested", "own/below", "other"] {
            std::fs::create_dir_all(at(project)).unwrap();
        }
        let sockets = ["", "own", "own/nested", "other"].map(|dir| at(dir).join(SOCKET));
        let _listeners = sockets.map(|path| UnixListener::bind(path).unwrap());
        let found = |socket: &str, start: &str| {
            let socket = at(socket);
            let inside = Env::of([
                ("TMO_SESSION", OsStr::new("1")),
                ("TMO_SOCKET", socket.as_os_str()),
                ("OVERMIND_SOCKET", socket.as_os_str()),
            ]);
            let found = client_socket(&at(start), (None, None), &inside).unwrap().path;
            found.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned()
        };
        let own = "own/.overmind.sock";
        assert_eq!(found(own, "other"), "other/.overmind.sock");
        assert_eq!(found(own, "own/nested"), "own/nested/.overmind.sock");
        assert_eq!(found(own, "own"), own);
        assert_eq!(found(own, "own/below"), own);
        // A socket of another name tells nothing of where its run is.
        assert_eq!(found("own/second.sock", "own"), "own/second.sock");
        std::fs::remove_file(at(own)).unwrap();
        assert_eq!(found(own, "own/below"), own, "not that of the directory above its project");
        // What the user says counts.
        let env = Env::of([("TMO_SESSION", "1"), ("TMO_SOCKET", "/x/.overmind.sock")]);
        let by_user = client_socket(&at("other"), (None, None), &env).unwrap();
        assert_eq!(by_user.path, Path::new("/x/.overmind.sock"));
    }

    #[test]
    fn an_address_on_tcp_has_a_socket_that_stands_in_for_it() {
        let env = Env::of([("OVERMIND_NETWORK", "tcp4"), ("TMO_TOKEN", "secret")]);
        let at = Path::new("/x");
        let found = client_socket(at, (Some("h:1".into()), None), &env).unwrap();
        let tcp = found.tcp.unwrap();
        let parts = (tcp.network.name(), tcp.address.as_str(), tcp.token.as_deref());
        assert_eq!(parts, ("tcp4", "h:1", Some("secret")));
        assert!(found.path.is_absolute() && !found.path.starts_with("/x"));
        let typed = StartOptions { socket: Some("h:1".into()), ..Default::default() };
        assert_eq!(Project::locate(at, &typed, &env).unwrap().socket.path, found.path);
        let other = client_socket(at, (Some("h:1".into()), Some("tcp".into())), &env).unwrap();
        assert_ne!(other.path, found.path);
        let unix = client_socket(at, (Some("s".into()), Some("unix".into())), &env).unwrap();
        assert_eq!((unix.path.to_str(), unix.tcp), (Some("/x/s"), None));
        let bad = client_socket(at, (None, Some("udp".into())), &env).unwrap_err();
        assert!(bad.to_string().contains("unknown network udp"), "{bad}");
    }

    #[test]
    fn an_address_and_a_token_of_different_places_are_mixed() {
        let at = Path::new("/x");
        let mixed = |env: &Env, typed| {
            let found = client_socket(at, typed, env).unwrap();
            found.mixed.map(|mixed| (mixed.address, mixed.token))
        };
        let typed = || (Some("h:1".into()), Some("tcp".into()));
        let (user, project) = ("you", "an env file of this directory");
        let differ = |address, token| Some((address, token));
        let mut env = Env::of([("TMO_TOKEN", "t")]);
        assert_eq!(mixed(&env, typed()), None);
        let file = Path::new("./.env").into();
        env.set_from_file(&file, "TMO_SOCKET".into(), "192.0.2.1:1".into());
        assert_eq!(mixed(&env, (None, Some("tcp".into()))), differ(project, user));
        env.set_from_file(&file, "TMO_NETWORK".into(), "tcp".into());
        assert_eq!(mixed(&env, (None, None)), differ(project, user));
        assert_eq!(mixed(&env, (Some("h:1".into()), None)), differ(project, user));
        assert_eq!(mixed(&env, typed()), None);
        let mut all = Env::default();
        let address = ("TMO_SOCKET", "localhost:1");
        for (key, value) in [("TMO_NETWORK", "tcp"), address, ("TMO_TOKEN", "t")] {
            all.set_from_file(&file, key.into(), value.into());
        }
        assert_eq!(mixed(&all, (None, None)), None);
        assert_eq!(mixed(&all, typed()), differ(user, project));
        all.files_so_far_are_the_users();
        assert_eq!(mixed(&all, typed()), None, "the files are those of the home directory");
    }

    #[test]
    fn a_host_that_only_a_file_of_the_project_names_is_not_looked_up() {
        let at = Path::new("/x");
        let of_file = |prefix: &str, address: &str| {
            let mut env = Env::default();
            for (name, value) in [("NETWORK", "tcp"), ("SOCKET", address)] {
                let variable = format!("{prefix}{name}").into();
                env.set_from_file(&Path::new("./.env").into(), variable, value.into());
            }
            env
        };
        for prefix in ["TMO_", "OVERMIND_"] {
            let env = of_file(prefix, "x.evil:80");
            let typed = StartOptions::default();
            let refused = [
                client_socket(at, (None, None), &env).unwrap_err(),
                client_socket(at, (None, Some("tcp4".into())), &env).unwrap_err(),
                Project::locate(at, &typed, &env).unwrap_err(),
            ];
            for error in refused.map(|error| error.to_string()) {
                assert!(error.starts_with("./.env names the host x.evil for"), "{error}");
                assert!(error.ends_with("-s x.evil:80"), "{error}");
            }
            client_socket(at, (Some("x.evil:80".into()), None), &env).unwrap();
            client_socket(at, (None, Some("unix".into())), &env).unwrap();
            let mut of_user = env.clone();
            of_user.files_so_far_are_the_users();
            client_socket(at, (None, None), &of_user).unwrap();
            let here = of_file(prefix, "localhost:80");
            client_socket(at, (None, None), &here).unwrap();
        }
        let mut of_caller = Env::of([("TMO_SOCKET", "x.evil:80")]);
        of_caller.set_from_file(&at.into(), "TMO_NETWORK".into(), "tcp".into());
        client_socket(at, (None, None), &of_caller).unwrap();
        let broken = client_socket(at, (None, None), &of_file("TMO_", "x\n.evil:80"));
        assert_eq!(broken.unwrap_err().to_string().lines().count(), 1);
    }

    #[test]
    fn flags_name_only_a_socket_that_is_not_found_without_them() {
        let at = Path::new("/x");
        let flags = |env: &Env, socket: Option<&str>, network: Option<&str>| {
            let typed = (socket.map(Into::into), network.map(Into::into));
            client_socket(at, typed, env).unwrap().flags(at)
        };
        for (socket, network, expected) in [
            (None, None, ""),
            (Some(".overmind.sock"), None, ""),
            (Some("/x/.overmind.sock"), None, ""),
            (Some("../s.sock"), None, " -s ../s.sock"),
            (Some("a b's"), None, r" -s 'a b'\''s'"),
            (Some("127.0.0.1:1"), Some("tcp"), " -S tcp -s 127.0.0.1:1"),
            (Some("[::1]:1"), Some("tcp6"), " -S tcp6 -s '[::1]:1'"),
        ] {
            assert_eq!(flags(&none(), socket, network), expected);
        }
        let variable = Env::of([("TMO_SOCKET", "s")]);
        assert_eq!(flags(&variable, None, None), " -s s");
        let mut project = Env::default();
        project.set_from_file(&Path::new("./.env").into(), "TMO_SOCKET".into(), "s".into());
        assert_eq!(flags(&project, None, None), "", "every command here reads that file");
    }

    #[test]
    fn a_blank_token_is_none() {
        let env = Env::of([("TMO_TOKEN", " \t")]);
        let typed = (Some("h:1".into()), Some("tcp".into()));
        let tcp = client_socket(Path::new("/x"), typed, &env).unwrap().tcp.unwrap();
        assert_eq!(tcp.token, None);
    }

    #[test]
    fn clients_look_upwards() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(
            client_socket(&deep, (None, None), &none()).unwrap().path,
            deep.join(".overmind.sock")
        );
        let top = dir.path().join(".overmind.sock");
        let _listener = UnixListener::bind(&top).unwrap();
        assert_eq!(client_socket(&deep, (None, None), &none()).unwrap().path, top);
        assert_eq!(client_socket(&deep, (None, None), &none()).unwrap().shown, top);
        let typed = client_socket(&deep, (Some("s".into()), None), &none()).unwrap();
        assert_eq!((typed.path, typed.shown), (deep.join("s"), "s".into()));
        assert_eq!(
            client_socket(dir.path(), (None, None), &none()).unwrap().shown,
            Path::new("./.overmind.sock")
        );
    }
}
