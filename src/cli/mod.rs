//! The command line.
//!
//! [`verbs`] has the table of the commands; a file per verb has its arguments and implements it, in the room of what a
//! person does with it: `look` at a run, `act` on it, make a `project`, `start`, `setup`. `reach` finds the run, `output`
//! prints. The processes that make up a run (`shim`, `sink`, `guard`, `supervise`) are this program too. They are
//! recognized before anything else, so that they do not pay for what they do not need.

mod act;
mod args;
mod completions;
mod error;
mod fleet;
mod internal_commands;
mod look;
mod mcp;
mod output;
mod persona;
mod project;
mod reach;
mod runtime;
pub mod setup;
mod start;
mod ui;
mod usage;
pub mod verbs;
mod view;
mod web;

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::error::{ContextKind, ErrorKind};

pub use self::error::CliError;
use self::output::{print_raw, report, warn};
use self::persona::Persona;
use self::setup::topics;
use self::verbs::Verb;
use crate::model::text::untrusted;

/// The version of the overmind that we emulate, in its own words.
const OVERMIND_VERSION: &str = "Overmind version 2.5.1";

/// overmind's exit code for help on an unknown command.
const NO_TOPIC: u8 = 3;

/// Run the program with these arguments (the first is its own name); returns its exit code.
pub fn run(mut arguments: Vec<OsString>) -> u8 {
    crate::sys::unblock_all_signals();
    if let Some(code) = internal_commands::run_part(&arguments) {
        return code;
    }
    if let Some(printed) = completions::print_candidates(&arguments) {
        return u8::from(printed.is_err());
    }
    let program = arguments.first();
    let persona = program.map_or(Persona::Tmo, |program| Persona::called_as(program));
    persona.set();
    match persona {
        Persona::Tmo => rewrite_usual_words(&mut arguments),
        Persona::Overmind => crate::sys::files::trust("/".as_ref()),
    }
    if let Some(text) = topics::help(&arguments) {
        return text.map_or_else(|error| report(&error), |text| print_own(&text));
    }
    match verbs::parse(arguments.clone()) {
        Ok(parsed) => {
            internal_commands::log_to_stderr();
            parsed.map_or_else(print_help, |carry_out| carry_out())
        }
        Err(error) => explain(&error, &arguments),
    }
}

/// Makes `tmo version` print the version and `tmo -h` the short help, and `run --help` show the help of `run`: overmind
/// takes that word for a program name. After `--` tmo does so too.
fn rewrite_usual_words(arguments: &mut Vec<OsString>) {
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    match words[..] {
        [_, "version"] => arguments[1] = "--version".into(),
        [_, "-h"] => arguments.truncate(1),
        [_, verb, "--help" | "-h", ..]
            if Verb::named(verb).is_some_and(|verb| verb.name == "run") =>
        {
            arguments.splice(1.., ["help", "run"].map(OsString::from));
        }
        _ => {}
    }
}

/// Without a command. As with overmind, its help is the long one.
fn print_help() -> u8 {
    print_own(&match Persona::here() {
        Persona::Tmo => verbs::short_help().ansi().to_string(),
        Persona::Overmind => {
            let mut command = verbs::command().bin_name(Persona::Overmind.name());
            command.render_help().ansi().to_string()
        }
    })
}

/// Print a text of this program; returns the exit code.
fn print_own(text: &str) -> u8 {
    let text = Persona::here().speak(text);
    print_raw(&mut anstream::stdout(), text.as_bytes()).unwrap_or_else(|error| report(&error))
}

/// Print the requested help or version, or the error in the command line.
fn explain(error: &clap::Error, typed: &[OsString]) -> u8 {
    let persona = Persona::here();
    if let (Persona::Overmind, ErrorKind::InvalidSubcommand) = (persona, error.kind()) {
        let named = error.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
        // The same message as overmind's.
        let named = named.unwrap_or_default();
        let _ = writeln!(io::stderr(), "No help topic for '{}'", untrusted::shown(&named));
        return NO_TOPIC;
    }
    if error.use_stderr() {
        warn(&usage::complaint(error, typed));
    } else {
        let version = error.kind() == ErrorKind::DisplayVersion && persona == Persona::Overmind;
        let text = if version {
            format!("{OVERMIND_VERSION} (tmo {})\n", env!("CARGO_PKG_VERSION"))
        } else {
            persona.speak(&error.render().ansi().to_string())
        };
        if let Err(error) = print_raw(&mut anstream::stdout(), text.as_bytes()) {
            return report(&error);
        }
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}
