//! Numbered lines, each of which shows by itself whether it is complete.

use std::io::{BufRead as _, BufReader, Read};

use super::random::mix;

/// What a pattern is cut from.
const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-";

/// Append the line of this number: name, number, and a pattern that only this line has, mostly
/// short, sometimes long.
pub(crate) fn push(name: &str, number: u64, out: &mut Vec<u8>) {
    let salt = name.bytes().fold(0, |salt, byte| mix(salt + u64::from(byte)));
    let mut state = mix(salt ^ mix(number));
    let most = match state % 512 {
        0 => 20_000,
        1..16 => 2_000,
        _ => 160,
    };
    let length = (state >> 9) % most;
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(number.to_string().as_bytes());
    out.push(b' ');
    for position in 0..length {
        if position % 8 == 0 {
            state = mix(state + 1);
        }
        let letter = usize::try_from(state >> (position % 8 * 6) & 63).unwrap();
        out.push(ALPHABET[letter]);
    }
    out.extend_from_slice(b".\n");
}

/// The number of a line of this process, if the line is whole. It may end with a carriage return.
pub(crate) fn whole(name: &str, line: &[u8], scratch: &mut Vec<u8>) -> Option<u64> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let rest = line.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
    let end = rest.iter().position(|&b| b == b' ')?;
    let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    scratch.clear();
    push(name, number, scratch);
    (scratch.strip_suffix(b"\n") == Some(line)).then_some(number)
}

/// Prefix and text of a merged line.
pub(crate) fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let bar = line.windows(3).take(20).position(|three| three == b" | ")?;
    Some((std::str::from_utf8(&line[..bar]).ok()?.trim_end(), &line[bar + 3..]))
}

/// Call `take` with each line, without its newline.
pub(crate) fn each_line(text: impl Read, mut take: impl FnMut(&[u8])) {
    let mut text = BufReader::with_capacity(1 << 20, text);
    let mut line = vec![];
    while text.read_until(b'\n', &mut line).unwrap() > 0 {
        take(line.strip_suffix(b"\n").unwrap_or(&line));
        line.clear();
    }
}
