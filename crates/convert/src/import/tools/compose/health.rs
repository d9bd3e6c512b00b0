//! Health checks: compose reports what they find, and starts other services by it.

use std::path::Path;

use super::rows::ROWS;
use crate::import::fields::Fields;
use crate::import::format::ImportError;
use crate::import::node::{SourceNode, SourceValue};
use crate::import::probe;
use crate::import::probe::ImportedProbe;
use crate::import::process::ImportedProcess;
use crate::import::references::for_shell;
use crate::import::values::quoted;
use crate::model::text::shell;

/// The usual values of a health check, in milliseconds.
const INTERVAL: u64 = 30_000;
const RETRIES: u64 = 3;

/// Set `ready` and `live`. `exec` is the command that runs another one in the container.
pub(super) fn set_checks(
    mut fields: Fields,
    exec: Option<&str>,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let place = fields.place.clone();
    // Without a check, nothing is said of it here either.
    if fields.is_on("disable")? {
        return Ok(());
    }
    let words = match fields.take("test") {
        Some(SourceNode { value: SourceValue::Text(line), .. }) => {
            vec!["CMD-SHELL".to_owned(), line]
        }
        Some(node) => node.texts("healthcheck.test")?,
        None => {
            process.leave(&place, "healthcheck", "only its image says what is tested");
            return Ok(());
        }
    };
    let Some(command) = test_command(&words, exec) else { return Ok(()) };
    let program = shell::program_word(&command).map_or("", |(program, _)| program);
    if program.starts_with('/') && !Path::new(program).exists() {
        let why =
            format!("{program} is only in its image; another check: `ready = {{ port = … }}`");
        process.leave(&place, "healthcheck.test", why);
        return Ok(());
    }
    let mut time = |key: &str| {
        let time = fields.parsed(key, process, probe::grace)?.map(|time| time.value);
        Ok::<_, ImportError>(time.filter(|time| *time > 0))
    };
    let every = time("interval")?.unwrap_or(INTERVAL);
    let timeout = time("timeout")?;
    let grace = time("start_period")?.unwrap_or(0);
    let failures = fields.parsed("retries", process, probe::count)?;
    let failures = failures.map_or(RETRIES, |count| count.value);
    let check = Some(("exec", quoted(&command)));
    // Until it is ready, a second is soon enough: compose looks every thirty unless it is told otherwise.
    let ready = ImportedProbe {
        check: check.clone(),
        every: Some(every.min(1000)),
        grace: Some(grace.saturating_add(every.saturating_mul(failures))),
        ..ImportedProbe::default()
    };
    let live =
        ImportedProbe { check, every: Some(every), timeout, failures: Some(failures), grace: None };
    for (key, probe) in [("ready", ready.ready()), ("live", live.live("notify"))] {
        if let Some(probe) = probe {
            process.set(key, probe, &place);
        }
    }
    fields.leave(ROWS, &mut process.left);
    Ok(())
}

/// The command of a test as a line for the shell; `None` if there is none.
fn test_command(words: &[String], exec: Option<&str>) -> Option<String> {
    let (kind, rest) = words.split_first()?;
    match kind.as_str() {
        "CMD-SHELL" if rest != ["NONE"] => Some(in_shell(&rest.join(" "), exec)),
        "CMD" => {
            let words = rest.iter().map(|word| for_shell(word));
            let words = exec.map(str::to_owned).into_iter().chain(words);
            Some(words.collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

/// A line for the shell, of this machine or of a container. Variables are replaced on this machine, as compose does.
fn in_shell(line: &str, exec: Option<&str>) -> String {
    match exec {
        Some(exec) => format!("{exec} sh -c {}", for_shell(line)),
        None => line.replace("$$", "$"),
    }
}
