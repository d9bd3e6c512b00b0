//! The directories of an instance: one with the lifetime of a run, and one that outlives it.
//!
//! - Runtime (lock, plan, FIFOs): `$XDG_RUNTIME_DIR/tmo/<id>`, else `tmo-<uid>/<id>` in the
//!   temporary directory. Short, because paths of sockets are limited to some 100 bytes.
//! - State (journal): `$XDG_STATE_HOME/tmo/<title>-<id>`, else `~/.local/state/tmo/<title>-<id>`.
//!
//! Both are private to the user, so they are checked, not just created: in a shared temporary directory
//! another user may have created them first.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::paths::session_name;
use crate::config::Env;
use crate::sys::{self, files, why};

/// A directory that is not safe to use for a run.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// It could not be created or inspected.
    #[error("can't create {}: {}; make its parent writable, or set XDG_RUNTIME_DIR or TMPDIR",
        path.display(), why(source))]
    Create { path: PathBuf, source: io::Error },
    /// It is a file or a symbolic link.
    #[error("{} is not a directory (or is a link to one); remove it and try again", path.display())]
    NoDirectory { path: PathBuf },
    /// It belongs to another user.
    #[error(
        "{} belongs to user {owner}, not to you; set XDG_RUNTIME_DIR or TMPDIR to a directory of your own, \
         or have root remove it", path.display()
    )]
    Owner { path: PathBuf, owner: u32 },
    /// The files that outlive a run would be among those of another user.
    #[error("{} belongs to user {owner}, not to you (user {user}), and nothing is written there: start as \
        user {owner}, or set {variable} to a directory of your own", path.display())]
    State { path: PathBuf, owner: u32, user: u32, variable: &'static str },
    /// Other users have access.
    #[error("{} is open to other users (mode {mode:03o}); `chmod 700 {}` closes it",
        path.display(), path.display())]
    Mode { path: PathBuf, mode: u32 },
}

/// What tells an instance from all others, and where its files are. What it is made of, today the path of the control
/// socket, is known to its constructor only, so that nothing else depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// 10 hex digits, the same for every spelling of the path of the socket's directory. Where other machines see the
    /// state directory, each has an id of its own.
    pub id: String,
    /// The runtime directory, whether it exists or not; its content is not to be trusted.
    pub runtime: PathBuf,
    /// The record of its last run.
    pub last_run: PathBuf,
}

impl Identity {
    /// The instance of this control socket.
    pub fn of_socket(env: &Env, socket: &Path) -> Self {
        let of_path = short_hash(&[&real_parent(socket)]);
        let (state, runtime) = (state_base(env), runtime_base(env));
        let id = on_machine(&state, of_path.clone());
        let last_run = state.join("last-run").join(&id);
        Self { runtime: runtime.join(on_machine(&runtime, of_path)), last_run, id }
    }

    /// The name of the runtime directory. The ids of its runs begin with it, and the name of its tmux server ends with
    /// it: by these, what is alive of a run is found without its files.
    pub fn name(&self) -> &str {
        self.runtime.file_name().and_then(OsStr::to_str).unwrap_or(&self.id)
    }

    /// The runtime directory, for a command that trusts its content: one that others could have created is refused.
    pub fn trusted_runtime(&self) -> Result<&Path, DirError> {
        let base = self.runtime.parent().unwrap_or(&self.runtime);
        for path in [base, &self.runtime] {
            match path.symlink_metadata() {
                Ok(found) => check_private(path, &found)?,
                // It does not exist, so there is nothing to trust.
                Err(_) => break,
            }
        }
        Ok(&self.runtime)
    }

    /// Create the runtime directory, and its parent.
    pub fn make_runtime(&self) -> Result<&Path, DirError> {
        /// Runs that end remove the empty parent, each of them once, so creating it may need retries.
        const MOST_TRIES: u32 = 100;
        make_private_dir(self.runtime.parent().unwrap_or(&self.runtime))?;
        for _ in 1..MOST_TRIES {
            match make_private_dir(&self.runtime) {
                Err(DirError::Create { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                made => return made.map(|()| &*self.runtime),
            }
        }
        make_private_dir(&self.runtime).map(|()| &*self.runtime)
    }
}

/// The id of the files that a project keeps between runs: 10 hex digits of root and socket, and of the machine where
/// others see the state directory.
pub(in crate::config) fn state_id(env: &Env, root: &Path, socket: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    on_machine(&state_base(env), short_hash(&[&root, &real_parent(socket)]))
}

/// An id for the name of something in `dir`: where other machines see that directory, another one on each.
pub fn on_machine(dir: &Path, id: String) -> String {
    if sys::is_shared(dir) { short_hash(&[Path::new(&id), Path::new(sys::machine())]) } else { id }
}

/// The Unix socket that stands in for a TCP address, among the runtime directories. If the address means a
/// different run in each directory, `dir` is part of the name.
pub fn tcp_stand_in(env: &Env, network: &str, address: &str, dir: Option<&Path>) -> PathBuf {
    let dir = dir.map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.to_owned()));
    let parts: Vec<&Path> =
        [Path::new(network), Path::new(address)].into_iter().chain(dir.as_deref()).collect();
    runtime_base(env).join(short_hash(&parts) + ".tcp")
}

/// The control socket of the `number`th run of a command of this name that was started in `dir`.
pub fn command_socket(env: &Env, dir: &Path, name: &str, number: u32) -> PathBuf {
    let number = if number == 1 { String::new() } else { format!("-{number}") };
    let name = &name[..name.len().min(16)];
    runtime_base(env).join(format!("{name}{}{number}.cmd", command_mark(dir)))
}

/// The control sockets of the runs of commands that were started in `dir`, dead ones included.
pub fn command_sockets(env: &Env, dir: &Path) -> Vec<PathBuf> {
    let base = runtime_base(env);
    let mark = command_mark(dir);
    let is_of_dir = |name: &str| name.strip_suffix(".cmd").is_some_and(|name| name.contains(&mark));
    let entries = if is_private(&base) { std::fs::read_dir(&base).ok() } else { None };
    let paths = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut sockets: Vec<_> = paths
        .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(is_of_dir))
        .collect();
    sockets.sort();
    sockets
}

/// What the sockets of commands that were started in this directory have in their names.
fn command_mark(dir: &Path) -> String {
    format!("-{}", short_hash(&[&files::resolved(dir)]))
}

/// The file that names the control socket of the last command that was started in `dir`.
pub fn last_command(env: &Env, dir: &Path) -> PathBuf {
    let base = state_base(env);
    let id = on_machine(&base, short_hash(&[&files::resolved(dir)]));
    base.join(format!("last-run/command-{id}"))
}

/// Where `tmo fleet apply` puts the `tmo.toml` of a directory that has none of its own.
pub fn applied_file(env: &Env, dir: &Path) -> PathBuf {
    let base = state_base(env);
    let dir = files::resolved(dir);
    let title = dir.file_name().unwrap_or_default().to_string_lossy();
    let id = on_machine(&base, short_hash(&[&dir]));
    base.join("fleet").join(state_name(&title, &id)).join("tmo.toml")
}

/// The path with its directory resolved. The last part is not: a socket may itself be a link.
pub fn real_parent(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    let (Some(parent), Some(name)) = (parent, path.file_name()) else { return path };
    parent.join(name)
}

/// FNV-1a (64 bits) over the paths, each followed by a NUL, folded to 40 bits.
fn short_hash(paths: &[&Path]) -> String {
    let bytes = paths.iter().flat_map(|path| path.as_os_str().as_bytes().iter().chain(&[0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{:010x}", (hash >> 40) ^ (hash & 0xff_ffff_ffff))
}

/// The directory of all runtime directories of this user. Its parents are resolved, so that every spelling
/// gives the same path; the directory itself must not be a link.
pub fn runtime_base(env: &Env) -> PathBuf {
    let uid = nix::unistd::geteuid().as_raw();
    let ours =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_dir() && found.uid() == uid);
    if let Some(dir) = env.caller_dir("XDG_RUNTIME_DIR").filter(ours) {
        return files::resolved(&dir).join("tmo");
    }
    let dir = env.caller_dir("TMPDIR").unwrap_or_else(|| "/tmp".into());
    files::resolved(&dir).join(format!("tmo-{uid}"))
}

/// Whether a directory named in an answer on a socket can be a runtime directory of this user: it is where
/// tmo creates them, in this session or in another one of the same user, and neither it nor its parent is
/// open to others.
///
/// Anything else may have been created by the process that answers: for instance by a container that shares
/// the directory of the project.
pub fn is_runtime_dir(env: &Env, path: &Path) -> bool {
    let uid = nix::unistd::geteuid().as_raw();
    let temporary = env.caller_dir("TMPDIR");
    let bases = [
        runtime_base(env),
        PathBuf::from(format!("/run/user/{uid}/tmo")),
        temporary.unwrap_or_else(|| "/tmp".into()).join(format!("tmo-{uid}")),
        PathBuf::from(format!("/tmp/tmo-{uid}")),
    ];
    let bases = bases.map(|base| parent_resolved(&base));
    let name = path.file_name().unwrap_or_default().as_bytes();
    !name.is_empty()
        && name.iter().all(u8::is_ascii_hexdigit)
        && path
            .parent()
            .is_some_and(|parent| bases.iter().any(|base| base == parent) && is_private(parent))
        && is_private(path)
}

/// The path with its parents resolved; its last part is kept, even if it is a link.
fn parent_resolved(path: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.into() };
    files::resolved(parent).join(name)
}

/// Whether a directory from another source belongs to this user and is closed to others.
pub fn is_private(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| check_private(path, &found).is_ok())
}

/// The state directory of a project.
pub fn state_dir(env: &Env, title: &str, id: &str) -> PathBuf {
    state_base(env).join(state_name(title, id))
}

/// The directory of all state directories of this user; without a home, one beside the runtime directories.
pub fn state_base(env: &Env) -> PathBuf {
    match env.caller_dir_or("XDG_STATE_HOME", ".local/state") {
        Some(dir) => dir.join("tmo"),
        None => runtime_base(env).join("state"),
    }
}

/// Refuse state directories of another user, also for root (`sudo -E tmo start`): the owner could not read
/// the files that this user would leave there. A missing directory becomes this user's.
pub fn refuse_state_of_others(env: &Env, log: &Path) -> Result<(), DirError> {
    let (base, user) = (state_base(env), nix::unistd::geteuid().as_raw());
    for dir in [&*base, log] {
        let owner = dir.metadata().map_or(user, |found| found.uid());
        if owner != user {
            let below = dir.starts_with(&base);
            let variable = if below { "XDG_STATE_HOME" } else { "TMO_LOG_DIR" };
            return Err(DirError::State { path: dir.to_owned(), owner, user, variable });
        }
    }
    Ok(())
}

/// The last part of a state directory: readable, and safe whatever characters the title contains.
pub fn state_name(title: &str, id: &str) -> String {
    let name = session_name(title);
    format!("{}-{id}", name[..name.len().min(32)].trim_matches('-'))
}

/// Create a directory for this user only (and its missing parents), or check that the existing one is such
/// a directory.
pub fn make_private_dir(path: &Path) -> Result<(), DirError> {
    let failed = |source| DirError::Create { path: path.to_owned(), source };
    match files::make_dirs(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    check_private(path, &path.symlink_metadata().map_err(failed)?)
}

/// Refuse a directory that others may enter; restore the owner's access.
fn check_private(path: &Path, found: &std::fs::Metadata) -> Result<(), DirError> {
    let path = path.to_owned();
    let mode = found.mode() & 0o777;
    // Check the owner first: in a sticky directory such as /tmp only the owner and root can remove the
    // directory, so advice to remove it would not help.
    if found.uid() != nix::unistd::geteuid().as_raw() {
        Err(DirError::Owner { path, owner: found.uid() })
    } else if !found.is_dir() {
        Err(DirError::NoDirectory { path })
    } else if mode & 0o077 != 0 {
        Err(DirError::Mode { path, mode })
    } else if mode & 0o700 != 0o700 {
        // A process of the run can remove this access; without it the run could not be ended.
        let source = std::fs::set_permissions(&path, Permissions::from_mode(0o700));
        source.map_err(|source| DirError::Create { path, source })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};

    use super::{
        DirError, Identity, is_runtime_dir, make_private_dir, runtime_base, short_hash, state_dir,
        state_id,
    };
    use crate::config::Env;
    use crate::model::ProcName;
    use crate::protocol::paths::PanePaths;

    fn instance_id(env: &Env, socket: &Path) -> String {
        Identity::of_socket(env, socket).id
    }

    fn find_runtime_dir(env: &Env, socket: &Path) -> Result<PathBuf, DirError> {
        Identity::of_socket(env, socket).trusted_runtime().map(Path::to_owned)
    }

    fn make_runtime_dir(env: &Env, socket: &Path) -> Result<PathBuf, DirError> {
        Identity::of_socket(env, socket).make_runtime().map(Path::to_owned)
    }

    #[test]
    fn access_that_was_taken_away_from_its_owner_is_given_back() {
        let base = tempfile::tempdir().unwrap();
        let env = Env::of([("XDG_RUNTIME_DIR", base.path())]);
        let socket = base.path().join("app.sock");
        let dir = make_runtime_dir(&env, &socket).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(find_runtime_dir(&env, &socket).unwrap(), dir);
        assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn ids_do_not_change_between_versions() {
        assert_eq!(short_hash(&[Path::new("/srv/app/.overmind.sock")]), "3499207533");
        assert_ne!(short_hash(&[Path::new("/a"), Path::new("b")]), short_hash(&[Path::new("/ab")]));
    }

    #[test]
    fn one_directory_has_one_id() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        symlink(&real, dir.path().join("link")).unwrap();
        let via = |name: &str| dir.path().join(name).join("s");
        let env = Env::of([("HOME", dir.path())]);
        let (instance, state) = (
            |socket: &Path| instance_id(&env, socket),
            |root: &Path, socket: &Path| state_id(&env, root, socket),
        );
        assert_eq!(instance(&via("real")), instance(&via("link")));
        assert_eq!(state(&real, &via("real")), state(&dir.path().join("link"), &via("link")));
        assert_ne!(instance(&real.join("s")), instance(&real.join("t")));
        assert_ne!(instance(&real.join("s")), state(&real, &real.join("s")));
    }

    #[test]
    fn the_runtime_directory_follows_the_session() {
        let dir = tempfile::tempdir().unwrap();
        let uid = dir.path().metadata().unwrap().uid();
        let path = dir.path().to_str().unwrap();
        assert_eq!(runtime_base(&Env::of([("XDG_RUNTIME_DIR", path)])), dir.path().join("tmo"));
        let fallback = Path::new("/tmp").join(format!("tmo-{uid}"));
        for missing in ["relative", "", "/nonexistent/x"] {
            assert_eq!(runtime_base(&Env::of([("XDG_RUNTIME_DIR", missing)])), fallback);
        }
        let temp = Env::of([("TMPDIR", path)]);
        assert_eq!(runtime_base(&temp), dir.path().join(format!("tmo-{uid}")));
    }

    #[test]
    fn every_spelling_of_the_session_gives_the_same_runtime_directory() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap().join("run");
        std::fs::create_dir(&real).unwrap();
        symlink(&real, dir.path().join("link")).unwrap();
        let env = |name: &str| Env::of([("XDG_RUNTIME_DIR", dir.path().join(name))]);
        let socket = dir.path().join("app.sock");
        let made = make_runtime_dir(&env("link"), &socket).unwrap();
        for name in ["run", "link", "run/.", "/run", "link/../run/"] {
            let name =
                if name == "/run" { format!("{}//run", dir.path().display()) } else { name.into() };
            assert_eq!(find_runtime_dir(&env(&name), &socket).unwrap(), made, "{name}");
        }
        assert_eq!(made.parent().unwrap(), real.join("tmo"));
        // The directory itself must not be a link, unlike its parents.
        std::fs::rename(real.join("tmo"), real.join("moved")).unwrap();
        symlink(real.join("moved"), real.join("tmo")).unwrap();
        assert!(matches!(
            find_runtime_dir(&env("run"), &socket),
            Err(DirError::NoDirectory { .. })
        ));
        assert!(!is_runtime_dir(&env("run"), &made));
    }

    #[test]
    fn paths_stay_short() {
        // The longest usual bases: systemd's, and macOS's per-user temporary directory.
        let mac = format!("/var/folders/zz/{}/T/tmo-2147483647", "z".repeat(30));
        let name = ProcName::new("a-rather-long-name#100").unwrap();
        for base in ["/run/user/4294967295/tmo", mac.as_str()] {
            let runtime =
                Path::new(base).join(instance_id(&Env::default(), Path::new("/x/.overmind.sock")));
            assert!(runtime.join("socket").as_os_str().len() < 104, "{}", runtime.display());
            let bell = PanePaths::new(&runtime, &name).bell();
            assert!(bell.as_os_str().len() < 140, "{}", bell.display());
        }
    }

    #[test]
    fn state_outlives_a_run_where_there_is_a_home() {
        let at =
            |pairs: &[(&str, &str)]| state_dir(&Env::of(pairs.iter().copied()), "A b/", "0123");
        assert_eq!(at(&[("HOME", "/h")]), Path::new("/h/.local/state/tmo/a-b-0123"));
        let both = [("HOME", "/h"), ("XDG_STATE_HOME", "/s")];
        assert_eq!(at(&both), Path::new("/s/tmo/a-b-0123"));
        let without = at(&[("TMPDIR", "/nonexistent")]);
        assert!(without.starts_with("/nonexistent") && without.ends_with("state/a-b-0123"));
    }

    #[test]
    fn a_private_directory_is_made_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::of([("TMPDIR", dir.path())]);
        let socket = dir.path().join("s");
        let made = make_runtime_dir(&env, &socket).unwrap();
        assert_eq!(made, Identity::of_socket(&env, &socket).runtime);
        assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(made.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
        make_runtime_dir(&env, &socket).unwrap();
        assert_eq!(find_runtime_dir(&env, &socket).unwrap(), made);

        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(find_runtime_dir(&env, &socket), Err(DirError::Mode { .. })));
        let error = make_private_dir(&made).unwrap_err();
        assert!(matches!(error, DirError::Mode { mode: 0o755, .. }), "{error}");
        assert!(error.to_string().contains("chmod 700"));
    }

    #[test]
    fn a_runtime_directory_lies_where_they_are_made() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::of([("TMPDIR", dir.path())]);
        let made = make_runtime_dir(&env, &dir.path().join("s")).unwrap();
        assert!(is_runtime_dir(&env, &made));
        let elsewhere = dir.path().join("project/0123456789");
        make_private_dir(&elsewhere).unwrap();
        assert!(!is_runtime_dir(&env, &elsewhere), "private, but anywhere");
        let base = made.parent().unwrap();
        for (inside, path) in [
            ("a link", base.join("abcdef0123")),
            ("below one", made.join("p")),
            ("by a way around", base.join("../project/0123456789")),
            ("itself", base.to_owned()),
            ("above it", base.join("..")),
        ] {
            match inside {
                "a link" => symlink(&elsewhere, &path).unwrap(),
                "below one" => make_private_dir(&path).unwrap(),
                _ => {}
            }
            assert!(!is_runtime_dir(&env, &path), "{inside}");
        }
        std::fs::set_permissions(base, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!is_runtime_dir(&env, &made), "others may enter");
    }

    #[test]
    fn a_link_or_a_file_is_no_private_directory() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink(dir.path(), &link).unwrap();
        assert!(matches!(make_private_dir(&link), Err(DirError::NoDirectory { .. })));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(make_private_dir(&file), Err(DirError::NoDirectory { .. })));
        assert!(matches!(make_private_dir(&file.join("x")), Err(DirError::Create { .. })));
    }
    #[test]
    fn what_another_user_has_made_is_refused_with_what_this_user_can_do() {
        const NOBODY: Option<u32> = Some(65534);
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give files away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("tmo-0");
        for kind in ["directory", "link"] {
            if kind == "link" {
                std::fs::remove_dir(&base).unwrap();
                symlink(dir.path(), &base).unwrap();
            } else {
                std::fs::create_dir(&base).unwrap();
            }
            std::os::unix::fs::lchown(&base, NOBODY, NOBODY).unwrap();
            let env = Env::of([("TMPDIR", dir.path())]);
            let error = make_runtime_dir(&env, &dir.path().join("s")).unwrap_err().to_string();
            let todo =
                "set XDG_RUNTIME_DIR or TMPDIR to a directory of your own, or have root remove it";
            let expected = format!("{} belongs to user 65534, not to you; {todo}", base.display());
            assert_eq!(error, expected, "{kind}");
        }
    }
}
