//! supervisord: `supervisord.conf`, with the files it includes.

use std::path::{Component, Path};

use super::ini::ini;
use crate::import::fields::{Fields, Placed, is_true};
use crate::import::files::{SourceFile, SourceFiles};
use crate::import::format::{ImportError, MOST_PROCESSES};
use crate::import::node::{DEEPEST, SourceNode, SourcePlace, Variable};
use crate::import::process::{Imported, ImportedProcess, ProcessNames, process_name};
use crate::import::references::{escaped, for_file, has_variable, plain, shell_command};
use crate::import::rows::{KeyResult, Row, Take, reason, row};
use crate::import::values;
use crate::import::values::{dir_of, list, quoted, table};

/// What becomes of its keys.
pub(in crate::import) const ROWS: &[Row<Program>] = &[
    Row(
        "`command`, `directory`, `environment`",
        "`command` (for a shell, or as a list), `cwd`, `env`",
        &[Take::By(Program::take_command)],
    ),
    Row("`autostart`", "`autostart`", &[Take::If(false, "autostart", "false")]),
    Row(
        "`autorestart=true`, `false`, `unexpected`",
        "`restart = \"always\"`, `\"no\"`, `\"on-failure\"`",
        &[Take::By(take_restart)],
    ),
    Row("`exitcodes`", "`success_exit_codes`; 0 is always included", &[Take::SuccessCodes]),
    row(
        "`startsecs`",
        "`ready = { delay = \"1s\" }`, and `restart = { stable = \"1s\" }`: a failure after it does not count",
    ),
    row("`startretries`, 3 without it", "`restart = { max_failures = 4 }`"),
    row("`priority`", "- (`phase`, `depends_on` say what is waited for)"),
    row(
        "`numprocs`, `numprocs_start`, `process_name`",
        "- (`tmo start -m x=3` starts `x#1` to `x#3`; with `%(process_num)d` in a command, a process for each)",
    ),
    Row(
        "`stopsignal`, `stopwaitsecs`",
        "`stop = { signal = \"TERM\", timeout = \"10s\" }`",
        &[
            Take::Setting("stop.signal", values::signal),
            Take::Setting("stop.timeout", values::span),
        ],
    ),
    row("`stopasgroup`, `killasgroup`", "- (always, even beyond the process group)"),
    row(
        "`stdout_logfile`, `stderr_logfile`, `redirect_stderr`, `stdout_events_enabled`, `stderr_events_enabled`, `stdout_capture_maxbytes`, `stderr_capture_maxbytes`, `stdout_syslog`, `stderr_syslog`",
        "- (`[log] dir`: one journal; `split_stderr` keeps standard error apart)",
    ),
    row(
        "`stdout_logfile_maxbytes`, `stdout_logfile_backups`, `stderr_logfile_maxbytes`, `stderr_logfile_backups`",
        "- (`[log] per_process`)",
    ),
    row("`user`, `umask`", "- (all runs as you)"),
    row("`serverurl`", "- (not needed)"),
    row("`[group:x] programs`", "`groups` of each process"),
    row(
        "`[eventlistener:x]`",
        "- (`tmo events -f --json`, or the API: [SCRIPTING.md](SCRIPTING.md))",
    ),
    row("`[fcgi-program:x]`", "-"),
    row(
        "`[unix_http_server]`, `[supervisorctl]`, `[rpcinterface:x]`, `[ctlplugin:x]`",
        "- (not needed: `tmo` reaches its run)",
    ),
    row("`[inet_http_server]`", "- (`tmo web`)"),
    row("`[supervisord] environment`, `directory`", "`env`, `cwd` in `[defaults]`"),
    row("`[include]`", "read by `tmo import`"),
];

/// Sections about how supervisord is reached, which tmo always is.
const WITHOUT_EFFECT: [&str; 4] =
    ["unix_http_server", "supervisorctl", "rpcinterface", "ctlplugin"];

struct Section {
    name: String,
    fields: Fields,
    /// The directory of its file, relative to the source.
    dir: String,
}

struct ProgramGroup {
    name: String,
    programs: Vec<String>,
    place: SourcePlace,
}

pub(in crate::import) fn import_programs(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let mut imported = Imported::new("{ signal = \"TERM\", timeout = \"10s\" }");
    let source = files.main()?;
    let mut sections = vec![];
    collect_sections(files, &source, &mut imported, &mut sections, 0)?;
    let groups = groups_of(&mut sections)?;
    let programs = sections.iter().filter_map(|section| section.name.strip_prefix("program:"));
    let names = ProcessNames::new(programs.map(str::trim));
    let mut shared = Program { main: absolute(files.dir()), ..Program::default() };
    if let Some(at) = sections.iter().position(|section| section.name == "supervisord") {
        let Section { fields, dir, .. } = sections.remove(at);
        shared.usual = shared.import_daemon(fields, dir, &mut imported)?;
    }
    for Section { name: section, mut fields, dir } in sections {
        let (kind, name) = match section.split_once(':') {
            Some((kind, name)) => (kind, Some(name.trim())),
            None => (&*section, None),
        };
        match (kind, name) {
            ("program", Some(name)) => {
                let groups: Vec<&ProgramGroup> = groups
                    .iter()
                    .filter(|group| group.programs.iter().any(|of| of == name))
                    .collect();
                let group = groups.first().map_or(name, |group| &*group.name).to_owned();
                let program = Program { name: name.to_owned(), group, here: dir, ..shared.clone() };
                let mut processes = program.processes(fields, &names.name_here(name))?;
                if let Some(group) = groups.first() {
                    let all = list(groups.iter().map(|group| process_name(&group.name)));
                    for process in &mut processes {
                        process.set("groups", all.clone(), &group.place);
                    }
                }
                imported.processes.extend(processes);
            }
            ("group", Some(_)) => {
                fields.take("priority");
                fields.leave(ROWS, &mut imported.left);
            }
            _ if WITHOUT_EFFECT.contains(&kind) => {}
            _ => {
                let end = if name.is_none() { "]" } else { "" };
                let why = reason(ROWS, &format!("[{kind}{end}"));
                imported.leave(&fields.place, format!("[{section}]"), why);
            }
        }
    }
    if imported.processes.is_empty() {
        return Err(files.has_nothing("it has no section `[program:NAME]`"));
    }
    Ok(imported)
}

fn groups_of(sections: &mut [Section]) -> Result<Vec<ProgramGroup>, ImportError> {
    let mut groups = vec![];
    for section in sections {
        if let Some(("group", name)) = section.name.split_once(':')
            && let Some(programs) = section.fields.text("programs")?
        {
            let names = programs.value.split(',').map(|name| name.trim().to_owned()).collect();
            let place = programs.place;
            groups.push(ProgramGroup { name: name.trim().to_owned(), programs: names, place });
        }
    }
    Ok(groups)
}

/// Collect the sections of a file and of those it includes. Of equal names, the last value of a key counts.
fn collect_sections(
    files: &mut SourceFiles,
    source: &SourceFile,
    imported: &mut Imported,
    sections: &mut Vec<Section>,
    depth: usize,
) -> Result<(), ImportError> {
    let dir = dir_of(&source.name);
    for (name, node) in ini(&source.text, &source.name)? {
        let place = node.place.clone();
        let mut fields = Fields::new(node, "")?;
        if name != "include" || depth >= DEEPEST {
            match sections.iter_mut().find(|known| known.name == name) {
                Some(known) => known.fields.lay_over(fields),
                None => sections.push(Section { name, fields, dir: dir.to_owned() }),
            }
            if sections.len() > MOST_PROCESSES {
                return Err(place.error("so many sections are not read"));
            }
            continue;
        }
        let patterns = fields.text("files")?;
        for pattern in patterns.iter().flat_map(|files| files.value.split_whitespace()) {
            let found = matching_files(files, dir, pattern);
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
                    collect_sections(files, &file, imported, sections, depth + 1)?;
                }
            }
        }
    }
    Ok(())
}

/// The files that a pattern with one `*` names and that have not been read.
fn matching_files(files: &SourceFiles, dir: &str, pattern: &str) -> Vec<String> {
    let pattern = pattern.replace("%(here)s", dir);
    let root = format!("{}/", absolute(files.dir()));
    let pattern =
        pattern.strip_prefix(&root).or_else(|| pattern.strip_prefix("./")).unwrap_or(&pattern);
    let pattern = if dir.is_empty() { pattern.trim_start_matches('/') } else { pattern };
    let (dir, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let mut found = match name.split_once('*') {
        None if files.exists(pattern) => vec![pattern.to_owned()],
        None => vec![],
        Some((begin, end)) => {
            let names = files.files_named(dir, begin, end).into_iter();
            names.map(|name| if dir.is_empty() { name } else { format!("{dir}/{name}") }).collect()
        }
    };
    found.retain(|name| !files.has_read(name));
    found
}

fn absolute(dir: &Path) -> String {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

/// What the values of a program can name.
#[derive(Clone, Default)]
pub(in crate::import) struct Program {
    name: String,
    group: String,
    /// Of an instance.
    number: u32,
    /// The directory of its file, relative to the source.
    here: String,
    /// The directory of the source.
    main: String,
    /// The directory of a program that names none.
    usual: String,
}

impl Program {
    /// Read `[supervisord]`, which its programs inherit. Returns the directory that they run in.
    fn import_daemon(
        &self,
        mut fields: Fields,
        here: String,
        imported: &mut Imported,
    ) -> Result<String, ImportError> {
        let daemon = Self { name: "supervisord".to_owned(), here, ..self.clone() };
        if let Some(node) = fields.take("environment") {
            daemon.set_environment(node, "", &mut imported.defaults)?;
        }
        let dir = fields.text("directory")?;
        if let Some(dir) = &dir {
            daemon.set_directory(dir, &mut imported.defaults);
        }
        // The others are about its own process.
        for key in ["umask", "user"] {
            if let Some(node) = fields.take(key) {
                imported.leave(&node.place, format!("[supervisord] {key}"), reason(ROWS, key));
            }
        }
        Ok(daemon.cwd(dir.as_ref()))
    }

    /// Its process, or one for each instance if they differ.
    fn processes(
        self,
        mut fields: Fields,
        name: &str,
    ) -> Result<Vec<ImportedProcess>, ImportError> {
        let text = |key: &str| fields.get(key).and_then(|node| node.clone().text(key).ok());
        let number = |key: &str| text(key).and_then(|text| text.trim().parse::<u32>().ok());
        let first = number("numprocs_start").unwrap_or(0);
        let count = number("numprocs").unwrap_or(1).min(MOST_INSTANCES);
        let has_number = |key| text(key).is_some_and(|text| text.contains("%(process_num)"));
        let differ = ["command", "environment", "directory"].into_iter().any(has_number);
        let process = |instance: Self, name: &str, fields: Fields| {
            let mut process = ImportedProcess::new(name, fields.place.clone());
            fields.without(is_usual).take_over(ROWS, &instance, &mut process)?;
            Ok(process)
        };
        if count > 1 && !differ {
            return Ok(vec![process(Self { number: first, ..self }, name, fields)?]);
        }
        let pattern = fields.text("process_name")?;
        for key in ["numprocs", "numprocs_start"] {
            fields.take(key);
        }
        if count < 2 {
            return Ok(vec![process(Self { number: first, ..self }, name, fields)?]);
        }
        let instances = (first..first.saturating_add(count)).map(|number| {
            let instance = Self { number, ..self.clone() };
            let name_there =
                pattern.as_ref().map(|pattern| plain(&instance.expanded(&pattern.value, "")));
            let name_here = name_there.filter(|name| !name.contains("${"));
            let name = name_here.unwrap_or_else(|| format!("{name}-{number}"));
            process(instance, &name, fields.clone())
        });
        instances.collect()
    }

    /// The directory it runs in here.
    fn cwd(&self, dir: Option<&Placed<String>>) -> String {
        let own = dir.map(|dir| plain(&self.expanded(&dir.value, "")));
        own.filter(|own| !own.contains("${")).unwrap_or_else(|| self.usual.clone())
    }

    fn set_directory(&self, dir: &Placed<String>, process: &mut ImportedProcess) {
        let path = self.expanded(&dir.value, "");
        if has_variable(&path) {
            let why = "a directory can't contain a variable here: cwd = \"…\" with its value";
            process.leave(&dir.place, format!("directory: {}", dir.value), why);
        } else if path != "." {
            process.set_text("cwd", &plain(&path), &dir.place);
        }
    }

    fn take_command(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        let directory = fields.text("directory")?;
        let cwd = self.cwd(directory.as_ref());
        if let Some(command) = fields.text("command")? {
            // supervisord runs words without a shell.
            let words = command.split_words("this command")?.into_iter();
            let words: Vec<_> = words.map(|word| self.expanded(&word, &cwd)).collect();
            process.set("command", shell_command(&words), &command.place);
        } else {
            process.leave(&fields.place, "command", "there is none, so there is nothing to run");
        }
        if let Some(directory) = directory {
            self.set_directory(&directory, process);
        }
        if let Some(node) = fields.take("environment") {
            self.set_environment(node, &cwd, process)?;
        }
        Ok(())
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
                "program_name" => escaped(&self.name),
                "group_name" => escaped(&self.group),
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
        let width = usize::from(width.parse::<u8>().unwrap_or(0));
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
    fn set_environment(
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
                in_quotes(&after[1..], quote)
                    .ok_or_else(|| place.error("a quote in `environment` is not closed"))?
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

fn take_restart(_: &Program, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let policy = fields.text("autorestart")?;
    let place = policy.as_ref().map_or(&fields.place, |policy| &policy.place).clone();
    let policy = match policy.map(|policy| policy.value.to_ascii_lowercase()).as_deref() {
        None | Some("unexpected") => "on-failure",
        Some(word) if is_true(word) => "always",
        Some(_) => "no",
    };
    process.set_text("restart.policy", policy, &place);
    let tries = fields.parsed("startretries", process, values::failures)?;
    let delay = fields.parsed("startsecs", process, values::span)?;
    // Only an end within `startsecs` counts as a failed start; with 0, none does.
    if delay.as_ref().is_some_and(|delay| delay.value == "\"0s\"") {
        process.set("restart.max_failures", "0".to_owned(), &place);
        return Ok(());
    }
    let tries = tries.map_or_else(|| "4".to_owned(), |tries| tries.value);
    let stable = delay.as_ref().map_or_else(|| quoted("1s"), |delay| delay.value.clone());
    process.set("restart.max_failures", tries, &place);
    process.set("restart.stable", stable, &place);
    if let Some(delay) = delay {
        process.set("ready", table(&[("delay", delay.value)]), &delay.place);
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
