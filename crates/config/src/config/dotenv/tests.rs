use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use pretty_assertions::assert_eq;

use super::quote::quote;
use super::{DotenvError, parse};

fn outer(name: &std::ffi::OsStr) -> Option<OsString> {
    (name == "HOME").then(|| "/home/me".into())
}

#[track_caller]
fn value(text: &str) -> String {
    let found = parse(text.as_bytes(), &outer).unwrap();
    found.into_iter().rfind(|(key, _)| key == "A").unwrap().1.into_string().unwrap()
}

#[test]
fn reads_every_form_of_a_line() {
    let table = [
        ("A=x", "x"),
        ("A: x", "x"),
        ("export A=x", "x"),
        ("export\tA = x", "x"),
        ("  A =  x y \t", "x y"),
        ("A=", ""),
        ("A=\nB=2", ""),
        ("A=x\r\nB=2\r\n", "x"),
        ("A=a=b:c", "a=b:c"),
        ("# A=1\n\nA=2 # two # 2\n", "2"),
        ("A=a#b", "a#b"),
        ("A=#fff", "#fff"),
        ("A= # nothing", ""),
        ("A='#' # comment", "#"),
        ("A=\"x\"#comment", "x"),
        ("A=1\nA=2", "2"),
        ("export=1\nA=$A", ""),
        ("\u{feff}A=x", "x"),
    ];
    for (text, expected) in table {
        assert_eq!(value(text), expected, "{text:?}");
    }
}

#[test]
fn quotes_are_literal_or_escaped() {
    let table = [
        (r"A='$HOME \n #x'", r"$HOME \n #x"),
        (r"A='it\'s'", r"it\'s"),
        ("A='two\nlines'", "two\nlines"),
        ("A=\"two\nlines\"", "two\nlines"),
        ("A=\"two\r\nlines\"", "two\nlines"),
        (r#"A="a\nb\rc""#, "a\nb\rc"),
        (r#"A="say \"hi\"""#, "say \"hi\""),
        (r#"A="a\\""#, r"a\"),
        (r#"A="a\\nb""#, r"a\nb"),
        (r#"A="\d\t""#, "dt"),
        (r#"A="x" B=y"#, "x"),
        (r"A=a\nb", r"a\nb"),
        (r#"A=say "hi""#, r#"say "hi""#),
        (r#"A="""#, ""),
    ];
    for (text, expected) in table {
        assert_eq!(value(text), expected, "{text:?}");
    }
}

#[test]
fn expands_variables() {
    let table = [
        ("A=$HOME/x", "/home/me/x"),
        ("A=${HOME}x", "/home/mex"),
        ("A=\"<$HOME>\"", "</home/me>"),
        ("B=1\nA=$B$B", "11"),
        ("HOME=/h\nA=$HOME", "/h"),
        ("A=[$NONE]", "[]"),
        ("A=$home", "$home"),
        ("A=${home}", "${home}"),
        (r"A=\$HOME", "$HOME"),
        (r#"A="\$HOME""#, "$HOME"),
        (r#"A="\\$HOME""#, r"\/home/me"),
        ("A=$(date)", "$(date)"),
        ("A=${HOME", "${HOME"),
        ("A=$HOME}", "/home/me}"),
        ("A=cost $", "cost $"),
        ("A=$$", "$$"),
    ];
    for (text, expected) in table {
        assert_eq!(value(text), expected, "{text:?}");
    }
}

#[test]
fn keys_have_dots_and_digits() {
    let found = parse(b"a.b_1=x\n2=y", &outer).unwrap();
    assert_eq!(found, [("a.b_1".into(), "x".into()), ("2".into(), "y".into())]);
}

#[test]
fn one_mistake_breaks_the_file() {
    let fail = |text: &str| parse(text.as_bytes(), &outer).unwrap_err();
    assert_eq!(fail("A=1\nB-C=2"), DotenvError::Name { line: 2, found: '-' });
    assert_eq!(fail("A é=2"), DotenvError::Name { line: 1, found: 'é' });
    assert_eq!(fail("A=1\nFOO\nB=2"), DotenvError::NoValue { line: 2, name: "FOO".into() });
    assert_eq!(fail("A=1\n=2"), DotenvError::NoName { line: 2 });
    let open = DotenvError::Quote { line: 2, name: "B".into(), quote: '"' };
    assert_eq!(fail("A=1\nB=\"x\ny"), open);
    assert_eq!(open.to_string(), "line 2: the value of `B` has no closing \"");
    assert_eq!(fail("A=\0"), DotenvError::Nul { line: 1 });
}

#[test]
fn a_small_file_holds_no_gigabytes() {
    let long = [b"A=", "x".repeat(1 << 20).as_bytes(), b"\nB=\"$A"].concat();
    assert_eq!(parse(&[&long, &b"\""[..]].concat(), &outer).unwrap().len(), 2);
    let twice = "\nA=$A$A".repeat(60);
    let large = parse(&[&long, "$A\"".as_bytes(), twice.as_bytes()].concat(), &outer);
    assert_eq!(large, Err(DotenvError::Large { line: 4 }));
    let wide = [&long, "$A".repeat(1 << 20).as_bytes(), &b"\""[..]].concat();
    assert_eq!(parse(&wide, &outer), Err(DotenvError::Large { line: 2 }));
}

proptest::proptest! {
    #[test]
    fn never_panics(text: Vec<u8>) {
        let _ = parse(&text, &outer);
    }

    #[test]
    fn never_panics_on_likely_text(text in "[A-Z=:\"'$\\\\{}# \n\r\tx.-]{0,60}") {
        let _ = parse(text.as_bytes(), &outer);
    }

    #[test]
    fn a_quoted_value_comes_back(value in proptest::collection::vec(1u8..=255, 0..80)) {
        let line = [b"A=", quote(&value).as_slice(), b"\nB='after'"].concat();
        let found = parse(&line, &outer).unwrap();
        proptest::prop_assert_eq!(&found[0].1, &OsString::from_vec(value));
        proptest::prop_assert_eq!(&found[1].1, "after");
    }

    #[test]
    fn a_likely_value_comes_back(value in "[\"'$\\\\{}# \n\r\tA-Z]{0,40}") {
        let line = [b"A=", quote(value.as_bytes()).as_slice()].concat();
        let found = parse(&line, &outer).unwrap();
        proptest::prop_assert_eq!(&found[0].1, &OsString::from(value));
    }
}
