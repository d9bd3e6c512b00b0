//! `tmo deputy`: `tmo web` for programs with a token.

use std::path::PathBuf;

use crate::api::secret::random_hex;
use crate::cli::args::{DeputyArgs, WebArgs};
use crate::cli::error::CliError;
use crate::config::Env;
use crate::config::dirs::state_base;
use crate::model::role::Role;
use crate::model::shell::quoted;
use crate::sys::files::{Whole, make_dirs, write_whole};

/// Serve to programs on this machine.
pub(in crate::cli) fn deputy(args: &DeputyArgs) -> Result<u8, CliError> {
    super::web(&WebArgs {
        host: Some(args.host),
        port: args.port,
        no_open: true,
        token_file: Some(token_file(&Env::real())?),
        role: Some(Role::Operate),
        ..WebArgs::default()
    })
}

/// The file with the token of deputies; it is made if it does not exist.
fn token_file(env: &Env) -> Result<PathBuf, CliError> {
    let dir = state_base(env);
    let path = dir.join("deputy-token");
    if !path.exists() {
        let token = make_dirs(&dir).and_then(|()| random_hex(32));
        // All deputies read the file anew for each request, so it may be made twice.
        let made =
            token.and_then(|token| write_whole(&path, token.as_bytes(), Whole::WithMode(0o600)));
        made.map_err(CliError::io(path.display()))?;
    }
    Ok(path)
}

/// How programs act with their token: a text to print, if they have one.
pub(super) fn example(args: &WebArgs, port: u16) -> String {
    let file = args.token_file.as_ref().filter(|_| args.role != Some(Role::Read));
    let Some(file) = file else { return String::new() };
    let file = quoted(&file.display().to_string());
    format!(
        "\n\nPrograms send the token; with several runs, ?run= names one:\n\n  \
         curl -H \"Authorization: Bearer $(cat {file})\" -X POST http://localhost:{port}/api/process/NAME/start"
    )
}
