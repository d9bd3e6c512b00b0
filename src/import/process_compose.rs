//! process-compose: `process-compose.yaml`.

use super::error::ImportError;
use super::fields::{Fields, is_true};
use super::files::SourceFiles;
use super::node::{SourcePlace, yaml};
use super::probe::{self, ImportedProbe};
use super::process::{Imported, ImportedProcess, LeftOut, process_name};
use super::references::References;
use super::rows::Row;
use super::toml_text::{list, quoted, table};
use super::values::{self, StopSettings};
use crate::model::shell;

/// What becomes of its keys.
pub(super) const ROWS: &[Row] = &[
    Row("`command`, `entrypoint`", "`command`: a string for the shell, or a list"),
    Row("`shell.shell_command`, `shell_argument`", "`shell`; the argument is `-c`"),
    Row("`working_dir`, `environment`, `env_file`", "`cwd`, `env`, `env_file`"),
    Row("`description`", "`display`"),
    Row("`disabled: true`", "`autostart = false`"),
    Row("`namespace`", "`groups`; `@GROUP` selects all processes of a group"),
    Row("`replicas`", "- (`tmo start -m web=2`, `tmo scale web=2`)"),
    Row("`depends_on` with `process_started`", "`\"started\"`"),
    Row("… `process_healthy`, `process_log_ready`", "`\"ready\"`"),
    Row("… `process_completed_successfully`", "`\"completed\"`"),
    Row("… `process_completed`", "`\"completed\"`, with the other codes in `success_exit_codes`"),
    Row("`ready_log_line`", "`ready = { log = \"…\" }`"),
    Row("`readiness_probe.exec.command`", "`ready = { exec = \"…\" }`"),
    Row(
        "`readiness_probe.http_get`",
        "`ready = { http = \"http://host:port/path\" }`; https with `exec`",
    ),
    Row("… `period_seconds`", "`every`"),
    Row("… `timeout_seconds`", "- (an attempt may take up to 5 s)"),
    Row("… `failure_threshold`", "`timeout`, the time for all attempts together"),
    Row("… `initial_delay_seconds`", "a part of that `timeout`"),
    Row("… `success_threshold`", "-"),
    Row("`liveness_probe`", "`live`, with `every`, `timeout`, `failures`, `action`"),
    Row(
        "`availability.restart: always`, `on_failure`, `no`",
        "`restart = \"always\"`, `\"on-failure\"`, `\"no\"`",
    ),
    Row("… `exit_on_end`", "`on_exit = \"stop-all\"`"),
    Row("… `exit_on_failure`", "- (`on_exit = \"stop-all\"` stops all after each end)"),
    Row(
        "… `exit_on_skipped`",
        "- (the start fails if a process is skipped because of one of phase `\"dependency\"`)",
    ),
    Row(
        "… `backoff_seconds`",
        "`restart = { delay = \"2s\" }`; `backoff = \"exponential\"` for growing delays",
    ),
    Row("… `max_restarts`", "`restart = { max_restarts = 5 }`: failures in a row"),
    Row(
        "`shutdown.command`, `signal`, `timeout_seconds`",
        "`stop = { command = \"…\", signal = \"TERM\", timeout = \"10s\" }`",
    ),
    Row("`shutdown.parent_only`", "- (all that a process has started is stopped with it)"),
    Row("`log_location`", "- (`[log] dir`: one journal for all; `tmo logs web --raw`)"),
    Row("`is_daemon`, `is_elevated`", "-"),
    Row(
        "`is_tty`",
        "- (output always goes to a terminal; `stdin = \"null\"` for a process that must not read from it)",
    ),
    Row("`log_level`, `log_length`, `log_configuration`, `is_strict`", "-"),
    Row("`schedule`, `is_foreground`", "- (`autostart = false`)"),
    Row("`vars`, `is_template_disabled`, `disable_ansi_colors`", "-"),
];

pub(super) fn read(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let source = files.main()?;
    let mut top = Fields::of(yaml(&source.text, &source.name)?, "")?;
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"10s\" }");
    top.take("version");
    let shell = top.fields("shell")?;
    for over in ["process-compose.override.yaml", "process-compose.override.yml"] {
        if files.exists(over) {
            let place = SourcePlace::new(&source.name, 1);
            let why = "it lies over this file, and is not read".to_owned();
            imported.left.push(LeftOut { place, what: over.to_owned(), why });
        }
    }
    let env = files.other(".env")?.map_or_else(String::new, |file| file.text);
    let references = References::new(&env);
    for variable in top.variables("environment")? {
        references.set_variable(&mut imported.defaults, variable);
    }
    let processes = top.take("processes");
    let none = || ImportError::Empty {
        file: source.name.to_string(),
        why: "it has no `processes`".to_owned(),
    };
    for (name, mut node) in processes.ok_or_else(none)?.table("processes")? {
        references.resolve(&mut node);
        let fields = Fields::of(node, "")?;
        let mut process = ImportedProcess::new(&name, fields.place.clone());
        read_process(fields, &references, &mut process)?;
        imported.processes.push(process);
    }
    // process-compose runs commands with bash.
    if shell.is_none() {
        imported.default_to("shell", "\"bash\"");
    }
    if let Some(mut shell) = shell {
        if let Some(program) = shell.text("shell_command")? {
            imported.defaults.set_text("shell", &program.value, &program.place);
        }
        if shell
            .get("shell_argument")
            .is_some_and(|node| node.clone().text("").is_ok_and(|text| text == "-c"))
        {
            shell.take("shell_argument");
        }
        shell.leave(ROWS, &mut imported.left);
    }
    top.leave(ROWS, &mut imported.left);
    Ok(imported)
}

fn read_process(
    mut fields: Fields,
    references: &References,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let command = fields.text("command")?;
    let entrypoint = fields.texts("entrypoint")?;
    match (command, entrypoint) {
        (Some(command), entrypoint) => {
            let text = command.value.trim_end().replace("$$", "$");
            process.set_text("command", &text, &command.place);
            if let Some(entrypoint) = entrypoint {
                process.leave(
                    &entrypoint.place,
                    "entrypoint",
                    "it has a command, which comes first",
                );
            }
        }
        (None, Some(entrypoint)) => {
            process.set("command", values::of_words(&entrypoint.value), &entrypoint.place);
        }
        (None, None) => {
            process.leave(&fields.place, "command", "there is none, so there is nothing to run");
        }
    }
    if let Some(text) = fields.text("working_dir")? {
        process.set_text("cwd", &text.value, &text.place);
    }
    if let Some(text) = fields.text("description")? {
        process.set_text("display", &text.value, &text.place);
    }
    if let Some(text) = fields.text("namespace")? {
        process.set("groups", list([process_name(&text.value)]), &text.place);
    }
    if let Some(text) = fields.text("disabled")?
        && is_true(&text.value)
    {
        process.set("autostart", "false".to_owned(), &text.place);
    }
    for key in ["schedule", "is_foreground"] {
        // What runs at certain times or in front of its user is not to start with the others.
        if let Some(node) = fields.get(key) {
            let place = node.place.clone();
            process.set("autostart", "false".to_owned(), &place);
        }
    }
    if let Some(texts) = fields.texts("env_file")? {
        process.set_env_files(texts);
    }
    for variable in fields.variables("environment")? {
        references.set_variable(process, variable);
    }
    read_dependencies(&mut fields, process)?;
    read_readiness(&mut fields, process)?;
    if let Some(live) = fields.fields("liveness_probe")? {
        let place = live.place.clone();
        let probe = read_probe(live, process)?;
        match probe.live("restart") {
            Some(live) => process.set("live", live, &place),
            None => process.leave(&place, "liveness_probe", NO_CHECK),
        }
    }
    if let Some(availability) = fields.fields("availability")? {
        read_availability(availability, process)?;
    }
    if let Some(mut shutdown) = fields.fields("shutdown")? {
        let place = shutdown.place.clone();
        let stop = StopSettings {
            command: shutdown.text("command")?.map(|command| command.value),
            signal: shutdown.read("signal", process, values::signal)?.map(|signal| signal.value),
            timeout: shutdown
                .read("timeout_seconds", process, values::span)?
                .map(|time| time.value),
        };
        stop.set(process, &place);
        shutdown.leave_at(ROWS, process);
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

fn read_dependencies(
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let Some(node) = fields.take("depends_on") else { return Ok(()) };
    let place = node.place.clone();
    let mut needs = vec![];
    for (name, node) in node.table("depends_on")? {
        let mut need = Fields::of(node, "depends_on")?;
        let condition = need.text("condition")?;
        let condition = match condition.as_ref().map_or("", |condition| &condition.value) {
            "process_completed_successfully" => "completed",
            "process_completed" => {
                let why = "here only an end with success counts: name the other codes in success_exit_codes of it";
                process.leave(&need.place, format!("depends_on.{name}: process_completed"), why);
                "completed"
            }
            "process_healthy" | "process_log_ready" => "ready",
            _ => "started",
        };
        needs.push((process_name(&name), condition));
        need.leave_at(ROWS, process);
    }
    if !needs.is_empty() {
        process.set("depends_on", values::depends_on(&needs), &place);
    }
    Ok(())
}

/// Why a probe is left out.
const NO_CHECK: &str = "it says neither a command nor an address that tmo can ask";

fn read_readiness(fields: &mut Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let line = fields.text("ready_log_line")?;
    let mut checks = vec![];
    let mut place = None;
    if let Some(line) = line {
        checks.push(table(&[("log", quoted(&line.value)), ("literal", "true".to_owned())]));
        place = Some(line.place);
    }
    if let Some(ready) = fields.fields("readiness_probe")? {
        let at = ready.place.clone();
        let probe = read_probe(ready, process)?;
        match probe.ready() {
            Some(ready) => checks.push(ready),
            None => process.leave(&at, "readiness_probe", NO_CHECK),
        }
        place.get_or_insert(at);
    }
    if let Some(place) = place
        && !checks.is_empty()
    {
        let value = match &checks[..] {
            [one] => one.clone(),
            all => format!("[{}]", all.join(", ")),
        };
        process.set("ready", value, &place);
    }
    Ok(())
}

fn read_probe(
    mut fields: Fields,
    process: &mut ImportedProcess,
) -> Result<ImportedProbe, ImportError> {
    let mut probe = ImportedProbe::default();
    if let Some(mut exec) = fields.fields("exec")? {
        let command = exec.text("command")?.map(|command| command.value);
        let dir = exec.text("working_dir")?.map(|dir| dir.value);
        probe.check = command.map(|command| match dir {
            Some(dir) => ("exec", quoted(&format!("cd {} && {command}", shell::quoted(&dir)))),
            None => ("exec", quoted(&command)),
        });
        exec.leave_at(ROWS, process);
    }
    if let Some(mut http) = fields.fields("http_get")? {
        let mut text = |key: &str, usual: &str| {
            let text = http.text(key)?.map(|text| text.value);
            Ok::<_, ImportError>(text.unwrap_or_else(|| usual.to_owned()))
        };
        let host = text("host", "127.0.0.1")?;
        let (scheme, port) = (text("scheme", "http")?.to_ascii_lowercase(), text("port", "80")?);
        let path = text("path", "/")?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = format!("{scheme}://{host}:{port}{slash}{path}");
        if url.contains("{{") {
            process.leave(&http.place, http.path("http_get"), "a template is not filled in");
            return Ok(probe);
        }
        probe.check = Some(if scheme == "https" {
            ("exec", quoted(&format!("curl -fsSo /dev/null {}", shell::quoted(&url))))
        } else {
            ("http", quoted(&url))
        });
        http.leave_at(ROWS, process);
    }
    let mut time = |key: &str| {
        Ok::<_, ImportError>(fields.read(key, process, probe::time)?.map(|time| time.value))
    };
    (probe.every, probe.timeout) = (time("period_seconds")?, time("timeout_seconds")?);
    probe.failures =
        fields.read("failure_threshold", process, probe::count)?.map(|count| count.value);
    probe.grace =
        fields.read("initial_delay_seconds", process, probe::grace)?.map(|time| time.value);
    // What process-compose does without being told.
    probe.every.get_or_insert(10_000);
    probe.failures.get_or_insert(3);
    fields.leave_at(ROWS, process);
    Ok(probe)
}

fn read_availability(mut fields: Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let place = fields.place.clone();
    let policy = fields.text("restart")?.map(|policy| policy.value);
    let mut more = vec![];
    let delay = fields.read("backoff_seconds", process, values::span)?;
    more.extend(delay.map(|delay| ("delay", delay.value)));
    let count = fields.read("max_restarts", process, values::number)?;
    more.extend(count.map(|count| ("max_restarts", count.value)));
    let ends_all = fields.is_on("exit_on_end")?;
    let policy = match policy.as_deref() {
        Some("always") => Some("always"),
        Some("on_failure") => Some("on-failure"),
        Some("exit_on_failure") => {
            let why = "its failure does not stop the others; on_exit = \"stop-all\" would, after each end";
            process.leave(&place, "availability.restart: exit_on_failure", why);
            Some("no")
        }
        Some("no" | "never") => Some("no"),
        Some(other) => {
            process.leave(
                &place,
                format!("availability.restart: {other}"),
                "tmo does not know this value",
            );
            None
        }
        None => None,
    };
    match policy {
        Some("no") => process.set_text("restart", "no", &place),
        Some(policy) => process.set("restart", values::restart(policy, &more), &place),
        None if !more.is_empty() => process.set("restart", table(&more), &place),
        None => {}
    }
    if ends_all {
        process.set_text("on_exit", "stop-all", &place);
    }
    fields.leave_at(ROWS, process);
    Ok(())
}
