//! tmo: parse, run, exit.

use std::process::ExitCode;

/// That of musl takes several times as long.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    ExitCode::from(tmo::cli::run(std::env::args_os().collect()))
}
