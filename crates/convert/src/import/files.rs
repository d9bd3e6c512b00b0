//! The files of a source.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::format::ImportError;
use super::values::relative;
use crate::sys::files::{self, ChosenBy};

/// The most bytes that are read for one source: to read YAML may take a hundred times as much memory.
const MOST_BYTES: usize = 1 << 20;

/// A source and the files it names, all in or below its directory, or the present one if that is above it.
#[derive(Debug)]
pub struct SourceFiles {
    dir: PathBuf,
    /// What is outside of it is not read.
    root: PathBuf,
    main: String,
    /// The content of the main file, if it has been read or doesn't come from the file itself.
    instead: Option<Vec<u8>>,
    read: Vec<String>,
    /// The size of all that was read.
    bytes: usize,
}

/// The content of a source file.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) name: Arc<str>,
    pub(super) text: String,
}

impl SourceFiles {
    /// The source with this path.
    pub fn new(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        let root = if is_below(&dir) { PathBuf::new() } else { dir.clone() };
        Self { dir, root, main: name.unwrap_or_default(), instead: None, read: vec![], bytes: 0 }
    }

    /// The same with this content of the source, such as what a program has printed.
    #[must_use]
    pub fn with_content(self, content: Vec<u8>) -> Self {
        Self { instead: Some(content), ..self }
    }

    /// The directory of the source.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The files that were read, beginning with the source.
    pub fn names(&self) -> Vec<String> {
        self.read.clone()
    }

    /// The name of the source.
    pub(super) fn main_name(&self) -> &str {
        &self.main
    }

    /// The error that the source has no processes.
    pub(super) fn has_nothing(&self, why: impl Into<String>) -> ImportError {
        ImportError::Empty { file: self.main.clone(), why: why.into() }
    }

    /// Read the source.
    pub(super) fn main(&mut self) -> Result<SourceFile, ImportError> {
        let name = self.main.clone();
        let missing = || io::Error::from(ErrorKind::NotFound);
        let found = self.load(&name, ChosenBy::User)?;
        found.ok_or_else(|| ImportError::Read { file: name, source: missing() })
    }

    /// Read a file that the source names, or that its tool looks for; `None` if it does not exist.
    pub(super) fn other(&mut self, name: &str) -> Result<Option<SourceFile>, ImportError> {
        if !is_below(Path::new(name)) && !self.exists(name) {
            let source = io::Error::other("it is outside of the directory, so it is not read");
            return Err(ImportError::Read { file: name.to_owned(), source });
        }
        self.load(name, ChosenBy::Project)
    }

    /// Whether a file or directory exists.
    pub(super) fn exists(&self, name: &str) -> bool {
        self.inside(&self.dir.join(name))
    }

    /// The directory of the source as seen from that of this file, if it is another one.
    pub(super) fn dir_from(&self, file: &Path) -> Option<String> {
        let whole = |dir: &Path| {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            Some(dir.canonicalize().ok()?.to_str()?.trim_start_matches('/').to_owned())
        };
        let dir = relative(&whole(file.parent()?)?, &whole(&self.dir)?)?;
        (dir != ".").then(|| dir.trim_start_matches("./").to_owned())
    }

    /// Whether a file has been read.
    pub(super) fn has_read(&self, name: &str) -> bool {
        self.read.iter().any(|read| read == name)
    }

    /// The files in a directory whose names begin and end so, sorted.
    pub(super) fn files_named(&self, dir: &str, begin: &str, end: &str) -> Vec<String> {
        let path = self.dir.join(if dir.is_empty() { "." } else { dir });
        if !is_below(Path::new(dir)) || !self.inside(&path) {
            return vec![];
        }
        let entries = std::fs::read_dir(path).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let is_named = |name: &String| {
            name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
        };
        let mut names: Vec<_> = names.filter(is_named).collect();
        names.sort();
        names
    }

    /// Whether a path exists, and leads to what may be read, with links resolved.
    fn inside(&self, path: &Path) -> bool {
        let root = if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root };
        match (path.canonicalize(), root.canonicalize()) {
            (Ok(path), Ok(root)) => path.starts_with(root),
            _ => false,
        }
    }

    fn load(&mut self, name: &str, by: ChosenBy) -> Result<Option<SourceFile>, ImportError> {
        let shown: String = name.escape_debug().collect();
        let failed = |source| ImportError::Read { file: shown.clone(), source };
        let path = self.dir.join(name);
        // Names stand in comments of the result.
        if name.contains(char::is_control) {
            return Err(failed(io::Error::other("a file with such a name is not read")));
        }
        if by == ChosenBy::Project && path.exists() && !self.inside(&path) {
            return Err(failed(io::Error::other(
                "it is outside of the directory, so it is not read",
            )));
        }
        let known = if by == ChosenBy::User { self.instead.take() } else { None };
        let bytes = match known.map_or_else(|| files::read_project(&path, by), Ok) {
            Err(error) if error.kind() == ErrorKind::NotFound && by == ChosenBy::Project => {
                return Ok(None);
            }
            read => read.map_err(failed)?,
        };
        if !name.ends_with("package.json") {
            self.bytes += bytes.len();
        }
        if self.bytes > MOST_BYTES {
            return Err(failed(io::Error::other("more than 1 MiB is not read for one source")));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is not UTF-8")))?;
        if !self.has_read(name) {
            self.read.push(name.to_owned());
        }
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(Some(SourceFile { name: name.into(), text }))
    }
}

/// Whether a path leads nowhere but below the directory it begins in.
pub(super) fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
