//! Which tmux it is, and whether it will do.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

/// The oldest tmux that has all that tmo uses (pane options, `-e`), by its release notes.
pub const OLDEST: (u32, u32) = (3, 0);

/// How long a client may take on a busy machine, with a configuration that runs things.
const PATIENCE: Duration = Duration::from_secs(15);

/// A tmux that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// There is none on the PATH (overmind's words).
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
    /// It is too old.
    #[error("{} is {found}, too old: tmo needs tmux 3.0 or later", path.display())]
    TooOld {
        /// The program.
        path: PathBuf,
        /// What it says of itself.
        found: String,
    },
}

/// What a tmux client says, which ends by itself unless something is wrong with tmux or its
/// server. Then nobody waits for it any longer.
pub async fn answer(client: &mut tokio::process::Command) -> io::Result<Output> {
    in_time(client.kill_on_drop(true).output()).await
}

/// The same for a client that reads this from its standard input.
pub async fn answer_to(client: &mut tokio::process::Command, input: &[u8]) -> io::Result<Output> {
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = client.kill_on_drop(true).spawn()?;
    let stdin = child.stdin.take();
    let write = async move {
        if let Some(mut stdin) = stdin {
            // One that does not read to the end has failed, and says why.
            let _ = stdin.write_all(input).await;
        }
    };
    in_time(async { tokio::join!(write, child.wait_with_output()).1 }).await
}

async fn in_time(output: impl Future<Output = io::Result<Output>>) -> io::Result<Output> {
    let Ok(output) = timeout(PATIENCE, output).await else {
        let why = format!("no answer within {} seconds", PATIENCE.as_secs());
        return Err(io::Error::new(io::ErrorKind::TimedOut, why));
    };
    output
}

/// A complaint of tmux: one line that can be shown, however much is said.
pub fn one_line(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let words = String::from_utf8_lossy(bytes);
    let line = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|c| !c.is_control()).take(MOST).collect()
}

/// Find tmux on this PATH and check its version.
pub async fn find(search: Option<&std::ffi::OsStr>, cwd: &Path) -> Result<PathBuf, VersionError> {
    let path = which::which_in("tmux", search, cwd).map_err(|_| VersionError::Missing)?;
    ask(&path).await.map(|_| path)
}

/// What this tmux says of itself (`tmux 3.3a`), if it will do.
pub async fn ask(path: &Path) -> Result<String, VersionError> {
    let path = path.to_owned();
    let broken = |words: String| VersionError::Broken { path: path.clone(), words };
    let mut command = tokio::process::Command::new(&path);
    command.arg("-V").stdin(Stdio::null());
    let output = answer(&mut command).await.map_err(|error| broken(error.to_string()))?;
    let said = one_line;
    if !output.status.success() {
        let words = said(&output.stderr);
        return Err(broken(if words.is_empty() { output.status.to_string() } else { words }));
    }
    let found = said(&output.stdout);
    match parse(&found) {
        Some(version) if version < OLDEST => Err(VersionError::TooOld { path, found }),
        // An unknown form (`tmux master`, `openbsd-7.4`) is newer than the numbered ones.
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
