//! The version of tmux, and whether it is supported.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::libc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::sys::{self, Group};

/// The oldest tmux with all features that tmo uses (pane options, `-e`), by its release notes.
pub const OLDEST: (u32, u32) = (3, 0);

/// How long a client may take on a busy machine, with a configuration that runs programs.
const CLIENT_PATIENCE: Duration = Duration::from_secs(15);

/// A tmux that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// There is none in the PATH (overmind's words).
    #[error("Can't find tmux. Did you forget to install it?")]
    Missing,
    /// It does not run.
    #[error("{} -V failed: {words}", path.display())]
    Broken {
        /// The program.
        path: PathBuf,
        /// Its own words, or the system's.
        words: String,
    },
    /// The system has no room for it now.
    #[error("can't run {} -V: {}", path.display(), sys::why(source))]
    NoRoom {
        /// The program.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    #[error("{} is {found}, too old: tmo needs tmux 3.0 or later", path.display())]
    TooOld {
        /// The program.
        path: PathBuf,
        /// The version that it reports.
        found: String,
    },
}

impl VersionError {
    /// Whether there is none.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// The output of a tmux client, given this standard input. It ends by itself unless tmux or its server is
/// broken; in that case it is killed after a timeout, with everything it has started.
pub async fn run_client(
    client: &mut tokio::process::Command,
    input: Option<&[u8]>,
) -> io::Result<Output> {
    client.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    client.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    // A client that runs on could start a server for a run that is over.
    sys::end_with_parent(client.as_std_mut());
    let mut child = client.spawn()?;
    let mut group = Group::led_by(child.id());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some((mut stdin, input)) = stdin.zip(input) {
            // A client that does not read all its input has failed, and reports why.
            let _ = stdin.write_all(input).await;
        }
    };
    let said = async {
        let ((), stdout, stderr) = tokio::join!(write, read_whole(stdout), read_whole(stderr));
        // Reaped last: until then its pid stays the id of its group.
        Ok(Output { status: child.wait().await?, stdout: stdout?, stderr: stderr? })
    };
    let output = in_time(said).await?;
    group.is_over();
    Ok(output)
}

async fn read_whole(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

async fn in_time<T>(answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(CLIENT_PATIENCE, answer).await.unwrap_or_else(|_| {
        let why = format!("no answer within {} seconds", CLIENT_PATIENCE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    })
}

/// A tmux error message, shortened to one printable line.
pub fn one_line(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let words = String::from_utf8_lossy(bytes);
    let line = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|c| !c.is_control()).take(MOST).collect()
}

/// The version that this tmux reports (`tmux 3.3a`), if it is supported.
pub async fn ask(path: &Path) -> Result<String, VersionError> {
    let path = path.to_owned();
    let broken = |words: String| VersionError::Broken { path: path.clone(), words };
    let mut command = tokio::process::Command::new(&path);
    command.arg("-V");
    let output = run_client(&mut command, None).await.map_err(|source| {
        // Too many open files, or processes, or no memory: this is not about tmux.
        let no_room = [libc::EMFILE, libc::ENFILE, libc::EAGAIN, libc::ENOMEM];
        if source.raw_os_error().is_some_and(|code| no_room.contains(&code)) {
            VersionError::NoRoom { path: path.clone(), source }
        } else {
            broken(source.to_string())
        }
    })?;
    let said = one_line;
    if !output.status.success() {
        let words = said(&output.stderr);
        return Err(broken(if words.is_empty() { output.status.to_string() } else { words }));
    }
    let found = said(&output.stdout);
    match parse(&found) {
        Some(version) if version < OLDEST => Err(VersionError::TooOld { path, found }),
        // Unnumbered versions (`tmux master`, `openbsd-7.4`) are newer than the numbered ones.
        Some(_) | None => Ok(found),
    }
}

/// `tmux 3.3a`, `tmux next-3.4` → (3, 3), (3, 4).
pub(super) fn parse(text: &str) -> Option<(u32, u32)> {
    let version = text.strip_prefix("tmux ")?;
    let version = version.strip_prefix("next-").unwrap_or(version);
    let (major, rest) = version.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, one_line, parse};

    #[test]
    fn a_complaint_is_one_line() {
        assert_eq!(one_line(b"\n no \x1b[31mserver\nrubbish\n"), "no [31mserver");
        assert_eq!(one_line(&[b'x'; 300]).len(), 200);
        assert_eq!(one_line(b""), "");
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(parse("tmux 3.3a"), Some((3, 3)));
        assert_eq!(parse("tmux next-3.6"), Some((3, 6)));
        assert_eq!(parse("tmux 2.9a").map(|v| v < OLDEST), Some(true));
        assert_eq!(parse("tmux openbsd-7.4"), None);
        assert_eq!(parse("tmux master"), None);
    }
}
