//! Unfinished lines on a terminal.

use pretty_assertions::assert_eq;

use super::*;
use crate::model::StreamNo;
use crate::model::time::Timestamp;

const WEB: &str = r"\x1b[1;38;5;2mweb   \x1b[0m | ";
const WORKER: &str = r"\x1b[1;38;5;3mworker\x1b[0m | ";

#[test]
fn a_prompt_is_completed_on_its_row() {
    let mut bench = Bench::new(COLOR);
    assert_eq!(bench.partial(1, b"name? ").taken(), format!("{WEB}name? "));
    assert_eq!(bench.partial(1, b"name? ").taken(), "");
    assert_eq!(bench.partial(1, b"name? bo").taken(), "bo");
    assert_eq!(bench.text(1, b"name? bob\r\nhi bob\r\n").taken(), format!(r"b\n{WEB}hi bob\n"));
}

#[test]
fn a_prompt_in_colour_goes_on_in_its_colour() {
    let mut bench = Bench::new(COLOR);
    let shown = bench.partial(1, b"\x1b[1mname? ").taken();
    assert_eq!(shown, format!(r"{WEB}\x1b[1mname? \x1b[0m"));
    let rest = bench.text(1, b"\x1b[1mname? bob\x1b[m\r\n").taken();
    assert_eq!(rest, r"\x1b[1mbob\x1b[0m\n");
}

#[test]
fn a_prompt_stays_below_the_lines_of_others() {
    let mut bench = Bench::new(COLOR);
    bench.partial(1, b"name? ").taken();
    assert_eq!(bench.text(2, b"busy\r\n").taken(), format!(r"\r\x1b[K{WORKER}busy\n"));
    assert_eq!(bench.restored(), format!("{WEB}name? "));
    assert_eq!(bench.restored(), "", "it is on the screen");
    assert_eq!(bench.partial(1, b"name? bo").taken(), "bo");
    assert_eq!(bench.text(2, b"busy\r\n").taken(), format!(r"\r\x1b[K{WORKER}busy\n"));
    assert_eq!(bench.text(1, b"name? bob\r\n").taken(), format!(r"{WEB}name? bob\n"));
    assert_eq!(bench.restored(), "", "nothing is left to show");
}

#[test]
fn of_two_prompts_the_later_one_is_at_the_bottom() {
    let mut bench = Bench::new(COLOR);
    bench.partial(1, b"name? ").taken();
    assert_eq!(bench.partial(2, b"port? ").taken(), format!(r"\n{WORKER}port? "));
    assert_eq!(bench.text(3, b"x\r\n").taken().matches("name").count(), 0);
    assert_eq!(bench.restored(), format!("{WORKER}port? "));
    assert_eq!(bench.text(1, b"name? bob\r\n").taken(), format!(r"\r\x1b[K{WEB}bob\n"));
    // A line that has made room for others is not forgotten.
    bench.text(3, b"y\r\n").partial(1, b"again? ").taken();
    bench.text(3, b"z\r\n").taken();
    assert_eq!(bench.partial(2, b"port? 80").taken(), format!(r"{WEB}again? \n{WORKER}80"));
}

#[test]
fn a_spinner_leaves_nothing_behind_beside_others() {
    let mut bench = Bench::styled(Style { columns: 60, ..Style::new(COLOR) });
    let mut text = b"\r-".to_vec();
    for (turn, sign) in (0..).zip("\\|/-".chars().cycle().take(40)) {
        text.extend(format!("\rbuilding {sign}").bytes());
        bench.partial(1, &text);
        bench.text(2, format!("line {turn}\r\n").as_bytes());
        let Bench { renderer, out, .. } = &mut bench;
        renderer.restore(out);
    }
    text.extend(b"\rbuilt, all of it\r\n");
    bench.text(1, &text).finish();
    let out = std::mem::take(&mut bench.out);
    let rows = props::rows(&out);
    assert_eq!(rows.len(), 41, "{rows:#?}");
    assert_eq!(rows.iter().filter(|row| row.contains("build")).count(), 0, "{rows:#?}");
    assert_eq!(rows[40], "web    | built, all of it");
}

#[test]
fn a_prompt_that_is_ended_by_its_process_has_its_row() {
    let mut bench = Bench::new(COLOR);
    bench.partial(1, b"name? ").taken();
    assert_eq!(bench.flagged(1, b"name? ", UNFINISHED).taken(), r"\n");
    let exit = Record { value: 0, ..record(Kind::Exit, 1) };
    assert_eq!(bench.bare(exit).taken(), format!(r"{WEB}\x1b[1mExited with code 0\x1b[0m\n"));
}

#[test]
fn a_spinner_is_redrawn_in_place() {
    let mut bench = Bench::new(COLOR);
    assert_eq!(bench.partial(1, b"10%").taken(), format!("{WEB}10%"));
    assert_eq!(bench.partial(1, b"10%\r20%").taken(), format!(r"\r\x1b[K{WEB}20%"));
    assert_eq!(bench.partial(1, b"10%\r20%\r").taken(), "");
    assert_eq!(bench.partial(1, b"10%\r20%\r\x1b[K").taken(), r"\r\x1b[K");
    let end = b"10%\r20%\r\x1b[K\x1b[32mdone\x1b[m\r\n";
    assert_eq!(bench.text(1, end).taken(), format!(r"{WEB}\x1b[32mdone\x1b[0m\n"));
}

#[test]
fn a_spinner_is_redrawn_without_escapes_where_there_are_none() {
    let mut bench = Bench::new(GREY);
    bench.partial(1, b"10%").taken();
    let redrawn = bench.partial(1, b"10%\r2%").taken();
    assert_eq!(redrawn, format!(r"\r{}\rweb    | 2%%", " ".repeat(12)));
}

#[test]
fn a_spinner_keeps_to_one_row() {
    let mut bench = Bench::styled(Style { columns: 20, ..Style::new(COLOR) });
    let [long, second, third] = ["x", "y", "z"].map(|letter| letter.repeat(30));
    // A line that extends over several rows is not overwritten.
    assert_eq!(bench.partial(1, long.as_bytes()).taken(), format!("{WEB}{long}"));
    let second = format!("{long}\r{second}");
    assert_eq!(bench.partial(1, second.as_bytes()).taken(), format!(r"\n{WEB}{}", "y".repeat(10)));
    let third = format!("{second}\r{third}");
    assert_eq!(
        bench.partial(1, third.as_bytes()).taken(),
        format!(r"\r\x1b[K{WEB}{}", "z".repeat(10))
    );
    let end = format!("{third}\r\n");
    assert_eq!(bench.text(1, end.as_bytes()).taken(), format!(r"{}\n", "z".repeat(20)));
}

#[test]
fn an_unfinished_character_is_not_shown_in_halves() {
    let mut bench = Bench::new(COLOR);
    assert_eq!(bench.partial(1, b"a\xc3").taken(), format!("{WEB}a"));
    assert_eq!(bench.partial(1, b"a\xc3\xa9").taken(), r"\xc3\xa9");
}

#[test]
fn only_new_bytes_need_be_read() {
    let mut bench = Bench::new(COLOR);
    bench.text(1, b"line\r\n").taken();
    assert_eq!(bench.renderer.wanted_from(StreamNo(1), 6), 6);
    bench.partial(1, b"name? ").taken();
    assert_eq!(bench.renderer.wanted_from(StreamNo(1), 6), 12);
    let line = Unfinished { stream: StreamNo(1), text: b"bo", end: 14, time: Timestamp::EPOCH };
    bench.renderer.partial(line, &mut bench.out);
    assert_eq!(bench.taken(), "bo");
    bench.renderer.partial(Unfinished { end: 13, text: b"b", ..line }, &mut bench.out);
    assert_eq!(bench.taken(), "", "an old head");
    assert_eq!(bench.text(1, b"name? bob\r\n").taken(), r"b\n");
    assert_eq!(bench.renderer.wanted_from(StreamNo(9), 3), 3, "an unknown stream");
}

#[test]
fn a_part_of_a_long_line_may_be_known_by_its_record_already() {
    let mut bench = Bench::new(COLOR);
    assert_eq!(bench.flagged(1, b"long ", TO_BE_CONTINUED).taken(), "");
    let line =
        Unfinished { stream: StreamNo(1), text: b"long line", end: 9, time: Timestamp::EPOCH };
    bench.renderer.partial(line, &mut bench.out);
    assert_eq!(bench.taken(), format!("{WEB}long line"));
    assert_eq!(bench.flagged(1, b"line is here\r\n", CONTINUES).taken(), r" is here\n");
}

#[test]
fn a_prompt_shown_too_early_costs_no_line() {
    let mut bench = Bench::new(COLOR);
    let line = Unfinished { stream: StreamNo(1), text: b"name? ", end: 12, time: Timestamp::EPOCH };
    bench.renderer.partial(line, &mut bench.out);
    bench.taken();
    let shown = bench.text(1, b"line\r\n").text(1, b"name? bob\r\n").taken();
    assert_eq!(shown, format!(r"\n{WEB}line\n{WEB}name? bob\n"));
}

#[test]
fn a_pipe_knows_no_prompts() {
    for mode in [Mode::Plain, Mode::Exact] {
        let mut bench = Bench::new(mode);
        assert_eq!(bench.partial(1, b"name? ").taken(), "");
        assert!(bench.text(1, b"name? bob\r\n").taken().ends_with(r"name? bob\n"));
    }
}

#[test]
fn what_is_unfinished_at_the_end_is_shown() {
    let mut bench = Bench::new(Mode::Plain);
    let shown = bench.flagged(1, b"half", TO_BE_CONTINUED).finish().taken();
    assert_eq!(shown, r"web    | half\n");
    let mut bench = Bench::new(COLOR);
    assert_eq!(bench.partial(1, b"half").finish().taken(), format!(r"{WEB}half\n"));
}
