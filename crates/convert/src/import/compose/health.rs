//! Health checks: compose reports what they find, and starts other services by it.

use std::path::Path;

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::node::{SourceNode, SourceValue};
use super::super::probe::{self, ImportedProbe};
use super::super::process::ImportedProcess;
use super::super::references::for_shell;
use super::super::toml_text::quoted;
use super::rows::ROWS;
use crate::model::shell;

/// The usual values of a health check, in milliseconds.
const INTERVAL: u64 = 30_000;
const RETRIES: u64 = 3;

pub(super) fn healthcheck(
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
        None => vec![],
    };
    let command = match words.split_first() {
        Some((kind, rest)) if kind == "CMD-SHELL" && rest != ["NONE"] => {
            in_shell(&rest.join(" "), exec)
        }
        Some((kind, rest)) if kind == "CMD" => {
            let words = exec.map(str::to_owned).into_iter();
            words.chain(rest.iter().map(|word| for_shell(word))).collect::<Vec<_>>().join(" ")
        }
        Some(_) => return Ok(()),
        None => {
            process.leave(&place, "healthcheck", "only its image says what is tested");
            return Ok(());
        }
    };
    let program = shell::program_word(&command).map_or("", |(program, _)| program);
    if program.starts_with('/') && !Path::new(program).exists() {
        let why =
            format!("{program} is only in its image; another check: `ready = {{ port = … }}`");
        process.leave(&place, "healthcheck.test", why);
        return Ok(());
    }
    let mut time = |key: &str| {
        Ok::<_, ImportError>(fields.read(key, process, probe::grace)?.map(|time| time.value))
    };
    let (every, timeout, grace) = (time("interval")?, time("timeout")?, time("start_period")?);
    let retries = fields.read("retries", process, probe::count)?;
    let every = every.filter(|every| *every > 0).unwrap_or(INTERVAL);
    let probe = ImportedProbe {
        check: Some(("exec", quoted(&command))),
        every: Some(every),
        timeout: timeout.filter(|timeout| *timeout > 0),
        failures: Some(retries.map_or(RETRIES, |retries| retries.value)),
        grace,
    };
    // Until it is ready, a second is soon enough: compose looks every thirty unless it is told otherwise.
    let first = ImportedProbe {
        every: Some(every.min(1000)),
        check: probe.check.clone(),
        ..ImportedProbe::default()
    };
    let whole = probe
        .grace
        .unwrap_or(0)
        .saturating_add(every.saturating_mul(probe.failures.unwrap_or(RETRIES)));
    if let Some(ready) = (ImportedProbe { grace: Some(whole), ..first }).ready() {
        process.set("ready", ready, &place);
    }
    if let Some(live) = probe.live("notify") {
        process.set("live", live, &place);
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

/// A line for the shell, of this machine or of a container. Variables are replaced on this machine, as compose does.
fn in_shell(line: &str, exec: Option<&str>) -> String {
    match exec {
        Some(exec) => format!("{exec} sh -c {}", for_shell(line)),
        None => line.replace("$$", "$"),
    }
}
