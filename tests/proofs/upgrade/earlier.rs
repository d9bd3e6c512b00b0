//! The earlier program, built from the history of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Its commit. Runs and files of earlier ones are not served.
const COMMIT: &str = "cd46301a89625403ceda1506dc96306850f58631";

/// The earlier program; it is built where that has not been done yet.
pub(crate) fn tmo() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tmo-{COMMIT}"));
    let built = dir.join("target/release/tmo");
    if !built.exists() {
        build(&dir);
    }
    built
}

fn build(dir: &Path) {
    let source = dir.join("source");
    let archive = dir.join("source.tar");
    std::fs::create_dir_all(&source).unwrap();
    let mut export = Command::new("git");
    export.args(["-C", env!("CARGO_MANIFEST_DIR"), "archive", "--format=tar", "-o"]);
    must(export.arg(&archive).arg(COMMIT));
    must(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked", "--bin", "tmo"]).current_dir(&source);
    // What cargo has set for this program is not that program's.
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("CARGO_")) {
        if name != "CARGO_HOME" {
            build.env_remove(name);
        }
    }
    // Linked as for a release, it would take several times as long, and behave the same.
    build.envs([
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ]);
    must(build.arg("--target-dir").arg(dir.join("target")));
}

fn must(command: &mut Command) {
    let ended = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ended.success(), "{command:?}: {ended}; the whole history must be there");
}
