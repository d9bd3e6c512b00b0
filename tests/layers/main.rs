//! Imports have one direction: a part may use only those before it in this list. Inside a part, no cycle of
//! imports has more than three modules. The commands use the engine only where it is listed. The documentation
//! names no Rust file that does not exist.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::panic, reason = "a test that can't go on fails")]

mod imports;

use std::collections::BTreeMap;
use std::path::Path;

use imports::{Imports, rust_files, without_tests};

/// Each part with the parts it may use besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sys", &["model"]),
    ("watch", &["model", "sys"]),
    ("apps", &["model", "sys"]),
    // Every file is opened by `sys::files`.
    ("config", &["model", "sys", "apps"]),
    ("plan", &["model", "apps", "config"]),
    // It reads files as a start does, and writes what a start reads.
    ("import", &["model", "sys", "config"]),
    ("export", &["model", "sys"]),
    ("protocol", &["model", "sys"]),
    // The formats of the pane's files are the words they share.
    ("supervisor", &["model", "protocol"]),
    ("api", &["model", "sys"]),
    ("journal", &["model", "sys", "protocol", "api"]),
    // It reads the journal and asks the system; it decides nothing.
    ("crash", &["model", "sys", "watch", "journal"]),
    // The sink appends to the journal.
    ("pane", &["model", "sys", "protocol", "journal"]),
    ("backend", &["model", "sys", "protocol"]),
    // What is known of a run without asking it, and what ends it then.
    ("run", &["model", "sys", "config", "protocol", "supervisor", "journal", "backend"]),
    ("client", &["model", "sys", "api"]),
    ("figures", &["model", "sys"]),
    // It explains crashes and takes samples for clients.
    ("server", &["model", "sys", "api", "crash", "figures"]),
    (
        "engine",
        &[
            "model",
            "sys",
            "watch",
            "config",
            "plan",
            "protocol",
            "supervisor",
            "api",
            "journal",
            "crash",
            "pane",
            "backend",
            "run",
            "server",
        ],
    ),
    // Never the engine: a view reads the journal.
    ("view", &["model", "sys", "api", "journal"]),
    // The interface in a terminal: a view with keys.
    ("ui", &["model", "sys", "api", "journal", "figures", "view"]),
    // It reaches hosts by other programs.
    ("fleet", &["model", "sys", "config"]),
    // The interface in a browser: it reads runs, and forwards requests to their supervisors.
    (
        "web",
        &[
            "model", "sys", "apps", "config", "protocol", "api", "journal", "crash", "run",
            "client", "server", "figures", "view", "fleet",
        ],
    ),
    (
        "cli",
        &[
            "model", "sys", "watch", "apps", "config", "plan", "protocol", "api", "journal",
            "crash", "pane", "backend", "run", "client", "server", "engine", "figures", "view",
            "ui", "web", "import", "export", "fleet",
        ],
    ),
];

#[test]
fn no_layer_uses_a_later_layer() {
    let imports = Imports::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let part = |module: &str| module.split("::").next().unwrap().to_owned();
    let mut wrong = vec![];
    for (module, used) in &imports.0 {
        let Some((_, may)) = MAY_USE.iter().find(|(name, _)| *name == part(module)) else {
            continue;
        };
        let used = used.iter().filter(|used| part(used) != part(module));
        let bad = used.filter(|used| !may.contains(&part(used).as_str()));
        wrong.extend(bad.map(|used| format!("{module} uses {used}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The floors of `cli`, from the ground: a room may use those on its own floor and below. The syntax completes names,
/// and an error may be in one of them.
const FLOORS: &[&[&str]] = &[
    &["args", "completions", "persona", "error", "usage", "output", "runtime"],
    &["reach"],
    &["view"],
    &["project"],
    &["look"],
    &["act"],
    // Rows and words of what one host shows.
    &["fleet"],
    &["ui", "web", "mcp"],
    &["start"],
    &["setup"],
    &["internal_commands"],
];

/// What climbs all the same, with the reason.
const CLIMBS: &[(&str, &str, &str)] =
    &[("cli::web::server", "start", "`tmo server` starts the project that it serves")];

#[test]
fn no_room_of_the_commands_uses_one_of_a_higher_floor() {
    let imports = Imports::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let room = |module: &str| module.strip_prefix("cli::")?.split("::").next().map(str::to_owned);
    let floor = |room: &str| FLOORS.iter().position(|floor| floor.contains(&room));
    let mut wrong = vec![];
    for (module, used) in &imports.0 {
        let Some(own) = room(module) else { continue };
        let Some(at) = floor(&own) else {
            wrong.push(format!("{own} is on no floor"));
            continue;
        };
        for used in used.iter().filter_map(|used| room(used)) {
            let is_allowed = CLIMBS.iter().any(|(from, to, _)| from == module && *to == used);
            if floor(&used).is_some_and(|other| other > at) && !is_allowed {
                wrong.push(format!("{module} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What of the engine the commands use all the same, with the reason. It runs in the processes of a run, which
/// `internal_commands` holds.
const USES_OF_ENGINE: &[(&str, &str, &str)] = &[
    ("cli::start", "engine::persisted_state", "a run that can be adopted has its own plan"),
    ("cli::start::attach", "engine::persisted_state", "the view begins where the run did"),
    ("cli::act::cleanup", "engine::persisted_state", "a run that can be adopted is left alone"),
    ("cli::setup::doctor::instances", "engine::persisted_state", "it tells which can be adopted"),
];

#[test]
fn no_command_uses_the_engine() {
    let imports = Imports::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut wrong = vec![];
    for (module, used) in &imports.0 {
        let mut path = module.split("::");
        if path.next() != Some("cli") || path.next() == Some("internal_commands") {
            continue;
        }
        for used in used.iter().filter(|used| used.split("::").next() == Some("engine")) {
            if !USES_OF_ENGINE.iter().any(|(from, to, _)| from == module && to == used) {
                let instead = "ask the supervisor (`client`), or read the run's files (`run`)";
                wrong.push(format!("{module} uses {used}: {instead}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_import_cycle_has_more_than_three_modules() {
    let imports = Imports::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(imports.0.len() > 300, "{} modules", imports.0.len());
    let circles = imports.circles();
    let large: Vec<_> = circles.iter().filter(|circle| circle.len() > 3).collect();
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn every_source_folder_is_in_the_layer_list() {
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
fn the_documentation_lists_the_layers_as_they_are() {
    let read = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    };
    let expected: Vec<(String, Vec<String>)> = MAY_USE
        .iter()
        .map(|(part, uses)| {
            let uses = uses.iter().filter(|used| **used != "model").map(|used| (*used).to_owned());
            ((*part).to_owned(), uses.collect())
        })
        .collect();
    let words = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let architecture = read("docs/ARCHITECTURE.md");
    let (_, table) = architecture.split_once("| folder | holds | may use").unwrap();
    let listed: Vec<_> = table
        .lines()
        .skip(2)
        .map_while(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').collect();
            let [part, .., uses] = cells[..] else { return None };
            Some((words(part).pop()?, words(uses)))
        })
        .collect();
    assert_eq!(listed, expected, "docs/ARCHITECTURE.md");
    // Each may use only those before it.
    for (at, (part, uses)) in expected.iter().enumerate() {
        let is_before = |used: &String| expected[..at].iter().any(|(before, _)| before == used);
        assert!(uses.iter().all(is_before), "{part} uses one behind it");
    }
    let lib = read("src/lib.rs");
    let of_lib =
        lib.lines().filter_map(|line| words(line.strip_prefix("//! - ")?).into_iter().next());
    let parts = expected.into_iter().map(|(part, _)| part);
    assert_eq!(of_lib.collect::<Vec<_>>(), parts.collect::<Vec<_>>(), "src/lib.rs");
}

#[test]
fn decision_layers_perform_no_io() {
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

/// The files of the commands that write to the terminal without `cli::output`, which
/// clean what they print.
const WRITES: &[(&str, &str)] = &[
    ("mod.rs", "prints the help"),
    ("output/mod.rs", "has these functions"),
    ("completions/mod.rs", "writes text of the program itself"),
    ("setup/man.rs", "writes text of the program itself"),
    ("look/fix.rs", "writes a patch, which is byte for byte what the file has"),
    ("project/demo.rs", "writes files"),
    ("project/import.rs", "writes files"),
    ("project/init.rs", "writes files"),
    ("setup/files.rs", "writes files"),
    ("look/far.rs", "shows the log of another machine, cleaned by `view`"),
    ("output/progress.rs", "moves the cursor to the beginning of the line"),
    ("look/top.rs", "moves the cursor to draw over its table, which is cleaned"),
    ("look/echo.rs", "passes on a log, cleaned by `view`"),
    ("reach/log.rs", "shows the log, cleaned by `view` for a terminal"),
    (
        "act/connect/native/fitted.rs",
        "draws a screen, which goes through the filter of the terminal",
    ),
    ("act/connect/native/link.rs", "writes to a socket"),
    (
        "output/stdout.rs",
        "shows the log, cleaned by `view` for a terminal; `logs --raw` is byte for byte",
    ),
];

#[test]
fn every_command_prints_through_the_cleaning_functions() {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut wrong = vec![];
    for file in rust_files(&cli) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = without_tests(&text);
        let name = file.strip_prefix(&cli).unwrap().to_str().unwrap().to_owned();
        let raw =
            ["write_all(", "write!(out", "writeln!(out", "print_raw(", "anstream::", "eprint"];
        let raw = raw.iter().filter(|word| code.contains(**word));
        let raw: Vec<_> = raw.collect();
        let known = WRITES.iter().any(|(known, _)| *known == name) || name == "args/tests.rs";
        if !raw.is_empty() && !known {
            wrong.push(format!("{name} uses {raw:?}: print it with `cli::output`"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Names in the documentation that stand for any file.
const PLACEHOLDERS: &[&str] = &["nice.rs", "src/cli/ROOM/NAME.rs", "src/cli/<room>/<verb>.rs"];

#[test]
fn every_rust_file_that_the_documentation_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("build.rs")];
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        files.extend(rust_files(&root.join(folder)));
    }
    let mut pages: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|page| root.join(page)).into();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                pages.push(path);
            }
        }
    }
    let mut wrong = vec![];
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        // What stands between two backticks of a line.
        let words = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let is_file = |word: &&str| {
            Path::new(word).extension().is_some_and(|e| e == "rs") && !word.contains(' ')
        };
        for name in words.filter(is_file) {
            if !PLACEHOLDERS.contains(&name) && !files.iter().any(|file| file.ends_with(name)) {
                wrong.push(format!("{} names {name}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How many types of the program may have the same name.
const MOST_NAMESAKES: usize = 3;

#[test]
fn no_type_name_occurs_more_than_three_times() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files(&src) {
        let path = file.strip_prefix(&src).unwrap();
        if path.ends_with("tests.rs") || path.iter().any(|part| part == "tests") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for line in without_tests(&text).lines() {
            if let Some(name) = declared_type(line) {
                types.entry(name.to_owned()).or_default().push(path.display().to_string());
            }
        }
    }
    assert!(types.len() > 1000, "{} types", types.len());
    types.retain(|_, files| files.len() > MOST_NAMESAKES);
    assert!(types.is_empty(), "a search for a type should lead to it: {types:#?}");
}

/// The name of the type that this line of code declares. An indented `type` is an associated type.
fn declared_type(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    // The rest of `pub(in crate::cli)`.
    let word = words.find(|word| !word.ends_with(')') && *word != "unsafe")?;
    let is_type = match word {
        "struct" | "enum" | "union" | "trait" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let name = words.next().filter(|_| is_type)?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[test]
fn declared_types_are_recognized() {
    for line in [
        "struct Name;",
        "pub struct Name(u8);",
        "pub(super) enum Name<'a> {",
        "    pub(in crate::cli) union Name {",
        "pub unsafe trait Name: Send {",
        "type Name = u8;",
    ] {
        assert_eq!(declared_type(line), Some("Name"), "{line}");
    }
    for line in ["    type Name = u8;", "// struct Name", "fn name(of: &struct) {", "use a::Name;"]
    {
        assert_eq!(declared_type(line), None, "{line}");
    }
}
