//! Tests of the visible text of lines, compared with another terminal model where that supports the same.

use std::num::NonZero;

use proptest::prelude::*;
use proptest::sample::select;

use super::{End, Line, columns, plain, trimmed, whole};

/// The visible rows of an output, and how each of them ended.
fn rows(pieces: &[&[u8]]) -> Vec<(String, Option<End>)> {
    let (mut line, mut rows) = (Line::default(), vec![]);
    let mut take = |line: &mut Line, end| {
        line.flatten();
        rows.push((String::from_utf8(trimmed(line).to_vec()).unwrap(), end));
        line.next_line();
    };
    for piece in pieces {
        let mut rest = *piece;
        while let Some(end) = line.feed(&mut rest) {
            take(&mut line, Some(end));
        }
    }
    line.abandon();
    take(&mut line, None);
    rows
}

/// The text of the rows that show anything.
fn shown(output: &[u8]) -> Vec<String> {
    let rows = rows(&[output]).into_iter().map(|(text, _)| text);
    rows.filter(|text| !text.trim().is_empty()).collect()
}

#[test]
fn moves_and_erasing_within_a_line_are_carried_out() {
    for (output, expected) in [
        (&b"10%\r50%\r100%\r\n"[..], "100%"),
        (b"10%\r50%\r\r\n", "50%"),
        (b"abcdef\rxy", "xycdef"),
        (b"abcdef\rxy\x1b[K", "xy"),
        (b"loading\r\x1b[Kok", "ok"),
        (b"loading\x1b[2K\x1b[1Gok", "ok"),
        (b"loading\x1b[2Kok", "       ok"),
        (b"loading\r       \rok", "ok"),
        (b"abc\x08\x08x", "axc"),
        (b"ab\x1b[2bc", "abbbc"),
        // No character comes immediately before these repetitions.
        (b"a\x1b[m\x1b[2bc", "ac"),
        (b"a \n\x1b[2bc", "a c"),
        (b"secret\x08 \x08\x08 \x08", "secr"),
        (b"a\x1b[3Cb\x1b[10Gc", "a   b    c"),
        (b"abc\x1b[2DX\x1b[CY", "aXcY"),
        (b"abcdef\r\x1b[2P", "cdef"),
        (b"abc\r\x1b[2@x", "x abc"),
        (b"abcdef\x1b[3G\x1b[2Xz", "abz ef"),
        (b"abcdef\x1b[3G\x1b[1K", "   def"),
        (b"x\x1b[3by", "xxxxy"),
        (b"ab\x1b7cd\x1b8x", "abxd"),
        (b"ab\x1b[scd\x1b[ux", "abxd"),
        (b"a\tb\rx", "x       b"),
        ("h\u{e9}llo\r\u{754c}".as_bytes(), "\u{754c}llo"),
        ("\u{754c}\u{754c}\rx".as_bytes(), "x \u{754c}"),
        ("e\u{301}x\r\u{754c}".as_bytes(), "\u{754c}"),
    ] {
        assert_eq!(shown(output).concat(), expected, "{}", output.escape_ascii());
    }
}

#[test]
fn what_a_terminal_obeys_otherwise_is_dropped() {
    for (output, expected) in [
        (&b"plain \xc3\xa9\tx\r\n"[..], "plain \u{e9}\tx"),
        (b"a\xffb\xe2\x82\n", "a\u{fffd}b\u{fffd}"),
        (b"\xc2\x1b[m\x9bx \xc2\x7f\x9b \x9b[31my", "\u{fffd}\u{fffd}x  \u{fffd}[31my"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07x\x1b(0y\x0ez\x0f\x05\x07\x1a", "xyz"),
        (b"\x1b]8;;http://a\x07link\x1b]8;;\x1b\\", "link"),
        (b"\x1b[?25l\x1b[?1000h\x1b[>1u\x1b[6n\x1b[cx\x1b=\x1b[4h", "x"),
        (b"\x1bP1$r\x1b\\x\x1b_a\x1b\\y\x1b^b\x1b\\", "xy"),
        (b"a\x00b\x7f", "ab"),
        (b"\x1b]0;no end", ""),
        (b"\x1b[38;5", ""),
    ] {
        assert_eq!(shown(output).concat(), expected, "{}", output.escape_ascii());
    }
}

#[test]
fn a_move_to_another_line_ends_this_one() {
    for (output, expected) in [
        (
            &b"one\n\ntwo"[..],
            &[("one", Some(End::Newline)), ("", Some(End::Newline)), ("two", None)][..],
        ),
        (b"one\x1b[2A\rtwo", &[("one", Some(End::Moved(2))), ("two", None)]),
        (b"one\x1b[3;5Htwo", &[("one", Some(End::Moved(0))), ("    two", None)]),
        (
            b"one\x1b[2J\x1b[Htwo",
            &[("one", Some(End::Cleared)), ("", Some(End::Moved(0))), ("two", None)],
        ),
        (
            b"\n\x1b[1;1H\x1b[0Jx",
            &[
                ("", Some(End::Newline)),
                ("", Some(End::Moved(0))),
                ("", Some(End::Cleared)),
                ("x", None),
            ],
        ),
        (b"a\x1bcb", &[("a", Some(End::Cleared)), ("b", None)]),
        (b"a\x1b[?1049hb", &[("a", Some(End::Cleared)), ("b", None)]),
        (
            b"a\x0bb\x1bEc\x1bMd",
            &[
                ("a", Some(End::Moved(0))),
                (" b", Some(End::Newline)),
                ("c", Some(End::Moved(1))),
                (" d", None),
            ],
        ),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|(text, end)| ((*text).to_owned(), *end)).collect();
        assert_eq!(rows(&[output]), expected, "{}", output.escape_ascii());
    }
}

#[test]
fn a_long_line_is_cut_where_a_limit_is_and_otherwise_ends_before_it_is_written_over() {
    let mut line = Line::limited(1 << 20);
    let piece = "\u{e9}".repeat(300_000);
    for _ in 0..5 {
        assert_eq!(line.feed(&mut piece.as_bytes()), None);
    }
    assert_eq!((line.text().len(), line.total(), line.is_cut()), (1 << 20, 3_000_000, true));
    line.next_line();
    assert!(line.text.capacity() < 1 << 20, "given back");
    let long = "x".repeat(10_000);
    assert_eq!(shown(format!("{long}\rdone").as_bytes()), [long.as_str(), "done"]);
    // A line that outgrows the limit for editing continues.
    let grown = format!("ab\rX{long}");
    assert_eq!(shown(grown.as_bytes()), [format!("X{long}")]);
}

#[test]
fn a_line_that_is_drawn_again_for_ever_takes_little() {
    let mut line = Line::default();
    for n in 0..100_000 {
        let frame = format!("\r\x1b[3{}m\u{2714}\u{fe0f} job {n}\x1b[K", n % 8);
        assert_eq!(line.feed(&mut frame.as_bytes()), None);
    }
    line.flatten();
    assert!(line.text().ends_with(b" job 99999"));
    assert!(line.text.capacity() + line.changes.capacity() < 1000);
}

#[test]
fn the_plain_text_of_a_line_has_a_row_for_each_row_that_was_drawn() {
    let of = |line: &[u8]| {
        let mut out = vec![];
        plain(line, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(of(b"10%\r20%\r"), "20%");
    assert_eq!(of(b"\x1b[1mone\x1b[A\r\x1b[Ktwo"), "one\ntwo");
    assert_eq!(of(b"a \tb "), "a \tb ");
    assert_eq!(of(b"\x1b[2J\x1b[H"), "");
}

#[test]
fn an_unfinished_character_waits() {
    for (text, expected) in [
        (&b"ab"[..], 2),
        (b"ab\xc3", 2),
        (b"ab\xc3\xa9", 4),
        (b"a\xe2\xa0", 1),
        (b"\xf0\x9f\x98", 0),
        (b"\xf0\x9f\x98\x80", 4),
        (b"\x80\x80\x80\x80", 4),
        (b"a\xff", 2),
        (b"", 0),
    ] {
        assert_eq!(whole(text), expected, "{}", text.escape_ascii());
    }
}

/// Output fragments whose combinations reach corner cases.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let bits: Vec<&[u8]> = vec![
        b"a",
        b"bc",
        b" ",
        b"\r",
        b"\n",
        b"\r\n",
        b"\x08",
        b"\t",
        b"\x1b",
        b"[",
        b"]",
        b"m",
        b"3",
        b";",
        b"\x1b[31m",
        b"\x1b[K",
        b"\x1b[2K",
        b"\x1b[1K",
        b"\x1b[3G",
        b"\x1b[2D",
        b"\x1b[C",
        b"\x1b[P",
        b"\x1b[2@",
        b"\x1b[H",
        b"\x1b[J",
        b"\x1b[2J",
        b"\x1b[A",
        b"\x1bc",
        b"\x1b7",
        b"\x1b8",
        b"\x1bP",
        b"\x1b\\",
        b"\x9b",
        b"\xc2",
        b"\x9b",
        b"\xe2\x82",
        b"\xac",
        b"\xf0\x9f",
        b"\xff",
        b"\x7f",
        b"\0",
        b"\xe7\x95\x8c",
        b"\xcc\x81",
        b"\x1b]0;t",
        b"\x07",
        b"\x18",
        b"\x0e",
        b"\x05",
        b"\x1b[5b",
    ];
    prop::collection::vec(select(bits), 0..60).prop_map(|bits| bits.concat())
}

/// Movement and erasing within a line that both models support.
fn common() -> impl Strategy<Value = Vec<u8>> {
    let bits: Vec<&[u8]> = vec![
        b"a",
        b"bc",
        b"def",
        b" ",
        b"\r",
        b"\x08",
        b"\t",
        b"\x1b[1m",
        b"\x1b[42m",
        b"\x1b[m",
        b"\x1b[K",
        b"\x1b[2K",
        b"\x1b[1K",
        b"\x1b[3G",
        b"\x1b[40G",
        b"\x1b[2D",
        b"\x1b[C",
        b"\x1b[7C",
        b"\x1b[P",
        b"\x1b[3P",
        b"\x1b[2@",
        b"\x1b[2X",
        b"\x1b7",
        "\u{e9}".as_bytes(),
    ];
    prop::collection::vec(select(bits), 0..60).prop_map(|bits| bits.concat())
}

proptest! {
    #[test]
    fn no_control_character_is_left_and_cuts_change_nothing(output in noise(), random: Vec<u8>, cuts in prop::collection::vec(0usize..200, 0..6)) {
        for output in [output, random] {
            let whole = rows(&[&output]);
            for (text, _) in &whole {
                prop_assert!(!text.chars().any(|c| c.is_control() && c != '\t'), "{text:?}");
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (output.len() + 1)).collect();
            cuts.extend([0, output.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &output[pair[0]..pair[1]]).collect();
            prop_assert_eq!(&rows(&pieces), &whole);
            let bytes: Vec<&[u8]> = output.chunks(1).collect();
            prop_assert_eq!(rows(&bytes), whole);
        }
    }

    #[test]
    fn the_column_is_that_of_a_measurement_from_the_beginning(
        pieces in prop::collection::vec((noise(), any::<bool>()), 0..8),
    ) {
        let (mut line, mut gone) = (Line::default(), String::new());
        for (piece, forget) in pieces {
            for byte in piece {
                if line.feed(&mut &[byte][..]).is_some() {
                    line.next_line();
                    gone.clear();
                }
                if line.cells.is_none() {
                    let text = std::str::from_utf8(&line.text).unwrap();
                    let whole = format!("{gone}{text}");
                    prop_assert_eq!(line.end_column(), columns(0, whole.as_bytes()), "{:?}", whole);
                }
            }
            if forget && line.cells.is_none() {
                gone.push_str(std::str::from_utf8(&line.text).unwrap());
                line.forget();
            }
        }
    }

    #[test]
    fn a_terminal_shows_the_same(output in common()) {
        let size = |n| NonZero::new(n).unwrap();
        let mut parser = vt100::Parser::new(size(4), size(500), 0);
        parser.process(&output);
        let screen = parser.screen();
        let mut line = Line::default();
        prop_assert_eq!(line.feed(&mut &output[..]), None);
        line.flatten();
        let text = String::from_utf8(line.text().to_vec()).unwrap();
        let row = screen.rows(0, 500).next().unwrap();
        // Tabs are kept until the text is edited.
        let text = expand(&text);
        prop_assert_eq!(text.trim_end(), row.trim_end());
    }

    #[test]
    fn more_text_leaves_what_was_there(output in noise(), more in "[a-z ]{0,5}") {
        let mut line = Line::default();
        let mut rest = &output[..];
        while line.feed(&mut rest).is_some() {
            line.next_line();
        }
        line.flatten();
        let (version, before) = (line.version(), line.text().to_vec());
        line.feed(&mut more.as_bytes());
        line.flatten();
        if line.version() == version {
            prop_assert!(line.text().starts_with(&before));
        }
    }
}

/// A text with its tabs replaced by blanks.
fn expand(text: &str) -> String {
    text.chars().fold(String::new(), |mut row, character| {
        if character == '\t' {
            let stop = (row.chars().count() / 8 + 1) * 8;
            row.extend(std::iter::repeat_n(' ', stop - row.chars().count()));
        } else {
            row.push(character);
        }
        row
    })
}
