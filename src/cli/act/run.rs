//! `tmo run`: runs a command in the environment of the env files.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::cli::args::RunArgs;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::config::load::{Context, find_program};
use crate::sys::why;

/// Exec the command; returns only if that fails. There is no process between it and the shell: Ctrl-C
/// reaches it as without tmo, and the shell sees its real exit status.
pub(in crate::cli) fn run(args: &RunArgs) -> Result<u8, CliError> {
    let context = Context::here()?;
    for warning in &context.warnings {
        output::warn(warning);
    }
    let Some((name, rest)) = args.command.split_first() else {
        let text = "Specify a command to run, as in `tmo run rails console`";
        return Err(CliError::Usage(text.to_owned()));
    };
    let shown = name.to_string_lossy().into_owned();
    let Some(program) = find_program(&context, name) else {
        return Err(if blocked(&context, name) {
            CliError::NotExecutable { name: shown, why: "permission denied".into() }
        } else {
            CliError::NotFound { name: shown }
        });
    };
    let env = context.env.pairs().into_iter().map(|(name, value)| (name.0, value.0));
    let error = Command::new(program).arg0(name).args(rest).env_clear().envs(env).exec();
    Err(CliError::NotExecutable { name: shown, why: why(&error) })
}

/// Whether the file exists but is not executable.
fn blocked(context: &Context, name: &OsString) -> bool {
    let path = Path::new(name);
    path.components().count() > 1 && context.start_dir.join(path).exists()
}
