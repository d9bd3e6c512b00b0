//! The headers that change on the way to a process and back.

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue};

use crate::web::server::Ends;

/// Headers about one connection only (RFC 9110, 7.6.1).
const OF_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The protocol that a request or an answer changes to, if it does.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(header::UPGRADE)?;
    words(headers).any(|word| word.eq_ignore_ascii_case("upgrade")).then(|| protocol.clone())
}

/// The words of `Connection`.
fn words(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',').map(str::trim))
}

/// Remove the headers about one connection, except those of a change to this protocol.
pub(super) fn pass_on(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    // These are about the message, whatever a client says (RFC 9110, 7.6.1).
    let of_message = [header::HOST, header::CONTENT_LENGTH];
    let named = words(headers).filter_map(|word| word.parse().ok());
    let named: Vec<HeaderName> = named.filter(|name| !of_message.contains(name)).collect();
    // Where both lengths are given, that of the chunks counts (RFC 9112, 6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in named.iter().chain(&OF_CONNECTION) {
        headers.remove(name);
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// Tell the process who asks and by which name; `host` is the name that it expects instead, with its port.
pub(super) fn introduce(headers: &mut HeaderMap, ends: Ends, host: Option<&HeaderValue>) {
    // The server itself has answered it.
    headers.remove(header::EXPECT);
    let named = headers.get(header::HOST).cloned();
    let peer = ends.peer.ip().to_canonical();
    let before = headers.get_all("x-forwarded-for").into_iter();
    let before = before.filter_map(|value| value.to_str().ok()).map(str::to_owned);
    let chain: Vec<String> = before.chain([peer.to_string()]).collect();
    if let Ok(chain) = HeaderValue::from_str(&chain.join(", ")) {
        headers.insert("x-forwarded-for", chain);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Some(named) = named {
        headers.insert("x-forwarded-host", named);
    }
    if let Some(host) = host {
        headers.insert(header::HOST, host.clone());
    }
}

/// Rewrite a redirect to the host that was sent to the process, so that it leads to the host that the browser asked for.
pub(super) fn rewrite_redirect(
    headers: &mut HeaderMap,
    host_sent: &HeaderValue,
    host_asked: &HeaderValue,
) {
    let Some(location) = headers.get(header::LOCATION).map(HeaderValue::as_bytes) else { return };
    let Some(rest) = location.strip_prefix(b"http://") else { return };
    let Some(rest) = rest.strip_prefix(host_sent.as_bytes()) else { return };
    if rest.first().is_none_or(|next| b"/?#".contains(next))
        && let Ok(back) =
            HeaderValue::from_bytes(&[b"http://", host_asked.as_bytes(), rest].concat())
    {
        headers.insert(header::LOCATION, back);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::{introduce, pass_on, rewrite_redirect, upgrade};
    use crate::web::server::Ends;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let all = all
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn headers_of_a_connection_end_with_it() {
        let all = [
            ("connection", "close, X-Own"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("x-own", "1"),
            ("te", "trailers"),
            ("keep-alive", "1"),
            ("accept", "*/*"),
        ];
        let mut plain = headers(&all);
        let protocol = upgrade(&plain);
        assert_eq!(protocol, Some(HeaderValue::from_static("websocket")));
        pass_on(&mut plain, None);
        assert_eq!(plain, headers(&[("accept", "*/*")]));
        let mut upgraded = headers(&all);
        pass_on(&mut upgraded, protocol);
        let expected = [("accept", "*/*"), ("connection", "upgrade"), ("upgrade", "websocket")];
        assert_eq!(upgraded, headers(&expected));
        assert_eq!(upgrade(&headers(&[("upgrade", "h2c")])), None);
        let mut named = headers(&[
            ("connection", "host, content-length, x-own"),
            ("host", "web.shop.localhost"),
            ("content-length", "3"),
            ("x-own", "1"),
        ]);
        pass_on(&mut named, None);
        let about_message = [("host", "web.shop.localhost"), ("content-length", "3")];
        assert_eq!(named, headers(&about_message), "a client can't name these away");
        let mut both = headers(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
        pass_on(&mut both, None);
        assert_eq!(both, headers(&[]), "the length of the chunks counts");
    }

    #[test]
    fn a_process_learns_who_asks_and_for_what() {
        let ends = Ends {
            peer: "[::ffff:127.0.0.1]:1".parse().unwrap(),
            local: "127.0.0.1:10000".parse().unwrap(),
        };
        let asked = [
            ("host", "web.shop.localhost:10000"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
        ];
        let mut kept = headers(&asked);
        introduce(&mut kept, ends, None);
        assert_eq!(kept["host"], "web.shop.localhost:10000");
        let hosts: Vec<_> = kept.get_all("x-forwarded-host").into_iter().collect();
        assert_eq!(hosts, ["web.shop.localhost:10000"]);
        assert_eq!(kept["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
        let host_sent = HeaderValue::from_static("localhost:5000");
        introduce(&mut kept, ends, Some(&host_sent));
        assert_eq!(kept["host"], "localhost:5000");
    }

    #[test]
    fn only_redirects_to_the_host_that_was_sent_are_rewritten() {
        let (host_sent, host_asked) = (
            HeaderValue::from_static("localhost:5000"),
            HeaderValue::from_static("web.shop.localhost:1"),
        );
        for (location, expected) in [
            ("http://localhost:5000/a?b", "http://web.shop.localhost:1/a?b"),
            ("http://localhost:5000", "http://web.shop.localhost:1"),
            ("http://localhost:50001/", "http://localhost:50001/"),
            ("https://localhost:5000/", "https://localhost:5000/"),
            ("/login", "/login"),
        ] {
            let mut all = headers(&[("location", location)]);
            rewrite_redirect(&mut all, &host_sent, &host_asked);
            assert_eq!(all["location"], expected);
        }
    }
}
