//! Starting the command of a spec.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};

use crate::model::plan::{Inherit, Stdin};
use crate::model::text::OsText;
use crate::protocol::notify::{self, NOTIFY_SOCKET, WATCHDOG_USEC};
use crate::protocol::paths::PanePaths;
use crate::protocol::spec::{self, Spec};
use crate::sys::{
    self,
    fork::{self, Failure},
};

/// A command longer than this is passed in a file: Linux limits one argument to 128 KiB.
const LONGEST_ARGUMENT: usize = 120 << 10;
/// The search path for the shell if the child has no `PATH`.
const USUAL_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
/// Variables that describe another terminal than the pane's and are dropped.
const DROPPED: &[&str] = &["LINES", "COLUMNS", "WINDOWID", "STY"];
/// Variables that come only from the pane, because they describe its terminal.
const PANES: &[&str] = &["TERM", "TMUX", "TMUX_PANE", "TERM_PROGRAM", "TERM_PROGRAM_VERSION"];
/// Variables that come from the pane if it sets them.
const PANES_IF_SET: &[&str] = &["COLORTERM"];

/// Everything that the child needs in order to execute the command.
pub(super) struct Launch {
    shell: OsString,
    programs: Vec<CString>,
    argv: Vec<CString>,
    envp: Vec<CString>,
    cwd: OsString,
    inherit: Inherit,
    stdin: Stdin,
}

impl Launch {
    /// Prepare everything before the fork. `notify` is the path of the socket to which it reports.
    pub(super) fn prepare(
        spec: &Spec,
        paths: &PanePaths,
        notify: Option<&Path>,
    ) -> Result<Self, Failure> {
        let env = environment(spec, pane_environment(), notify);
        let (shell, arguments) = match spec.argv.as_deref() {
            Some([program, arguments @ ..]) => {
                (program.0.clone(), arguments.iter().map(|text| text.0.clone()).collect())
            }
            Some([]) | None => (spec.shell.0.clone(), shell_arguments(spec, paths)?),
        };
        let argv = std::iter::once(shell.clone()).chain(arguments);
        let pairs =
            env.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        Ok(Self {
            programs: strings(candidates(&shell, path_of(&env)))?,
            argv: strings(argv.map(OsString::into_vec))?,
            envp: strings(pairs)?,
            cwd: spec.cwd.0.clone(),
            inherit: spec.inherit.clone(),
            stdin: spec.stdin,
            shell,
        })
    }

    /// Execute the command; returns only if that failed. To be called in the child.
    pub(super) fn become_command(&self, stderr: Option<BorrowedFd<'_>>) -> Failure {
        sys::default_signals(&self.inherit.ignored);
        let _ = sys::unblock_signals();
        self.inherit();
        if let Err(error) = std::env::set_current_dir(&self.cwd) {
            return failed(&format!("enter {}", Path::new(&self.cwd).display()), &error);
        }
        if self.stdin == Stdin::Null
            && let Err(error) = read_from_nothing()
        {
            return failed("open /dev/null", &error);
        }
        if let Some(stderr) = stderr
            && let Err(error) = rustix::stdio::dup2_stderr(stderr)
        {
            return failed("open standard error", &error.into());
        }
        let errno = self.execute();
        let status = if errno == Errno::ENOENT || errno == Errno::ENOTDIR { 127 } else { 126 };
        let shell = Path::new(&self.shell).display();
        Failure { status, message: format!("cannot run {shell}: {}", errno.desc()) }
    }

    fn inherit(&self) {
        // The limits of the user may be higher than this process may set; then they are set as high
        // as possible.
        for &(resource, soft, hard) in &self.inherit.limits {
            let _ = fork::limit(resource, soft, hard);
        }
        let _ = rustix::process::setpriority_process(None, self.inherit.nice);
        fork::umask(self.inherit.umask);
    }

    /// Like `execvp`, but with the `PATH` of the child.
    fn execute(&self) -> Errno {
        let mut last = Errno::ENOENT;
        for program in &self.programs {
            let Err(errno) = nix::unistd::execve(program, &self.argv, &self.envp);
            if errno == Errno::EACCES {
                last = errno;
            } else if errno != Errno::ENOENT && errno != Errno::ENOTDIR {
                return errno;
            }
        }
        last
    }
}

/// Replace the standard input of this process with `/dev/null`.
fn read_from_nothing() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::NOCTTY, Mode::empty())?;
    Ok(rustix::stdio::dup2_stdin(null)?)
}

/// The arguments of the shell: the command, or the file that contains it.
fn shell_arguments(spec: &Spec, paths: &PanePaths) -> Result<Vec<OsString>, Failure> {
    if spec.command.as_bytes().len() <= LONGEST_ARGUMENT {
        return Ok(vec!["-c".into(), spec.command.0.clone()]);
    }
    let script = paths.script();
    spec::replace(&script, spec.command.as_bytes())
        .map_err(|error| failed(&format!("write {}", script.display()), &error))?;
    Ok(vec![script.into_os_string()])
}

fn failed(what: &str, error: &io::Error) -> Failure {
    let why = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let why = if why == Errno::UnknownErrno { error.to_string() } else { why.desc().to_owned() };
    Failure { status: 126, message: format!("cannot {what}: {why}") }
}

fn strings(texts: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<CString>, Failure> {
    let string = |text: Vec<u8>| {
        CString::new(text).map_err(|error| {
            let text = String::from_utf8_lossy(&error.into_vec()).into_owned();
            let name = text.split(['=', '\0']).next().unwrap_or_default();
            let message = format!("cannot run the command: `{name}` contains a NUL byte");
            Failure { status: 126, message }
        })
    };
    texts.into_iter().map(string).collect()
}

/// The environment that tmux has set for this pane.
#[expect(clippy::disallowed_methods, reason = "this is about the terminal, not about settings")]
pub(super) fn pane_environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

fn one_of(name: &OsStr, list: &[&str]) -> bool {
    list.iter().any(|other| name == *other)
}

/// Whether a variable describes a terminal: it comes from the pane, or is dropped.
pub fn is_of_terminal(name: &OsStr) -> bool {
    [PANES, PANES_IF_SET, DROPPED].iter().any(|list| one_of(name, list))
}

/// The environment of the child: that of the spec, with the variables for the terminal taken from the
/// pane.
fn environment(
    spec: &Spec,
    pane: impl Iterator<Item = (OsString, OsString)>,
    notify: Option<&Path>,
) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> =
        pane.filter(|(name, _)| one_of(name, PANES) || one_of(name, PANES_IF_SET)).collect();
    let own = [
        ("PWD", spec.cwd.0.clone()),
        ("TMO_SESSION", spec.run.clone().into()),
        ("TMO_PROCESS", spec.name.as_str().into()),
    ];
    env.extend(own.map(|(name, value)| (name.into(), value)));
    if let Some(term) = &spec.term {
        env.retain(|(name, _)| name != "TERM");
        env.push(("TERM".into(), term.into()));
    }
    if let Some(path) = notify {
        env.push((NOTIFY_SOCKET.into(), path.into()));
        let watchdog = spec.watchdog_ms.map(|ms| ms.saturating_mul(1000).to_string().into());
        env.extend(watchdog.map(|time| (WATCHDOG_USEC.into(), time)));
    }
    let is_others = |name: &OsStr| notify.is_some() && one_of(name, notify::VARIABLES);
    let from_pane = env.len();
    for (OsText(name), OsText(value)) in &spec.env {
        let set = env[..from_pane].iter().any(|(other, _)| other == name);
        if !set && !one_of(name, PANES) && !one_of(name, DROPPED) && !is_others(name) {
            env.push((name.clone(), value.clone()));
        }
    }
    env
}

fn path_of(env: &[(OsString, OsString)]) -> &[u8] {
    env.iter().find(|(name, _)| name == "PATH").map_or(USUAL_PATH, |(_, path)| path.as_bytes())
}

/// The paths at which the shell is searched.
fn candidates(shell: &OsStr, path: &[u8]) -> Vec<Vec<u8>> {
    let shell = shell.as_bytes();
    if shell.contains(&b'/') {
        return vec![shell.to_vec()];
    }
    path.split(|&b| b == b':')
        .map(|dir| if dir.is_empty() { shell.to_vec() } else { [dir, b"/", shell].concat() })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};
    use std::path::Path;

    use super::{candidates, environment};
    use crate::pane::shim::tests::spec;

    #[test]
    fn the_terminals_words_come_from_the_pane() {
        let mut spec = spec("true");
        spec.env = [
            ("TERM", "xterm"),
            ("TMUX", "/outer,1,0"),
            ("COLORTERM", "truecolor"),
            ("LINES", "24"),
            ("PWD", "/elsewhere"),
            ("TMO_SESSION", "outer"),
            ("PATH", "/bin"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec();
        let pane = [("TERM", "tmux-256color"), ("TMUX_PANE", "%3"), ("SECRET", "x")];
        let pane = pane.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let pane = || pane.clone().into_iter();
        let inherited = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];
        spec.env.extend(inherited.map(|name| (name.into(), "of tmo".into())));
        spec.watchdog_ms = Some(30_000);
        let env = environment(&spec, pane(), None);
        assert_eq!(env.iter().filter(|(_, value)| value == "of tmo").count(), 3);
        let env = environment(&spec, pane(), Some(Path::new("/run/n")));
        let mut env: Vec<String> = env
            .iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect();
        env.sort();
        assert_eq!(
            env,
            [
                "COLORTERM=truecolor",
                "NOTIFY_SOCKET=/run/n",
                "PATH=/bin",
                "PWD=/",
                "TERM=tmux-256color",
                "TMO_PROCESS=web",
                "TMO_SESSION=run1",
                "TMUX_PANE=%3",
                "WATCHDOG_USEC=30000000",
            ]
        );
    }

    #[test]
    fn a_shell_is_looked_for_as_a_shell_would() {
        let found = |shell: &str, path: &[u8]| candidates(OsStr::new(shell), path);
        assert_eq!(found("sh", b"/a::/b"), [&b"/a/sh"[..], b"sh", b"/b/sh"]);
        assert_eq!(found("./sh", b"/a"), [b"./sh"]);
    }
}
