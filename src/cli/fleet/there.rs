//! `tmo there`: what a call of another machine executes here. Nobody types it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::apply;
use crate::cli::args::FLEET_VERBS;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::config::Env;
use crate::config::paths::at_home;
use crate::fleet::call::{API, Call, Hello};
use crate::sys::{self, clock, why};

/// Print the line about this machine, and become the verb; returns the exit code if that fails.
pub(in crate::cli) fn there(word: Option<&str>) -> u8 {
    let Some(call) = word.and_then(Call::decode) else {
        return failed("`tmo there` is what `tmo fleet` executes on a host", 2);
    };
    if !call.quiet {
        for ping in 0..=call.pings {
            // Unbuffered: what follows is for the verb.
            if ping > 0 && !matches!(rustix::io::read(std::io::stdin(), &mut [0_u8]), Ok(1)) {
                break;
            }
            if let Err(error) = greet() {
                return output::report(&error);
            }
        }
    }
    let mut argv = call.argv;
    let Some(verb) = argv.first() else { return 0 };
    let is_boot = argv == ["setup", "--boot"];
    if !["run", "bridge"].contains(&&**verb)
        && !is_boot
        && !FLEET_VERBS.iter().any(|known| known.name == verb)
    {
        return failed(&format!("`{verb}` is no verb for several hosts"), 2);
    }
    let dir = at_home(&Env::real(), Path::new(&call.dir).to_owned());
    if let Err(error) = std::env::set_current_dir(&dir) {
        let advice = "`root` in fleet.toml names the directory of the project";
        return failed(&format!("{}: {}; {advice}", dir.display(), why(&error)), 1);
    }
    if verb == "apply" {
        match apply::take(&argv) {
            Ok(Some(next)) => argv = next,
            Ok(None) => return 0,
            Err(error) => return output::report(&error),
        }
    }
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return failed(&format!("can't tell where tmo is: {}", why(&error)), 1),
    };
    let error = Command::new(own).arg0("tmo").args(&argv).exec();
    failed(&format!("can't run tmo: {}", why(&error)), 1)
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

fn failed(text: &str, code: u8) -> u8 {
    output::warn(&text);
    code
}
