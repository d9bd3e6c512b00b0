//! The users who log in with a name and a password, and the file with them.
//!
//! The file has no passwords, but salted Argon2id hashes. To guess passwords from a stolen file, each attempt needs
//! 19 MiB of memory and about 20 ms.
//!
//! Ends the sessions of users whose entry in the file of users has changed.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use crate::api::proof::random_hex;
use crate::config::Env;
use crate::model::text::hex::hex;
use crate::sys::files::{self, PrivateError};
use crate::web::access::Role;
use crate::web::access::proof::Secret;

/// The largest file.
const LIMIT: u64 = 1 << 20;
/// The most characters of a name.
const LONGEST_NAME: usize = 32;
/// The fewest characters of a password.
pub const SHORTEST_PASSWORD: usize = 10;
/// The most bytes of a password.
pub const LONGEST_PASSWORD: usize = 1024;
/// Memory in KiB, passes and lanes of Argon2id.
const COST: (u32, u32, u32) = (19 << 10, 2, 1);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub role: Role,
    salt: String,
    hash: String,
}

/// A user whose password was right. The entry identifies the user: a removed user who is added again, a new password
/// and a new role have another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownUser {
    pub(crate) name: String,
    /// A hash of the entry in the file.
    entry: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    pub users: Vec<User>,
}

/// Identifies the content and the mode of the file: it is another one after any change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp([u64; 3], [i64; 2]);

impl Stamp {
    /// Of the file at this path; `None` if there is none.
    pub(crate) fn new(path: &Path) -> Option<Self> {
        let found = path.symlink_metadata().ok()?;
        let id = [found.dev(), found.ino(), found.size()];
        Some(Self(id, [found.ctime(), found.ctime_nsec()]))
    }
}

/// Why users can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file can't be read, or others can read it.
    #[error(transparent)]
    File(#[from] PrivateError),
    /// The file is not valid, for example after an edit by hand.
    #[error("{} is damaged ({error}); remove it, and add the users again", path.display())]
    Damaged {
        path: PathBuf,
        /// The error of the parser.
        error: serde_json::Error,
    },
    /// The file can't be written.
    #[error("{} can't be written: {}", path.display(), crate::sys::why(source))]
    Write {
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The name is not valid.
    #[error("a name consists of 1 to {LONGEST_NAME} letters, digits and `-._`")]
    Name,
    /// The password is too short or too long.
    #[error(
        "a password has at least {SHORTEST_PASSWORD} characters and at most {LONGEST_PASSWORD} bytes"
    )]
    Password,
    /// The user exists already.
    #[error("there is a user {0} already; `tmo web user passwd {0}` changes the password")]
    Exists(String),
    /// The user does not exist.
    #[error("there is no user {0}; `tmo web user list` shows all")]
    Unknown(String),
    /// The hash can't be computed.
    #[error("the password can't be hashed: {0}")]
    Hash(String),
}

/// The file with the users of this user's web servers; `None` without a home directory.
pub fn path(env: &Env) -> Option<PathBuf> {
    Some(env.caller_dir_or("XDG_CONFIG_HOME", ".config")?.join("tmo/web-users"))
}

/// Whether this is a valid name.
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

impl Users {
    /// Read the users in this file; none if it is missing.
    pub fn load(path: &Path) -> Result<Self, UsersError> {
        let text = match files::read_private(path, LIMIT) {
            Err(error) if error.is_missing() => return Ok(Self::default()),
            read => read?,
        };
        serde_json::from_slice(&text)
            .map_err(|error| UsersError::Damaged { path: path.to_owned(), error })
    }

    /// Replace the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), UsersError> {
        let write = || crate::protocol::spec::replace(path, &serde_json::to_vec_pretty(self)?);
        write().map_err(|source| UsersError::Write { path: path.to_owned(), source })
    }

    pub fn add(&mut self, name: &str, role: Role, password: &str) -> Result<(), UsersError> {
        if !is_name(name) {
            return Err(UsersError::Name);
        }
        if self.users.iter().any(|user| user.name == name) {
            return Err(UsersError::Exists(name.to_owned()));
        }
        self.users.push(User::new(name, role, password)?);
        Ok(())
    }

    pub fn change(&mut self, name: &str, password: &str) -> Result<(), UsersError> {
        let found = self.users.iter_mut().find(|user| user.name == name);
        let user = found.ok_or_else(|| UsersError::Unknown(name.to_owned()))?;
        *user = User::new(name, user.role, password)?;
        Ok(())
    }

    pub fn remove(&mut self, name: &str) -> Result<(), UsersError> {
        let before = self.users.len();
        self.users.retain(|user| user.name != name);
        if self.users.len() == before { Err(UsersError::Unknown(name.to_owned())) } else { Ok(()) }
    }

    /// Read the file, change the users and replace the file. Concurrent calls wait for each other.
    pub fn edit(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<(), UsersError>,
    ) -> Result<(), UsersError> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let failed = |source| UsersError::Write { path: path.to_owned(), source };
        let _lock = files::make_dirs(dir).and_then(|()| files::lock_dir(dir)).map_err(failed)?;
        let mut all = Self::load(path)?;
        change(&mut all)?;
        all.write(path)
    }

    /// Whether this user still has the same entry.
    pub(crate) fn have(&self, known: &KnownUser) -> bool {
        self.users.iter().any(|user| user.known() == *known)
    }

    /// The user with this name and password. For an unknown name, a hash is computed too, so that the time does not
    /// reveal which names exist.
    pub(crate) fn with_password(&self, name: &str, password: &str) -> Option<&User> {
        let user = self.users.iter().find(|user| user.name == name);
        let salt = user.map_or("0123456789abcdef0123456789abcdef", |user| &*user.salt);
        let made = hash(password, salt).ok()?;
        let is_it = Secret::of_text(&made).same(Secret::of_text(&user?.hash).hex());
        user.filter(|_| is_it)
    }
}

impl User {
    /// The user, as a session knows them.
    pub(crate) fn known(&self) -> KnownUser {
        let Self { name, role, salt, hash } = self;
        let entry = Secret::of_text(&format!("{} {salt} {hash}", role.word()));
        KnownUser { name: name.clone(), entry: entry.hex().to_owned() }
    }

    fn new(name: &str, role: Role, password: &str) -> Result<Self, UsersError> {
        if password.chars().count() < SHORTEST_PASSWORD || password.len() > LONGEST_PASSWORD {
            return Err(UsersError::Password);
        }
        let salt = random_hex(16).map_err(|error| UsersError::Hash(error.to_string()))?;
        let hash = hash(password, &salt)?;
        Ok(Self { name: name.to_owned(), role, salt, hash })
    }
}

fn hash(password: &str, salt: &str) -> Result<String, UsersError> {
    let (memory, passes, lanes) = COST;
    let mut out = [0; 32];
    let made = Params::new(memory, passes, lanes, Some(out.len())).and_then(|params| {
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(password.as_bytes(), salt.as_bytes(), &mut out)
    });
    made.map_err(|error| UsersError::Hash(error.to_string()))?;
    Ok(hex(&out))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Users, UsersError, hash, is_name};
    use crate::web::access::Role;

    const PASSWORD: &str = "correct horse";

    fn role(users: &Users, name: &str, password: &str) -> Option<Role> {
        users.with_password(name, password).map(|user| user.role)
    }

    #[test]
    fn users_are_added_changed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web-users");
        let mut users = Users::load(&path).unwrap();
        assert_eq!(users, Users::default());
        users.add("anna", Role::Operate, PASSWORD).unwrap();
        users.add("bob", Role::Read, PASSWORD).unwrap();
        assert!(matches!(users.add("anna", Role::Read, PASSWORD), Err(UsersError::Exists(_))));
        assert!(matches!(users.add("a b", Role::Read, PASSWORD), Err(UsersError::Name)));
        assert!(matches!(users.add("eve", Role::Read, "short"), Err(UsersError::Password)));
        users.write(&path).unwrap();
        let text = String::from_utf8(crate::sys::files::read_plain(&path).unwrap()).unwrap();
        assert!(!text.contains(PASSWORD));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut users = Users::load(&path).unwrap();
        assert_ne!(users.users[0].hash, users.users[1].hash, "each has its own salt");
        assert_eq!(role(&users, "anna", PASSWORD), Some(Role::Operate));
        assert_eq!(role(&users, "bob", PASSWORD), Some(Role::Read));
        for (name, password) in
            [("anna", "correct hors"), ("ann", PASSWORD), ("", ""), ("anna", "")]
        {
            assert_eq!(role(&users, name, password), None, "{name}");
        }
        let known = users.users[0].known();
        assert!(users.have(&known));
        users.change("anna", "another horse").unwrap();
        assert!(!users.have(&known), "a new password is another entry");
        assert_eq!(role(&users, "anna", PASSWORD), None);
        assert_eq!(role(&users, "anna", "another horse"), Some(Role::Operate));
        users.remove("anna").unwrap();
        assert_eq!(role(&users, "anna", "another horse"), None);
        assert!(matches!(users.remove("anna"), Err(UsersError::Unknown(_))));
        assert!(matches!(users.change("anna", PASSWORD), Err(UsersError::Unknown(_))));
    }

    #[test]
    fn a_file_that_others_can_read_and_a_damaged_one_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web-users");
        let mut users = Users::default();
        users.add("anna", Role::Operate, PASSWORD).unwrap();
        users.write(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Users::load(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(Users::load(&path), Err(UsersError::Damaged { .. })));
    }

    #[test]
    fn the_hash_is_argon2id_with_19_mib_and_two_passes() {
        // By the reference implementation (argon2-cffi 25): type ID, version 19, m=19456, t=2, p=1.
        let known = "2b5dc4054886ec957ef59c73b661c54dd6fb274590b278f657c6d96aac8fa6d1";
        assert_eq!(hash("password", "somesaltsomesalt").unwrap(), known);
    }

    #[test]
    fn names_are_plain() {
        assert!(is_name("anna.b-c_1") && is_name(&"a".repeat(32)));
        for wrong in ["", "a b", "ä", "a\n", &"a".repeat(33)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
