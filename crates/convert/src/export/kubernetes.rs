//! Manifests of Kubernetes: a Deployment or Job for each entry, a Service for each that listens, and what they share.

use std::fmt::Write as _;

use super::checks;
use super::error::ExportError;
use super::files::{ExportedFile, MARK_HERE};
use super::format::ExportFormat;
use super::gaps;
use super::project::{
    ExportOptions, ExportedCheck, ExportedNeed, ExportedProcess, ExportedProject, ProcessKind,
};
use super::yaml::{Yaml, YamlMap};
use crate::model::rules::{DependencyCondition, Probe, Restart};

/// How much longer than its process tmo may take to stop.
const TMO_ITSELF_S: u64 = 5;

pub(super) fn write(
    project: &ExportedProject,
    options: &ExportOptions,
    remarks: &mut Vec<String>,
) -> Result<Vec<ExportedFile>, ExportError> {
    ExportedProject::check_names(project.entries(), |process| label(&process.entry))?;
    project.remark_containers(options, remarks);
    let manifests = Manifests { project, options };
    let mut documents = vec![];
    documents.extend(manifests.variables("ConfigMap", "env", "data", |secret| !secret));
    documents.extend(manifests.variables("Secret", "secrets", "stringData", |secret| secret));
    for process in project.entries().filter(|process| process.kind != ProcessKind::Cleanup) {
        documents.extend(manifests.service(process));
        documents.push(manifests.workload(process));
    }
    let mut text = format!("# {MARK_HERE}\n");
    text.push_str(
        "# For trials and development: it has neither volumes nor limits nor an ingress.\n",
    );
    for comment in gaps::of_cleanups(ExportFormat::Kubernetes, project, options) {
        let _ = writeln!(text, "# {comment}");
    }
    let documents: Vec<_> = documents.iter().map(YamlMap::document).collect();
    text.push_str(&documents.join("---\n"));
    Ok(vec![ExportedFile::new(format!("{}.yaml", project.app), text)])
}

struct Manifests<'a> {
    project: &'a ExportedProject,
    options: &'a ExportOptions,
}

impl Manifests<'_> {
    /// A name that is unique in the namespace.
    fn name(&self, of: &str) -> String {
        format!("{}-{}", self.project.app, label(of))
    }

    fn object(
        &self,
        version: &str,
        kind: &str,
        of: &str,
        process: Option<&ExportedProcess>,
    ) -> YamlMap {
        let mut metadata = YamlMap::default();
        metadata.set("name", self.name(of)).set("labels", self.labels(process));
        let mut object = YamlMap::default();
        object.set("apiVersion", version).set("kind", kind).set("metadata", metadata);
        object
    }

    fn labels(&self, process: Option<&ExportedProcess>) -> YamlMap {
        let mut labels = YamlMap::default();
        labels.set("app.kubernetes.io/part-of", self.project.app.as_str());
        labels.set_some("app.kubernetes.io/name", process.map(|process| process.entry.as_str()));
        labels
    }

    /// The variables that all processes share, secret or not, and the secret ones of each.
    fn variables(
        &self,
        kind: &str,
        of: &str,
        key: &str,
        wanted: fn(bool) -> bool,
    ) -> Option<YamlMap> {
        let all = self.project.processes.iter().flat_map(|process| &process.env);
        let mut found: Vec<_> = all
            .filter(|one| wanted(one.is_secret) && (one.is_shared || one.is_secret))
            .map(|one| {
                let name = if one.is_secret { &one.secret_name } else { &one.name };
                (name.as_str(), one.value.as_str())
            })
            .collect();
        found.sort_unstable();
        found.dedup_by_key(|(name, _)| *name);
        let mut data = YamlMap::default();
        for (name, value) in &found {
            data.set(name, *value);
        }
        let mut object = self.object("v1", kind, of, None);
        object.set(key, data);
        (!found.is_empty()).then_some(object)
    }

    fn service(&self, process: &ExportedProcess) -> Option<YamlMap> {
        let port = u64::from(process.served_port?);
        let mut entry = YamlMap::default();
        entry.set("port", port).set("targetPort", port);
        let mut spec = YamlMap::default();
        spec.set("selector", self.labels(Some(process)));
        spec.set("ports", vec![entry.into()]);
        let mut object = self.object("v1", "Service", &process.entry, Some(process));
        object.set("spec", spec);
        Some(object)
    }

    /// The Deployment, or the Job of one that runs once.
    fn workload(&self, process: &ExportedProcess) -> YamlMap {
        let is_job = process.kind == ProcessKind::Task;
        let mut pod = YamlMap::default();
        if is_job {
            let is_again = process.restart.when != Restart::No;
            pod.set("restartPolicy", if is_again { "OnFailure" } else { "Never" });
        }
        let extra = if self.options.with_tmo { TMO_ITSELF_S } else { 0 };
        let grace = process.stop_timeout_ms.div_ceil(1000) + extra;
        pod.set("terminationGracePeriodSeconds", grace);
        let waits = process.needs.iter().filter_map(|need| self.wait(need)).collect::<Vec<_>>();
        pod.set_filled("initContainers", waits);
        pod.set("containers", vec![self.container(process).into()]);
        let mut metadata = YamlMap::default();
        metadata.set("labels", self.labels(Some(process)));
        let mut template = YamlMap::default();
        template.set("metadata", metadata).set("spec", pod);
        let mut spec = YamlMap::default();
        if is_job {
            spec.set("backoffLimit", u64::from(process.restart.max_failures.saturating_sub(1)));
        } else {
            let mut selector = YamlMap::default();
            selector.set("matchLabels", self.labels(Some(process)));
            spec.set("replicas", if process.begins { process.instances } else { 0 });
            spec.set("selector", selector);
        }
        spec.set("template", template);
        let (version, kind) = if is_job { ("batch/v1", "Job") } else { ("apps/v1", "Deployment") };
        let mut object = YamlMap::default();
        for gap in gaps::of(ExportFormat::Kubernetes, self.options, process) {
            object.comment(&gap.comment());
        }
        let mut rest = self.object(version, kind, &process.entry, Some(process));
        rest.set("spec", spec);
        object.append(rest);
        object
    }

    fn container(&self, process: &ExportedProcess) -> YamlMap {
        let with_tmo = self.options.with_tmo;
        let argv =
            if with_tmo { process.under_tmo() } else { process.in_container(&self.project.root) };
        let mut container = YamlMap::default();
        container.set("name", label(&process.entry));
        container.set("image", self.project.image(self.options));
        container.set("imagePullPolicy", "IfNotPresent");
        container.set("command", Yaml::unexpanded(&argv));
        self.environment(&mut container, process);
        let port = process.served_port.map(|port| {
            let mut entry = YamlMap::default();
            entry.set("containerPort", u64::from(port));
            vec![Yaml::from(entry)]
        });
        container.set_some("ports", port);
        if with_tmo {
            let argv = ["tmo", "wait", &process.entry, "--for", "ready", "--timeout", "4s"];
            let mut probe = exec(&argv.map(str::to_owned));
            probe.set("timeoutSeconds", 5);
            container.set("readinessProbe", probe);
            return container;
        }
        let ready: Vec<_> = process.ready.iter().filter(|check| !checks::is_delay(check)).collect();
        container.set_some(
            "readinessProbe",
            match &ready[..] {
                [] => None,
                [check] => Some(probe(check)),
                several => {
                    let several =
                        several.iter().map(|check| format!("{{ {}; }}", checks::command(check)));
                    Some(exec(&shell(&several.collect::<Vec<_>>().join(" && "))))
                }
            },
        );
        container.set_some(
            "livenessProbe",
            process.live.as_ref().map(|live| {
                let mut probe = probe(&live.check);
                probe.set("periodSeconds", live.every_ms.div_ceil(1000).max(1));
                probe.set("timeoutSeconds", live.timeout_ms.div_ceil(1000).max(1));
                probe.set("failureThreshold", u64::from(live.failures.max(1)));
                probe.set("initialDelaySeconds", process.ready_timeout_ms.div_ceil(1000));
                probe
            }),
        );
        container.set_some(
            "lifecycle",
            process.stop_command.as_ref().map(|command| {
                let mut lifecycle = YamlMap::default();
                lifecycle.set("preStop", exec(&shell(command)));
                lifecycle
            }),
        );
        container
    }

    /// Its own variables; the shared ones come from the `ConfigMap`, secrets from the Secret.
    fn environment(&self, container: &mut YamlMap, process: &ExportedProcess) {
        let mut env = vec![];
        for variable in self.project.env_in_container(process) {
            if !variable.is_secret && (variable.is_shared || self.options.with_tmo) {
                continue;
            }
            let mut entry = YamlMap::default();
            entry.set("name", variable.name.as_str());
            if variable.is_secret {
                let mut key = YamlMap::default();
                key.set("name", self.name("secrets")).set("key", variable.secret_name.as_str());
                let mut from = YamlMap::default();
                from.set("secretKeyRef", key);
                entry.set("valueFrom", from);
            } else {
                let value = if variable.name == "PS" { &process.entry } else { &variable.value };
                entry.set("value", value.replace('$', "$$"));
            }
            env.push(entry.into());
        }
        container.set_filled("env", env);
        if process.env.iter().any(|one| one.is_shared && !one.is_secret) {
            let (mut map, mut from) = (YamlMap::default(), YamlMap::default());
            map.set("name", self.name("env"));
            from.set("configMapRef", map);
            container.set("envFrom", vec![from.into()]);
        }
    }

    /// A container that ends when the other one accepts connections.
    fn wait(&self, need: &ExportedNeed) -> Option<Yaml> {
        let other = self.project.process(&need.name)?;
        let port = other.served_port.filter(|_| need.until != DependencyCondition::Completed)?;
        let host = self.name(&other.entry);
        let text = format!(
            "until nc -z {host} {port} 2>/dev/null || bash -c ':</dev/tcp/{host}/{port}' 2>/dev/null; do sleep 1; done"
        );
        let mut container = YamlMap::default();
        container
            .set("name", format!("wait-{}-{}", label(&other.entry), other.number))
            .set("image", self.project.image(self.options))
            .set("imagePullPolicy", "IfNotPresent")
            .set("command", Yaml::unexpanded(&shell(&text)));
        Some(container.into())
    }
}

/// The name of an entry as a label of DNS allows it.
fn label(entry: &str) -> String {
    entry.to_ascii_lowercase().replace('_', "-")
}

fn shell(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_owned).into()
}

fn exec(argv: &[String]) -> YamlMap {
    let (mut command, mut probe) = (YamlMap::default(), YamlMap::default());
    // Kubernetes expands nothing in a probe.
    command.set("command", Yaml::row(argv.iter().map(String::as_str)));
    probe.set("exec", command);
    probe
}

/// A check as Kubernetes carries it out, or by a command in the container.
fn probe(check: &ExportedCheck) -> YamlMap {
    let (mut probe, mut what) = (YamlMap::default(), YamlMap::default());
    match check {
        ExportedCheck::Port { host, port } if Probe::is_local(host) => {
            what.set("port", u64::from(*port));
            probe.set("tcpSocket", what);
            probe
        }
        ExportedCheck::Http { url } => match local_path(url) {
            Some((port, path)) => {
                what.set("port", u64::from(port)).set("path", path);
                probe.set("httpGet", what);
                probe
            }
            None => exec(&shell(&checks::command(check))),
        },
        ExportedCheck::Exec { argv } => exec(argv),
        ExportedCheck::Port { .. } | ExportedCheck::Delay { .. } => {
            exec(&shell(&checks::command(check)))
        }
    }
}

/// The port and path of a URL of this machine.
fn local_path(url: &str) -> Option<(u16, &str)> {
    let port = Probe::Http { url: url.to_owned() }.local_port()?;
    let rest = url.strip_prefix("http://")?;
    Some((port, rest.find('/').map_or("/", |at| &rest[at..])))
}
