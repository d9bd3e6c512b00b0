//! Links the binary at a fixed address where the linker can, and says which commit it was built from.
//!
//! Every pane costs two processes of this binary (shim and sink). A position-independent
//! executable dirties its relocated pages in each of them; a fixed one shares them all.
//! `shell/release` does the same for musl, by `-C relocation-model=static`.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by environment")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        if variable("HOST") == variable("TARGET") {
            unwind_statically(Path::new(&variable("OUT_DIR")));
        }
    }
    // Not in a debug build: every commit would build it anew.
    let release = variable("PROFILE") == "release";
    let dir = variable("CARGO_MANIFEST_DIR");
    let built = Some(Path::new(&dir)).filter(|_| release).and_then(commit);
    let built = built.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=TMO_BUILT_FROM={built}");
    let (dir, out) = (Path::new(&dir), variable("OUT_DIR"));
    embed(&dir.join("assets/web"), Path::new(&out));
    describe(&dir.join("docs/openapi.json"), Path::new(&out));
}

/// Pack the description of the API for `src/server/http/description.rs`.
fn describe(file: &Path, out: &Path) {
    println!("cargo:rerun-if-changed={}", file.display());
    if let Err(error) = pack(file, &out.join("openapi")) {
        println!("cargo:error={} can't be packed: {error}", file.display());
    }
}

/// Link the unwinder statically where the compiler has it: a shared library costs every process a tenth of its start.
///
/// rustc names `libgcc_s` itself, so a linker script of this name takes its place.
fn unwind_statically(out: &Path) {
    let known = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let path =
        known.ok().and_then(|known| String::from_utf8(known.stdout).ok()).unwrap_or_default();
    let path = path.trim();
    let script = format!("INPUT(\"{path}\")\n");
    if path.starts_with('/') && std::fs::write(out.join("libgcc_s.so"), script).is_ok() {
        println!("cargo:rustc-link-search=native={}", out.display());
    }
}

/// Write a list of the files of the web page, with their contents, for `src/web/assets.rs`.
fn embed(root: &Path, out: &Path) {
    let mut files = vec![];
    collect(root, &mut files);
    files.sort();
    let mut list = String::from("const FILES: &[(&str, &[u8])] = &[\n");
    for (number, file) in files.into_iter().enumerate() {
        let Ok(name) = file.strip_prefix(root) else { continue };
        // Compression reduces the files to a quarter of their size.
        let packed = out.join(format!("web_asset_{number}"));
        if let Err(error) = pack(&file, &packed) {
            println!("cargo:warning={} can't be packed: {error}", file.display());
            continue;
        }
        let (name, packed) = (name.display().to_string(), packed.display().to_string());
        // Writing to a string does not fail.
        let _ = writeln!(list, "    ({name:?}, include_bytes!({packed:?})),");
    }
    list += "];\n";
    if let Err(error) = std::fs::write(out.join("web_assets.rs"), list) {
        println!("cargo:warning=the files of the web page can't be listed: {error}");
    }
}

fn pack(file: &Path, packed: &Path) -> std::io::Result<()> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&std::fs::read(file)?)?;
    std::fs::write(packed, encoder.finish()?)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo:rerun-if-changed={}", dir.display());
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The commit and its date: by git in a checkout, by cargo's note in a package; `None` in what
/// holds neither.
fn commit(dir: &Path) -> Option<String> {
    if dir.join(".git").exists() {
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
