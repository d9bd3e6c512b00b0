//! Paths and names derived from the user's input.

use std::path::{Component, Path, PathBuf};

use super::Env;

/// `path` seen from `base`, absolute, without `.` and `..`; symbolic links are kept.
pub fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(part),
        }
    }
    clean
}

/// Expands `~/…` with the user's home directory.
pub fn at_home(env: &Env, dir: PathBuf) -> PathBuf {
    match (dir.strip_prefix("~"), env.caller_dir("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_) | Err(_), _) => dir,
    }
}

/// The tmux session name of a title: lower case, every run of characters other than ASCII letters and
/// digits becomes one `-`; `tmo` if nothing is left. A long title is cut to the maximum length of a file
/// name: tmux accepts no command of many thousand characters.
pub fn session_name(title: &str) -> String {
    const LONGEST: usize = 255;
    let mut name = String::new();
    for c in title.chars().take(LONGEST) {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    if name.is_empty() || name == "-" { "tmo".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{absolute, session_name};

    #[test]
    fn paths_are_cleaned_by_their_text() {
        let table = [("./a/../b", "/x/b"), ("/y/./z/", "/y/z"), ("../../..", "/"), (".", "/x")];
        for (path, expected) in table {
            assert_eq!(absolute(Path::new("/x"), Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn sessions_are_plain_words() {
        let table =
            [("My App!", "my-app-"), ("a__b", "a-b"), ("", "tmo"), ("日本", "tmo"), ("é1", "-1")];
        for (title, expected) in table {
            assert_eq!(session_name(title), expected, "{title}");
        }
    }
}
