//! Packs the description of the API for `src/http/description.rs`.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by environment")]

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=openapi.json");
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    if let Err(error) = pack(Path::new("openapi.json"), &Path::new(&out).join("openapi")) {
        println!("cargo:error=openapi.json can't be packed: {error}");
    }
}

fn pack(file: &Path, packed: &Path) -> std::io::Result<()> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&std::fs::read(file)?)?;
    std::fs::write(packed, encoder.finish()?)
}
