//! tmo: parse, run, exit.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next()) {
        (Some(verb), Some(spec)) if verb == "shim" => tmo::pane::shim::run(Path::new(&spec)).into(),
        _ => ExitCode::SUCCESS,
    }
}
