//! `.ci/judge`, which tells flaky tests from broken ones, on recorded outputs of `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "recordings, and a file of the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;

/// The verdict on a recording, what was run again, and whether all is well. Tests with the name
/// `is_broken` fail again, those with the name `is_gone` do not exist.
fn judge(recording: &str) -> (Vec<String>, Vec<String>, bool) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let ran = dir.path().join("ran");
    let again = "echo \"$*\" >> \"$0\"; case $* in *is_broken*) exit 1;; *is_gone*) passed=0;; esac; \
                 echo \"test result: ok. ${passed-1} passed; 0 failed\"";
    let output = judging(&here.join("tests/ci").join(recording), again, &ran).output().unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    let ran = fs::read_to_string(ran).unwrap_or_default();
    (lines(&String::from_utf8(output.stdout).unwrap()), lines(&ran), output.status.success())
}

/// `.ci/judge` with this script as the command that runs a test again; `$0` is the file.
fn judging(recording: &Path, again: &str, file: &Path) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/judge"));
    command.arg(recording).args(["sh", "-c", again]).arg(file);
    command
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

#[test]
fn a_test_that_does_not_run_again_is_red() {
    let slow = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci/slow.txt");
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone.txt");
    fs::write(&gone, fs::read_to_string(slow).unwrap().replace("is_slow", "is_gone")).unwrap();
    let (verdict, _, is_well) = judge(gone.to_str().unwrap());
    assert_eq!(verdict, ["red: it view::is_gone: fails alone as well"]);
    assert!(!is_well);
}

#[test]
fn a_judge_that_is_ended_ends_the_repeated_test() {
    let slow = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci/slow.txt");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let again = "echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 1000";
    let mut judge = judging(&slow, again, &file).stderr(Stdio::null()).spawn().unwrap();
    let pid = eventually(|| fs::read_to_string(&file).ok());
    let signal = |signal: &str, pid: &str| {
        let mut kill = Command::new("kill");
        kill.args([signal, pid.trim()]).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(signal("-TERM", &judge.id().to_string()));
    assert_eq!(judge.wait().unwrap().code(), Some(143));
    eventually(|| (!signal("-0", &pid)).then_some(()));
}

fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
