//! supervisord: `supervisord.conf`, with the files it includes.

use std::path::{Component, Path};

use super::error::ImportError;
use super::fields::{Fields, Placed, is_true};
use super::files::{SourceFile, SourceFiles};
use super::ini::ini;
use super::node::{SourceNode, Variable};
use super::options::MOST_PROCESSES;
use super::process::{Imported, ImportedProcess, ProcessNames, process_name};
use super::references::{command_of, escaped, for_file, has_variable, plain};
use super::rows::{Row, reason};
use super::toml_text::{list, quoted, table};
use super::values::{self, StopSettings};

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
        "`ready = { delay = \"1s\" }`, and `restart = { stable = \"1s\" }`: a failure after it does not count",
    ),
    Row("`startretries`, 3 without it", "`restart = { max_failures = 4 }`"),
    Row("`priority`", "- (`phase`, `depends_on` say what is waited for)"),
    Row(
        "`numprocs`, `numprocs_start`, `process_name`",
        "- (`tmo start -m x=3` starts `x#1` to `x#3`; with `%(process_num)d` in a command, a process for each)",
    ),
    Row("`stopsignal`, `stopwaitsecs`", "`stop = { signal = \"TERM\", timeout = \"10s\" }`"),
    Row("`stopasgroup`, `killasgroup`", "- (always, even beyond the process group)"),
    Row(
        "`stdout_logfile`, `stderr_logfile`, `redirect_stderr`, `stdout_events_enabled`, `stderr_events_enabled`, `stdout_capture_maxbytes`, `stderr_capture_maxbytes`, `stdout_syslog`, `stderr_syslog`",
        "- (`[log] dir`: one journal; `split_stderr` keeps standard error apart)",
    ),
    Row(
        "`stdout_logfile_maxbytes`, `stdout_logfile_backups`, `stderr_logfile_maxbytes`, `stderr_logfile_backups`",
        "- (`[log] per_process`)",
    ),
    Row("`user`, `umask`", "- (all runs as you)"),
    Row("`serverurl`", "- (not needed)"),
    Row("`[group:x] programs`", "`groups` of each process"),
    Row(
        "`[eventlistener:x]`",
        "- (`tmo events -f --json`, or the API: [SCRIPTING.md](SCRIPTING.md))",
    ),
    Row("`[fcgi-program:x]`", "-"),
    Row(
        "`[unix_http_server]`, `[supervisorctl]`, `[rpcinterface:x]`, `[ctlplugin:x]`",
        "- (not needed: `tmo` reaches its run)",
    ),
    Row("`[inet_http_server]`", "- (`tmo web`)"),
    Row("`[supervisord] environment`, `directory`", "`env`, `cwd` in `[defaults]`"),
    Row("`[include]`", "read by `tmo import`"),
];

pub(super) fn read(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"10s\" }");
    let source = files.main()?;
    let mut sections = vec![];
    collect(files, &source, &mut imported, &mut sections, 0)?;
    let mut groups = vec![];
    for (section, fields, _) in &mut sections {
        if let Some(("group", name)) = section.split_once(':')
            && let Some(programs) = fields.text("programs")?
        {
            let names = programs.value.split(',').map(|name| name.trim().to_owned());
            groups.push((name.trim().to_owned(), names.collect::<Vec<_>>(), programs.place));
        }
    }
    let programs = sections.iter().filter_map(|(section, ..)| section.strip_prefix("program:"));
    let names = ProcessNames::new(programs.map(str::trim));
    let main = absolute(files.dir());
    let mut usual = String::new();
    if let Some(at) = sections.iter().position(|(section, ..)| section == "supervisord") {
        let (_, fields, dir) = sections.remove(at);
        usual = daemon(fields, &dir, &main, &mut imported)?;
    }
    for (section, mut fields, dir) in sections {
        let Some((kind, name)) = section.split_once(':').map(|(kind, name)| (kind, name.trim()))
        else {
            if !WITHOUT_EFFECT.contains(&&*section) {
                let what = format!("[{section}]");
                imported.leave(&fields.place, &*what, reason(ROWS, &what));
            }
            continue;
        };
        match kind {
            "program" => {
                let of_it: Vec<_> = groups
                    .iter()
                    .filter(|(_, programs, _)| programs.iter().any(|of| of == name))
                    .collect();
                let program = Program {
                    name,
                    group: of_it.first().map_or(name, |(group, ..)| group),
                    number: 0,
                    here: dir,
                    main: &main,
                    usual: &usual,
                };
                let first = imported.processes.len();
                program.read(fields, &names.of(name), &mut imported.processes)?;
                if let Some((.., place)) = of_it.first() {
                    let all = list(of_it.iter().map(|(group, ..)| process_name(group)));
                    for process in &mut imported.processes[first..] {
                        process.set("groups", all.clone(), place);
                    }
                }
            }
            "group" => {
                fields.take("priority");
                fields.leave(ROWS, &mut imported.left);
            }
            _ if WITHOUT_EFFECT.contains(&kind) => {}
            _ => {
                let why = reason(ROWS, &format!("[{kind}"));
                imported.leave(&fields.place, format!("[{section}]"), why);
            }
        }
    }
    if imported.processes.is_empty() {
        let why = "it has no section `[program:NAME]`".to_owned();
        return Err(ImportError::Empty { file: source.name.to_string(), why });
    }
    Ok(imported)
}

/// Sections about how supervisord is reached, which tmo always is.
const WITHOUT_EFFECT: [&str; 4] =
    ["unix_http_server", "supervisorctl", "rpcinterface", "ctlplugin"];

/// A section, and the directory of its file.
type Section = (String, Fields, String);

/// Collect the sections of a file and of those it includes. Of equal names, the last value of a key counts.
fn collect(
    files: &mut SourceFiles,
    source: &SourceFile,
    imported: &mut Imported,
    sections: &mut Vec<Section>,
    depth: u8,
) -> Result<(), ImportError> {
    const DEEPEST_INCLUDE: u8 = 4;
    let dir = source.name.rsplit_once('/').map_or("", |(dir, _)| dir);
    for (section, node) in ini(&source.text, &source.name)? {
        let place = node.place.clone();
        let mut fields = Fields::of(node, "")?;
        if section != "include" || depth >= DEEPEST_INCLUDE {
            match sections.iter_mut().find(|(known, ..)| *known == section) {
                Some((_, known, _)) => known.lay_over(fields),
                None => sections.push((section, fields, dir.to_owned())),
            }
            if sections.len() > MOST_PROCESSES {
                return Err(place.error("so many sections are not read"));
            }
            continue;
        }
        let patterns = fields.text("files")?;
        for pattern in patterns.iter().flat_map(|files| files.value.split_whitespace()) {
            let found = matching(files, dir, pattern);
            if found.is_empty() {
                let why = if pattern.starts_with('/') {
                    "only files below the directory of this one are read: name it to `tmo import FILE --merge`"
                } else {
                    "no file here is named so"
                };
                imported.leave(&place, format!("[include] {pattern}"), why);
            }
            for name in found {
                if let Some(file) = files.other(&name)? {
                    collect(files, &file, imported, sections, depth + 1)?;
                }
            }
        }
    }
    Ok(())
}

/// The files that a pattern with one `*` names and that have not been read.
fn matching(files: &SourceFiles, dir: &str, pattern: &str) -> Vec<String> {
    let pattern = pattern.replace("%(here)s", dir);
    let root = format!("{}/", absolute(files.dir()));
    let pattern =
        pattern.strip_prefix(&root).or_else(|| pattern.strip_prefix("./")).unwrap_or(&pattern);
    let pattern = if dir.is_empty() { pattern.trim_start_matches('/') } else { pattern };
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

/// The absolute path of a directory.
fn absolute(dir: &Path) -> String {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

/// `[supervisord]`: what its programs inherit. Returns the directory that they run in.
fn daemon(
    mut fields: Fields,
    here: &str,
    main: &str,
    imported: &mut Imported,
) -> Result<String, ImportError> {
    let here = here.to_owned();
    let of_all = Program { name: "supervisord", group: "", number: 0, here, main, usual: "" };
    if let Some(node) = fields.take("environment") {
        of_all.environment(node, "", &mut imported.defaults)?;
    }
    let dir = fields.text("directory")?;
    if let Some(dir) = &dir {
        of_all.directory(dir, &mut imported.defaults);
    }
    // The others are about its own process.
    for key in ["umask", "user"] {
        if let Some(node) = fields.take(key) {
            imported.leave(&node.place, format!("[supervisord] {key}"), reason(ROWS, key));
        }
    }
    Ok(of_all.cwd(dir.as_ref()))
}

/// What the values of a program can name.
#[derive(Clone)]
struct Program<'a> {
    name: &'a str,
    group: &'a str,
    /// Of an instance.
    number: u32,
    /// The directory of its file, relative to the source.
    here: String,
    /// The directory of the source.
    main: &'a str,
    /// The directory of a program that names none.
    usual: &'a str,
}

impl Program<'_> {
    /// Its process, or one for each instance if they differ.
    fn read(
        &self,
        mut fields: Fields,
        name: &str,
        processes: &mut Vec<ImportedProcess>,
    ) -> Result<(), ImportError> {
        let number = |fields: &mut Fields, key| {
            let text = fields.get(key).and_then(|node| node.clone().text(key).ok());
            text.and_then(|text| text.trim().parse::<u32>().ok())
        };
        let first = number(&mut fields, "numprocs_start").unwrap_or(0);
        let count = number(&mut fields, "numprocs").unwrap_or(1).min(MOST_INSTANCES);
        let differ = ["command", "environment", "directory"].iter().any(|key| {
            fields.get(key).is_some_and(|node| {
                node.clone().text(key).is_ok_and(|text| text.contains("%(process_num)"))
            })
        });
        if count < 2 || !differ {
            let mut process = ImportedProcess::new(name, fields.place.clone());
            if count < 2 {
                for key in ["numprocs", "numprocs_start", "process_name"] {
                    fields.take(key);
                }
            }
            Self { number: first, ..self.clone() }.process(fields, &mut process)?;
            processes.push(process);
            return Ok(());
        }
        let pattern = fields.text("process_name")?;
        for key in ["numprocs", "numprocs_start"] {
            fields.take(key);
        }
        for number in first..first.saturating_add(count) {
            let instance = Self { number, ..self.clone() };
            let own = pattern.as_ref().map(|pattern| plain(&instance.expanded(&pattern.value, "")));
            let own = own.filter(|own| !own.contains("${"));
            let own = own.unwrap_or_else(|| format!("{name}-{number}"));
            let mut process = ImportedProcess::new(&own, fields.place.clone());
            instance.process(fields.clone(), &mut process)?;
            processes.push(process);
        }
        Ok(())
    }

    /// The directory it runs in here.
    fn cwd(&self, dir: Option<&Placed<String>>) -> String {
        let own = dir.map(|dir| plain(&self.expanded(&dir.value, "")));
        own.filter(|own| !own.contains("${")).unwrap_or_else(|| self.usual.to_owned())
    }

    fn directory(&self, dir: &Placed<String>, process: &mut ImportedProcess) {
        let path = self.expanded(&dir.value, "");
        if has_variable(&path) {
            let why = "a directory can't contain a variable here: cwd = \"…\" with its value";
            process.leave(&dir.place, format!("directory: {}", dir.value), why);
        } else if path != "." {
            process.set_text("cwd", &plain(&path), &dir.place);
        }
    }

    fn process(
        &self,
        mut fields: Fields,
        process: &mut ImportedProcess,
    ) -> Result<(), ImportError> {
        let directory = fields.text("directory")?;
        let cwd = self.cwd(directory.as_ref());
        if let Some(command) = fields.text("command")? {
            // supervisord runs words without a shell.
            let Ok(words) = shell_words::split(&command.value) else {
                return Err(command.place.error("a quote in this command is not closed"));
            };
            let words: Vec<_> = words.iter().map(|word| self.expanded(word, &cwd)).collect();
            process.set("command", command_of(&words), &command.place);
        } else {
            process.leave(&fields.place, "command", "there is none, so there is nothing to run");
        }
        if let Some(directory) = directory {
            self.directory(&directory, process);
        }
        if let Some(node) = fields.take("environment") {
            self.environment(node, &cwd, process)?;
        }
        settings(fields, process)
    }

    /// A value with supervisord's own variables replaced, for a process in this directory, written as in a compose file:
    /// `%(ENV_HOME)s` is `${HOME}`.
    fn expanded(&self, text: &str, cwd: &str) -> String {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("%(")
            && let Some((name, more)) = after.split_once(')')
        {
            result.push_str(&escaped(&before.replace("%%", "%")));
            let own = match name {
                "program_name" => escaped(self.name),
                "group_name" => escaped(self.group),
                "process_num" => self.numbered(more),
                "here" => escaped(&self.here(cwd)),
                "host_node_name" => "${HOSTNAME}".to_owned(),
                name => {
                    let name = name.strip_prefix("ENV_").unwrap_or(name);
                    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                    format!("${{{}}}", name.chars().filter(is_name).collect::<String>())
                }
            };
            result.push_str(&own);
            // The conversion behind it: `s`, `d`, `02d`.
            rest = more.trim_start_matches(|c: char| c.is_ascii_digit());
            rest = rest.strip_prefix(['s', 'd']).unwrap_or(rest);
        }
        result + &escaped(&rest.replace("%%", "%"))
    }

    /// The number of the instance as the conversion behind it writes it: `d`, `02d`.
    fn numbered(&self, conversion: &str) -> String {
        let width: String = conversion.chars().take_while(char::is_ascii_digit).collect();
        let width = width.parse().unwrap_or(0).min(MOST_DIGITS);
        format!("{:0width$}", self.number)
    }

    /// The directory of its file, as it is reached from another one, which is relative to the source.
    fn here(&self, cwd: &str) -> String {
        let steps = || Path::new(cwd).components();
        if steps().any(|step| !matches!(step, Component::Normal(_) | Component::CurDir)) {
            let here = if self.here.is_empty() { "" } else { "/" };
            return format!("{}{here}{}", self.main, self.here);
        }
        let up = steps().filter(|step| matches!(step, Component::Normal(_))).map(|_| "..");
        let all: Vec<&str> = up.chain((!self.here.is_empty()).then_some(&*self.here)).collect();
        if all.is_empty() { ".".to_owned() } else { all.join("/") }
    }

    /// `KEY="value",KEY2=value`
    fn environment(
        &self,
        node: SourceNode,
        cwd: &str,
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
            let value = self.expanded(&value, cwd);
            let has_references = has_variable(&value);
            let value = if has_references { for_file(&value) } else { plain(&value) };
            let name = name.trim().trim_start_matches(',').trim().to_owned();
            let place = place.clone();
            process.set_variable(Variable { name, value: Some(value), place }, has_references);
            rest = more.trim_start().trim_start_matches(',').trim_start();
        }
        Ok(())
    }
}

/// How many instances of a program become processes of their own, at most.
const MOST_INSTANCES: u32 = 100;
const MOST_DIGITS: usize = 9;

/// Whether a setting says what is so here anyway.
fn is_usual(key: &str, value: &str) -> bool {
    match key {
        "stopasgroup" | "killasgroup" | "redirect_stderr" => is_true(value),
        "serverurl" => value == "AUTO",
        "priority" => value == "999",
        "stdout_logfile" | "stderr_logfile" => value.starts_with("/dev/") || value == "AUTO",
        _ => value == "0" && key.ends_with("_maxbytes"),
    }
}

fn settings(mut fields: Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    fields.drop_if(is_usual);
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
    let retries = fields.read("startretries", process, values::failures)?;
    let delay = fields.read("startsecs", process, values::span)?;
    // Only an end within `startsecs` counts as a failed start; with 0, none does.
    let tries = retries.map_or_else(|| "4".to_owned(), |retries| retries.value);
    let stable = delay.as_ref().map_or_else(|| quoted("1s"), |delay| delay.value.clone());
    let more = match &*stable {
        "\"0s\"" => vec![("max_failures", "0".to_owned())],
        _ => vec![("max_failures", tries), ("stable", stable)],
    };
    match policy {
        "no" => process.set_text("restart", policy, &at),
        _ => process.set("restart", values::restart(policy, &more), &at),
    }
    if let Some(codes) = fields.text("exitcodes")? {
        process.set_success_codes(codes.value.split(','), &codes.place);
    }
    if let Some(delay) = delay.filter(|delay| delay.value != "\"0s\"") {
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
