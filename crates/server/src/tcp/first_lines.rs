//! What a TCP client may send first, judged by its bytes alone.
//!
//! A web page can make the browser send bytes to this port: a request with a method and body of the page's
//! choice, or a TLS handshake. Nothing that a browser sends begins with a complete overmind
//! command, so without a proof of the token, a client's first line must be one.

use std::io;

use crate::api::overmind;
use crate::api::proof::{HELLO, is_hex};
use crate::prefixed_stream::{self, Language};

const NEEDS_PROOF: &str = "HTTP over TCP needs a proof of the token first (docs/SCRIPTING.md \
    tells how); use tmo's own commands, or the Unix socket";

/// Why a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Reply with this reason over HTTP.
    Http(&'static str),
    /// The client does not know the token.
    Proof,
    /// The line is not a command.
    Unknown,
    /// Close without a reply.
    Silent,
    /// The client is gone, or its line is too long.
    Gone,
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Judge the first bytes, before the end of the line is known: whether [`judge`] may accept the line. False while that
/// is undecided.
pub(super) fn may_begin(first: &[u8], owner: bool) -> Result<bool, Refusal> {
    match (prefixed_stream::judge(first), first.first()) {
        (Some(Language::Http), _) => Err(Refusal::Http(NEEDS_PROOF)),
        (None, _) | (Some(_), None) => Ok(false),
        (Some(Language::Lines), Some(b'a'..=b'z')) if owner => Ok(true),
        (Some(Language::Lines), Some(_)) if first.starts_with(HELLO.as_bytes()) => Ok(true),
        (Some(Language::Lines), Some(_)) if HELLO.as_bytes().starts_with(first) => Ok(false),
        (Some(Language::Lines), Some(_)) => Err(Refusal::Silent),
    }
}

/// What a client's first line requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstLine<'a> {
    /// An exchange of proofs, with this nonce.
    Hello(&'a str),
    /// An overmind command, from a client that may send one.
    Command,
}

/// Judge the whole first line.
pub(super) fn judge(line: &[u8], owner: bool) -> Result<FirstLine<'_>, Refusal> {
    let text = std::str::from_utf8(line).unwrap_or_default();
    let text = text.strip_suffix('\r').unwrap_or(text);
    if let Some(nonce) = text.strip_prefix(HELLO) {
        return if is_hex(nonce) { Ok(FirstLine::Hello(nonce)) } else { Err(Refusal::Silent) };
    }
    if overmind::is_http(line) {
        Err(Refusal::Http(NEEDS_PROOF))
    } else if !owner {
        Err(Refusal::Silent)
    } else if is_command(line) {
        Ok(FirstLine::Command)
    } else {
        Err(Refusal::Unknown)
    }
}

/// Whether a line is a command that is served without a proof of the token.
pub(super) fn is_command(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_lowercase)
        && !overmind::is_http(line)
        && !overmind::is_binary(line)
        && overmind::parse(line).is_some()
}

#[cfg(test)]
mod tests {
    use super::{FirstLine, HELLO, NEEDS_PROOF, Refusal, is_command, judge, may_begin};

    #[test]
    fn a_command_is_a_whole_line_that_no_browser_sends() {
        for command in
            ["status", "status\r", "quit", "stop web", "restart a* b#2 ", "get-connection"]
        {
            assert!(is_command(command.as_bytes()), "{command:?}");
        }
        for other in [
            "",
            "\r",
            " stop",
            "\tstop",
            "Stop",
            "STOP",
            "stopp",
            "\0stop",
            "stop\0",
            "stop web\u{1b}[0m",
            "\u{16}\u{3}stop",
            "stop / HTTP/1.1",
            "stop / HTTP/1.1\r",
            "stop / HTTP/1.1 \t\r",
            "kill / http/1.0",
            "quit HTTP/",
            "content-type: stop",
        ] {
            assert!(!is_command(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn the_first_bytes_decide_early_what_is_refused() {
        let http = Err(Refusal::Http(NEEDS_PROOF));
        let silent = Err(Refusal::Silent);
        let (line, undecided) = (Ok(true), Ok(false));
        for (first, owner, stranger) in [
            ("", undecided, undecided),
            ("GE", undecided, undecided),
            ("GET ", http, http),
            ("OPTIONS ", http, http),
            ("FOO / ", silent, silent),
            ("\n", silent, silent),
            ("\u{16}\u{3}\u{1}", silent, silent),
            ("s", line, silent),
            ("tmo-", line, undecided),
            (HELLO, line, line),
            ("tmo-token x", line, silent),
        ] {
            assert_eq!(may_begin(first.as_bytes(), true), owner, "{first:?}");
            assert_eq!(may_begin(first.as_bytes(), false), stranger, "{first:?}");
        }
    }

    #[test]
    fn the_first_line_is_a_hello_a_command_of_the_owner_or_refused() {
        let nonce = "0f".repeat(32);
        let hello = format!("{HELLO}{nonce}");
        for owner in [true, false] {
            let accepted = Ok(FirstLine::Hello(&nonce));
            assert_eq!(judge(hello.as_bytes(), owner), accepted);
            assert_eq!(judge(format!("{hello}\r").as_bytes(), owner), accepted);
            for bad in [HELLO.to_owned(), hello[..73].to_owned(), format!("{hello}0")] {
                assert_eq!(judge(bad.as_bytes(), owner), Err(Refusal::Silent), "{bad}");
            }
            let http = Err(Refusal::Http(NEEDS_PROOF));
            assert_eq!(judge(b"stop / HTTP/1.1\r", owner), http);
        }
        assert_eq!(judge(b"status", true), Ok(FirstLine::Command));
        assert_eq!(judge(b"status", false), Err(Refusal::Silent));
        assert_eq!(judge(b"statusx", true), Err(Refusal::Unknown));
        assert_eq!(judge(b"tmo-token secret", true), Err(Refusal::Unknown));
        assert_eq!(judge(b"stop\xff", true), Err(Refusal::Unknown));
    }

    proptest::proptest! {
        #[test]
        fn more_bytes_never_change_a_decision(bytes: Vec<u8>, owner: bool, begin in 0usize..5) {
            let begin = ["", HELLO, "tmo-token ", "POST ", "stop "][begin];
            let text = [begin.as_bytes(), &bytes].concat();
            let starts: Vec<_> = (0..=text.len()).map(|n| may_begin(&text[..n], owner)).collect();
            let decided: Vec<_> = starts.iter().skip_while(|s| **s == Ok(false)).collect();
            proptest::prop_assert!(decided.windows(2).all(|pair| pair[0] == pair[1]));
        }

        #[test]
        fn no_request_of_any_method_is_a_command(method in "[a-z-]{1,12}", path in "/[ -~]{0,20}") {
            let line = format!("{method} {path} HTTP/1.1\r");
            proptest::prop_assert!(!is_command(line.as_bytes()));
        }
    }
}
