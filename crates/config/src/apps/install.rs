//! Builds the environment of an app. The hidden command `tmo install-app` does so in the pane of the app.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::sys::stat::{Mode, umask};

use super::kind::{AppKind, VENV};
use super::manifest::App;
use super::store::{self, Store, StoreError};
use crate::sys::files::if_there;
use crate::sys::{clock, why};

/// The hidden command that runs [`install_app`].
pub const PART: &str = "install-app";

/// The variables of the run's environment that an installation gets, besides [`PROXIES`] and [`PREFIXES`].
const VARIABLES: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];
/// Proxies, in lower or upper case.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"];
/// Prefixes of the variables that configure pip and uv.
const PREFIXES: [&str; 2] = ["PIP_", "UV_"];

/// Whether an installation gets this variable. Others may be secrets of the run.
pub fn gets_variable(name: &str) -> bool {
    VARIABLES.contains(&name)
        || PROXIES.contains(&name.to_ascii_lowercase().as_str())
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Why an installation failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The directory does not belong to an app.
    #[error("{} is not the directory of an app", .0.display())]
    NoApp(PathBuf),
    /// The apps can't be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A program is missing.
    #[error("`{program}` was not found in PATH; {todo}")]
    Missing {
        program: &'static str,
        /// What to do.
        todo: &'static str,
    },
    /// This Python can't make virtual environments.
    #[error(
        "this Python has no `ensurepip` and can't create virtual environments; on Debian and Ubuntu, install the \
         package python3-venv: `sudo apt install python3-venv`"
    )]
    NoEnsurepip,
    /// A program could not be started.
    #[error("can't run `{program}`: {}", why(source))]
    Start {
        program: String,
        /// The cause.
        source: io::Error,
    },
    #[error("`{program}` failed ({status})")]
    Failed { program: String, status: ExitStatus },
    /// The output, or a file, could not be written.
    #[error("{}", why(.0))]
    Io(#[from] io::Error),
}

/// Finds a program by its name.
pub type Find<'a> = dyn Fn(&str) -> Option<PathBuf> + 'a;

/// A step of an installation.
#[derive(Debug, PartialEq, Eq)]
enum InstallStep {
    /// Print this text.
    Say(&'static str),
    /// Run a program with arguments.
    Run(PathBuf, Vec<OsString>),
}

/// Install the app in this directory; returns the exit code.
pub fn install_app(dir: &Path, find: &Find<'_>, out: &mut dyn Write) -> u8 {
    // Other users must not read the installed files.
    umask(Mode::from_bits_truncate(0o077));
    match install(dir, find, out) {
        Ok(()) => 0,
        Err(error) => {
            // If this can't be written either, only the exit code reports the failure.
            let _ = writeln!(out, "[ERROR] {error}");
            1
        }
    }
}

fn install(dir: &Path, find: &Find<'_>, out: &mut dyn Write) -> Result<(), InstallError> {
    let no_app = || InstallError::NoApp(dir.to_owned());
    let apps = dir.parent().ok_or_else(no_app)?;
    let process = dir.file_name().and_then(|name| name.to_str()).ok_or_else(no_app)?;
    let manifest = store::read_manifest(apps)?;
    let (name, app) = manifest.of_process(process).ok_or_else(no_app)?;
    writeln!(out, "=== Installing {name} ===")?;
    writeln!(out, "Program:   {name} ({})", app.script)?;
    writeln!(out, "Time:      {}", clock::now())?;
    writeln!(out, "Directory: {}", dir.display())?;
    if app.restored {
        writeln!(out, "Nothing to install: this version is back, and was installed before")?;
    } else if let Err(error) = carry_out(dir, app, find, out) {
        if Store::open(apps)?.restore(process, app.version)? {
            writeln!(out, "The update is not installed; the version before is back")?;
        }
        return Err(error);
    }
    Store::open(apps)?.set_installed(process, app.version)?;
    writeln!(out, "[SUCCESS] Installation completed successfully!")?;
    Ok(())
}

/// Do what is to be done for an app in this directory.
fn carry_out(
    dir: &Path,
    app: &App,
    find: &Find<'_>,
    out: &mut dyn Write,
) -> Result<(), InstallError> {
    for step in steps(dir, app, find)? {
        match step {
            InstallStep::Say(text) => writeln!(out, "{text}")?,
            InstallStep::Run(program, args) => {
                execute(&program, &args, dir, out).map_err(|error| {
                    let is_venv = args.iter().any(|arg| arg == "venv");
                    if is_venv && lacks_ensurepip(&program) {
                        InstallError::NoEnsurepip
                    } else {
                        error
                    }
                })?;
            }
        }
    }
    Ok(())
}

/// The steps for an app in this directory.
fn steps(dir: &Path, app: &App, find: &Find<'_>) -> Result<Vec<InstallStep>, InstallError> {
    let has = |name: &str| dir.join(name).is_file();
    match AppKind::in_dir(dir, &app.script) {
        AppKind::Python => {
            // An interrupted installation may have left a part of it.
            if_there(fs::remove_dir_all(dir.join(VENV)))?;
            python(has("requirements.txt"), find)
        }
        AppKind::Node => node(&has, find),
        AppKind::Executable if has("Gemfile") => {
            let bundle = program("bundle", "install Ruby's bundler", find)?;
            Ok(vec![InstallStep::Run(bundle, words(&["install"]))])
        }
        AppKind::Executable => Ok(vec![InstallStep::Say("Nothing to install")]),
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn program(
    name: &'static str,
    todo: &'static str,
    find: &Find<'_>,
) -> Result<PathBuf, InstallError> {
    find(name).ok_or(InstallError::Missing { program: name, todo })
}

fn python(has_requirements: bool, find: &Find<'_>) -> Result<Vec<InstallStep>, InstallError> {
    let own = format!("{VENV}/bin/python");
    let (make, install) = if let Some(uv) = find("uv") {
        let install = words(&["pip", "install", "--python", &own, "-r", "requirements.txt"]);
        (InstallStep::Run(uv.clone(), words(&["venv", VENV])), InstallStep::Run(uv, install))
    } else {
        let python = program("python3", "install Python 3, or uv", find)?;
        let options = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"];
        let install = words(&[&options[..], &["-r", "requirements.txt"]].concat());
        (
            InstallStep::Run(python, words(&["-m", "venv", VENV])),
            InstallStep::Run(own.into(), install),
        )
    };
    let last = if has_requirements {
        install
    } else {
        InstallStep::Say("There is no requirements.txt: no packages are installed")
    };
    Ok(vec![make, last])
}

fn node(has: &dyn Fn(&str) -> bool, find: &Find<'_>) -> Result<Vec<InstallStep>, InstallError> {
    let (name, todo, args): (_, _, &[&str]) = if has("pnpm-lock.yaml") {
        ("pnpm", "`corepack enable` brings it", &["install", "--frozen-lockfile"])
    } else if has("yarn.lock") {
        ("yarn", "`corepack enable` brings it", &["install", "--frozen-lockfile"])
    } else if has("package-lock.json") || has("npm-shrinkwrap.json") {
        ("npm", "install Node.js", &["ci"])
    } else {
        ("npm", "install Node.js", &["install"])
    };
    Ok(vec![InstallStep::Run(program(name, todo, find)?, words(args))])
}

/// Run a program in the directory of the app, with the output of this program.
fn execute(
    program: &Path,
    args: &[OsString],
    dir: &Path,
    out: &mut dyn Write,
) -> Result<(), InstallError> {
    let name = program.display().to_string();
    let shown: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    writeln!(out, "$ {name} {}", shown.join(" "))?;
    out.flush()?;
    // A relative path names a program of the app.
    let mut command = Command::new(dir.join(program));
    command.args(args).current_dir(dir).stdin(Stdio::null());
    let status =
        command.status().map_err(|source| InstallError::Start { program: name.clone(), source })?;
    if status.success() { Ok(()) } else { Err(InstallError::Failed { program: name, status }) }
}

/// Whether this Python can't make virtual environments with pip.
fn lacks_ensurepip(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import ensurepip"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.code() == Some(1))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use pretty_assertions::assert_eq;

    use super::{InstallError, InstallStep, gets_variable, node, python};

    fn only(known: &'static [&'static str]) -> impl Fn(&str) -> Option<PathBuf> {
        |name| known.contains(&name).then(|| PathBuf::from("/bin").join(name))
    }

    fn lines(steps: Result<Vec<InstallStep>, InstallError>) -> Vec<String> {
        let line = |step: &InstallStep| match step {
            InstallStep::Say(text) => (*text).to_owned(),
            InstallStep::Run(program, args) => {
                let args: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
                format!("{} {}", program.display(), args.join(" "))
            }
        };
        steps.unwrap().iter().map(line).collect()
    }

    #[test]
    fn python_apps_get_an_environment_of_their_own() {
        let pip = lines(python(true, &only(&["python3"])));
        assert_eq!(pip[0], "/bin/python3 -m venv .venv");
        assert!(pip[1].starts_with(".venv/bin/python -m pip install --no-input"), "{pip:?}");
        let uv = lines(python(true, &only(&["python3", "uv"])));
        assert_eq!(uv[0], "/bin/uv venv .venv");
        assert!(uv[1].starts_with("/bin/uv pip install --python .venv/bin/python"), "{uv:?}");
        let none = lines(python(false, &only(&["python3"])));
        assert!(none[1].contains("no requirements.txt"), "{none:?}");
        let error = python(true, &only(&[])).unwrap_err().to_string();
        assert_eq!(error, "`python3` was not found in PATH; install Python 3, or uv");
    }

    #[test]
    fn the_lock_file_chooses_the_package_manager() {
        let with =
            |file: &'static str| lines(node(&|name| name == file, &only(&["npm", "yarn", "pnpm"])));
        assert_eq!(with("package-lock.json"), ["/bin/npm ci"]);
        assert_eq!(with(""), ["/bin/npm install"]);
        assert_eq!(with("yarn.lock"), ["/bin/yarn install --frozen-lockfile"]);
        assert_eq!(with("pnpm-lock.yaml"), ["/bin/pnpm install --frozen-lockfile"]);
    }

    #[test]
    fn an_installation_gets_no_secrets_of_the_run() {
        for name in ["PATH", "HOME", "https_proxy", "HTTPS_PROXY", "PIP_INDEX_URL", "UV_CACHE_DIR"]
        {
            assert!(gets_variable(name), "{name}");
        }
        for name in ["AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "PYTHONPATH", "TMO_TOKEN", "XPIP_X"] {
            assert!(!gets_variable(name), "{name}");
        }
    }
}
