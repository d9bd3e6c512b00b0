//! Compares the matcher with a naive one that searches the whole text line by line.

use proptest::prelude::*;

use super::{FlagBook, Hit, LONGEST_LINE, LONGEST_SHOWN, Matcher, Rule};
use crate::model::plan::rules::{
    Check, FailureAction, FailurePattern, Flag, Probe, ProcessPolicy, Text,
};
use crate::model::terminal::escape::{Scanner, Token};
use crate::model::terminal::line;
use crate::model::terminal::line::without_break;
use crate::model::time::Timestamp;
use crate::model::{LifeId, Untrusted};

fn word(pattern: &str) -> Text {
    Text { pattern: pattern.to_owned(), regex: false, any_case: true }
}

fn exact(pattern: &str) -> Text {
    Text { any_case: false, ..word(pattern) }
}

fn expression(pattern: &str) -> Text {
    Text { regex: true, ..exact(pattern) }
}

fn ready(text: Text) -> Check {
    Check { probe: Probe::Log(text), timeout_ms: Check::TIMEOUT_MS, every_ms: Check::EVERY_MS }
}

fn failure(text: Text) -> FailurePattern {
    FailurePattern { text, action: FailureAction::Break }
}

fn flag(text: Text, context: u16) -> Flag {
    Flag { context, target: Some(1), ..Flag::new(text) }
}

fn flags(texts: impl IntoIterator<Item = Text>) -> ProcessPolicy {
    ProcessPolicy {
        flags: texts.into_iter().map(|text| flag(text, 0)).collect(),
        ..ProcessPolicy::default()
    }
}

fn matcher(rules: &ProcessPolicy) -> Matcher {
    Matcher::new(rules).unwrap()
}

fn rules_and_lines(hits: &[Hit]) -> Vec<(Rule, &str)> {
    hits.iter().map(|hit| (hit.rule, hit.line.as_str())).collect()
}

#[test]
fn what_makes_ready_and_what_fails_is_found_once_in_a_life() {
    let rules = ProcessPolicy {
        ready: vec![
            Check { probe: Probe::Delay { ms: 1 }, ..ready(word("x")) },
            ready(word("listening on")),
        ],
        failures: vec![failure(expression("^panic")), failure(word("EADDRINUSE"))],
        ..ProcessPolicy::default()
    };
    let mut matcher = Matcher::new(&rules).unwrap();
    matcher.begin(Some(LifeId::FIRST));
    let hits = matcher.feed(b"\x1b[32mListening\x1b[m on 80\r\nlistening on 81\r\n");
    assert_eq!(rules_and_lines(&hits), [(Rule::Ready(1), "Listening on 80")]);
    let hits = matcher.feed(b"no panic\npanic: 1\npanic: 2\nError: EaddrInUse\nEADDRINUSE\n");
    assert_eq!(
        rules_and_lines(&hits),
        [(Rule::Failure(0), "panic: 1"), (Rule::Failure(1), "Error: EaddrInUse")]
    );
    assert_eq!(matcher.feed(b"listening on 82\n"), []);
    assert!(!matcher.wants(), "all of it was found");
    matcher.begin(Some(LifeId::nth(2)));
    assert!(matcher.wants());
    assert_eq!(
        rules_and_lines(&matcher.feed(b"listening on 83\n")),
        [(Rule::Ready(1), "listening on 83")]
    );
}

#[test]
fn a_pattern_that_is_too_slow_for_a_line_is_told_once_and_others_are_found() {
    let slow = r"^\w*a[ab]{9000}a\w*[cd]";
    let mut matcher = matcher(&flags([expression(slow), expression("b+c"), word("bcd")]));
    let line = "abb".repeat(20_000) + "bcd\n";
    for expected in [&[slow][..], &[]] {
        let rules: Vec<Rule> = matcher.feed(line.as_bytes()).iter().map(|hit| hit.rule).collect();
        assert_eq!(rules, [Rule::Flag(1), Rule::Flag(2)]);
        assert_eq!(matcher.take_slow(), expected);
    }
}

#[test]
fn a_long_line_does_not_end_where_it_is_cut() {
    let mut matcher = matcher(&flags([expression("x$"), expression("xE")]));
    let long = "x".repeat(LONGEST_LINE);
    assert_eq!(matcher.feed((long.clone() + "E\n").as_bytes()), []);
    assert_eq!(matcher.feed((long + "\n").as_bytes())[0].rule, Rule::Flag(0));
}

#[test]
fn a_text_is_found_in_a_line_that_has_not_ended_and_once_in_it() {
    let mut matcher = matcher(&flags([word("login: "), exact("$ ")]));
    assert_eq!(matcher.feed(b"host lo"), []);
    assert_eq!(rules_and_lines(&matcher.feed(b"gin: ")), [(Rule::Flag(0), "host login: ")]);
    assert_eq!(matcher.feed(b"login: "), []);
    assert_eq!(matcher.feed(b"\r\n"), []);
    assert_eq!(rules_and_lines(&matcher.feed(b"$ login: ")).len(), 2);
    let shown: Vec<_> =
        matcher.book().flags()[0].matches.iter().map(|one| &one.found.line).collect();
    assert_eq!(shown, ["host login: login: ", "$ login: "]);
}

#[test]
fn an_expression_is_found_in_whole_lines_or_when_no_more_comes() {
    let mut matcher = matcher(&flags([expression("^ready$"), expression("\\d$")]));
    assert_eq!(matcher.feed(b"ready"), []);
    assert_eq!(rules_and_lines(&matcher.feed(b"\nready"))[..], [(Rule::Flag(0), "ready")]);
    assert_eq!(rules_and_lines(&matcher.idle())[..], [(Rule::Flag(0), "ready")]);
    assert_eq!(matcher.idle(), []);
    // The match was reported already, and does not count for the next line.
    assert_eq!(rules_and_lines(&matcher.feed(b" 1\n"))[..], [(Rule::Flag(1), "ready 1")]);
    assert_eq!(matcher.feed(b"2"), []);
    assert_eq!(rules_and_lines(&matcher.finish())[..], [(Rule::Flag(1), "2")]);
    assert_eq!(matcher.finish(), []);
}

#[test]
fn a_line_is_searched_as_it_is_shown() {
    let table: [(Text, &str, &[&str]); 12] = [
        (expression("^server"), "waiting...\r\x1b[Kserver up\n", &["server up"]),
        (expression("^20%$"), "10%\r20%\r\n", &["20%"]),
        (expression("10%"), "10%\r20%\n", &[]),
        (expression("^wait"), "wait\r\x1b[K\r\nup\n", &[]),
        (expression("^$"), "wait\r\x1b[K\n\n", &[""]),
        (expression("^abc$"), "abx\x08c\n", &["abc"]),
        (expression("^two$"), "one\x1b[1A\r\x1b[Ktwo\n", &["two"]),
        (expression("^caf.$"), "caf\u{202a}\n", &["caf\u{fffd}"]),
        // A text also counts if it was drawn over, but not if it was never there.
        (exact("10%"), "10%\r20%\n", &["10%"]),
        (exact("0%2"), "10%\r20%\n", &[]),
        (exact("server up"), "server ..\x1b[8Gup\n", &["server up"]),
        (exact("one"), "one\x1b[1A\rone\n", &["one", "one"]),
    ];
    for (pattern, output, expected) in table {
        for size in [1, 2, 3, 100] {
            let mut matcher = matcher(&flags([pattern.clone()]));
            let pieces = output.as_bytes().chunks(size);
            pieces.for_each(|piece| drop(matcher.feed(piece)));
            let found = matcher.book().flags()[0].matches.iter();
            let found: Vec<&str> = found.map(|one| one.found.line.raw()).collect();
            assert_eq!(found, expected, "{pattern:?} in pieces of {size}");
        }
    }
}

#[test]
fn an_unfinished_line_is_searched_as_it_is_shown_when_no_more_comes() {
    let mut matcher = matcher(&flags([expression("^up$"), exact("it is up")]));
    assert_eq!(matcher.feed(b"wait\r\x1b[Kup"), []);
    assert_eq!(rules_and_lines(&matcher.idle()), [(Rule::Flag(0), "up")]);
    assert_eq!(matcher.feed(b"\rit is ..\x1b[7Gup"), []);
    assert_eq!(rules_and_lines(&matcher.idle()), [(Rule::Flag(1), "it is up")]);
    matcher.renew(&flags([exact("it is up"), exact("is")])).unwrap();
    assert_eq!(rules_and_lines(&matcher.feed(b"\n")), [(Rule::Flag(1), "it is up")]);
}

#[test]
fn a_life_does_not_continue_the_line_of_another() {
    let mut matcher = matcher(&flags([word("error")]));
    matcher.feed(b"err\x1b]0;");
    matcher.begin(Some(LifeId::nth(2)));
    assert_eq!(matcher.feed(b"or\n"), []);
    assert_eq!(matcher.feed(b"error\n").len(), 1);
}

#[test]
fn long_lines_are_looked_through_with_little_memory() {
    let rules = flags([word("needle"), expression("needle"), expression("^x+")]);
    let mut matcher = matcher(&rules);
    let mut hits = vec![];
    for _ in 0..100 {
        hits.extend(matcher.feed(&vec![b'x'; LONGEST_LINE]));
    }
    hits.extend(matcher.feed(b"nee"));
    assert_eq!(hits, []);
    let found = matcher.feed(b"dle!");
    assert_eq!(rules_and_lines(&found)[0].0, Rule::Flag(0));
    assert!(found[0].line.ends_with("needle!") && found[0].line.len() <= LONGEST_SHOWN);
    assert!(matcher.memory() < 8 * LONGEST_LINE, "{}", matcher.memory());
    // Expressions see only the beginning of a line.
    assert_eq!(matcher.feed(b"\n")[0].rule, Rule::Flag(2));
    matcher.feed(b"short\n");
    assert!(matcher.memory() < LONGEST_LINE * 3, "{}", matcher.memory());
    let mut line = vec![b'.'; 3 * LONGEST_SHOWN];
    line.extend_from_slice(b"needle\n");
    let found = matcher.feed(&line);
    assert!(found.len() == 2 && found.iter().all(|hit| hit.line.ends_with("needle")));
}

#[test]
fn rules_can_be_replaced_within_a_life() {
    let before = ProcessPolicy { ready: vec![ready(word("up"))], ..flags([word("get")]) };
    let mut matcher = matcher(&before);
    assert_eq!(matcher.feed(b"up get\n").len(), 2);
    let after =
        ProcessPolicy { failures: vec![failure(word("panic")), failure(word("oops"))], ..before };
    matcher.renew(&after).unwrap();
    let hits = matcher.feed(b"up panic oops get\n");
    let rules: Vec<Rule> = hits.iter().map(|hit| hit.rule).collect();
    assert_eq!(rules, [Rule::Failure(0), Rule::Failure(1), Rule::Flag(0)]);
    assert_eq!(matcher.book().flags()[0].count, 2);
    assert!(matcher.renew(&flags([expression("(")])).is_err());
}

#[test]
fn matches_are_kept_with_the_lines_around_them() {
    let rules = ProcessPolicy { flags: vec![flag(word("err"), 2)], ..ProcessPolicy::default() };
    let text = "1\n2\n3\nerr a\nerr b\n4\n5\n6\nerr c\n7";
    for size in [1, 3, 100] {
        let mut matcher = matcher(&rules);
        matcher.begin(Some(LifeId::nth(7)));
        matcher.at(Timestamp::from_nanos(5));
        for piece in text.as_bytes().chunks(size) {
            matcher.feed(piece);
        }
        matcher.finish();
        let log = &matcher.book().flags()[0];
        assert!(log.count == 3 && log.is_exceeded());
        let seen: Vec<_> = log
            .matches
            .iter()
            .map(|m| (Untrusted::join(&m.found.before, " "), Untrusted::join(&m.found.after, " ")))
            .collect();
        let wanted = [("2 3", "err b 4"), ("3 err a", "4 5"), ("5 6", "7")];
        assert_eq!(seen, wanted.map(|(before, after)| (before.to_owned(), after.to_owned())));
        let last = &log.matches[2].found;
        assert_eq!(
            (last.number, last.life, last.time),
            (3, Some(LifeId::nth(7)), Timestamp::from_nanos(5))
        );
        assert_eq!(last.line.raw(), "err c");

        let saved = serde_json::to_string(matcher.book()).unwrap();
        let restored: FlagBook = serde_json::from_str(&saved).unwrap();
        let mut other = FlagBook::new(&rules.flags);
        other.restore(&restored);
        assert_eq!(other.flags(), log_of(matcher.book()));
    }
}

fn log_of(book: &FlagBook) -> &[super::FlagLog] {
    book.flags()
}

#[test]
fn the_last_matches_are_kept() {
    let mut matcher =
        matcher(&ProcessPolicy { flags: vec![flag(word("x"), 1)], ..ProcessPolicy::default() });
    for _ in 0..200 {
        matcher.feed(b"x\n");
    }
    let log = &matcher.book().flags()[0];
    assert_eq!((log.count, log.matches.len()), (200, FlagBook::MOST_MATCHES));
    assert_eq!((log.matches[0].found.number, log.matches[0].found.after.len()), (151, 1));
}

/// All patterns of the property tests. The lines begin with numbers that identify them.
fn zoo() -> Vec<Text> {
    let texts = ["err", "ab", "b c", "жЖ", "a", "aba"];
    let expressions = ["^\\d+:a", "b$", "a.*c", "[ab]{3}", "\\d:$", "\\A\\d+:c", "(?i)ERR", "r\\b"];
    let exacts = texts.map(exact).into_iter();
    exacts.chain(texts.map(word)).chain(expressions.map(expression)).collect()
}

/// For each text, the numbers of the lines in which it is found: as they are shown, or in what was printed
/// before a carriage return or an erasure.
fn naive(texts: &[Text], bytes: &[u8]) -> Vec<(usize, String)> {
    let regex = |text: &Text| text.regex.then(|| regex::Regex::new(&text.pattern).unwrap());
    let expressions: Vec<Option<regex::Regex>> = texts.iter().map(regex).collect();
    let mut found = vec![];
    let text = std::str::from_utf8(bytes).unwrap();
    for line in text.split_terminator('\n') {
        let mut shown = vec![];
        line::plain(without_break(line.as_bytes()), &mut shown);
        let shown = String::from_utf8(shown).unwrap();
        let drawn = line.replace("\x1b[K", "\r");
        let runs: Vec<String> = drawn.split('\r').map(without_escapes).collect();
        for (number, text) in texts.iter().enumerate() {
            let contains = |line: &String| {
                if text.any_case {
                    line.to_lowercase().contains(&text.pattern.to_lowercase())
                } else {
                    line.contains(&text.pattern)
                }
            };
            if match &expressions[number] {
                Some(regex) => regex.is_match(&shown),
                None => contains(&shown) || runs.iter().any(contains),
            } {
                found.push((number, shown.split(':').next().unwrap().to_owned()));
            }
        }
    }
    found.sort();
    found
}

fn without_escapes(text: &str) -> String {
    let (mut scanner, mut rest, mut plain) = (Scanner::default(), text.as_bytes(), vec![]);
    while let Some(token) = scanner.next(&mut rest) {
        if let Token::Text(text) = token {
            plain.extend_from_slice(text);
        }
    }
    String::from_utf8(plain).unwrap()
}

fn numbers(found: Vec<(usize, String)>) -> Vec<usize> {
    found.into_iter().map(|(number, _)| number).collect()
}

fn watched(texts: &[Text], pieces: &[&[u8]]) -> Vec<(usize, String)> {
    let mut matcher = matcher(&flags(texts.iter().cloned()));
    let mut hits: Vec<Hit> = pieces.iter().flat_map(|piece| matcher.feed(piece)).collect();
    hits.extend(matcher.finish());
    let mut found: Vec<_> = hits
        .into_iter()
        .map(|hit| match hit.rule {
            Rule::Flag(number) => (number, hit.line.split(':').next().unwrap().to_owned()),
            Rule::Ready(_) | Rule::Failure(_) => panic!("there are only flags"),
        })
        .collect();
    found.sort();
    found
}

fn split<'a>(text: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.push(text.len());
    cuts.sort_unstable();
    let mut from = 0;
    cuts.into_iter().map(|to| &text[std::mem::replace(&mut from, to)..to]).collect()
}

fn numbered(lines: &[String], breaks: &str) -> String {
    let lines = lines.iter().enumerate().map(|(number, line)| format!("{number}:{line}"));
    lines.collect::<Vec<_>>().join(breaks)
}

const ESCAPES: [&str; 7] =
    ["\x1b[31m", "\x1b]0;err\x07", "\r", "\x1b[K", "\x1b(B", "\x07", "\u{9b}"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cuts_change_nothing_and_lines_count_as_they_are_shown(
        lines in prop::collection::vec("[abcжЖrReE ]{0,8}|err|", 0..8),
        crlf: bool,
        ended: bool,
        cuts in prop::collection::vec(0usize..200, 0..12),
        escapes in prop::collection::vec((0usize..200, prop::sample::select(&ESCAPES[..])), 0..6),
        chosen in prop::collection::vec(0usize..20, 1..8),
    ) {
        let zoo = zoo();
        let texts: Vec<Text> = chosen.iter().map(|at| zoo[at % zoo.len()].clone()).collect();
        let breaks = if crlf { "\r\n" } else { "\n" };
        let mut text = numbered(&lines, breaks);
        if ended && !lines.is_empty() {
            text.push_str(breaks);
        }
        let expected = naive(&texts, text.as_bytes());
        prop_assert_eq!(&watched(&texts, &[text.as_bytes()]), &expected);
        prop_assert_eq!(&watched(&texts, &split(text.as_bytes(), &cuts)), &expected);
        for (at, escape) in escapes {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            // Insert after the previous insertion, not inside it.
            if let Some(at) = places.get(at).filter(|&&at| !text[..at].contains('\x1b')) {
                text.insert_str(*at, escape);
            }
        }
        // The number of a line may have been drawn over.
        let expected = numbers(naive(&texts, text.as_bytes()));
        prop_assert_eq!(&numbers(watched(&texts, &[text.as_bytes()])), &expected);
        prop_assert_eq!(&numbers(watched(&texts, &split(text.as_bytes(), &cuts))), &expected);
    }
}

#[test]
fn a_failure_from_which_nothing_has_followed_is_found_again() {
    let rules = ProcessPolicy {
        failures: vec![failure(word("boom")), failure(word("bang"))],
        ..ProcessPolicy::default()
    };
    let mut matcher = matcher(&rules);
    let found = [(Rule::Failure(0), "boom")];
    assert_eq!(rules_and_lines(&matcher.feed(b"boom\nboom\n")), found);
    matcher.search_again(Rule::Failure(0));
    matcher.search_again(Rule::Failure(0));
    assert_eq!(rules_and_lines(&matcher.feed(b"boom\nboom\n")), found);
    assert_eq!(matcher.feed(b"boom\n"), []);
    assert_eq!(matcher.feed(b"bang\n").len(), 1);
    assert!(!matcher.wants());
}
