//! pm2: `ecosystem.config.js` (once its value is known as JSON), `process.json`, `process.yml`.

use super::error::ImportError;
use super::fields::{Fields, Placed};
use super::files::SourceFiles;
use super::format::SourceFormat;
use super::node::{SourceNode, SourceValue, Variable, yaml};
use super::process::{Imported, ImportedProcess, process_name};
use super::rows::{Row, reason};
use super::toml_text::{list, quoted};
use super::values::{self, StopSettings};
use crate::model::shell;
use crate::model::units::{parse_span, written_span};

/// What becomes of its keys.
pub(super) const ROWS: &[Row] = &[
    Row(
        "`name`, `script`, `args`, `interpreter`, `node_args`",
        "name of the table, `command`: a string for the shell, or a list",
    ),
    Row("`cwd`, `env`", "the same"),
    Row("`env_production` and others", "- (an `env_file`, or another `tmo.toml`)"),
    Row("`instances`", "- (`tmo start -m web=4`, `tmo scale web=4`)"),
    Row("`exec_mode: \"cluster\"`", "-: each instance has its own PORT"),
    Row(
        "`autorestart: true`, its default",
        "`restart = \"always\"`; tmo's default is to stop all processes",
    ),
    Row("`max_restarts`, `restart_delay`", "`restart = { max_restarts = 16, delay = \"4s\" }`"),
    Row("`min_uptime`", "`restart = { stable = \"10s\" }`"),
    Row(
        "`exp_backoff_restart_delay: 100`",
        "`restart = { delay = \"100ms\", backoff = \"exponential\", max_delay = \"15s\" }`",
    ),
    Row("`stop_exit_codes: [0]`", "`restart = \"on-failure\"`, `success_exit_codes`"),
    Row(
        "`wait_ready`, `listen_timeout`",
        "- (`ready` with `log`, `port` or `http`, and `timeout`; no `process.send(\"ready\")`)",
    ),
    Row("`kill_timeout`", "`stop = { timeout = \"1600ms\" }`"),
    Row("`shutdown_with_message`", "- (`stop = { command = \"…\" }`)"),
    Row("`namespace`", "`groups`"),
    Row("`merge_logs`, `combine_logs`, `log_type`", "- (not needed: there is one log)"),
    Row(
        "`log_file`, `out_file`, `error_file`, `disable_logs`",
        "- (`[log] dir`: one journal, in which stderr and stdout are not distinguished)",
    ),
    Row("`log_date_format`, `time`", "- (`tmo logs -T`)"),
    Row("`watch`, `ignore_watch`, `watch_options`, `watch_delay`", "- (write `watch` yourself)"),
    Row("`cron_restart`", "- (`tmo restart web` from cron)"),
    Row("`max_memory_restart`", "- (`tmo ps` and `tmo ui` show the memory)"),
    Row("`deploy`, `post_update`", "- (tmo runs what is here)"),
    Row(
        "`instance_var`, `increment_var`",
        "- (`TMO_PROCESS` is the name of the instance, such as `web#2`)",
    ),
    Row("`filter_env`", "- (`env -u NAME` in front of the command)"),
    Row("`uid`, `gid`", "- (all runs as you)"),
    Row("`treekill`, `kill_retry_time`", "- (all that a process has started is stopped with it)"),
    Row("`source_map_support`, `vizion`, `force`, `pid_file`", "- (not needed)"),
];

/// Keys with several names, the one that is read first.
const ALIASES: [(&str, &[&str]); 10] = [
    ("script", &["exec", "cmd", "command"]),
    ("interpreter", &["exec_interpreter"]),
    ("node_args", &["interpreter_args", "interpreterArgs"]),
    ("log_file", &["log", "combined_log"]),
    ("out_file", &["out", "output", "out_log"]),
    ("error_file", &["err", "error", "err_file", "err_log"]),
    ("pid_file", &["pid"]),
    ("uid", &["user"]),
    ("cron_restart", &["cron"]),
    ("stop_exit_codes", &["stop_exit_code"]),
];

/// Keys that mean nothing here, whatever their value.
const WITHOUT_EFFECT: &str = "merge_logs combine_logs vizion force source_map_support log_type pid_file \
    append_env_to_name disable_source_map_support";

/// The programs that pm2 runs scripts with, by their endings.
const INTERPRETERS: [(&str, &str); 10] = [
    (".ts", "bun"),
    (".tsx", "bun"),
    (".js", "node"),
    (".cjs", "node"),
    (".mjs", "node"),
    (".py", "python3"),
    (".sh", "bash"),
    (".rb", "ruby"),
    (".php", "php"),
    (".pl", "perl"),
];

pub(super) fn read(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let source = files.main()?;
    // Where JSON is expected, a program ends the attempt before its text confuses anybody.
    let is_program = SourceFormat::is_program(std::path::Path::new(&*source.name));
    if is_program && !source.text.trim_start().starts_with(['{', '[']) {
        return Err(ImportError::Program { file: source.name.to_string() });
    }
    let is_yaml = source.name.ends_with(".yml") || source.name.ends_with(".yaml");
    let text = if is_yaml { source.text } else { without_comments(&source.text) };
    let node = yaml(&text, &source.name)?;
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"INT\", timeout = \"1600ms\" }");
    let apps = if let SourceValue::List(apps) = node.value {
        apps
    } else {
        let mut top = Fields::of(node.clone(), "")?;
        match top.take("apps") {
            // A file may be one app.
            None if top.has("script") => vec![node],
            apps => {
                top.leave(ROWS, &mut imported.left);
                match apps {
                    Some(SourceNode { value: SourceValue::List(apps), .. }) => apps,
                    Some(app) => vec![app],
                    None => vec![],
                }
            }
        }
    };
    if apps.is_empty() {
        let why = "it has no `apps`".to_owned();
        return Err(ImportError::Empty { file: source.name.to_string(), why });
    }
    for app in apps {
        let mut fields = Fields::of(app, "")?;
        for (name, aliases) in ALIASES {
            fields.rename(name, aliases);
        }
        for key in WITHOUT_EFFECT.split(' ') {
            fields.take(key);
        }
        fields.drop_if(|key, value| match key {
            "instances" => value == "1",
            "exec_mode" => value.starts_with("fork"),
            "treekill" | "autorestart" | "script" | "name" | "args" => false,
            _ => value == "false",
        });
        let script = fields.text("script")?;
        let name = fields.text("name")?.map(|name| name.value);
        let name = name.or_else(|| {
            let file = script.as_ref()?.value.rsplit('/').next()?;
            Some(file.rsplit_once('.').map_or(file, |(name, _)| name).to_owned())
        });
        let name = name.unwrap_or_else(|| "app".to_owned());
        let mut process = ImportedProcess::new(&name, fields.place.clone());
        read_app(fields, script, &mut process)?;
        imported.processes.push(process);
    }
    Ok(imported)
}

/// JSON with blanks in place of its comments, which pm2 reads as JavaScript.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let comment = match (quote, rest.get(..2)) {
            (None, Some("//")) => rest.find('\n').unwrap_or(rest.len()),
            (None, Some("/*")) => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => 0,
        };
        if comment > 0 {
            plain.extend(rest[..comment].chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = &rest[comment..];
            continue;
        }
        let escaped = if c == '\\' && quote.is_some() { rest.chars().nth(1) } else { None };
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        let length = c.len_utf8() + escaped.map_or(0, char::len_utf8);
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    plain
}

fn read_app(
    mut fields: Fields,
    script: Option<Placed<String>>,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    command(&mut fields, script, process)?;
    if let Some(dir) = fields.text("cwd")? {
        let home = dir.value.strip_prefix("~/").zip(std::env::home_dir());
        let dir_here = home.map(|(rest, home)| home.join(rest).display().to_string());
        process.set_text("cwd", &dir_here.unwrap_or(dir.value), &dir.place);
    }
    if let Some(node) = fields.take("env") {
        for (name, node) in node.table("env")? {
            let place = node.place.clone();
            match node.value {
                SourceValue::Text(value) => {
                    process.set_variable(Variable { name, value: Some(value), place }, false);
                }
                SourceValue::Null => {}
                _ => process.leave(&place, format!("env.{name}"), "a variable is a text here"),
            }
        }
    }
    if let Some(port) = fields.text("port")? {
        let Placed { value, place } = port;
        let name = "PORT".to_owned();
        process.set_variable(Variable { name, value: Some(value), place }, false);
    }
    if let Some(group) = fields.text("namespace")? {
        process.set("groups", list([process_name(&group.value)]), &group.place);
    }
    restart(&mut fields, process)?;
    if let Some(time) = fields.read("kill_timeout", process, millis)? {
        let timeout = Some(time.value);
        StopSettings { timeout, ..StopSettings::default() }.set(process, &time.place);
    }
    for (name, node) in fields.take_beginning("env_") {
        process.leave(&node.place, name, reason(ROWS, "env_production"));
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

/// A time without a unit is one of milliseconds.
fn millis(text: &str) -> Option<String> {
    let millis = text.parse().ok();
    let millis = millis.or_else(|| parse_span(text).map(crate::model::units::millis));
    Some(quoted(&written_span(millis?)))
}

fn command(
    fields: &mut Fields,
    script: Option<Placed<String>>,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let interpreter = fields.text("interpreter")?;
    let options = arguments(fields, "node_args")?;
    let args = arguments(fields, "args")?;
    let Some(script) = script else {
        process.leave(&fields.place, "script", "there is none, so there is nothing to run");
        return Ok(());
    };
    let by_ending = INTERPRETERS.iter().find(|(ending, _)| script.value.ends_with(ending));
    // A bare word is a program, which says itself what runs it.
    let is_program = by_ending.is_none() && !script.value.contains('/');
    let interpreter = match interpreter.map(|program| (program.value, program.place)) {
        Some((name, _)) if name == "none" => None,
        None => by_ending.map(|(_, program)| (*program).to_owned()),
        Some((name, place)) if name.starts_with("node@") => {
            let why = "node runs it, in the version that is in force here";
            process.leave(&place, format!("interpreter: {name}"), why);
            Some("node".to_owned())
        }
        Some((name, _)) if is_program && name.starts_with("python") => None,
        Some((name, _)) => Some(name),
    };
    // A script with blanks is a line for the shell.
    if script.value.contains(' ') && interpreter.is_none() {
        let line = [vec![script.value], args].concat().join(" ");
        process.set_text("command", &line, &script.place);
        return Ok(());
    }
    let mut line: Vec<String> = interpreter.iter().map(|program| shell::quoted(program)).collect();
    line.extend(options);
    line.push(shell::quoted(&script.value));
    line.extend(args);
    process.set_text("command", &line.join(" "), &script.place);
    Ok(())
}

/// Arguments, each as a word for the shell: those of a list, or the words of a text.
fn arguments(fields: &mut Fields, key: &str) -> Result<Vec<String>, ImportError> {
    let is_list = fields.get(key).is_some_and(|node| matches!(node.value, SourceValue::List(_)));
    let Some(texts) = fields.texts(key)? else { return Ok(vec![]) };
    let mut words = texts.value;
    if !is_list {
        let split =
            words.iter().map(|text| shell_words::split(text)).collect::<Result<Vec<_>, _>>();
        let unclosed = || texts.place.error(format!("a quote in `{key}` is not closed"));
        words = split.map_err(|_| unclosed())?.concat();
    }
    Ok(words.iter().map(|word| shell::quoted(word)).collect())
}

fn restart(fields: &mut Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let place = fields.place.clone();
    let again = fields.text("autorestart")?;
    let at = again.as_ref().map_or(&place, |again| &again.place).clone();
    let mut more = vec![];
    let mut time =
        |key: &str| Ok::<_, ImportError>(fields.read(key, process, millis)?.map(|time| time.value));
    if let Some(delay) = time("exp_backoff_restart_delay")? {
        more.extend([
            ("delay", delay),
            ("backoff", quoted("exponential")),
            ("max_delay", quoted("15s")),
        ]);
    }
    if let Some(delay) = time("restart_delay")?
        && more.is_empty()
    {
        more.push(("delay", delay));
    }
    if let Some(stable) = time("min_uptime")? {
        more.push(("stable", stable));
    }
    let most = fields.read("max_restarts", process, values::number)?;
    more.extend(most.map(|most| ("max_restarts", most.value)));
    let codes = fields.texts("stop_exit_codes")?;
    if let Some(codes) = &codes {
        process.set_success_codes(codes.value.iter().map(|code| &**code), &codes.place);
    }
    // With 0 restarts it is one that is never restarted.
    let never = more.iter().any(|(key, most)| *key == "max_restarts" && most == "0");
    if never || again.is_some_and(|again| !super::fields::is_true(&again.value)) {
        process.set_text("restart", "no", &at);
        return Ok(());
    }
    let policy = if codes.is_none() { "always" } else { "on-failure" };
    process.set("restart", values::restart(policy, &more), &at);
    Ok(())
}
