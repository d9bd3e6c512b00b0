//! npm-run-all: what a script with it starts.

use super::{NpmScripts, with_arguments};
use crate::import::format::MOST_PROCESSES;
use crate::import::node::SourcePlace;
use crate::import::process::{Imported, ImportedProcess};
use crate::import::rows::{NoContext, Row, reason, row};
use crate::import::values;
use crate::model::text::shell;

/// What becomes of the flags of npm-run-all.
pub(in crate::import) const ROWS: &[Row<NoContext>] = &[
    row("`run-p watch:*`", "a process for each script"),
    row("`run-s clean build`", "`depends_on = { clean = \"completed\" }`"),
    row(
        "`run-s build && run-p watch serve`",
        "`phase = \"dependency\"` and `ready = { exit = 0 }` for `build`",
    ),
    row("`-c`, `--continue-on-error`", "`on_exit = \"ignore\"`"),
    row(
        "`-r`, `--race`",
        "the first to end stops the others; without it `on_exit = \"ignore\"`, also for one that fails",
    ),
    row(
        "`-l`, `--print-label`, `-n`, `--print-name`",
        "always; `tmo logs --no-prefix` omits the label",
    ),
    row("`--max-parallel`, `--aggregate-output`", "-"),
];

/// Its arguments as far as they have been read.
struct RunAll<'a> {
    scripts: &'a NpmScripts,
    place: &'a SourcePlace,
    /// What `{1}` in the patterns stands for.
    passed: &'a [String],
    is_parallel: bool,
    /// The processes that have to be completed before the next begins.
    completed: Vec<String>,
    /// Those that run beside each other since then.
    beside: Vec<String>,
}

pub(super) fn import_script(
    scripts: &NpmScripts,
    is_parallel: bool,
    args: &[String],
    place: &SourcePlace,
    imported: &mut Imported,
) {
    let (args, passed) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    let completed = vec![];
    let mut run = RunAll { scripts, place, passed, is_parallel, completed, beside: vec![] };
    let mut goes_on = false;
    let mut is_race = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-p" | "--parallel" => run.is_parallel = true,
            "-s" | "--serial" | "--sequential" => {
                run.is_parallel = false;
                run.completed.append(&mut run.beside);
            }
            "-c" | "--continue-on-error" => goes_on = true,
            "-r" | "--race" => is_race = true,
            "-l" | "--print-label" | "-n" | "--print-name" | "--silent" => {}
            flag if flag.len() > 2 && !flag.starts_with("--") && is_known(flag) => {
                goes_on |= flag.contains('c');
                is_race |= flag.contains('r');
            }
            flag if flag.starts_with('-') => {
                if flag == "--max-parallel" {
                    args.next();
                }
                imported.leave(place, flag, reason(ROWS, flag));
            }
            _ if imported.processes.len() > MOST_PROCESSES => break,
            script => run.add_scripts(script, imported),
        }
    }
    if goes_on || !is_race {
        imported.default_to("on_exit", "\"ignore\"");
    }
    if !goes_on && !is_race {
        let text = "npm-run-all stops all when one fails; here the others run on. on_exit = \"stop-all\" in a process stops them, after a success too.";
        imported.comments.push(text.to_owned());
    }
}

impl RunAll<'_> {
    fn add_scripts(&mut self, script: &str, imported: &mut Imported) {
        let script = with_arguments(script, self.passed);
        let (pattern, args) = script.split_once(' ').unwrap_or((&script, ""));
        let args = shell_words::split(args).unwrap_or_default();
        let args = args.iter().map(|word| format!(" {}", shell::quoted(word)));
        let args = args.collect::<Vec<_>>().concat();
        let prefix = pattern.split('*').next().unwrap_or_default();
        for name in self.scripts.matching_parts(pattern) {
            let short = name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(&name);
            let command = format!("{}{args}", self.scripts.command(&name));
            let mut process = ImportedProcess::running(short, &command, self.place);
            if !self.completed.is_empty() {
                let needs = self.completed.iter().map(|name| (name.clone(), "completed"));
                let needs = values::depends_on(&needs.collect::<Vec<_>>());
                process.set("depends_on", needs, self.place);
            }
            if self.is_parallel {
                self.beside.push(process.name.clone());
            } else {
                self.completed = vec![process.name.clone()];
            }
            imported.processes.push(process);
        }
    }
}

/// Whether these short flags of npm-run-all, which stand together, need nothing else.
fn is_known(flags: &str) -> bool {
    flags.starts_with('-') && flags.chars().skip(1).all(|flag| "clnrs".contains(flag))
}
