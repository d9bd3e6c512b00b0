//! `tmo fleet apply`: gives each host the processes that the inventory has for it.
//!
//! They travel as the text of a `tmo.toml` on standard input, since arguments are visible to the users of a host, with their
//! digest as argument. The host keeps them where the lookup of its projects finds them: [`applied_file`].

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::Command;

use super::answers::some_of;
use super::{Fleet, write_state};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::config::load::{Context, disk_at};
use crate::config::place::dirs::applied_file;
use crate::config::place::project::own_file;
use crate::config::{StartOptions, toml};
use crate::fleet::caller::CallAnswer;
use crate::fleet::host::Host;
use crate::fleet::inventory::{digest, first_line};
use crate::fleet::names::Target;
use crate::model::text::untrusted::cleaned;
use crate::run::dir::RuntimeDir;
use crate::sys::files::{TOML_LIMIT, if_there, read_toml};

/// Check that these are hosts as a whole. One without processes gets an empty text: it may have some of an earlier
/// inventory, such as one that another host has now.
pub(super) fn check_words(fleet: &Fleet<'_>, targets: &[Target<'_>]) -> Result<(), CliError> {
    if targets.iter().any(|target| !target.names.is_empty()) {
        let text =
            "`tmo fleet apply` takes hosts, as in `tmo fleet apply k9`, and all of their processes";
        return Err(CliError::Usage(text.to_owned()));
    }
    if fleet.args.config.is_some() {
        let file = fleet.inventory.path.display();
        output::warn(&format_args!("the hosts of {file} are reached by ssh; no deputy is needed"));
    }
    Ok(())
}

/// The words of the call that gives this text to a host.
pub(super) fn words(host: &Host, text: &str) -> Vec<String> {
    vec!["apply".to_owned(), host.name.clone(), digest(text.as_bytes())]
}

/// The changes that a verb has printed on a host; `None` if it prints none.
pub(super) fn changes(verb: &str, answer: &CallAnswer) -> Option<String> {
    if !["apply", "reload"].contains(&verb) {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.output);
    let changes: Vec<_> = text.lines().filter_map(|line| line.split_once(": ")).collect();
    let changed = changes.iter().filter(|(_, what)| *what != "unchanged");
    let changed: Vec<_> = changed.map(|(name, what)| cleaned(&format!("{name} {what}"))).collect();
    match (verb, &changes[..], &changed[..]) {
        ("apply", [], _) if text.is_empty() => Some("has no processes".to_owned()),
        ("apply", [], _) => Some("started".to_owned()),
        (_, [], _) => None,
        (_, _, []) => Some("unchanged".to_owned()),
        _ => Some(some_of(changed.iter())),
    }
}

/// On the host: take the processes, and return what tmo is to do then.
pub(super) fn take(words: &[String]) -> Result<Option<Vec<String>>, CliError> {
    let [_, host, wanted] = words else {
        return Err(CliError::Usage("`apply` needs a host and a digest".to_owned()));
    };
    let mut text = String::new();
    let read = std::io::stdin().take(TOML_LIMIT + 1).read_to_string(&mut text);
    if read.is_err() || *wanted != digest(text.as_bytes()) {
        let text = "the processes did not arrive whole; nothing was changed";
        return Err(CliError::Other(text.to_owned()));
    }
    let context = Context::here()?;
    let dir = &*context.start_dir;
    let env = &context.env;
    let file = applied_file(env, dir);
    let project = context.project(&StartOptions::default())?;
    let runtime = RuntimeDir::new(project.identity.runtime);
    let is_up = runtime.is_held();
    let is_ours = is_up && runtime.plan()?.procfile.as_path() == file;
    let earlier = if_there(read_toml(&file)).map_err(CliError::io(file.display()))?;
    let first = earlier.as_ref().and_then(|text| text.split(|byte| *byte == b'\n').next());
    // Two hosts of an inventory may be one directory.
    let is_of_other = first.is_some_and(|first| first != first_line(host).as_bytes());
    if text.is_empty() {
        if earlier.is_some() && !is_of_other {
            remove(&file, is_ours)?;
        }
        return Ok(None);
    }
    if is_of_other {
        return Err(CliError::Other(format!(
            "{} has the processes of another host; remove {} to replace them",
            dir.display(),
            file.display()
        )));
    }
    if let Some(own) = own_file(dir) {
        let text = "a fleet gives processes only to a directory without one";
        return Err(CliError::Other(format!("{} is there; {text}", dir.join(own).display())));
    }
    if is_up && !is_ours {
        let text = "another run is there; `tmo quit` ends it";
        return Err(CliError::Other(format!("{}: {text}", dir.display())));
    }
    toml::check(&text, env, &disk_at(dir)).map_err(|(line, message)| {
        let table = text.lines().take(line).filter(|line| line.starts_with("[process.")).last();
        CliError::Other(format!("{}: {message}", table.unwrap_or("[defaults]")))
    })?;
    write_state(&file, text.as_bytes(), env)?;
    let verb: &[&str] = if is_up { &["reload"] } else { &["start", "--daemonize"] };
    Ok(Some(verb.iter().map(|&word| word.to_owned()).collect()))
}

/// End the run of the processes that are no longer given to this host, and forget them.
fn remove(file: &Path, is_up: bool) -> Result<(), CliError> {
    if is_up {
        let own = std::env::current_exe().map_err(CliError::io("can't tell where tmo is"))?;
        let quit = Command::new(own).arg("quit").status().map_err(CliError::io("tmo quit"))?;
        if !quit.success() {
            return Err(CliError::Other("`tmo quit` has failed".to_owned()));
        }
    }
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(CliError::io(file.display())(error))
        }
        _ => output::print("run: ended, as it has no processes now\n").map(drop),
    }
}
