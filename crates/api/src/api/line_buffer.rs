//! Splits a byte stream that arrives in pieces of any size into lines.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Maximum length of a line; no command is longer.
pub const LONGEST_LINE: usize = 64 << 10;

/// The error for a line that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {LONGEST_LINE} bytes")]
pub struct TooLong;

/// Bytes that were read and not yet returned as lines.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Everything before this offset was returned.
    given: usize,
    /// There is no newline between `given` and this offset.
    searched: usize,
}

impl LineBuffer {
    /// A buffer that already contains these bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, given: 0, searched: 0 }
    }

    /// The next complete line, without its newline.
    pub fn line(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let newline = memchr::memchr(b'\n', &self.bytes[self.searched..]);
        let end = newline.map_or(self.bytes.len(), |at| self.searched + at);
        let start = self.given;
        self.searched = end;
        // Reject the line even if its newline has been received already.
        if end - start > LONGEST_LINE {
            return Err(TooLong);
        }
        Ok(newline.map(|_| {
            (self.given, self.searched) = (end + 1, end + 1);
            &self.bytes[start..end]
        }))
    }

    /// The buffer to append to, to be used when there is no complete line left.
    ///
    /// Only this function removes returned lines: removing each line separately would move all the bytes
    /// after it, once per line.
    pub fn space(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.given);
        self.searched -= self.given;
        self.given = 0;
        &mut self.bytes
    }

    /// The bytes after the last newline, at the end of the input.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.bytes.split_off(self.given);
        *self = Self::default();
        (!rest.is_empty()).then_some(rest)
    }
}

/// Reads lines of limited length.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    buffer: LineBuffer,
    /// Whether the input has ended.
    ended: bool,
    /// Whether all lines have been returned as well.
    over: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// The lines of a reader from which these bytes have already been read.
    pub const fn new(reader: R, first: Vec<u8>) -> Self {
        Self { reader, buffer: LineBuffer::new(first), ended: false, over: false }
    }

    /// The next line without its newline, which the last line may lack. Cancel-safe.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = self.buffer.line().map_err(io::Error::other)? {
                return Ok(Some(line.to_vec()));
            }
            if self.ended {
                let last = self.buffer.rest();
                self.over = last.is_none();
                return Ok(last);
            }
            self.ended = self.reader.read_buf(self.buffer.space()).await? == 0;
        }
    }

    /// Whether all lines have been returned.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// The underlying reader.
    pub const fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The bytes that were read after the last line.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.rest().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST_LINE, LineBuffer, TooLong};

    fn read(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, TooLong> {
        let (mut buffer, mut lines) = (LineBuffer::default(), vec![]);
        for piece in pieces {
            buffer.space().extend_from_slice(piece);
            while let Some(line) = buffer.line()? {
                lines.push(line.to_vec());
            }
        }
        lines.extend(buffer.rest());
        Ok(lines)
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        let piece = vec![b'x'; LONGEST_LINE];
        assert_eq!(read(&[&piece, b"\n", b"y"]).unwrap(), [&piece[..], b"y"]);
        assert_eq!(read(&[&piece, b"x", b"\n"]), Err(TooLong));
        assert_eq!(read(&[&piece, b"x\n"]), Err(TooLong), "though its end is there");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            text in prop::collection::vec(prop::sample::select(&b"ab\n\r "[..]), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let mut expected: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            expected.pop_if(|last| last.is_empty());
            prop_assert_eq!(read(&pieces), Ok(expected));
        }
    }
}
