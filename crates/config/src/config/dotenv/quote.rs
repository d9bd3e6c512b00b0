//! Writing values, for the tests and the fuzzer.

/// Quote a value so that `parse` returns it unchanged, whatever bytes it contains (except NUL).
pub(super) fn quote(value: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in value {
        match byte {
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'"' | b'\\' | b'$' => quoted.extend([b'\\', byte]),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'"');
    quoted
}
