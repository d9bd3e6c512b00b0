//! Exact output bytes.

use pretty_assertions::assert_eq;

use super::*;
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::paint::Stamp;

const WEB: &str = r"\x1b[1;38;5;2mweb   \x1b[0m | ";
const WORKER: &str = r"\x1b[1;38;5;3mworker\x1b[0m | ";
const SYSTEM: &str = r"\x1b[1;38;5;7msystem\x1b[0m | ";

fn lives(bench: &mut Bench) {
    bench
        .event(r#"{"event":"listening","name":null,"text":"Listening at ./.overmind.sock"}"#)
        .bare(Record { value: 19773, ..record(Kind::Start, 1) })
        .text(1, b"hello\r\n\r\na\tb\r\n")
        .bare(Record { value: Exit::Code(3).pack(), ..record(Kind::Exit, 1) })
        .bare(record(Kind::End, 1))
        .bare(Record { value: 19774, life: Some(LifeId::nth(2)), ..record(Kind::Start, 1) })
        .bare(Record { value: Exit::Signal(9).pack(), ..record(Kind::Exit, 1) })
        .event(r#"{"event":"stuck","name":"worker","text":"Can't stop: busy","error":true}"#);
}

#[test]
fn exact_is_what_overmind_prints() {
    let mut bench = Bench::new(Mode::Exact);
    bench.renderer.title("app", "overmind", &mut bench.out);
    assert_eq!(bench.taken(), "", "a title is for a terminal");
    lives(&mut bench);
    let expected = [
        format!(r"{SYSTEM}\x1b[1mListening at ./.overmind.sock\x1b[0m\n"),
        format!(r"{WEB}\x1b[1mStarted with pid 19773...\x1b[0m\n"),
        format!(r"{WEB}hello\n"),
        format!(r"{WEB}\n"),
        format!(r"{WEB}a\tb\n"),
        format!(r"{WEB}\x1b[1mExited with code 3\x1b[0m\n"),
        format!(r"{WEB}\x1b[1mRestarting...\x1b[0m\n"),
        format!(r"{WEB}\x1b[1mRestarted with pid 19774...\x1b[0m\n"),
        format!(r"{WEB}\x1b[1mKilled by signal 9 (SIGKILL)\x1b[0m\n"),
        format!(r"{WORKER}\x1b[0;31mCan\'t stop: busy\x1b[0m\n"),
    ];
    assert_eq!(bench.taken(), expected.concat());
}

#[test]
fn plain_has_no_escape_of_our_own() {
    let mut bench = Bench::new(Mode::Plain);
    bench.renderer.title("app", "tmo", &mut bench.out);
    lives(&mut bench);
    let expected = "\
        system | Listening at ./.overmind.sock\n\
        web    | Started with pid 19773...\n\
        web    | hello\n\
        web    | \n\
        web    | a\tb\n\
        web    | Exited with code 3\n\
        web    | Restarting...\n\
        web    | Restarted with pid 19774...\n\
        web    | Killed by signal 9 (SIGKILL)\n\
        worker | Can't stop: busy\n";
    assert_eq!(String::from_utf8(std::mem::take(&mut bench.out)).unwrap(), expected);
}

#[test]
fn a_terminal_gets_a_title_and_its_own_one_back() {
    let mut bench = Bench::new(COLOR);
    bench.renderer.title("app", "tmo", &mut bench.out);
    bench.renderer.title_before(&mut bench.out);
    assert_eq!(bench.taken(), r"\x1b[22;0t\x1b]0;app | tmo\x07\x1b[23;0t");
}

#[test]
fn a_pipe_that_asks_for_colours_gets_every_byte_but_one_return_before_a_newline() {
    let text = b"a\rb\r\r\n\x1b[2J\x1b[31m\xff\x00\x0e\x7f\r\n\x1b]0;t\x07x\n";
    let lines = [r"a\rb\r", r"\x1b[2J\x1b[31m\xff\x00\x0e\x7f", r"\x1b]0;t\x07x"];
    let expected = lines.map(|line| format!(r"{WEB}{line}\n")).concat();
    assert_eq!(Bench::new(Mode::Exact).text(1, text).taken(), expected);
}

#[test]
fn a_pipe_gets_what_a_terminal_shows_of_each_line() {
    let mut bench = Bench::new(Mode::Plain);
    bench.text(
        1,
        b"a\rb\r\r\n\x1b[2J\x1b[31m\xff\x00\x0e\x7f\r\n\x1b]0;t\x07x\n10%\x08\x08\x0820%\n",
    );
    bench.text(1, b"\x1b]8;;http://a\x07link\x1b]8;;\x07\x1b[5;3Hrow\r\n");
    let expected = [r"b", r"\xef\xbf\xbd", "x", "20%", "link", "  row"]
        .map(|line| format!(r"web    | {line}\n"));
    assert_eq!(bench.taken(), expected.concat());
}

#[test]
fn empty_lines_wait_for_text_and_go_where_the_screen_is_cleared() {
    for mode in [Mode::Plain, GREY] {
        let mut bench = Bench::new(mode);
        assert_eq!(bench.text(1, b"one\r\n\r\n  \r\n").taken(), r"web    | one\n");
        assert_eq!(bench.text(2, b"other\r\n").taken(), r"worker | other\n");
        let expected = r"web    | \nweb    | \nweb    | two\n";
        assert_eq!(bench.text(1, b"two\r\n").taken(), expected);
        let rows = "\r\n".repeat(30);
        bench.text(1, format!("{rows}\x1b[1;1H\x1b[0J\r\n  VITE\r\n").as_bytes());
        assert_eq!(bench.taken(), r"web    | \nweb    |   VITE\n");
        // The rows of a menu below a prompt are dropped when the cursor moves up again.
        let menu = format!("ipdb> a{rows}\x1b[30A\x1b[8Cb\r\n");
        assert_eq!(
            bench.text(1, menu.as_bytes()).taken(),
            r"web    | ipdb> a\nweb    |         b\n"
        );
        // They are shown at the end of a life.
        bench.text(1, b"\r\n\x1b[0m\r\n").bare(record(Kind::Exit, 1));
        assert_eq!(bench.taken(), r"web    | \nweb    | \nweb    | Exited with code 0\n");
        assert_eq!(bench.text(1, b"\r\n").finish().taken(), r"web    | \n");
        let many = bench.text(1, "\n".repeat(5000).as_bytes()).taken();
        assert!(many.len() > 4000 * "web    | ".len(), "they are not kept for ever");
    }
}

#[test]
fn empty_lines_have_their_own_times() {
    let mut bench = Bench::styled(Style { stamp: Stamp::Clock, ..Style::new(Mode::Plain) });
    bench.text(1, b"\n").renderer.clock += 5_000_000_000;
    let later = Record {
        time: Timestamp::from_nanos(6_000_000_000),
        offset: 1,
        len: 2,
        ..record(Kind::Text, 1)
    };
    bench.renderer.render(&later, b"x\n", 0, &mut bench.out);
    assert_eq!(bench.taken(), r"00:00:01 web    | \n00:00:06 web    | x\n");
}
#[test]
fn times_stand_before_the_names() {
    let mut bench = Bench::styled(Style { stamp: Stamp::Clock, ..Style::new(Mode::Plain) });
    bench.text(1, b"x\r\n").event(r#"{"event":"e","text":"y"}"#);
    assert_eq!(bench.taken(), r"00:00:01 web    | x\n00:00:01 system | y\n");
    let mut bench = Bench::styled(Style { stamp: Stamp::Clock, ..Style::new(Mode::Exact) });
    let expected = r"\x1b[0;38;5;2m00:00:01 \x1b[1;38;5;2mweb   \x1b[0m | x\n";
    assert_eq!(bench.text(1, b"x\r\n").taken(), expected);
}

#[test]
fn colours_do_not_bleed_into_other_lines() {
    let mut bench = Bench::new(COLOR);
    bench.text(1, b"\x1b[1;31mred\r\n").text(2, b"other\r\n").text(1, b"still\x1b[m\r\nplain\r\n");
    let expected = [
        format!(r"{WEB}\x1b[1;31mred\x1b[0m\n"),
        format!(r"{WORKER}other\n"),
        format!(r"{WEB}\x1b[1;31mstill\x1b[0m\n"),
        format!(r"{WEB}plain\n"),
    ];
    assert_eq!(bench.taken(), expected.concat());
    bench.text(1, b"\x1b[7m\r\n").taken();
    bench.bare(Record { life: Some(LifeId::nth(2)), value: 5, ..record(Kind::Start, 1) }).taken();
    assert_eq!(bench.text(1, b"new life\r\n").taken(), format!(r"{WEB}new life\n"));
}

#[test]
fn a_terminal_gets_colours_and_nothing_else() {
    let mut bench = Bench::new(COLOR);
    bench.text(1, b"\x1b]8;;http://a\x07b\x1b]8;;\x07\x05\x07\x1a\x9b\x1b[11mc\x1b[?25l\r\n");
    assert_eq!(bench.taken(), format!(r"{WEB}b\xef\xbf\xbdc\n"));
    // The prefix can't be overwritten.
    let backspaces = format!("x{}\x1b[40Dsystem | y\r\n", "\x08".repeat(40));
    assert_eq!(bench.text(1, backspaces.as_bytes()).taken(), format!(r"{WEB}system | y\n"));
}

#[test]
fn lines_alone_have_neither_names_nor_messages() {
    let mut bench = Bench::styled(Style { bare: true, ..Style::new(COLOR) });
    lives(&mut bench);
    bench.text(1, b"\x1b[31mred\r\n").partial(2, b"name? ").text(1, b"next\x1b[m\r\n").finish();
    let expected =
        r"hello\n\na\tb\n\x1b[31mred\x1b[0m\nname? \r\x1b[K\x1b[31mnext\x1b[0m\nname? \n";
    assert_eq!(bench.taken(), expected);
}

#[test]
fn a_terminal_without_colours_gets_none_of_ours() {
    let mut bench = Bench::new(GREY);
    bench.renderer.title("app", "tmo", &mut bench.out);
    bench
        .text(1, b"\x1b[31mred\r\n\x1b[2Jnext\r\n")
        .text(2, b"\x1b[32m1%\r2%\r\n")
        .partial(3, b"ready? ")
        .bare(record(Kind::Gap, 1))
        .finish();
    let expected = [
        r"web    | red\n",
        r"web    | next\n",
        r"worker | 2%\n",
        r"db     | ready? ",
        r"\r                \r",
        r"web    | ... output may be missing here\n",
        r"db     | ready? \n",
    ];
    assert_eq!(bench.taken(), expected.concat());
}

#[test]
fn gaps_are_told() {
    let mut bench = Bench::new(Mode::Plain);
    bench.bare(Record { len: 4096, ..record(Kind::Gap, 2) });
    let lost = Record { offset: 6, len: 4, ..record(Kind::Text, 1) };
    bench.renderer.render(&lost, b"end\n", 6, &mut bench.out);
    // If no text follows the loss, another record reports it.
    for kind in [Kind::Gap, Kind::Exit] {
        let bare = Record { value: Exit::Code(3).pack(), ..record(kind, 1) };
        bench.renderer.render(&bare, b"", 7, &mut bench.out);
    }
    let expected = [
        r"worker | ... 4096 bytes of output lost here\n",
        r"web    | ... 6 bytes of output lost here\n",
        r"web    | end\n",
        r"web    | ... 7 bytes of output lost here\n",
        r"web    | ... 7 bytes of output lost here\n",
        r"web    | Exited with code 3\n",
    ];
    assert_eq!(bench.taken(), expected.concat());
}

#[test]
fn an_unfinished_line_is_a_line_and_its_late_newline_none() {
    for mode in [Mode::Plain, GREY] {
        let mut bench = Bench::new(mode);
        bench
            .flagged(1, b"whole\r\nhalf", UNFINISHED)
            .bare(Record { value: Exit::Code(0).pack(), ..record(Kind::Exit, 1) })
            .flagged(1, b"\r\nnext\r\n", CONTINUES)
            .text(1, b"\r\n")
            .finish();
        let expected = [
            r"web    | whole\n",
            r"web    | half\n",
            r"web    | Exited with code 0\n",
            r"web    | next\n",
            r"web    | \n",
        ];
        assert_eq!(bench.taken(), expected.concat(), "{mode:?}");
    }
}

#[test]
fn a_long_line_is_whole_on_a_pipe_and_cut_on_a_terminal() {
    let part = vec![b'x'; 1 << 20];
    for mode in [Mode::Plain, GREY] {
        let mut bench = Bench::new(mode);
        bench
            .flagged(1, &part, TO_BE_CONTINUED)
            .text(2, b"between\r\n")
            .flagged(1, &part, TO_BE_CONTINUED | CONTINUES)
            .flagged(1, b"end\r\n", CONTINUES);
        let out = std::mem::take(&mut bench.out);
        let lines: Vec<&[u8]> = out.split(|&b| b == b'\n').collect();
        assert_eq!(lines.len(), 3, "two lines");
        assert_eq!(lines[0], b"worker | between");
        if mode == Mode::Plain {
            assert_eq!(lines[1].len(), "web    | ".len() + 2 * part.len() + "end".len());
        } else {
            let mark = " … [1048576 of 2097155 bytes shown]";
            assert_eq!(lines[1].len(), "web    | ".len() + part.len() + mark.len());
            assert!(lines[1].ends_with(mark.as_bytes()));
        }
    }
}

#[test]
fn a_cut_leaves_no_half_of_a_character() {
    let line = format!("x{}\r\n", "\u{e9}".repeat(1 << 20));
    let mut bench = Bench::new(GREY);
    bench.text(1, line.as_bytes());
    let text = String::from_utf8(std::mem::take(&mut bench.out)).unwrap();
    assert!(text.ends_with("\u{e9} … [1048575 of 2097153 bytes shown]\n"));
}

#[test]
fn a_line_without_end_is_written_piece_by_piece_and_loses_nothing() {
    let mut bench = Bench::new(Mode::Plain);
    let part = vec![b'x'; 4 << 20];
    bench.flagged(1, &part, TO_BE_CONTINUED);
    for round in 0..10 {
        bench.flagged(1, &part, TO_BE_CONTINUED | CONTINUES);
        if round % 5 == 0 {
            bench.text(2, b"between\r\n");
        }
        assert!(bench.renderer.holding <= 33 << 20);
    }
    bench.flagged(1, b"end\r\n", CONTINUES).finish();
    let out = std::mem::take(&mut bench.out);
    let mut letters = 0;
    for line in out.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        match line.strip_prefix(b"web    | ") {
            Some(rest) => letters += memchr::memchr_iter(b'x', rest).count(),
            None => assert_eq!(line, b"worker | between"),
        }
    }
    assert_eq!(letters, 11 * part.len());
    assert!(out.ends_with(b"end\n"));
    assert_eq!(bench.renderer.holding, 0);
}

/// A pipe whose other processes have so many unfinished lines that only one more MiB fits.
fn almost_full() -> Bench {
    let mut bench = Bench::new(Mode::Plain);
    bench.renderer.holding = 31 << 20;
    bench
}

#[test]
fn memory_is_bounded_whatever_a_line_without_end_consists_of() {
    let part = 256 << 10;
    let plain = |bit: &str| bit.repeat(part / bit.len());
    for (begin, bit, left) in [
        ("ab\rc", "x", "cx"),
        ("", " ", ""),
        ("", "\t", ""),
        ("", "\x1b[31mx\x1b[m", ""),
        ("ab\rc\t\t", "x\x1b[4b", "cb"),
    ] {
        let mut bench = almost_full();
        bench.flagged(1, begin.as_bytes(), TO_BE_CONTINUED);
        let mut letters = 0;
        for round in 0..6 {
            let part = plain(bit);
            bench.flagged(1, part.as_bytes(), TO_BE_CONTINUED | CONTINUES);
            if round == 5 {
                bench.text(2, b"between\r\n");
            }
            let line = &bench.renderer.lanes[0].row.line;
            assert!(line.held() <= 1 << 20, "{bit:?}: {} bytes are held", line.held());
            letters += part.matches([' ', '\t', 'x']).count();
            letters += 4 * part.matches("\x1b[4b").count();
        }
        bench.flagged(1, b"end\r\n", CONTINUES).finish();
        let out = String::from_utf8(std::mem::take(&mut bench.out)).unwrap();
        let rows: Vec<&str> = out.split_terminator('\n').collect();
        let between = rows.iter().filter(|row| **row == "worker | between").count();
        assert_eq!(between, 1, "{bit:?}");
        let mine = || rows.iter().filter_map(|row| row.strip_prefix("web    | "));
        assert_eq!(mine().count() + between, rows.len(), "{bit:?}");
        assert!(mine().next().unwrap().starts_with(left) && out.ends_with("end\n"), "{bit:?}");
        let kept = mine().map(|row| row.matches([' ', '\t', 'x']).count()).sum::<usize>();
        let stops = if begin.contains('\t') { 14 } else { 0 };
        assert_eq!(kept, letters + stops, "{bit:?}");
        assert_eq!(bench.renderer.holding, 31 << 20);
    }
}

#[test]
fn what_is_written_of_a_line_without_end_is_not_written_over() {
    let long = " ".repeat((1 << 20) + 1);
    for (rest, expected) in [
        ("\r", &[""][..]),
        ("", &[""]),
        ("a\r", &["a"]),
        ("\rab", &["", "ab"]),
        ("\r\x1b[Kab", &["", "ab"]),
        ("a\x1b[2K\rb", &["", "b"]),
        ("\x1b[1G\x1b[3Pab", &["", "ab"]),
    ] {
        let mut bench = almost_full();
        bench.flagged(1, long.as_bytes(), TO_BE_CONTINUED);
        bench.flagged(1, rest.as_bytes(), TO_BE_CONTINUED | CONTINUES);
        bench.flagged(1, b"\r\n", CONTINUES).finish();
        let out = String::from_utf8(std::mem::take(&mut bench.out)).unwrap();
        let rows: Vec<&str> = out.lines().map(|row| &row["web    | ".len()..]).collect();
        let rest = rows[0].strip_prefix(&long).map(|first| [&[first][..], &rows[1..]].concat());
        assert_eq!(rest.as_deref(), Some(expected));
    }
}

#[test]
fn unknown_events_and_streams_do_no_harm() {
    let mut bench = Bench::new(Mode::Plain);
    bench
        .event(r#"{"event":"new","shape":[1]}"#)
        .event("no json")
        .event(r#"{"event":"e","name":"nobody","text":"one\ntwo"}"#)
        .text(7, b"x\r\n");
    assert_eq!(bench.taken(), r"system | one\nsystem | two\n#7     | x\n");
    bench.renderer.add(StreamNo(7), "late-comer", 1);
    bench.text(7, b"y\r\n").text(1, b"z\r\n");
    assert_eq!(bench.taken(), r"late-comer | y\nweb        | z\n");
}

#[test]
fn messages_cannot_wreck_a_terminal() {
    let mut bench = Bench::new(COLOR);
    bench.renderer.message("a\x1b[2Jb\nc", false, Timestamp::EPOCH, &mut bench.out);
    let expected = format!(r"{SYSTEM}\x1b[1ma[2Jb\x1b[0m\n{SYSTEM}\x1b[1mc\x1b[0m\n");
    assert_eq!(bench.taken(), expected);
}
