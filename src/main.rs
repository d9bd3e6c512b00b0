//! tmo: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tmo::cli::run(std::env::args_os().collect()))
}
