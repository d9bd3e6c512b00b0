//! pm2: `ecosystem.config.js` (once its value is known as JSON), `process.json`, `process.yml`.

use crate::import::fields::{Fields, Placed, is_true};
use crate::import::files::SourceFiles;
use crate::import::format::{ImportError, SourceFormat};
use crate::import::node::{SourceNode, SourceValue, Variable, yaml};
use crate::import::process::{Imported, ImportedProcess, group};
use crate::import::rows::{KeyResult, NoContext, Row, Take, ignored, reason, row};
use crate::import::values;
use crate::import::values::quoted;
use crate::model::text::shell;
use crate::model::units::{parse_span, written_span};

/// What becomes of its keys.
pub(in crate::import) const ROWS: &[Row<NoContext>] = &[
    Row(
        "`name`, `script`, `args`, `interpreter`, `node_args`",
        "name of the table, `command`: a string for the shell, or a list",
        &[Take::Left, Take::By(take_command)],
    ),
    Row("`cwd`, `env`", "the same", &[Take::Text("cwd", directory), Take::By(take_variables)]),
    row("`env_production` and others", "- (an `env_file`, or another `tmo.toml`)"),
    row("`instances`", "- (`tmo start -m web=4`, `tmo scale web=4`)"),
    row("`exec_mode: \"cluster\"`", "-: each instance has its own PORT"),
    Row(
        "`autorestart: true`, its default",
        "`restart = \"always\"`; tmo's default is to stop all processes",
        &[Take::By(take_policy)],
    ),
    Row(
        "`max_restarts`, `restart_delay`",
        "`restart = { max_restarts = 16, delay = \"4s\" }`",
        &[
            Take::Setting("restart.max_restarts", values::number),
            Take::Setting("restart.delay", millis),
        ],
    ),
    Row(
        "`min_uptime`",
        "`restart = { stable = \"10s\" }`",
        &[Take::Setting("restart.stable", millis)],
    ),
    Row(
        "`exp_backoff_restart_delay: 100`",
        "`restart = { delay = \"100ms\", backoff = \"exponential\", max_delay = \"15s\" }`",
        &[Take::By(take_backoff)],
    ),
    row("`stop_exit_codes: [0]`", "`restart = \"on-failure\"`, `success_exit_codes`"),
    row(
        "`wait_ready`, `listen_timeout`",
        "- (`ready` with `log`, `port` or `http`, and `timeout`; no `process.send(\"ready\")`)",
    ),
    Row(
        "`kill_timeout`",
        "`stop = { timeout = \"1600ms\" }`",
        &[Take::Setting("stop.timeout", millis)],
    ),
    row("`shutdown_with_message`", "- (`stop = { command = \"…\" }`)"),
    Row("`namespace`", "`groups`", &[Take::Text("groups", group)]),
    ignored("`merge_logs`, `combine_logs`, `log_type`", "- (not needed: there is one log)"),
    row(
        "`log_file`, `out_file`, `error_file`, `disable_logs`",
        "- (`[log] dir`: one journal; `split_stderr` keeps standard error apart)",
    ),
    row("`log_date_format`, `time`", "- (`tmo logs -T`)"),
    row("`watch`, `ignore_watch`, `watch_options`, `watch_delay`", "- (write `watch` yourself)"),
    row("`cron_restart`", "- (`tmo restart web` from cron)"),
    row("`max_memory_restart`", "- (`tmo ps` and `tmo ui` show the memory)"),
    row("`deploy`, `post_update`", "- (tmo runs what is here)"),
    row(
        "`instance_var`, `increment_var`",
        "- (`TMO_PROCESS` is the name of the instance, such as `web#2`)",
    ),
    row("`filter_env`", "- (`env -u NAME` in front of the command)"),
    row("`uid`, `gid`", "- (all runs as you)"),
    row("`treekill`, `kill_retry_time`", "- (all that a process has started is stopped with it)"),
    ignored("`source_map_support`, `vizion`, `force`, `pid_file`", "- (not needed)"),
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

/// Keys of no row that mean nothing here, whatever their value.
const WITHOUT_EFFECT: [&str; 2] = ["append_env_to_name", "disable_source_map_support"];

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

pub(in crate::import) fn import_apps(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let source = files.main()?;
    // Where JSON is expected, a program ends the attempt before its text confuses anybody.
    let is_program = SourceFormat::is_program(std::path::Path::new(&*source.name));
    if is_program && !source.text.trim_start().starts_with(['{', '[']) {
        return Err(ImportError::Program { file: source.name.to_string() });
    }
    let is_yaml = source.name.ends_with(".yml") || source.name.ends_with(".yaml");
    let text = if is_yaml { source.text } else { without_comments(&source.text) };
    let node = yaml(&text, &source.name)?;
    let mut imported = Imported::new("{ signal = \"INT\", timeout = \"1600ms\" }");
    let apps = if let SourceValue::List(apps) = node.value {
        apps
    } else {
        let mut top = Fields::new(node.clone(), "")?;
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
        return Err(files.has_nothing("it has no `apps`"));
    }
    for app in apps {
        imported.processes.push(app_process(Fields::new(app, "")?)?);
    }
    Ok(imported)
}

fn app_process(mut fields: Fields) -> Result<ImportedProcess, ImportError> {
    for (name, aliases) in ALIASES {
        fields.rename(name, aliases);
    }
    for key in WITHOUT_EFFECT {
        fields.take(key);
    }
    let mut fields = fields.without(|key, value| match key {
        "instances" => value == "1",
        "exec_mode" => value.starts_with("fork"),
        "treekill" | "autorestart" | "script" | "name" | "args" => false,
        _ => value == "false",
    });
    let name = fields.text("name")?.map(|name| name.value).or_else(|| {
        let SourceValue::Text(script) = &fields.get("script")?.value else { return None };
        let file = script.rsplit('/').next()?;
        Some(file.rsplit_once('.').map_or(file, |(name, _)| name).to_owned())
    });
    let name = name.unwrap_or_else(|| "app".to_owned());
    let mut process = ImportedProcess::new(&name, fields.place.clone());
    fields.take_over(ROWS, &NoContext, &mut process)?;
    Ok(process)
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

fn directory(path: &str) -> String {
    let home = path.strip_prefix("~/").zip(std::env::home_dir());
    let path_here = home.map(|(rest, home)| home.join(rest).display().to_string());
    quoted(&path_here.unwrap_or_else(|| path.to_owned()))
}

fn take_variables(_: &NoContext, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let env = fields.take("env").map_or(Ok(vec![]), |node| node.table("env"))?;
    let port = fields.take("port").map(|node| ("PORT".to_owned(), node));
    for (name, SourceNode { place, value }) in env.into_iter().chain(port) {
        match value {
            SourceValue::Text(value) => {
                process.set_variable(Variable { name, value: Some(value), place }, false);
            }
            SourceValue::Null => {}
            _ => process.leave(&place, format!("env.{name}"), "a variable is a text here"),
        }
    }
    for (name, node) in fields.take_beginning("env_") {
        process.leave(&node.place, name, reason(ROWS, "env_production"));
    }
    Ok(())
}

/// A time without a unit is one of milliseconds.
fn millis(text: &str) -> Option<String> {
    let millis = text.parse().ok();
    let millis = millis.or_else(|| parse_span(text).map(crate::model::units::millis));
    Some(quoted(&written_span(millis?)))
}

fn take_command(_: &NoContext, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let interpreter = fields.text("interpreter")?;
    let options = arguments(fields, "node_args")?;
    let args = arguments(fields, "args")?;
    let Some(script) = fields.text("script")? else {
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
    let words = match fields.get(key).map(|node| &node.value) {
        Some(SourceValue::Text(_)) => match fields.text(key)? {
            Some(text) => text.split_words(&format!("`{key}`"))?,
            None => vec![],
        },
        _ => fields.texts(key)?.map_or_else(Vec::new, |texts| texts.value),
    };
    Ok(words.iter().map(|word| shell::quoted(word)).collect())
}

fn take_policy(_: &NoContext, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let again = fields.text("autorestart")?;
    let place = again.as_ref().map_or(&fields.place, |again| &again.place).clone();
    let codes = fields.texts("stop_exit_codes")?;
    let policy = match again {
        Some(again) if !is_true(&again.value) => "no",
        _ if codes.is_some() => "on-failure",
        _ => "always",
    };
    process.set_text("restart.policy", policy, &place);
    if let Some(codes) = codes {
        process.set_success_codes(&codes);
    }
    Ok(())
}

/// Growing delays, which come before a constant one.
fn take_backoff(_: &NoContext, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let delay = fields.parsed("exp_backoff_restart_delay", process, millis)?;
    if let Some(Placed { value: delay, place }) = delay {
        process.set("restart.delay", delay, &place);
        process.set_text("restart.backoff", "exponential", &place);
        process.set_text("restart.max_delay", "15s", &place);
    }
    Ok(())
}
