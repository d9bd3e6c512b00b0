//! Env files.

#[path = "../../../crates/config/src/config/dotenv/quote.rs"]
mod quote;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use tmo::config::dotenv::{DotenvError, parse};

use quote::quote;

/// What a file means does not depend on what follows, on how its lines end or on how its values
/// are quoted; and no small file means much.
pub(crate) fn check(data: &[u8]) {
    let found = read(data);
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            assert!(error.to_string().len() < 1000 + data.len());
            return;
        }
    };
    let held: usize = found.iter().map(|(_, value)| value.len()).sum();
    assert!(held <= data.len() + (8 << 20), "{held} bytes out of {}", data.len());
    if held > 1 << 20 {
        return;
    }
    let mut written = Vec::new();
    for (name, value) in &found {
        written.extend([name.as_bytes(), b"=", &quote(value.as_bytes()), b"\n"].concat());
        let sound = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
        assert!(!name.is_empty() && name.as_bytes().iter().all(sound));
        assert!(!value.as_bytes().contains(&0));
    }
    assert_eq!(read(&written).as_ref(), Ok(&found), "quoted");
    let mut longer = found.clone();
    longer.push(("LAST".into(), "$".into()));
    assert_eq!(read(&[data, b"\nLAST=$\n"].concat()), Ok(longer), "followed by another");
    if !data.contains(&b'\r') {
        let windows: Vec<u8> = data.split(|b| *b == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        assert_eq!(read(&windows).as_ref(), Ok(&found), "with other line ends");
    }
    if !data.contains(&b'$') && !data.contains(&b'\\') {
        for (_, value) in &found {
            let value = value.as_bytes();
            let part = value.is_empty() || data.windows(value.len()).any(|part| part == value);
            assert!(part || data.contains(&b'\r'), "{value:?} stands nowhere");
        }
    }
}

fn read(data: &[u8]) -> Result<Vec<(OsString, OsString)>, DotenvError> {
    parse(data, &|name: &OsStr| {
        (name == "HOME").then(|| OsString::from_vec(b"/h \"'\\$HOME\n#\xff".to_vec()))
    })
}
