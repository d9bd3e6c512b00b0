//! Secrets in hexadecimal, and proofs that somebody knows one.

use std::io;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::hex::{hex, unhex};
use crate::sys;

/// This many random bytes, in hexadecimal.
pub fn random_hex(length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    sys::random(&mut bytes)?;
    Ok(hex(&bytes))
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
