//! The markers in a stream: what is one, what may become one.

use tmo::protocol::marker::{FINISH, INTRO, LONGEST_MARKER, Marker, MarkerStart, held_back};

/// What stands at the beginning of some bytes is seen the same way however many of them are
/// there, and as a plain reading of the format has it.
pub(crate) fn check(data: &[u8]) {
    // So that the fuzzer need not guess the introduction each time.
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let text = match first {
        0..128 => rest.to_vec(),
        _ => [INTRO, rest].concat(),
    };
    let whole = Marker::parse_start(&text);
    assert_eq!(complete(whole), plain(&text));
    if let MarkerStart::Whole(marker, length) = whole {
        let again = marker.encode();
        assert!(length <= LONGEST_MARKER && again.len() <= LONGEST_MARKER);
        assert_eq!(Marker::parse_start(&again), MarkerStart::Whole(marker, again.len()));
    }
    for cut in 0..text.len().min(LONGEST_MARKER + 2) {
        let part = Marker::parse_start(&text[..cut]);
        match whole {
            MarkerStart::Whole(_, length) if cut < length => {
                assert_eq!(part, MarkerStart::Partly, "{cut}");
            }
            MarkerStart::Whole(..) => assert_eq!(part, whole, "{cut}"),
            MarkerStart::Partly => assert_eq!(part, MarkerStart::Partly, "{cut}"),
            MarkerStart::No => assert!(complete(part).is_none(), "{cut}: taken too early"),
        }
    }
    assert!(whole != MarkerStart::Partly || text.len() < LONGEST_MARKER, "held for ever");
    let held = (0..text.len()).find(|&at| Marker::parse_start(&text[at..]) == MarkerStart::Partly);
    assert_eq!(held_back(&text), held.map_or(0, |at| text.len() - at));
}

fn complete(look: MarkerStart) -> Option<(Marker, usize)> {
    match look {
        MarkerStart::Whole(marker, length) => Some((marker, length)),
        MarkerStart::Partly | MarkerStart::No => None,
    }
}

/// The format as it is documented.
fn plain(text: &[u8]) -> Option<(Marker, usize)> {
    let body = text.strip_prefix(INTRO)?;
    let end = body.windows(FINISH.len()).position(|two| two == FINISH)?;
    let length = INTRO.len() + end + FINISH.len();
    let fields: Vec<&str> = std::str::from_utf8(&body[..end]).ok()?.split(';').collect();
    let [nonce, seq, skip] = fields[..] else { return None };
    let digits = |field: &str| !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit());
    let hex = nonce.len() == 16 && nonce.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex || !digits(seq) || !digits(skip) || length > LONGEST_MARKER {
        return None;
    }
    let nonce = u64::from_str_radix(nonce, 16).ok()?;
    Some((Marker { nonce, seq: seq.parse().ok()?, skip: skip.parse().ok()? }, length))
}
