//! Whatever the cuts and the order are, every line is shown exactly once.

use std::num::NonZero;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const MODES: [Mode; 4] = [COLOR, GREY, Mode::Exact, Mode::Plain];
const NAMES: [(u16, &str); 3] = [(1, "web"), (2, "worker"), (3, "db")];

/// Bytes that are likely to hit edge cases: returns, partial escape sequences, partial characters.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let bits: Vec<&[u8]> = vec![
        b"a",
        b"bc",
        b" ",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\r\n",
        b"\x1b[31m",
        b"\x1b[0m",
        b"\x1b[1",
        b"m",
        b"\x1b",
        b"[",
        b"]8;;u\x07",
        b"\x1b\\",
        b"\xc3",
        b"\xa9",
        b"\xc2",
        b"\x9b",
        b"\xff",
        b"\x00",
        b"\x08",
        b"\x1b[K",
        b"\x1b[2K\x1b[1G",
        b"\x1b]0;t",
        b"\x07",
        b"\t",
        b"\xe2\xa0",
    ];
    prop::collection::vec(select(bits), 0..40).prop_map(|bits| bits.concat())
}

fn cut(text: &[u8], cuts: &[Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| text[pair[0]..pair[1]].to_vec()).collect()
}

/// What happens to the current line of a process, among others.
#[derive(Debug, Clone)]
enum Step {
    /// It is shown, up to this fraction.
    Show(u16, Index),
    /// Its record arrives.
    Complete(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1u16..4, any::<Index>()).prop_map(|(stream, to)| Step::Show(stream, to)),
        2 => (1u16..4).prop_map(Step::Complete),
    ];
    prop::collection::vec(step, 0..60)
}

/// Line number `n` of a stream. No blanks at its ends, because a screen does not show them.
fn line(stream: u16, n: usize) -> String {
    format!("<{stream}.{n}:{}>", "\u{e9}x-".repeat(n % 5))
}

/// The output of the steps with each stream's last line completed, and the number of lines of each
/// stream.
fn run(mode: Mode, steps: &[Step], bytes: impl Fn(u16, usize) -> Vec<u8>) -> (Vec<u8>, [usize; 4]) {
    let mut bench = Bench::styled(Style { columns: 200, ..Style::new(mode) });
    let (mut counts, mut shown) = ([0; 4], [0; 4]);
    let ends = [Step::Complete(1), Step::Complete(2), Step::Complete(3)];
    for step in steps.iter().chain(&ends) {
        let (Step::Show(stream, _) | Step::Complete(stream)) = step;
        let lane = usize::from(*stream);
        let text = bytes(*stream, counts[lane]);
        match step {
            Step::Show(_, to) => {
                shown[lane] = to.index(text.len() + 1).max(shown[lane]);
                bench.partial(*stream, &text[..shown[lane]]);
            }
            Step::Complete(_) => {
                bench.text(*stream, &[&text, &b"\r\n"[..]].concat());
                counts[lane] += 1;
                shown[lane] = 0;
            }
        }
    }
    (bench.finish().out.clone(), counts)
}

/// The rows of a terminal after it has received these bytes.
pub(super) fn rows(out: &[u8]) -> Vec<String> {
    let cells = |n| NonZero::new(n).unwrap();
    let mut parser = vt100::Parser::new(cells(400), cells(200), 0);
    for row in out.split_inclusive(|&b| b == b'\n') {
        parser.process(row);
        if row.ends_with(b"\n") {
            // A terminal's own line discipline does this.
            parser.process(b"\r");
        }
    }
    let rows = parser.screen().rows(0, 200);
    rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
}

/// The text of all rows of one process, joined.
fn joined(rows: &[String], name: &str) -> String {
    let prefix = format!("{name:6} | ");
    rows.iter().filter_map(|row| row.strip_prefix(prefix.as_str())).collect()
}

proptest! {
    #[test]
    fn records_of_one_line_change_nothing(text in noise(), cuts: Vec<Index>) {
        let pieces = cut(&text, &cuts);
        for mode in MODES {
            let whole = Bench::new(mode).text(1, &text).finish().taken();
            let mut parts = Bench::new(mode);
            for (at, piece) in pieces.iter().enumerate() {
                let before = if at > 0 { CONTINUES } else { 0 };
                let after = if at + 1 < pieces.len() { TO_BE_CONTINUED } else { 0 };
                parts.flagged(1, piece, before | after);
            }
            prop_assert_eq!(whole, parts.finish().taken());
        }
    }

    #[test]
    fn every_line_is_on_the_screen_once(steps in steps(), color: bool) {
        let mode = Mode::Terminal { color };
        let (out, counts) = run(mode, &steps, |stream, n| line(stream, n).into_bytes());
        let rows = rows(&out);
        for (stream, name) in NAMES {
            let lines = (0..counts[usize::from(stream)]).map(|n| line(stream, n));
            prop_assert_eq!(joined(&rows, name), lines.collect::<String>());
        }
        let said: usize = NAMES.iter().map(|(_, name)| joined(&rows, name).len()).sum();
        let in_all: usize = rows.iter().map(|row| row.len() - "worker | ".len()).sum();
        prop_assert_eq!(said, in_all, "every row is somebody's");
    }

    #[test]
    fn every_spinner_ends_in_its_last_state(steps in steps(), color: bool) {
        let spin = |stream: u16, n: usize| {
            let states = ["0%....\r\x1b[K", "1%....\r\x1b[K", "2%....\r\x1b[K"][..=n % 3].concat();
            format!("{states}{}", line(stream, n)).into_bytes()
        };
        let (out, counts) = run(Mode::Terminal { color }, &steps, spin);
        let rows = rows(&out);
        for (stream, name) in NAMES {
            let all = joined(&rows, name);
            for last in (0..counts[usize::from(stream)]).map(|n| line(stream, n)) {
                prop_assert_eq!(all.matches(&last).count(), 1, "{} in {}", last, all);
            }
        }
    }

    #[test]
    fn a_lone_spinner_leaves_one_row_a_line(shows: Vec<Index>, color: bool) {
        let steps: Vec<Step> = shows.iter().map(|to| Step::Show(1, *to)).collect();
        let spin = |stream: u16, n: usize| match stream {
            1 => format!("\x1b[33m10%\r20%\r   \r{}", line(stream, n)).into_bytes(),
            _ => b"x".to_vec(),
        };
        let (out, _) = run(Mode::Terminal { color }, &steps, spin);
        let web = format!("web    | {}", line(1, 0));
        prop_assert_eq!(rows(&out), [&web, "worker | x", "db     | x"]);
    }

    #[test]
    fn prompts_change_nothing_in_the_end(text in noise(), cuts: Vec<Index>) {
        let text: Vec<u8> = text.into_iter().filter(|b| *b != b'\n').collect();
        let line = [&text, &b"\r\n"[..]].concat();
        for mode in [COLOR, GREY] {
            let mut whole = Bench::styled(Style { columns: 200, ..Style::new(mode) });
            whole.text(1, &line).finish();
            let mut shown = Bench::styled(Style { columns: 200, ..Style::new(mode) });
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            ends.sort_unstable();
            for end in ends {
                shown.partial(1, &text[..end]);
            }
            shown.text(1, &line).finish();
            prop_assert_eq!(rows(&whole.out), rows(&shown.out), "{}", shown.taken());
        }
    }
}
