//! docker compose and podman-compose: `compose.yaml`, with what it extends, includes and overrides.
//!
//! A service runs in its container, as before (`docker compose up NAME`), or, if the user wants that and the compose
//! file says what to run, here. What belongs to a container stays in the compose file, which its command goes on
//! reading.

mod merge;
mod variables;

use std::collections::HashMap;

use self::merge::{extended, merged};
use self::variables::{References, command_text, known_variables};
use super::error::ImportError;
use super::fields::{Fields, Placed, is_true};
use super::files::{SourceFiles, is_below};
use super::node::{SourceNode, SourcePlace, SourceTable, SourceValue, yaml};
use super::options::{LocalServices, MOST_PROCESSES};
use super::probe::{self, ImportedProbe};
use super::process::{Imported, ImportedProcess, process_name};
use super::rows::Row;
use super::toml_text::{list, quoted};
use super::values::{self, StopSettings};
use crate::model::shell;

/// What becomes of its keys.
pub(super) const ROWS: &[Row] = &[
    Row("`command`, `entrypoint`", "`command`"),
    Row("`working_dir`, `environment`, `env_file`", "`cwd`, `env`, `env_file`"),
    Row(
        "`depends_on`, a list, or with `service_started`",
        "`\"started\"`; here a list means `\"ready\"`",
    ),
    Row("… `service_healthy`", "`\"ready\"`"),
    Row("… `service_completed_successfully`", "`\"completed\"`"),
    Row("… `restart: true`", "`{ condition = \"ready\", restart = true }`"),
    Row("… `required: false`", "-"),
    Row(
        "`healthcheck.test`",
        "two keys: `ready = { exec = \"…\" }` until it is up, `live = { exec = \"…\" }` from then on",
    ),
    Row("… `interval`", "`every`"),
    Row(
        "… `timeout`",
        "`timeout` of `live`; the one of `ready` is the time for all attempts together",
    ),
    Row("… `retries`", "`failures` of `live`"),
    Row("… `start_period`", "`timeout` of `ready`"),
    Row("… `start_interval`", "-"),
    Row("… `disable: true`", "no check"),
    Row(
        "`restart: \"no\"`, `always`, `on-failure`",
        "`restart = \"no\"`, `\"always\"`, `\"on-failure\"`",
    ),
    Row("`restart: on-failure:5`", "`restart = { policy = \"on-failure\", max_failures = 5 }`"),
    Row(
        "`restart: unless-stopped`",
        "`restart = \"always\"`: a process stopped by `tmo stop` stays stopped anyway",
    ),
    Row("`stop_signal`, `stop_grace_period`", "`stop = { signal = \"TERM\", timeout = \"10s\" }`"),
    Row("`pre_stop`", "`stop = { command = \"…\" }`"),
    Row("`post_start`", "-"),
    Row("`profiles`", "`autostart = false` and `groups`"),
    Row("`scale`, `deploy.replicas`", "- (`tmo start -m web=2`, `tmo scale web=2`)"),
    Row("`ports`, `expose`", "- (`port` sets the PORT of the process; nothing is forwarded)"),
    Row("`image`, `build`, `volumes`, `networks`, `secrets`, `configs`, `user`, limits", "-"),
    Row(
        "`container_name`, `hostname`, `labels`, `logging`, `platform`, `tty`, `stdin_open`, `init`",
        "-",
    ),
    Row("`develop.watch`", "-"),
    Row(
        "`extends`, `include`, several files",
        "read by `tmo import`; here `[defaults]` holds what all processes share",
    ),
];

/// The files that `docker compose` reads if it is given none.
const USUAL: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// How long a container has to stop, in milliseconds, and how much longer `docker compose stop` may take.
const GRACE: u64 = 10_000;
const GRACE_OF_CLIENT: u64 = 5_000;

/// What all services need to know.
struct ComposeProject {
    /// `docker compose`, with the file if it has to be named.
    client: String,
    /// Variables that are set in `.env`.
    known: Vec<String>,
    /// How each service is reached from this machine.
    hosts: HashMap<String, ServiceHost>,
}

/// Where what a service listens on is found from outside its container.
struct ServiceHost {
    is_local: bool,
    /// Its ports inside its container and on this machine.
    published: Vec<(String, String)>,
}

pub(super) fn read(
    files: &mut SourceFiles,
    local: &LocalServices,
) -> Result<Imported, ImportError> {
    let name = files.main_name().to_owned();
    let (services, mut top) = services(files)?;
    let env = files.other(".env")?.map_or_else(String::new, |file| file.text);
    let is_usual = USUAL.contains(&name.as_str());
    let client = if is_usual { String::new() } else { format!(" -f {}", shell::quoted(&name)) };
    let mut project = ComposeProject {
        client: format!("docker compose{client}"),
        known: known_variables(&env),
        hosts: HashMap::new(),
    };
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"10s\" }");
    let mut read = vec![];
    for (name, node) in services {
        let fields = Fields::of(node, "")?;
        let is_local = is_local(&name, &fields, local);
        if !is_local && fields.has("build") {
            imported.built.push(name.clone());
        }
        let published = published(&fields)?;
        project.hosts.insert(name.clone(), ServiceHost { is_local, published });
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
    if let Some(included) = top.take("include") {
        for path in included_paths(included)? {
            let Some(file) = files.other(&path.value)? else {
                return Err(path.place.error(format!("{} does not exist", path.value)));
            };
            let mut included = Fields::of(yaml(&file.text, &file.name)?, "")?;
            if let Some(node) = included.take("services") {
                services.extend(node.table("services")?);
            }
        }
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

fn included_paths(node: SourceNode) -> Result<Vec<Placed<String>>, ImportError> {
    let items = match node.value {
        SourceValue::List(items) => items,
        _ => vec![node],
    };
    let mut paths = vec![];
    for item in items {
        let place = item.place.clone();
        let texts = match item.value {
            SourceValue::Table(_) => {
                Fields::of(item, "include")?.texts("path")?.map(|paths| paths.value)
            }
            _ => Some(item.texts("include")?),
        };
        let named = texts.into_iter().flatten();
        paths.extend(named.map(|value| Placed { value, place: place.clone() }));
    }
    Ok(paths)
}

/// Whether a service is to run here.
fn is_local(name: &str, fields: &Fields, local: &LocalServices) -> bool {
    match local {
        LocalServices::None => false,
        LocalServices::Built => fields.has("build"),
        LocalServices::Named(names) => names.iter().any(|named| named == name),
    }
}

/// The ports of a service: inside its container, and on this machine.
fn published(fields: &Fields) -> Result<Vec<(String, String)>, ImportError> {
    let Some(node) = fields.get("ports") else { return Ok(vec![]) };
    let items = match &node.value {
        SourceValue::List(items) => items.clone(),
        _ => vec![node.clone()],
    };
    let mut ports = vec![];
    for item in items {
        let pair = if let SourceValue::Table(_) = item.value {
            let mut port = Fields::of(item, "ports")?;
            let target = port.text("target")?.map(|text| text.value);
            target.zip(port.text("published")?.map(|text| text.value))
        } else {
            let text = item.text("ports")?;
            let text = text.split('/').next().unwrap_or_default();
            let mut parts = text.rsplitn(3, ':');
            let inside = parts.next().map(str::to_owned);
            inside.zip(parts.next().map(str::to_owned))
        };
        ports.extend(pair);
    }
    Ok(ports)
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
    let is_local = is_local && local_command(files, &mut fields, process)?;
    if !is_local {
        let command = format!(
            "{client} up --no-deps --no-log-prefix --exit-code-from {quoted_name} {quoted_name}"
        );
        process.set_text("command", &command, &place);
    }
    dependencies(&mut fields, process)?;
    let exec = (!is_local).then(|| format!("{client} exec -T {quoted_name}"));
    if let Some(health) = fields.fields("healthcheck")? {
        healthcheck(health, exec.as_deref(), process)?;
    }
    if let Some(restart) = fields.text("restart")? {
        restart_policy(&restart, process);
    }
    let grace = fields.text("stop_grace_period")?;
    let grace_place = grace.as_ref().map_or(&place, |grace| &grace.place).clone();
    let grace = grace.and_then(|text| values::span_ms(&text.value));
    let stop = if is_local {
        let signal = fields.text("stop_signal")?;
        StopSettings {
            command: None,
            signal: signal.and_then(|signal| values::signal(&signal.value)),
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

/// Set the command of a service that is to run here; `false` if the compose file does not say what that is.
fn local_command(
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
    Ok(is_below(std::path::Path::new(&dir)).then_some((dir, file)))
}

/// The command that a Dockerfile ends with.
fn dockerfile_command(
    files: &mut SourceFiles,
    dir: &str,
    name: &str,
) -> Result<Option<(String, SourcePlace)>, ImportError> {
    let path = std::path::Path::new(dir).join(name);
    let Some(path) = path.to_str().filter(|path| is_below(std::path::Path::new(path))) else {
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
fn local_settings(
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

/// How ports are written.
fn published_inside(node: &SourceNode) -> Result<Vec<String>, ImportError> {
    let SourceValue::List(items) = &node.value else { return Ok(vec![]) };
    let texts = items.iter().map(|item| match &item.value {
        SourceValue::Table(_) => {
            let target = Fields::of(item.clone(), "ports")?.text("target")?;
            Ok(target.map_or_else(String::new, |target| target.value))
        }
        _ => item.clone().text("ports"),
    });
    texts.collect()
}

/// A value in which other services are reached from this machine.
fn reached(
    project: &ComposeProject,
    variable: &str,
    value: &str,
    place: &SourcePlace,
    process: &mut ImportedProcess,
) -> String {
    let mut result = value.to_owned();
    for (name, host) in &project.hosts {
        let Some((before, after)) = split_at_host(&result, name) else { continue };
        let digits = after
            .strip_prefix(':')
            .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        let digits = digits.filter(|digits| !digits.is_empty());
        let rest = digits.as_ref().map_or(after, |digits| &after[1 + digits.len()..]);
        let port = match (&digits, host.is_local) {
            (Some(port), false) => {
                let outside = host.published.iter().find(|(inside, _)| inside == port);
                if outside.is_none() {
                    let why = format!(
                        "{name} does not publish port {port}, so it can't be reached from here: add it to `ports` of {name}"
                    );
                    process.leave(place, format!("environment.{variable}"), why);
                }
                Some(outside.map_or(port, |(_, outside)| outside).clone())
            }
            (port, _) => port.clone(),
        };
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        result = format!("{before}localhost{port}{rest}");
        process.comments.push(format!("{variable}: {name} is localhost here"));
    }
    result
}

/// A value split around a host name in it.
fn split_at_host<'a>(value: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut from = 0;
    while let Some(found) = value[from..].find(name) {
        let (before, after) = (&value[..from + found], &value[from + found + name.len()..]);
        let begins = before.is_empty() || before.ends_with("//") || before.ends_with(['@', ',']);
        // A scheme may be called like a service: `redis://redis`.
        let ends = after.is_empty() || after.starts_with([':', '/', ',', '?']);
        let ends = ends && !after.starts_with("://");
        // A word alone is a host only if it is the whole value or has a port.
        let is_host = !before.is_empty() || after.is_empty() || after.starts_with(':');
        if begins && ends && is_host {
            return Some((before, after));
        }
        from += found + name.len();
    }
    None
}

fn dependencies(fields: &mut Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
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
        let name_here = process_name(&name);
        if entries.iter().all(|(known, _)| *known != name_here) {
            entries.push((name_here, value));
        }
        if let Some(required) = need.text("required")?
            && !is_true(&required.value)
        {
            process.leave(
                &required.place,
                format!("depends_on.{name}.required"),
                "tmo has no equivalent",
            );
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

/// The usual values of a health check, in milliseconds.
const INTERVAL: u64 = 30_000;
const RETRIES: u64 = 3;

fn healthcheck(
    mut fields: Fields,
    exec: Option<&str>,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let place = fields.place.clone();
    if fields.is_on("disable")? {
        process.comments.push(format!("healthcheck: disabled ({place})"));
        return Ok(());
    }
    let command = match fields.take("test") {
        None => None,
        Some(node) => match &node.value {
            SourceValue::Text(line) if line == "NONE" => return Ok(()),
            SourceValue::Text(line) => Some(in_shell(line, exec)),
            _ => {
                let words = node.texts("healthcheck.test")?;
                match words.split_first() {
                    Some((kind, rest)) if kind == "CMD-SHELL" => {
                        Some(in_shell(&rest.join(" "), exec))
                    }
                    Some((kind, rest)) if kind == "CMD" => {
                        let words = rest.iter().map(|word| shell::quoted(&word.replace("$$", "$")));
                        let line = words.collect::<Vec<_>>().join(" ");
                        Some(exec.map_or_else(|| line.clone(), |exec| format!("{exec} {line}")))
                    }
                    Some(_) | None => return Ok(()),
                }
            }
        },
    };
    let mut text = |key: &str| Ok::<_, ImportError>(fields.text(key)?.map(|text| text.value));
    let every = probe::time(text("interval")?).filter(|every| *every > 0).unwrap_or(INTERVAL);
    let probe = ImportedProbe {
        check: command.map(|command| ("exec", quoted(&command))),
        every: Some(every),
        timeout: probe::time(text("timeout")?),
        failures: Some(probe::count(text("retries")?).unwrap_or(RETRIES)),
        grace: probe::time(text("start_period")?),
    };
    // Until it is ready, a second is soon enough: compose looks every thirty unless it is told otherwise.
    let first = ImportedProbe {
        every: Some(every.min(1000)),
        check: probe.check.clone(),
        ..ImportedProbe::default()
    };
    let whole = probe
        .grace
        .unwrap_or(0)
        .saturating_add(every.saturating_mul(probe.failures.unwrap_or(RETRIES)));
    if let Some(ready) = (ImportedProbe { grace: Some(whole), ..first }).ready() {
        process.set("ready", ready, &place);
    }
    if let Some(live) = probe.live("notify") {
        process.set("live", live, &place);
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

/// A line for the shell, of this machine or of a container.
fn in_shell(line: &str, exec: Option<&str>) -> String {
    let line = line.replace("$$", "$");
    match exec {
        Some(exec) => format!("{exec} sh -c {}", shell::quoted(&line)),
        None => line,
    }
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
