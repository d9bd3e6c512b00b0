//! The process that is run to record its environment.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tokio::net::unix::pipe;

use super::environment::Variables;
use crate::protocol::life::{LifeEvent, LifeReader};
use crate::protocol::paths::PanePaths;
use crate::protocol::spec::replace;
use crate::sys::files;

/// Wait until the life in this pane has ended.
pub(super) async fn ended(paths: &PanePaths) -> io::Result<()> {
    let bell = pipe::OpenOptions::new().open_receiver(paths.bell())?;
    // Without a writer, the FIFO would be at end-of-file.
    let _held = files::open_fifo(&paths.bell(), true)?;
    let mut life = LifeReader::new(&paths.life());
    loop {
        let over = |event: &LifeEvent| {
            matches!(event, LifeEvent::End { .. } | LifeEvent::Trouble { .. } | LifeEvent::Down {})
        };
        if life.poll()?.iter().any(|entry| over(&entry.event)) {
            return Ok(());
        }
        bell.readable().await?;
        let mut rings = [0; 512];
        while bell.try_read(&mut rings).is_ok() {}
    }
}

/// Run as the process that writes its environment to a new file; returns its exit code.
#[expect(clippy::disallowed_methods, reason = "this is about the environment itself")]
pub(in crate::cli) fn record(path: &Path) -> u8 {
    // If a user types this verb, it must not overwrite any file of theirs.
    if path.symlink_metadata().is_ok() {
        return 2;
    }
    let variable = |(name, value): (OsString, OsString)| {
        [name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat()
    };
    let text: Vec<u8> = std::env::vars_os().flat_map(variable).collect();
    u8::from(replace(path, &text).is_err())
}

/// The recorded variables.
pub(super) fn parse(text: &[u8]) -> Variables {
    let pairs = text.split(|&byte| byte == 0).filter_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        Some((OsStr::from_bytes(&pair[..at]).into(), OsStr::from_bytes(&pair[at + 1..]).into()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn variables_are_read_whatever_is_in_them() {
        let read = parse(b"A=1\0EMPTY=\0LONG=a=b\nc\0\0none\0");
        let read: Vec<_> =
            read.iter().map(|(n, v)| (n.to_str().unwrap(), v.to_str().unwrap())).collect();
        assert_eq!(read, [("A", "1"), ("EMPTY", ""), ("LONG", "a=b\nc")]);
    }
}
