//! Reads everything from the disk: env files, Procfile, `tmo.toml`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::apps::Apps;
use super::command::process_name;
use super::env::Env;
use super::error::ConfigError;
use super::failures::Failures;
use super::place::project;
use super::place::project::{Project, project_above};
use super::place::socket::{BadAddress, SocketPath, nearest_socket};
use super::procfile::{self, Procfile, ProcfileEntry};
use super::toml::{self, Diagnostics, Disk, ProcessOverrides, TmoToml, TomlText};
use super::{OwnPath, StartOptions, Warning, envfiles};
use crate::model::plan::COMMAND;
use crate::model::text::OsText;
use crate::model::text::shell::quoted_bytes;
use crate::sys::files::{self, ChosenBy};

/// The environment and the directory of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The directory that the command was typed in.
    pub start_dir: PathBuf,
    /// The environment, overlaid by the env files.
    pub env: Env,
    /// Problems with env files.
    pub warnings: Vec<Warning>,
    /// The user is in another directory, so files are shown with absolute paths.
    pub elsewhere: bool,
}

/// All configuration that `tmo start` reads before it resolves anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The location of the project.
    pub project: Project,
    /// Its Procfile with warnings about it; after its entries come those that only the `tmo.toml` defines.
    pub procfile: Procfile,
    /// Its `tmo.toml`, or an empty one.
    pub toml: TmoToml,
    /// The settings of the entries that have their own in it.
    pub own: BTreeMap<String, ProcessOverrides>,
    /// Its `failure_declarations.json`, or an empty one.
    pub failures: Failures,
    /// The apps. Their entries come last.
    pub apps: Apps,
    /// The command that is the only process, or nothing.
    pub command: Vec<OsText>,
}

impl Context {
    /// Read the environment and the env files of the current directory. Every command begins with this.
    pub fn here() -> Result<Self, ConfigError> {
        let env = Env::real();
        let start_dir = project::start_dir(&env).map_err(ConfigError::StartDir)?;
        Ok(Self::at(start_dir, env))
    }

    /// Overlay this environment with the env files of this directory.
    pub fn at(start_dir: PathBuf, env: Env) -> Self {
        let (env, warnings) = envfiles::overlay(env, &|file, chosen_by| {
            files::read_project(&start_dir.join(file), chosen_by)
        });
        Self { start_dir, env, warnings, elsewhere: false }
    }

    /// The same for a user who is in another directory.
    pub fn of_other_dir(dir: PathBuf, env: Env) -> Self {
        Self { elsewhere: true, ..Self::at(dir, env) }
    }

    /// The flags, each after a space, that a command typed in the same place needs to address the run on
    /// this socket.
    pub fn flags(&self, socket: &SocketPath) -> String {
        let is_found = || {
            let real = Env::real();
            // What the caller has set to address a run leads such a command elsewhere.
            if real != Env::real_without_address() {
                return false;
            }
            let Ok(here) = project::start_dir(&real) else { return false };
            match nearest_socket(&here) {
                Some(nearest) => nearest == socket.path,
                None => project_above(&here, &self.env).as_ref() == Some(&self.start_dir),
            }
        };
        if self.elsewhere && !is_found() {
            socket.naming_flags()
        } else {
            socket.flags(&self.start_dir)
        }
    }

    /// The project that `tmo start` with these options starts.
    pub fn project(&self, typed: &StartOptions) -> Result<Project, BadAddress> {
        let mut project = Project::locate(&self.start_dir, typed, &self.env)?;
        if self.elsewhere {
            project.show_absolute();
        }
        Ok(project)
    }

    /// Read the configuration that `tmo start` with these options uses.
    pub fn load(&self, typed: &StartOptions) -> Result<Loaded, ConfigError> {
        let mut project = self.project(typed)?;
        if !typed.command.is_empty() {
            return of_command(project, &typed.command);
        }
        let (toml_path, toml_shown) = project.toml();
        let (toml, mistakes) = toml_at(&toml_path, &toml_shown)?;
        let (failures, failures_shown) = project.failures();
        let mut procfile = match self.read_procfile(&project, typed) {
            Err(ConfigError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound
                    && !toml.processes.is_empty()
                    && !self.names_procfile(typed) =>
            {
                (project.procfile, project.procfile_shown) = (toml_path.clone(), toml_shown);
                Procfile::default()
            }
            read => read?,
        };
        let found = toml::resolve_with_disk(
            &toml,
            &procfile.entries,
            &self.env,
            &disk_at(project.base()),
            mistakes,
        )?;
        procfile.entries = found.entries;
        check_root(&project)?;
        let failures = Failures::load(&failures, &failures_shown)?;
        let apps = Apps::load(project.apps(&self.env))?;
        apps.append_to(&mut procfile.entries, &toml)?;
        let command = vec![];
        Ok(Loaded { project, procfile, toml, own: found.own, failures, apps, command })
    }

    /// The Procfile alone, and its project.
    pub fn procfile(&self, typed: &StartOptions) -> Result<(Project, Procfile), ConfigError> {
        let project = self.project(typed)?;
        let procfile = self.read_procfile(&project, typed)?;
        Ok((project, procfile))
    }

    fn read_procfile(
        &self,
        project: &Project,
        typed: &StartOptions,
    ) -> Result<Procfile, ConfigError> {
        let shown = &project.procfile_shown;
        let by_user = typed.procfile.is_some() || self.env.is_chosen_by_caller("PROCFILE");
        let chosen_by = if by_user { ChosenBy::User } else { ChosenBy::Project };
        let text = files::read_project(&project.procfile, chosen_by)
            .map_err(|source| ConfigError::Read { path: shown.clone(), source })?;
        if let Some(what) = project::other_format(&text) {
            return Err(ConfigError::OtherFormat { path: shown.clone(), what });
        }
        Ok(procfile::parse(&text, &shown.display().to_string())?)
    }

    /// Whether a command may write this file beside the Procfile: the caller has named the Procfile, or the
    /// file lies in the directory that the command was typed in, with links resolved.
    pub fn check_writable(
        &self,
        typed: &StartOptions,
        path: &Path,
        shown: &Path,
    ) -> Result<(), ConfigError> {
        if typed.procfile.is_some() || self.env.of_caller().path("PROCFILE").is_some() {
            return Ok(());
        }
        let failed = |source| ConfigError::Read { path: shown.to_owned(), source };
        let here = self.start_dir.canonicalize().map_err(failed)?;
        let dir = path.parent().unwrap_or(Path::new("/")).canonicalize().map_err(failed)?;
        let leads_out = path.canonicalize().is_ok_and(|file| !file.starts_with(&here));
        if dir.starts_with(&here) && !leads_out {
            return Ok(());
        }
        Err(ConfigError::Outside { path: shown.to_owned(), here: self.start_dir.clone() })
    }

    /// Whether a Procfile was requested explicitly: then it must exist.
    pub fn names_procfile(&self, typed: &StartOptions) -> bool {
        typed.procfile.is_some() || self.env.path("PROCFILE").is_some()
    }
}

/// The configuration of a run with one command. No Procfile and no `tmo.toml` is read.
fn of_command(project: Project, command: &[OsString]) -> Result<Loaded, ConfigError> {
    check_root(&project)?;
    let words: Vec<_> = command.iter().map(|word| quoted_bytes(word.as_bytes())).collect();
    let line = OsString::from_vec(words.join(&b' '));
    let entry = ProcfileEntry { name: process_name(command), command: line.into(), line: 0 };
    Ok(Loaded {
        project: Project { procfile_shown: COMMAND.into(), ..project },
        procfile: Procfile { entries: vec![entry], ..Procfile::default() },
        toml: TmoToml::default(),
        own: BTreeMap::new(),
        failures: Failures::default(),
        apps: Apps::default(),
        command: command.iter().cloned().map(OsText::from).collect(),
    })
}

fn check_root(project: &Project) -> Result<(), ConfigError> {
    let root = &project.root;
    directory(root).map_err(|source| ConfigError::Root { path: root.clone(), source })
}

/// Checks for a directory: with the trailing slash, `metadata` fails for a file too.
fn directory(path: &Path) -> io::Result<()> {
    std::fs::metadata(path.join("")).map(drop)
}

/// The settings of one checkout, beside the `tmo.toml` that all share.
const LOCAL: &str = "tmo.local.toml";

/// The disk for a `tmo.toml` whose paths are relative to this directory.
pub fn disk_at(dir: &Path) -> Disk<'_> {
    Disk { dir, read: &|file| files::read_project(file, ChosenBy::Project), is_dir: &directory }
}

/// The `tmo.toml` at `path`, which is `shown` in messages, with the `tmo.local.toml` beside it; a missing file is empty.
pub(super) fn toml_at(path: &Path, shown: &Path) -> Result<(TmoToml, Diagnostics), ConfigError> {
    let local = [path, shown].map(|path| path.with_file_name(LOCAL));
    let name = |path: &Path| path.display().to_string();
    let text = toml_text(path, shown)?;
    match toml_text(&local[0], &local[1])? {
        Some(local_text) => {
            let file = name(shown);
            let shared = TomlText { text: &text.unwrap_or_default(), file: &file };
            let local = TomlText { text: &local_text, file: &name(&local[1]) };
            Ok(toml::parse_with_local(shared, Some(local))?)
        }
        None => text.map_or_else(
            || Ok(Default::default()),
            |text| Ok(toml::parse_leniently(&text, &name(shown))?),
        ),
    }
}

/// The text of such a file, if it is there.
fn toml_text(path: &Path, shown: &Path) -> Result<Option<String>, ConfigError> {
    let text = files::if_there(files::read_toml(path)).and_then(|bytes| {
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
    });
    text.map_err(|source| ConfigError::Read { path: shown.to_owned(), source })
}

/// The path of a program: along `PATH`, or relative to the starting directory if it contains a `/`.
pub fn find_program(context: &Context, name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    which::which_in(name, context.env.get("PATH"), &context.start_dir).ok()
}

/// Find a program that a plan names. tmo itself runs tmux, so tmux is searched for in the caller's own
/// PATH outside of the project. Everything else, and tmux where the caller has none, is searched for
/// in the PATH of the processes.
pub fn find_for_plan(context: &Context, own: &OwnPath, name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    if name != Path::new("tmux") {
        return find_program(context, name);
    }
    let by_caller = || callers_tmux(context).is_some();
    own.find(name).or_else(|| find_program(context, name).filter(|_| !by_caller()))
}

/// The tmux that the caller's shell would run, wherever it is.
pub fn callers_tmux(context: &Context) -> Option<PathBuf> {
    which::which_in("tmux", context.env.caller("PATH"), &context.start_dir).ok()
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
        write("tmo.toml", "[log]\ntotal = \"1k\"\n[process.db]\ncommand = \"d\"\ncwd = \"sub\"\n");
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        write(".env", "A=$B\n");
        let context = Context::at(dir.path().to_owned(), Env::of([("B", "b")]));
        assert_eq!(context.env.get("A").unwrap(), "b");
        let loaded = context.load(&StartOptions::default()).unwrap();
        let names: Vec<_> = loaded.procfile.entries.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["web", "db"]);
        assert_eq!(loaded.own["db"].cwd, Some(dir.path().join("sub").into()));
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
    fn a_toml_alone_is_a_project_unless_a_procfile_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tmo.toml"), "[process.a]\ncommand = \"x\"\n").unwrap();
        let context = Context::at(dir.path().to_owned(), Env::default());
        let loaded = context.load(&StartOptions::default()).unwrap();
        assert_eq!(loaded.procfile.entries[0].name, "a");
        assert_eq!(loaded.project.procfile_shown, std::path::Path::new("./tmo.toml"));
        let typed = StartOptions { procfile: Some("Procfile".into()), ..Default::default() };
        let error = context.load(&typed).unwrap_err().to_string();
        assert_eq!(error, "open Procfile: no such file or directory");
        std::fs::write(dir.path().join("tmo.toml"), "[log]\n").unwrap();
        let error = context.load(&StartOptions::default()).unwrap_err().to_string();
        assert_eq!(error, "open ./Procfile: no such file or directory");
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
