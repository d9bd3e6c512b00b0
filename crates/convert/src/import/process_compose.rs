//! process-compose: `process-compose.yaml`.

mod layers;
mod templates;

use self::templates::Templates;
use super::error::ImportError;
use super::fields::{Fields, Placed, is_true};
use super::files::SourceFiles;
use super::node::{SourceNode, Variable};
use super::probe::{self, ImportedProbe};
use super::process::{Imported, ImportedProcess, ProcessNames, process_name};
use super::references::{self, EnvText, References};
use super::rows::Row;
use super::toml_text::{list, quoted, table};
use super::values::{self, StopSettings};
use crate::model::shell;
use crate::model::units::written_span;

/// What becomes of its keys.
pub(super) const ROWS: &[Row] = &[
    Row("`command`, `entrypoint`", "`command`: a string for the shell, or a list"),
    Row("`shell.shell_command`, `shell_argument`", "`shell`; the argument is `-c`"),
    Row("`working_dir`, `environment`, `env_file`", "`cwd`, `env`, `env_file`"),
    Row("`description`", "`display`"),
    Row("`disabled: true`, `is_disabled: \"true\"`", "`autostart = false`"),
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
    Row(
        "… `max_restarts`",
        "`restart = { max_failures = 6 }`: failures in a row; without it 0, which never gives up",
    ),
    Row("`success_exit_codes`", "`success_exit_codes`; 0 is always included"),
    Row(
        "`shutdown.command`, `signal`, `timeout_seconds`",
        "`stop = { command = \"…\", signal = \"TERM\", timeout = \"10s\" }`",
    ),
    Row("`shutdown.parent_only`", "- (all that a process has started is stopped with it)"),
    Row("`log_location`", "- (`[log] dir`: one journal for all; `tmo logs web --raw`)"),
    Row(
        "`is_daemon`",
        "a `tail` that waits behind the command, until `stop = { command = \"…\" }` ends both",
    ),
    Row("`is_elevated`", "- (`sudo` in the command, which asks in `tmo connect`)"),
    Row("`launch_timeout_seconds`", "- (`ready = { timeout = \"5s\" }`)"),
    Row("`watch`", "- (write `watch` yourself)"),
    Row(
        "`is_tty`",
        "always; `stdin = \"null\"` for a process that must not read from its terminal",
    ),
    Row("`name`, `log_level`, `is_strict`, `is_tui_disabled`", "- (not needed)"),
    Row("`ordered_shutdown: true`", "always: all is stopped in reverse order"),
    Row("`log_length`, `log_configuration`", "- (`[log]`)"),
    Row("`is_foreground: true`", "`autostart = false`; `tmo start web`, `tmo connect web`"),
    Row("`schedule`", "- (`tmo start web` from cron; it has `autostart = false`)"),
    Row(
        "`vars`, `is_template_disabled`",
        "`{{.NAME}}` is replaced by its value; other templates are named",
    ),
    Row("`env_cmds`", "- (`NAME=$(command)` in front of the command)"),
    Row("`disable_env_expansion`", "`$NAME` is left to the shell"),
    Row("`is_dotenv_disabled`", "- (all processes read the `.env` of the project)"),
    Row("`disable_ansi_colors`", "- (`NO_COLOR = \"1\"` in `env`)"),
    Row("`status_code`, `headers`, `grpc`", "- (`exec = \"…\"` with a command that asks)"),
    Row("`extends`, `process-compose.override.yaml`", "read by `tmo import`"),
];

pub(super) fn read(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let mut top = Fields::of(layers::read(files)?, "")?;
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"10s\" }");
    for key in HERE_WITHOUT_EFFECT {
        top.take(key);
    }
    let shell = top.fields("shell")?;
    let mut reader = Reader::default();
    let mut references = References::default();
    if let Some(file) = files.other(".env")? {
        let text = EnvText::new(&file.text);
        references = References::of(text.variables.clone());
        text.mend(&file.name, &mut imported);
    }
    if !top.is_on("disable_env_expansion")? {
        reader.references = Some(references);
    }
    reader.templates.take(&mut top)?;
    reader.templates.set("PC_REPLICA_NUM", "0");
    for variable in top.variables("environment")? {
        reader.set_variable(&mut imported.defaults, variable);
    }
    let none = || ImportError::Empty {
        file: files.main_name().to_owned(),
        why: "it has no `processes`".to_owned(),
    };
    let processes = top.take("processes").ok_or_else(none)?.table("processes")?;
    reader.names = ProcessNames::new(processes.iter().map(|(name, _)| &**name));
    for (name, node) in processes {
        imported.processes.push(reader.process(&name, node)?);
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

/// Keys that mean nothing once the processes run here.
const HERE_WITHOUT_EFFECT: [&str; 6] =
    ["version", "name", "is_strict", "is_tui_disabled", "log_level", "ordered_shutdown"];

/// What all processes of a file need to be read.
#[derive(Default)]
struct Reader {
    names: ProcessNames,
    /// None if the file turns them off.
    references: Option<References>,
    templates: Templates,
}

impl Reader {
    fn process(&self, name: &str, mut node: SourceNode) -> Result<ImportedProcess, ImportError> {
        let mut process = ImportedProcess::new(&self.names.of(name), node.place.clone());
        // What process-compose sets itself.
        for (variable, value) in [("PC_PROC_NAME", name), ("PC_REPLICA_NUM", "0")] {
            if node.names_variable(variable) {
                let value = Some(value.to_owned());
                let place = node.place.clone();
                process.set_variable(Variable { name: variable.to_owned(), value, place }, false);
            }
        }
        if let Some(references) = &self.references {
            references.resolve(&mut node);
        }
        let mut fields = Fields::of(node.clone(), "")?;
        if !fields.is_on("is_template_disabled")? {
            let mut templates = self.templates.clone();
            templates.take(&mut fields)?;
            for (key, text) in templates.fill(&mut node) {
                process.leave(
                    &text.place,
                    key,
                    "tmo fills in no template but {{.NAME}}: write out its value",
                );
            }
        }
        let mut fields = Fields::of(node, "")?;
        for key in ["vars", "is_template_disabled", "is_tty", "is_interactive"] {
            fields.take(key);
        }
        fields.drop_if(|key, value| value == "false" && !["command", "is_disabled"].contains(&key));
        self.read(fields, &mut process)?;
        Ok(process)
    }

    fn set_variable(&self, process: &mut ImportedProcess, variable: Variable) {
        match &self.references {
            Some(references) => references.set_variable(process, variable),
            None => process.set_variable(variable, false),
        }
    }

    /// A command for the shell, which replaces the variables in it.
    fn line(&self, command: &str) -> String {
        let command = command.trim_end();
        if self.references.is_some() { command.replace("$$", "$") } else { command.to_owned() }
    }

    fn command(
        &self,
        fields: &mut Fields,
        process: &mut ImportedProcess,
    ) -> Result<(), ImportError> {
        let command = fields.text("command")?;
        let entrypoint = fields.texts("entrypoint")?;
        if let (Some(_), Some(entrypoint)) = (&command, &entrypoint) {
            let why = "it has a command, which comes first";
            process.leave(&entrypoint.place, "entrypoint", why);
        }
        let daemon = fields.text("is_daemon")?.filter(|on| is_true(&on.value));
        let (value, place) = match (command, entrypoint) {
            (Some(Placed { value, place }), _) => (Err(self.line(&value)), place),
            (None, Some(Placed { value, place })) => {
                let has_variable = value.iter().any(|word| word.contains('$'));
                let words = value.iter().map(|word| references::for_shell(word));
                let line = words.collect::<Vec<_>>().join(" ");
                let as_line = daemon.is_some() || has_variable && self.references.is_some();
                (if as_line { Err(line) } else { Ok(value) }, place)
            }
            (None, None) => {
                let why = "there is none, so there is nothing to run";
                process.leave(&fields.place, "command", why);
                return Ok(());
            }
        };
        match (value, daemon) {
            (Ok(words), _) => process.set("command", values::of_words(&words), &place),
            (Err(line), None) => process.set_text("command", &line, &place),
            (Err(line), Some(daemon)) => {
                let line = format!("(\n{line}\n) && exec tail -f /dev/null");
                process.set_text("command", &line, &place);
                let how = if fields.has("shutdown") {
                    "its stop command ends it"
                } else {
                    "add stop = { command = … } to end it"
                };
                let comment = format!(
                    "is_daemon: tail stands for what the command starts in the background; {how} ({})",
                    daemon.place
                );
                process.comments.push(comment);
            }
        }
        Ok(())
    }

    fn read(&self, mut fields: Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
        self.command(&mut fields, process)?;
        if let Some(text) = fields.text("working_dir")? {
            if text.value.contains("${") {
                let why = "a directory can't contain a variable here: cwd = \"…\" with its value";
                process.leave(&text.place, format!("working_dir: {}", text.value), why);
            } else {
                process.set_text("cwd", &text.value, &text.place);
            }
        }
        if let Some(text) = fields.text("description")? {
            process.set_text("display", &text.value, &text.place);
        }
        if let Some(text) = fields.text("namespace")? {
            process.set("groups", list([process_name(&text.value)]), &text.place);
        }
        // The second is decisive: a text can take back `true` in another file.
        let disabled = fields.text("disabled")?;
        if let Some(text) = fields.text("is_disabled")?.or(disabled)
            && is_true(&text.value)
        {
            process.set("autostart", "false".to_owned(), &text.place);
        }
        // What runs in front of its user or at certain times is not to start with the others.
        let foreground = fields.text("is_foreground")?.filter(|on| is_true(&on.value));
        let at = foreground.map(|on| on.place);
        if let Some(at) = at.or_else(|| fields.get("schedule").map(|node| node.place.clone())) {
            process.set("autostart", "false".to_owned(), &at);
        }
        if let Some(texts) = fields.texts("env_file")? {
            process.set_env_files(texts);
        }
        for variable in fields.variables("environment")? {
            self.set_variable(process, variable);
        }
        self.dependencies(&mut fields, process)?;
        self.readiness(&mut fields, process)?;
        self.liveness(&mut fields, process)?;
        if let Some(codes) = fields.texts("success_exit_codes")? {
            process.set_success_codes(codes.value.iter().map(|code| &**code), &codes.place);
        }
        if let Some(availability) = fields.fields("availability")? {
            read_availability(availability, process)?;
        }
        if let Some(mut shutdown) = fields.fields("shutdown")? {
            let place = shutdown.place.clone();
            let stop = StopSettings {
                command: shutdown.text("command")?.map(|command| self.line(&command.value)),
                signal: shutdown
                    .read("signal", process, values::signal)?
                    .map(|signal| signal.value),
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

    fn dependencies(
        &self,
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
                    process.leave(
                        &need.place,
                        format!("depends_on.{name}: process_completed"),
                        why,
                    );
                    "completed"
                }
                "process_healthy" | "process_log_ready" => "ready",
                _ => "started",
            };
            needs.push((self.names.of(&name), condition));
            need.leave_at(ROWS, process);
        }
        if !needs.is_empty() {
            process.set("depends_on", values::depends_on(&needs), &place);
        }
        Ok(())
    }

    fn readiness(
        &self,
        fields: &mut Fields,
        process: &mut ImportedProcess,
    ) -> Result<(), ImportError> {
        let line = fields.text("ready_log_line")?;
        let mut checks = vec![];
        let mut place = None;
        if let Some(line) = line {
            checks.push(table(&[("log", quoted(&line.value)), ("literal", "true".to_owned())]));
            place = Some(line.place);
        }
        if let Some(ready) = fields.fields("readiness_probe")? {
            let at = ready.place.clone();
            let probe = self.probe(ready, process)?;
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

    fn liveness(
        &self,
        fields: &mut Fields,
        process: &mut ImportedProcess,
    ) -> Result<(), ImportError> {
        let Some(live) = fields.fields("liveness_probe")? else { return Ok(()) };
        let place = live.place.clone();
        let probe = self.probe(live, process)?;
        let Some(live) = probe.live("restart") else {
            process.leave(&place, "liveness_probe", NO_CHECK);
            return Ok(());
        };
        process.set("live", live, &place);
        if let Some(grace) = probe.grace.filter(|grace| *grace > 0) {
            let delay = quoted(&written_span(grace));
            if process.has("ready") {
                let why = format!(
                    "it is checked once it is ready; add {{ delay = {delay} }} to ready if that is too early"
                );
                process.leave(&place, "liveness_probe.initial_delay_seconds", why);
            } else {
                // It is checked while it is ready.
                process.set("ready", table(&[("delay", delay)]), &place);
            }
        }
        Ok(())
    }

    fn probe(
        &self,
        mut fields: Fields,
        process: &mut ImportedProcess,
    ) -> Result<ImportedProbe, ImportError> {
        let mut probe = ImportedProbe::default();
        if let Some(mut exec) = fields.fields("exec")? {
            let command = exec.text("command")?.map(|command| self.line(&command.value));
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
            let (scheme, port) =
                (text("scheme", "http")?.to_ascii_lowercase(), text("port", "80")?);
            let path = text("path", "/")?;
            let slash = if path.starts_with('/') { "" } else { "/" };
            let url = format!("{scheme}://{host}:{port}{slash}{path}");
            if url.contains(['{', '$']) {
                let why = "its address is not known before it starts";
                process.leave(&http.place, format!("{} {url}", http.path("http_get")), why);
                return Ok(probe);
            }
            probe.check = Some(if scheme == "https" {
                ("exec", quoted(&format!("curl -fsSo /dev/null {}", shell::quoted(&url))))
            } else {
                ("http", quoted(&url))
            });
            http.take("num_port");
            http.drop_if(|key, value| key == "status_code" && value == "200");
            http.leave_at(ROWS, process);
        }
        let mut time = |key: &str| {
            Ok::<_, ImportError>(fields.read(key, process, probe::time)?.map(|time| time.value))
        };
        (probe.every, probe.timeout) = (time("period_seconds")?, time("timeout_seconds")?);
        fields.drop_if(|key, value| key == "success_threshold" && value == "1");
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
}

/// Why a probe is left out.
const NO_CHECK: &str = "it says neither a command nor an address that tmo can ask";

fn read_availability(mut fields: Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let place = fields.place.clone();
    let policy = fields.text("restart")?.map(|policy| policy.value);
    let mut more = vec![];
    let delay = fields.read("backoff_seconds", process, values::span)?;
    more.extend(delay.map(|delay| ("delay", delay.value)));
    let count = fields.read("max_restarts", process, values::failures)?;
    // 0 has no limit there either.
    let count = count.map(|count| count.value).filter(|count| count != "1");
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
        Some(policy) => {
            // Without a number it never gives up.
            more.push(("max_failures", count.unwrap_or_else(|| "0".to_owned())));
            process.set("restart", values::restart(policy, &more), &place);
        }
        // What is never restarted needs neither a pause nor a limit.
        None => {}
    }
    if ends_all {
        process.set_text("on_exit", "stop-all", &place);
    }
    fields.leave_at(ROWS, process);
    Ok(())
}
