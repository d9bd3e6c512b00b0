//! The installed files other than the program itself, and the directories that `man` and the shells search.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::cli::setup::completions::Shell;
use crate::cli::setup::man;
use crate::config::Env;
use crate::sys::{self, files::Whole};

/// Text in every version of tmo's files, by which older versions are recognized.
const MARKS: [&[u8]; 2] = [b"_TMO_COMPLETE", b"The tmo manual"];

/// A file to install.
pub(super) struct File {
    pub(super) path: PathBuf,
    content: Content,
}

enum Content {
    Text(Vec<u8>),
    /// A symbolic link to this.
    Link(PathBuf),
}

/// What exists at the path of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExistingFile {
    Nothing,
    /// The file itself.
    Same,
    /// Another version of it.
    Older,
    /// Another file.
    Strange,
}

/// All files; with `overmind` also those for the overmind link, and the link itself.
pub(super) fn wanted(
    places: &Places,
    program: &Path,
    overmind: bool,
) -> Result<Vec<File>, CliError> {
    let text = |path: PathBuf, text: &[u8]| File { path, content: Content::Text(text.to_vec()) };
    let pages = man::pages().map_err(CliError::io("can't make the man pages"))?;
    let mut files: Vec<File> =
        pages.iter().map(|(name, page)| text(places.page(name), page)).collect();
    let script = |shell: Shell| shell.script().as_bytes();
    files.push(text(places.bash.join("tmo"), script(Shell::Bash)));
    // zsh finds it by its first line, which lists both names.
    files.push(text(places.zsh.join("_tmo"), script(Shell::Zsh)));
    files.push(text(places.fish.join("tmo.fish"), script(Shell::Fish)));
    if overmind {
        files.push(text(places.bash.join("overmind"), script(Shell::Bash)));
        files.push(text(places.fish.join("overmind.fish"), script(Shell::Fish)));
        let name = program.file_name().unwrap_or(OsStr::new("tmo"));
        let content = Content::Link(name.into());
        files.push(File { path: program.with_file_name("overmind"), content });
    }
    Ok(files)
}

impl File {
    /// Inspect what exists at its path.
    pub(super) fn found(&self) -> io::Result<ExistingFile> {
        let meta = sys::files::if_there(self.path.symlink_metadata())?;
        let Some(meta) = meta else { return Ok(ExistingFile::Nothing) };
        Ok(match &self.content {
            Content::Link(to) if meta.is_symlink() => {
                let same = std::fs::read_link(&self.path)? == *to;
                if same { ExistingFile::Same } else { ExistingFile::Strange }
            }
            Content::Text(text) if meta.is_file() => {
                let there = sys::files::read_plain(&self.path)?;
                let ours = |mark: &&[u8]| memchr::memmem::find(&there, mark).is_some();
                match &there {
                    there if there == text => ExistingFile::Same,
                    _ if MARKS.iter().any(ours) => ExistingFile::Older,
                    _ => ExistingFile::Strange,
                }
            }
            Content::Link(_) | Content::Text(_) => ExistingFile::Strange,
        })
    }

    /// Write it atomically, readable by all users.
    pub(super) fn write(&self) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let text = match &self.content {
            Content::Link(to) => return symlink(to, &self.path),
            Content::Text(text) => text,
        };
        sys::files::write_whole(&self.path, text, Whole::WithMode(0o644))
    }
}

/// Where man pages and completions go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) man: PathBuf,
    pub(super) bash: PathBuf,
    pub(super) zsh: PathBuf,
    pub(super) fish: PathBuf,
}

impl Places {
    /// Below the home directory, or where the XDG variables say.
    pub(super) fn user(env: &Env) -> Result<Self, CliError> {
        let data = env.caller_dir_or("XDG_DATA_HOME", ".local/share");
        let config = env.caller_dir_or("XDG_CONFIG_HOME", ".config");
        let (Some(data), Some(config)) = (data, config) else {
            return Err(CliError::Other("HOME is not set to a directory; set it".to_owned()));
        };
        Ok(Self { fish: config.join("fish/completions"), ..Self::below(&data) })
    }

    /// The path of a man page, in the directory of its section.
    pub(super) fn page(&self, name: &str) -> PathBuf {
        let section = name.rsplit('.').next().unwrap_or_default();
        self.man.join(format!("man{section}")).join(name)
    }

    /// Inside a directory of shared data.
    pub(super) fn below(data: &Path) -> Self {
        Self {
            man: data.join("man"),
            bash: data.join("bash-completion/completions"),
            zsh: data.join("zsh/site-functions"),
            fish: data.join("fish/vendor_completions.d"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Places;
    use crate::config::Env;

    #[test]
    fn the_home_directory_is_found_by_the_xdg_variables() {
        let places = Places::user(&Env::of([("HOME", "/h")])).unwrap();
        assert_eq!(places.page("tmo.1"), Path::new("/h/.local/share/man/man1/tmo.1"));
        assert_eq!(places.page("tmo.toml.5"), Path::new("/h/.local/share/man/man5/tmo.toml.5"));
        assert_eq!(places.bash, Path::new("/h/.local/share/bash-completion/completions"));
        assert_eq!(places.zsh, Path::new("/h/.local/share/zsh/site-functions"));
        assert_eq!(places.fish, Path::new("/h/.config/fish/completions"));
        let env = Env::of([("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "/c")]);
        let places = Places::user(&env).unwrap();
        assert_eq!(places.man, Path::new("/d/man"));
        assert_eq!(places.fish, Path::new("/c/fish/completions"));
        assert!(Places::user(&Env::of([("HOME", "relative")])).is_err());
    }
}
