//! The tools whose files can be imported, what the user of an import can choose, and why it fails.

use std::io;
use std::path::{Path, PathBuf};

use super::node::SourcePlace;
use crate::sys::files::{self, ChosenBy};

/// A kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SourceFormat {
    /// compose.yaml of docker compose and podman-compose
    Compose,
    /// process-compose.yaml
    ProcessCompose,
    /// mprocs.yaml
    Mprocs,
    /// ecosystem.config.js, process.json of pm2
    Pm2,
    /// supervisord.conf
    Supervisord,
    /// package.json, with scripts of npm, concurrently and npm-run-all
    PackageJson,
    /// .foreman
    Foreman,
}

/// The names of sources, in the order in which they are looked for.
const NAMES: [(&str, SourceFormat); 21] = [
    ("process-compose.yaml", SourceFormat::ProcessCompose),
    ("process-compose.yml", SourceFormat::ProcessCompose),
    ("mprocs.yaml", SourceFormat::Mprocs),
    ("mprocs.yml", SourceFormat::Mprocs),
    ("mprocs.json", SourceFormat::Mprocs),
    ("ecosystem.config.js", SourceFormat::Pm2),
    ("ecosystem.config.cjs", SourceFormat::Pm2),
    ("ecosystem.config.json", SourceFormat::Pm2),
    ("ecosystem.json", SourceFormat::Pm2),
    ("process.json", SourceFormat::Pm2),
    ("process.yml", SourceFormat::Pm2),
    ("process.yaml", SourceFormat::Pm2),
    ("supervisord.conf", SourceFormat::Supervisord),
    ("etc/supervisord.conf", SourceFormat::Supervisord),
    ("supervisor.conf", SourceFormat::Supervisord),
    ("compose.yaml", SourceFormat::Compose),
    ("compose.yml", SourceFormat::Compose),
    ("docker-compose.yaml", SourceFormat::Compose),
    ("docker-compose.yml", SourceFormat::Compose),
    ("package.json", SourceFormat::PackageJson),
    (".foreman", SourceFormat::Foreman),
];

impl SourceFormat {
    /// The sources in a directory, most telling first; of each format the first that its tool would read.
    pub fn found_in(dir: &Path) -> Vec<(&'static str, Self)> {
        let mut found: Vec<(&'static str, Self)> = vec![];
        for (name, format) in NAMES {
            let is_new = found.iter().all(|(_, other)| *other != format);
            let path = dir.join(name);
            if !is_new || !path.is_file() {
                continue;
            }
            let text = match format {
                Self::Compose => files::read_project(&path, ChosenBy::Project).unwrap_or_default(),
                _ => vec![],
            };
            found.push((name, format.or_by(&String::from_utf8_lossy(&text))));
        }
        found
    }

    /// The format of a file, by its name or else by what is in it.
    pub fn of_file(path: &Path, text: &str) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let by_name = NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        by_name.map(|format| format.or_by(text)).or_else(|| Self::by_text(text)).or_else(|| {
            let part = |part: &str| name.contains(part);
            match name {
                _ if part("process-compose") => Some(Self::ProcessCompose),
                _ if part("compose") => Some(Self::Compose),
                _ if part("ecosystem") => Some(Self::Pm2),
                _ if part("supervisor") => Some(Self::Supervisord),
                _ => None,
            }
        })
    }

    /// It, or process-compose for a compose.yaml with processes, which that reads too.
    fn or_by(self, text: &str) -> Self {
        match Self::by_text(text) {
            Some(Self::ProcessCompose) if self == Self::Compose => Self::ProcessCompose,
            _ => self,
        }
    }

    fn by_text(text: &str) -> Option<Self> {
        text.lines().find_map(|line| match line.trim_end() {
            "services:" => Some(Self::Compose),
            "processes:" => Some(Self::ProcessCompose),
            "procs:" => Some(Self::Mprocs),
            "apps:" => Some(Self::Pm2),
            line if line.starts_with("[program:") => Some(Self::Supervisord),
            _ => None,
        })
    }

    /// The heading of this tool on the page on coming from another one.
    pub fn title(self) -> &'static str {
        match self {
            Self::Compose => "docker compose",
            Self::ProcessCompose => "process-compose",
            Self::Mprocs => "mprocs",
            Self::Pm2 => "pm2",
            Self::Supervisord => "supervisord",
            Self::PackageJson => "concurrently",
            Self::Foreman => "foreman",
        }
    }

    /// Whether a file of this name is a program.
    pub fn is_program(path: &Path) -> bool {
        path.extension()
            .is_some_and(|ending| ["js", "cjs", "mjs", "ts"].iter().any(|js| ending == *js))
    }
}

/// What the user has chosen.
#[derive(Debug, Default)]
pub struct ImportOptions {
    /// Of a compose file: the services whose commands run here instead of in a container.
    pub local: LocalServices,
    /// The file that the result goes to, if it is not beside the source.
    pub output: Option<PathBuf>,
    /// Of a package.json: the scripts that are taken; if empty, those that start something.
    pub scripts: Vec<String>,
}

/// Which services of a compose file run here instead of in a container.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum LocalServices {
    #[default]
    None,
    /// All that are built from this project, or have a command and no image.
    Built,
    /// These.
    Named(Vec<String>),
}

/// The most processes that a source may have.
pub(super) const MOST_PROCESSES: usize = 2000;

/// Why nothing can be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A source can't be read.
    #[error("{file}: {source}")]
    Read {
        /// The file, as it is shown.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A source is not as its tool wants it.
    #[error("{place}: {why}")]
    Mistake {
        /// Where.
        place: SourcePlace,
        /// What is wrong there.
        why: String,
    },
    /// A source has no processes.
    #[error("{file} has nothing to run: {why}")]
    Empty {
        /// The file, as it is shown.
        file: String,
        /// What was looked for.
        why: String,
    },
    /// A source is a program, which is not run unasked.
    #[error(
        "{file} is a program, which tmo does not run unasked; `--run-js` runs it with node, or write its value as JSON: \
         `node -p 'JSON.stringify(require(\"./{file}\"))' >ecosystem.json`"
    )]
    Program {
        /// The file, as it is shown.
        file: String,
    },
}
