//! A call: what is executed on a host, and what the host says first.
//!
//! A call is one word of hexadecimal digits, which no shell changes. What is executed there first prints a line about its
//! host, the [`Hello`]; all that follows is the output of the verb.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::host::Host;
use crate::model::text::hex::{hex, unhex};
use crate::model::text::untrusted::cleaned;
use crate::model::time::Timestamp;

/// The verb that executes a call.
pub const WORD: &str = "there";

/// The version of calls and hellos.
pub const API: u32 = 1;

/// The longest call, as text: a program's argument has 128 KiB.
const LONGEST_CALL: usize = 100 << 10;

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// [`API`] of the caller.
    pub api: u32,
    /// The directory, absolute or below `~`.
    pub dir: String,
    /// The words after `tmo`. None are executed if there are none.
    pub argv: Vec<String>,
    /// No hello is printed: the output is a terminal.
    #[serde(default)]
    pub quiet: bool,
    /// How many more hellos are printed, each after a line of standard input: their round trips are short, so they tell
    /// the clock of the host well.
    #[serde(default)]
    pub pings: u8,
}

/// How often the clock of a host is asked for in a call where it matters.
const PINGS: u8 = 3;

/// The first line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`API`] of the host.
    pub there: u32,
    /// The version of tmo there.
    pub version: String,
    /// The name of the machine, as it calls itself.
    pub host: String,
    /// The id of its boot.
    pub boot: String,
    /// Its time.
    pub now: Timestamp,
    /// Its load over the last minute.
    pub load: Option<f64>,
    /// Its memory in bytes: used, and all.
    pub memory: Option<(u64, u64)>,
}

impl Call {
    /// A call of this verb with these words in the root of the host.
    pub fn new<W: ToString>(host: &Host, argv: &[W]) -> Self {
        let argv = argv.iter().map(ToString::to_string).collect();
        Self { api: API, dir: host.root.clone(), argv, quiet: false, pings: 0 }
    }

    /// The same, with more hellos to compare the clocks by.
    #[must_use]
    pub fn with_clock(self) -> Self {
        Self { pings: PINGS, ..self }
    }

    /// The word that [`Call::decode`] reads; `None` if it would be too long for an argument.
    pub fn encode(&self) -> Option<String> {
        // It has only texts, so this can't fail.
        let text = serde_json::to_vec(self).unwrap_or_default();
        (text.len() * 2 <= LONGEST_CALL).then(|| hex(&text))
    }

    /// The call in this word.
    pub fn decode(word: &str) -> Option<Self> {
        let bytes = unhex(word).filter(|_| word.len() <= LONGEST_CALL)?;
        serde_json::from_slice(&bytes).ok()
    }
}

impl Hello {
    /// Read it from a line; `None` for any other line.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let hello: Self = serde_json::from_slice(line.trim_ascii()).ok()?;
        Some(Self { version: cleaned(&hello.version), host: cleaned(&hello.host), ..hello })
    }
}

/// How far the clock of a host is from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ClockOffset {
    /// Nanoseconds that its clock is ahead.
    pub ahead: i64,
    /// The uncertainty in nanoseconds: half of the round trip.
    pub within: i64,
}

impl ClockOffset {
    /// The offset by a hello that was requested at this time and took so long to arrive.
    pub(super) fn new(hello: &Hello, asked_at: Timestamp, took: Duration) -> Self {
        let half = i64::try_from(took.as_nanos() / 2).unwrap_or(i64::MAX);
        let here = asked_at.nanos().saturating_add(half.unsigned_abs());
        Self { ahead: hello.now.nanos().wrapping_sub(here).cast_signed(), within: half }
    }

    /// A time of the host by our clock; the same if the clocks agree, as far as is known.
    pub fn here(self, time: Timestamp) -> Timestamp {
        if self.ahead.saturating_abs() <= self.within {
            return time;
        }
        Timestamp::from_nanos(time.nanos().saturating_add_signed(self.ahead.saturating_neg()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{API, Call, Hello};

    proptest! {
        #[test]
        fn every_call_arrives_as_it_was(dir in ".*", argv in prop::collection::vec(".*", 0..5), quiet: bool, pings: u8) {
            let call = Call { api: API, dir, argv, quiet, pings };
            let word = call.encode().unwrap();
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_hexdigit()));
            prop_assert_eq!(Call::decode(&word), Some(call));
        }

        #[test]
        fn no_word_panics(word in ".*") {
            let _ = Call::decode(&word);
        }
    }

    #[test]
    fn a_sign_is_no_digit() {
        assert_eq!(Call::decode("+f"), None);
        assert_eq!(Call::decode("f"), None);
    }

    #[test]
    fn what_a_login_shell_prints_is_no_hello() {
        for line in ["Welcome!", "{}", "{\"there\": 1}", "", "\u{1b}[0m{"] {
            assert_eq!(Hello::parse(line.as_bytes()), None, "{line}");
        }
    }
}
