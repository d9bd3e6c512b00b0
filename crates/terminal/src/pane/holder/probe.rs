//! Trying whether this system has what a holder needs.

use std::io;

use nix::pty::openpty;
use rustix::io::ioctl_fionbio;

use super::feed::Feed;

/// Open a terminal and close it again. Returns whether the kernel can move its output, so that none is lost if a
/// holder is killed.
pub fn probe() -> io::Result<bool> {
    let pair = openpty(None, None)?;
    ioctl_fionbio(&pair.master, true)?;
    Ok(Feed::new(pair.master, io::pipe()?).is_lossless())
}
