//! The token of a TCP address. Each side proves that it knows the token, and neither sends it.
//!
//! ```text
//! client   tmo-hello <client nonce>
//!          status
//! server   tmo-hello <server nonce> <server's proof> <server's address>
//! client   tmo-proof <client's proof>
//! ```
//!
//! A proof is an HMAC-SHA256 with the token as key, over the side that sends it, both nonces, and the
//! server's address as that side sees it. A proof can therefore not be replayed, reflected, or relayed by a
//! listener at another address. The server's proof comes first, so a listener that does not know the token
//! receives no proof. `status` is there for overmind, which ignores the line before it and answers with its
//! table.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::text::hex::{hex, unhex};
use crate::sys;
use crate::sys::files;

/// Prefix of the first line of either side.
pub const HELLO: &str = "tmo-hello ";
/// Prefix of the line with the client's proof.
pub const PROOF: &str = "tmo-proof ";
/// Minimum length of a token that cannot be guessed from a proof.
pub const SHORTEST_TOKEN: usize = 20;

/// Length in bytes of a nonce and of a generated token.
const LENGTH: usize = 32;
/// The shared secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// A token set by the user.
    pub fn given(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The token of the run with this runtime directory: the given one, or one that is generated once and
    /// saved there. This user's own commands find it in that file.
    pub fn of_run(runtime: &Path, given: Option<&str>) -> io::Result<Self> {
        let path = file(runtime);
        let kept = || read_token(&path).filter(|Self(text)| is_hex(text));
        let token = match given.map(Self::given).or_else(kept) {
            Some(token) => token,
            None => Self(random()?),
        };
        if let Err(error) = write(&path, &token) {
            tracing::warn!("{}: {error}; own commands can't find the token", path.display());
        }
        Ok(token)
    }

    /// The tokens of all runs with runtime directories in this directory.
    pub fn of_all_runs(base: &Path) -> Vec<Self> {
        let entries = fs::read_dir(base).into_iter().flatten().flatten();
        entries.filter_map(|entry| read_token(&file(&entry.path()))).collect()
    }

    /// Whether the token is too long to be guessed.
    pub fn is_long(&self) -> bool {
        self.0.chars().count() >= SHORTEST_TOKEN
    }

    pub fn proof(&self, side: Side, exchange: &Exchange) -> String {
        proof(self.0.as_bytes(), &exchange.text(side))
    }

    /// Whether this is the proof of that side. Compares in constant time.
    pub fn proves(&self, proof: &str, side: Side, exchange: &Exchange) -> bool {
        proves(proof, self.0.as_bytes(), &exchange.text(side))
    }
}

/// The side that sends a proof.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Client,
    /// The server, that is, the supervisor.
    Server,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// The values that a proof covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The client's nonce.
    pub client: String,
    /// The server's nonce.
    pub server: String,
    /// The address of the server, as formatted by [`plain`].
    pub address: String,
}

impl Exchange {
    fn text(&self, side: Side) -> String {
        let Self { client, server, address } = self;
        format!("tmo {}\n{client}\n{server}\n{address}\n", side.name())
    }
}

/// An address in the format that both sides use: IPv4-mapped addresses as IPv4, and IPv6 without a scope.
pub fn plain(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

/// Generate a nonce, in hexadecimal.
pub fn random() -> io::Result<String> {
    random_hex(LENGTH)
}

/// Whether this has the format of a nonce from [`random`].
pub fn is_hex(text: &str) -> bool {
    text.len() == 2 * LENGTH && unhex(text).is_some()
}

fn file(runtime: &Path) -> PathBuf {
    runtime.join("token")
}

fn read_token(path: &Path) -> Option<Token> {
    let mut text = String::new();
    files::open_plain(path).ok()?.take(64 << 10).read_to_string(&mut text).ok()?;
    (!text.is_empty()).then_some(Token(text))
}

/// Written to a temporary file and renamed, so that a reader sees the complete token or none.
fn write(path: &Path, token: &Token) -> io::Result<()> {
    let fresh = path.with_extension("new");
    files::create_anew(&fresh)?.write_all(token.0.as_bytes())?;
    fs::rename(fresh, path)
}

/// This many random bytes, in hexadecimal.
pub fn random_hex(length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    sys::random(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Proves knowledge of a key: the HMAC-SHA256 of a text, in hexadecimal.
pub fn proof(key: &[u8], text: &str) -> String {
    mac(key, text).map_or(String::new(), |mac| hex(&mac.finalize().into_bytes()))
}

/// Whether this is the proof for this text. Compares in constant time.
pub fn proves(proof: &str, key: &[u8], text: &str) -> bool {
    let (Some(mac), Some(proof)) = (mac(key, text), unhex(proof)) else { return false };
    mac.verify_slice(&proof).is_ok()
}

fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    // An HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Exchange, Side, Token, is_hex, plain, random};

    fn exchange() -> Exchange {
        let address = "127.0.0.1:5500".to_owned();
        Exchange { client: "c".repeat(64), server: "5".repeat(64), address }
    }

    #[test]
    fn a_proof_holds_for_one_side_one_exchange_and_one_address_only() {
        let token = Token::given("let-me-in");
        let proof = token.proof(Side::Client, &exchange());
        assert!(token.proves(&proof, Side::Client, &exchange()));
        assert!(!token.proves(&proof, Side::Server, &exchange()));
        assert!(!Token::given("let-me-on").proves(&proof, Side::Client, &exchange()));
        let elsewhere = Exchange { address: "127.0.0.1:5501".into(), ..exchange() };
        let later = Exchange { server: "6".repeat(64), ..exchange() };
        let other = Exchange { client: "d".repeat(64), ..exchange() };
        for another in [elsewhere, later, other] {
            assert!(!token.proves(&proof, Side::Client, &another), "{another:?}");
        }
        for bad in ["", "0", &proof[1..], &proof.to_uppercase(), &format!("{proof}0")] {
            assert!(!token.proves(bad, Side::Client, &exchange()), "{bad}");
        }
    }

    #[test]
    fn the_proof_is_an_hmac_over_the_documented_text() {
        // printf 'tmo client\n%s\n%s\n127.0.0.1:5500\n' ccc… 555… | openssl sha256 -hmac let-me-in
        let proof = Token::given("let-me-in").proof(Side::Client, &exchange());
        let expected = "2512f201b447e45baf16a62d1bcfc920afd4d4c9ae80ad18a0d21a4643f08be3";
        assert_eq!(proof, expected);
    }

    #[test]
    fn a_run_keeps_the_token_that_was_made_for_it() {
        let base = tempfile::tempdir().unwrap();
        let runtime = base.path().join("run");
        std::fs::create_dir(&runtime).unwrap();
        let made = Token::of_run(&runtime, None).unwrap();
        assert!(is_hex(&made.0) && made.is_long(), "256 bits");
        assert_eq!(Token::of_run(&runtime, None).unwrap(), made);
        assert_eq!(Token::of_all_runs(base.path()), [made]);
        let mode = runtime.join("token").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let given = Token::of_run(&runtime, Some("mine")).unwrap();
        assert_eq!(Token::of_all_runs(base.path()), std::slice::from_ref(&given));
        assert!(!given.is_long());
        assert_eq!(format!("{given:?}"), "Token(…)");
        assert_ne!(Token::of_run(&runtime, None).unwrap(), given, "a given one is not kept");
        assert_ne!(random().unwrap(), random().unwrap());
    }

    #[test]
    fn both_sides_write_an_address_alike() {
        let plain = |address: &str| plain(address.parse().unwrap());
        assert_eq!(plain("[::ffff:127.0.0.1]:5500"), "127.0.0.1:5500");
        assert_eq!(plain("[fe80::1%3]:5500"), "[fe80::1]:5500");
    }
}
