//! Health checks: compose reports what they find, and starts other services by it.

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::node::SourceValue;
use super::super::probe::{self, ImportedProbe};
use super::super::process::ImportedProcess;
use super::super::references::for_shell;
use super::super::toml_text::quoted;
use super::rows::ROWS;

/// The usual values of a health check, in milliseconds.
const INTERVAL: u64 = 30_000;
const RETRIES: u64 = 3;

pub(super) fn healthcheck(
    mut fields: Fields,
    exec: Option<&str>,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let place = fields.place.clone();
    let none = format!("healthcheck: disabled ({place})");
    if fields.is_on("disable")? {
        process.comments.push(none);
        return Ok(());
    }
    let command = match fields.take("test") {
        None => None,
        Some(node) => match &node.value {
            SourceValue::Text(line) if line == "NONE" => {
                process.comments.push(none);
                return Ok(());
            }
            SourceValue::Text(line) => Some(in_shell(line, exec)),
            _ => {
                let words = node.texts("healthcheck.test")?;
                match words.split_first() {
                    Some((kind, rest)) if kind == "CMD-SHELL" => {
                        Some(in_shell(&rest.join(" "), exec))
                    }
                    Some((kind, rest)) if kind == "CMD" => {
                        let words = rest.iter().map(|word| for_shell(word));
                        let line = words.collect::<Vec<_>>().join(" ");
                        Some(exec.map_or_else(|| line.clone(), |exec| format!("{exec} {line}")))
                    }
                    Some(_) | None => {
                        process.comments.push(none);
                        return Ok(());
                    }
                }
            }
        },
    };
    let mut time = |key: &str| {
        Ok::<_, ImportError>(fields.read(key, process, probe::grace)?.map(|time| time.value))
    };
    let (every, timeout, grace) = (time("interval")?, time("timeout")?, time("start_period")?);
    let retries = fields.read("retries", process, probe::count)?;
    let every = every.filter(|every| *every > 0).unwrap_or(INTERVAL);
    let probe = ImportedProbe {
        check: command.map(|command| ("exec", quoted(&command))),
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
