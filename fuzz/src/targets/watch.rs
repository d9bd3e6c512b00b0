//! What is looked for in output.

use tmo::model::LifeId;
use tmo::model::plan::rules::{Check, Flag, Probe, ProcessPolicy, Text};
use tmo::patterns::{LONGEST_LINE, Matcher, Rule};

use super::input::Input;

/// An expression, and what it means for a line.
type Expression = (&'static str, fn(&[u8]) -> bool);

const EXPRESSIONS: [Expression; 8] = [
    ("^ab", |line| line.starts_with(b"ab")),
    ("c$", |line| line.ends_with(b"c")),
    ("^$", <[u8]>::is_empty),
    ("\\Aabc\\z", |line| line == b"abc"),
    ("(?i-u)xyz|abc", |line| contains(&small(line), b"xyz") || contains(&small(line), b"abc")),
    ("(?s-u)a.*c", |line| {
        let first = line.iter().position(|byte| *byte == b'a');
        first.is_some_and(|first| line[first..].contains(&b'c'))
    }),
    ("[0-9]", |line| line.iter().any(u8::is_ascii_digit)),
    ("(ab){2,}", |line| contains(line, b"abab")),
];

const ESCAPES: [&[u8]; 8] = [
    b"\x1b[31m",
    b"\x1b]0;abc\x07",
    b"\x1b]8;;x\x1b\\",
    b"\x1b(B",
    b"\r",
    b"\x07",
    b"\x1bPxyz\x1b\\",
    b"\xc2\x9b",
];

/// Pieces and escapes change nothing, and what is found is what a look at each line finds.
pub(crate) fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let patterns = patterns(&mut input);
    let seed = input.bytes();
    let (plain, output) = printed(&mut input, &patterns);
    let expected: Vec<u64> = patterns.iter().map(|pattern| naive(pattern, &plain)).collect();
    let rules = rules(&patterns);
    let ways = [vec![plain.len()], Input::new(seed).cuts(plain.len())];
    for cuts in ways {
        assert_eq!(found(&rules, &plain, &cuts), expected, "{patterns:?}");
    }
    for cuts in [vec![output.len()], Input::new(seed).cuts(output.len())] {
        assert_eq!(found(&rules, &output, &cuts), expected, "{patterns:?} with escapes");
    }
    if output.len() < 4096 {
        let every: Vec<usize> = (1..=output.len()).collect();
        assert_eq!(found(&rules, &output, &every), expected, "{patterns:?} byte by byte");
    }
}

fn patterns(input: &mut Input<'_>) -> Vec<Text> {
    let mut patterns = vec![];
    for _ in 0..input.byte() % 80 {
        let kind = input.byte() % 4;
        let text = if kind < 2 {
            let text = String::from_utf8_lossy(input.bytes()).into_owned();
            // Other letters have cases that a plain look does not know.
            let any_case = kind == 1 && text.is_ascii();
            Text { pattern: text, regex: false, any_case }
        } else {
            let (pattern, _) = input.one_of(&EXPRESSIONS);
            Text { pattern: pattern.to_owned(), regex: true, any_case: false }
        };
        if !text.pattern.is_empty() {
            patterns.push(text);
        }
    }
    patterns
}

/// Lines, with and without escapes and carriage returns.
fn printed(input: &mut Input<'_>, patterns: &[Text]) -> (Vec<u8>, Vec<u8>) {
    let (mut plain, mut output, mut long) = (vec![], vec![], 3);
    while !input.is_empty() {
        let text = match input.byte() % 16 {
            0..3 => input.bytes().iter().copied().filter(|byte| is_text(*byte)).collect(),
            3..5 => b"\n".to_vec(),
            5 => {
                output.push(b'\r');
                b"\n".to_vec()
            }
            6..9 => {
                output.extend_from_slice(input.one_of(&ESCAPES));
                vec![]
            }
            9 if long > 0 => {
                long -= 1;
                vec![b'x'; LONGEST_LINE / 2 + input.below(64)]
            }
            9..12 if !patterns.is_empty() => {
                let text = &patterns[input.below(patterns.len())].pattern;
                text.bytes().filter(|byte| is_text(*byte)).collect()
            }
            _ => vec![input.one_of(b"abcxyzABC1 ")],
        };
        plain.extend_from_slice(&text);
        output.extend_from_slice(&text);
    }
    (plain, output)
}

/// Whether a byte is nothing but text, whatever stands beside it.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..0x7f | 0xa0..=0xc1 | 0xc3..)
}

/// Each pattern as a flag, and as something that is found once.
fn rules(patterns: &[Text]) -> ProcessPolicy {
    let flag = |text: &Text| Flag { context: 2, ..Flag::new(text.clone()) };
    let check = |text: &Text| Check {
        probe: Probe::Log(text.clone()),
        timeout_ms: Check::TIMEOUT_MS,
        every_ms: Check::EVERY_MS,
    };
    ProcessPolicy {
        flags: patterns.iter().map(flag).collect(),
        ready: patterns.iter().map(check).collect(),
        ..ProcessPolicy::default()
    }
}

/// How many lines each pattern is found in.
fn found(rules: &ProcessPolicy, output: &[u8], cuts: &[usize]) -> Vec<u64> {
    let mut matcher = Matcher::new(rules).unwrap();
    matcher.begin(Some(LifeId::nth(1)));
    let (mut counts, mut once) = (vec![0; rules.flags.len()], vec![0; rules.flags.len()]);
    let (mut from, mut hits) = (0, vec![]);
    for &to in cuts {
        hits.extend(matcher.feed(&output[from..to]));
        from = to;
    }
    hits.extend(matcher.finish());
    for hit in hits {
        match hit.rule {
            Rule::Flag(number) => counts[number] += 1,
            Rule::Ready(number) => once[number] += 1,
            Rule::Failure(_) => panic!("there are none"),
        }
    }
    for (number, log) in matcher.book().flags().iter().enumerate() {
        assert_eq!(log.count, counts[number], "the book has others");
        assert_eq!(once[number], counts[number].min(1), "it is found once in a life");
        for one in &log.matches {
            assert!(one.found.before.len() <= 2 && one.found.after.len() <= 2);
        }
    }
    counts
}

/// The same by looking at one line after the other.
fn naive(pattern: &Text, plain: &[u8]) -> u64 {
    let text = plain.strip_suffix(b"\n").unwrap_or(plain);
    if plain.is_empty() {
        return 0;
    }
    let matches = |line: &&[u8]| {
        if pattern.regex {
            let known = EXPRESSIONS.iter().find(|(text, _)| *text == pattern.pattern).unwrap();
            known.1(&line[..line.len().min(LONGEST_LINE)])
        } else if pattern.any_case {
            contains(&small(line), &small(pattern.pattern.as_bytes()))
        } else {
            contains(line, pattern.pattern.as_bytes())
        }
    };
    text.split(|byte| *byte == b'\n').filter(matches).count() as u64
}

fn small(text: &[u8]) -> Vec<u8> {
    text.to_ascii_lowercase()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
