//! Packs the files of the page.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by environment")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let (dir, out) = (variable("CARGO_MANIFEST_DIR"), variable("OUT_DIR"));
    embed(&Path::new(&dir).join("assets"), Path::new(&out));
}

/// Write a list of the files of the web page, with their contents, for `crates/web/src/web/server/assets.rs`.
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
