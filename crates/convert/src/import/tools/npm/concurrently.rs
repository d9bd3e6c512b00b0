//! concurrently: what a script with it starts.

use super::{NpmScripts, with_arguments};
use crate::import::fields::Fields;
use crate::import::format::{ImportError, MOST_PROCESSES};
use crate::import::node::{SourceNode, SourcePlace, SourceTable, SourceValue};
use crate::import::process::{Imported, ImportedProcess};
use crate::import::rows::{KeyResult, NoContext, Row, Take, ignored, row};
use crate::import::values::{self, quoted};
use crate::model::text::shell;
use crate::model::units::written_span;

/// What becomes of the flags of concurrently.
pub(in crate::import) const ROWS: &[Row<NoContext>] = &[
    row(
        "`npm:watch-*`",
        "a process for each script; `tmo init` and `tmo import` read `package.json`",
    ),
    ignored(
        "`-k`, `--kill-others`",
        "always; `--any-can-die` or `on_exit = \"ignore\"` turns it off",
    ),
    row(
        "`--kill-others-on-fail`",
        "- (`on_exit = \"ignore\"` for the processes that may end; the others keep `\"stop-all\"`, with or without `restart`)",
    ),
    row("`-s`, `--success first`, `last`, `command-NAME`", "- (`--exit-code-from NAME`)"),
    Row(
        "`--restart-tries 3`, `--restart-after 500`",
        "`restart = { policy = \"on-failure\", max_failures = 4, delay = \"500ms\" }`",
        &[Take::By(take_tries), Take::By(take_delay)],
    ),
    ignored("`-r`, `--raw`, `--timings`, `--pad-prefix`", "`tmo logs --raw`, `tmo ps`"),
    ignored("`-P`, `--passthrough-arguments`", "`{1}` and the like are replaced"),
    Row(
        "`--kill-signal`, `--kill-timeout`",
        "`stop` in `[defaults]`",
        &[Take::Setting("stop.signal", values::signal), Take::Setting("stop.timeout", millis)],
    ),
    row("`-g`, `--group`", "- (`tmo logs web` shows one process alone)"),
    row("`-t`, `--timestamp-format`", "- (`-T`; `tmo logs -T`)"),
    row(
        "`-i`, `--handle-input`, `--default-input-target`",
        "- (`tmo send web \"rs\" --enter`, `tmo connect web`)",
    ),
    row("`-m`, `--max-processes`", "-"),
    row("`--hide web`", "- (`tmo echo NAME` for the others)"),
    ignored(
        "`-p`, `--prefix`, `-c`, `--prefix-colors`, `-l`, `--prefix-length`, `--no-color`",
        "- (each process has a colour and its name)",
    ),
    row("`--teardown COMMAND`", "a process with `phase = \"cleanup\"`"),
];

/// Flags that are followed by a value.
const WITH_VALUE: &str = "-n --names --name-separator -c --prefix-colors -p --prefix -l --prefix-length -t \
    --timestamp-format -m --max-processes --restart-tries --restart-after --hide --default-input-target -s --success \
    --teardown --kill-signal --kill-timeout";

/// Its arguments: flags with their values as a table, commands, and those behind `--`.
fn split_arguments<'a>(
    args: &'a [String],
    place: &SourcePlace,
) -> (SourceTable, Vec<&'a String>, Vec<String>) {
    let mut flags = vec![];
    let mut commands = vec![];
    let mut args = args.iter();
    while let Some(arg) = args.next().filter(|arg| *arg != "--") {
        let Some(short) = arg.strip_prefix('-') else {
            commands.push(arg);
            continue;
        };
        let (letters, value) = match short.split_once('=') {
            Some((letters, value)) => (letters, Some(value.to_owned())),
            None => (short, None),
        };
        // Short flags may stand together: `-kn web,api`.
        let mut names: Vec<String> = if letters.starts_with('-') {
            vec![format!("-{letters}")]
        } else {
            letters.chars().map(|letter| format!("-{letter}")).collect()
        };
        let last = names.pop().unwrap_or_default();
        let has_value = WITH_VALUE.split(' ').any(|known| known == last);
        let value = value.or_else(|| if has_value { args.next().cloned() } else { None });
        let names = names.into_iter().map(|name| (name, String::new()));
        flags.extend(names.chain([(last, value.unwrap_or_default())]).map(|(name, value)| {
            (name, SourceNode { place: place.clone(), value: SourceValue::Text(value) })
        }));
    }
    (flags, commands, args.cloned().collect())
}

pub(super) fn import_script(
    scripts: &NpmScripts,
    args: &[String],
    place: &SourcePlace,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let (flags, commands, rest) = split_arguments(args, place);
    let flags = SourceNode { place: place.clone(), value: SourceValue::Table(flags) };
    let mut flags = Fields::new(flags, "")?;
    flags.rename("--names", &["-n"]);
    let names = flags.text("--names")?.map(|names| names.value).unwrap_or_default();
    let separator = flags.text("--name-separator")?;
    let separator = separator.as_ref().map_or(",", |separator| &separator.value);
    let names: Vec<&str> = names.split(separator).collect();
    let ends_all = flags.has("-k") || flags.has("--kill-others");
    let has_passed = flags.has("-P") || flags.has("--passthrough-arguments");
    flags.take("--color");
    let mut teardown = vec![];
    while let Some(command) = flags.text("--teardown")? {
        teardown.push(command.value);
    }
    // What holds for each of its processes.
    let mut each = ImportedProcess::default();
    flags.take_over(ROWS, &NoContext, &mut each)?;
    imported.left.append(&mut each.left);
    let stops = each.settings.extract_if(.., |setting| setting.key.starts_with("stop."));
    imported.defaults.settings.extend(stops);
    let unpassed = if has_passed { vec![] } else { rest.iter().collect() };
    for (at, command) in commands.into_iter().chain(unpassed).enumerate() {
        let command = if has_passed { &with_arguments(command, &rest) } else { command };
        if imported.processes.len() > MOST_PROCESSES {
            break;
        }
        let mut started = processes_of(scripts, command, names.get(at).copied(), place);
        if started.is_empty() {
            imported.leave(place, &**command, "no script is named so");
        }
        for process in &mut started {
            process.settings.extend(each.settings.iter().cloned());
        }
        imported.processes.append(&mut started);
    }
    for command in teardown {
        let mut process = ImportedProcess::running("teardown", &command, place);
        process.set_text("phase", "cleanup", place);
        imported.processes.push(process);
    }
    if !ends_all && !imported.defaults.has("on_exit") {
        imported.default_to("on_exit", "\"ignore\"");
    }
    Ok(())
}

fn millis(text: &str) -> Option<String> {
    Some(quoted(&written_span(text.parse().ok()?)))
}

fn take_tries(_: &NoContext, flags: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let Some(tries) = flags.text("--restart-tries")? else { return Ok(()) };
    // A negative number never gives up, as 0 does here.
    let most = match &*tries.value {
        endless if endless.starts_with('-') => Some("0".to_owned()),
        "0" => {
            flags.take("--restart-after");
            None
        }
        tries => values::failures(tries),
    };
    if let Some(most) = most {
        process.set_text("restart.policy", "on-failure", &tries.place);
        process.set("restart.max_failures", most, &tries.place);
    }
    Ok(())
}

fn take_delay(_: &NoContext, flags: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let Some(delay) = flags.text("--restart-after")? else { return Ok(()) };
    let setting = match &*delay.value {
        "exponential" => Some(("restart.backoff", quoted("exponential"))),
        delay => millis(delay).map(|delay| ("restart.delay", delay)),
    };
    if let Some((key, value)) = setting {
        process.set_text("restart.policy", "on-failure", &delay.place);
        process.set(key, value, &delay.place);
    }
    Ok(())
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
fn processes_of(
    scripts: &NpmScripts,
    command: &str,
    name: Option<&str>,
    place: &SourcePlace,
) -> Vec<ImportedProcess> {
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
        return vec![ImportedProcess::running(&name, command, place)];
    };
    let end = script.find(' ').unwrap_or(script.len());
    let (pattern, args) = script.split_at(end);
    let prefix = pattern.split('*').next().unwrap_or_default();
    let process = |script: &String| {
        let short = script.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(script);
        let name = match given {
            Some(name) if !pattern.contains('*') => name.to_owned(),
            Some(name) => format!("{name}{short}"),
            None => short.to_owned(),
        };
        // `npm:` is run by what runs the scripts here.
        let command = match runner {
            "npm run" => scripts.command(script),
            _ => format!("{runner} {}", shell::quoted(script)),
        };
        ImportedProcess::running(&name, &(command + args), place)
    };
    scripts.matching(pattern).iter().map(process).collect()
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
