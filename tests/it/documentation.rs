//! The pages of the documentation: their links lead somewhere, their commands are understood, their files are as the
//! schema says, also for another program that reads it.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use regex::Regex;
use tmo::cli::verbs;

/// Every page, by its path in the repository.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![];
    for folder in [".", "docs", "docs/architecture", "benches", "examples/microservices", "site"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                let text = std::fs::read_to_string(&path).unwrap();
                pages.push((path.strip_prefix(root).unwrap().components().collect(), text));
            }
        }
    }
    assert!(pages.len() > 30, "{} pages", pages.len());
    pages
}

/// The lines of a page outside of blocks of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchors of the headings of a page.
fn anchors(page: &str) -> Vec<String> {
    let mut count: HashMap<String, usize> = HashMap::new();
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let headings = prose(page).filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = link.replace_all(line.trim_start_matches('#').trim(), "$1").to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        let anchor: String = title.chars().filter(kept).collect::<String>().replace(' ', "-");
        let before = count.entry(anchor.clone()).or_default();
        *before += 1;
        if *before == 1 { anchor } else { format!("{anchor}-{}", *before - 1) }
    };
    headings.map(anchor).collect()
}

/// The path that a link leads to, from this page.
fn target(page: &Path, link: &str) -> PathBuf {
    let mut path = page.parent().unwrap().to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{link} leads out of the repository"),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

#[test]
fn every_link_and_anchor_of_the_documentation_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = pages();
    let anchors: HashMap<&Path, Vec<String>> =
        pages.iter().map(|(path, text)| (&**path, anchors(text))).collect();
    let code = Regex::new("`[^`]*`").unwrap();
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut wrong, mut count) = (vec![], 0);
    for (page, text) in &pages {
        // Links may be broken between lines, but not within their addresses.
        for line in prose(text) {
            let line = code.replace_all(line, "");
            for found in link.captures_iter(&line) {
                let (path, anchor) = found[1].split_once('#').unwrap_or((&found[1], ""));
                if path.contains("://") {
                    continue;
                }
                count += 1;
                // The summary names pages by their places in the repository; the manual is added to it.
                let is_summary = page.starts_with("site");
                let base = if is_summary { Path::new("SUMMARY.md") } else { page };
                let to = if path.is_empty() { page.clone() } else { target(base, path) };
                let is_there = root.join(&to).exists() || is_summary && path == "man/README.md";
                let has_anchor = anchor.is_empty()
                    || anchors.get(&*to).is_some_and(|all| all.iter().any(|one| one == anchor));
                if !is_there || !has_anchor {
                    wrong.push(format!("{}: {}", page.display(), &found[1]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 150, "{count} links");
}

#[test]
fn the_site_has_every_page_of_the_documentation() {
    let summary = std::fs::read_to_string("site/SUMMARY.md").unwrap();
    for (page, _) in pages().into_iter().filter(|(page, _)| page.starts_with("docs")) {
        assert!(summary.contains(&format!("]({})", page.display())), "{}", page.display());
    }
}

/// What the command line says against a command, with examples for the words that stand for any. A `mention` may lack
/// its arguments.
fn refusal(typed: &str, mention: bool) -> Option<String> {
    // What stands behind it: a pipe, a redirection, another command, or a description.
    let end = Regex::new(r"\s\\?[|<>]| && |; |\s#\s|  +\S| …").unwrap();
    let typed = end.splitn(typed, 2).next().unwrap();
    let typed = [("N", "1"), ("ROLE", "read"), ("COMMAND", "start"), ("SIGNAL", "INT")]
        .iter()
        .fold(format!("{typed} "), |typed, (word, one)| {
            typed.replace(&format!(" {word} "), &format!(" {one} "))
        });
    let words = shell_words::split(typed.trim()).ok()?;
    if words.get(1).is_some_and(|verb| verb == "help")
        && words.get(2).is_some_and(|topic| {
            ["tmo.toml", "procfile", "fleet.toml", "agents"].contains(&&**topic)
        })
    {
        return None;
    }
    let error = verbs::parse(words.iter().map(Into::into)).err()?;
    let lacks = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return None,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => true,
        ErrorKind::InvalidValue => {
            matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(v)) if v.is_empty())
        }
        _ => false,
    };
    (!(lacks && mention)).then(|| format!("{typed}: {}", error.kind()))
}

/// Processes of tmo itself, and commands of other programs with its name.
const NOT_TYPED: &[&str] = &[
    "tmo client",
    "tmo sink",
    "tmo there",
    "tmo supervise",
    "tmo install-app",
    "tmo release-terminal",
    "tmo shim",
    "tmo guard",
];

#[test]
fn every_command_of_the_documentation_is_one_of_tmo() {
    let mention = Regex::new(r"`(?:[A-Z_]+=\S+ )*(tmo [a-z][^`]*)`").unwrap();
    let example = Regex::new(r"^(?:\$ |    \$ |    )(?:[A-Z_]+=\S+ )*(tmo [a-z].*)$").unwrap();
    let (mut wrong, mut count) = (vec![], 0);
    for (page, text) in pages().into_iter().filter(|(page, _)| page != Path::new("CHANGELOG.md")) {
        for line in text.lines() {
            let mentions = mention.captures_iter(line).map(|found| (found, true));
            for (found, is_mention) in mentions.chain(example.captures(line).map(|e| (e, false))) {
                count += 1;
                if !NOT_TYPED.iter().any(|name| found[1].starts_with(name)) {
                    let refused = refusal(&found[1], is_mention);
                    wrong.extend(refused.map(|why| format!("{}: {why}", page.display())));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 300, "{count} commands");
}

#[test]
fn every_example_of_a_help_is_a_command_of_tmo() {
    let mut wrong = vec![];
    let mut count = 0;
    for verb in verbs::command().get_subcommands() {
        let footer = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in footer.lines().filter_map(|line| line.strip_prefix("  ")) {
            if line.starts_with("tmo ") {
                count += 1;
                wrong.extend(refusal(line, false));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 100, "{count} examples");
}

#[test]
fn each_key_that_defaults_do_not_take_is_named() {
    let schema = tmo::config::toml::schema();
    let defaults = &schema["properties"]["defaults"];
    let manual = include_str!("../../docs/CONFIG.md").replace('`', "");
    let manual =
        manual.split_once("It accepts all keys except").unwrap().1.split_once('.').unwrap().0;
    let help = defaults["description"].as_str().unwrap();
    let help = help.split_once("except").unwrap().1.split_once('.').unwrap().0;
    let keys = schema["properties"]["process"]["additionalProperties"]["properties"].as_object();
    for key in keys.unwrap().keys() {
        let is_taken = defaults["properties"].get(key).is_some();
        for text in [manual, help] {
            let is_named = text.split([',', ' ', '\n']).any(|word| word == key);
            assert_eq!(is_named, !is_taken, "{key}: {text}");
        }
    }
}

#[test]
fn taplo_agrees_on_the_schema() {
    if Command::new("taplo").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no taplo");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |name: String, text: &str| {
        // Without a first line that names another schema.
        std::fs::write(dir.path().join(&name), text.replace("#:schema", "#")).unwrap();
        name
    };
    let schema = write("schema.json".to_owned(), &tmo::config::toml::schema().to_string());
    let mut examples = vec![std::fs::read_to_string("examples/microservices/tmo.toml").unwrap()];
    for (_, text) in pages() {
        let blocks = text.split("```toml\n").skip(1);
        examples.extend(blocks.map(|block| block.split("```").next().unwrap().to_owned()));
    }
    assert!(examples.len() > 30, "{} examples", examples.len());
    let examples = examples.iter().enumerate();
    let good: Vec<_> = examples.map(|(at, text)| write(format!("good-{at}.toml"), text)).collect();
    let mutants = include_str!("../schema/mutants.txt").lines().enumerate();
    let bad: Vec<_> = mutants.map(|(at, text)| write(format!("bad-{at}.toml"), text)).collect();
    // All at once: it takes a second to start.
    let schema = format!("file://{}/{schema}", dir.path().display());
    let mut taplo = Command::new("taplo");
    taplo.args(["lint", "--no-auto-config", "--schema", &schema]).args(&good).args(&bad);
    let output = taplo.current_dir(&dir).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let is_refused = |name: &&String| told.contains(&format!("/{name}\"\n"));
    assert_eq!(good.iter().filter(is_refused).collect::<Vec<_>>(), [""; 0], "{told}");
    assert_eq!(bad.iter().filter(is_refused).count(), bad.len(), "{told}");
}
