//! Checks that the committed man pages, API description and tables of `docs/COMING_FROM.md` and `docs/EXPORT.md` are
//! those generated from this source, and that the tests named in `SECURITY.md` exist.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;

use tmo::cli::setup::man;

const REMEDY: &str = "`shell/generate` brings it up to date";

fn committed(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

#[track_caller]
fn assert_same(dir: &str, fresh: &BTreeMap<String, String>) {
    let old = files(&committed(dir));
    assert!(old.keys().eq(fresh.keys()), "{dir} has other files than it should: {REMEDY}");
    for (name, text) in fresh {
        assert!(old[name] == *text, "{dir}/{name} is stale: {REMEDY}");
    }
}

#[test]
fn the_committed_man_pages_are_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    man::write_all(dir.path()).unwrap();
    assert_same("man", &files(dir.path()));
}

#[test]
fn the_committed_openapi_json_is_up_to_date() {
    let old = std::fs::read_to_string(committed("docs/openapi.json")).unwrap();
    let fresh = format!("{}\n", tmo::server::http::description());
    assert!(old == fresh, "docs/openapi.json is stale: {REMEDY}");
}

#[test]
fn the_tables_for_users_of_other_tools_are_those_of_the_import() {
    let path = committed("docs/COMING_FROM.md");
    let old = std::fs::read_to_string(&path).unwrap();
    let mut text = old.clone();
    for table in tmo::import::tables() {
        let section = text.find(&format!("\n## {}\n", table.title)).unwrap();
        let begin = section + text[section..].find("\n| ").unwrap() + 1;
        let end = begin + text[begin..].find("\n\n").unwrap() + 1;
        text.replace_range(begin..end, &table.markdown());
    }
    if std::env::var_os("TMO_BLESS").is_some() {
        return std::fs::write(&path, text).unwrap();
    }
    assert!(old == text, "docs/COMING_FROM.md is stale: {REMEDY}");
}

#[test]
fn the_table_of_what_can_be_exported_is_that_of_the_export() {
    let path = committed("docs/EXPORT.md");
    let old = std::fs::read_to_string(&path).unwrap();
    let begin = old.find("\n|---|").unwrap() + 1;
    let begin = begin + old[begin..].find('\n').unwrap() + 1;
    let end = begin + old[begin..].find("\n\n").map_or(0, |at| at + 1);
    let end = if old[begin..].starts_with('\n') { begin } else { end };
    let cell = |can: bool| if can { " yes |" } else { " – |" };
    let rows = tmo::export::gap_table().fold(String::new(), |rows, (key, can)| {
        rows + &format!("| `{key}` |{}\n", can.map(cell).concat())
    });
    let text = format!("{}{rows}{}", &old[..begin], &old[end..]);
    if std::env::var_os("TMO_BLESS").is_some() {
        return std::fs::write(&path, text).unwrap();
    }
    assert!(old == text, "docs/EXPORT.md is stale: {REMEDY}");
}

#[test]
fn security_md_names_tests_that_exist() {
    let text = std::fs::read_to_string(committed("SECURITY.md")).unwrap();
    let (mut file, mut count) = ("", 0);
    // `::name` is a test of the file that was named before.
    for (named, test) in text.split('`').filter_map(|part| part.split_once("::")) {
        file = if named.is_empty() { file } else { named };
        let source = std::fs::read_to_string(committed(file)).unwrap();
        let test = test.rsplit("::").next().unwrap();
        assert!(source.contains(&format!("fn {test}(")), "{file} has no test {test}");
        count += 1;
    }
    assert!(count > 50, "{count} tests are named");
}
