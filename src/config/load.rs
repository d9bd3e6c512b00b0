//! Reading it all from the disk: env files, Procfile, `tmo.toml`.

use std::io;
use std::path::{Path, PathBuf};

use super::env::{BadValue, Env};
use super::failures::{Failures, FailuresError};
use super::procfile::{self, Procfile, ProcfileError};
use super::project::BadAddress;
use super::project::{self, Project};
use super::toml::{self, TmoToml, TomlError};
use super::{StartOptions, Warning, envfiles};

/// The environment and the place a command was typed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The directory that the command was typed in.
    pub start_dir: PathBuf,
    /// The environment with the env files laid over it.
    pub env: Env,
    /// What was wrong with env files.
    pub warnings: Vec<Warning>,
}

/// All that `tmo start` reads before anything is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Where the project is.
    pub project: Project,
    /// Its Procfile, with what was odd about it.
    pub procfile: Procfile,
    /// Its `tmo.toml`, or an empty one.
    pub toml: TmoToml,
    /// Its `failure_declarations.json`, or an empty one.
    pub failures: Failures,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("open {}: {}", path.display(), why(source))]
    Read {
        /// The file as the user named it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory that the command was typed in is gone.
    #[error("can't tell the current directory: {}; `cd` to one that exists", why(.0))]
    StartDir(io::Error),
    /// The directory that the processes shall run in is none.
    #[error("can't run processes in {}: {}; --root names another directory",
        path.display(), why(source))]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A variable has no value of its type.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// A control address that is none.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// The Procfile is not usable.
    #[error(transparent)]
    Procfile(#[from] ProcfileError),
    /// `tmo.toml` is not usable.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// `failure_declarations.json` is not usable.
    #[error(transparent)]
    Failures(#[from] FailuresError),
}

impl Context {
    /// Read the environment and the env files of the current directory. Every command begins so.
    pub fn here() -> Result<Self, ConfigError> {
        let env = Env::real();
        let start_dir = project::start_dir(&env).map_err(ConfigError::StartDir)?;
        Ok(Self::at(start_dir, env))
    }

    /// Lay the env files of this directory over this environment.
    pub fn at(start_dir: PathBuf, env: Env) -> Self {
        let (env, warnings) = envfiles::overlay(env, &|file| std::fs::read(start_dir.join(file)));
        Self { start_dir, env, warnings }
    }

    /// Read what `tmo start` with these options is about.
    pub fn load(&self, typed: &StartOptions) -> Result<Loaded, ConfigError> {
        let project = Project::locate(&self.start_dir, typed, &self.env)?;
        let shown = &project.procfile_shown;
        let text = std::fs::read(&project.procfile)
            .map_err(|source| ConfigError::Read { path: shown.clone(), source })?;
        let procfile = procfile::parse(&text, &shown.display().to_string())?;
        let toml = read_toml(&project)?;
        let (failures, failures_shown) = project.failures();
        let failures = Failures::read(&failures, &failures_shown)?;
        // The trailing slash makes a file fail, too.
        std::fs::metadata(project.root.join(""))
            .map_err(|source| ConfigError::Root { path: project.root.clone(), source })?;
        Ok(Loaded { project, procfile, toml, failures })
    }
}

fn read_toml(project: &Project) -> Result<TmoToml, ConfigError> {
    let (path, shown) = project.toml();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(toml::parse(&text, &shown.display().to_string())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(TmoToml::default()),
        Err(source) => Err(ConfigError::Read { path: shown, source }),
    }
}

/// Where a program is: along `PATH`, or from the starting directory if it has a `/` in it.
pub fn find_program(context: &Context, name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    which::which_in(name, context.env.get("PATH"), &context.start_dir).ok()
}

/// Why the system refused something, in its own words and without a number.
pub fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => {
            let text = nix::errno::Errno::from_raw(number).desc();
            text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
        }
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{Context, find_program};
    use crate::config::{Env, StartOptions};

    #[test]
    fn reads_a_project_from_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("Procfile", "web: x\nodd line\n");
        write("tmo.toml", "[log]\ntotal = \"1k\"\n");
        write(".env", "A=$B\n");
        let context = Context::at(dir.path().to_owned(), Env::of([("B", "b")]));
        assert_eq!(context.env.get("A").unwrap(), "b");
        let loaded = context.load(&StartOptions::default()).unwrap();
        assert_eq!(loaded.procfile.entries.len(), 1);
        assert_eq!(loaded.procfile.warnings.len(), 1);
        assert_eq!(loaded.toml.log.total, Some(1024));
        assert_eq!(loaded.project.root, dir.path());
    }

    #[test]
    fn says_what_is_missing_as_overmind_does() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::at(dir.path().to_owned(), Env::default());
        let error = context.load(&StartOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "open ./Procfile: no such file or directory");
    }

    #[test]
    fn the_root_must_be_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Procfile"), "web: x\n").unwrap();
        let context = Context::at(dir.path().to_owned(), Env::default());
        for (root, reason) in
            [("none", "no such file or directory"), ("Procfile", "not a directory")]
        {
            let typed = StartOptions { root: Some(root.into()), ..StartOptions::default() };
            let error = context.load(&typed).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("--root"), "{error}");
        }
    }

    #[test]
    fn finds_programs_along_the_path() {
        let context = Context::at("/".into(), Env::of([("PATH", "/nonexistent:/bin")]));
        assert_eq!(find_program(&context, "sh").unwrap(), std::path::Path::new("/bin/sh"));
        assert_eq!(find_program(&context, "bin/sh").unwrap(), std::path::Path::new("/bin/sh"));
        assert_eq!(find_program(&context, "no-such-program"), None);
    }
}
