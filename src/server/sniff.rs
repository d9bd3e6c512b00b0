//! Which of the two languages a client speaks: its first bytes tell.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// The two languages of the control socket.
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

/// Decide by the first bytes, or `None` while they may still become either.
pub fn judge(first: &[u8]) -> Option<Language> {
    if METHODS.iter().any(|method| first.starts_with(method)) {
        Some(Language::Http)
    } else if METHODS.iter().any(|method| method.starts_with(first)) {
        None
    } else {
        Some(Language::Lines)
    }
}

/// Read until the language is known; also returns what was read for it. `None`: the client went
/// without a word.
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

/// A stream that gives back what was read from it too early.
#[derive(Debug)]
pub struct Rewound {
    ahead: Vec<u8>,
    given: usize,
    stream: UnixStream,
}

impl Rewound {
    /// A stream of which these bytes have been read.
    pub const fn new(ahead: Vec<u8>, stream: UnixStream) -> Self {
        Self { ahead, given: 0, stream }
    }

    /// The stream itself.
    pub(super) const fn get_ref(&self) -> &UnixStream {
        &self.stream
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.given < this.ahead.len() {
            let left = &this.ahead[this.given..];
            let some = &left[..left.len().min(buf.remaining())];
            buf.put_slice(some);
            this.given += some.len();
            if this.given == this.ahead.len() {
                this.ahead = Vec::new();
                this.given = 0;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::{Language, Rewound, judge};

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
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b" world").await.unwrap();
        drop(near);
        let mut text = String::new();
        Rewound::new(b"hello".to_vec(), far).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello world");
    }
}
