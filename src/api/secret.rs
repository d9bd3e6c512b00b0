//! Secrets in hexadecimal, and proofs that somebody knows one.

use std::fmt::Write as _;
use std::io;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::sys;

/// This many random bytes, in hexadecimal.
pub fn random_hex(length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    sys::random(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Bytes in hexadecimal, with small letters.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes that [`hex`] has written.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// The proof that somebody knows a key: the HMAC-SHA256 of a text, in hexadecimal.
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
