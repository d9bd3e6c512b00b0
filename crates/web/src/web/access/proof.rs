//! Proofs that page and server know a secret. Neither of them sends the secret.
//!
//! ```text
//! page     POST /login         id of the link, nonce
//! server                       its own nonce, proof(secret, "login server", both nonces)
//! page     POST /login/finish  proof(secret, "login page", both nonces)
//! server                       id of the session; both now know key = proof(secret, "key", both nonces)
//!
//! page     POST /hello         id of the session, nonce
//! server                       proof(key, "server", nonce)
//! page     anything else       id of the session, nonce, proof(key, "page", nonce)
//! ```
//!
//! A password is exchanged for a link (`password.rs`), so there is only one way to begin a session.
//!
//! The server proves first. A program that listens on the port after the end of this server therefore learns
//! neither the secret of a link nor a proof of a page.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::api::proof::{self, random_hex};
use crate::model::text::hex::{hex, unhex};
use crate::sys::files;

/// Length of a nonce, in hexadecimal digits.
const NONCE: usize = 32;

/// A secret that page and server share: the secret of a login link, or the key of a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The purpose of a proof. A proof for one purpose is not valid for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purpose(&'static str);

impl Purpose {
    /// The server knows the secret of a link.
    pub(crate) const LOGIN_SERVER: Self = Self("tmo web login server");
    /// The page knows the secret of a link.
    pub(crate) const LOGIN_PAGE: Self = Self("tmo web login page");
    /// Not sent: the key of the new session.
    const KEY: Self = Self("tmo web key");
    /// The server knows the key of the session.
    pub(crate) const SERVER: Self = Self("tmo web server");
    /// The page knows the key of the session.
    pub(crate) const PAGE: Self = Self("tmo web page");
    /// The server knows the key of a browser that has logged in with a password before.
    pub(crate) const DEVICE_SERVER: Self = Self("tmo web device server");
    /// A browser that has logged in with a password before knows its key.
    pub(crate) const DEVICE_PAGE: Self = Self("tmo web device page");

    /// The text of a proof.
    fn text(self, nonces: &[&str]) -> String {
        [&[self.0], nonces].concat().join("\n")
    }
}

impl Secret {
    /// A new secret of a link: 128 bits.
    pub(crate) fn random() -> io::Result<Self> {
        random_hex(16).map(Self)
    }

    /// The secret in this file. It is created once, and readable only by this user.
    pub(crate) fn kept(path: &Path) -> io::Result<Self> {
        let read = || {
            let text = String::from_utf8(files::read_plain(path).ok()?).ok()?;
            is_nonce(&text).then_some(text)
        };
        if let Some(text) = read() {
            return Ok(Self(text));
        }
        if let Some(dir) = path.parent() {
            files::make_dirs(dir)?;
        }
        let text = nonce()?;
        crate::protocol::spec::replace(path, text.as_bytes())?;
        // Another process may have created the file at the same time.
        Ok(Self(read().unwrap_or(text)))
    }

    /// A hash of any text, such as a token, for comparisons.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(hex(&Sha256::digest(text)))
    }

    /// The secret in hexadecimal, for the link.
    pub(crate) fn hex(&self) -> &str {
        &self.0
    }

    /// The proof for this purpose, in hexadecimal.
    pub(crate) fn proof(&self, purpose: Purpose, nonces: &[&str]) -> String {
        let key = unhex(&self.0);
        key.map_or(String::new(), |key| proof::proof(&key, &purpose.text(nonces)))
    }

    /// Whether this is the proof for this purpose. Compares in constant time.
    pub(crate) fn proves(&self, proof: &str, purpose: Purpose, nonces: &[&str]) -> bool {
        unhex(&self.0).is_some_and(|key| proof::proves(proof, &key, &purpose.text(nonces)))
    }

    /// Whether this is the secret itself. Compares in constant time.
    pub(crate) fn same(&self, text: &str) -> bool {
        // The comparison of proofs takes the same time for every text.
        let nonce = "0".repeat(NONCE);
        let other = Self(text.to_owned());
        self.proves(&other.proof(Purpose::KEY, &[&nonce]), Purpose::KEY, &[&nonce])
    }

    /// The key of the session that a login with these nonces begins.
    pub(crate) fn key(&self, nonces: &[&str]) -> Self {
        Self(self.proof(Purpose::KEY, nonces))
    }
}

/// A new nonce.
pub(crate) fn nonce() -> io::Result<String> {
    random_hex(NONCE / 2)
}

/// Whether this has the form of a nonce.
pub(crate) fn is_nonce(text: &str) -> bool {
    text.len() == NONCE && unhex(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Secret, is_nonce, nonce};

    const PURPOSES: [Purpose; 7] = [
        Purpose::LOGIN_SERVER,
        Purpose::LOGIN_PAGE,
        Purpose::KEY,
        Purpose::SERVER,
        Purpose::PAGE,
        Purpose::DEVICE_SERVER,
        Purpose::DEVICE_PAGE,
    ];

    #[test]
    fn a_proof_holds_for_one_secret_one_purpose_and_its_nonces() {
        let secret = Secret("0123456789abcdef0123456789abcdef".to_owned());
        let nonces = ["a".repeat(32), "b".repeat(32)];
        let nonces = [&*nonces[0], &*nonces[1]];
        for purpose in PURPOSES {
            let proof = secret.proof(purpose, &nonces);
            for other in PURPOSES {
                assert_eq!(secret.proves(&proof, other, &nonces), purpose == other);
            }
            assert!(!secret.proves(&proof, purpose, &[nonces[1], nonces[0]]));
            assert!(!secret.proves(&proof, purpose, &nonces[..1]));
            assert!(!Secret::random().unwrap().proves(&proof, purpose, &nonces));
            for wrong in ["", "0", &proof[2..], &proof.to_uppercase(), &format!("{proof}00")] {
                assert!(!secret.proves(wrong, purpose, &nonces), "{wrong}");
            }
        }
    }

    #[test]
    fn a_proof_is_the_documented_hmac() {
        // printf 'tmo web server\naaaa…' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0123…
        let secret = Secret("0123456789abcdef0123456789abcdef".to_owned());
        let proof = secret.proof(Purpose::SERVER, &[&"a".repeat(32)]);
        let expected = "d32542b8e0f7328fb69bcd4653110b5568853487aed88316d8c16e490af64bdf";
        assert_eq!(proof, expected);
        assert!(!format!("{secret:?}").contains("0123"));
    }

    #[test]
    fn nonces_differ() {
        let (one, other) = (nonce().unwrap(), nonce().unwrap());
        assert!(one != other && is_nonce(&one) && is_nonce(&other));
        assert!(
            !is_nonce("")
                && !is_nonce(&one[1..])
                && !is_nonce(&one.to_uppercase().replace('0', "X"))
        );
    }
}
