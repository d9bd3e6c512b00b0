//! Says which commit this was built from.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by environment")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    // Not in a debug build: every commit would build it anew.
    let release = variable("PROFILE") == "release";
    let dir = variable("CARGO_MANIFEST_DIR");
    let built = Some(Path::new(&dir)).filter(|_| release).and_then(commit);
    let built = built.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=TMO_BUILT_FROM={built}");
}

/// The commit and its date: by git in a checkout, which is two directories above, by cargo's note in a package; `None`
/// in what holds neither.
fn commit(dir: &Path) -> Option<String> {
    if dir.join("../../.git").exists() {
        for name in ["HEAD", "logs/HEAD"] {
            let path = dir.join(git(dir, &["rev-parse", "--git-path", name])?);
            if path.exists() {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
        return git(dir, &["log", "-1", "--abbrev=9", "--format=%h %cs"]);
    }
    let note = std::fs::read_to_string(dir.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = note.split_once("\"sha1\": \"")?;
    rest.get(..9).map(str::to_owned)
}

fn git(dir: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(dir).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
