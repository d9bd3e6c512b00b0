//! A service that runs here: its command, directory and variables, instead of its container.

use std::path::Path;

use super::super::error::ImportError;
use super::super::fields::{Fields, Placed, is_true};
use super::super::files::{SourceFiles, is_below};
use super::super::node::{SourcePlace, SourceValue};
use super::super::process::ImportedProcess;
use super::super::toml_text::quoted;
use super::super::values;
use super::hosts::{ComposeProject, published_inside, reached};
use super::rows::ROWS;
use super::variables::{References, command_text};

/// Set the command of a service that is to run here; `false` if the compose file does not say what that is.
pub(super) fn local_command(
    files: &mut SourceFiles,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> Result<bool, ImportError> {
    let context = build_context(fields)?;
    let given =
        fields.get("command").or_else(|| fields.get("entrypoint")).map(|node| node.place.clone());
    let found = match given {
        Some(place) => {
            let entrypoint = fields.take("entrypoint");
            let command = fields.take("command");
            command_text(entrypoint, command)?.map(|text| (text, place))
        }
        None => match &context {
            Some((dir, file)) => dockerfile_command(files, dir, file)?,
            None => None,
        },
    };
    let Some((command, place)) = found else {
        let why = "neither the compose file nor a Dockerfile says what it runs, so it stays in its container";
        process.leave(&fields.place, "command", why);
        return Ok(false);
    };
    process.set("command", command, &place);
    let context = context.map(|(dir, _)| dir);
    working_dir(fields, context.as_deref(), process)?;
    if let Some(extends) = fields.take("extends") {
        process.comments.push(format!("extends: taken over from there ({})", extends.place));
    }
    if let Some(build) = fields.take("build") {
        process.comments.push(format!("build: what it is built from runs here ({})", build.place));
    }
    Ok(true)
}

/// The directory that a service is built from, and its Dockerfile.
fn build_context(fields: &Fields) -> Result<Option<(String, String)>, ImportError> {
    let Some(node) = fields.get("build") else { return Ok(None) };
    let (dir, file) = if let SourceValue::Text(dir) = &node.value {
        (dir.clone(), None)
    } else {
        let mut build = Fields::of(node.clone(), "build")?;
        let dir = build.text("context")?.map_or_else(|| ".".to_owned(), |text| text.value);
        (dir, build.text("dockerfile")?.map(|text| text.value))
    };
    let file = file.unwrap_or_else(|| "Dockerfile".to_owned());
    Ok(is_below(Path::new(&dir)).then_some((dir, file)))
}

/// The command that a Dockerfile ends with.
fn dockerfile_command(
    files: &mut SourceFiles,
    dir: &str,
    name: &str,
) -> Result<Option<(String, SourcePlace)>, ImportError> {
    let path = Path::new(dir).join(name);
    let Some(path) = path.to_str().filter(|path| is_below(Path::new(path))) else {
        return Ok(None);
    };
    let path = path.strip_prefix("./").unwrap_or(path);
    let Some(file) = files.other(path)? else { return Ok(None) };
    let (mut entrypoint, mut command): (Option<Vec<String>>, Option<Vec<String>>) = (None, None);
    let mut place = SourcePlace::new(&file.name, 1);
    let mut shell_line = None;
    for (at, line) in file.text.lines().enumerate() {
        let (word, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line, ""));
        let to = match word.to_ascii_uppercase().as_str() {
            "FROM" => {
                (entrypoint, command, shell_line) = (None, None, None);
                continue;
            }
            "CMD" => &mut command,
            "ENTRYPOINT" => &mut entrypoint,
            _ => continue,
        };
        place = SourcePlace::new(&file.name, at + 1);
        match serde_json::from_str::<Vec<String>>(rest.trim()) {
            Ok(words) => *to = Some(words),
            Err(_) => shell_line = Some(rest.trim().to_owned()),
        }
    }
    if let Some(line) = shell_line.filter(|line| !line.is_empty() && !line.ends_with('\\')) {
        return Ok(Some((quoted(&line), place)));
    }
    let words: Vec<String> = entrypoint.into_iter().chain(command).flatten().collect();
    Ok((!words.is_empty()).then(|| (values::of_words(&words), place)))
}

/// The directory that a command runs in: that of the compose file which the container sees at its working directory.
fn working_dir(
    fields: &mut Fields,
    context: Option<&str>,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let mounts = mounts(fields)?;
    let inside = fields.text("working_dir")?;
    let usual = context.map(|dir| dir.trim_start_matches("./").trim_end_matches('/').to_owned());
    let dir = match &inside {
        None => usual,
        Some(inside) => {
            let mounted = mounts.iter().find_map(|(host, target)| {
                let rest = inside.value.strip_prefix(target.as_str())?.trim_start_matches('/');
                let host = host.trim_start_matches("./").trim_end_matches('/');
                Some(if rest.is_empty() { host.to_owned() } else { format!("{host}/{rest}") })
            });
            if mounted.is_none() {
                process.leave(
                    &inside.place,
                    "working_dir",
                    "a directory in the container; here its build context is used",
                );
            }
            mounted.or(usual)
        }
    };
    let is_given = inside.is_some();
    let place = inside.map_or_else(|| fields.place.clone(), |inside| inside.place);
    let is_root = |dir: &str| dir.is_empty() || dir == ".";
    if let Some(dir) = dir.filter(|dir| is_given || !is_root(dir)) {
        process.set_text("cwd", if is_root(&dir) { "." } else { &dir }, &place);
    }
    Ok(())
}

/// The directories of the project that a container sees, and where.
fn mounts(fields: &Fields) -> Result<Vec<(String, String)>, ImportError> {
    let Some(node) = fields.get("volumes") else { return Ok(vec![]) };
    let SourceValue::List(items) = &node.value else { return Ok(vec![]) };
    let mut mounts = vec![];
    for item in items.clone() {
        let pair = if let SourceValue::Table(_) = item.value {
            let mut volume = Fields::of(item, "volumes")?;
            let source = volume.text("source")?.map(|text| text.value);
            source.zip(volume.text("target")?.map(|text| text.value))
        } else {
            let text = item.text("volumes")?;
            let mut parts = text.split(':').map(str::to_owned);
            parts.next().zip(parts.next())
        };
        mounts.extend(pair.filter(|(source, _)| source.starts_with('.')));
    }
    Ok(mounts)
}

/// The variables of a service that runs here.
pub(super) fn local_settings(
    project: &ComposeProject,
    files: &SourceFiles,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    if let Some(node) = fields.take("env_file") {
        let place = node.place.clone();
        let items = match node.value {
            SourceValue::List(items) => items,
            _ => vec![node],
        };
        let mut value = vec![];
        for item in items {
            match item.value {
                SourceValue::Table(_) => {
                    let mut file = Fields::of(item, "env_file")?;
                    let path = file.text("path")?;
                    let required = file.text("required")?;
                    let may_miss = required.is_some_and(|required| !is_true(&required.value));
                    let is_there = |path: &str| files.exists(path.trim_start_matches("./"));
                    match path {
                        Some(path) if may_miss && !is_there(&path.value) => {
                            let why = "it does not exist, and here such a file must";
                            process.leave(&path.place, format!("env_file: {}", path.value), why);
                        }
                        path => value.extend(path.map(|path| path.value)),
                    }
                    file.leave_at(ROWS, process);
                }
                _ => value.push(item.text("env_file")?),
            }
        }
        process.set_env_files(Placed { value, place });
    }
    let references = References { known: &project.known };
    for mut variable in fields.variables("environment")? {
        let Some(value) = variable.value.take() else { continue };
        let place = variable.place.clone();
        let value = reached(project, &variable.name, &value, &place, process);
        let (value, has_references) = references.of(&value);
        variable.value = Some(value);
        process.set_variable(variable, has_references);
    }
    if let Some(ports) = fields.take("ports") {
        let inside = published_inside(&ports)?;
        if !inside.is_empty() {
            let why = "it listens on this machine as it does in its container, without a mapping";
            process.leave(&ports.place, format!("ports: {}", inside.join(", ")), why);
        }
    }
    Ok(())
}
