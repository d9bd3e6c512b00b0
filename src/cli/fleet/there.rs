//! `tmo there`: what a call of another machine executes here. Nobody types it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::apply;
use crate::cli::error::CliError;
use crate::cli::fleet::verbs::FLEET_VERBS;
use crate::cli::output;
use crate::config::Env;
use crate::config::place::paths::at_home;
use crate::fleet::call::{API, Call, Hello};
use crate::sys::{self, clock, why};

/// Print the line about this machine, and become the verb; returns the exit code if that fails.
pub(in crate::cli) fn there(word: Option<&str>) -> u8 {
    execute(word).unwrap_or_else(|error| output::report(&error))
}

fn execute(word: Option<&str>) -> Result<u8, CliError> {
    let Some(call) = word.and_then(Call::decode) else {
        let text = "`tmo there` is what `tmo fleet` executes on a host";
        return Err(CliError::Usage(text.to_owned()));
    };
    if !call.quiet {
        for ping in 0..=call.pings {
            // Unbuffered: what follows is for the verb.
            if ping > 0 && !matches!(rustix::io::read(std::io::stdin(), &mut [0_u8]), Ok(1)) {
                break;
            }
            greet()?;
        }
    }
    let mut argv = call.argv;
    let Some(verb) = argv.first() else { return Ok(0) };
    let is_boot = argv == ["setup", "--boot"];
    let is_hidden = verb == "run" || verb == "bridge" || is_boot;
    if !is_hidden && !FLEET_VERBS.iter().any(|known| known.name == verb) {
        return Err(CliError::Usage(format!("`{verb}` is no verb for several hosts")));
    }
    let dir = at_home(&Env::real(), Path::new(&call.dir).to_owned());
    std::env::set_current_dir(&dir).map_err(|error| {
        let advice = "`root` in fleet.toml names the directory of the project";
        CliError::Other(format!("{}: {}; {advice}", dir.display(), why(&error)))
    })?;
    if verb == "apply" {
        let Some(next) = apply::take(&argv)? else { return Ok(0) };
        argv = next;
    }
    if argv.first().is_some_and(|verb| verb == "start") {
        argv.insert(1, "--by-name".to_owned());
    }
    let own = std::env::current_exe().map_err(CliError::io("can't tell where tmo is"))?;
    let error = Command::new(own).arg0("tmo").args(&argv).exec();
    Err(CliError::io("can't run tmo")(error))
}

/// Print the line about this machine.
fn greet() -> Result<u8, CliError> {
    let hello = Hello {
        there: API,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: sys::host_name(),
        boot: sys::boot_id(),
        now: clock::now(),
        load: sys::load(),
        memory: sys::machine_memory(),
    };
    // It has only texts and numbers, so this can't fail.
    let line = serde_json::to_string(&hello).unwrap_or_default();
    output::print(&format!("{line}\n"))
}
