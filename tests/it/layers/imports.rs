//! Which module of the program uses which others, determined from the source text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of a crate, as `cli::start`, each with those that it uses, and with the paths of other crates that it
/// names (`engine::persisted_state::Name`).
pub(crate) struct Imports(pub(crate) BTreeMap<String, BTreeSet<String>>);

impl Imports {
    /// Read all files below the `src` of a crate.
    pub(crate) fn read(src: &Path) -> Self {
        let texts: BTreeMap<String, String> = rust_files(src)
            .into_iter()
            .map(|file| {
                let text = std::fs::read_to_string(&file).unwrap();
                (module(file.strip_prefix(src).unwrap()), without_tests(&text).to_owned())
            })
            .collect();
        let known = |path: &str| {
            let mut path = path;
            while !texts.contains_key(path) {
                path = path.rsplit_once("::")?.0;
            }
            Some(path.to_owned())
        };
        let uses = |(name, text): (&String, &String)| {
            let used = paths(name, text).into_iter().map(|path| known(&path).unwrap_or(path));
            (name.clone(), used.filter(|used| used != name).collect())
        };
        Self(texts.iter().map(uses).collect())
    }

    /// The groups of modules of which each uses each other one, if perhaps by way of others.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<_, _> =
            self.0.keys().map(|from| (from, self.reached(from))).collect();
        let mut circles = BTreeSet::new();
        for (from, to) in &reached {
            let circle: Vec<_> = to
                .iter()
                .filter(|to| reached.get(to).is_some_and(|back| back.contains(*from)))
                .cloned()
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reached(&self, from: &str) -> BTreeSet<String> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(module) = open.pop() {
            for used in self.0.get(&module).into_iter().flatten() {
                if reached.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        reached
    }
}

/// The module that a file is: `journal/mod.rs` is `journal`.
fn module(file: &Path) -> String {
    let path = file.with_extension("");
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let parts = parts.strip_suffix(&["mod"]).unwrap_or(&parts);
    parts.join("::")
}

/// The paths that the code of a module names, from the root of its crate on, or beginning with the name of another
/// crate of tmo.
fn paths(module: &str, code: &str) -> Vec<String> {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut found = vec![];
    for root in ["crate::", "super::", "tmo_"] {
        for (at, _) in code.match_indices(root) {
            // The second one of `super::super::` is found with the first.
            if !code[..at].ends_with("super::") {
                expand("", &code[at..], &mut found);
            }
        }
    }
    found.iter().map(|path| absolute(module, path)).collect()
}

/// Append the paths at the beginning of this code, behind `before`: several for `a::{b, c::d}`.
/// Returns where they end.
fn expand(before: &str, code: &str, found: &mut Vec<String>) -> usize {
    let end =
        code.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(code.len());
    let path = format!("{before}{}", &code[..end]);
    if !code[end..].starts_with('{') || !path.ends_with("::") {
        found.push(path);
        return end;
    }
    let mut at = end + 1;
    while !code[at..].starts_with('}') {
        let skipped = code[at..].len() - code[at..].trim_start_matches([' ', ',']).len();
        at += skipped;
        if !code[at..].starts_with('}') {
            at += expand(&path, &code[at..], found).max(1);
        }
    }
    at + 1
}

/// A path from the root on: `super::cursor` in `journal::index` is `journal::cursor`.
fn absolute(module: &str, path: &str) -> String {
    if let Some(path) = path.strip_prefix("crate::").or_else(|| path.strip_prefix("tmo_")) {
        return path.to_owned();
    }
    let mut around: Vec<_> = module.split("::").collect();
    let mut path = path;
    while let Some(rest) = path.strip_prefix("super::") {
        around.pop();
        path = rest;
    }
    around.push(path);
    around.join("::")
}

/// The code of a file; its tests may use what they like.
pub(crate) fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// The files of the program below this directory, without those that are tests.
pub(crate) fn rust_files(dir: &Path) -> Vec<PathBuf> {
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

#[test]
fn import_paths_are_found_in_every_form() {
    let code = "use crate::a::{b, c::{d, e}}; use super::super::f; // crate::no\n fn g(h: super::i::J, K: tmo_m::N) {}\n\
                //! [`crate::never`]";
    let mut found = paths("k::l", code);
    found.sort();
    assert_eq!(found, ["a::b", "a::c::d", "a::c::e", "f", "k::i::J", "m::N", "no"]);
    let uses =
        |of: &str, used: &[&str]| (of.to_owned(), used.iter().map(|u| (*u).to_owned()).collect());
    let imports = Imports(
        [uses("a", &["b"]), uses("b", &["c"]), uses("c", &["a", "d"]), uses("d", &[])].into(),
    );
    assert_eq!(imports.circles(), [["a", "b", "c"]]);
}
