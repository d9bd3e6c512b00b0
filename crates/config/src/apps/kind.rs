//! The kinds of apps: how each is run.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The virtual environment of a Python app, in its directory.
pub const VENV: &str = ".venv";
/// Where `npm` puts the programs of an app's packages.
const NODE_PROGRAMS: &str = "node_modules/.bin";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppKind {
    /// Run by the Python of its own virtual environment.
    Python,
    /// Run by Node.js.
    Node,
    /// Run directly.
    Executable,
}

impl AppKind {
    /// The kind of the app with this script; `has_package` if it has a `package.json`.
    pub fn of_script(script: &str, has_package: bool) -> Self {
        let extension = Path::new(script).extension().and_then(OsStr::to_str);
        match extension {
            Some("py") => Self::Python,
            Some("js" | "mjs" | "cjs") if has_package => Self::Node,
            Some(_) | None => Self::Executable,
        }
    }

    /// The kind of the app in this directory.
    pub fn in_dir(dir: &Path, script: &str) -> Self {
        Self::of_script(script, dir.join("package.json").is_file())
    }

    /// The program and arguments that run this script in its directory.
    pub fn command(self, dir: &Path, script: &str, args: &[String]) -> Vec<OsString> {
        let mut words: Vec<OsString> = match self {
            Self::Python => vec![dir.join(VENV).join("bin/python").into(), script.into()],
            Self::Node => vec!["node".into(), script.into()],
            Self::Executable => vec![dir.join(script).into()],
        };
        words.extend(args.iter().map(OsString::from));
        words
    }

    /// The environment variables that it needs, given the `PATH` of the run.
    pub fn env(self, dir: &Path, path: Option<&OsStr>) -> Vec<(&'static str, OsString)> {
        let programs = match self {
            Self::Python => dir.join(VENV).join("bin"),
            Self::Node => dir.join(NODE_PROGRAMS),
            Self::Executable => return vec![],
        };
        let mut all = programs.into_os_string();
        if let Some(path) = path {
            all.push(":");
            all.push(path);
        }
        let mut env = vec![("PATH", all)];
        if self == Self::Python {
            env.push(("VIRTUAL_ENV", dir.join(VENV).into()));
        }
        env
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::AppKind;

    #[test]
    fn a_script_is_run_by_what_it_is_written_for() {
        assert_eq!(AppKind::of_script("src/main.py", true), AppKind::Python);
        assert_eq!(AppKind::of_script("server.js", true), AppKind::Node);
        assert_eq!(AppKind::of_script("server.js", false), AppKind::Executable);
        assert_eq!(AppKind::of_script("bin/run", true), AppKind::Executable);
        let words = AppKind::Python.command(Path::new("/a"), "main.py", &["b c".to_owned()]);
        assert_eq!(words, ["/a/.venv/bin/python", "main.py", "b c"]);
        let env = AppKind::Python.env(Path::new("/a"), Some("/bin".as_ref()));
        assert_eq!(env[0], ("PATH", "/a/.venv/bin:/bin".into()));
        assert_eq!(env[1], ("VIRTUAL_ENV", "/a/.venv".into()));
    }
}
