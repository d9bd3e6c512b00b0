//! `.ci/judge`, which tells flaky tests from broken ones, on recorded outputs of `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "recordings, and a file of the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;

/// The verdict on a recording, what was run again, and whether all is well. Tests with the name
/// `is_broken` fail again.
fn judge(recording: &str) -> (Vec<String>, Vec<String>, bool) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let ran = dir.path().join("ran");
    let again = "echo \"$*\" >> \"$0\"; case $* in *is_broken*) exit 1;; esac";
    let mut command = Command::new(here.join(".ci/judge"));
    command.arg(here.join("tests/ci").join(recording)).args(["sh", "-c", again]).arg(&ran);
    let output = command.output().unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    let ran = fs::read_to_string(ran).unwrap_or_default();
    (lines(&String::from_utf8(output.stdout).unwrap()), lines(&ran), output.status.success())
}

#[test]
fn a_test_that_passes_alone_is_flaky() {
    let (verdict, ran, is_well) = judge("slow.txt");
    assert_eq!(verdict, ["flaky: it view::is_slow"]);
    assert_eq!(ran, ["--test it -- --exact view::is_slow"]);
    assert!(is_well);
}

#[test]
fn a_test_that_fails_again_is_red() {
    let (verdict, _, is_well) = judge("slow-and-broken.txt");
    let broken = "red: it view::is_broken: fails alone as well";
    assert_eq!(verdict, [broken, "flaky: it view::is_slow"]);
    assert!(!is_well);
}

#[test]
fn marked_failures_and_programs_without_a_list_are_red_at_once() {
    let (verdict, ran, is_well) = judge("slow-and-left.txt");
    let left = "red: it leaves_nothing: such a failure is never chance";
    assert_eq!(verdict, [left, "flaky: it view::is_slow"]);
    assert_eq!((ran.len(), is_well), (1, false));
    let (verdict, ran, is_well) = judge("slow-and-chaos.txt");
    let program = |name| format!("red: {name}: has not reported which test failed");
    assert_eq!(verdict, [program("chaos"), "flaky: it view::is_slow".to_owned()]);
    assert_eq!((ran.len(), is_well), (1, false));
    assert_eq!(judge("abort.txt"), (vec![program("it")], vec![], false));
}

#[test]
fn many_failures_are_red_without_another_run() {
    let (verdict, ran, is_well) = judge("many.txt");
    assert_eq!((verdict.len(), ran.len(), is_well), (11, 0, false));
    assert!(verdict.iter().all(|line| line.starts_with("red: it ")), "{verdict:?}");
}

#[test]
fn an_output_that_breaks_off_is_red() {
    let whole = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci/slow.txt"));
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("part.txt");
    fs::write(&part, whole.unwrap().split("\nerror: 1 target").next().unwrap()).unwrap();
    let (verdict, _, is_well) = judge(part.to_str().unwrap());
    let cut = "red: cargo: has not reported which test failed";
    assert_eq!(verdict, ["flaky: it view::is_slow", cut]);
    assert!(!is_well);
}
