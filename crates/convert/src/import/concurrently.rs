//! concurrently and npm-run-all: what a script with them starts.

use super::node::SourcePlace;
use super::options::MOST_PROCESSES;
use super::process::{Imported, ImportedProcess, ImportedSetting};
use super::rows::{Row, reason};
use super::toml_text::{quoted, table};
use super::values::{self, StopSettings};
use crate::model::shell;
use crate::model::units::written_span;

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
        "`restart = { policy = \"on-failure\", max_failures = 4, delay = \"500ms\" }`",
    ),
    Row("`-r`, `--raw`, `--timings`, `--pad-prefix`", "`tmo logs --raw`, `tmo ps`"),
    Row("`-P`, `--passthrough-arguments`", "`{1}` and the like are replaced"),
    Row("`--kill-signal`, `--kill-timeout`", "`stop` in `[defaults]`"),
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
    Row(
        "`-r`, `--race`",
        "the first to end stops the others; without it `on_exit = \"ignore\"`, also for one that fails",
    ),
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

    /// The scripts that a pattern of concurrently names, without those that its `(!part)` names; one without a `*`
    /// names itself.
    pub(super) fn matching(&self, pattern: &str) -> Vec<String> {
        let omitted = pattern.split_once("(!").and_then(|(before, rest)| {
            let (part, after) = rest.split_once(')')?;
            Some((format!("{before}{after}"), part))
        });
        let (pattern, omitted) = match &omitted {
            Some((pattern, part)) => (&**pattern, Some(*part)),
            None => (pattern, None),
        };
        let mut names = self.named(pattern, |_| true);
        names.retain(|name| omitted.is_none_or(|part| !name.contains(part)));
        names
    }

    /// The scripts that a pattern of npm-run-all names: there, `*` stands for what has no colon, `**` for anything.
    fn matching_parts(&self, pattern: &str) -> Vec<String> {
        let is_any = pattern.contains("**");
        self.named(pattern, |between| is_any || !between.contains(':'))
    }

    /// The scripts whose names have such a text in place of the stars of a pattern; one without names itself.
    fn named(&self, pattern: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let Some((before, after)) = pattern.split_once('*') else {
            return vec![pattern.to_owned()];
        };
        let after = after.trim_start_matches('*');
        let names = self.all.iter().map(|(name, ..)| name);
        let matches = |name: &&String| {
            let rest = name.strip_prefix(before);
            rest.and_then(|rest| rest.strip_suffix(after)).is_some_and(&fits)
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
pub(super) fn expand(scripts: &NpmScripts, script: &str, imported: &mut Imported) -> bool {
    let Some((line, place)) = scripts.get(script) else { return false };
    let mut steps = steps(line);
    let last = steps.pop().unwrap_or_default();
    if !is_plain(last) || !steps.iter().all(|step| is_plain(step) && !is_of_shell(step)) {
        return false;
    }
    let Ok(words) = shell_words::split(last) else { return false };
    let (env, words) = after_assignments(words);
    let Some((tool, args)) = after_runner(&words).split_first() else { return false };
    let tool = tool.strip_prefix("node_modules/.bin/").unwrap_or(tool);
    let tool = tool.split_once('@').map_or(tool, |(tool, _)| tool);
    let first = imported.processes.len();
    match tool {
        "concurrently" | "conc" => with_concurrently(scripts, args, place, imported),
        "run-p" | "npm-run-all" | "npm-run-all2" | "run-s" => {
            with_npm_run_all(scripts, tool == "run-p", args, place, imported);
        }
        _ => return false,
    }
    // What npm runs around the script itself.
    let hook = |kind: &str| format!("{kind}{script}");
    let hooked = scripts.get(&hook("pre")).map(|_| scripts.command(&hook("pre")));
    let steps: Vec<&str> = hooked.as_deref().into_iter().chain(steps).collect();
    if let Some((_, place)) = scripts.get(&hook("post")) {
        let why = "npm runs it after a success; a process with phase = \"cleanup\" runs at the end";
        imported.leave(place, hook("post"), why);
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

/// The words behind what only finds the program: `npx --yes`, `pnpm exec`, `yarn`.
fn after_runner(words: &[String]) -> &[String] {
    let rest = match words {
        [runner, rest @ ..]
            if ["npx", "pnpx", "bunx", "yarn", "pnpm", "bun"].contains(&&**runner) =>
        {
            rest
        }
        [npm, exec, rest @ ..] if npm == "npm" && (exec == "exec" || exec == "x") => rest,
        _ => return words,
    };
    let is_option =
        |word: &&String| ["exec", "x", "dlx", "run", "--", "--yes", "-y"].contains(&&***word);
    &rest[rest.iter().take_while(is_option).count()..]
}

/// The commands that the shell runs one after another while they succeed.
fn steps(line: &str) -> Vec<&str> {
    let mut steps = vec![];
    let (mut quote, mut is_escaped, mut from) = (None, false, 0);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (None | Some('"'), '\\') => is_escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '&') if line[at..].starts_with("&&") && at >= from => {
                steps.push(line[from..at].trim());
                from = at + 2;
            }
            _ => {}
        }
    }
    steps.push(line.get(from..).unwrap_or_default().trim());
    steps
}

/// Whether the shell does nothing with a command but split it into words.
fn is_plain(command: &str) -> bool {
    let (mut quote, mut is_escaped) = (None, false);
    for c in command.chars() {
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (None | Some('"'), '\\') => is_escaped = true,
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
    const WITH_VALUE: &str = "-n --names --name-separator -c --prefix-colors -p --prefix -l --prefix-length -t \
        --timestamp-format -m --max-processes --restart-tries --restart-after --hide --default-input-target -s \
        --success --teardown --kill-signal --kill-timeout";
    /// Those that concern only how it looks.
    const OF_LOOKS: &str = "-c --prefix-colors -p --prefix -l --prefix-length --no-color --color --pad-prefix \
        --timings -r --raw";
    let (mut commands, mut names) = (vec![], String::new());
    let mut separator = ",".to_owned();
    let (mut ends_all, mut never_again) = (false, false);
    let mut more = vec![];
    let mut teardown = vec![];
    let mut stop = StopSettings::default();
    // What `{1}` in the commands stands for.
    let mut passed = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            let rest = args.by_ref().cloned();
            match &mut passed {
                Some(passed) => *passed = rest.collect(),
                None => commands.extend(rest),
            }
            break;
        }
        if !arg.starts_with('-') {
            commands.push(arg.clone());
            continue;
        }
        let (flag, own) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        let takes = WITH_VALUE.split(' ').any(|known| known == flag);
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
                "-n" | "--names" => names.clone_from(&value),
                "--name-separator" => separator.clone_from(&value),
                "-P" | "--passthrough-arguments" => passed = Some(vec![]),
                "--kill-signal" => stop.signal = values::signal(&value),
                "--kill-timeout" => {
                    let timeout = value.parse().ok().map(written_span);
                    stop.timeout = timeout.map(|timeout| quoted(&timeout));
                }
                "-k" | "--kill-others" => ends_all = true,
                "--restart-tries" => {
                    // A negative number never gives up, as 0 does here.
                    let is_endless = value.starts_with('-');
                    let most =
                        if is_endless { Some("0".to_owned()) } else { values::failures(&value) };
                    more.extend(most.map(|most| ("max_failures", most)));
                    never_again = value == "0";
                }
                "--restart-after" => {
                    let delay = value.parse().ok().map(written_span);
                    more.extend(delay.map(|delay| ("delay", quoted(&delay))));
                    if value == "exponential" {
                        more.push(("backoff", quoted("exponential")));
                    }
                }
                "--teardown" => teardown.push(value.clone()),
                looks if OF_LOOKS.split(' ').any(|known| known == looks) => {}
                other => imported.leave(place, other, reason(ROWS, other)),
            }
        }
    }
    if never_again {
        more.clear();
    }
    stop.set(&mut imported.defaults, place);
    let names: Vec<&str> = names.split(&*separator).collect();
    let mut started = vec![];
    for (at, command) in commands.iter().enumerate() {
        let command = &match &passed {
            Some(passed) => with_arguments(command, passed),
            None => command.clone(),
        };
        if started.len() > MOST_PROCESSES {
            break;
        }
        let of_command = commands_of(scripts, command, names.get(at).copied());
        if of_command.is_empty() {
            imported.leave(place, &**command, "no script is named so");
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

/// A command with the arguments in it that are passed through: `{1}`, and `{@}` or `{*}` for all.
fn with_arguments(command: &str, passed: &[String]) -> String {
    let words: Vec<String> = passed.iter().map(|word| shell::quoted(word)).collect();
    let as_one = if passed.is_empty() { String::new() } else { shell::quoted(&passed.join(" ")) };
    let line = command.replace("{@}", &words.join(" ")).replace("{*}", &as_one);
    let each = (1..=9).fold(line, |line, number| {
        line.replace(&format!("{{{number}}}"), words.get(number - 1).map_or("", |word| word))
    });
    each.trim_end().to_owned()
}

/// The short forms of commands that run a script, and these commands.
const SHORT: [(&str, &str); 6] = [
    ("npm:", "npm run"),
    ("pnpm:", "pnpm run"),
    ("yarn:", "yarn run"),
    ("bun:", "bun run"),
    ("node:", "node --run"),
    ("deno:", "deno task"),
];

/// What one argument of concurrently starts: a command, or scripts by `npm:NAME` or `npm run NAME-*`.
fn commands_of(scripts: &NpmScripts, command: &str, name: Option<&str>) -> Vec<Started> {
    let given = name.filter(|name| !name.is_empty());
    let of_script = SHORT.iter().find_map(|(short, runner)| {
        let long = || {
            let rest = command.strip_prefix(runner)?.strip_prefix(' ')?;
            rest.split(' ').next()?.contains('*').then_some(rest)
        };
        Some((*runner, command.strip_prefix(short).or_else(long)?))
    });
    let Some((runner, script)) = of_script else {
        let name = given.map_or_else(|| name_of(command), str::to_owned);
        return vec![Started { name, command: command.to_owned() }];
    };
    // `npm:` is run by what runs the scripts here.
    let run = |script: &str| match runner {
        "npm run" => scripts.command(script),
        _ => format!("{runner} {}", shell::quoted(script)),
    };
    let (pattern, args) = script.split_once(' ').unwrap_or((script, ""));
    let found = scripts.matching(pattern);
    let prefix = pattern.split('*').next().unwrap_or_default().to_owned();
    let started = found.iter().map(|script| {
        let short = script.strip_prefix(&prefix).filter(|rest| !rest.is_empty()).unwrap_or(script);
        let name = match given {
            Some(name) if !pattern.contains('*') => name.to_owned(),
            Some(name) => format!("{name}{short}"),
            None => short.to_owned(),
        };
        let args = if args.is_empty() { String::new() } else { format!(" {args}") };
        Started { name, command: format!("{}{args}", run(script)) }
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
        // `cd server && npm start`
        ["cd", dir, "&&", ..] => dir.trim_end_matches('/'),
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
    let (mut goes_on, mut is_race) = (false, false);
    // What has to be completed before the next begins.
    let mut completed: Vec<String> = vec![];
    let mut beside: Vec<String> = vec![];
    // What `{1}` in the patterns stands for.
    let (args, passed) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-p" | "--parallel" => is_parallel = true,
            "-s" | "--serial" | "--sequential" => {
                is_parallel = false;
                completed.append(&mut beside);
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
                imported.leave(place, flag, reason(NPM_RUN_ALL, flag));
            }
            _ if imported.processes.len() > MOST_PROCESSES => break,
            script => {
                let script = &with_arguments(script, passed);
                let (pattern, more) = script.split_once(' ').unwrap_or((script, ""));
                let prefix = pattern.split('*').next().unwrap_or_default();
                for name in scripts.matching_parts(pattern) {
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
    if goes_on || !is_race {
        imported.default_to("on_exit", "\"ignore\"");
        if !goes_on {
            let text = "npm-run-all stops all when one fails; here the others run on. on_exit = \"stop-all\" in a process stops them, after a success too.";
            imported.comments.push(text.to_owned());
        }
    }
}

/// Whether these short flags of npm-run-all, which stand together, need nothing else.
fn is_known(flags: &str) -> bool {
    flags.starts_with('-') && flags.chars().skip(1).all(|flag| "clnrs".contains(flag))
}
