//! process-compose: `process-compose.yaml`.

mod layers;

use self::layers::Templates;
use crate::import::fields::{Fields, Placed, is_true};
use crate::import::files::SourceFiles;
use crate::import::format::ImportError;
use crate::import::node::{SourceNode, Variable};
use crate::import::probe::ImportedProbe;
use crate::import::process::{Imported, ImportedProcess, ProcessNames, group};
use crate::import::references::References;
use crate::import::rows::{KeyResult, Row, Take, ignored, row};
use crate::import::values::{quoted, table};
use crate::import::{probe, references, values};
use crate::model::text::shell;
use crate::model::units::written_span;

/// What becomes of its keys.
pub(in crate::import) const ROWS: &[Row<Reader>] = &[
    Row(
        "`command`, `entrypoint`",
        "`command`: a string for the shell, or a list",
        &[Take::By(Reader::take_command)],
    ),
    row("`shell.shell_command`, `shell_argument`", "`shell`; the argument is `-c`"),
    Row(
        "`working_dir`, `environment`, `env_file`",
        "`cwd`, `env`, `env_file`",
        &[Take::By(take_directory), Take::By(Reader::take_variables), Take::EnvFiles],
    ),
    Row("`description`", "`display`", &[Take::Text("display", quoted)]),
    Row(
        "`disabled: true`, `is_disabled: \"true\"`",
        "`autostart = false`",
        &[Take::By(take_autostart)],
    ),
    Row(
        "`namespace`",
        "`groups`; `@GROUP` selects all processes of a group",
        &[Take::Text("groups", group)],
    ),
    row("`replicas`", "- (`tmo start -m web=2`, `tmo scale web=2`)"),
    Row("`depends_on` with `process_started`", "`\"started\"`", &[Take::By(Reader::take_needs)]),
    row("… `process_healthy`, `process_log_ready`", "`\"ready\"`"),
    row("… `process_completed_successfully`", "`\"completed\"`"),
    row("… `process_completed`", "`\"completed\"`, with the other codes in `success_exit_codes`"),
    Row("`ready_log_line`", "`ready = { log = \"…\" }`", &[Take::By(Reader::take_readiness)]),
    row("`readiness_probe.exec.command`", "`ready = { exec = \"…\" }`"),
    row(
        "`readiness_probe.http_get`",
        "`ready = { http = \"http://host:port/path\" }`; https with `exec`",
    ),
    row("… `period_seconds`", "`every`"),
    row("… `timeout_seconds`", "- (an attempt may take up to 5 s)"),
    row("… `failure_threshold`", "`timeout`, the time for all attempts together"),
    row("… `initial_delay_seconds`", "a part of that `timeout`"),
    row("… `success_threshold`", "-"),
    Row(
        "`liveness_probe`",
        "`live`, with `every`, `timeout`, `failures`, `action`",
        &[Take::By(Reader::take_liveness)],
    ),
    Row(
        "`availability.restart: always`, `on_failure`, `no`",
        "`restart = \"always\"`, `\"on-failure\"`, `\"no\"`",
        &[Take::By(take_policy)],
    ),
    Row(
        "… `exit_on_end`",
        "`on_exit = \"stop-all\"`",
        &[Take::If(true, "on_exit", "\"stop-all\"")],
    ),
    row("… `exit_on_failure`", "- (`on_exit = \"stop-all\"` stops all after each end)"),
    row(
        "… `exit_on_skipped`",
        "- (the start fails if a process is skipped because of one of phase `\"dependency\"`)",
    ),
    Row(
        "… `backoff_seconds`",
        "`restart = { delay = \"2s\" }`; `backoff = \"exponential\"` for growing delays",
        &[Take::Setting("restart.delay", values::span)],
    ),
    Row(
        "… `max_restarts`",
        "`restart = { max_failures = 6 }`: failures in a row; without it 0, which never gives up",
        &[Take::By(take_max_restarts)],
    ),
    Row(
        "`success_exit_codes`",
        "`success_exit_codes`; 0 is always included",
        &[Take::SuccessCodes],
    ),
    Row(
        "`shutdown.command`, `signal`, `timeout_seconds`",
        "`stop = { command = \"…\", signal = \"TERM\", timeout = \"10s\" }`",
        &[
            Take::By(Reader::take_stop_command),
            Take::Setting("stop.signal", values::signal),
            Take::Setting("stop.timeout", values::span),
        ],
    ),
    row("`shutdown.parent_only`", "- (all that a process has started is stopped with it)"),
    row("`log_location`", "- (`[log] dir`: one journal for all; `tmo logs web --raw`)"),
    row(
        "`is_daemon`",
        "a `tail` that waits behind the command, until `stop = { command = \"…\" }` ends both",
    ),
    row("`is_elevated`", "- (`sudo` in the command, which asks in `tmo connect`)"),
    row("`launch_timeout_seconds`", "- (`ready = { timeout = \"5s\" }`)"),
    row("`watch`", "- (write `watch` yourself)"),
    ignored(
        "`is_tty`",
        "always; `stdin = \"null\"` for a process that must not read from its terminal",
    ),
    row("`name`, `log_level`, `is_strict`, `is_tui_disabled`", "- (not needed)"),
    row("`ordered_shutdown: true`", "always: all is stopped in reverse order"),
    row("`log_length`, `log_configuration`", "- (`[log]`)"),
    row("`is_foreground: true`", "`autostart = false`; `tmo start web`, `tmo connect web`"),
    row("`schedule`", "- (`tmo start web` from cron; it has `autostart = false`)"),
    ignored(
        "`vars`, `is_template_disabled`",
        "`{{.NAME}}` is replaced by its value; other templates are named",
    ),
    row("`env_cmds`", "- (`NAME=$(command)` in front of the command)"),
    row("`disable_env_expansion`", "`$NAME` is left to the shell"),
    row("`is_dotenv_disabled`", "- (all processes read the `.env` of the project)"),
    row("`disable_ansi_colors`", "- (`NO_COLOR = \"1\"` in `env`)"),
    row("`status_code`, `headers`, `grpc`", "- (`exec = \"…\"` with a command that asks)"),
    row("`extends`, `process-compose.override.yaml`", "read by `tmo import`"),
];

pub(in crate::import) fn import_processes(
    files: &mut SourceFiles,
) -> Result<Imported, ImportError> {
    let mut top = Fields::new(layers::merged_source(files)?, "")?;
    let mut imported = Imported::new("{ signal = \"TERM\", timeout = \"10s\" }");
    for key in HERE_WITHOUT_EFFECT {
        top.take(key);
    }
    let mut reader = Reader::default();
    let references = References::of_env_file(files, &mut imported)?;
    if !top.is_on("disable_env_expansion")? {
        reader.references = Some(references);
    }
    reader.templates.take(&mut top)?;
    reader.templates.set("PC_REPLICA_NUM", "0");
    for variable in top.variables("environment")? {
        reader.set_variable(&mut imported.defaults, variable);
    }
    let none = || files.has_nothing("it has no `processes`");
    let processes = top.take("processes").ok_or_else(none)?.table("processes")?;
    reader.names = ProcessNames::new(processes.iter().map(|(name, _)| &**name));
    for (name, node) in processes {
        imported.processes.push(reader.process(&name, node)?);
    }
    if let Some(program) = top.text("shell.shell_command")? {
        imported.defaults.set_text("shell", &program.value, &program.place);
    } else if !top.has("shell") {
        // process-compose runs commands with bash.
        imported.default_to("shell", "\"bash\"");
    }
    top.drop_text("shell.shell_argument", "-c");
    top.leave(ROWS, &mut imported.left);
    Ok(imported)
}

/// Keys that mean nothing once the processes run here.
const HERE_WITHOUT_EFFECT: [&str; 6] =
    ["version", "name", "is_strict", "is_tui_disabled", "log_level", "ordered_shutdown"];

/// What all processes of a file need to be read.
#[derive(Default)]
pub(in crate::import) struct Reader {
    names: ProcessNames,
    /// None if the file turns them off.
    references: Option<References>,
    templates: Templates,
}

impl Reader {
    fn process(&self, name: &str, mut node: SourceNode) -> Result<ImportedProcess, ImportError> {
        let mut process = ImportedProcess::new(&self.names.name_here(name), node.place.clone());
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
        let mut fields = Fields::new(node.clone(), "")?;
        if !fields.is_on("is_template_disabled")? {
            let mut templates = self.templates.clone();
            templates.take(&mut fields)?;
            for (key, place) in templates.fill(&mut node) {
                let why = "tmo fills in no template but {{.NAME}}: write out its value";
                process.leave(&place, key, why);
            }
        }
        let mut fields = Fields::new(node, "")?;
        fields.take("is_interactive");
        fields
            .without(|key, value| value == "false" && !["command", "is_disabled"].contains(&key))
            .take_over(ROWS, self, &mut process)?;
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

    fn take_command(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        let command = fields.text("command")?;
        let entrypoint = fields.texts("entrypoint")?;
        if let (Some(_), Some(entrypoint)) = (&command, &entrypoint) {
            let why = "it has a command, which comes first";
            process.leave(&entrypoint.place, "entrypoint", why);
        }
        let daemon = fields.text("is_daemon")?.filter(|on| is_true(&on.value));
        let Placed { value: line, place } = match (command, entrypoint) {
            (Some(command), _) => Placed { value: self.line(&command.value), ..command },
            (None, Some(Placed { value: words, place })) => {
                let has_variable = words.iter().any(|word| word.contains('$'));
                if daemon.is_none() && !(has_variable && self.references.is_some()) {
                    process.set("command", values::command_words(&words), &place);
                    return Ok(());
                }
                let words = words.iter().map(|word| references::for_shell(word));
                Placed { value: words.collect::<Vec<_>>().join(" "), place }
            }
            (None, None) => {
                let why = "there is none, so there is nothing to run";
                process.leave(&fields.place, "command", why);
                return Ok(());
            }
        };
        let Some(daemon) = daemon else {
            process.set_text("command", &line, &place);
            return Ok(());
        };
        process.set_text("command", &format!("(\n{line}\n) && exec tail -f /dev/null"), &place);
        let how = if fields.has("shutdown") {
            "its stop command ends it"
        } else {
            "add stop = { command = … } to end it"
        };
        process.comments.push(format!(
            "is_daemon: tail stands for what the command starts in the background; {how} ({})",
            daemon.place
        ));
        Ok(())
    }

    fn take_variables(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        for variable in fields.variables("environment")? {
            self.set_variable(process, variable);
        }
        Ok(())
    }

    fn take_stop_command(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        if let Some(command) = fields.text("shutdown.command")? {
            process.set_text("stop.command", &self.line(&command.value), &command.place);
        }
        Ok(())
    }

    fn take_needs(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        let Some(node) = fields.take("depends_on") else { return Ok(()) };
        let place = node.place.clone();
        let mut needs = vec![];
        for (name, node) in node.table("depends_on")? {
            let mut need = Fields::new(node, "depends_on")?;
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
            needs.push((self.names.name_here(&name), condition));
            need.leave(ROWS, &mut process.left);
        }
        if !needs.is_empty() {
            process.set("depends_on", values::depends_on(&needs), &place);
        }
        Ok(())
    }

    fn take_readiness(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
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

    fn take_liveness(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
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
            exec.leave(ROWS, &mut process.left);
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
            http.drop_text("status_code", "200");
            http.leave(ROWS, &mut process.left);
        }
        let mut time = |key: &str| {
            Ok::<_, ImportError>(fields.parsed(key, process, probe::time)?.map(|time| time.value))
        };
        (probe.every, probe.timeout) = (time("period_seconds")?, time("timeout_seconds")?);
        fields.drop_text("success_threshold", "1");
        probe.failures =
            fields.parsed("failure_threshold", process, probe::count)?.map(|count| count.value);
        probe.grace =
            fields.parsed("initial_delay_seconds", process, probe::grace)?.map(|time| time.value);
        // The defaults of process-compose.
        probe.every.get_or_insert(10_000);
        probe.failures.get_or_insert(3);
        fields.leave(ROWS, &mut process.left);
        Ok(probe)
    }
}

/// Why a probe is left out.
const NO_CHECK: &str = "it says neither a command nor an address that tmo can ask";

fn take_directory(_: &Reader, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let Some(dir) = fields.text("working_dir")? else { return Ok(()) };
    if dir.value.contains("${") {
        let why = "a directory can't contain a variable here: cwd = \"…\" with its value";
        process.leave(&dir.place, format!("working_dir: {}", dir.value), why);
    } else {
        process.set_text("cwd", &dir.value, &dir.place);
    }
    Ok(())
}

/// What is disabled, or runs in front of its user or at certain times, is not to start with the others.
fn take_autostart(_: &Reader, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    // The second is decisive: a text can take back `true` in another file.
    let disabled = fields.text("disabled")?;
    let disabled = fields.text("is_disabled")?.or(disabled);
    let foreground = fields.text("is_foreground")?;
    let schedule = fields.get("schedule").map(|node| node.place.clone());
    let is_on = |text: &Placed<String>| is_true(&text.value);
    let first = [foreground, disabled].into_iter().flatten().find(is_on).map(|text| text.place);
    if let Some(place) = first.or(schedule) {
        process.set("autostart", "false".to_owned(), &place);
    }
    Ok(())
}

fn take_policy(_: &Reader, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let Some(Placed { value: word, place }) = fields.text("availability.restart")? else {
        return Ok(());
    };
    let policy = match &*word {
        "always" => "always",
        "on_failure" => "on-failure",
        "exit_on_failure" => {
            let why = "its failure does not stop the others; on_exit = \"stop-all\" would, after each end";
            process.leave(&place, "availability.restart: exit_on_failure", why);
            "no"
        }
        "no" | "never" => "no",
        other => {
            let why = "tmo does not know this value";
            process.leave(&place, format!("availability.restart: {other}"), why);
            return Ok(());
        }
    };
    process.set_text("restart.policy", policy, &place);
    Ok(())
}

/// Without a number, and with 0, it never gives up.
fn take_max_restarts(_: &Reader, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let most = fields.parsed("availability.max_restarts", process, values::failures)?;
    let place = most.as_ref().map_or(&fields.place, |most| &most.place).clone();
    let most = most.map(|most| most.value).filter(|most| most != "1");
    process.set("restart.max_failures", most.unwrap_or_else(|| "0".to_owned()), &place);
    Ok(())
}
