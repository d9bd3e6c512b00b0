//! Generated malformed values, bodies and headers.

use proptest::prelude::*;

/// A value that something may stumble over.
pub(crate) fn odd() -> BoxedStrategy<String> {
    let some = [
        "",
        "0",
        "-1",
        "1",
        "maybe",
        "TRUE",
        "null",
        "1e9",
        "0x10",
        " 1",
        "٣",
        "NaN",
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "%u0041",
        "a%",
        "+",
        "%2B",
        "..",
        "%2e%2e%2f",
        "*",
        "**************",
        "web%23",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "1.18446744073709551615",
        "999999999999d",
        "9999-99-99T99:99",
        "(?i)(",
        "[[[[",
        "a{9999}{9999}",
        "%F0%9F%92%A9",
        "%0d%0atmo-version:%20x",
        "<script>",
        "';--",
        "$(reboot)",
    ];
    let some: Vec<String> = some.map(str::to_owned).to_vec();
    let long = (1_usize..9000).prop_map(|length| "x".repeat(length));
    prop_oneof![6 => prop::sample::select(some), 1 => long, 1 => "[!-~&&[^#]]{0,20}"].boxed()
}

/// A body that something may stumble over.
pub(crate) fn odd_body() -> BoxedStrategy<Vec<u8>> {
    let some = [
        "",
        " ",
        "null",
        "true",
        "0",
        "\"web\"",
        "[]",
        "[[]]",
        "{",
        "}",
        "{}{}",
        "{\"",
        "{,}",
        "{\"names\"}",
        "{\"names\":null}",
        "{\"names\":\"web\"}",
        "{\"names\":[1]}",
        "{\"names\":[null]}",
        "{\"names\":[\"\"]}",
        "{\"names\":[],\"names\":[\"web\"]}",
        "{\"NAMES\":[]}",
        "{\"names\":{}}",
        "{\"signal\":-1}",
        "{\"signal\":1e999}",
        "{\"signal\":0}",
        "{\"signal\":9999999999999999999999}",
        "{\"signal\":[\"HUP\"]}",
        "{\"signal\":\"\"}",
        "{\"columns\":-1,\"rows\":1}",
        "{\"columns\":1.5,\"rows\":1}",
        "{\"columns\":65536,\"rows\":65536}",
        "{\"text\":\"\\u0000\"}",
        "{\"text\":\"\\ud800\"}",
        "{\"text\":\"\\uDEAD\\uBEEF\"}",
        "{\"enter\":1}",
        "{\"failure_string\":null}",
        "{\"failure_string\":\"\"}",
        "{\"failure_string\":\"a\\nb\"}",
        "{\"plan\":null}",
        "{\"plan\":[]}",
        "{\"plan\":{}}",
        "{\"plan\":{\"version\":18446744073709551616}}",
        "{\"\":\"\"}",
        "names=web",
        "--x\r\ncontent-disposition: form-data\r\n\r\n--x--",
        "\u{feff}{}",
    ];
    let some: Vec<Vec<u8>> = some.map(|text| text.as_bytes().to_vec()).to_vec();
    let deep = (1_usize..100_000, prop::sample::select(vec!["[", "{\"names\":", "{\"a\":"]));
    let deep = deep.prop_map(|(depth, one)| one.repeat(depth).into_bytes());
    let large = (250_000_usize..300_000)
        .prop_map(|length| format!("{{\"names\":[\"{}\"]}}", "x".repeat(length)).into_bytes());
    let noise = prop::collection::vec(any::<u8>(), 0..99);
    prop_oneof![8 => prop::sample::select(some), 1 => deep, 1 => large, 2 => noise].boxed()
}

/// A line of a head that something may stumble over.
pub(crate) fn odd_header() -> BoxedStrategy<Vec<u8>> {
    let some = [
        "content-type: text/plain",
        "content-type: multipart/form-data; boundary=x",
        "content-type: ",
        "content-type: application/x-www-form-urlencoded",
        "accept: image/png",
        "accept-encoding: br;q=x",
        "content-encoding: gzip",
        "expect: 100-continue",
        "upgrade: websocket\r\nconnection: upgrade",
        "tmo-api: 2",
        "tmo-api: 1",
        "tmo-api: -1",
        "tmo-api: x",
        "tmo-api: ",
        "tmo-version: 9.9.9",
        "tmo-api: 99999999999999999999999",
        "tmo-version: ",
        "last-event-id: x",
        "last-event-id: 1.0",
        "last-event-id: ",
        "range: bytes=0-1",
        "if-none-match: *",
        "cookie: a=b",
        "origin: http://evil",
        "host: a\r\nhost: b",
        "transfer-encoding: gzip, chunked",
        "content-length: 5",
        "content-length: -1",
        "content-length: 99999999999999999999",
        "no colon",
        ": no name",
        " folded: x",
        "a b: c",
    ];
    let some: Vec<Vec<u8>> = some.map(|text| text.as_bytes().to_vec()).to_vec();
    let name = prop::sample::select(vec!["x", "tmo-version", "tmo-api", "last-event-id", "accept"]);
    let noise = (name, prop::collection::vec(any::<u8>(), 0..40));
    let noise = noise.prop_map(|(name, noise)| [name.as_bytes(), b": ", &noise].concat());
    let long = (1_usize..60_000).prop_map(|length| [&b"x: "[..], &vec![b'y'; length]].concat());
    prop_oneof![6 => prop::sample::select(some), 2 => noise, 1 => long].boxed()
}
