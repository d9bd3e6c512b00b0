//! A service that runs here: its command, directory and variables, instead of its container.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU16;
use std::path::Path;

use super::dockerfile::BuiltImage;
use super::hosts::{ComposeProject, HostReplacer, HostText, port_beside, ports_of};
use super::rows::ROWS;
use crate::import::fields::{Fields, Placed, is_true};
use crate::import::files::SourceFiles;
use crate::import::format::ImportError;
use crate::import::node::{SourceNode, SourcePlace, SourceValue, Variable};
use crate::import::process::ImportedProcess;
use crate::import::references::{
    EnvText, Keep, Part, References, escaped, has_variable, parts, plain, shell_command,
};
use crate::import::values::{joined, quoted};
use crate::model::text::shell;

/// A service that is to run here.
pub(super) struct LocalService {
    words: Vec<String>,
    place: SourcePlace,
    image: BuiltImage,
    /// The directory in which it runs.
    cwd: String,
}

impl LocalService {
    /// `None` if it must stay in its container.
    pub(super) fn new(
        references: &References,
        files: &mut SourceFiles,
        fields: &Fields,
        process: &mut ImportedProcess,
    ) -> Result<Option<Self>, ImportError> {
        let mut image = BuiltImage::new(fields, files)?;
        let dir = fields.get("working_dir").cloned().map(|node| node.text("working_dir"));
        let dir = dir.transpose()?.filter(|dir| !is_of_container(dir)).unwrap_or_default();
        let cwd = joined(&image.context, &dir);
        let given = |key: &str| {
            let Some(node) = fields.get(key) else { return Ok::<_, ImportError>(None) };
            let place = node.place.clone();
            Ok(Some(Placed { value: split_command(node.clone(), references)?, place }))
        };
        let entrypoint = given("entrypoint")?;
        // What compose says itself counts instead of what the image runs.
        let command = given("command")?.or(image.command.take().filter(|_| entrypoint.is_none()));
        let of_image = image.entrypoint.take().filter(|_| entrypoint.is_none());
        // A line takes no arguments.
        let is_line = of_image.as_ref().is_some_and(|entry| is_shell_line(&entry.value));
        let command = command.filter(|_| !is_line);
        let entrypoint = entrypoint.or(of_image);
        let place = command.as_ref().or(entrypoint.as_ref());
        let place = place.map_or(&fields.place, |words| &words.place).clone();
        let entry = entrypoint.as_ref().map_or(0, |words| words.value.len());
        let words = entrypoint.into_iter().chain(command).flat_map(|words| words.value);
        let is_here = |program: &str| {
            let is_there = || files.exists(&joined(&cwd, program));
            if program.starts_with('/') { Path::new(program).exists() } else { is_there() }
        };
        let words = without_wrappers(words.collect(), entry, is_here, &place, process);
        let why = match missing_program(&words, is_here) {
            Some(program) => format!(
                "{program} is only in its image, so it stays in its container; to run it here, give it a `command`"
            ),
            None if words.first().is_some_and(|program| !program.starts_with('-')) => {
                return Ok(Some(Self { words, place, image, cwd }));
            }
            None => "neither the compose file nor a Dockerfile says what it runs, so it stays in its container".to_owned(),
        };
        process.leave(&place, "command", why);
        Ok(None)
    }

    pub(super) fn set_settings(
        &self,
        project: &ComposeProject,
        files: &mut SourceFiles,
        fields: &mut Fields,
        process: &mut ImportedProcess,
    ) -> Result<(), ImportError> {
        let mut hosts = HostReplacer::new(project);
        let own = self.set_variables(project, files, fields, &mut hosts, process)?;
        // The shell would take these from the process.
        let is_own = |name: &str| name == "PORT" || own.contains(name);
        let mut edited = |key: &str, word: &str, place: &SourcePlace| {
            let keep = Keep::AllBut(&is_own);
            let edited = edited(project, word, keep, |text| {
                hosts.replace(&HostText { key, text, place, has_port: false }, process)
            });
            edited.unwrap_or_else(|| project.references.expanded(word, keep))
        };
        let flags = self.words.iter().map(|word| if word.starts_with('-') { word } else { "" });
        let flags = std::iter::once("").chain(flags);
        let words = self.words.iter().zip(flags);
        let command: Vec<String> =
            words.map(|(word, flag)| edited(flag, word, &self.place)).collect();
        if let Some(node) = fields.get_mut("healthcheck") {
            node.edit(&|key| key == "test", &mut |text, place| *text = edited("", text, place));
        }
        process.set("command", command_text(&command), &self.place);
        let dir = fields.text("working_dir")?;
        let place = dir.as_ref().map_or(&fields.place, |dir| &dir.place);
        if self.cwd != "." {
            process.set_text("cwd", &self.cwd, place);
        }
        if dir.as_ref().is_some_and(|dir| is_of_container(&dir.value)) {
            let here =
                if self.cwd == "." { "beside the compose file" } else { "in its build context" };
            let why = format!("a directory in its container; here it runs {here}");
            process.leave(place, "working_dir", why);
        }
        hosts.finish(process);
        set_port(fields, process)
    }

    /// Set its variables; returns their names.
    fn set_variables(
        &self,
        project: &ComposeProject,
        files: &mut SourceFiles,
        fields: &mut Fields,
        hosts: &mut HostReplacer<'_>,
        process: &mut ImportedProcess,
    ) -> Result<HashSet<String>, ImportError> {
        let variables = self.variables(files, fields, process)?;
        let value = |variable: &Variable| {
            project.references.value(variable.value.as_deref().unwrap_or_default())
        };
        let values = variables.iter();
        let values: HashMap<&str, String> =
            values.map(|(variable, _)| (variable.name.as_str(), value(variable))).collect();
        let mut ports = HashMap::new();
        // The variables that are hosts whose ports stand in others.
        let mut has_port = HashSet::new();
        for (Variable { name, place, .. }, _) in &variables {
            let Some(host) = values.get(name.as_str()).and_then(|host| project.hosts.get(host))
            else {
                continue;
            };
            let beside = port_beside(name).and_then(|name| values.get_key_value(name.as_str()));
            let Some((port_name, port)) = beside else { continue };
            has_port.insert(name.clone());
            if !host.is_local {
                let text = HostText { key: port_name, text: port, place, has_port: true };
                ports.insert(*port_name, hosts.published_port(host, port, &text, process));
            }
        }
        for (mut variable, origin) in variables.iter().cloned() {
            let Some(value) = variable.value.take() else { continue };
            let Variable { name, place, .. } = &variable;
            let is_path = name == "PATH" || value.starts_with('/');
            if origin == VariableOrigin::Image && (is_path || value.contains('$')) {
                let why = if is_path { "a path in its image" } else { "its value is not literal" };
                process.leave(place, format!("ENV {name}"), why);
                continue;
            }
            let has_port = has_port.contains(name);
            let new = ports.get(name.as_str()).cloned().or_else(|| {
                edited(project, &value, Keep::Set, |text| {
                    hosts.replace(&HostText { key: name, text, place, has_port }, process)
                })
            });
            if new.is_none() && origin == VariableOrigin::File {
                continue;
            }
            variable.value = new.or(Some(value));
            project.references.set_variable(process, variable);
        }
        Ok(variables.into_iter().map(|(variable, _)| variable.name).collect())
    }

    /// Its variables, of each name the last one, which counts; one without a value is the caller's.
    fn variables(
        &self,
        files: &mut SourceFiles,
        fields: &mut Fields,
        process: &mut ImportedProcess,
    ) -> Result<Vec<(Variable, VariableOrigin)>, ImportError> {
        let of_image = self.image.variables.iter().cloned();
        let mut variables: Vec<_> =
            of_image.map(|variable| (variable, VariableOrigin::Image)).collect();
        variables.extend(env_files(files, fields, process)?);
        let given = fields.variables("environment")?.into_iter();
        variables.extend(given.map(|variable| (variable, VariableOrigin::Compose)));
        let mut names = HashSet::new();
        variables.reverse();
        variables.retain(|(variable, _)| {
            variable.value.is_some() && names.insert(variable.name.clone())
        });
        variables.reverse();
        Ok(variables)
    }
}

/// Tell a service to listen where it does in its container.
fn set_port(fields: &mut Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let mut ports = vec![];
    for node in [fields.take("ports"), fields.take("expose")].into_iter().flatten() {
        ports.extend(ports_of(&node)?.into_iter().map(|port| (port, node.place.clone())));
    }
    if let Some(((port, _), place)) = ports.first()
        && let Ok(port) = port.parse::<NonZeroU16>()
        && !process.has("port")
    {
        process.set("port", port.to_string(), place);
    }
    for ((inside, outside), place) in ports {
        let Some(outside) = outside.filter(|outside| *outside != inside) else { continue };
        let why = format!("here it listens on {inside}, as in its container");
        process.leave(&place, format!("ports: {outside}:{inside}"), why);
    }
    Ok(())
}

/// A text with hosts as they are here; `None` if it has none of others. Variables in it stay if they can:
/// their values may be secrets.
fn edited(
    project: &ComposeProject,
    text: &str,
    keep: Keep<'_>,
    mut edit: impl FnMut(&str) -> String,
) -> Option<String> {
    let references = &project.references;
    let whole = references.expanded(text, Keep::Unknown);
    let new = edit(&whole);
    if new == whole {
        return None;
    }
    let kept = edit(&references.expanded(text, keep));
    Some(if references.value(&kept) == references.value(&new) { kept } else { new })
}

/// The words of a command.
fn split_command(node: SourceNode, references: &References) -> Result<Vec<String>, ImportError> {
    let place = node.place.clone();
    let SourceValue::Text(line) = node.value else { return node.texts("command") };
    // A default of several words is split after it was taken.
    let is_split =
        |part: &Part<'_>| matches!(part, Part::Variable { word, .. } if word.contains(' '));
    let is_split = parts(&line).iter().any(is_split);
    let line = if is_split { references.expanded(&line, Keep::Unknown) } else { line };
    Placed { value: line, place }.split_words("this command")
}

/// A command of these words, as it is written here.
fn command_text(words: &[String]) -> String {
    match words {
        // That is how a line is run here.
        [_, _, line] if is_shell_line(words) && !has_variable(line) => quoted(&plain(line)),
        _ => shell_command(words),
    }
}

/// A command without the programs of its image that run the rest of it: of the words, the first `entry` are its entry
/// point.
fn without_wrappers(
    mut words: Vec<String>,
    mut entry: usize,
    is_here: impl Fn(&str) -> bool,
    place: &SourcePlace,
    process: &mut ImportedProcess,
) -> Vec<String> {
    while let Some(program) = words.first() {
        let name = program.rsplit('/').next().unwrap_or_default();
        let flags = words.iter().skip(1).take_while(|word| word.starts_with('-')).count();
        let end = words.iter().position(|word| word == "--").map(|at| at + 1);
        let (length, why) = match name {
            // tmo reaps the children of others, too.
            "tini" | "dumb-init" | "catatonit" => (end.unwrap_or(1 + flags), ""),
            _ if is_file_here(program, &is_here) => break,
            "dockerize" | "wait-for-it.sh" | "wait-for" | "wait-for-it" if end.is_some() => {
                (end.unwrap_or_default(), "depends_on can wait instead")
            }
            "gosu" | "su-exec" => (2, "here everything runs as you"),
            name if is_script(name) && entry > 0 => {
                (1 + flags.min(entry - 1), "do by hand what it prepares")
            }
            _ => break,
        };
        if words.get(length).is_none_or(|word| word.starts_with('-')) {
            break;
        }
        let wrapper: Vec<String> = words.drain(..length).collect();
        entry = entry.saturating_sub(length);
        if !why.is_empty() {
            let what = format!("entrypoint: {}", wrapper.join(" "));
            process.leave(place, what, format!("only its image has it; {why}"));
        }
    }
    words
}

/// The program of a command that is only in the image, as far as its name shows it.
fn missing_program(words: &[String], is_here: impl Fn(&str) -> bool) -> Option<String> {
    let program = match words {
        [_, _, line] if is_shell_line(words) => shell::program_word(line)?.0,
        [program, ..] => program,
        [] => return None,
    };
    let is_of_image = program.starts_with('/') || is_script(program) && !program.contains('/');
    (is_of_image && !is_file_here(program, is_here)).then(|| program.to_owned())
}

fn is_file_here(program: &str, is_here: impl Fn(&str) -> bool) -> bool {
    program.contains('/') && is_here(program)
}

/// Whether a program is one that ends by running its arguments.
fn is_script(name: &str) -> bool {
    name.strip_suffix(".sh").is_some() || name.contains("entrypoint")
}

fn is_shell_line(words: &[String]) -> bool {
    matches!(words, [shell, flag, ..] if ["sh", "/bin/sh"].contains(&&**shell) && flag == "-c")
}

/// Where a variable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VariableOrigin {
    Image,
    /// A file that the process reads too.
    File,
    Compose,
}

/// Whether a directory can only be found in a container.
fn is_of_container(dir: &str) -> bool {
    dir.starts_with(['/', '$'])
}

/// A file of variables as a service names it.
struct EnvFile {
    place: SourcePlace,
    path: String,
    may_miss: bool,
    /// Its values are taken as they are.
    is_raw: bool,
}

/// The files of variables that a service names.
fn named_env_files(
    node: SourceNode,
    process: &mut ImportedProcess,
) -> Result<Vec<EnvFile>, ImportError> {
    let mut named = vec![];
    for item in node.items() {
        let is_table = matches!(item.value, SourceValue::Table(_));
        let mut file = Fields::new(if is_table { item } else { item.under("path") }, "env_file")?;
        let Some(Placed { value: path, place }) = file.text("path")? else { continue };
        let may_miss = file.text("required")?.is_some_and(|required| !is_true(&required.value));
        let is_raw = file.take("format").is_some();
        file.leave(ROWS, &mut process.left);
        named.push(EnvFile { place, path: joined("", &path), may_miss, is_raw });
    }
    Ok(named)
}

/// The variables of the files that a service reads.
fn env_files(
    files: &mut SourceFiles,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> Result<Vec<(Variable, VariableOrigin)>, ImportError> {
    let Some(node) = fields.take("env_file") else { return Ok(vec![]) };
    let first = node.place.clone();
    let mut names = vec![];
    let mut variables = vec![];
    for EnvFile { place, path, may_miss, is_raw } in named_env_files(node, process)? {
        let is_there = files.exists(&path);
        let why = match () {
            () if path.contains("${") => Some("this variable has no value here"),
            () if may_miss && !is_there => Some("it does not exist, and here such a file must"),
            () => None,
        };
        if let Some(why) = why {
            process.leave(&place, format!("env_file: {path}"), why);
            continue;
        }
        let Some(file) = (if is_there { files.other(&path)? } else { None }) else {
            names.push(path);
            continue;
        };
        let text = if is_raw { EnvText::raw(&file.text) } else { EnvText::new(&file.text) };
        if is_raw {
            let text = format!(
                "env_file: {path} is copied: here its dollars and quotes would count ({place})"
            );
            process.comments.push(text);
        }
        let origin = if text.mistakes.is_empty() && !is_raw {
            // Of equal ones, the last counts.
            names.retain(|name| *name != path);
            names.push(path);
            VariableOrigin::File
        } else {
            VariableOrigin::Compose
        };
        for (line, what) in text.mistakes {
            let why = "tmo reads no env file with such a line; its other variables are taken over";
            process.leave(&SourcePlace::new(&file.name, line), what, why);
        }
        let lines = file.text.lines().enumerate();
        let lines: HashMap<&str, usize> =
            lines.filter_map(|(at, line)| Some((line.split_once('=')?.0.trim(), at + 1))).collect();
        variables.extend(text.variables.into_iter().map(|(name, value)| {
            let place = SourcePlace::new(&file.name, lines.get(&*name).copied().unwrap_or(1));
            (Variable { name, value: Some(escaped(&value)), place }, origin)
        }));
    }
    process.set_env_files(Placed { value: names, place: first });
    Ok(variables)
}
