//! concurrently and npm-run-all: what a script with them starts.

use super::node::SourcePlace;
use super::options::MOST_PROCESSES;
use super::process::{Imported, ImportedProcess, ImportedSetting, LeftOut};
use super::rows::{Row, reason};
use super::toml_text::{quoted, table};
use super::values;
use crate::model::shell;

/// What becomes of the flags of concurrently.
pub(super) const ROWS: &[Row] = &[
    Row(
        "`npm:watch-*`",
        "a process for each script; `tmo init` and `tmo import` read `package.json`",
    ),
    Row("`-k`, `--kill-others`", "always; `--any-can-die` or `on_exit = \"ignore\"` turns it off"),
    Row(
        "`--kill-others-on-fail`",
        "- (`on_exit = \"ignore\"` for the processes that may end; the others keep `\"stop-all\"`, with or without `restart`)",
    ),
    Row("`-s`, `--success first`, `last`, `command-NAME`", "- (`--exit-code-from NAME`)"),
    Row(
        "`--restart-tries 3`, `--restart-after 500`",
        "`restart = { policy = \"on-failure\", max_failures = 3, delay = \"500ms\" }`",
    ),
    Row("`-r`, `--raw`", "- (`tmo logs --raw`)"),
    Row("`-g`, `--group`", "- (`tmo logs web` shows one process alone)"),
    Row("`-t`, `--timestamp-format`", "- (`-T`; `tmo logs -T`)"),
    Row(
        "`-i`, `--handle-input`, `--default-input-target`",
        "- (`tmo send web \"rs\" --enter`, `tmo connect web`)",
    ),
    Row("`-m`, `--max-processes`", "-"),
    Row("`--hide web`", "- (`tmo echo NAME` for the others)"),
    Row(
        "`-p`, `--prefix`, `-c`, `--prefix-colors`, `-l`, `--prefix-length`, `--no-color`",
        "- (each process has a colour and its name)",
    ),
    Row("`--teardown COMMAND`", "a process with `phase = \"cleanup\"`"),
];

/// What becomes of the flags of npm-run-all.
pub(super) const NPM_RUN_ALL: &[Row] = &[
    Row("`run-p watch:*`", "a process for each script"),
    Row("`run-s clean build`", "`depends_on = { clean = \"completed\" }`"),
    Row(
        "`run-s build && run-p watch serve`",
        "`phase = \"dependency\"` and `ready = { exit = 0 }` for `build`",
    ),
    Row("`-c`, `--continue-on-error`", "`on_exit = \"ignore\"`"),
    Row("`-r`, `--race`", "always: the first to end stops the others"),
    Row(
        "`-l`, `--print-label`, `-n`, `--print-name`",
        "always; `tmo logs --no-prefix` omits the label",
    ),
    Row("`--max-parallel`, `--aggregate-output`", "-"),
];

/// The scripts of a package.json.
#[derive(Debug)]
pub(super) struct NpmScripts {
    /// npm, pnpm, yarn or bun.
    pub(super) runner: &'static str,
    /// Name, command and place of each.
    pub(super) all: Vec<(String, String, SourcePlace)>,
}

impl NpmScripts {
    pub(super) fn get(&self, name: &str) -> Option<(&str, &SourcePlace)> {
        let (_, line, place) = self.all.iter().find(|(known, ..)| known == name)?;
        Some((line, place))
    }

    /// The command that runs a script.
    pub(super) fn command(&self, name: &str) -> String {
        format!("{} run {}", self.runner, shell::quoted(name))
    }

    /// The scripts that a pattern with a `*` names; one without names itself.
    pub(super) fn matching(&self, pattern: &str) -> Vec<String> {
        let Some((before, after)) = pattern.split_once('*') else {
            return vec![pattern.to_owned()];
        };
        let after = after.trim_start_matches('*');
        let names = self.all.iter().map(|(name, ..)| name);
        let matches = |name: &&String| {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        };
        names.filter(matches).cloned().collect()
    }
}

/// One thing that a script starts.
struct Started {
    name: String,
    command: String,
}

/// Take over what a script starts with these tools; `false` if it does not use them.
pub(super) fn expand(
    scripts: &NpmScripts,
    line: &str,
    place: &SourcePlace,
    imported: &mut Imported,
) -> bool {
    let mut steps: Vec<&str> = line.split("&&").map(str::trim).collect();
    let last = steps.pop().unwrap_or_default();
    if !is_plain(last) || !steps.iter().all(|step| is_plain(step) && !is_of_shell(step)) {
        return false;
    }
    let Ok(words) = shell_words::split(last) else { return false };
    let (env, words) = after_assignments(words);
    let Some((mut tool, mut args)) = words.split_first() else { return false };
    if ["npx", "pnpx", "bunx"].contains(&tool.as_str()) {
        let Some(rest) = args.split_first() else { return false };
        (tool, args) = rest;
    }
    let first = imported.processes.len();
    match tool.as_str() {
        "concurrently" | "conc" => with_concurrently(scripts, args, place, imported),
        "run-p" | "npm-run-all" | "npm-run-all2" | "run-s" => {
            with_npm_run_all(scripts, tool == "run-p", args, place, imported);
        }
        _ => return false,
    }
    let before = steps.iter().enumerate().map(|(at, step)| {
        let name =
            if steps.len() == 1 { "prepare".to_owned() } else { format!("prepare-{}", at + 1) };
        let mut process = ImportedProcess::new(&name, place.clone());
        process.set_text("command", step, place);
        process.set_text("phase", "dependency", place);
        process.set("ready", table(&[("exit", "0".to_owned())]), place);
        if at > 0 {
            let needs = [(format!("prepare-{at}"), "completed")];
            process.set("depends_on", values::depends_on(&needs), place);
        }
        process
    });
    let before: Vec<_> = before.collect();
    imported.processes.splice(first..first, before);
    for process in &mut imported.processes[first..] {
        for (name, value) in &env {
            let variable = super::node::Variable {
                name: name.clone(),
                value: Some(value.clone()),
                place: place.clone(),
            };
            process.set_variable(variable, false);
        }
    }
    // A script finds the programs of its packages.
    let runs_itself = |process: &ImportedProcess| {
        !["npm ", "pnpm ", "yarn ", "bun ", "npx ", "node "]
            .iter()
            .any(|runner| process.begins(runner))
    };
    let has_path = imported.defaults.settings.iter().any(|setting| setting.key == "add_path");
    if !has_path && imported.processes[first..].iter().any(runs_itself) {
        let value = "[\"node_modules/.bin\"]".to_owned();
        imported.defaults.settings.push(ImportedSetting { key: "add_path", value, place: None });
    }
    true
}

/// Whether the shell does nothing with a command but split it into words.
fn is_plain(command: &str) -> bool {
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some('\''), _) => {}
            (_, '$' | '`') | (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '\n') => {
                return false;
            }
            _ => {}
        }
    }
    quote.is_none()
}

/// Whether a command changes the shell that it runs in.
fn is_of_shell(command: &str) -> bool {
    let word = command.split_whitespace().next().unwrap_or_default();
    ["cd", "export", "set", ".", "source"].contains(&word) || word.contains('=')
}

/// Variables in front of a command, also behind `cross-env`, and the rest of it.
fn after_assignments(words: Vec<String>) -> (Vec<(String, String)>, Vec<String>) {
    let mut env = vec![];
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.peek() {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match word.split_once('=') {
            Some((name, value)) if is_name(name) => env.push((name.to_owned(), value.to_owned())),
            None if word == "cross-env" || word == "env" => {}
            _ => break,
        }
        words.next();
    }
    (env, words.collect())
}

fn with_concurrently(
    scripts: &NpmScripts,
    args: &[String],
    place: &SourcePlace,
    imported: &mut Imported,
) {
    /// Flags that are followed by a value.
    const WITH_VALUE: [&str; 16] = [
        "-n",
        "--names",
        "-c",
        "--prefix-colors",
        "-p",
        "--prefix",
        "-l",
        "--prefix-length",
        "-t",
        "--timestamp-format",
        "-m",
        "--max-processes",
        "--restart-tries",
        "--restart-after",
        "--hide",
        "--default-input-target",
    ];
    let (mut commands, mut names) = (vec![], vec![]);
    let mut ends_all = false;
    let mut more = vec![];
    let mut teardown = vec![];
    let mut never_again = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if !arg.starts_with('-') {
            commands.push(arg.clone());
            continue;
        }
        let (flag, own) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        let takes = WITH_VALUE.contains(&flag)
            || [
                "-s",
                "--success",
                "--teardown",
                "--kill-signal",
                "--kill-timeout",
                "--name-separator",
            ]
            .contains(&flag);
        // Short flags may stand together: `-kn web,api`.
        let together = flag.starts_with('-') && !flag.starts_with("--") && flag.len() > 2;
        let takes = takes || together && flag.ends_with(['n', 'c', 'p', 'm', 's', 't', 'l']);
        let value =
            own.or_else(|| if takes { args.next().cloned() } else { None }).unwrap_or_default();
        let letters: Vec<String> = if together {
            flag.chars().skip(1).map(|letter| format!("-{letter}")).collect()
        } else {
            vec![flag.to_owned()]
        };
        for flag in letters {
            match flag.as_str() {
                "-n" | "--names" => names = value.split(',').map(str::to_owned).collect(),
                "-k" | "--kill-others" => ends_all = true,
                "--restart-tries" => {
                    // A negative number never gives up, as 0 does here.
                    let tries = if value.starts_with('-') { "0" } else { &value };
                    more.extend(values::number(tries).map(|tries| ("max_failures", tries)));
                    never_again = value == "0";
                }
                "--restart-after" => {
                    let delay = value.parse().ok().map(crate::model::units::written_span);
                    more.extend(delay.map(|delay| ("delay", quoted(&delay))));
                }
                "--teardown" => teardown.push(value.clone()),
                // What concerns only how it looks needs no word.
                "-c" | "--prefix-colors" | "-p" | "--prefix" | "-l" | "--prefix-length"
                | "--no-color" => {}
                other => {
                    let why = reason(ROWS, other);
                    imported.left.push(LeftOut {
                        place: place.clone(),
                        what: other.to_owned(),
                        why,
                    });
                }
            }
        }
    }
    if never_again {
        more.clear();
    }
    let mut started = vec![];
    for (at, command) in commands.iter().enumerate() {
        if started.len() > MOST_PROCESSES {
            break;
        }
        let of_command = commands_of(scripts, command, names.get(at));
        if of_command.is_empty() {
            let why = "no script is named so".to_owned();
            imported.left.push(LeftOut { place: place.clone(), what: command.clone(), why });
        }
        started.extend(of_command);
    }
    for started in started {
        let mut process = ImportedProcess::new(&started.name, place.clone());
        process.set_text("command", &started.command, place);
        if !more.is_empty() {
            process.set("restart", values::restart("on-failure", &more), place);
        }
        imported.processes.push(process);
    }
    for (at, command) in teardown.iter().enumerate() {
        let name = if at == 0 { "teardown".to_owned() } else { format!("teardown-{}", at + 1) };
        let mut process = ImportedProcess::new(&name, place.clone());
        process.set_text("command", command, place);
        process.set_text("phase", "cleanup", place);
        imported.processes.push(process);
    }
    if !ends_all && imported.defaults.settings.iter().all(|setting| setting.key != "on_exit") {
        imported.default_to("on_exit", "\"ignore\"");
    }
}

/// What one argument of concurrently starts: a command, or scripts by `npm:NAME`.
fn commands_of(scripts: &NpmScripts, command: &str, name: Option<&String>) -> Vec<Started> {
    let script = ["npm:", "pnpm:", "yarn:", "bun:", "node:"]
        .iter()
        .find_map(|prefix| command.strip_prefix(prefix));
    let Some(script) = script else {
        let name = name.cloned().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| name_of(command));
        return vec![Started { name, command: command.to_owned() }];
    };
    let (pattern, args) = script.split_once(' ').unwrap_or((script, ""));
    let found = scripts.matching(pattern);
    let prefix = pattern.split('*').next().unwrap_or_default().to_owned();
    let started = found.iter().map(|script| {
        let given = name.filter(|name| !name.is_empty());
        let short = script.strip_prefix(&prefix).filter(|rest| !rest.is_empty()).unwrap_or(script);
        let name = match given {
            Some(name) if found.len() == 1 => name.clone(),
            Some(name) => format!("{name}{short}"),
            None => short.to_owned(),
        };
        let args = if args.is_empty() { String::new() } else { format!(" {args}") };
        Started { name, command: format!("{}{args}", scripts.command(script)) }
    });
    started.collect()
}

/// Arguments in which the shell finds nothing but words.
fn quoted_words(args: &str) -> String {
    let words = shell_words::split(args).unwrap_or_default();
    words.iter().map(|word| format!(" {}", shell::quoted(word))).collect::<Vec<_>>().concat()
}

/// A name for a command that has none: its script, or its program.
fn name_of(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let word = match &words[..] {
        ["npm" | "pnpm" | "yarn" | "bun", "run", script, ..] => script,
        [
            "npm" | "pnpm" | "yarn" | "bun" | "npx" | "node" | "python" | "python3" | "ruby",
            word,
            ..,
        ]
        | [word, ..] => word,
        [] => "process",
    };
    let word = word.rsplit('/').next().unwrap_or(word);
    word.split('.').next().unwrap_or(word).to_owned()
}

fn with_npm_run_all(
    scripts: &NpmScripts,
    parallel: bool,
    args: &[String],
    place: &SourcePlace,
    imported: &mut Imported,
) {
    let mut is_parallel = parallel;
    let mut goes_on = false;
    // What has to be completed before the next begins.
    let mut completed: Vec<String> = vec![];
    let mut beside: Vec<String> = vec![];
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-p" | "--parallel" => is_parallel = true,
            "-s" | "--serial" | "--sequential" => {
                is_parallel = false;
                completed.append(&mut beside);
            }
            "-c" | "--continue-on-error" => goes_on = true,
            "-r" | "--race" | "-l" | "--print-label" | "-n" | "--print-name" | "--silent" => {}
            "--" => break,
            flag if flag.starts_with('-') => {
                if flag == "--max-parallel" {
                    args.next();
                }
                let why = reason(NPM_RUN_ALL, flag);
                imported.left.push(LeftOut { place: place.clone(), what: flag.to_owned(), why });
            }
            _ if imported.processes.len() > MOST_PROCESSES => break,
            script => {
                let (pattern, more) = script.split_once(' ').unwrap_or((script, ""));
                let prefix = pattern.split('*').next().unwrap_or_default();
                for name in scripts.matching(pattern) {
                    let short =
                        name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(&name);
                    let mut process = ImportedProcess::new(short, place.clone());
                    let more = quoted_words(more);
                    process.set_text(
                        "command",
                        &format!("{}{more}", scripts.command(&name)),
                        place,
                    );
                    if !completed.is_empty() {
                        let needs: Vec<_> =
                            completed.iter().map(|name| (name.clone(), "completed")).collect();
                        process.set("depends_on", values::depends_on(&needs), place);
                    }
                    if is_parallel {
                        beside.push(process.name.clone());
                    } else {
                        completed = vec![process.name.clone()];
                    }
                    imported.processes.push(process);
                }
            }
        }
    }
    if goes_on {
        imported.default_to("on_exit", "\"ignore\"");
    }
}
