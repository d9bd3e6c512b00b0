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

use std::cell::RefCell;
use std::collections::BTreeMap;

use self::health::healthcheck;
use self::here::LocalService;
use self::hosts::{ComposeProject, MACHINE, ServiceHost, unreached};
use self::merge::{extended, merged, rebased};
pub(super) use self::rows::ROWS;
use self::rows::{ONLY_IN_CONTAINERS, TAKEN};
use super::error::ImportError;
use super::fields::{Fields, Placed, is_true};
use super::files::{SourceFile, SourceFiles};
use super::node::{SourceNode, SourceTable, SourceValue, yaml};
use super::options::LocalServices;
use super::paths::{dir_of, joined};
use super::process::{Imported, ImportedProcess, process_name};
use super::references::{EnvText, Keep, References};
use super::toml_text::{list, quoted};
use super::values::{self, StopSettings};
use crate::model::shell;
use crate::model::units::written_span;

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
    let main = files.main()?;
    let name = main.name.to_string();
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"10s\" }");
    let mut references = References::default();
    if let Some(file) = files.other(".env")? {
        let text = EnvText::new(&file.text);
        references = References::of(text.variables.clone());
        text.mend(&file.name, &mut imported);
    }
    let layers = layers(&name, &references, &mut imported);
    let (services, mut top) = services(files, &main, &layers, &references)?;
    let reads_port = services.iter().any(|(_, node)| node.names_variable("PORT"));
    let client =
        if layers.is_usual { String::new() } else { format!(" -f {}", shell::quoted(&name)) };
    let profiles = references.known("COMPOSE_PROFILES").unwrap_or_default().split(',');
    let mut project = ComposeProject {
        // `docker compose` replaces `${PORT}` too, and tmo gives each process another one.
        client: format!("{}docker compose{client}", if reads_port { "env -u PORT " } else { "" }),
        profiles: profiles.map(|profile| profile.trim().to_owned()).collect(),
        references,
        hosts: BTreeMap::new(),
        asked: RefCell::default(),
    };
    let mut read = vec![];
    for (name, mut node) in services {
        project.references.resolve(&mut node);
        let fields = Fields::of(node, "")?;
        let mut process = ImportedProcess::new(&name, fields.place.clone());
        let here = if is_local(&name, &fields, local) {
            LocalService::of(&project.references, files, &fields, &mut process)?
        } else {
            imported.built.extend(fields.has("build").then(|| name.clone()));
            None
        };
        project.know(&name, &fields, here.is_some())?;
        read.push((name, fields, here, process));
    }
    let is_service =
        |name: &String| project.hosts.get(name).is_some_and(|host| host.service == *name);
    if let LocalServices::Named(names) = local
        && let Some(unknown) = names.iter().find(|name| !is_service(name))
    {
        let why = format!("there is no service `{unknown}`");
        return Err(ImportError::Empty { file: name, why });
    }
    let machine =
        ServiceHost { service: MACHINE.to_owned(), is_local: true, ..ServiceHost::default() };
    project.hosts.insert(MACHINE.to_owned(), machine);
    let mut here_at = vec![];
    for (at, (name, fields, here, mut process)) in read.into_iter().enumerate() {
        let place = if here.is_some() { &mut imported.local } else { &mut imported.contained };
        place.push(name.clone());
        here_at.extend(here.is_some().then(|| (at, name.clone())));
        service(&project, files, &name, fields, here, &mut process)?;
        imported.processes.push(process);
    }
    if here_at.len() < imported.processes.len() {
        imported.comments.push(format!("Containers have all else that {name} says, as before."));
        if *local == LocalServices::Built {
            let others = imported.contained.join(", ");
            imported.remarks.push(format!(
                "in containers, as before: {others}; `--local=NAME` names the services that run here"
            ));
        }
    }
    // Where the others look for it is where it listens.
    let asked = project.asked.into_inner();
    for (at, name) in here_at {
        let process = imported.processes.get_mut(at).filter(|process| !process.has("port"));
        if let (Some(process), Some((port, place))) = (process, asked.get(&name)) {
            process.set("port", port.to_string(), place);
        }
    }
    for key in OF_CONTAINERS {
        top.take(key);
    }
    top.leave(ROWS, &mut imported.left);
    Ok(imported)
}

/// What containers have as before, beside `services`.
const OF_CONTAINERS: [&str; 5] = ["networks", "volumes", "secrets", "configs", "models"];

/// The files that are read.
struct Layers {
    /// In their order, with whether each must exist.
    files: Vec<(String, bool)>,
    /// `docker compose` reads these without being told to.
    is_usual: bool,
}

/// The file that is imported, with those that `docker compose` lays over it or under it.
fn layers(name: &str, references: &References, imported: &mut Imported) -> Layers {
    let between = references.known("COMPOSE_PATH_SEPARATOR").filter(|between| !between.is_empty());
    let listed = references.known("COMPOSE_FILE").filter(|listed| !listed.is_empty());
    let is_usual = USUAL.contains(&name) && listed.is_none();
    if let Some(listed) = listed {
        let paths = listed.split(between.unwrap_or(":")).map(|path| joined("", path.trim()));
        let files: Vec<_> = paths.map(|path| (path, true)).collect();
        if files.iter().any(|(path, _)| path == name) {
            return Layers { files, is_usual: true };
        }
        imported.comments.push(format!("{name} is read alone: COMPOSE_FILE in .env is {listed}."));
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let over = ["yml", "yaml"].map(|ending| (format!("{stem}.override.{ending}"), false));
    let over = over.into_iter().filter(|_| is_usual);
    Layers { files: std::iter::once((name.to_owned(), true)).chain(over).collect(), is_usual }
}

/// All services, and what else the file says.
fn services(
    files: &mut SourceFiles,
    main: &SourceFile,
    layers: &Layers,
    references: &References,
) -> Result<(SourceTable, Fields), ImportError> {
    let none = |file: &str| ImportError::Empty {
        file: file.to_owned(),
        why: "it has no `services`".to_owned(),
    };
    let mut nodes = vec![];
    for (path, must_exist) in &layers.files {
        if *path == *main.name {
            nodes.push(yaml(&main.text, &main.name)?);
        } else if let Some(file) = files.other(path)? {
            nodes.push(yaml(&file.text, &file.name)?);
        } else if *must_exist {
            let why = format!("COMPOSE_FILE in .env names {path}, which does not exist");
            return Err(ImportError::Empty { file: main.name.to_string(), why });
        }
    }
    let mut whole = nodes.into_iter().reduce(merged).ok_or_else(|| none(&main.name))?;
    references.expand(&mut whole);
    let mut top = Fields::of(whole, "")?;
    for key in ["version", "name"] {
        top.take(key);
    }
    let mut services = vec![];
    if let Some(node) = top.take("include") {
        include(files, node, "", references, &mut services, 0)?;
    }
    if let Some(node) = top.take("services") {
        // What is included may be changed here.
        let included =
            SourceNode { place: node.place.clone(), value: SourceValue::Table(services) };
        let place = node.place.clone();
        let own = SourceNode { place, value: SourceValue::Table(node.table("services")?) };
        services = merged(included, own).table("services")?;
    }
    if services.is_empty() {
        return Err(none(&main.name));
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
        .map(|(name, node)| Ok((name, extended((files, references), node, &all, 0, &mut copied)?)));
    Ok((resolved.collect::<Result<_, ImportError>>()?, top))
}

/// Read the services of included files, whose paths are relative to this directory.
fn include(
    files: &mut SourceFiles,
    node: SourceNode,
    dir: &str,
    references: &References,
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
        let mut fields = match item.value {
            SourceValue::Table(_) => Fields::of(item, "include")?,
            _ => Fields::of(item.under("path"), "include")?,
        };
        let mut paths_of = |key: &str| {
            let paths = fields.texts(key)?.map_or_else(Vec::new, |paths| paths.value);
            Ok::<Vec<_>, ImportError>(paths.iter().map(|path| joined(dir, path)).collect())
        };
        let (paths, project) = (paths_of("path")?, paths_of("project_directory")?);
        let mut env_files = paths_of("env_file")?;
        // Several paths are files that lie over each other.
        let mut nodes = vec![];
        for path in &paths {
            let Some(file) = files.other(path)? else {
                return Err(place.error(format!("{path} does not exist")));
            };
            nodes.push(yaml(&file.text, &file.name)?);
        }
        let whole = nodes.into_iter().reduce(merged);
        let (Some(mut node), Some(first)) = (whole, paths.first()) else { continue };
        let dir = project.into_iter().next().unwrap_or_else(|| dir_of(first).to_owned());
        if env_files.is_empty() {
            env_files.push(joined(&dir, ".env"));
        }
        // Its own variables are known to no process.
        let mut own = vec![];
        for name in env_files.iter().filter(|name| *name != ".env") {
            let file = if files.exists(name) { files.other(name)? } else { None };
            own.extend(file.into_iter().flat_map(|file| EnvText::new(&file.text).variables));
        }
        own.retain(|(name, _)| references.known(name).is_none());
        if !own.is_empty() {
            let own = References::of(own);
            let is_own = |name: &str| own.known(name).is_some();
            let keep = Keep::AllBut(&is_own);
            node.edit(&|_| true, &mut |text| *text = own.expanded(text, keep));
        }
        references.expand(&mut node);
        let mut top = Fields::of(node, "")?;
        if let Some(node) = top.take("include") {
            include(files, node, &dir, references, services, depth + 1)?;
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
        LocalServices::Built => {
            fields.has("build") || fields.has("command") && !fields.has("image")
        }
        LocalServices::Named(names) => names.iter().any(|named| named == name),
    }
}

fn service(
    project: &ComposeProject,
    files: &mut SourceFiles,
    name: &str,
    mut fields: Fields,
    mut here: Option<LocalService>,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let place = fields.place.clone();
    let client = &project.client;
    let quoted_name = shell::quoted(name);
    let is_local = here.is_some();
    if let Some(here) = &mut here {
        here.settings(project, files, &mut fields, process)?;
    } else {
        let command = format!(
            "{client} up --no-deps --no-log-prefix --exit-code-from {quoted_name} {quoted_name}"
        );
        process.set_text("command", &command, &place);
        unreached(project, &fields, process)?;
        if let Some(node) = fields.get_mut("healthcheck") {
            let keep = Keep::AllBut(&|name| name == "PORT");
            let edit = |text: &mut String| *text = project.references.expanded(text, keep);
            node.edit(&|key| key == "test", &mut { edit });
        }
    }
    dependencies(project, &mut fields, process)?;
    if let Some(health) = fields.fields("healthcheck")? {
        let exec = (!is_local).then(|| format!("{client} exec -T {quoted_name}"));
        healthcheck(health, exec.as_deref(), process)?;
    }
    if let Some(restart) = fields.text("restart")? {
        restart_policy(&restart, process);
    }
    let stop_keys = ["stop_grace_period", "stop_signal"];
    let stop_place = stop_keys.into_iter().find_map(|key| fields.get(key));
    let stop_place = stop_place.map_or(&place, |node| &node.place).clone();
    let grace = fields.read(stop_keys[0], process, values::span_ms)?.map(|grace| grace.value);
    let signal = fields.read(stop_keys[1], process, values::signal)?.map(|signal| signal.value);
    let stop = if is_local {
        StopSettings {
            command: None,
            signal,
            timeout: grace.map(|grace| quoted(&written_span(grace))),
        }
    } else {
        StopSettings {
            command: Some(format!("{client} stop {quoted_name}")),
            signal: None,
            timeout: Some(quoted(&written_span(grace.unwrap_or(GRACE) + GRACE_OF_CLIENT))),
        }
    };
    stop.set(process, &stop_place);
    let starts = project.starts(&fields)?;
    if let Some(profiles) = fields.texts("profiles")?.filter(|names| !names.value.is_empty()) {
        if !starts {
            process.set("autostart", "false".to_owned(), &profiles.place);
        }
        let groups = profiles.value.iter().map(|name| process_name(name));
        process.set("groups", list(groups), &profiles.place);
    }
    if is_local {
        left_of_local(fields, process)?;
    }
    Ok(())
}

/// Name what a service that runs here has only in its container.
fn left_of_local(mut fields: Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    TAKEN.split(' ').for_each(|key| drop(fields.take(key)));
    let kept: Vec<&str> =
        ONLY_IN_CONTAINERS.split(' ').filter(|key| fields.take(key).is_some()).collect();
    if !kept.is_empty() {
        process.comments.push(format!("only in its container: {}", kept.join(", ")));
    }
    let volumes = volumes(&fields)?;
    let place = fields.take("volumes").filter(|_| !volumes.is_empty()).map(|node| node.place);
    if let Some(place) = place {
        let what = format!("volumes: {}", volumes.join(", "));
        process.leave(&place, what, "volumes are only in containers");
    }
    if let Some(mut deploy) = fields.fields("deploy")? {
        for (key, usual) in [("mode", "replicated"), ("replicas", "1")] {
            let is_usual =
                |node: &SourceNode| matches!(&node.value, SourceValue::Text(text) if text == usual);
            if deploy.get(key).is_some_and(is_usual) {
                deploy.take(key);
            }
        }
        deploy.leave_at(ROWS, process);
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

/// The names of the volumes of a container.
fn volumes(fields: &Fields) -> Result<Vec<String>, ImportError> {
    let Some(node) = fields.get("volumes") else { return Ok(vec![]) };
    let SourceValue::List(items) = &node.value else {
        return Err(node.unlike("volumes", "a list"));
    };
    let mut names = vec![];
    for item in items.clone() {
        if let SourceValue::Table(_) = item.value {
            let mut volume = Fields::of(item, "volumes")?;
            if volume.text("type")?.is_none_or(|kind| kind.value != "bind") {
                names.extend(volume.text("source")?.map(|source| source.value));
            }
        } else {
            let text = item.text("volumes")?;
            names.extend(text.split_once(':').map(|(name, _)| name.to_owned()));
        }
    }
    names.retain(|name| !name.starts_with(['.', '/', '~', '$']));
    Ok(names)
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
        let is_there = project.hosts.get(&name).is_some_and(|host| !host.is_idle);
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
    let most = Some(most).filter(|most| *most != "0").and_then(values::failures);
    let most: Vec<_> = most.map(|most| ("max_failures", most)).into_iter().collect();
    process.set("restart", values::restart(policy, &most), place);
}
