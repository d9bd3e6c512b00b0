//! tmo: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next()) {
        (Some(verb), Some(spec)) if verb == "sink" => {
            ExitCode::from(tmo::pane::sink::run(std::path::Path::new(&spec)))
        }
        _ => ExitCode::SUCCESS,
    }
}
