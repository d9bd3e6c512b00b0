//! `compose.yaml`, of docker compose and podman-compose, and with `--with-tmo` of a Docker Swarm.

use super::checks;
use super::error::ExportError;
use super::files::{ExportedFile, MARK_HERE};
use super::format::ExportFormat;
use super::gaps;
use super::project::{ExportOptions, ExportedProcess, ExportedProject, ProcessKind};
use super::yaml::{Yaml, YamlMap};
use crate::model::rules::{DependencyCondition, Restart};
use crate::model::units::written_span;

/// How much longer than its process tmo may take to stop.
const TMO_ITSELF_MS: u64 = 5000;

pub(super) fn write(
    project: &ExportedProject,
    options: &ExportOptions,
    remarks: &mut Vec<String>,
) -> Result<Vec<ExportedFile>, ExportError> {
    ExportedProject::check_names(project.processes.iter(), service_name)?;
    project.remark_containers(options, remarks);
    let mut services = YamlMap::default();
    if options.with_tmo {
        for process in project.entries() {
            services.set(&process.entry, service_under_tmo(project, options, process));
        }
    } else {
        for process in project.processes.iter().filter(|one| one.kind != ProcessKind::Cleanup) {
            services.set(&service_name(process), service(project, options, process));
        }
    }
    let mut document = YamlMap::default();
    document.comment(MARK_HERE);
    for comment in gaps::of_cleanups(ExportFormat::Compose, project, options) {
        document.comment(&comment);
    }
    if options.with_tmo {
        // A Swarm takes files of version 3 only.
        document.set("version", "3.8");
    } else {
        document.set("name", project.app.as_str());
    }
    document.set("services", services);
    Ok(vec![ExportedFile::new("compose.yaml", document.document())])
}

fn service_name(process: &ExportedProcess) -> String {
    if process.instances == 1 {
        process.entry.clone()
    } else {
        format!("{}-{}", process.entry, process.number)
    }
}

fn service(
    project: &ExportedProject,
    options: &ExportOptions,
    process: &ExportedProcess,
) -> YamlMap {
    let mut service = begun(project, options, process);
    service.set("command", Yaml::unexpanded(&process.in_container(&project.root)));
    service.set_filled("environment", environment(project, options, process, |_| true));
    if let Some(port) = process.served_port {
        service.set("ports", Yaml::row([format!("127.0.0.1:{port}:{port}").as_str()]));
    } else if let Some(port) = process.port.filter(|_| process.kind == ProcessKind::Service) {
        service.comment(&format!("PORT is {port}; nothing shows that it listens there"));
    }
    let mut needs = YamlMap::default();
    for need in &process.needs {
        let Some(other) = project.process(&need.name) else { continue };
        let condition = match need.until {
            DependencyCondition::Completed => "service_completed_successfully",
            DependencyCondition::Ready if !tests(other).is_empty() => "service_healthy",
            DependencyCondition::Ready | DependencyCondition::Started => "service_started",
        };
        let mut entry = YamlMap::default();
        entry.set("condition", condition);
        entry.set_some("restart", need.restart.then_some(true));
        needs.set(&service_name(other), entry);
    }
    service.set_filled("depends_on", needs);
    service.set_filled("healthcheck", health(process));
    let restart = match (process.restart.when, process.restart.max_failures) {
        // The last failure is not followed by a restart.
        (Restart::No, _) | (Restart::OnFailure, 1) => "no".to_owned(),
        (Restart::Always, _) => "always".to_owned(),
        (Restart::OnFailure, 0) => "on-failure".to_owned(),
        (Restart::OnFailure, most) => format!("on-failure:{}", most - 1),
    };
    service.set("restart", restart);
    if process.stop_signal != "TERM" {
        service.set("stop_signal", format!("SIG{}", process.stop_signal));
    }
    service.set("stop_grace_period", written_span(process.stop_timeout_ms));
    let is_needed = |one: &ExportedProcess| one.needs.iter().any(|need| need.name == process.name);
    if !process.begins && !project.processes.iter().any(is_needed) {
        service.set("profiles", Yaml::row(["manual"]));
    }
    service
}

/// A service that runs all instances of an entry, each in a container of its own, under tmo.
fn service_under_tmo(
    project: &ExportedProject,
    options: &ExportOptions,
    process: &ExportedProcess,
) -> YamlMap {
    let mut service = begun(project, options, process);
    service.set("command", Yaml::unexpanded(&process.under_tmo()));
    // What stands in tmo.toml and the Procfile is read from the image.
    service.set_filled("environment", environment(project, options, process, |one| one.is_shared));
    service.set_some(
        "ports",
        process.served_port.map(|port| Yaml::row([format!("{port}:{port}").as_str()])),
    );
    // A Swarm knows neither conditions nor order; tmo restarts what fails.
    let entry = |name: &str| project.process(name).map(|other| other.entry.clone());
    let mut needs: Vec<_> = process.needs.iter().filter_map(|need| entry(&need.name)).collect();
    needs.dedup();
    service.set_filled("depends_on", Yaml::row(needs.iter().map(String::as_str)));
    let mut health = YamlMap::default();
    health
        .set(
            "test",
            Yaml::row(["CMD", "tmo", "wait", &process.entry, "--for", "ready", "--timeout", "4s"]),
        )
        // A Swarm waits for the first check before it goes on with the next task.
        .set("interval", "3s")
        .set("timeout", "5s")
        .set("start_period", written_span(process.ready_timeout_ms.max(10_000)))
        .set("retries", 3);
    if process.kind == ProcessKind::Service {
        service.set("healthcheck", health);
    }
    service.set("stop_grace_period", written_span(process.stop_timeout_ms + TMO_ITSELF_MS));
    let mut policy = YamlMap::default();
    let is_once = process.kind != ProcessKind::Service;
    policy.set("condition", if is_once { "none" } else { "on-failure" });
    let mut deploy = YamlMap::default();
    deploy.set("replicas", if process.begins { process.instances } else { 0 });
    deploy.set("restart_policy", policy);
    service.set("deploy", deploy);
    service
}

/// The image, after what is not exported.
fn begun(project: &ExportedProject, options: &ExportOptions, process: &ExportedProcess) -> YamlMap {
    let mut service = YamlMap::default();
    for gap in gaps::of(ExportFormat::Compose, options, process) {
        service.comment(&gap.comment());
    }
    service.set_some("build", options.build.as_deref());
    service.set("image", project.image(options));
    service
}

/// The variables, with secrets by reference: compose takes them from its own environment, or from `.env`.
fn environment(
    project: &ExportedProject,
    options: &ExportOptions,
    process: &ExportedProcess,
    wanted: impl Fn(&super::project::ExportedVariable) -> bool,
) -> YamlMap {
    let mut map = YamlMap::default();
    for variable in project.env_in_container(process).filter(|variable| wanted(variable)) {
        let name = &variable.name;
        let value = if variable.is_secret && !options.with_secrets {
            format!("${{{}:?is a secret that is not in this file}}", variable.secret_name)
        } else {
            variable.value.replace('$', "$$")
        };
        map.set(name, value);
    }
    map
}

/// The checks as one command of a shell; empty if there are none.
fn tests(process: &ExportedProcess) -> String {
    let live = process.live.iter().map(|live| &live.check).filter(|_| process.ready.is_empty());
    let checks = process.ready.iter().filter(|check| !checks::is_delay(check)).chain(live);
    let commands: Vec<_> =
        checks.map(|check| format!("{{ {}; }}", checks::command(check))).collect();
    commands.join(" && ")
}

fn health(process: &ExportedProcess) -> YamlMap {
    let (tests, mut map) = (tests(process), YamlMap::default());
    if tests.is_empty() {
        return map;
    }
    let live = process.live.as_ref();
    let (every, limit) = live.map_or((1000, 5000), |live| (live.every_ms, live.timeout_ms));
    map.set("test", Yaml::row(["CMD-SHELL", &tests.replace('$', "$$")]))
        .set("interval", written_span(every.max(1000)))
        .set("timeout", written_span(limit.max(1000)))
        .set("start_period", written_span(process.ready_timeout_ms))
        .set("retries", live.map_or(3, |live| u64::from(live.failures.max(1))));
    map
}
