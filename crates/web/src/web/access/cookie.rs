//! The cookie of a session.

use axum::http::{HeaderMap, header};

use crate::web::access::gate::Site;

/// Its name. Cookies do not distinguish ports, so the name contains the port of this server. Over TLS, the prefix
/// `__Host-` keeps other hosts of the domain from setting it.
fn name(site: Site, port: u16) -> String {
    match site {
        Site::Local => format!("tmo-{port}"),
        Site::Public => format!("__Host-tmo-{port}"),
    }
}

/// The header that sets it. Scripts can't read the cookie.
pub(crate) fn set(site: Site, port: u16, value: &str) -> String {
    let secure = match site {
        Site::Local => "",
        Site::Public => "; Secure",
    };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}", name(site, port))
}

/// The most values that are tried.
const MOST_VALUES: usize = 8;

/// Its values in a request. There may be several: a page of another port of this host can set some for longer paths.
pub(crate) fn all(headers: &HeaderMap, site: Site, port: u16) -> impl Iterator<Item = &str> {
    let name = name(site, port);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs =
        all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value).take(MOST_VALUES)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{MOST_VALUES, all};
    use crate::web::access::gate::Site;

    #[test]
    fn values_that_others_have_added_hide_none() {
        let mut headers = HeaderMap::new();
        for value in ["tmo-1=x; tmo-10=no; other=1", "a; tmo-1=own"] {
            headers.append(header::COOKIE, HeaderValue::from_static(value));
        }
        assert_eq!(all(&headers, Site::Local, 1).collect::<Vec<_>>(), ["x", "own"]);
        assert_eq!(all(&headers, Site::Public, 1).count(), 0);
        let many = "tmo-1=x; ".repeat(100);
        headers.insert(header::COOKIE, HeaderValue::from_str(&many).unwrap());
        assert_eq!(all(&headers, Site::Local, 1).count(), MOST_VALUES);
    }
}
