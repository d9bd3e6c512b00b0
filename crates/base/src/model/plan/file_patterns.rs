//! The files that a process is restarted for, by patterns.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ignore::Error;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What editors and other tools write beside the files that people mean: swap files, backups, locks and files that
/// are renamed later; their own directories, and those of version control.
const OF_TOOLS: &str = ".*.sw? *~ #*# .#* 4913 *___jb_* .*.kate-swp .goutputstream-* .subl*.tmp *.tmp.[0-9]* \
                        sed[!.][!.][!.][!.][!.][!.] .nfs0* .fuse_hidden* .DS_Store .~lock.*# \
                        __pycache__ .pytest_cache .mypy_cache .ruff_cache .idea .vscode node_modules .git .hg .jj \
                        .svn";

/// Patterns of files. All paths are relative to the directory that the patterns are relative to.
#[derive(Debug)]
pub struct FilePatterns {
    chosen: Gitignore,
    /// The directories on the way to what is chosen.
    ways: Gitignore,
    ignored: Gitignore,
    /// The paths whose last part has no wildcard.
    named: Gitignore,
    /// The directories on the way to the paths that have no wildcard at all.
    named_ways: HashSet<PathBuf>,
}

impl FilePatterns {
    /// Files, directories with all that is in them, and globs; without those that `ignore` matches, in the syntax of
    /// a `.gitignore`.
    ///
    /// # Errors
    /// The first pattern that makes no sense, and why.
    pub fn new<'a>(
        paths: impl IntoIterator<Item = &'a str>,
        ignore: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let mut built = [(); 4].map(|()| GitignoreBuilder::new(""));
        for builder in &mut built {
            builder.allow_unclosed_class(false);
        }
        let [chosen, ways, ignored, named] = &mut built;
        let mut named_ways = HashSet::new();
        for path in paths {
            let path = relative(path)?;
            add(chosen, &format!("/{path}"))?;
            for (at, _) in path.match_indices('/') {
                add(ways, &format!("/{}", &path[..at]))?;
            }
            add(ways, &format!("/{path}"))?;
            let path = path.trim_end_matches('/');
            if !has_wildcard(path.rsplit('/').next().unwrap_or(path)) {
                add(named, &format!("/{path}"))?;
            }
            if !has_wildcard(path) {
                named_ways.extend(Path::new(path).ancestors().skip(1).map(Path::to_owned));
            }
        }
        for pattern in ignore {
            add(ignored, pattern)?;
        }
        let [chosen, ways, ignored, named] = built.map(|builder| builder.build().map_err(why));
        Ok(Self { chosen: chosen?, ways: ways?, ignored: ignored?, named: named?, named_ways })
    }

    /// Whether this file counts.
    pub fn matches(&self, file: &Path) -> bool {
        is_matched(&self.chosen, file, false) && !is_matched(&self.ignored, file, false)
    }

    /// Whether files that count may be in this directory.
    pub fn lead_to(&self, dir: &Path) -> bool {
        if dir.as_os_str().is_empty() {
            return true;
        }
        !is_matched(&self.ignored, dir, true)
            && (self.ways.matched(dir, true).is_ignore() || is_matched(&self.chosen, dir, true))
    }
}

impl FilePatterns {
    /// Whether this very file or directory is named, by a path whose last part has no wildcard. Then it counts
    /// whatever it is, unless `ignore` matches it.
    pub fn name(&self, path: &Path, is_dir: bool) -> bool {
        self.named.matched(path, is_dir).is_ignore()
    }

    /// Whether a path without wildcards leads through this directory.
    pub fn pass_through(&self, dir: &Path) -> bool {
        self.named_ways.contains(dir)
    }
}

/// Whether a file or directory of this name belongs to a tool.
pub fn is_of_a_tool(name: &OsStr) -> bool {
    static NAMES: LazyLock<Gitignore> = LazyLock::new(|| {
        let mut names = GitignoreBuilder::new("");
        for pattern in OF_TOOLS.split_whitespace() {
            let literal = pattern.strip_prefix('#').map(|rest| format!("\\#{rest}"));
            let _ = names.add_line(None, literal.as_deref().unwrap_or(pattern));
        }
        names.build().unwrap_or_else(|_| Gitignore::empty())
    });
    NAMES.matched(Path::new(name), true).is_ignore()
}

/// Whether a path, or a directory that it is in, is matched.
fn is_matched(patterns: &Gitignore, path: &Path, is_dir: bool) -> bool {
    patterns.matched_path_or_any_parents(path, is_dir).is_ignore()
}

const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

fn has_wildcard(part: &str) -> bool {
    part.contains(WILDCARDS)
}

/// The part of a path before the first glob; `None` if it begins with one.
pub fn fixed_part(path: &str) -> Option<&str> {
    let path = relative(path).ok()?;
    let glob = path.find(WILDCARDS).unwrap_or(path.len());
    let end = if glob == path.len() { glob } else { path[..glob].rfind('/')? };
    Some(&path[..end]).filter(|fixed| !fixed.is_empty())
}

/// The path without what means nothing in it.
fn relative(path: &str) -> Result<&str, String> {
    let mut rest = path.trim();
    while let Some(shorter) = rest.strip_prefix("./") {
        rest = shorter.trim_start_matches('/');
    }
    if rest.starts_with(['/', '~']) || rest.split('/').any(|part| part == "..") {
        return Err(format!("`{path}` is not below the directory of the project"));
    }
    match rest {
        "" if path.trim().is_empty() => Err("an empty path names no file".to_owned()),
        "" | "." => Ok("**"),
        rest => Ok(rest),
    }
}

fn add(builder: &mut GitignoreBuilder, line: &str) -> Result<(), String> {
    builder.add_line(None, line).map_err(why)?;
    Ok(())
}

fn why(error: Error) -> String {
    if let Error::Glob { glob: Some(glob), err } = error {
        format!("`{}` is no valid pattern: {err}", glob.trim_start_matches('/'))
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::{FilePatterns, fixed_part, is_of_a_tool};

    fn check(paths: &[&str], ignore: &[&str], file: &str) -> bool {
        let patterns = FilePatterns::new(paths.iter().copied(), ignore.iter().copied()).unwrap();
        let file = Path::new(file);
        let matches = patterns.matches(file);
        let mut above = file.ancestors().skip(1);
        let is_led_to = above.all(|dir| patterns.lead_to(dir));
        assert!(!matches || is_led_to, "{file:?} would not be found");
        matches
    }

    #[test]
    fn paths_are_anchored_and_directories_mean_all_in_them() {
        for (path, file, is_meant) in [
            ("src/**/*.rs", "src/a.rs", true),
            ("src/**/*.rs", "src/b/c/a.rs", true),
            ("src/**/*.rs", "src/a.txt", false),
            ("src/**/*.rs", "x/src/a.rs", false),
            ("src", "src/b/a.rs", true),
            ("./src/", "src/a", true),
            ("Gemfile.lock", "Gemfile.lock", true),
            ("Gemfile.lock", "sub/Gemfile.lock", false),
            ("*.rs", "a.rs", true),
            ("*.rs", "src/a.rs", false),
            ("**/*.rs", "src/a.rs", true),
            ("src/*/x/*.rs", "src/b/x/a.rs", true),
            (".", "any/thing", true),
            (".env*", ".env.local", true),
            ("{app,lib}/**", "lib/a.rb", true),
        ] {
            assert_eq!(check(&[path], &[], file), is_meant, "{path} {file}");
        }
    }

    #[test]
    fn what_is_ignored_is_so_at_any_depth() {
        for (ignore, file, is_meant) in [
            ("*.log", "src/a/b.log", false),
            ("gen", "src/gen/a.rs", false),
            ("/gen", "src/gen/a.rs", true),
            ("src/gen/", "src/gen/a.rs", false),
        ] {
            assert_eq!(check(&["src"], &[ignore], file), is_meant, "{ignore} {file}");
        }
    }

    #[test]
    fn directories_that_no_path_leads_to_are_left_out() {
        let patterns = FilePatterns::new(["src/**/*.rs", "web/app/*.css"], ["tmp"]).unwrap();
        let leads = |dir: &str| patterns.lead_to(Path::new(dir));
        assert!(["", "src", "src/a/b", "web", "web/app"].iter().all(|dir| leads(dir)));
        assert!(!["node_modules", "web/x", "web/app/x", "src/tmp"].iter().any(|dir| leads(dir)));
    }

    #[test]
    fn files_of_tools_are_known_by_their_names() {
        for name in [
            ".a.py.swp",
            ".a.py.swo",
            ".a.py.swx",
            ".a.py.un~",
            "a.py~",
            "#a.py#",
            ".#a.py",
            "4913",
            "a.py___jb_tmp___",
            "a.py___jb_old___",
            ".a.py.kate-swp",
            ".goutputstream-X1Y2Z3",
            "sedAb12Cd",
            "a.ts.tmp.4711.1764500000000",
            ".DS_Store",
            "__pycache__",
            ".idea",
            ".vscode",
            "node_modules",
            ".git",
        ] {
            assert!(is_of_a_tool(OsStr::new(name)), "{name}");
        }
        for name in [
            "a.py",
            ".env",
            "sed.py",
            "a.swift",
            "a.tmp",
            "#a",
            ".gitignore",
            "49130",
            "seddling",
            "sedate.py",
        ] {
            assert!(!is_of_a_tool(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_path_names_what_its_last_part_says_without_wildcards() {
        let patterns = FilePatterns::new(
            ["dist/out/app.js", "src/**/.env", "build/", "gen/*", "."],
            ["*.log"],
        )
        .unwrap();
        let named = |path: &str, is_dir| patterns.name(Path::new(path), is_dir);
        assert!(
            named("dist/out/app.js", false) && named("src/a/b/.env", false) && named("build", true)
        );
        assert!(!named("dist", true) && !named("build/a", false) && !named("gen/a", false));
        let passes = |dir: &str| patterns.pass_through(Path::new(dir));
        assert!(
            passes("")
                && passes("dist")
                && passes("dist/out")
                && !passes("src")
                && !passes("build")
        );
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (path, text) in [
            ("src/[", "`src/[` is no valid pattern: unclosed character class; missing ']'"),
            ("../x", "`../x` is not below the directory of the project"),
            ("/etc/hosts", "`/etc/hosts` is not below the directory of the project"),
            (" ", "an empty path names no file"),
        ] {
            assert_eq!(FilePatterns::new([path], []).unwrap_err(), text);
        }
        let error = FilePatterns::new(["a"], ["x{"]).unwrap_err();
        assert!(error.starts_with("`x{` is no valid pattern"), "{error}");
    }

    #[test]
    fn the_fixed_part_of_a_path_ends_before_its_first_glob() {
        for (path, part) in [
            ("src/**/*.rs", Some("src")),
            ("./a/b.txt", Some("a/b.txt")),
            ("a/b*/c", Some("a")),
            ("*.rs", None),
            ("**", None),
            (".", None),
            ("src/", Some("src/")),
        ] {
            assert_eq!(fixed_part(path), part, "{path}");
        }
    }
}
