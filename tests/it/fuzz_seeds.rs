//! Runs the fuzz targets on their seeds and on all earlier findings of the fuzzers.
//!
//! `fuzz/seeds/<target>/` contains small inputs, one per file; `shell/fuzz` searches for more.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| name(entry.unwrap().path())).collect()
}

#[test]
fn every_fuzz_target_accepts_its_seeds() {
    for (name, check) in targets::TARGETS {
        check(&[]);
        for entry in std::fs::read_dir(folder().join("seeds").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let seed = std::fs::read(&path).unwrap();
            let held = std::panic::catch_unwind(|| check(&seed));
            assert!(held.is_ok(), "{} does not hold", path.display());
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_of_a_project_begins_a_directive_in_an_export(
        texts in proptest::collection::vec(proptest::collection::vec(proptest::sample::select(HOSTILE), 0..6), 7)
    ) {
        let texts: Vec<_> = texts.iter().map(|parts| parts.concat().into_bytes()).collect();
        targets::export::check(&texts.join(&255));
    }
}

/// What ends a value in one format or another.
const HOSTILE: &[&str] = &[
    "\n",
    "\r",
    "\\",
    "\"",
    "'",
    " ;",
    " #",
    "%",
    "$",
    "`",
    "[Service]",
    "ExecStartPre=+/x",
    "user=root",
    "end script",
    "exec x",
    "</string>",
    "<key>",
    "-->",
    ": ",
    "- ",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\0",
    "\x1b",
    " ",
    "x",
    "é",
];

#[test]
fn every_fuzz_target_can_be_fuzzed_and_has_seeds() {
    let known: BTreeSet<String> =
        targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder().join("fuzz_targets")), known);
    assert_eq!(names(&folder().join("seeds")), known);
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in known {
        let lines = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&lines), "fuzz/Cargo.toml lacks {name}");
        let file = folder().join(format!("fuzz_targets/{name}.rs"));
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("run(\"{name}\", data)")), "{name}.rs runs another");
    }
}
