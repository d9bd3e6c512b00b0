//! Changes the file safely while others may read or change it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{BadText, Failures};
use crate::config::error::ConfigError;
use crate::sys::files;
use crate::sys::why;

/// The mode of a new file.
const MODE: u32 = 0o644;

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The existing file can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A text that can't be declared.
    #[error(transparent)]
    Text(#[from] BadText),
    /// The file can't be written.
    #[error("can't write {}: {}; it is as it was", path.display(), why(source))]
    Write {
        /// The file as the user would name it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Change the declarations in the file at `path`, which is `shown` in messages. Nothing is written if
/// `change` returns `false`. Returns the declarations afterwards, and the result of `change`.
///
/// Concurrent calls wait for each other; a user's editor does not.
pub fn edit(
    path: &Path,
    shown: &Path,
    change: impl FnOnce(&mut Failures) -> Result<bool, BadText>,
) -> Result<(Failures, bool), EditError> {
    let failed = |source| EditError::Write { path: shown.to_owned(), source };
    // Write to the target of a link, not over the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let _lock = files::lock_dir(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
    let mut failures = Failures::load(&path, shown)?;
    let is_changed = change(&mut failures)?;
    if is_changed {
        write(&path, &failures).map_err(failed)?;
    }
    Ok((failures, is_changed))
}

/// Replace the file, keeping its mode.
fn write(path: &Path, failures: &Failures) -> io::Result<()> {
    let mode = fs::metadata(path).map_or(MODE, |there| there.permissions().mode() & 0o777);
    files::write_whole(path, failures.to_json().as_bytes(), files::Whole::WithMode(mode))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read what was written")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::{EditError, edit};
    use crate::config::failures::Failures;

    fn add(path: &Path, name: &str, text: &str) -> Result<(Failures, bool), EditError> {
        edit(path, Path::new("f.json"), |failures| failures.add(name, text))
    }

    #[test]
    fn the_file_is_replaced_and_its_mode_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.json");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert!(add(&path, "web", "a").unwrap().1);
        assert_eq!(mode(), 0o644);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(add(&path, "db", "b").unwrap().1);
        assert!(!add(&path, "db", "b").unwrap().1);
        assert_eq!(mode(), 0o600);
        let failures = Failures::load(&path, &path).unwrap();
        assert_eq!(
            (failures.texts_of("web"), failures.texts_of("db")),
            (&["a".into()][..], &["b".into()][..])
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_leads_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), "{}").unwrap();
        let link = dir.path().join("f.json");
        std::os::unix::fs::symlink("real", &link).unwrap();
        add(&link, "web", "a").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(dir.path().join("real")).unwrap().contains("web"));
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.json");
        fs::write(&path, "{ my notes").unwrap();
        let error = add(&path, "web", "a").unwrap_err().to_string();
        assert_eq!(error, "f.json:1:3: key must be a string");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{ my notes");
        let nowhere = dir.path().join("none/f.json");
        assert!(
            add(&nowhere, "web", "a").unwrap_err().to_string().starts_with("can't write f.json")
        );
        assert!(add(&path, "web", "").is_err());
    }

    #[test]
    fn two_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.json");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..10 {
                        add(path, "web", &format!("{thread}-{number}")).unwrap();
                    }
                });
            }
        });
        assert_eq!(Failures::load(&path, &path).unwrap().texts_of("web").len(), 40);
    }
}
