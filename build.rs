//! Links the binary at a fixed address where the linker can.
//!
//! Every pane costs two processes of this binary (shim and sink). A position-independent
//! executable dirties its relocated pages in each of them; a fixed one shares them all.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by environment")]

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let env = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    if os == "linux" && env == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
