//! docker compose and podman-compose: `compose.yaml`, with what it extends, includes and overrides.
//!
//! A service runs in its container, as before (`docker compose up NAME`), or, if the user wants that and the compose
//! file says what to run, here. What belongs to a container stays in the compose file, which its command goes on
//! reading.

mod command;
mod dockerfile;
mod health;
mod here;
mod hosts;
mod merge;
mod rows;

use std::collections::BTreeMap;

use self::health::healthcheck;
use self::here::{local_command, local_settings};
use self::hosts::{ComposeProject, ServiceHost, published};
use self::merge::{dir_of, extended, joined, merged, rebased};
pub(super) use self::rows::ROWS;
use super::error::ImportError;
use super::fields::{Fields, Placed, is_true};
use super::files::SourceFiles;
use super::node::{SourceNode, SourceTable, SourceValue, yaml};
use super::options::{LocalServices, MOST_PROCESSES};
use super::process::{Imported, ImportedProcess, process_name};
use super::references::References;
use super::toml_text::{list, quoted};
use super::values::{self, StopSettings};
use crate::model::shell;

/// The files that `docker compose` reads if it is given none.
const USUAL: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// How long a container has to stop, in milliseconds, and how much longer `docker compose stop` may take.
const GRACE: u64 = 10_000;
const GRACE_OF_CLIENT: u64 = 5_000;

pub(super) fn read(
    files: &mut SourceFiles,
    local: &LocalServices,
) -> Result<Imported, ImportError> {
    let name = files.main_name().to_owned();
    let (mut services, mut top) = services(files)?;
    let reads_port = services.iter().any(|(_, node)| node.names_variable("PORT"));
    let env = files.other(".env")?.map_or_else(String::new, |file| file.text);
    let is_usual = USUAL.contains(&name.as_str());
    let client = if is_usual { String::new() } else { format!(" -f {}", shell::quoted(&name)) };
    let mut project = ComposeProject {
        // `docker compose` replaces `${PORT}` too, and tmo gives each process another one.
        client: format!("{}docker compose{client}", if reads_port { "env -u PORT " } else { "" }),
        references: References::new(&env),
        hosts: BTreeMap::new(),
    };
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"10s\" }");
    for (_, node) in &mut services {
        project.references.resolve(node);
    }
    let mut read = vec![];
    for (name, node) in services {
        let fields = Fields::of(node, "")?;
        let is_local = is_local(&name, &fields, local);
        if !is_local && fields.has("build") {
            imported.built.push(name.clone());
        }
        let published = published(&fields)?;
        let has_profile = fields.has("profiles");
        project.hosts.insert(name.clone(), ServiceHost { is_local, has_profile, published });
        read.push((name, fields, is_local));
    }
    if let LocalServices::Named(names) = local
        && let Some(unknown) = names.iter().find(|name| !project.hosts.contains_key(*name))
    {
        let why = format!("there is no service `{unknown}`");
        return Err(ImportError::Empty { file: name, why });
    }
    for (name, fields, is_local) in read {
        let mut process = ImportedProcess::new(&name, fields.place.clone());
        service(&project, files, &name, fields, is_local, &mut process)?;
        imported.processes.push(process);
    }
    let kept: Vec<&str> = OF_CONTAINERS.into_iter().filter(|key| top.take(key).is_some()).collect();
    if !kept.is_empty() {
        imported.comments.push(format!("Containers have {} of {name} as before.", kept.join(", ")));
    }
    top.leave(ROWS, &mut imported.left);
    Ok(imported)
}

/// What containers have as before, beside `services`.
const OF_CONTAINERS: [&str; 5] = ["networks", "volumes", "secrets", "configs", "models"];

/// All services, and what else the file says.
fn services(files: &mut SourceFiles) -> Result<(SourceTable, Fields), ImportError> {
    let main = files.main()?;
    let none = |file: &str| ImportError::Empty {
        file: file.to_owned(),
        why: "it has no `services`".to_owned(),
    };
    let mut node = yaml(&main.text, &main.name)?;
    for over in overrides(&main.name) {
        if let Some(file) = files.other(&over)? {
            node = merged(node, yaml(&file.text, &file.name)?);
        }
    }
    let mut top = Fields::of(node, "")?;
    for key in ["version", "name"] {
        top.take(key);
    }
    let mut services = vec![];
    if let Some(node) = top.take("include") {
        include(files, node, "", &mut services, 0)?;
    }
    if let Some(node) = top.take("services") {
        services.extend(node.table("services")?);
    }
    if services.is_empty() {
        return Err(none(&main.name));
    }
    if services.len() > MOST_PROCESSES {
        let why = format!("more than {MOST_PROCESSES} services are too many");
        return Err(ImportError::Empty { file: main.name.to_string(), why });
    }
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
    };
    if let Some((name, node)) = services.iter().find(|(name, _)| !is_name(name)) {
        let why = format!("`{}` is not a name of a service", name.escape_debug());
        return Err(node.place.error(why));
    }
    let all = services.clone();
    let mut copied = 0;
    let resolved = services
        .into_iter()
        .map(|(name, node)| Ok((name, extended(files, node, &all, 0, &mut copied)?)));
    Ok((resolved.collect::<Result<_, ImportError>>()?, top))
}

/// The files that `docker compose` lays over this one.
fn overrides(name: &str) -> Vec<String> {
    if !USUAL.contains(&name) {
        return vec![];
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    ["yml", "yaml"].map(|ending| format!("{stem}.override.{ending}")).to_vec()
}

/// Read the services of included files, whose paths are relative to this directory.
fn include(
    files: &mut SourceFiles,
    node: SourceNode,
    dir: &str,
    services: &mut SourceTable,
    depth: u8,
) -> Result<(), ImportError> {
    const DEEPEST_INCLUDE: u8 = 8;
    if depth > DEEPEST_INCLUDE {
        return Err(node.place.error("these files include each other"));
    }
    let items = match node.value {
        SourceValue::List(items) => items,
        _ => vec![node],
    };
    for item in items {
        let place = item.place.clone();
        let (paths, project) = if let SourceValue::Table(_) = item.value {
            let mut fields = Fields::of(item, "include")?;
            let paths = fields.texts("path")?.map_or_else(Vec::new, |paths| paths.value);
            (paths, fields.text("project_directory")?.map(|dir| dir.value))
        } else {
            (item.texts("include")?, None)
        };
        // Several paths are files that lie over each other.
        let mut whole: Option<SourceNode> = None;
        for path in &paths {
            let path = joined(dir, path);
            let Some(file) = files.other(&path)? else {
                return Err(place.error(format!("{path} does not exist")));
            };
            let node = yaml(&file.text, &file.name)?;
            whole = Some(match whole {
                Some(base) => merged(base, node),
                None => node,
            });
        }
        let (Some(node), Some(first)) = (whole, paths.first()) else { continue };
        let first = joined(dir, first);
        let dir =
            project.map_or_else(|| dir_of(&first).to_owned(), |project| joined(dir, &project));
        let mut top = Fields::of(node, "")?;
        if let Some(node) = top.take("include") {
            include(files, node, &dir, services, depth + 1)?;
        }
        let Some(node) = top.take("services") else { continue };
        for (name, mut node) in node.table("services")? {
            rebased(&mut node, &dir);
            services.push((name, node));
        }
    }
    Ok(())
}

/// Whether a service is to run here.
fn is_local(name: &str, fields: &Fields, local: &LocalServices) -> bool {
    match local {
        LocalServices::None => false,
        LocalServices::Built => fields.has("build"),
        LocalServices::Named(names) => names.iter().any(|named| named == name),
    }
}

fn service(
    project: &ComposeProject,
    files: &mut SourceFiles,
    name: &str,
    mut fields: Fields,
    is_local: bool,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let place = fields.place.clone();
    let client = &project.client;
    let quoted_name = shell::quoted(name);
    let is_local = is_local && local_command(project, files, &mut fields, process)?;
    if !is_local {
        let command = format!(
            "{client} up --no-deps --no-log-prefix --exit-code-from {quoted_name} {quoted_name}"
        );
        process.set_text("command", &command, &place);
    }
    dependencies(project, &mut fields, process)?;
    let exec = (!is_local).then(|| format!("{client} exec -T {quoted_name}"));
    if let Some(health) = fields.fields("healthcheck")? {
        healthcheck(health, exec.as_deref(), process)?;
    }
    if let Some(restart) = fields.text("restart")? {
        restart_policy(&restart, process);
    }
    let grace = fields.read("stop_grace_period", process, values::span_ms)?;
    let grace_place = grace.as_ref().map_or(&place, |grace| &grace.place).clone();
    let grace = grace.map(|grace| grace.value);
    let stop = if is_local {
        let signal = fields.read("stop_signal", process, values::signal)?;
        if let Some(signal) = &signal {
            process.comments.push(format!("stop_signal: in `stop` ({})", signal.place));
        }
        StopSettings {
            command: None,
            signal: signal.map(|signal| signal.value),
            timeout: grace.map(|grace| quoted(&written(grace))),
        }
    } else {
        StopSettings {
            command: Some(format!("{client} stop {quoted_name}")),
            signal: None,
            timeout: Some(quoted(&written(grace.unwrap_or(GRACE) + GRACE_OF_CLIENT))),
        }
    };
    stop.set(process, &grace_place);
    if let Some(profiles) = fields.texts("profiles")?
        && !profiles.value.is_empty()
    {
        process.set("autostart", "false".to_owned(), &profiles.place);
        process.set(
            "groups",
            list(profiles.value.iter().map(|name| process_name(name))),
            &profiles.place,
        );
    }
    if is_local {
        local_settings(project, files, &mut fields, process)?;
        fields.leave_at(ROWS, process);
    } else {
        let kept: Vec<String> =
            fields.rest().map(|(key, _)| key).filter(|key| !key.starts_with("x-")).collect();
        if !kept.is_empty() {
            process.comments.push(format!(
                "its container has the rest of {}: {}",
                place.file,
                kept.join(", ")
            ));
        }
    }
    Ok(())
}

fn written(millis: u64) -> String {
    crate::model::units::written_span(millis)
}

fn dependencies(
    project: &ComposeProject,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let Some(node) = fields.take("depends_on") else { return Ok(()) };
    let place = node.place.clone();
    if let SourceValue::List(_) = node.value {
        let needs =
            node.texts("depends_on")?.into_iter().map(|name| (process_name(&name), "started"));
        let needs: Vec<_> = needs.collect();
        if !needs.is_empty() {
            process.set("depends_on", values::depends_on(&needs), &place);
        }
        return Ok(());
    }
    let mut entries = vec![];
    for (name, node) in node.table("depends_on")? {
        let mut need = Fields::of(node, "depends_on")?;
        let condition = need.text("condition")?.map(|text| text.value);
        let condition = match condition.as_deref() {
            Some("service_healthy") => "ready",
            Some("service_completed_successfully") => "completed",
            _ => "started",
        };
        let value = if need.is_on("restart")? {
            super::toml_text::table(&[
                ("condition", quoted(condition)),
                ("restart", "true".to_owned()),
            ])
        } else {
            quoted(condition)
        };
        let required = need.text("required")?;
        // compose starts without one that is not to run.
        let is_there = project.hosts.get(&name).is_some_and(|host| !host.has_profile);
        if let Some(required) = required.filter(|required| !is_true(&required.value))
            && !is_there
        {
            let why = "it does not run without its profile, and here a dependency is started";
            process.leave(&required.place, format!("depends_on.{name}"), why);
            continue;
        }
        let name_here = process_name(&name);
        if entries.iter().all(|(known, _)| *known != name_here) {
            entries.push((name_here, value));
        }
        need.leave_at(ROWS, process);
    }
    if !entries.is_empty() {
        let entries: Vec<_> =
            entries.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        process.set("depends_on", super::toml_text::table(&entries), &place);
    }
    Ok(())
}

fn restart_policy(text: &Placed<String>, process: &mut ImportedProcess) {
    let place = &text.place;
    let (policy, most) = text.value.split_once(':').unwrap_or((&text.value, ""));
    let policy = match policy {
        "always" | "unless-stopped" => "always",
        "on-failure" => "on-failure",
        "no" | "false" => "no",
        other => {
            return process.leave(
                place,
                format!("restart: {other}"),
                "tmo does not know this value",
            );
        }
    };
    let most = most.parse::<u32>().map(|most| ("max_failures", most.to_string()));
    process.set("restart", values::restart(policy, &most.into_iter().collect::<Vec<_>>()), place);
}
