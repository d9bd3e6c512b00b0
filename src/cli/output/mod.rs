//! What the commands print: results on standard output, everything else on standard error.

pub(super) mod confirm;
pub(super) mod outlet;
pub(super) mod progress;
pub(super) mod stdout;
pub(super) mod table;

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use crate::cli::error::CliError;
use crate::cli::persona::Persona;
use crate::model::text::{cut, untrusted};
use crate::view::screen;

/// Maximum length of a line in a message, in characters.
const LONGEST_LINE: usize = 4_000;

/// A closed pipe is not an error.
pub(in crate::cli) fn written(result: io::Result<()>) -> Result<u8, CliError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::io("standard output")(error))
        }
        Ok(()) | Err(_) => Ok(0),
    }
}

/// Print text to standard output, with terminal escapes removed; a closed pipe is not an error.
pub(in crate::cli) fn print(text: &str) -> Result<u8, CliError> {
    print_raw(&mut io::stdout(), untrusted::shown_lines(text).as_bytes())
}

/// Print what was done, where a person reads it; programs go by the exit code.
pub(in crate::cli) fn print_on_terminal(text: &str) -> Result<u8, CliError> {
    if screen::is_terminal(io::stdout()) { print(text) } else { Ok(0) }
}

/// The same, line by line, for output that may be too large to hold in memory.
pub(in crate::cli) fn print_each(mut lines: impl Iterator<Item = String>) -> Result<u8, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let printed =
        lines.try_for_each(|line| out.write_all(untrusted::shown_lines(&line).as_bytes()));
    written(printed.and_then(|()| out.flush()))
}

/// The same for text that tmo has coloured. External parts must have been cleaned by
/// [`crate::model::Untrusted`] or one of its functions, or their escapes are printed as well.
pub(in crate::cli) fn print_painted(text: &str) -> Result<u8, CliError> {
    print_raw(&mut io::stdout(), untrusted::shown_painted(text).as_bytes())
}

/// The first names, and how many more there are behind this: `web, api, 3 more`.
pub(in crate::cli) fn first_names(
    names: impl IntoIterator<Item: ToString>,
    most: usize,
    link: &str,
) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(most);
    names.truncate(most);
    let first = names.join(", ");
    if more > 0 { format!("{first}{link}{more} more") } else { first }
}

/// Print JSON, formatted for human readers too.
pub(in crate::cli) fn print_json(what: &impl serde::Serialize) -> Result<u8, CliError> {
    print_raw(&mut io::stdout(), json(what)?.as_bytes())
}

/// Serialize as JSON text.
pub(in crate::cli) fn json(what: &impl serde::Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(what)? + "\n";
    Ok(untrusted::json(&text).into_owned())
}

/// The JSON output of a command, with the version of its format.
#[derive(serde::Serialize)]
pub(in crate::cli) struct Versioned<T> {
    api: u32,
    #[serde(flatten)]
    content: T,
}

impl<T> Versioned<T> {
    pub(in crate::cli) const fn new(content: T) -> Self {
        Self { api: 1, content }
    }
}

/// Print bytes unchanged: tmo's own text, cleaned text, or output that is passed on byte for byte.
pub(in crate::cli) fn print_raw(out: &mut dyn Write, bytes: &[u8]) -> Result<u8, CliError> {
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Report a failure in one line; returns the exit code.
pub(in crate::cli) fn report(error: &CliError) -> u8 {
    warn(error);
    error.exit_code()
}

/// Takes warnings.
pub(in crate::cli) type Warnings = Box<dyn Fn(String) + Send>;

/// What takes warnings instead of standard error, while the terminal shows an interface.
static WARNINGS: Mutex<Option<Warnings>> = Mutex::new(None);

/// Let warnings be taken by this, or print them again.
pub(in crate::cli) fn divert_warnings(to: Option<Warnings>) {
    *WARNINGS.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

/// Print a line that another program has written to its standard error.
pub(in crate::cli) fn pass_on(line: &str) {
    // An error here can't be reported anywhere else.
    let _ = writeln!(anstream::stderr(), "{}", cut(&untrusted::shown_lines(line), LONGEST_LINE));
}

/// Print one line on standard error.
pub(in crate::cli) fn warn(what: &dyn Display) {
    // An error here can't be reported anywhere else.
    let persona = Persona::here();
    let text = persona.speak(&what.to_string());
    if let Some(take) = &*WARNINGS.lock().unwrap_or_else(PoisonError::into_inner) {
        return take(text.clone());
    }
    let text = untrusted::shown_lines(&text);
    // It may quote a text as long as a file.
    let lines: Vec<_> = text.split('\n').map(|line| cut(line, LONGEST_LINE)).collect();
    let text = lines.join("\n");
    let _ = writeln!(anstream::stderr(), "{}: {text}", persona.name());
}
