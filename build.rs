//! Links the binary at a fixed address where the linker can.
//!
//! Every pane costs two processes of this binary (shim and sink). A position-independent
//! executable dirties its relocated pages in each of them; a fixed one shares them all.
//! `shell/release` does the same for musl, by `-C relocation-model=static`.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by environment")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        if variable("HOST") == variable("TARGET") {
            unwind_statically(Path::new(&variable("OUT_DIR")));
        }
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
