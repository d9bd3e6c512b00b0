//! docker compose and podman-compose: `compose.yaml`, with what it extends, includes and overrides.
//!
//! A service runs in its container, as before (`docker compose up NAME`), or, if the user wants that and the compose
//! file says what to run, here. What belongs to a container stays in the compose file, which its command goes on
//! reading.

mod dockerfile;
mod health;
mod here;
mod hosts;
mod merge;
mod rows;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use self::here::LocalService;
use self::hosts::{ComposeProject, MACHINE, ServiceHost, leave_unreached_hosts};
use self::merge::{Extension, merged, rebased};
pub(in crate::import) use self::rows::ROWS;
use self::rows::{ONLY_IN_CONTAINERS, TAKEN};
use crate::import::fields::{Fields, Placed, is_true};
use crate::import::files::{SourceFile, SourceFiles};
use crate::import::format::{ImportError, LocalServices};
use crate::import::node::{DEEPEST, SourceNode, SourceTable, SourceValue, yaml};
use crate::import::process::{Imported, ImportedProcess, process_name};
use crate::import::references::{EnvText, Keep, References};
use crate::import::rows::KeyResult;
use crate::import::values;
use crate::import::values::{dir_of, joined, list, quoted, table};
use crate::model::text::shell;
use crate::model::units::written_span;

/// The files that `docker compose` reads if it is given none.
const USUAL: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// How long a container has to stop, in milliseconds, and how much longer `docker compose stop` may take.
const GRACE: u64 = 10_000;
const GRACE_OF_CLIENT: u64 = 5_000;

pub(in crate::import) fn import_services(
    files: &mut SourceFiles,
    local: &LocalServices,
) -> Result<Imported, ImportError> {
    let main = files.main()?;
    let name = main.name.to_string();
    let mut imported = Imported::new("{ signal = \"TERM\", timeout = \"10s\" }");
    let references = References::of_env_file(files, &mut imported)?;
    let layers = layers(&name, &references, &mut imported);
    let (services, mut top) = read_services(files, &main, &layers, &references)?;
    let (mut project, services) = read_project(files, &layers, references, services, local)?;
    let is_service =
        |name: &String| project.hosts.get(name).is_some_and(|host| host.service == *name);
    if let LocalServices::Named(names) = local
        && let Some(unknown) = names.iter().find(|name| !is_service(name))
    {
        return Err(files.has_nothing(format!("there is no service `{unknown}`")));
    }
    let machine =
        ServiceHost { service: MACHINE.to_owned(), is_local: true, ..ServiceHost::default() };
    project.hosts.insert(MACHINE.to_owned(), machine);
    let project = Rc::new(project);
    let names: Vec<String> = services.iter().map(|service| service.name.clone()).collect();
    for ReadService { name, fields, here, process } in services {
        let is_local = here.is_some();
        let place = if is_local { &mut imported.local } else { &mut imported.contained };
        place.push(name.clone());
        imported.built.extend((!is_local && fields.has("build")).then(|| name.clone()));
        let service = ComposeService { project: Rc::clone(&project), name, is_local };
        imported.processes.push(service.process(files, fields, here, process)?);
    }
    remark_containers(&mut imported, &name, local);
    // Where the others look for one that runs here is where it listens.
    let asked = project.asked.borrow();
    for (process, name) in imported.processes.iter_mut().zip(&names) {
        if let Some((port, place)) = asked.get(name).filter(|_| !process.has("port")) {
            process.set("port", port.to_string(), place);
        }
    }
    for key in OF_CONTAINERS {
        top.take(key);
    }
    top.leave(ROWS, &mut imported.left);
    Ok(imported)
}

fn remark_containers(imported: &mut Imported, file: &str, local: &LocalServices) {
    if imported.contained.is_empty() {
        return;
    }
    imported.comments.push(format!("Containers have all else that {file} says, as before."));
    if *local == LocalServices::Built {
        let others = imported.contained.join(", ");
        imported.remarks.push(format!(
            "in containers, as before: {others}; `--local=NAME` names the services that run here"
        ));
    }
}

/// A service between the first look at all of them and what it becomes.
struct ReadService {
    name: String,
    fields: Fields,
    here: Option<LocalService>,
    process: ImportedProcess,
}

fn read_project(
    files: &mut SourceFiles,
    layers: &Layers,
    references: References,
    services: SourceTable,
    local: &LocalServices,
) -> Result<(ComposeProject, Vec<ReadService>), ImportError> {
    let reads_port = services.iter().any(|(_, node)| node.names_variable("PORT"));
    let file = format!(" -f {}", shell::quoted(files.main_name()));
    let file = if layers.is_usual { "" } else { &file };
    let profiles = references.known("COMPOSE_PROFILES").unwrap_or_default().split(',');
    let mut project = ComposeProject {
        // `docker compose` replaces `${PORT}` too, and tmo gives each process another one.
        client: format!("{}docker compose{file}", if reads_port { "env -u PORT " } else { "" }),
        profiles: profiles.map(|profile| profile.trim().to_owned()).collect(),
        references,
        hosts: BTreeMap::new(),
        asked: RefCell::default(),
    };
    let mut read = vec![];
    for (name, mut node) in services {
        project.references.resolve(&mut node);
        let fields = Fields::new(node, "")?;
        let mut process = ImportedProcess::new(&name, fields.place.clone());
        let here = if is_local(&name, &fields, local) {
            here::LocalService::new(&project.references, files, &fields, &mut process)?
        } else {
            None
        };
        project.add_host(&name, &fields, here.is_some())?;
        read.push(ReadService { name, fields, here, process });
    }
    Ok((project, read))
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
fn read_services(
    files: &mut SourceFiles,
    main: &SourceFile,
    layers: &Layers,
    references: &References,
) -> Result<(SourceTable, Fields), ImportError> {
    let none = |files: &SourceFiles| files.has_nothing("it has no `services`");
    let mut nodes = vec![];
    for (path, must_exist) in &layers.files {
        if *path == *main.name {
            nodes.push(yaml(&main.text, &main.name)?);
        } else if let Some(file) = files.other(path)? {
            nodes.push(yaml(&file.text, &file.name)?);
        } else if *must_exist {
            let why = format!("COMPOSE_FILE in .env names {path}, which does not exist");
            return Err(files.has_nothing(why));
        }
    }
    let mut whole = nodes.into_iter().reduce(merged).ok_or_else(|| none(files))?;
    references.expand(&mut whole);
    let mut top = Fields::new(whole, "")?;
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
        return Err(none(files));
    }
    if let Some((name, node)) = services.iter().find(|(name, _)| !{
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    }) {
        let why = format!("`{}` is not a name of a service", name.escape_debug());
        return Err(node.place.error(why));
    }
    let mut extension = Extension { files, references, copied: 0 };
    let resolved = services
        .iter()
        .map(|(name, node)| Ok((name.clone(), extension.extended(node.clone(), &services, 0)?)));
    Ok((resolved.collect::<Result<_, ImportError>>()?, top))
}

/// Read the services of included files, whose paths are relative to this directory.
fn include(
    files: &mut SourceFiles,
    node: SourceNode,
    dir: &str,
    references: &References,
    services: &mut SourceTable,
    depth: usize,
) -> Result<(), ImportError> {
    if depth > DEEPEST {
        return Err(node.place.error("these files include each other"));
    }
    for item in node.items() {
        let Some((mut node, dir)) = included_file(files, item, dir, references)? else { continue };
        references.expand(&mut node);
        let mut top = Fields::new(node, "")?;
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

/// An included file with variables of its own in place, and its directory. Several paths are files that lie over each
/// other.
fn included_file(
    files: &mut SourceFiles,
    item: SourceNode,
    dir: &str,
    references: &References,
) -> Result<Option<(SourceNode, String)>, ImportError> {
    let place = item.place.clone();
    let mut fields = match item.value {
        SourceValue::Table(_) => Fields::new(item, "include")?,
        _ => Fields::new(item.under("path"), "include")?,
    };
    let mut paths_of = |key: &str| {
        let paths = fields.texts(key)?.map_or_else(Vec::new, |paths| paths.value);
        Ok::<Vec<_>, ImportError>(paths.iter().map(|path| joined(dir, path)).collect())
    };
    let paths = paths_of("path")?;
    let project = paths_of("project_directory")?;
    let mut env_files = paths_of("env_file")?;
    let mut nodes = vec![];
    for path in &paths {
        let Some(file) = files.other(path)? else {
            return Err(place.error(format!("{path} does not exist")));
        };
        nodes.push(yaml(&file.text, &file.name)?);
    }
    let whole = nodes.into_iter().reduce(merged);
    let (Some(mut node), Some(first)) = (whole, paths.first()) else { return Ok(None) };
    let dir = project.into_iter().next().unwrap_or_else(|| dir_of(first).to_owned());
    if env_files.is_empty() {
        env_files.push(joined(&dir, ".env"));
    }
    // These variables are known to no process.
    let mut variables = vec![];
    for name in env_files.iter().filter(|name| *name != ".env") {
        let file = if files.exists(name) { files.other(name)? } else { None };
        variables.extend(file.into_iter().flat_map(|file| EnvText::new(&file.text).variables));
    }
    variables.retain(|(name, _)| references.known(name).is_none());
    if !variables.is_empty() {
        let known = References::new(variables);
        let is_known = |name: &str| known.known(name).is_some();
        let keep = Keep::AllBut(&is_known);
        node.edit(&|_| true, &mut |text, _| *text = known.expanded(text, keep));
    }
    Ok(Some((node, dir)))
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

/// A service that becomes a process.
pub(in crate::import) struct ComposeService {
    project: Rc<ComposeProject>,
    name: String,
    is_local: bool,
}

impl ComposeService {
    fn process(
        &self,
        files: &mut SourceFiles,
        mut fields: Fields,
        here: Option<LocalService>,
        mut process: ImportedProcess,
    ) -> Result<ImportedProcess, ImportError> {
        if let Some(here) = here {
            here.set_settings(&self.project, files, &mut fields, &mut process)?;
            fields.take_keys(ROWS, self, &mut process)?;
            leave_rest_of_local(fields, &mut process)?;
            return Ok(process);
        }
        let name = shell::quoted(&self.name);
        let client = &self.project.client;
        let command =
            format!("{client} up --no-deps --no-log-prefix --exit-code-from {name} {name}");
        process.set_text("command", &command, &fields.place);
        leave_unreached_hosts(&self.project, &fields, &mut process)?;
        if let Some(node) = fields.get_mut("healthcheck") {
            let keep = Keep::AllBut(&|name| name == "PORT");
            let references = &self.project.references;
            node.edit(&|key| key == "test", &mut |text, _| *text = references.expanded(text, keep));
        }
        fields.take_keys(ROWS, self, &mut process)?;
        Ok(process)
    }

    fn take_healthcheck(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        let Some(health) = fields.fields("healthcheck")? else { return Ok(()) };
        let client = || format!("{} exec -T {}", self.project.client, shell::quoted(&self.name));
        health::set_checks(health, (!self.is_local).then(client).as_deref(), process)
    }

    fn take_stop(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        let signal = fields.parsed("stop_signal", process, values::signal)?;
        let grace = fields.parsed("stop_grace_period", process, values::span_ms)?;
        let place = grace.as_ref().map(|grace| &grace.place);
        let place = place.or(signal.as_ref().map(|signal| &signal.place));
        let place = place.unwrap_or(&fields.place).clone();
        let grace = grace.map(|grace| grace.value);
        if self.is_local {
            if let Some(signal) = signal {
                process.set("stop.signal", signal.value, &place);
            }
            if let Some(grace) = grace {
                process.set_text("stop.timeout", &written_span(grace), &place);
            }
        } else {
            let command = format!("{} stop {}", self.project.client, shell::quoted(&self.name));
            process.set_text("stop.command", &command, &place);
            let timeout = written_span(grace.unwrap_or(GRACE) + GRACE_OF_CLIENT);
            process.set_text("stop.timeout", &timeout, &place);
        }
        Ok(())
    }

    fn take_profiles(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        let starts = self.project.starts(fields)?;
        let profiles = fields.texts("profiles")?.filter(|names| !names.value.is_empty());
        let Some(profiles) = profiles else { return Ok(()) };
        if !starts {
            process.set("autostart", "false".to_owned(), &profiles.place);
        }
        let groups = profiles.value.iter().map(|name| process_name(name));
        process.set("groups", list(groups), &profiles.place);
        Ok(())
    }

    fn take_needs(&self, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
        let Some(node) = fields.take("depends_on") else { return Ok(()) };
        let place = node.place.clone();
        if let SourceValue::List(_) = node.value {
            let names = node.texts("depends_on")?.into_iter();
            let needs: Vec<_> = names.map(|name| (process_name(&name), "started")).collect();
            if !needs.is_empty() {
                process.set("depends_on", values::depends_on(&needs), &place);
            }
            return Ok(());
        }
        let mut entries: Vec<(String, String)> = vec![];
        for (name, node) in node.table("depends_on")? {
            let mut need = Fields::new(node, "depends_on")?;
            let condition = need.text("condition")?.map(|text| text.value);
            let condition = quoted(match condition.as_deref() {
                Some("service_healthy") => "ready",
                Some("service_completed_successfully") => "completed",
                _ => "started",
            });
            let value = if need.is_on("restart")? {
                format!("{{ condition = {condition}, restart = true }}")
            } else {
                condition
            };
            // compose starts without one that is not to run.
            let is_there = self.project.hosts.get(&name).is_some_and(|host| !host.is_idle);
            let required = need.text("required")?.filter(|required| !is_true(&required.value));
            if let Some(required) = required.filter(|_| !is_there) {
                let why = "it does not run without its profile, and here a dependency is started";
                process.leave(&required.place, format!("depends_on.{name}"), why);
                continue;
            }
            let name_here = process_name(&name);
            if entries.iter().all(|(known, _)| *known != name_here) {
                entries.push((name_here, value));
            }
            need.leave(ROWS, &mut process.left);
        }
        if !entries.is_empty() {
            process.set("depends_on", table(&entries), &place);
        }
        Ok(())
    }
}

/// Name what a service that runs here has only in its container.
fn leave_rest_of_local(
    mut fields: Fields,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    TAKEN.split(' ').for_each(|key| drop(fields.take(key)));
    let kept: Vec<&str> =
        ONLY_IN_CONTAINERS.split(' ').filter(|key| fields.take(key).is_some()).collect();
    if !kept.is_empty() {
        process.comments.push(format!("only in its container: {}", kept.join(", ")));
    }
    let volumes = volume_names(&fields)?;
    let place = fields.take("volumes").filter(|_| !volumes.is_empty()).map(|node| node.place);
    if let Some(place) = place {
        let what = format!("volumes: {}", volumes.join(", "));
        process.leave(&place, what, "volumes are only in containers");
    }
    fields.drop_text("deploy.mode", "replicated");
    fields.drop_text("deploy.replicas", "1");
    fields.leave(ROWS, &mut process.left);
    Ok(())
}

/// The names of the volumes of a container.
fn volume_names(fields: &Fields) -> Result<Vec<String>, ImportError> {
    let Some(node) = fields.get("volumes") else { return Ok(vec![]) };
    let SourceValue::List(items) = &node.value else {
        return Err(node.unlike("volumes", "a list"));
    };
    let mut names = vec![];
    for item in items.clone() {
        if let SourceValue::Table(_) = item.value {
            let mut volume = Fields::new(item, "volumes")?;
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

fn take_restart(
    _: &ComposeService,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> KeyResult {
    let Some(Placed { value: text, place }) = fields.text("restart")? else { return Ok(()) };
    let (policy, most) = text.split_once(':').unwrap_or((&text, ""));
    let policy = match policy {
        "always" | "unless-stopped" => "always",
        "on-failure" => "on-failure",
        "no" | "false" => "no",
        other => {
            let why = "tmo does not know this value";
            process.leave(&place, format!("restart: {other}"), why);
            return Ok(());
        }
    };
    process.set_text("restart.policy", policy, &place);
    if let Some(most) = values::failures(most).filter(|_| most != "0") {
        process.set("restart.max_failures", most, &place);
    }
    Ok(())
}
