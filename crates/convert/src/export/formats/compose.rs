//! `compose.yaml`, of docker compose and podman-compose, and with `--with-tmo` of a Docker Swarm.

use super::checks;
use super::yaml::{Yaml, list, map, unexpanded};
use crate::export::files::{ExportedFile, MARK_HERE};
use crate::export::format::{ExportError, ExportFormat};
use crate::export::gaps;
use crate::export::project::{
    ExportOptions, ExportedProcess, ExportedProject, ExportedVariable, ProcessKind,
};
use crate::model::plan::rules::{DependencyCondition, Restart};
use crate::model::units::written_span;

/// How much longer than its process tmo may take to stop.
const TMO_ITSELF_MS: u64 = 5000;

pub(in crate::export) fn write(
    project: &ExportedProject,
    options: &ExportOptions,
    remarks: &mut Vec<String>,
) -> Result<Vec<ExportedFile>, ExportError> {
    ExportedProject::check_names(project.processes.iter(), service_name)?;
    project.remark_containers(options, remarks);
    let services = if options.with_tmo {
        let service = |process| service_under_tmo(project, options, process);
        project.entries().map(|process| (process.entry.clone(), service(process))).collect()
    } else {
        let service = |process| service(project, options, process);
        project.running().map(|process| (service_name(process), service(process))).collect()
    };
    let comments = gaps::of_cleanups(ExportFormat::Compose, project, options);
    let comments = std::iter::once(MARK_HERE.to_owned()).chain(comments);
    let mut document: Vec<(String, Yaml)> =
        comments.map(|comment| (String::new(), Yaml::Comment(comment))).collect();
    document.push(if options.with_tmo {
        // A Swarm takes files of version 3 only.
        ("version".to_owned(), "3.8".into())
    } else {
        ("name".to_owned(), project.app.as_str().into())
    });
    document.push(("services".to_owned(), Yaml::Map(services)));
    Ok(vec![ExportedFile::new("compose.yaml", Yaml::Map(document).document())])
}

fn service_name(process: &ExportedProcess) -> String {
    if process.instances == 1 {
        process.entry.clone()
    } else {
        format!("{}-{}", process.entry, process.number)
    }
}

fn service(project: &ExportedProject, options: &ExportOptions, process: &ExportedProcess) -> Yaml {
    let ports = match (process.served_port, process.port) {
        (Some(port), _) => list([format!("127.0.0.1:{port}:{port}")]),
        (None, Some(port)) if process.kind == ProcessKind::Service => {
            Yaml::Comment(format!("PORT is {port}; nothing shows that it listens there"))
        }
        (None, _) => Yaml::Nothing,
    };
    let needs = process.needs.iter().filter_map(|need| {
        let other = project.process(&need.name)?;
        let condition = match need.until {
            DependencyCondition::Completed => "service_completed_successfully",
            DependencyCondition::Ready if !tests(other).is_empty() => "service_healthy",
            DependencyCondition::Ready | DependencyCondition::Started => "service_started",
        };
        let restart = need.restart.then_some(true).into();
        Some((service_name(other), map([("condition", condition.into()), ("restart", restart)])))
    });
    let restart = match (process.restart.when, process.restart.max_failures) {
        // The last failure is not followed by a restart.
        (Restart::No, _) | (Restart::OnFailure, 1) => "no".to_owned(),
        (Restart::Always, _) => "always".to_owned(),
        (Restart::OnFailure, 0) => "on-failure".to_owned(),
        (Restart::OnFailure, most) => format!("on-failure:{}", most - 1),
    };
    let signal = &process.stop_signal;
    let is_needed =
        |other: &ExportedProcess| other.needs.iter().any(|need| need.name == process.name);
    let is_manual = !process.begins && !project.processes.iter().any(is_needed);
    let settings = [
        ("command", unexpanded(&process.in_container(&project.root))),
        ("environment", environment(project, options, process, |_| true)),
        ("ports", ports),
        ("depends_on", map(needs)),
        ("healthcheck", health(process)),
        ("restart", restart.into()),
        ("stop_signal", (signal != "TERM").then(|| format!("SIG{signal}")).into()),
        ("stop_grace_period", written_span(process.stop_timeout_ms).into()),
        ("profiles", if is_manual { list(["manual"]) } else { Yaml::Nothing }),
    ];
    map(image(project, options, process).into_iter().chain(settings))
}

/// A service that runs all instances of an entry, each in a container of its own, under tmo.
fn service_under_tmo(
    project: &ExportedProject,
    options: &ExportOptions,
    process: &ExportedProcess,
) -> Yaml {
    // A Swarm knows neither conditions nor order; tmo restarts what fails.
    let entry = |name: &str| project.process(name).map(|other| other.entry.clone());
    let mut needs: Vec<_> = process.needs.iter().filter_map(|need| entry(&need.name)).collect();
    needs.dedup();
    let is_service = process.kind == ProcessKind::Service;
    let wait = ["CMD", "tmo", "wait", &process.entry, "--for", "ready", "--timeout", "4s"];
    let health = map([
        ("test", list(wait)),
        // A Swarm waits for the first check before it goes on with the next task.
        ("interval", "3s".into()),
        ("timeout", "5s".into()),
        ("start_period", written_span(process.ready_timeout_ms().max(10_000)).into()),
        ("retries", 3.into()),
    ]);
    let condition = if is_service { "on-failure" } else { "none" };
    let grace = written_span(process.stop_timeout_ms + TMO_ITSELF_MS);
    let settings = [
        ("command", unexpanded(&process.under_tmo())),
        // What stands in tmo.toml and the Procfile is read from the image.
        ("environment", environment(project, options, process, |variable| variable.is_shared)),
        ("ports", process.served_port.map(|port| list([format!("{port}:{port}")])).into()),
        ("depends_on", list(needs)),
        ("healthcheck", if is_service { health } else { Yaml::Nothing }),
        ("stop_grace_period", grace.into()),
        (
            "deploy",
            map([
                ("replicas", process.replicas().into()),
                ("restart_policy", map([("condition", condition.into())])),
            ]),
        ),
    ];
    map(image(project, options, process).into_iter().chain(settings))
}

/// The image, after what is not exported.
fn image(
    project: &ExportedProject,
    options: &ExportOptions,
    process: &ExportedProcess,
) -> Vec<(&'static str, Yaml)> {
    let gaps = gaps::gaps_of(ExportFormat::Compose, options, process);
    let comments = gaps.map(|gap| ("", Yaml::Comment(gap.comment())));
    let build = ("build", options.build.as_deref().into());
    comments.chain([build, ("image", project.image(options).into())]).collect()
}

/// The variables, with secrets by reference: compose takes them from its own environment, or from `.env`.
fn environment(
    project: &ExportedProject,
    options: &ExportOptions,
    process: &ExportedProcess,
    is_wanted: impl Fn(&ExportedVariable) -> bool,
) -> Yaml {
    let variables = project.env_in_container(process).filter(|variable| is_wanted(variable));
    map(variables.map(|variable| {
        let value = if variable.is_secret && !options.with_secrets {
            format!("${{{}:?is a secret that is not in this file}}", variable.secret_name)
        } else {
            variable.value.replace('$', "$$")
        };
        (&*variable.name, value.into())
    }))
}

/// The checks as one command of a shell; empty if there are none.
fn tests(process: &ExportedProcess) -> String {
    let live = process.live.iter().filter(|_| process.ready.is_empty());
    let checks = process.ready.iter().filter(|check| !checks::is_delay(check)).chain(live);
    let commands: Vec<_> =
        checks.map(|check| format!("{{ {}; }}", checks::command(check))).collect();
    commands.join(" && ")
}

fn health(process: &ExportedProcess) -> Yaml {
    let tests = tests(process);
    if tests.is_empty() {
        return Yaml::Nothing;
    }
    let live = process.rules.live.as_ref().filter(|_| process.live.is_some());
    let every = live.map_or(1000, |live| live.every_ms.max(1000));
    let limit = live.map_or(5000, |live| live.timeout_ms.max(1000));
    map([
        ("test", list(["CMD-SHELL", &tests.replace('$', "$$")])),
        ("interval", written_span(every).into()),
        ("timeout", written_span(limit).into()),
        ("start_period", written_span(process.ready_timeout_ms()).into()),
        ("retries", live.map_or(3, |live| u64::from(live.failures.max(1))).into()),
    ])
}
