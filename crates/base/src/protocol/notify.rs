//! What a process reports of itself: datagrams in the format of `sd_notify(3)`, and the file with the last status.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::text::shortened;
use crate::model::text::untrusted::is_active;
use crate::model::{LifeId, is_default};
use crate::protocol::spec;
use crate::sys::files;

/// The largest datagram that is read, in bytes.
pub const MOST_BYTES: usize = 4096;

/// The variable with the path of the socket.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// The variable with the longest time between two `WATCHDOG=1`, in microseconds.
pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// The variables of the protocol; what a process inherits of them is for somebody else.
pub const VARIABLES: &[&str] = &[NOTIFY_SOCKET, WATCHDOG_USEC, "WATCHDOG_PID"];

/// What a datagram says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notification {
    /// `READY=1`
    pub is_ready: bool,
    /// `RELOADING=1`
    pub reloads: bool,
    /// `WATCHDOG=1`
    pub feeds: bool,
    /// `STATUS=`: one short line without control characters, possibly empty.
    pub status: Option<String>,
}

impl Notification {
    /// Read a datagram; what is unknown is skipped.
    pub fn parse(datagram: &[u8]) -> Self {
        let mut said = Self::default();
        for line in datagram.split(|&byte| byte == b'\n') {
            match line {
                b"READY=1" => said.is_ready = true,
                b"RELOADING=1" => said.reloads = true,
                b"WATCHDOG=1" => said.feeds = true,
                _ => {
                    if let Some(text) = line.strip_prefix(b"STATUS=") {
                        let text = String::from_utf8_lossy(text).replace(is_active, " ");
                        said.status = Some(shortened(text.trim()).into_owned());
                    }
                }
            }
        }
        said
    }
}

/// The last status of a process, in a file that is replaced when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedStatus {
    /// The life that has reported it.
    pub life: LifeId,
    /// Its text; empty for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text: String,
    /// The last process that has sent a datagram and was not found in its tree: it was ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<u32>,
}

impl ReportedStatus {
    /// The status in this file, if there is one.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&files::read_plain(path).ok()?).ok()
    }

    /// Replace the file.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        spec::replace(path, &serde_json::to_vec(self)?)
    }

    /// Why the process may not be ready yet, as far as is known.
    pub fn explanation(&self) -> Option<String> {
        let ignored = self.foreign.map(|pid| {
            format!(
                "a report of pid {pid} was ignored: that is no process below it, or has ended before it was found \
                 there (`systemd-notify` waits for that)"
            )
        });
        let text = Some(self.text.clone()).filter(|text| !text.is_empty());
        let all: Vec<_> = text.into_iter().chain(ignored).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_BYTES, Notification, ReportedStatus};
    use crate::model::LifeId;
    use crate::model::text::untrusted::is_active;

    #[test]
    fn a_datagram_is_read_line_by_line() {
        let said =
            Notification::parse(b"READY=1\nSTATUS= 3 of\t5 \x1b[31m\nMAINPID=7\nWATCHDOG=1\n");
        let status = Some("3 of 5  [31m".to_owned());
        assert_eq!(said, Notification { is_ready: true, feeds: true, reloads: false, status });
        let said = Notification::parse(b"RELOADING=1\nMONOTONIC_USEC=5\nSTATUS=");
        let status = Some(String::new());
        assert_eq!(said, Notification { reloads: true, status, ..Notification::default() });
    }

    #[test]
    fn what_only_resembles_a_word_of_the_protocol_says_nothing() {
        for text in
            [&b""[..], b"READY=0", b"READY=11", b" READY=1", b"READY=1\r", b"STATUS", b"X_READY=1"]
        {
            assert_eq!(Notification::parse(text), Notification::default(), "{text:?}");
        }
    }

    #[test]
    fn the_file_has_the_status_of_a_life() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.status");
        assert_eq!(ReportedStatus::load(&path), None);
        let mut status =
            ReportedStatus { life: LifeId::FIRST, text: String::new(), foreign: Some(7) };
        assert!(status.explanation().unwrap().contains("pid 7"));
        "loading".clone_into(&mut status.text);
        status.write(&path).unwrap();
        assert_eq!(ReportedStatus::load(&path).as_ref(), Some(&status));
        assert!(
            status.explanation().unwrap().starts_with("loading; a report of pid 7 was ignored")
        );
        status.foreign = None;
        assert_eq!(status.explanation().unwrap(), "loading");
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_bounded_line(bytes in prop::collection::vec(any::<u8>(), 0..MOST_BYTES)) {
            let with_status = [&b"STATUS="[..], &bytes].concat();
            for said in [&bytes, &with_status].map(|bytes| Notification::parse(bytes)) {
                let status = said.status.unwrap_or_default();
                prop_assert!(status.chars().count() <= 201 && !status.contains(is_active));
            }
        }
    }
}
