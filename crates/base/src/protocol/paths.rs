//! The paths of the files of one process in the runtime directory.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::model::{LifeId, ProcName};

/// The files of one process in the runtime directory (`<runtime>/p/<slug>.*`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PanePaths {
    base: PathBuf,
}

impl PanePaths {
    /// The files of `name` below this runtime directory.
    pub fn new(runtime: &Path, name: &ProcName) -> Self {
        Self::of_slug(runtime, &name.slug())
    }

    /// The files of the process with this name in file names.
    pub fn of_slug(runtime: &Path, slug: &str) -> Self {
        Self { base: runtime.join("p").join(slug) }
    }

    /// The files next to this spec file.
    pub fn beside(spec: &Path) -> Self {
        Self { base: spec.with_extension("") }
    }

    fn with(&self, ending: &str) -> PathBuf {
        let mut path = self.base.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    /// The process, as it is in file names.
    pub fn slug(&self) -> String {
        self.base.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The desired state, replaced by rename ([`super::spec::Spec`]).
    pub fn spec(&self) -> PathBuf {
        self.with(".spec")
    }

    /// The events of its lives, appended by the shim ([`super::life`]).
    pub fn life(&self) -> PathBuf {
        self.with(".life")
    }

    /// The bell: a FIFO that sink and shim write to, and the supervisor reads.
    pub fn bell(&self) -> PathBuf {
        self.with(".fifo")
    }

    /// Locked (`flock`) by the one sink that may append to the stream.
    pub fn sink_lock(&self) -> PathBuf {
        self.with(".sink-lock")
    }

    /// The socket of the holder of its terminal, if the terminal is tmo's own. It has a short name of its own: the path
    /// of a socket is limited to about 100 bytes, and the name of a process may be long.
    pub fn terminal(&self) -> PathBuf {
        let name = self.short_name();
        let runtime = self.base.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        terminals_dir(runtime).join(name)
    }

    fn short_name(&self) -> String {
        let hash = Sha256::digest(self.slug());
        format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
    }

    /// The socket to which a life reports, with a short name as that of the terminal. Each life has its own: what is
    /// left of an earlier one can't report for a later one.
    pub fn notify(&self, life: LifeId) -> PathBuf {
        self.base.with_file_name(format!("{}.{life}.notify", self.short_name()))
    }

    /// The last status that the process has reported ([`super::notify::ReportedStatus`]).
    pub fn status(&self) -> PathBuf {
        self.with(".status")
    }

    /// A script with the command, if that is too long for an argument.
    pub fn script(&self) -> PathBuf {
        self.with(".sh")
    }
}

/// The directory of the sockets of terminals.
pub fn terminals_dir(runtime: &Path) -> PathBuf {
    runtime.join("t")
}

/// The directory that takes the newest output while the disk of the journal is full.
pub fn spill_dir(runtime: &Path) -> PathBuf {
    runtime.join("spill")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::PanePaths;
    use crate::model::ProcName;

    #[test]
    fn the_spec_leads_to_its_neighbours() {
        let paths = PanePaths::new(Path::new("/run/x"), &ProcName::new("web#2").unwrap());
        assert_eq!(paths.spec(), Path::new("/run/x/p/web.2.spec"));
        assert_eq!(PanePaths::beside(&paths.spec()), paths);
        assert_eq!(paths.bell(), Path::new("/run/x/p/web.2.fifo"));
    }
}
