//! A service that runs here: its command, directory and variables, instead of its container.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use super::super::error::ImportError;
use super::super::fields::{Fields, Placed, is_true};
use super::super::files::SourceFiles;
use super::super::node::SourceValue;
use super::super::process::ImportedProcess;
use super::command::command_text;
use super::dockerfile::BuildContext;
use super::hosts::{ComposeProject, published_inside, reached};
use super::merge::joined;
use super::rows::ROWS;

/// Set the command of a service that is to run here; `false` if the compose file does not say what that is.
pub(super) fn local_command(
    project: &ComposeProject,
    files: &mut SourceFiles,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> Result<bool, ImportError> {
    let build = BuildContext::of(fields)?;
    let entrypoint = fields.take("entrypoint");
    let command = fields.take("command");
    let given = command.as_ref().or(entrypoint.as_ref()).map(|node| node.place.clone());
    if let (Some(entrypoint), Some(_)) = (&entrypoint, &command) {
        let text = format!("entrypoint: in front of its command ({})", entrypoint.place);
        process.comments.push(text);
    }
    let file = match &build {
        Some(build) if entrypoint.is_none() => build.read(files)?,
        _ => None,
    };
    let found = match (given, file) {
        (Some(place), file) => {
            // The entry point of the image stays in front of what compose says.
            let before = file.map_or_else(Vec::new, |file| file.entrypoint);
            let nodes = entrypoint.into_iter().chain(command);
            command_text(before, nodes, &project.references)?.map(|text| (text, place))
        }
        (None, Some(file)) => file.command().map(|command| (command, file.place)),
        (None, None) => None,
    };
    let found =
        found.filter(|(command, _)| !command.trim_start_matches(['"', '\'', '[']).starts_with('-'));
    let Some((command, place)) = found else {
        let why = "neither the compose file nor a Dockerfile says what it runs, so it stays in its container";
        process.leave(&fields.place, "command", why);
        return Ok(false);
    };
    process.set("command", command, &place);
    working_dir(fields, build.as_ref().map(|build| build.dir.as_str()), process)?;
    if let Some(extends) = fields.take("extends") {
        process.comments.push(format!("extends: taken over from there ({})", extends.place));
    }
    if let Some(build) = fields.take("build") {
        process.comments.push(format!("build: what it is built from runs here ({})", build.place));
    }
    Ok(true)
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
            let below = mounts.iter().filter_map(|(host, target)| {
                let rest = inside.value.strip_prefix(target.trim_end_matches('/'))?;
                let is_below = rest.is_empty() || rest.starts_with('/');
                is_below.then(|| (target.len(), joined(host, rest.trim_start_matches('/'))))
            });
            // The deepest mount is the one that the container sees.
            let mounted = below.max_by_key(|(depth, _)| *depth).map(|(_, dir)| dir);
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
    for mut variable in fields.variables("environment")? {
        let Some(value) = variable.value.take() else { continue };
        let place = variable.place.clone();
        let value = reached(project, &variable.name, &value, &place, process);
        variable.value = Some(value);
        project.references.set_variable(process, variable);
    }
    listens(fields, process)
}

/// Tell a service that runs here to listen where it does in its container, if that is one port.
fn listens(fields: &mut Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let ports = fields.take("ports");
    let exposed = fields.take("expose");
    let mut inside = vec![];
    for node in ports.iter().chain(&exposed) {
        inside.extend(published_inside(node)?);
    }
    let targets: BTreeSet<&str> = inside.iter().map(|port| target(port)).collect();
    let Some(node) = ports.or(exposed) else { return Ok(()) };
    let only = targets.first().filter(|_| targets.len() == 1);
    if let Some(port) = only.and_then(|port| port.parse::<NonZeroU16>().ok()) {
        if !process.has("port") {
            process.set("port", port.to_string(), &node.place);
        }
        let is_mapped = |port: &String| {
            let mut parts = port.rsplit(':');
            let inside = parts.next();
            parts.next().is_some_and(|outside| Some(outside) != inside)
        };
        if !inside.iter().any(is_mapped) && process.has("port") {
            process.comments.push(format!("ports: it listens on {port} here too ({})", node.place));
            return Ok(());
        }
    }
    if !inside.is_empty() {
        let why = "it listens on this machine as it does in its container, without a mapping";
        process.leave(&node.place, format!("ports: {}", inside.join(", ")), why);
    }
    Ok(())
}

/// The port inside the container: what stands behind the last colon, without the protocol.
fn target(port: &str) -> &str {
    let port = port.split('/').next().unwrap_or_default();
    port.rsplit(':').next().unwrap_or(port)
}
