//! The model of a terminal's screen: a snapshot of it shows the same.

use std::fmt::Write as _;
use std::path::Path;

use tmo::model::terminal::Emulator;

use crate::harness::{World, eventually};

/// Recorded output of programs in a terminal of 80 columns and 24 rows, and hostile output.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let mut all = vec![];
    for dir in ["recordings", "nasty"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(dir);
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            all.push((name, std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    assert!(all.len() > 40, "{}", all.len());
    all
}

fn shown(size: (u16, u16), bytes: &[u8]) -> Emulator {
    let mut emulator = Emulator::new(size, tmo::model::terminal::Modes::default());
    emulator.feed(bytes);
    emulator
}

/// All that can be seen of a row.
fn row(emulator: &Emulator, row: u16) -> String {
    let screen = emulator.screen();
    let mut line = String::new();
    for column in 0..screen.size().1.get() {
        let cell = screen.cell(row, column).unwrap();
        line.push_str(if cell.has_contents() { cell.contents() } else { " " });
        let style = (cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse());
        let colors = (cell.fgcolor(), cell.bgcolor());
        if (style, colors) != Default::default() {
            write!(line, "{colors:?}{style:?}").unwrap();
        }
    }
    line + if screen.row_wrapped(row) { "+" } else { "" }
}

/// What can be seen of a terminal besides its rows.
fn modes(emulator: &Emulator) -> String {
    let (screen, modes) = (emulator.screen(), emulator.modes());
    format!(
        "size {:?}, cursor {:?}, colours {:?} {:?}, hidden {}, region {:?}, alternate {} {}, modes {}",
        screen.size(),
        screen.cursor_position(),
        screen.fgcolor(),
        screen.bgcolor(),
        screen.hide_cursor(),
        modes.region(screen.size().0.get()),
        screen.alternate_screen(),
        modes.is_alternate(),
        modes.set_all().escape_ascii()
    )
}

#[track_caller]
fn assert_same(shown: &Emulator, copy: &Emulator, what: &str) {
    assert_eq!(modes(shown), modes(copy), "{what}");
    let (rows, columns) = shown.screen().size();
    for line in 0..rows.get() {
        // Most rows have equal cells, which is found more quickly than what can be seen of them.
        let is_equal = (0..columns.get())
            .all(|column| shown.screen().cell(line, column) == copy.screen().cell(line, column))
            && shown.screen().row_wrapped(line) == copy.screen().row_wrapped(line);
        if !is_equal {
            assert_eq!(row(shown, line), row(copy, line), "{what}, line {line}");
        }
    }
}

/// Numbers that look random.
fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap()
}

#[test]
fn a_snapshot_shows_what_the_terminal_shows() {
    /// What a program may print next: it depends on what can't be seen.
    const NEXT: &[&[u8]] =
        &[b"", b"x\x1b8y\r\n\nz", b"\x1b[?1049lmain\x1b[?1l", b"\x1b[24;1H\n\x0eq"];
    let mut seed = 7;
    for (name, bytes) in recordings() {
        for size in [(80, 24), (132, 43), (20, 5)] {
            for _ in 0..200 / 3 {
                let cut = random(&mut seed) % (bytes.len() + 1);
                let mut shown = self::shown(size, &bytes[..cut]);
                let snapshot = shown.snapshot();
                let what = format!("{name} at {cut}, {size:?}");
                let mut copy =
                    self::shown(size, b"something else\x1b[?1049h\x1b[?6h\x1b[4h\x1b[2;3r");
                copy.feed(&snapshot);
                assert_same(&shown, &copy, &what);
                // What can't be seen matters to what follows.
                let next = NEXT[random(&mut seed) % NEXT.len()];
                let rest = [&bytes[cut..bytes.len().min(cut + 200)], next].concat();
                shown.feed(&rest);
                copy.feed(&rest);
                let what = format!("{what} and then {}", rest.escape_ascii());
                assert_same(&shown, &copy, &what);
            }
        }
    }
}

#[test]
fn output_in_pieces_shows_the_same() {
    let mut seed = 11;
    for (name, bytes) in recordings() {
        let whole = shown((80, 24), &bytes);
        let (mut pieces, mut from) = (shown((80, 24), b""), 0);
        while from < bytes.len() {
            let to = (from + 1 + random(&mut seed) % 7).min(bytes.len());
            pieces.feed(&bytes[from..to]);
            from = to;
        }
        assert_same(&whole, &pieces, &name);
    }
}

#[test]
fn line_drawing_and_insert_mode_and_lines_without_wrapping_are_shown() {
    let cases: &[(&[u8], &str)] = &[
        (b"\x1b(0lqk\x1b(Blqk\x1b)0\x0ex\x0fx", "┌─┐lqk│x"),
        (b"\x1b(0\x1b7\x1b(Bq\x1b8q", "─"),
        (b"world\x1b[4h\r\xc3\xa9\xe6\xbc\xa2 \x1b[4l\x1b[7GW", "é漢 woWld"),
        (b"\x1b[?7labcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrsz"),
        (b"\x1b[4h\x1b(0\x1b[!pq", "q"),
        (b"one\x1bEtwo\x1bDthree\x1b[s\x1b[H1\x1b[u!", "1ne\ntwo\n   three!"),
        (b"a\x1b[2IX\x1b[Zb\x1b[2Zc", "a       c       b"),
        (b"bad\x9b5m\xff!", "bad?5m?!"),
        (b"ab\x1b[3bc", "abbbbc"),
        (b"12345x\x1b[65535b\r\nend", "12345xxxxxxxxxxxxxxx\nend"),
    ];
    for (bytes, lines) in cases {
        let shown = shown((20, 5), bytes);
        assert_eq!(shown.lines().join("\n"), *lines, "{}", bytes.escape_ascii());
    }
}

#[test]
fn the_screen_is_printed_without_the_empty_rows_below_its_text() {
    let world = World::new("web: echo one; echo; echo two; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let screen = |args: &[&str]| {
        let all = [&["screen", "web"], args].concat();
        eventually("it has printed", || Some(world.ok(&all)).filter(|text| text.contains("two")))
    };
    assert_eq!(screen(&[]), "one\n\ntwo\n");
    assert_eq!(screen(&["--color"]).lines().count(), 3);
    world.ok(["quit"]);
}
