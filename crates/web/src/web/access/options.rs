//! The options for access from other machines: the public address, proxies, users and tokens.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::sys::files::{self, PrivateError};
use crate::web::access::proof::Secret;
use crate::web::access::{Grant, Role, Scope, bearer};

/// The fewest characters of a token.
const SHORTEST_TOKEN: usize = 20;
/// The largest file with a token.
const TOKEN_LIMIT: u64 = 4 << 10;

/// The access options of `tmo web`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Access {
    /// Host and port of the public address, as browsers send them.
    pub public: Option<String>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub proxies: Vec<IpAddr>,
    pub users: PathBuf,
    /// The directory with the secrets of this user's web servers.
    pub state: PathBuf,
    /// The file with a token, and the role of programs that send it.
    pub token: Option<(PathBuf, Role)>,
    /// Whether processes are reached by their names in spite of a public address.
    #[serde(default)]
    pub names: bool,
}

/// Why a public address can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicError {
    /// It is not `https`.
    #[error(
        "it must begin with https://: over plain http, passwords and output can be read on the way"
    )]
    Plain,
    #[error("it can't have a path: give tmo a host name or a port of its own")]
    Path,
    /// It has another form.
    #[error("https://NAME or https://NAME:PORT is needed")]
    Malformed,
}

/// Host and port of a public address, as browsers send them.
pub fn public_host(url: &str) -> Result<String, PublicError> {
    let url = url.to_ascii_lowercase();
    let rest = url.strip_prefix("https://").ok_or(PublicError::Plain)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() {
        return Err(PublicError::Path);
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        Some(_) | None => (host, None),
    };
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(of_name) || {
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
    };
    if !is_name || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(PublicError::Malformed);
    }
    // Browsers omit the default port.
    Ok(if port == Some("443") { name.to_owned() } else { host.to_owned() })
}

/// Why a token can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file can't be read, or others can read it.
    #[error(transparent)]
    File(#[from] PrivateError),
    /// It is too short.
    #[error(
        "the token has {0} characters, {SHORTEST_TOKEN} are needed; `openssl rand -hex 32` makes one"
    )]
    Short(usize),
    /// It has characters that a header can't carry.
    #[error("the token has characters other than visible ASCII; `openssl rand -hex 32` makes one")]
    Malformed,
}

pub fn read_token(path: &Path) -> Result<String, TokenError> {
    let text = files::read_private(path, TOKEN_LIMIT)?;
    let text = String::from_utf8(text).map_err(|_| TokenError::Malformed)?;
    let token = text.trim();
    if token.len() < SHORTEST_TOKEN {
        return Err(TokenError::Short(token.len()));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Malformed);
    }
    Ok(token.to_owned())
}

impl Access {
    /// The rights of the token in a request. The file is read each time, so removing it revokes the token.
    pub(crate) fn of_token(&self, headers: &HeaderMap) -> Option<Grant> {
        let given = bearer(headers)?;
        let (path, role) = self.token.as_ref()?;
        let token = read_token(path)
            .inspect_err(|error| crate::web::note(&format!("the token can't be checked: {error}")))
            .ok()?;
        // Hashes have the same length, so the time of the comparison reveals nothing about the token.
        let is_it = Secret::of_text(&token).same(Secret::of_text(given).hex());
        is_it.then_some(Grant { role: *role, scope: Scope::All, until: None })
    }

    /// The address of the browser: from the header of a trusted proxy, otherwise the peer of the connection.
    pub(crate) fn from(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.proxies.contains(&peer.to_canonical()) {
            return peer;
        }
        // Each proxy appends the address of its peer. Entries before the last one can be forged.
        let last = headers.get_all("x-forwarded-for").iter().next_back();
        let last =
            last.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        last.unwrap_or(peer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::os::unix::fs::PermissionsExt as _;

    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{Access, PublicError, TokenError, public_host, read_token};
    use crate::sys::files;
    use crate::web::access::Role;

    #[test]
    fn a_public_address_is_https_without_a_path() {
        for (url, host) in [
            ("https://tmo.example.com", "tmo.example.com"),
            ("https://TMO.example.com/", "tmo.example.com"),
            ("https://localhost:8443", "localhost:8443"),
            ("https://tmo.example.com:443", "tmo.example.com"),
            ("https://[fd00::1]:8443", "[fd00::1]:8443"),
            ("https://[fd00::1]", "[fd00::1]"),
        ] {
            assert_eq!(public_host(url).as_deref(), Ok(host), "{url}");
        }
        for (url, error) in [
            ("http://tmo.example.com", PublicError::Plain),
            ("tmo.example.com", PublicError::Plain),
            ("https://example.com/tmo", PublicError::Path),
            ("https://", PublicError::Malformed),
            ("https://a@b", PublicError::Malformed),
            ("https://a:b", PublicError::Malformed),
            ("https://a:80:80", PublicError::Malformed),
            ("https://[fd00::1", PublicError::Malformed),
            ("https://a?b", PublicError::Malformed),
        ] {
            assert_eq!(public_host(url), Err(error), "{url}");
        }
    }

    #[test]
    fn a_token_is_long_and_in_a_file_of_this_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let token = "0123456789abcdef0123";
        let write = |text: &str, mode: u32| {
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write(&format!("{token}\n"), 0o600);
        assert_eq!(read_token(&path).unwrap(), token);
        let access = Access { token: Some((path.clone(), Role::Operate)), ..Access::default() };
        let of = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            access.of_token(&HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
        };
        assert_eq!(of("Bearer 0123456789abcdef0123").map(|grant| grant.role), Some(Role::Operate));
        for wrong in ["Bearer 0123456789abcdef0124", "Bearer ", "Basic 0123456789abcdef0123", "x"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        write(&token[1..], 0o600);
        assert!(matches!(read_token(&path), Err(TokenError::Short(19))));
        write("0123456789 0123456789", 0o600);
        assert!(matches!(read_token(&path), Err(TokenError::Malformed)));
        write(token, 0o640);
        assert!(matches!(read_token(&path), Err(TokenError::File(_))));
        assert_eq!(of("Bearer 0123456789abcdef0123"), None);
        let fifo = dir.path().join("fifo");
        files::make_fifo(&fifo).unwrap();
        assert!(read_token(&fifo).is_err());
    }

    #[test]
    fn the_address_of_the_browser_comes_only_from_a_trusted_proxy() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let access = Access { proxies: vec![proxy], ..Access::default() };
        let from = |peer: &str, forwarded: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            access.from(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(from("10.0.0.1", &["1.2.3.4, 5.6.7.8"]), "5.6.7.8");
        assert_eq!(from("10.0.0.1", &["1.2.3.4", "5.6.7.8"]), "5.6.7.8");
        assert_eq!(from("::ffff:10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(from("10.0.0.2", &["1.2.3.4"]), "10.0.0.2");
        assert_eq!(from("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
    }
}
