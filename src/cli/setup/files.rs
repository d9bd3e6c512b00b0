//! The installed files other than the program itself.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::places::Places;
use crate::cli::completions::Shell;
use crate::cli::error::CliError;
use crate::cli::setup::man;
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
    /// Nothing.
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
