//! Locates the control socket, and records what specified it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::dirs::tcp_stand_in;
use super::paths::absolute;
use crate::config::env::{BadValue, Env, SettingOrigin};
use crate::model::network::{Mixed, Network, TcpAddress};
use crate::model::text::shell::quoted;
use crate::model::text::untrusted::shown;

/// The default name of the control socket (overmind's).
pub const SOCKET: &str = ".overmind.sock";

/// An invalid control address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// A variable has no value of its type.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// Unknown network.
    #[error("{verb} {name}: unknown network {name}; there are unix, tcp, tcp4 and tcp6")]
    Network {
        /// What is done there: `listen` or `dial`.
        verb: &'static str,
        /// The given name.
        name: String,
    },
    /// A host name that would need a DNS lookup, given only by a file of the project.
    #[error(
        "{} names the host {} for the control address; it is not looked up, since a file of the \
         project may name only an IP address or `localhost`; to use that host, give -s {}",
        shown(&file.to_string_lossy()), shown(host), shown(address)
    )]
    Name {
        /// The env file.
        file: PathBuf,
        host: String,
        /// The whole address.
        address: String,
    },
    #[error(
        "{} is a directory; -s takes a socket, as in -s {}",
        path.display(), path.join(SOCKET).display()
    )]
    Directory { path: PathBuf },
}

/// A control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPath {
    /// The absolute path.
    pub path: PathBuf,
    /// As the user named it, for messages.
    pub shown: PathBuf,
    /// The TCP address that it stands in for: commands on this machine can still find the run by the
    /// socket.
    pub tcp: Option<TcpAddress>,
    /// The sources of the TCP address and its token, if they differ.
    pub mixed: Option<Mixed>,
    /// Where the address comes from.
    pub named_by: NamedBy,
}

/// Where the address of a control socket comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// Not specified: the default socket.
    Nothing,
    Flag,
    /// A variable set by the user.
    Variable,
    /// An env file of the project.
    Project,
}

impl SocketPath {
    /// A Unix socket.
    fn unix(start_dir: &Path, shown: PathBuf, named_by: NamedBy) -> Self {
        Self { path: absolute(start_dir, &shown), shown, tcp: None, mixed: None, named_by }
    }

    /// The default socket of a directory.
    fn usual(start_dir: &Path) -> Self {
        Self::unix(start_dir, Path::new(".").join(SOCKET), NamedBy::Nothing)
    }

    /// This socket in a directory or in one of its parents, if there is one.
    fn near(start_dir: &Path, path: Option<&Path>) -> Self {
        match path.filter(|path| path.parent() != Some(start_dir)) {
            Some(path) => Self::unix(start_dir, path.to_owned(), NamedBy::Nothing),
            None => Self::usual(start_dir),
        }
    }

    /// Reject a directory that was given as a socket. A directory in the place of the default socket is not
    /// an error: a run is found by its runtime directory nevertheless.
    pub fn check(&self) -> Result<(), BadAddress> {
        let is_default = self.path.file_name() == Some(SOCKET.as_ref());
        if self.tcp.is_none() && !is_default && self.path.is_dir() {
            return Err(BadAddress::Directory { path: self.shown.clone() });
        }
        Ok(())
    }

    /// The flags, each after a space, that a command typed in `start_dir` needs to address the run on this
    /// socket; empty if it would find that run anyway. A variable of the user may be set in one terminal
    /// only, so it does not make the flags unnecessary.
    pub fn flags(&self, start_dir: &Path) -> String {
        let found = nearest_socket(start_dir).unwrap_or_else(|| start_dir.join(SOCKET));
        let found_without = match self.named_by {
            NamedBy::Nothing | NamedBy::Project => true,
            NamedBy::Flag | NamedBy::Variable => self.tcp.is_none() && self.path == found,
        };
        if found_without { String::new() } else { self.naming_flags() }
    }

    /// The flags, each after a space, with which a command typed anywhere addresses the run on this socket.
    pub fn naming_flags(&self) -> String {
        match &self.tcp {
            Some(tcp) => format!(" -S {} -s {}", tcp.network.name(), quoted(&tcp.address)),
            None => format!(" -s {}", quoted(&self.shown.to_string_lossy())),
        }
    }

    /// Resolve `--socket` and `--network`, or their variables, to an address to `listen` on or `dial`;
    /// `env` contains the variables that apply.
    fn resolve(
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
        // Port 0 means a different port each time, so such an address means one run per directory.
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let dir = Some(start_dir).filter(|_| port == Some(0));
        let path = tcp_stand_in(env, network.name(), &address, dir);
        let token = env.text("TOKEN")?.filter(|token| !token.trim().is_empty());
        let mixed = env.origin("TOKEN").filter(|_| token.is_some()).and_then(|of_token| {
            let mut places = [of_network, of_socket].into_iter().flatten().map(NamedBy::origin);
            let other = places.find(|place| *place != of_token)?;
            Some(Mixed { address: other.words(), token: of_token.words() })
        });
        let tcp = TcpAddress { network, address, token };
        // The lookup itself would leak the name, which the project controls, to other machines.
        if let Some(host) = tcp.foreign_name().filter(|_| of_socket == Some(NamedBy::Project)) {
            let (host, address) = (host.to_owned(), tcp.address.clone());
            let file = env.file("SOCKET").unwrap_or(Path::new("an env file")).to_owned();
            return Err(BadAddress::Name { file, host, address });
        }
        Ok(Some(Self { path, shown, tcp: Some(tcp), mixed, named_by }))
    }
}

impl NamedBy {
    const fn variable(origin: SettingOrigin) -> Self {
        match origin {
            SettingOrigin::User => Self::Variable,
            SettingOrigin::Project => Self::Project,
        }
    }

    const fn origin(self) -> SettingOrigin {
        if matches!(self, Self::Project) { SettingOrigin::Project } else { SettingOrigin::User }
    }
}

/// `--socket` and `--network` as they were typed.
#[derive(Debug, Clone, Default)]
pub struct SocketFlags {
    pub socket: Option<PathBuf>,
    pub network: Option<String>,
}

/// The values of `--socket` and `--network`, or of their variables.
struct Named {
    socket: Option<(PathBuf, NamedBy)>,
    network: Option<(String, NamedBy)>,
}

impl Named {
    fn by_flags(typed: SocketFlags) -> Self {
        Self {
            socket: typed.socket.map(|path| (path, NamedBy::Flag)),
            network: typed.network.map(|name| (name, NamedBy::Flag)),
        }
    }

    /// Fall back to the variables if there is no flag.
    fn or_by(self, env: &Env) -> Result<Self, BadValue> {
        let by = |name| env.origin(name).map(NamedBy::variable);
        let network = match self.network {
            Some(network) => Some(network),
            None => env.text("NETWORK")?.zip(by("NETWORK")),
        };
        let socket = self.socket.or_else(|| env.path("SOCKET").zip(by("SOCKET")));
        Ok(Self { socket, network })
    }
}

/// The socket that a start opens: `-s`, `TMO_SOCKET`, `OVERMIND_SOCKET`, or [`SOCKET`] in the starting
/// directory.
///
/// Processes receive the socket of their own run in these same variables. A start typed inside such a
/// process means a new run, so the variables are ignored there.
pub fn start_socket(
    start_dir: &Path,
    typed: SocketFlags,
    env: &Env,
) -> Result<SocketPath, BadAddress> {
    let inside = env.caller("TMO_SESSION").is_some();
    let named = Named::by_flags(typed);
    let named = if inside { named } else { named.or_by(env)? };
    let found = SocketPath::resolve("listen", start_dir, named, env)?;
    Ok(found.unwrap_or_else(|| SocketPath::usual(start_dir)))
}

/// The socket that a client talks to: `-s`, `TMO_SOCKET`, `OVERMIND_SOCKET`, or the [`SOCKET`] of
/// the starting directory or of its nearest parent that has one.
///
/// In parent directories, only a socket of the same user counts: otherwise another user could plant one in
/// `/tmp`.
pub fn client_socket(
    start_dir: &Path,
    typed: SocketFlags,
    env: &Env,
) -> Result<SocketPath, BadAddress> {
    let named = Named::by_flags(typed);
    let nearest = nearest_socket(start_dir);
    let nearest = nearest.as_deref();
    let is_unnamed = named.socket.is_none() && named.network.is_none();
    if is_unnamed && nearest.is_some_and(|path| is_of_other_run(path, start_dir, env)) {
        return Ok(SocketPath::near(start_dir, nearest));
    }
    let found = SocketPath::resolve("dial", start_dir, named.or_by(env)?, env)?;
    Ok(found.unwrap_or_else(|| SocketPath::near(start_dir, nearest)))
}

/// The [`SOCKET`] in this directory, or in the nearest parent that has one of this user.
pub fn nearest_socket(start_dir: &Path) -> Option<PathBuf> {
    let here = start_dir.join(SOCKET);
    if here.symlink_metadata().is_ok() {
        return Some(here);
    }
    let uid = nix::unistd::geteuid().as_raw();
    let ours = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.uid() == uid);
    start_dir.ancestors().skip(1).map(|dir| dir.join(SOCKET)).find(ours)
}

/// Whether a run started the caller, and the caller has since changed into another project, whose
/// socket this is: a start there begins a run of its own, and other commands address that run too.
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
mod tests;
