//! The directory of a project's apps.
//!
//! | entry | content |
//! |---|---|
//! | `apps.toml` | the apps ([`Manifest`]) |
//! | `NAME/` | the files of an app |
//! | `.in-*` | an archive that is being received; the receiver holds a lock on it |
//! | `.new-*` | an archive that is being unpacked |
//! | `.change` | a committed change, which may have been applied in part |
//! | `.old-*` | replaced files |
//! | `.kept-NAME/` | the files of the previous version, until the update is installed |
//! | `.lock` | the lock that each change of the directory holds |
//!
//! Writing the file `.change` commits a change. Before, nothing has changed; afterwards, the change is applied, if
//! necessary when the store is opened the next time. A program that is killed at any step thus leaves either the
//! complete old version or the complete new one.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::kind::AppKind;
use super::manifest::{App, InstallState, Manifest, process_name};
use super::zip::{Archive, MAC_METADATA, ZipError, is_path};
use crate::sys::{self, clock, files, why_at};

const MANIFEST: &str = "apps.toml";
const CHANGE: &str = ".change";
const LOCK: &str = ".lock";
const INCOMING: &str = ".in-";
const NEW: &str = ".new-";
const OLD: &str = ".old-";
const KEPT: &str = ".kept-";
/// The suffix of a file that is being written.
const PART: &str = ".part";

/// Why apps can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The archive is refused.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// The name is not valid for an app.
    #[error("`{name}` can't be the name of an app: {why}")]
    Name {
        name: String,
        /// The cause.
        why: String,
    },
    /// The app exists already.
    #[error("there is an app `{0}` already; update it, or choose another name")]
    Exists(String),
    /// The app does not exist.
    #[error("there is no app `{0}`; `tmo app list` shows all")]
    Absent(String),
    /// The script is not a valid path.
    #[error("`{0}` is not a path in the archive; name the program to run, for instance main.py")]
    Script(String),
    /// The archive does not contain the script.
    #[error(
        "the archive does not contain `{script}`; choose the program to run{}",
        example_of(files)
    )]
    NoScript {
        script: String,
        /// Some of its files that may be programs.
        files: String,
    },
    /// `apps.toml` is damaged.
    #[error("{}: {why}; remove the file, and add the apps again", path.display())]
    Manifest {
        path: PathBuf,
        /// The cause.
        why: String,
    },
    /// The directory belongs to another user, or other users have access to it.
    #[error("{} is not a directory that only you can use; remove it, or `chmod 700` it", .0.display())]
    Open(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {}", path.display(), why_at(path, source))]
    Io {
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

fn example_of(files: &str) -> String {
    if files.is_empty() { String::new() } else { format!(", for example of {files}") }
}

/// The program of an app whose archive names no other.
pub const USUAL_SCRIPT: &str = "main.py";

/// The content of `.change`.
#[derive(Debug, Serialize, Deserialize)]
struct PendingChange {
    /// The name of the app.
    name: String,
    dir: String,
    /// The directory with the new files; `None`: the app is removed.
    fresh: Option<String>,
    /// The directory to which the old files are moved.
    old: String,
    /// The new settings; `None`: the app is removed.
    app: Option<App>,
}

/// The directory, locked for changes.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Released when it is closed.
    _lock: File,
}

/// An archive that is being received. The file is removed when this is dropped.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
    /// The lock on it shows other programs that it is still in use.
    file: File,
}

impl Incoming {
    /// Create the file in the directory of the apps.
    pub fn create(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(unique(INCOMING)?);
        // Leftovers are removed only with the lock of the store, so hold it until the file is locked.
        let _store = Store::open(dir)?;
        files::create_new(&path).map_err(io_at(&path))?;
        let file = files::open_to_read_and_write(&path).map_err(io_at(&path))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| io_at(&path)(error.into()))?;
        Ok(Self { path, file })
    }

    /// A handle for reading from the beginning.
    pub fn reader(&self) -> Result<File, StoreError> {
        let mut file = self.file.try_clone().map_err(io_at(&self.path))?;
        file.rewind().map_err(io_at(&self.path))?;
        Ok(file)
    }

    /// A handle for writing.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A unique name.
fn unique(prefix: &str) -> Result<String, StoreError> {
    let mut random = [0; 8];
    sys::random(&mut random).map_err(io_at(Path::new("/dev/urandom")))?;
    Ok(format!("{prefix}{:016x}", u64::from_le_bytes(random)))
}

/// The apps in this directory; none if it does not exist. An interrupted change is completed.
pub fn read_manifest(dir: &Path) -> Result<Manifest, StoreError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
        // `tmo start` reports which user owns the state directory.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_in_foreign(dir) => {
            return Ok(Manifest::default());
        }
        entries => entries.map_err(io_at(dir))?,
    };
    check_private(dir)?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    if names.any(|name| [CHANGE, INCOMING, NEW, OLD].iter().any(|p| name.starts_with(p))) {
        return Store::open(dir)?.manifest();
    }
    manifest(dir)
}

/// Whether the nearest accessible directory above this one belongs to another user.
fn is_in_foreign(dir: &Path) -> bool {
    let owner = dir.ancestors().skip(1).find_map(|above| Some(above.metadata().ok()?.uid()));
    owner.is_some_and(|owner| !sys::is_own_uid(owner))
}

/// The file in this directory that lists the apps.
pub fn manifest_path(dir: &Path) -> PathBuf {
    dir.join(MANIFEST)
}

fn manifest(dir: &Path) -> Result<Manifest, StoreError> {
    let path = manifest_path(dir);
    let bytes = files::if_there(files::read_plain(&path)).map_err(io_at(&path))?;
    let Some(bytes) = bytes else { return Ok(Manifest::default()) };
    let text = String::from_utf8(bytes).map_err(|_| StoreError::Manifest {
        path: path.clone(),
        why: "it is not valid UTF-8".to_owned(),
    })?;
    Manifest::parse(&text, &path)
}

/// Refuse a directory in which others could put programs.
fn check_private(dir: &Path) -> Result<(), StoreError> {
    let found = dir.symlink_metadata().map_err(io_at(dir))?;
    let is_ours = sys::is_own_uid(found.uid());
    let is_open = found.mode() & 0o077 != 0;
    if !found.is_dir() || !is_ours || is_open {
        return Err(StoreError::Open(dir.to_owned()));
    }
    Ok(())
}

impl Store {
    /// Open the directory for a change; create it if it is missing, and clean it up. Waits for the lock.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        files::make_dirs(dir).map_err(io_at(dir))?;
        check_private(dir)?;
        let path = dir.join(LOCK);
        let lock = files::make_lock(&path).map_err(io_at(&path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| io_at(&path)(error.into()))?;
        let store = Self { dir: dir.to_owned(), _lock: lock };
        store.tidy()?;
        Ok(store)
    }

    /// The apps.
    pub fn manifest(&self) -> Result<Manifest, StoreError> {
        manifest(&self.dir)
    }

    /// Add an app under this name, which may contain spaces. Of `app`, only the settings count.
    pub fn add(
        &self,
        name: &str,
        app: App,
        zip: &mut (impl Read + Seek),
    ) -> Result<App, StoreError> {
        let process = process_name(name)?;
        if self.manifest()?.of_process(process.as_str()).is_some() {
            return Err(StoreError::Exists(name.to_owned()));
        }
        let (dir, version, state) = (process.into(), clock::now().nanos(), InstallState::New);
        let app = App { dir, version, state, previous: None, restored: false, ..app };
        self.put(name.to_owned(), app, unique(OLD)?, zip)
    }

    /// Replace the files of an app; its settings stay. Files that are installed are kept, to be put back if the
    /// new ones can't be.
    pub fn update(&self, name: &str, zip: &mut (impl Read + Seek)) -> Result<App, StoreError> {
        let (name, app) = self.named_app(name)?;
        let version = clock::now().nanos().max(app.version.saturating_add(1));
        let (previous, old) = match app.state {
            InstallState::Installed => (Some(app.version), kept(&app.dir)),
            InstallState::New => (app.previous, unique(OLD)?),
        };
        let state = InstallState::New;
        let app = App { state, version, previous, restored: false, ..app };
        self.put(name, app, old, zip)
    }

    /// Remove an app and its files.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let (name, app) = self.named_app(name)?;
        self.decide(&PendingChange {
            name,
            dir: app.dir,
            fresh: None,
            old: unique(OLD)?,
            app: None,
        })
    }

    /// Note that this version of the app in this directory is installed.
    pub fn set_installed(&self, dir: &str, version: u64) -> Result<(), StoreError> {
        let mut manifest = self.manifest()?;
        for app in manifest.apps.values_mut() {
            if app.dir == dir && app.version == version {
                app.state = InstallState::Installed;
                (app.previous, app.restored) = (None, false);
            }
        }
        self.write(&manifest)?;
        self.remove_leftovers()
    }

    /// Put the version before back, as this version of the app in this directory can't be installed; false if
    /// there is none.
    pub fn restore(&self, dir: &str, version: u64) -> Result<bool, StoreError> {
        let (name, app) = self.named_app(dir)?;
        let is_it = app.version == version && app.state == InstallState::New;
        let Some(previous) = app.previous.filter(|_| is_it) else { return Ok(false) };
        let (fresh, state) = (Some(kept(dir)), InstallState::Installed);
        let app = App { state, version: previous, previous: None, restored: true, ..app };
        let dir = app.dir.clone();
        self.decide(&PendingChange { name, dir, fresh, old: unique(OLD)?, app: Some(app) })?;
        Ok(true)
    }

    /// The app with this name or this process name.
    fn named_app(&self, name: &str) -> Result<(String, App), StoreError> {
        let manifest = self.manifest()?;
        let (name, app) = manifest.named_app(name)?;
        Ok((name.clone(), app.clone()))
    }

    /// Replace the files of an app by those of an archive; the old files are moved to `old`.
    fn put(
        &self,
        name: String,
        app: App,
        old: String,
        zip: &mut (impl Read + Seek),
    ) -> Result<App, StoreError> {
        if !is_path(&app.script) {
            return Err(StoreError::Script(app.script));
        }
        let archive = Archive::parse(zip)?;
        if !archive.files().any(|file| file == app.script) {
            let files: Vec<_> = archive.files().filter(|file| !is_hidden(file)).take(5).collect();
            return Err(StoreError::NoScript { script: app.script, files: files.join(", ") });
        }
        let fresh = unique(NEW)?;
        let dir = self.dir.join(&fresh);
        archive.unpack(zip, &dir)?;
        if AppKind::in_dir(&dir, &app.script) == AppKind::Executable {
            // Archives made on other systems may have no modes.
            let path = dir.join(&app.script);
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, executable).map_err(io_at(&path))?;
        }
        let dir = app.dir.clone();
        self.decide(&PendingChange { name, dir, fresh: Some(fresh), old, app: Some(app.clone()) })?;
        Ok(app)
    }

    /// Commit a change, and apply it.
    fn decide(&self, change: &PendingChange) -> Result<(), StoreError> {
        let path = self.dir.join(CHANGE);
        let text = serde_json::to_vec(change).map_err(|error| io_at(&path)(error.into()))?;
        replace(&path, &text)?;
        self.carry_out(change)?;
        self.remove_leftovers()
    }

    /// Apply a change, which may have been applied in part already.
    fn carry_out(&self, change: &PendingChange) -> Result<(), StoreError> {
        let place = self.dir.join(&change.dir);
        let rename =
            |from: &Path, to: &Path| files::if_there(fs::rename(from, to)).map_err(io_at(from));
        let fresh = change.fresh.as_ref().map(|fresh| self.dir.join(fresh));
        // Once the new files are in place, the old ones have been moved already.
        if fresh.as_ref().is_none_or(|fresh| fresh.exists()) {
            rename(&place, &self.dir.join(&change.old))?;
        }
        if let Some(fresh) = fresh {
            rename(&fresh, &place)?;
        }
        let mut manifest = self.manifest()?;
        match &change.app {
            Some(app) => manifest.apps.insert(change.name.clone(), app.clone()),
            None => manifest.apps.remove(&change.name),
        };
        self.write(&manifest)?;
        let path = self.dir.join(CHANGE);
        fs::remove_file(&path).map_err(io_at(&path))
    }

    fn write(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let path = manifest_path(&self.dir);
        replace(&path, manifest.to_text(&path)?.as_bytes())
    }

    /// Complete an interrupted change, and remove leftovers.
    fn tidy(&self) -> Result<(), StoreError> {
        let path = self.dir.join(CHANGE);
        let bytes = files::if_there(files::read_plain(&path)).map_err(io_at(&path))?;
        match bytes.map(|bytes| serde_json::from_slice::<PendingChange>(&bytes)) {
            None => {}
            Some(Ok(change)) if is_own(&change) => self.carry_out(&change)?,
            // Not a change that tmo has written.
            Some(_) => fs::remove_file(&path).map_err(io_at(&path))?,
        }
        self.remove_leftovers()
    }

    /// Whether an app needs these files of its previous version. If that is not known, they are kept.
    fn is_kept(&self, name: &str) -> bool {
        let needs = |app: &App| app.previous.is_some() && kept(&app.dir) == name;
        self.manifest().map_or(true, |manifest| manifest.apps.values().any(needs))
    }

    /// Remove files and directories that are no longer needed.
    fn remove_leftovers(&self) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.dir).map_err(io_at(&self.dir))?.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let is_old = name.starts_with(OLD) || name.starts_with(KEPT) && !self.is_kept(&name);
            if name.starts_with(NEW) || is_old {
                fs::remove_dir_all(&path).map_err(io_at(&path))?;
            } else if [CHANGE, MANIFEST].iter().any(|file| name == format!("{file}{PART}"))
                || name.starts_with(INCOMING) && is_abandoned(&path)
            {
                fs::remove_file(&path).map_err(io_at(&path))?;
            }
        }
        Ok(())
    }
}

/// The directory for the files of the previous version.
fn kept(dir: &str) -> String {
    format!("{KEPT}{dir}")
}

/// Whether the names in a change have the form that tmo uses.
fn is_own(change: &PendingChange) -> bool {
    let is_plain = |name: &str, prefix: &str| name.starts_with(prefix) && !name.contains('/');
    process_name(&change.name).is_ok_and(|process| process.as_str() == change.dir)
        && change
            .fresh
            .as_ref()
            .is_none_or(|fresh| is_plain(fresh, NEW) || *fresh == kept(&change.dir))
        && (is_plain(&change.old, OLD) || change.old == kept(&change.dir))
        && change.app.as_ref().is_none_or(|app| app.dir == change.dir)
}

/// Whether no program is writing an archive into this file.
fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = files::open_plain(path) else { return true };
    flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Replace a file atomically.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(PART);
    let fresh = PathBuf::from(fresh);
    let write = || {
        let mut file = files::create_anew(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(io_at(path))
}

/// Whether it is a file that a system puts beside programs.
fn is_hidden(file: &str) -> bool {
    file.split('/').any(|part| part.starts_with('.') || part == MAC_METADATA)
}

#[cfg(test)]
mod tests;
