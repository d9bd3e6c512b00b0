//! Detects the protocol of a client by its first bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::UnixStream;

/// The two protocols of the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// HTTP/1.1.
    Http,
    /// Overmind's lines.
    Lines,
}

const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"HEAD ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
];

/// Judge the first bytes; `None` while they may still become either protocol.
pub fn judge(first: &[u8]) -> Option<Language> {
    if METHODS.iter().any(|method| first.starts_with(method)) {
        Some(Language::Http)
    } else if METHODS.iter().any(|method| method.starts_with(first)) {
        None
    } else {
        Some(Language::Lines)
    }
}

/// Read until the protocol is known; also returns the bytes read so far. `None` if the client disconnected
/// without sending anything.
pub async fn sniff(stream: &mut UnixStream) -> io::Result<Option<(Language, Vec<u8>)>> {
    let mut first = Vec::with_capacity(1024);
    loop {
        let read = stream.read_buf(&mut first).await?;
        if let Some(language) = judge(&first) {
            return Ok(Some((language, first)));
        }
        if read == 0 {
            return Ok((!first.is_empty()).then_some((Language::Lines, first)));
        }
    }
}

/// A stream that first replays the bytes already read from it.
pub fn rewound(ahead: &[u8], stream: &mut UnixStream) -> impl AsyncRead + AsyncWrite + Unpin {
    let (reader, writer) = stream.split();
    tokio::io::join(ahead.chain(reader), writer)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::{Language, judge, rewound};

    #[test]
    fn decides_as_soon_as_the_bytes_differ() {
        for undecided in ["", "G", "GET", "P", "PO", "OPTIONS", "CONNECT"] {
            assert_eq!(judge(undecided.as_bytes()), None, "{undecided}");
        }
        for http in ["GET /", "POST ", "PUT /api/size HTTP/1.1\r\n", "HEAD /"] {
            assert_eq!(judge(http.as_bytes()), Some(Language::Http), "{http}");
        }
        for lines in ["q", "\n", "get-connection", "GETS", "PX", "quit", "\0", "get "] {
            assert_eq!(judge(lines.as_bytes()), Some(Language::Lines), "{lines}");
        }
    }

    proptest::proptest! {
        #[test]
        fn more_bytes_never_change_the_verdict(bytes: Vec<u8>, method in 0usize..9) {
            let begun = [super::METHODS[method], &bytes[..]].concat();
            for text in [&bytes[..], &begun[..]] {
                let verdicts: Vec<_> = (0..=text.len()).filter_map(|n| judge(&text[..n])).collect();
                proptest::prop_assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]));
            }
            proptest::prop_assert_eq!(judge(&begun), Some(Language::Http));
        }
    }

    #[tokio::test]
    async fn gives_back_what_was_read_too_early() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.write_all(b" world").await.unwrap();
        drop(near);
        let mut text = String::new();
        rewound(b"hello", &mut far).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello world");
    }
}
