//! Which tmux it is, and whether it will do.

use std::path::{Path, PathBuf};

/// The oldest tmux that has all that tmo uses (pane options, `-e`), by its release notes.
pub const OLDEST: (u32, u32) = (3, 0);

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

/// Find tmux on this PATH and check its version.
pub fn find(search: Option<&std::ffi::OsStr>, cwd: &Path) -> Result<PathBuf, VersionError> {
    let path = which::which_in("tmux", search, cwd).map_err(|_| VersionError::Missing)?;
    let broken = |words: String| VersionError::Broken { path: path.clone(), words };
    let output = std::process::Command::new(&path)
        .arg("-V")
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| broken(error.to_string()))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        let words = said(&output.stderr);
        return Err(broken(if words.is_empty() { output.status.to_string() } else { words }));
    }
    let found = said(&output.stdout);
    match parse(&found) {
        Some(version) if version < OLDEST => Err(VersionError::TooOld { path, found }),
        // An unknown form (`tmux master`, `openbsd-7.4`) is newer than the numbered ones.
        Some(_) | None => Ok(path),
    }
}

/// `tmux 3.3a`, `tmux next-3.4` → (3, 3), (3, 4).
fn parse(text: &str) -> Option<(u32, u32)> {
    let version = text.strip_prefix("tmux ")?;
    let version = version.strip_prefix("next-").unwrap_or(version);
    let (major, rest) = version.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, parse};

    #[test]
    fn versions_are_read() {
        assert_eq!(parse("tmux 3.3a"), Some((3, 3)));
        assert_eq!(parse("tmux next-3.6"), Some((3, 6)));
        assert_eq!(parse("tmux 2.9a").map(|v| v < OLDEST), Some(true));
        assert_eq!(parse("tmux openbsd-7.4"), None);
        assert_eq!(parse("tmux master"), None);
    }
}
