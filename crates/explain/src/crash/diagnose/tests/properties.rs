use proptest::prelude::*;

use super::printed;
use crate::crash::diagnose;
use crate::model::Exit;

/// Pieces of output that are significant to some part of the diagnosis.
const PIECES: [&str; 24] = [
    "Traceback (most recent call last):",
    "  File \"a.py\", line 3, in f",
    "ValueError: x",
    "Error: x",
    "    at f (/srv/app/a.js:1:2)",
    "  [cause]: Error: y {",
    "panic: x",
    "goroutine 1 [running]:",
    "\t/srv/app/main.go:8 +0x1",
    "Caused by:",
    "Caused by: a.B: c",
    "\tat a.B.c(D.java:3)",
    "\t... 3 more",
    "a.rb:1:in `f': x (E)",
    "\tfrom a.rb:2:in `g'",
    "thread 'main' panicked at src/a.rs:1:2:",
    "",
    "  ",
    "The above exception was the direct cause of the following exception:",
    "{\"level\":\"error\"}",
    "EADDRINUSE :::99999",
    "ECONNREFUSED",
    "sh: 1: : not found",
    "é\u{200b}: Permission denied",
];

proptest! {
    #[test]
    fn whatever_was_printed_is_explained_in_order(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..25),
        noise in "\\PC{0,40}",
        exit in prop_oneof![any::<u8>().prop_map(Exit::Code), (1_u8..65).prop_map(Exit::Signal)],
    ) {
        let output = pieces.join("\n") + "\n" + &noise;
        let diagnosis = diagnose(&printed(exit, &output));
        prop_assert!(!diagnosis.is_empty());
        prop_assert!(diagnosis.is_sorted_by(|a, b| a.certainty >= b.certainty));
        for cause in &diagnosis {
            prop_assert!(!cause.text.is_empty() && !cause.text.contains('\n'), "{:?}", cause);
        }
    }
}
