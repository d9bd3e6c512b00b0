//! The command that executes something on a host.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use super::call::{Call, WORD};
use super::call_error::CallError;
use super::host::{Host, Reach};
use crate::config::Env;
use crate::config::place::dirs::{make_private_dir, runtime_base};

/// What every `ssh` gets: it asks nothing, forwards nothing, and notices within about 15 s that its host is gone.
const OPTIONS: [&str; 8] = [
    "BatchMode=yes",
    "ConnectTimeout=5",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=2",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RemoteCommand=none",
];

/// The longest path of a control socket: ssh appends a suffix while it makes one, and a socket's path has 107 bytes.
const LONGEST_CONTROL_PATH: usize = 90;

/// How long a connection is kept for the next command, in seconds.
const PERSIST: u32 = 60;

/// The length of the hash that ssh puts in the place of `%C`.
const HASH: usize = 40;

/// Where ssh keeps its control sockets.
#[derive(Debug, Clone)]
pub struct HostPlaces {
    /// This program.
    pub own: PathBuf,
    /// How calls of one host share a connection; `None` if each has its own.
    pub masters: Option<Masters>,
}

/// The connections that calls share.
#[derive(Debug, Clone)]
pub struct Masters {
    dir: PathBuf,
    /// What the names of their sockets begin with.
    prefix: String,
}

impl Masters {
    pub async fn end(&self) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for entry in entries {
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                let option = format!("ControlPath={}", entry.path().display());
                let mut exit = Command::new("ssh");
                exit.args(["-O", "exit", "-o", &option, "--", "none"]);
                let _ = exit.stdin(Stdio::null()).output().await;
            }
        }
    }
}

/// Executes a call by the tmo of a host. The `PATH` of a command over ssh often lacks the user's own programs.
const SCRIPT: &str = "PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin exec tmo there $0";

impl HostPlaces {
    /// Those of a command. With `persist`, connections are kept for a minute, for the next one.
    pub fn of_command(env: &Env, persist: bool) -> io::Result<Self> {
        let dir = runtime_base(env);
        let prefix =
            if persist { "cm-".to_owned() } else { format!("own-{}-", std::process::id()) };
        // Without a directory that only this user can enter, each call has its own connection.
        let masters = make_private_dir(&dir).ok().map(|()| Masters { dir, prefix });
        Ok(Self { own: std::env::current_exe()?, masters })
    }

    /// The command that executes the call on the host: in a terminal, if it is quiet.
    pub async fn command(&self, host: &Host, call: &Call) -> Result<Vec<OsString>, CallError> {
        let hex = &*call.encode().ok_or(CallError::TooLong)?;
        if host.reach == Reach::Here {
            return Ok(vec![self.own.clone().into(), WORD.into(), hex.into()]);
        }
        let words = match &host.tmo {
            Some(tmo) => vec![tmo, WORD, hex],
            None => vec!["sh", "-c", SCRIPT, hex],
        };
        self.reach(host, &words, &line(host, hex), call.quiet).await
    }

    /// The command that executes a script of `sh` on the host. Neither the script nor the words may have a single quote, `!`,
    /// `\\` or a line break, and the words have nothing that a shell replaces but `~` at their beginning.
    pub async fn script(
        &self,
        host: &Host,
        script: &str,
        words: &[&str],
    ) -> Result<Vec<OsString>, CallError> {
        let line = format!("sh -c '{script}' {}", words.join(" "));
        self.reach(host, &[&["sh", "-c", script], words].concat(), &line, false).await
    }

    /// The command that executes these words on the host; `line` is the same for a login shell.
    async fn reach(
        &self,
        host: &Host,
        words: &[&str],
        line: &str,
        in_terminal: bool,
    ) -> Result<Vec<OsString>, CallError> {
        let (ssh, via) = match &host.reach {
            Reach::Here => (None, &[][..]),
            Reach::Ssh(name) => (Some(name), &[][..]),
            Reach::Via { ssh, tty, .. } if in_terminal => {
                (ssh.as_ref(), &tty.as_ref().ok_or(CallError::NoTerminal)?[..])
            }
            Reach::Via { ssh, command, .. } => (ssh.as_ref(), &command[..]),
            Reach::Nowhere(why) => return Err(CallError::Unreachable(why.clone())),
        };
        let via = via.iter().map(String::as_str);
        let Some(name) = ssh else {
            return Ok(via.chain(words.iter().copied()).map(OsString::from).collect());
        };
        // An escape character would be taken from what is typed.
        let flags: &[&str] = if in_terminal { &["-t", "-e", "none"] } else { &["-T"] };
        Ok(self.ssh(name, flags, &via.chain([line]).collect::<Vec<_>>().join(" ")).await)
    }

    /// The command that executes a line on the host that ssh knows by this name.
    async fn ssh(&self, name: &str, flags: &[&str], line: &str) -> Vec<OsString> {
        let mut command: Vec<OsString> = vec!["ssh".into()];
        command.extend(flags.iter().map(OsString::from));
        let options = OPTIONS.map(str::to_owned);
        for option in options.into_iter().chain(self.master_options(name).await) {
            command.extend(["-o".into(), option.into()]);
        }
        command.extend(["--".into(), name.into(), line.into()]);
        command
    }

    /// The options by which calls of one host share a connection, unless the user has their own.
    async fn master_options(&self, name: &str) -> Vec<String> {
        let Some(Masters { dir, prefix }) = &self.masters else { return vec![] };
        let path = dir.join(format!("{prefix}%C"));
        let is_long = path.as_os_str().len() - "%C".len() + HASH > LONGEST_CONTROL_PATH;
        if is_long || has_own_master(name).await {
            return vec![];
        }
        vec![
            "ControlMaster=auto".to_owned(),
            format!("ControlPersist={PERSIST}"),
            format!("ControlPath={}", path.display()),
        ]
    }
}

/// Whether the user's configuration shares connections to this host.
async fn has_own_master(name: &str) -> bool {
    let options = Command::new("ssh").args(["-G", "--", name]).stdin(Stdio::null()).output().await;
    options.is_ok_and(|printed| {
        let text = String::from_utf8_lossy(&printed.stdout);
        let mut paths = text.lines().filter_map(|line| line.strip_prefix("controlpath "));
        paths.any(|path| path.trim() != "none")
    })
}

/// The line for the login shell of a host. Every shell reads it alike: between single quotes there is nothing that one
/// of them replaces, and the call is a single word of hexadecimal digits.
fn line(host: &Host, hex: &str) -> String {
    match &host.tmo {
        Some(tmo) => format!("{tmo} {WORD} {hex}"),
        None => format!("sh -c '{SCRIPT}' {hex}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Host, HostPlaces, Reach, line};

    fn host(tmo: Option<&str>) -> Host {
        Host {
            name: "k9".to_owned(),
            reach: Reach::Ssh("k9.lan".to_owned()),
            root: "~/robot".to_owned(),
            groups: vec![],
            tmo: tmo.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn a_host_is_behind_the_options_and_two_dashes() {
        let places = HostPlaces { own: "/bin/tmo".into(), masters: None };
        let host = host(None);
        let command = places.command(&host, &Call::new(&host, &["ps"])).await.unwrap();
        let dashes = command.iter().position(|word| word == "--").unwrap();
        assert_eq!(command[dashes + 1], "k9.lan");
        assert_eq!(command.len(), dashes + 3, "one word for the shell there");
        let options =
            ["BatchMode=yes", "ClearAllForwardings=yes", "ForwardAgent=no", "ForwardX11=no"];
        for option in options {
            let at = command.iter().position(|word| word == option).unwrap();
            assert!(at < dashes && command[at - 1] == "-o", "{option}");
        }
    }

    #[test]
    fn the_line_has_nothing_that_a_shell_replaces_outside_of_quotes() {
        let text = line(&host(None), "7b7d");
        let outside: String = text.split('\'').step_by(2).collect();
        assert!(!outside.contains(['$', '`', '"', '!', '*', '\\', ';']), "{text}");
        assert_eq!(line(&host(Some("~/bin/tmo")), "7b7d"), "~/bin/tmo there 7b7d");
    }
}
