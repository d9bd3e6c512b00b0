//! `package.json`: the scripts that start something, and what concurrently and npm-run-all in them start.

pub(in crate::import) mod concurrently;
pub(in crate::import) mod run_all;

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::import::files::SourceFiles;
use crate::import::format::ImportError;
use crate::import::node::{SourcePlace, Variable};
use crate::import::process::{Imported, ImportedProcess};
use crate::import::values;
use crate::model::text::shell;

/// The lock files that show which program runs the scripts.
const RUNNERS: [(&str, &str); 5] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("package-lock.json", "npm"),
];
/// Scripts that start what is developed, the best first.
const MAIN: [&str; 3] = ["dev", "start", "serve"];
/// The first words of scripts that may start something else.
const MORE: [&str; 7] = ["dev", "start", "serve", "watch", "worker", "server", "storybook"];

/// The part of a package.json that is read; the rest takes no memory.
#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    scripts: ScriptList,
}

/// Names and commands in their order.
#[derive(Default)]
struct ScriptList(Vec<(String, String)>);

impl<'de> Deserialize<'de> for ScriptList {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = ScriptList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of scripts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScriptList, A::Error> {
                let mut scripts = vec![];
                while let Some(entry) = map.next_entry()? {
                    scripts.push(entry);
                }
                Ok(ScriptList(scripts))
            }
        }
        from.deserialize_map(Entries)
    }
}

pub(in crate::import) fn import_scripts(
    files: &mut SourceFiles,
    chosen: &[String],
) -> Result<Imported, ImportError> {
    let source = files.main()?;
    let package: Package = serde_json::from_str(&source.text)
        .map_err(|error| SourcePlace::new(&source.name, error.line()).error(error.to_string()))?;
    let runner =
        RUNNERS.iter().find(|(lock, _)| files.exists(lock)).map_or("npm", |(_, name)| *name);
    let mut all = vec![];
    // Each script stands behind the one before it.
    let mut from = source.text.find("\"scripts\"").unwrap_or(0);
    for (name, line) in package.scripts.0 {
        let key = serde_json::Value::from(name.as_str()).to_string();
        from += source.text[from..].find(&key).unwrap_or(0);
        let number = 1 + source.text[..from].matches('\n').count();
        all.push((name, line, SourcePlace::new(&source.name, number)));
    }
    let scripts = NpmScripts { runner, all };
    let names = if chosen.is_empty() { scripts.usual() } else { chosen.to_vec() };
    if let Some(unknown) = names.iter().find(|name| scripts.get(name).is_none()) {
        return Err(files.has_nothing(format!("it has no script `{unknown}`")));
    }
    let mut imported = Imported::default();
    for name in &names {
        let Some((_, place)) = scripts.get(name) else { continue };
        if !expand(&scripts, name, &mut imported)? {
            let short = short_name(name, names.len() == 1);
            let process = ImportedProcess::running(&short, &scripts.command(name), place);
            imported.processes.push(process);
        }
    }
    let taken = |name: &String| {
        imported.processes.iter().any(|process| process.runs(&scripts.command(name)))
    };
    let may_start =
        |name: &&String| MORE.contains(&name.split([':', '-']).next().unwrap_or_default());
    let others = scripts.all.iter().map(|(name, ..)| name).filter(may_start);
    let others: Vec<&str> =
        others.filter(|name| !taken(name) && !names.contains(name)).map(String::as_str).collect();
    if imported.processes.is_empty() {
        let looked = MAIN.join("`, `");
        let more = if others.is_empty() {
            String::new()
        } else {
            format!("; there are {}", others.join(", "))
        };
        return Err(files.has_nothing(format!(
            "it has no script `{looked}`{more}; name one with --script NAME"
        )));
    }
    if chosen.is_empty() && !others.is_empty() {
        let others = others.join(", ");
        imported.remarks.push(format!(
            "scripts that may start something too: {others}; `--script NAME` takes those it names"
        ));
    }
    Ok(imported)
}

/// The name of a process that runs this script.
fn short_name(name: &str, is_alone: bool) -> String {
    match name.split_once(':') {
        None if is_alone && MAIN.contains(&name) => "web".to_owned(),
        Some((first, rest)) if MAIN.contains(&first) => rest.to_owned(),
        _ => name.to_owned(),
    }
}

/// The scripts of a package.json.
#[derive(Debug)]
struct NpmScripts {
    /// npm, pnpm, yarn or bun.
    runner: &'static str,
    /// Name, command and place of each.
    all: Vec<(String, String, SourcePlace)>,
}

impl NpmScripts {
    /// The scripts that are taken if the user names none: one, or a family such as `dev:web` and `dev:api`.
    fn usual(&self) -> Vec<String> {
        for main in MAIN {
            if self.get(main).is_some() {
                return vec![main.to_owned()];
            }
            let family = self.matching(&format!("{main}:*"));
            if !family.is_empty() {
                return family;
            }
        }
        vec![]
    }

    fn get(&self, name: &str) -> Option<(&str, &SourcePlace)> {
        let (_, line, place) = self.all.iter().find(|(known, ..)| known == name)?;
        Some((line, place))
    }

    /// The command that runs a script.
    fn command(&self, name: &str) -> String {
        format!("{} run {}", self.runner, shell::quoted(name))
    }

    /// The scripts that a pattern of concurrently names, without those that its `(!part)` names; one without a `*`
    /// names itself.
    fn matching(&self, pattern: &str) -> Vec<String> {
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

/// Take over what a script starts with these tools; `false` if it does not use them.
fn expand(
    scripts: &NpmScripts,
    script: &str,
    imported: &mut Imported,
) -> Result<bool, ImportError> {
    let Some((line, place)) = scripts.get(script) else { return Ok(false) };
    let Some(mut steps) = plain_steps(line) else { return Ok(false) };
    let last = steps.pop().unwrap_or_default();
    let Ok(words) = shell_words::split(last) else { return Ok(false) };
    let (env, words) = after_assignments(words);
    let Some((tool, args)) = after_runner(&words).split_first() else { return Ok(false) };
    let tool = tool.strip_prefix("node_modules/.bin/").unwrap_or(tool);
    let tool = tool.split_once('@').map_or(tool, |(tool, _)| tool);
    if steps.iter().any(|step| is_of_shell(step)) {
        return Ok(false);
    }
    let first = imported.processes.len();
    match tool {
        "concurrently" | "conc" => concurrently::import_script(scripts, args, place, imported)?,
        "run-p" | "npm-run-all" | "npm-run-all2" | "run-s" => {
            run_all::import_script(scripts, tool == "run-p", args, place, imported);
        }
        _ => return Ok(false),
    }
    // What npm runs around the script itself.
    let hook = |kind: &str| format!("{kind}{script}");
    let before = scripts.get(&hook("pre")).map(|_| scripts.command(&hook("pre")));
    let steps: Vec<&str> = before.as_deref().into_iter().chain(steps).collect();
    if let Some((_, place)) = scripts.get(&hook("post")) {
        let why = "npm runs it after a success; a process with phase = \"cleanup\" runs at the end";
        imported.leave(place, hook("post"), why);
    }
    imported.processes.splice(first..first, preparations(&steps, place));
    for process in &mut imported.processes[first..] {
        for (name, value) in &env {
            let value = Some(value.clone());
            let variable = Variable { name: name.clone(), value, place: place.clone() };
            process.set_variable(variable, false);
        }
    }
    // A script finds the programs of its packages.
    let needs_path = imported.processes[first..].iter().any(|process| {
        !["npm ", "pnpm ", "yarn ", "bun ", "npx ", "node "]
            .iter()
            .any(|runner| process.begins(runner))
    });
    if needs_path && !imported.defaults.has("add_path") {
        imported.default_to("add_path", "[\"node_modules/.bin\"]");
    }
    Ok(true)
}

/// Processes that run one after another before all others.
fn preparations(steps: &[&str], place: &SourcePlace) -> Vec<ImportedProcess> {
    let process = |(at, step): (usize, &&str)| {
        let name =
            if steps.len() == 1 { "prepare".to_owned() } else { format!("prepare-{}", at + 1) };
        let mut process = ImportedProcess::running(&name, step, place);
        process.set_text("phase", "dependency", place);
        process.set("ready", "{ exit = 0 }".to_owned(), place);
        if at > 0 {
            let needs = [(format!("prepare-{at}"), "completed")];
            process.set("depends_on", values::depends_on(&needs), place);
        }
        process
    };
    steps.iter().enumerate().map(process).collect()
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

/// The commands that the shell runs one after another while they succeed; `None` if it does more with one than to split
/// it into words.
fn plain_steps(line: &str) -> Option<Vec<&str>> {
    let mut steps = vec![];
    let mut quote = None;
    let mut is_escaped = false;
    let mut from = 0;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (None | Some('"'), '\\') => is_escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '&') if at < from => {}
            (None, '&') if line[at..].starts_with("&&") => {
                steps.push(line[from..at].trim());
                from = at + 2;
            }
            (Some('\''), _) => {}
            (_, '$' | '`') | (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '\n') => return None,
            _ => {}
        }
    }
    steps.push(line[from..].trim());
    quote.is_none().then_some(steps)
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
