//! The login with a name and a password.
//!
//! It works only at the public address, that is, over TLS: a program that takes over a local port must never receive a
//! password. The server exchanges the password for a link, and the page then logs in with the link.
//!
//! A browser that has logged in keeps a device key for its next login. The server then proves that it knows the key
//! before the browser sends the password, and failed attempts elsewhere do not delay this browser. The key is derived
//! from the name, a random id and a secret of this user, so the server does not store it.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use std::{io, mem};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::proof::random_hex;
use crate::web::access::proof::{Purpose, Secret, is_nonce};
use crate::web::access::throttle::{AttemptSource, Throttle};
use crate::web::access::{KnownUser, Role, Users, UsersError, is_name};
use crate::web::locked;

/// The most hashes that are computed at once; each needs 19 MiB of memory.
const MOST_AT_ONCE: usize = 2;
/// Length of the id of a device, in bytes.
const ID: usize = 16;

/// Checks passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    users: PathBuf,
    /// The secret from which device keys are derived.
    secret: Secret,
    throttle: Mutex<Throttle>,
    room: Semaphore,
}

/// A request to log in.
#[derive(Deserialize)]
pub(crate) struct Ask {
    pub(crate) name: String,
    password: String,
    /// Id, nonce and proof of a browser that has logged in before, separated by dots.
    device: Option<String>,
}

/// A request for the server's proof, before the password is sent.
#[derive(Deserialize)]
pub(crate) struct DeviceAsk {
    name: String,
    device: String,
    nonce: String,
}

/// The key of a browser.
#[derive(Debug, Serialize)]
pub(crate) struct Device {
    id: String,
    key: String,
}

/// The role and the user of a login, and a device key for a browser that has none.
pub(crate) type PasswordLogin = (Role, KnownUser, Option<Device>);

/// Why a login with a password fails.
#[derive(Debug)]
pub(crate) enum PasswordError {
    /// Name or password are wrong.
    Wrong,
    /// There were too many wrong passwords.
    Wait(Duration),
    /// Passwords can't be checked.
    Broken(String),
}

impl Passwords {
    /// For the users in this file. `state` is the directory of the secret.
    pub(crate) fn new(users: PathBuf, state: &Path) -> io::Result<Self> {
        let secret = Secret::kept(&state.join("web-devices"))?;
        Ok(Self { users, secret, throttle: Mutex::default(), room: Semaphore::new(MOST_AT_ONCE) })
    }

    fn key(&self, name: &str, id: &str) -> Secret {
        self.secret.key(&[name, id])
    }

    /// The server's proof that it knows the device key of a browser.
    pub(crate) fn hello(&self, ask: &DeviceAsk) -> Option<String> {
        let DeviceAsk { name, device, nonce } = ask;
        let key = self.key(name, device);
        is_nonce(nonce).then(|| key.proof(Purpose::DEVICE_SERVER, &[nonce]))
    }

    /// The id of the browser, if it proves that it knows its key.
    fn device(&self, ask: &Ask) -> Option<String> {
        let parts = ask.device.as_deref()?.split('.').collect::<Vec<_>>();
        let [id, nonce, proof] = <[&str; 3]>::try_from(parts).ok()?;
        let key = self.key(&ask.name, id);
        let is_it = is_nonce(nonce) && key.proves(proof, Purpose::DEVICE_PAGE, &[nonce]);
        is_it.then(|| id.to_owned())
    }

    fn throttle<T>(&self, act: impl FnOnce(&mut Throttle) -> T) -> T {
        act(&mut locked(&self.throttle))
    }

    /// Check a password that comes from this address.
    pub(crate) async fn check(
        &self,
        mut ask: Ask,
        from: IpAddr,
        now: Instant,
    ) -> Result<PasswordLogin, PasswordError> {
        // Invalid names are not recorded.
        if !is_name(&ask.name) {
            ask.name.clear();
        }
        let device = self.device(&ask);
        let place =
            device.clone().map_or_else(|| AttemptSource::of_address(from), AttemptSource::Device);
        let attempt = self.throttle(|all| all.attempt(&ask.name, &place, now));
        let attempt = attempt.map_err(PasswordError::Wait)?;
        let _room = self.room.acquire().await.map_err(|_| broken(&"the server ends"))?;
        let (users, name) = (self.users.clone(), ask.name.clone());
        let password = mem::take(&mut ask.password);
        let computed: Result<Result<_, UsersError>, _> = tokio::task::spawn_blocking(move || {
            let users = Users::load(&users)?;
            Ok(users.with_password(&name, &password).map(|user| (user.role, user.known())))
        })
        .await;
        let found = computed.map_err(|error| broken(&error))?.map_err(|error| broken(&error))?;
        let (role, user) = found.ok_or(PasswordError::Wrong)?;
        self.throttle(|all| all.succeed(attempt));
        if device.is_some() {
            return Ok((role, user, None));
        }
        let id = random_hex(ID).map_err(|error| broken(&error))?;
        let key = self.key(&ask.name, &id).hex().to_owned();
        Ok((role, user, Some(Device { id, key })))
    }
}

fn broken(why: &dyn Display) -> PasswordError {
    PasswordError::Broken(why.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::time::Instant;

    use super::{Ask, Device, DeviceAsk, PasswordError, PasswordLogin, Passwords};
    use crate::web::access::proof::{Purpose, nonce};
    use crate::web::access::{Role, Users};

    const STRANGER: &str = "10.0.0.1";

    async fn log_in(
        all: &Passwords,
        (name, password): (&str, &str),
        device: Option<String>,
        (from, now): (&str, Instant),
    ) -> Result<PasswordLogin, PasswordError> {
        let ask = Ask { name: name.to_owned(), password: password.to_owned(), device };
        all.check(ask, from.parse::<IpAddr>().unwrap(), now).await
    }

    #[tokio::test]
    async fn strangers_are_delayed_and_the_browser_of_the_user_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users");
        let mut users = Users::default();
        users.add("anna", Role::Operate, "correct horse").unwrap();
        users.write(&path).unwrap();
        let all = Passwords::new(path, dir.path()).unwrap();
        let right = ("anna", "correct horse");
        let now = Instant::now();
        let (stranger, elsewhere) = ((STRANGER, now), ("10.0.0.2", now));
        let Ok((Role::Operate, _, Some(Device { id, .. }))) =
            log_in(&all, right, None, stranger).await
        else {
            panic!("the password is right");
        };
        // A known and an unknown name get the same answers.
        for name in ["anna", "nobody", "no name"] {
            for _ in 0..5 {
                let verdict = log_in(&all, (name, "wrong"), None, stranger).await;
                assert!(matches!(verdict, Err(PasswordError::Wrong)), "{name}: {verdict:?}");
            }
            let verdict = log_in(&all, (name, "wrong"), None, stranger).await;
            assert!(matches!(verdict, Err(PasswordError::Wait(_))), "{name}: {verdict:?}");
        }
        let verdict = log_in(&all, right, None, stranger).await;
        assert!(
            matches!(verdict, Err(PasswordError::Wait(_))),
            "not even the right one: {verdict:?}"
        );
        let verdict = log_in(&all, right, None, elsewhere).await;
        assert!(matches!(verdict, Ok((_, _, Some(_)))), "{verdict:?}");
        // The proof is the same after a restart of the server.
        let nonce = nonce().unwrap();
        let key = Passwords::new(all.users.clone(), dir.path()).unwrap().key("anna", &id);
        let proof = key.proof(Purpose::DEVICE_PAGE, &[&nonce]);
        let device = format!("{id}.{nonce}.{proof}");
        for wrong in ["", "..", &device[1..], &format!("{id}.{nonce}.")] {
            let verdict = log_in(&all, right, Some(wrong.to_owned()), stranger).await;
            assert!(matches!(verdict, Err(PasswordError::Wait(_))), "{wrong}: {verdict:?}");
        }
        let verdict = log_in(&all, right, Some(device), stranger).await;
        assert!(matches!(verdict, Ok((Role::Operate, _, None))), "{verdict:?}");
        let ask = DeviceAsk { name: "anna".to_owned(), device: id, nonce: nonce.clone() };
        assert!(key.proves(&all.hello(&ask).unwrap(), Purpose::DEVICE_SERVER, &[&nonce]));
    }
}
