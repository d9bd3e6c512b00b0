//! Imports go one way: a part may use those before it in this list, and no other.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::panic, reason = "a test that can't go on fails")]

use std::path::{Path, PathBuf};

/// Each part with the parts it may use besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sys", &["model"]),
    ("watch", &["model", "sys"]),
    // Every file is opened by `sys::files`.
    ("config", &["model", "sys"]),
    ("plan", &["model", "config"]),
    ("pane", &["model", "sys"]),
    // The formats of the pane's files are the words they share.
    ("supervisor", &["model", "pane"]),
    ("journal", &["model", "pane", "sys"]),
    // It reads the journal and asks the system; it decides nothing.
    ("crash", &["model", "sys", "journal"]),
    ("backend", &["model", "sys", "pane"]),
    // Who is at the other end of a connection.
    ("control", &["model", "sys"]),
    (
        "engine",
        &[
            "model",
            "sys",
            "watch",
            "config",
            "plan",
            "pane",
            "supervisor",
            "journal",
            "crash",
            "backend",
            "control",
        ],
    ),
    // Never the engine: a view reads the journal and asks.
    ("view", &["model", "sys", "pane", "journal", "control"]),
    ("history", &["model", "pane", "journal", "control", "view"]),
    (
        "cli",
        &[
            "model", "sys", "watch", "config", "plan", "pane", "journal", "crash", "backend",
            "control", "engine", "view", "history",
        ],
    ),
];

#[test]
fn no_part_uses_one_that_comes_after_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = vec![];
    for (part, may) in MAY_USE {
        for file in rust_files(&src.join(part)) {
            let text = std::fs::read_to_string(&file).unwrap();
            // The sink appends to the journal: it is the journal's hand in the pane.
            let sink = file.ends_with("pane/sink.rs");
            for used in used_parts(&text) {
                let fine = used == *part || may.contains(&used) || sink && used == "journal";
                if !fine {
                    wrong.push(format!("{} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_list_is_whole() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(src).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let name = entry.file_name();
            assert!(MAY_USE.iter().any(|(part, _)| *part == name), "{name:?} is not in the list");
        }
    }
}

#[test]
fn what_decides_does_nothing() {
    // What decides must be testable without tmux, time and tokio.
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for part in ["model", "supervisor", "plan", "watch"] {
        for file in rust_files(&src.join(part)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for word in ["tokio::", "Instant::now", "std::fs::", "std::process::Command"] {
                assert!(!text.contains(word), "{} uses {word}", file.display());
            }
        }
    }
}

/// The files of the commands that write to the terminal without `cli::print` and its like, which
/// clean what they print.
const WRITES: &[(&str, &str)] = &[
    ("mod.rs", "has these functions, and prints the help"),
    ("completions/mod.rs", "writes text of the program itself"),
    ("man.rs", "writes text of the program itself"),
    ("init/mod.rs", "writes files"),
    ("setup/files.rs", "writes files"),
    ("far.rs", "shows the log of another machine, cleaned by `view`"),
    ("echo.rs", "passes on a log, cleaned by `view`"),
    ("log.rs", "shows the log, cleaned by `view` for a terminal"),
    ("logs.rs", "shows the log, cleaned by `view` for a terminal; `--raw` is byte for byte"),
    ("parts.rs", "is the parts of a run, which have no terminal of a person"),
];

#[test]
fn whatever_a_command_prints_is_cleaned() {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut wrong = vec![];
    for file in rust_files(&cli) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
        let name = file.strip_prefix(&cli).unwrap().to_str().unwrap().to_owned();
        let raw =
            ["write_all(", "write!(out", "writeln!(out", "print_raw(", "anstream::", "eprint"];
        let raw = raw.iter().filter(|word| code.contains(**word));
        let raw: Vec<_> = raw.collect();
        let known = WRITES.iter().any(|(known, _)| *known == name) || name == "args/tests.rs";
        if !raw.is_empty() && !known {
            wrong.push(format!("{name} uses {raw:?}: print it with `cli::print` and its like"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The parts that the code of a file uses; its tests may look anywhere.
fn used_parts(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or(""))
        .filter(|word| MAY_USE.iter().any(|(part, _)| part == word))
        .collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { panic!("{} is gone", dir.display()) };
    let mut files = vec![];
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}
