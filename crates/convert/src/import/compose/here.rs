//! A service that runs here: its command, directory and variables, instead of its container.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU16;
use std::path::Path;

use super::super::error::ImportError;
use super::super::fields::{Fields, Placed, is_true};
use super::super::files::SourceFiles;
use super::super::node::{SourcePlace, SourceValue, Variable};
use super::super::paths::joined;
use super::super::process::ImportedProcess;
use super::super::references::{EnvText, Keep, References, escaped};
use super::command::{command_text, on_machine, words};
use super::dockerfile::BuiltImage;
use super::hosts::{ComposeProject, HostReplacer, HostText, port_beside, ports_of};
use super::rows::ROWS;

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
    pub(super) fn of(
        references: &References,
        files: &mut SourceFiles,
        fields: &Fields,
        process: &mut ImportedProcess,
    ) -> Result<Option<Self>, ImportError> {
        let mut image = BuiltImage::of(fields, files)?;
        let dir = fields.get("working_dir").cloned().map(|node| node.text("working_dir"));
        let dir = dir.transpose()?.filter(|dir| !is_of_container(dir)).unwrap_or_default();
        let cwd = joined(&image.context, &dir);
        let taken = |key: &str| {
            let Some(node) = fields.get(key) else { return Ok::<_, ImportError>(None) };
            let place = node.place.clone();
            Ok(Some(Placed { value: words(node.clone(), references)?, place }))
        };
        let (entrypoint, command) = (taken("entrypoint")?, taken("command")?);
        // What compose says itself counts instead of what the image runs.
        let command = command.or(image.command.take().filter(|_| entrypoint.is_none()));
        let of_image = image.entrypoint.take().filter(|_| entrypoint.is_none());
        // A line takes no arguments.
        let is_line = of_image
            .as_ref()
            .is_some_and(|entry| entry.value.starts_with(&["sh".to_owned(), "-c".to_owned()]));
        let command = command.filter(|_| !is_line);
        let entrypoint = entrypoint.or(of_image);
        let place = command.as_ref().or(entrypoint.as_ref());
        let place = place.map_or(&fields.place, |words| &words.place).clone();
        let mut words = entrypoint.map_or_else(Vec::new, |words| words.value);
        let entry = words.len();
        words.extend(command.into_iter().flat_map(|words| words.value));
        if words.first().is_none_or(|program| program.starts_with('-')) {
            let why = "neither the compose file nor a Dockerfile says what it runs, so it stays in its container";
            process.leave(&place, "command", why);
            return Ok(None);
        }
        let is_here = |program: &str| {
            let is_there = || files.exists(&joined(&cwd, program));
            if program.starts_with('/') { Path::new(program).exists() } else { is_there() }
        };
        match on_machine(words, entry, is_here, &place, process) {
            Ok(words) => Ok(Some(Self { words, place, image, cwd })),
            Err(program) => {
                let why = format!(
                    "{program} is only in its image, so it stays in its container; to run it here, give it a `command`"
                );
                process.leave(&place, "command", why);
                Ok(None)
            }
        }
    }

    /// The settings of its process.
    pub(super) fn settings(
        &mut self,
        project: &ComposeProject,
        files: &mut SourceFiles,
        fields: &mut Fields,
        process: &mut ImportedProcess,
    ) -> Result<(), ImportError> {
        let mut hosts = HostReplacer::new(project);
        let own = self.variables(project, files, fields, &mut hosts, process)?;
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
            let place = node.place.clone();
            node.edit(&|key| key == "test", &mut |text| *text = edited("", text, &place));
        }
        process.set("command", command_text(&command), &self.place);
        process.settings.sort_by_key(|setting| setting.key != "command");
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
        listens(fields, process)
    }

    /// Set its variables; returns their names.
    fn variables(
        &self,
        project: &ComposeProject,
        files: &mut SourceFiles,
        fields: &mut Fields,
        hosts: &mut HostReplacer<'_>,
        process: &mut ImportedProcess,
    ) -> Result<HashSet<String>, ImportError> {
        let of = |variable: &Variable| (variable.clone(), VariableOrigin::Image);
        let mut variables: Vec<_> = self.image.variables.iter().map(of).collect();
        variables.extend(env_files(files, fields, process)?);
        let own = fields.variables("environment")?.into_iter();
        variables.extend(own.map(|variable| (variable, VariableOrigin::Compose)));
        // The last of each name counts; without a value, it is the caller's.
        let mut names = HashSet::new();
        variables.reverse();
        variables.retain(|(variable, _)| {
            variable.value.is_some() && names.insert(variable.name.clone())
        });
        variables.reverse();
        let value = |variable: &Variable| {
            project.references.value(variable.value.as_deref().unwrap_or_default())
        };
        let values: HashMap<&str, String> = variables
            .iter()
            .map(|(variable, _)| (variable.name.as_str(), value(variable)))
            .collect();
        let mut ports: HashMap<String, String> = HashMap::new();
        let mut has_port = HashSet::new();
        for (Variable { name, place, .. }, _) in &variables {
            let host = values.get(name.as_str()).and_then(|host| project.hosts.get(host));
            let beside = port_beside(name).and_then(|name| values.get_key_value(name.as_str()));
            let (Some(host), Some((port_name, port))) = (host, beside) else { continue };
            has_port.insert(name.clone());
            if !host.is_local {
                let text = HostText { key: port_name, text: port, place, has_port: true };
                ports.insert((*port_name).to_owned(), hosts.outside(host, port, &text, process));
            }
        }
        for (mut variable, origin) in variables.clone() {
            let Some(value) = variable.value.take() else { continue };
            let Variable { name, place, .. } = &variable;
            let is_path = name == "PATH" || value.starts_with('/');
            if origin == VariableOrigin::Image && (is_path || value.contains('$')) {
                let why = if is_path { "a path in its image" } else { "its value is not literal" };
                process.leave(place, format!("ENV {name}"), why);
                continue;
            }
            let has_port = has_port.contains(name);
            let new = ports.get(name).cloned().or_else(|| {
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
        Ok(names)
    }
}

/// Tell a service to listen where it does in its container.
fn listens(fields: &mut Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
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

/// The variables of the files that a service reads.
fn env_files(
    files: &mut SourceFiles,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> Result<Vec<(Variable, VariableOrigin)>, ImportError> {
    let Some(node) = fields.take("env_file") else { return Ok(vec![]) };
    let place = node.place.clone();
    let items = match node.value {
        SourceValue::List(items) => items,
        _ => vec![node],
    };
    let (mut names, mut variables) = (vec![], vec![]);
    for item in items {
        let (mut may_miss, mut is_raw) = (false, false);
        let path = if let SourceValue::Table(_) = item.value {
            let mut file = Fields::of(item, "env_file")?;
            let path = file.text("path")?;
            may_miss = file.text("required")?.is_some_and(|required| !is_true(&required.value));
            is_raw = file.take("format").is_some();
            file.leave_at(ROWS, process);
            path
        } else {
            let place = item.place.clone();
            Some(Placed { value: item.text("env_file")?, place })
        };
        let Some(Placed { value: path, place }) = path else { continue };
        let path = joined("", &path);
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
    process.set_env_files(Placed { value: names, place });
    Ok(variables)
}
