//! Manifests of Kubernetes: a Deployment or Job for each entry, a Service for each that listens, and what they share.

use std::fmt::Write as _;

use super::checks;
use super::yaml::{Yaml, list, map, unexpanded};
use crate::export::files::{ExportedFile, MARK_HERE};
use crate::export::format::{ExportError, ExportFormat};
use crate::export::gaps;
use crate::export::project::{
    ExportOptions, ExportedCheck, ExportedNeed, ExportedProcess, ExportedProject, ExportedVariable,
    ProcessKind,
};
use crate::model::plan::rules::{DependencyCondition, Probe, Restart};

/// How much longer than its process tmo may take to stop.
const TMO_ITSELF_S: u64 = 5;

pub(in crate::export) fn write(
    project: &ExportedProject,
    options: &ExportOptions,
    remarks: &mut Vec<String>,
) -> Result<Vec<ExportedFile>, ExportError> {
    ExportedProject::check_names(project.entries(), |process| label(&process.entry))?;
    project.remark_containers(options, remarks);
    let manifests = Manifests { project, options };
    let mut documents = vec![];
    documents.extend(manifests.variables("ConfigMap", "env", "data", false));
    documents.extend(manifests.variables("Secret", "secrets", "stringData", true));
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
    let documents: Vec<_> = documents.iter().map(Yaml::document).collect();
    text.push_str(&documents.join("---\n"));
    Ok(vec![ExportedFile::new(format!("{}.yaml", project.app), text)])
}

struct Manifests<'a> {
    project: &'a ExportedProject,
    options: &'a ExportOptions,
}

impl Manifests<'_> {
    /// A name that is unique in the namespace.
    fn name(&self, entry: &str) -> String {
        format!("{}-{}", self.project.app, label(entry))
    }

    /// The entries that all objects begin with.
    fn head(
        &self,
        version: &str,
        kind: &str,
        name: &str,
        process: Option<&ExportedProcess>,
    ) -> Vec<(&'static str, Yaml)> {
        let metadata = [("name", self.name(name).into()), ("labels", self.labels(process))];
        vec![("apiVersion", version.into()), ("kind", kind.into()), ("metadata", map(metadata))]
    }

    fn labels(&self, process: Option<&ExportedProcess>) -> Yaml {
        map([
            ("app.kubernetes.io/part-of", self.project.app.as_str().into()),
            ("app.kubernetes.io/name", process.map(|process| process.entry.as_str()).into()),
        ])
    }

    /// The variables that all processes share, secret or not, and the secret ones of each.
    fn variables(
        &self,
        kind: &str,
        name: &str,
        key: &'static str,
        is_secret: bool,
    ) -> Option<Yaml> {
        let all = self.project.processes.iter().flat_map(|process| &process.env);
        let found = all
            .filter(|one| one.is_secret == is_secret && (one.is_shared || is_secret))
            .map(|one| (if is_secret { &*one.secret_name } else { &*one.name }, &*one.value));
        let mut found: Vec<(&str, &str)> = found.collect();
        found.sort_unstable();
        found.dedup_by_key(|(name, _)| *name);
        let data = map(found.into_iter().map(|(name, value)| (name, value.into())));
        let is_empty = data.is_empty();
        let object = map(self.head("v1", kind, name, None).into_iter().chain([(key, data)]));
        (!is_empty).then_some(object)
    }

    fn service(&self, process: &ExportedProcess) -> Option<Yaml> {
        let port = Yaml::from(u64::from(process.served_port?));
        let ports = vec![map([("port", port.clone()), ("targetPort", port)])];
        let spec = map([("selector", self.labels(Some(process))), ("ports", Yaml::List(ports))]);
        let head = self.head("v1", "Service", &process.entry, Some(process));
        Some(map(head.into_iter().chain([("spec", spec)])))
    }

    /// The Deployment, or the Job of one that runs once.
    fn workload(&self, process: &ExportedProcess) -> Yaml {
        let is_job = process.is_task();
        let policy = if process.restart.when == Restart::No { "Never" } else { "OnFailure" };
        let extra = if self.options.with_tmo { TMO_ITSELF_S } else { 0 };
        let grace = process.stop_timeout_ms.div_ceil(1000) + extra;
        let waits = process.needs.iter().filter_map(|need| self.wait(need)).collect();
        let pod = map([
            ("restartPolicy", is_job.then_some(policy).into()),
            ("terminationGracePeriodSeconds", grace.into()),
            ("initContainers", Yaml::List(waits)),
            ("containers", Yaml::List(vec![self.container(process)])),
        ]);
        let labels = || map([("labels", self.labels(Some(process)))]);
        let template = map([("metadata", labels()), ("spec", pod)]);
        let tries = u64::from(process.restart.max_failures.saturating_sub(1));
        let selector = map([("matchLabels", self.labels(Some(process)))]);
        let (version, kind, spec) = if is_job {
            ("batch/v1", "Job", map([("backoffLimit", tries.into()), ("template", template)]))
        } else {
            let replicas = process.replicas().into();
            let spec =
                map([("replicas", replicas), ("selector", selector), ("template", template)]);
            ("apps/v1", "Deployment", spec)
        };
        let gaps = gaps::gaps_of(ExportFormat::Kubernetes, self.options, process);
        let comments = gaps.map(|gap| ("", Yaml::Comment(gap.comment())));
        let head = self.head(version, kind, &process.entry, Some(process));
        map(comments.chain(head).chain([("spec", spec)]))
    }

    fn container(&self, process: &ExportedProcess) -> Yaml {
        let with_tmo = self.options.with_tmo;
        let argv =
            if with_tmo { process.under_tmo() } else { process.in_container(&self.project.root) };
        let port = |port: u16| Yaml::List(vec![map([("containerPort", u64::from(port).into())])]);
        let is_shared = process.env.iter().any(|one| one.is_shared && !one.is_secret);
        let shared = || {
            let name = map([("name", self.name("env").into())]);
            Yaml::List(vec![map([("configMapRef", name)])])
        };
        let settings = [
            ("name", label(&process.entry).into()),
            ("image", self.project.image(self.options).into()),
            ("imagePullPolicy", "IfNotPresent".into()),
            ("command", unexpanded(&argv)),
            ("env", self.environment(process)),
            ("envFrom", is_shared.then(shared).into()),
            ("ports", process.served_port.map(port).into()),
        ];
        let probes = if with_tmo {
            let argv = ["tmo", "wait", &process.entry, "--for", "ready", "--timeout", "4s"];
            vec![("readinessProbe", map([exec(argv), ("timeoutSeconds", 5.into())]))]
        } else {
            probes(process)
        };
        map(settings.into_iter().chain(probes))
    }

    /// Its own variables; the shared ones come from the `ConfigMap`, secrets from the Secret.
    fn environment(&self, process: &ExportedProcess) -> Yaml {
        let is_own = |variable: &&ExportedVariable| {
            variable.is_secret || !variable.is_shared && !self.options.with_tmo
        };
        let entry = |variable: &ExportedVariable| {
            let name = ("name", variable.name.as_str().into());
            if variable.is_secret {
                let secret = self.name("secrets").into();
                let key = map([("name", secret), ("key", variable.secret_name.as_str().into())]);
                return map([name, ("valueFrom", map([("secretKeyRef", key)]))]);
            }
            let value = if variable.name == "PS" { &process.entry } else { &variable.value };
            map([name, ("value", value.replace('$', "$$").into())])
        };
        Yaml::List(self.project.env_in_container(process).filter(is_own).map(entry).collect())
    }

    /// A container that ends when the other one accepts connections.
    fn wait(&self, need: &ExportedNeed) -> Option<Yaml> {
        let other = self.project.process(&need.name)?;
        let port = other.served_port.filter(|_| need.until != DependencyCondition::Completed)?;
        let host = self.name(&other.entry);
        let text = format!(
            "until nc -z {host} {port} 2>/dev/null || bash -c ':</dev/tcp/{host}/{port}' 2>/dev/null; do sleep 1; done"
        );
        Some(map([
            ("name", format!("wait-{}-{}", label(&other.entry), other.number).into()),
            ("image", self.project.image(self.options).into()),
            ("imagePullPolicy", "IfNotPresent".into()),
            ("command", unexpanded(&["sh".to_owned(), "-c".to_owned(), text])),
        ]))
    }
}

fn probes(process: &ExportedProcess) -> Vec<(&'static str, Yaml)> {
    let ready: Vec<_> = process.ready.iter().filter(|check| !checks::is_delay(check)).collect();
    let ready = match &ready[..] {
        [] => Yaml::Nothing,
        [check] => map([probe(check)]),
        several => {
            let several = several.iter().map(|check| format!("{{ {}; }}", checks::command(check)));
            map([exec(["sh", "-c", &several.collect::<Vec<_>>().join(" && ")])])
        }
    };
    let live = process.live.as_ref().zip(process.rules.live.as_ref()).map(|(check, live)| {
        map([
            probe(check),
            ("periodSeconds", live.every_ms.div_ceil(1000).max(1).into()),
            ("timeoutSeconds", live.timeout_ms.div_ceil(1000).max(1).into()),
            ("failureThreshold", u64::from(live.failures.max(1)).into()),
            ("initialDelaySeconds", process.ready_timeout_ms().div_ceil(1000).into()),
        ])
    });
    let stop = process.stop_command.as_ref();
    let stop = stop.map(|command| map([("preStop", map([exec(["sh", "-c", command])]))]));
    vec![("readinessProbe", ready), ("livenessProbe", live.into()), ("lifecycle", stop.into())]
}

/// The name of an entry as a label of DNS allows it.
fn label(entry: &str) -> String {
    entry.to_ascii_lowercase().replace('_', "-")
}

/// A command, in which Kubernetes expands nothing in a probe.
fn exec<W: AsRef<str>>(argv: impl IntoIterator<Item = W>) -> (&'static str, Yaml) {
    ("exec", map([("command", list(argv))]))
}

/// A check as Kubernetes carries it out, or by a command in the container.
fn probe(check: &ExportedCheck) -> (&'static str, Yaml) {
    match check {
        ExportedCheck::Port { host, port } if Probe::is_local(host) => {
            ("tcpSocket", map([("port", u64::from(*port).into())]))
        }
        ExportedCheck::Http { url } if let Some((port, path)) = local_path(url) => {
            ("httpGet", map([("port", u64::from(port).into()), ("path", path.into())]))
        }
        ExportedCheck::Exec { argv } => exec(argv),
        _ => exec(["sh", "-c", &checks::command(check)]),
    }
}

/// The port and path of a URL of this machine.
fn local_path(url: &str) -> Option<(u16, &str)> {
    let port = Probe::Http { url: url.to_owned() }.local_port()?;
    let rest = url.strip_prefix("http://")?;
    Some((port, rest.find('/').map_or("/", |at| &rest[at..])))
}
