//! What the compiler can't check of the order in the sources: the floors of the commands, cycles of imports inside a
//! crate, what decides without input and output, what prints; and that the documentation names what there is.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::panic, reason = "a test that can't go on fails")]

mod imports;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imports::{Imports, rust_files, without_tests};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sources of all crates and of the program.
fn sources() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let crates = crates.map(|entry| entry.unwrap().path().join("src"));
    crates.chain([root().join("src")]).collect()
}

/// The floors of `cli`, from the ground: a room may use those on its own floor and below.
const FLOORS: &[&[&str]] = &[
    &["args", "persona", "error", "output", "runtime"],
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
    // The table of all commands, and what is made from it.
    &["verbs", "completions", "usage"],
    &["internal_commands"],
];

/// What climbs all the same, with the reason.
const CLIMBS: &[(&str, &str, &str)] = &[
    ("cli::web::server", "start", "`tmo server` starts the project that it serves"),
    ("cli::fleet::verbs", "verbs", "a verb of the fleet has the flags of the command of that name"),
    ("cli::setup::man", "verbs", "each command has a page"),
];

#[test]
fn no_room_of_the_commands_uses_one_of_a_higher_floor() {
    let imports = Imports::read(&root().join("src"));
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
    ("cli::setup::doctor::runs", "engine::persisted_state", "it tells which can be adopted"),
];

#[test]
fn no_command_uses_the_engine() {
    let imports = Imports::read(&root().join("src"));
    let mut wrong = vec![];
    for (module, used) in &imports.0 {
        let mut path = module.split("::");
        if path.next() != Some("cli") || path.next() == Some("internal_commands") {
            continue;
        }
        for used in used.iter().filter(|used| used.split("::").next() == Some("engine")) {
            if !USES_OF_ENGINE.iter().any(|(from, to, _)| from == module && used.starts_with(to)) {
                let instead = "ask the supervisor (`client`), or read the run's files (`run`)";
                wrong.push(format!("{module} uses {used}: {instead}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_import_cycle_has_more_than_three_modules() {
    let crates: Vec<_> = sources().iter().map(|src| Imports::read(src)).collect();
    let modules: usize = crates.iter().map(|imports| imports.0.len()).sum();
    assert!(modules > 700, "{modules} modules");
    let circles: Vec<_> = crates.iter().flat_map(Imports::circles).collect();
    let large: Vec<_> = circles.iter().filter(|circle| circle.len() > 3).collect();
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn the_documentation_lists_the_crates_as_they_are() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let words = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let architecture = read("docs/ARCHITECTURE.md");
    let (_, table) = architecture.split_once("| crate | holds | uses").unwrap();
    let rows = table.lines().skip(2).map_while(|row| {
        let [name, .., uses] = row.trim_matches('|').split('|').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some((words(name).pop()?, words(uses)))
    });
    let listed: Vec<_> = rows.collect();
    assert_eq!(listed.len(), sources().len() - 1, "docs/ARCHITECTURE.md");
    for (at, (name, uses)) in listed.iter().enumerate() {
        let manifest = read(&format!("crates/{name}/Cargo.toml"));
        let dependencies = manifest.split("\n[").find(|part| part.starts_with("dependencies]"));
        let used = dependencies.unwrap().lines().filter_map(|line| line.strip_prefix("tmo-"));
        let used = used.filter_map(|line| Some(line.split_once('.')?.0));
        let mut used: Vec<_> = used.collect();
        used.sort_by_key(|used| listed.iter().position(|(name, _)| name == used));
        assert_eq!(*uses, used, "{name}");
        let is_before = |used: &String| listed[..at].iter().any(|(before, _)| before == used);
        assert!(uses.iter().all(is_before), "{name} uses one behind it");
    }
}

#[test]
fn decision_layers_perform_no_io() {
    // What decides must be testable without tmux, time and tokio.
    for part in ["base/src/model", "supervisor/src", "config/src/plan", "explain/src/patterns"] {
        for file in rust_files(&root().join("crates").join(part)) {
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
    ("look/why/fix.rs", "writes a patch, which is byte for byte what the file has"),
    ("project/demo.rs", "writes files"),
    ("project/import.rs", "writes files"),
    ("project/init.rs", "writes files"),
    ("setup/files.rs", "writes files"),
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
    let cli = root().join("src/cli");
    let mut wrong = vec![];
    for file in rust_files(&cli) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = without_tests(&text);
        let name = file.strip_prefix(&cli).unwrap().to_str().unwrap().to_owned();
        let raw =
            ["write_all(", "write!(out", "writeln!(out", "print_raw(", "anstream::", "eprint"];
        let raw = raw.iter().filter(|word| code.contains(**word));
        let raw: Vec<_> = raw.collect();
        let known = WRITES.iter().any(|(known, _)| *known == name) || name == "verbs/tests.rs";
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
    let root = root();
    let mut files = vec![root.join("build.rs")];
    for folder in ["src", "crates", "tests", "benches", "examples", "fuzz"] {
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
    // Comments of the sources, too.
    pages.extend(files.iter().filter(|file| !file.starts_with(root.join("tests"))).cloned());
    let mut wrong = vec![];
    for page in pages {
        let mut text = std::fs::read_to_string(&page).unwrap();
        if page.extension().is_some_and(|e| e == "rs") {
            let comments = text.lines().filter(|line| line.trim_start().starts_with("//"));
            text = comments.collect::<Vec<_>>().join("\n");
        }
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

#[test]
fn every_source_file_says_what_it_is_for() {
    let files = sources().iter().flat_map(|src| rust_files(src)).collect::<Vec<_>>();
    let silent = files.iter().filter(|file| {
        let path = file.strip_prefix(root()).unwrap();
        let is_test = path.iter().any(|part| part.to_str().unwrap().contains("tests"));
        !is_test && !std::fs::read_to_string(file).unwrap().starts_with("//! ")
    });
    assert_eq!(silent.collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

/// How many types of the program may have the same name.
const MOST_NAMESAKES: usize = 3;

#[test]
fn no_type_name_occurs_more_than_three_times() {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources().iter().flat_map(|src| rust_files(src)) {
        let path = file.strip_prefix(root()).unwrap();
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
