//! Which env files are read, and in what order.
//!
//! 1. `~/.overmind.env`, `~/.tmo.env`
//! 2. `./.overmind.env`, `./.tmo.env`
//! 3. `./.env`, unless `TMO_SKIP_ENV` or `OVERMIND_SKIP_ENV` is set (were it to nothing)
//! 4. the comma list in `TMO_ENV` or `OVERMIND_ENV`
//!
//! Each overrides the environment and the files before it; `.` is the directory that the command
//! was typed in. A missing file is ignored; a broken one is skipped entirely, with a warning.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Env, Warning, dotenv};
use crate::model::limits::{ENV_FILE_BYTES, ENV_FILES};
use crate::sys::files::{self, ChosenBy};

/// Reads a file as the user would name it, relative to the starting directory.
pub type ReadFile<'a> = dyn Fn(&Path, ChosenBy) -> io::Result<Vec<u8>> + 'a;

/// Overlay the environment with the env files.
pub fn overlay(mut env: Env, read: &ReadFile<'_>) -> (Env, Vec<Warning>) {
    let mut warnings = Vec::new();
    let room = Cell::new(Some(ENV_FILE_BYTES));
    let read: &ReadFile<'_> = &|file, chosen_by| {
        let full = || {
            let most = ENV_FILE_BYTES >> 20;
            io::Error::other(format!("with it the env files come to more than {most} MiB"))
        };
        let left = room.get().ok_or_else(full)?;
        let text = read(file, chosen_by)?;
        room.set(left.checked_sub(text.len()));
        room.get().map(|_| text).ok_or_else(full)
    };
    let home = env.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let near = [".overmind.env", ".tmo.env"];
    for file in home.iter().flat_map(|at| near.map(|name| at.join(name))) {
        apply(&mut env, &file, read, &mut warnings);
    }
    env.files_so_far_are_the_users();
    files::trust(env.get("TMO_TRUST").unwrap_or_default());
    for file in near.map(|name| Path::new(".").join(name)) {
        apply(&mut env, &file, read, &mut warnings);
    }
    if !env.has_tmo_or_overmind("SKIP_ENV") {
        apply(&mut env, Path::new("./.env"), read, &mut warnings);
    }
    let list = env.tmo_or_overmind("ENV").map(|found| found.value.to_owned()).unwrap_or_default();
    let chosen_by = if env.is_chosen_by_caller("ENV") { ChosenBy::User } else { ChosenBy::Project };
    let read_listed: &ReadFile<'_> = &|file, _| read(file, chosen_by);
    let listed = list.as_bytes().split(|&byte| byte == b',').filter(|name| !name.is_empty());
    for (number, name) in listed.enumerate() {
        let file = Path::new(OsStr::from_bytes(name));
        if number == ENV_FILES {
            let why =
                format!("TMO_ENV may name {ENV_FILES} files; it and those after it are too many");
            warnings.push(Warning::EnvFile { file: file.display().to_string(), why });
            break;
        }
        apply(&mut env, file, read_listed, &mut warnings);
    }
    (env, warnings)
}

fn apply(env: &mut Env, file: &Path, read: &ReadFile<'_>, warnings: &mut Vec<Warning>) {
    let why = match read(file, ChosenBy::Project) {
        Ok(text) => match dotenv::parse(&text, &|name| env.get(name).map(OsStr::to_owned)) {
            Ok(found) => {
                let file = file.into();
                for (key, value) in found {
                    env.set_from_file(&file, key, value);
                }
                return;
            }
            Err(error) => error.to_string(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => crate::sys::why(&error),
    };
    warnings.push(Warning::EnvFile { file: file.display().to_string(), why });
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::overlay;
    use crate::config::Env;

    /// Files by name; `!` marks an unreadable one.
    fn overlaid(env: &[(&str, &str)], files: &[(&str, &str)]) -> (Env, Vec<String>) {
        let read = |path: &Path, _| match files.iter().find(|(name, _)| Path::new(name) == path) {
            Some((_, "!")) => Err(io::Error::from_raw_os_error(nix::libc::EACCES)),
            Some((_, text)) => Ok(text.as_bytes().to_vec()),
            None => Err(io::Error::from_raw_os_error(nix::libc::ENOENT)),
        };
        let (env, warnings) = overlay(Env::of(env.iter().copied()), &read);
        (env, warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn later_files_win() {
        let all = [
            ("/h/.overmind.env", "A=1\nB=1\nC=1\nD=1\nE=1\nF=$A"),
            ("/h/.tmo.env", "B=2\nC=2\nD=2\nE=2"),
            ("./.overmind.env", "C=3\nD=3\nE=3\nOVERMIND_ENV=x.env,, y.env"),
            ("./.env", "D=4\nE=4"),
            ("x.env", "E=5"),
            (" y.env", "G=$E"),
        ];
        let (env, warnings) = overlaid(&[("HOME", "/h"), ("A", "0")], &all);
        let values: Vec<_> =
            "ABCDEFG".chars().map(|key| env.get(key.to_string()).unwrap()).collect();
        assert_eq!(values, ["1", "2", "3", "4", "5", "1", "5"]);
        assert!(warnings.is_empty());
    }

    #[test]
    fn dotenv_can_be_skipped() {
        let files = [("./.env", "A=1")];
        assert!(overlaid(&[("OVERMIND_SKIP_ENV", "")], &files).0.get("A").is_none());
        assert!(overlaid(&[("TMO_SKIP_ENV", "0")], &files).0.get("A").is_none());
        let early = [("./.overmind.env", "OVERMIND_SKIP_ENV=1"), files[0]];
        assert!(overlaid(&[], &early).0.get("A").is_none());
        assert!(overlaid(&[], &files).0.get("A").is_some());
    }

    #[test]
    fn a_broken_file_is_skipped_whole() {
        let (env, warnings) = overlaid(&[], &[("./.env", "A=1\nB\n"), ("./.tmo.env", "!")]);
        assert!(env.get("A").is_none());
        assert_eq!(
            warnings,
            [
                "skipping ./.tmo.env due to error: permission denied",
                "skipping ./.env due to error: line 2: `B` has no `=`",
            ]
        );
    }
}
