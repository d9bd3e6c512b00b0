//! supervisord: `supervisord.conf`, with the files it includes.

use super::error::ImportError;
use super::fields::{Fields, is_true};
use super::files::{SourceFile, SourceFiles};
use super::ini::ini;
use super::node::{SourceNode, SourcePlace, Variable};
use super::process::{Imported, ImportedProcess, LeftOut, process_name};
use super::rows::{Row, reason};
use super::toml_text::{list, table};
use super::values::{self, StopSettings};
use super::write::env_quoted;
use crate::model::shell;

/// What becomes of its keys.
pub(super) const ROWS: &[Row] = &[
    Row(
        "`command`, `directory`, `environment`",
        "`command` (for a shell, or as a list), `cwd`, `env`",
    ),
    Row("`autostart`", "`autostart`"),
    Row(
        "`autorestart=true`, `false`, `unexpected`",
        "`restart = \"always\"`, `\"no\"`, `\"on-failure\"`",
    ),
    Row("`exitcodes`", "`success_exit_codes`; 0 is always included"),
    Row(
        "`startsecs`",
        "`ready = { delay = \"1s\" }`; `stable` of `restart` sets after how long the failure count is reset",
    ),
    Row("`startretries`", "`restart = { max_failures = 3 }`"),
    Row("`priority`", "- (`phase`, `depends_on` say what is waited for)"),
    Row("`numprocs`, `numprocs_start`", "- (`tmo start -m x=3`)"),
    Row("`process_name`", "- (instances are `x#1`, `x#2`)"),
    Row("`stopsignal`, `stopwaitsecs`", "`stop = { signal = \"TERM\", timeout = \"10s\" }`"),
    Row("`stopasgroup`, `killasgroup`", "- (always, even beyond the process group)"),
    Row(
        "`stdout_logfile`, `stderr_logfile`, `redirect_stderr`, `stdout_events_enabled`, `stderr_events_enabled`",
        "- (`[log] dir`: one journal; `split_stderr` keeps standard error apart)",
    ),
    Row(
        "`stdout_logfile_maxbytes`, `stdout_logfile_backups`, `stderr_logfile_maxbytes`, `stderr_logfile_backups`",
        "- (`[log] per_process`)",
    ),
    Row("`user`, `umask`, `serverurl`", "-"),
    Row("`[group:x] programs`", "`groups` of each process"),
    Row(
        "`[eventlistener:x]`",
        "- (`tmo events -f --json`, or the API: [SCRIPTING.md](SCRIPTING.md))",
    ),
    Row("`[fcgi-program:x]`", "-"),
    Row(
        "`[unix_http_server]`, `[inet_http_server]`, `[supervisorctl]`, `[rpcinterface:x]`",
        "- (always; `--network tcp`)",
    ),
    Row("`[supervisord]`", "- (settings of the daemon)"),
    Row("`[include]`", "read by `tmo import`"),
];

pub(super) fn read(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"10s\" }");
    let source = files.main()?;
    let name = source.name.to_string();
    let mut groups = vec![];
    sections(files, &source, &mut imported, &mut groups, 0)?;
    if imported.processes.is_empty() {
        let why = "it has no section `[program:NAME]`".to_owned();
        return Err(ImportError::Empty { file: name, why });
    }
    for (group, programs, place) in groups {
        for program in programs {
            let named = imported.processes.iter_mut().find(|process| process.name == program);
            if let Some(process) = named {
                process.set("groups", list([&group]), &place);
            }
        }
    }
    Ok(imported)
}

type ProgramGroup = (String, Vec<String>, SourcePlace);

fn sections(
    files: &mut SourceFiles,
    source: &SourceFile,
    imported: &mut Imported,
    groups: &mut Vec<ProgramGroup>,
    depth: u8,
) -> Result<(), ImportError> {
    const DEEPEST_INCLUDE: u8 = 4;
    for (section, node) in ini(&source.text, &source.name)? {
        let place = node.place.clone();
        let mut fields = Fields::of(node, "")?;
        match section.split_once(':') {
            Some(("program", name)) => {
                let mut process = ImportedProcess::new(name.trim(), place);
                program(fields, name.trim(), &mut process)?;
                imported.processes.push(process);
            }
            Some(("group", name)) => {
                if let Some(programs) = fields.text("programs")? {
                    let names = programs.value.split(',').map(|name| process_name(name.trim()));
                    groups.push((process_name(name.trim()), names.collect(), programs.place));
                }
                fields.leave(ROWS, &mut imported.left);
            }
            None if section == "include" && depth < DEEPEST_INCLUDE => {
                let patterns = fields.text("files")?;
                for pattern in patterns.iter().flat_map(|files| files.value.split_whitespace()) {
                    let found = matching(files, pattern);
                    if found.is_empty() {
                        let why = "no file here is named so".to_owned();
                        let what = format!("[include] {pattern}");
                        imported.left.push(LeftOut { place: place.clone(), what, why });
                    }
                    for name in found {
                        if let Some(file) = files.other(&name)? {
                            sections(files, &file, imported, groups, depth + 1)?;
                        }
                    }
                }
            }
            _ => {
                let kind = section.split_once(':').map_or(&*section, |(kind, _)| kind);
                let end = if section.contains(':') { "" } else { "]" };
                let why = reason(ROWS, &format!("[{kind}{end}"));
                imported.left.push(LeftOut { place, what: format!("[{section}]"), why });
            }
        }
    }
    Ok(())
}

/// The files that a pattern with one `*` names and that have not been read.
fn matching(files: &SourceFiles, pattern: &str) -> Vec<String> {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    let (dir, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let mut found = match name.split_once('*') {
        None if files.exists(pattern) => vec![pattern.to_owned()],
        None => vec![],
        Some(ends) => {
            let names = files.listed(dir, ends).into_iter();
            names.map(|name| if dir.is_empty() { name } else { format!("{dir}/{name}") }).collect()
        }
    };
    found.retain(|name| !files.has_read(name));
    found
}

fn program(
    mut fields: Fields,
    name: &str,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let command = fields.text("command")?;
    if let Some(command) = command {
        match shell_words::split(&command.value) {
            // supervisord runs words without a shell.
            Ok(words) => {
                let parts: Vec<_> = words.iter().map(|word| expanded(word, name)).collect();
                if parts.iter().flatten().any(|part| matches!(part, Part::Variable(_))) {
                    let words = parts.iter().map(|parts| for_shell(parts));
                    let line = words.collect::<Vec<_>>().join(" ");
                    process.set_text("command", &line, &command.place);
                } else {
                    let words: Vec<String> = parts.iter().map(|parts| plain(parts)).collect();
                    process.set("command", values::of_words(&words), &command.place);
                }
            }
            Err(_) => return Err(command.place.error("a quote in this command is not closed")),
        }
    }
    if let Some(dir) = fields.text("directory")? {
        let parts = expanded(&dir.value, name);
        if parts.iter().any(|part| matches!(part, Part::Variable(_))) {
            process.leave(&dir.place, "directory", "a directory can't contain a variable here");
        } else {
            process.set_text("cwd", &plain(&parts), &dir.place);
        }
    }
    if let Some(node) = fields.take("environment") {
        environment(node, name, process)?;
    }
    if let Some(on) = fields.text("autostart")?
        && !is_true(&on.value)
    {
        process.set("autostart", "false".to_owned(), &on.place);
    }
    let place = fields.place.clone();
    let policy = fields.text("autorestart")?;
    let at = policy.as_ref().map_or(&place, |policy| &policy.place).clone();
    let policy = match policy.as_ref().map(|policy| policy.value.to_ascii_lowercase()) {
        None => "on-failure",
        Some(word) if word == "unexpected" => "on-failure",
        Some(word) if is_true(&word) => "always",
        Some(_) => "no",
    };
    let retries = fields.read("startretries", process, values::number)?;
    let retries = retries.map(|retries| ("max_failures", retries.value));
    if policy == "no" {
        process.set_text("restart", policy, &at);
    } else {
        process.set(
            "restart",
            values::restart(policy, &retries.into_iter().collect::<Vec<_>>()),
            &at,
        );
    }
    if let Some(codes) = fields.text("exitcodes")? {
        let numbers = codes.value.split(',').filter_map(|code| code.trim().parse::<u8>().ok());
        let numbers: Vec<String> =
            numbers.filter(|code| *code != 0).map(|code| code.to_string()).collect();
        if !numbers.is_empty() {
            process.set("success_exit_codes", format!("[{}]", numbers.join(", ")), &codes.place);
        }
    }
    if let Some(delay) = fields.read("startsecs", process, values::span)?
        && delay.value != "\"0s\""
    {
        process.set("ready", table(&[("delay", delay.value)]), &delay.place);
    }
    let signal = fields.read("stopsignal", process, values::signal)?;
    let wait = fields.read("stopwaitsecs", process, values::span)?;
    let at = signal.as_ref().or(wait.as_ref()).map(|text| text.place.clone());
    let stop = StopSettings {
        command: None,
        signal: signal.map(|signal| signal.value),
        timeout: wait.map(|wait| wait.value),
    };
    if let Some(at) = at {
        stop.set(process, &at);
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

/// A part of a value.
enum Part {
    Text(String),
    /// A variable of the environment.
    Variable(String),
}

/// A value with supervisord's own variables replaced; `%(ENV_HOME)s` is the variable HOME.
fn expanded(text: &str, program: &str) -> Vec<Part> {
    let mut parts = vec![];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("%(") {
        parts.push(Part::Text(before.replace("%%", "%")));
        let Some((name, more)) = after.split_once(')') else { break };
        parts.push(match name {
            "program_name" | "group_name" => Part::Text(program.to_owned()),
            "process_num" => Part::Text("0".to_owned()),
            // The directory of the file, which everything is relative to.
            "here" => Part::Text(".".to_owned()),
            "host_node_name" => Part::Variable("HOSTNAME".to_owned()),
            name => {
                let name = name.strip_prefix("ENV_").unwrap_or(name);
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                Part::Variable(name.chars().filter(|c| is_name(*c)).collect())
            }
        });
        // The conversion behind it: `s`, `d`, `02d`.
        rest = more.trim_start_matches(|c: char| c.is_ascii_digit());
        rest = rest.strip_prefix(['s', 'd']).unwrap_or(rest);
    }
    parts.push(Part::Text(rest.replace("%%", "%")));
    parts
}

fn plain(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Variable(name) => format!("${{{name}}}"),
    });
    texts.collect::<Vec<_>>().concat()
}

/// A word in which the shell replaces nothing but these variables.
fn for_shell(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) if text.is_empty() => String::new(),
        Part::Text(text) => shell::quoted(text),
        Part::Variable(name) => format!("\"${{{name}}}\""),
    });
    texts.collect::<Vec<_>>().concat()
}

/// A value for a file of variables, between its quotes.
fn for_variables(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => {
            let quoted = env_quoted(text);
            quoted[1..quoted.len() - 1].to_owned()
        }
        Part::Variable(name) => format!("${{{name}}}"),
    });
    texts.collect::<Vec<_>>().concat()
}

/// `KEY="value",KEY2=value`
fn environment(
    node: SourceNode,
    program: &str,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let place = node.place.clone();
    let text = node.text("environment")?;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once('=') else {
            return Err(place.error("`environment` is not a list of KEY=\"value\""));
        };
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| ['"', '\''].contains(c));
        let (value, more) = if let Some(quote) = quote {
            let unclosed = || place.error("a quote in `environment` is not closed");
            in_quotes(&after[1..], quote).ok_or_else(unclosed)?
        } else {
            let end = after.find(',').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        let parts = expanded(&value, program);
        let has_references = parts.iter().any(|part| matches!(part, Part::Variable(_)));
        let value = if has_references { for_variables(&parts) } else { plain(&parts) };
        let name = name.trim().trim_start_matches(',').trim().to_owned();
        let place = place.clone();
        process.set_variable(Variable { name, value: Some(value), place }, has_references);
        rest = more.trim_start().trim_start_matches(',').trim_start();
    }
    Ok(())
}

/// What stands before the quote that closes a value, and the rest. A backslash in double quotes takes the next one as it
/// is.
fn in_quotes(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, &text[at + c.len_utf8()..])),
            '\\' if quote == '"' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    None
}
