//! What every format is made from: the resolved plan, with only what other supervisors know, too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::format::ExportError;
use crate::model::ProcName;
use crate::model::plan::process_env::{is_secret, port_variable};
use crate::model::plan::rules::{
    DependencyCondition, Hooks, Need, Probe, ProcessPolicy, Restart, Stage,
};
use crate::model::plan::{Install, OnExit, Plan, ProcessPlan};
use crate::model::signal::SignalName;
use crate::model::text::OsText;
use crate::model::text::shell::quoted;

/// What a user wants of an export.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// The name of the application; `None`: that of the run's tmux session.
    pub app: Option<String>,
    /// The user that the processes run as.
    pub user: Option<String>,
    /// The directory of logs, where the format needs one.
    pub log: Option<String>,
    /// The directory of the project on the target; `None`: the present one.
    pub root: Option<String>,
    /// Units for the manager of a user.
    pub user_units: bool,
    /// The values of secrets are written.
    pub with_secrets: bool,
    /// Each container runs its process under tmo.
    pub with_tmo: bool,
    /// The directory with the Dockerfile of the project, as the files name it; `None` if it has none.
    pub build: Option<String>,
}

/// The processes that are exported, and what they share.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExportedProject {
    /// The name of the application: lower-case letters, digits and `-`.
    pub app: String,
    /// The working directory on the target.
    pub root: String,
    /// The user that the processes run as.
    pub user: Option<String>,
    /// The directory of logs.
    pub log: String,
    /// The caller's PATH.
    pub path: String,
    /// The processes in the order of the Procfile.
    pub processes: Vec<ExportedProcess>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExportedProcess {
    /// Its name: `web`, or `web#2`.
    pub name: String,
    /// Its entry in the Procfile: `web`.
    pub entry: String,
    /// Its number within the entry, from 1.
    pub number: u64,
    /// How many instances the entry has.
    pub instances: u64,
    /// The name of its unit: `shop-web-1`.
    pub unit: String,
    /// What it is called where people read it.
    pub title: String,
    /// The program and its arguments: mostly a shell, `-c` and the command.
    pub argv: Vec<String>,
    pub cwd: String,
    /// Its complete environment, without what the target gives it.
    pub env: Vec<ExportedVariable>,
    /// Its port, which it is told.
    pub port: Option<u16>,
    /// The port on which it is to be reached, if anything shows that it listens.
    pub served_port: Option<u16>,
    /// It starts with the others.
    pub begins: bool,
    /// What it is for.
    pub kind: ProcessKind,
    /// The processes that it waits for.
    pub needs: Vec<ExportedNeed>,
    /// The checks that make it ready.
    pub ready: Vec<ExportedCheck>,
    /// The check that it still works; how often it is made is in its `rules`.
    pub live: Option<ExportedCheck>,
    /// When it is restarted.
    pub restart: ExportedRestart,
    /// The name of the signal that stops it, without `SIG`.
    pub stop_signal: String,
    /// The command that stops it, before the signal.
    pub stop_command: Option<String>,
    /// How long it may take to stop, in milliseconds.
    pub stop_timeout_ms: u64,
    /// All of its settings, for what is written as it is and for what only tmo has.
    pub rules: ProcessPolicy,
    /// What prepares the directory of an app that tmo installs.
    pub install: Option<Install>,
    /// The run has commands for events.
    pub has_hooks: bool,
    /// Its end is configured to stop all others.
    pub stops_all: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedVariable {
    pub name: String,
    /// Its value; [`Self::PLACEHOLDER`] in place of a secret one.
    pub value: String,
    /// Its name or its value look like a secret.
    pub is_secret: bool,
    /// The name under which a place for secrets has it: its own, with that of the entry in front of it (`WEB_TOKEN`)
    /// if other processes have another value.
    pub secret_name: String,
    /// All processes have it.
    pub is_shared: bool,
}

impl ExportedVariable {
    /// Stands for a secret value that is not to be written.
    pub const PLACEHOLDER: &str = "CHANGE-ME";
}

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessKind {
    /// It runs until it is stopped.
    #[default]
    Service,
    /// It runs once, to its end.
    Task,
    /// It runs once, when everything else has stopped.
    Cleanup,
}

/// A process that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedNeed {
    pub name: String,
    pub unit: String,
    /// What it must have reached.
    pub until: DependencyCondition,
    /// Whether the waiting process is restarted with it.
    pub restart: bool,
    /// The port on which it is to be reached.
    pub served_port: Option<u16>,
}

/// A check that a program can carry out from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportedCheck {
    /// Something listens.
    Port { host: String, port: u16 },
    /// A GET request is answered with a status from 200 to 399.
    Http {
        /// The address.
        url: String,
    },
    /// A command exits with 0.
    Exec {
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// It has been running for this long.
    Delay { ms: u64 },
}

/// When a process is restarted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportedRestart {
    /// After which exits.
    pub when: Restart,
    /// The pause before it, in milliseconds.
    pub delay_ms: u64,
    /// How many failures in a row end it; 0: none do.
    pub max_failures: u32,
    /// The time in which these failures count, in milliseconds.
    pub window_ms: u64,
}

impl ExportedProcess {
    /// How many instances of its entry start with the others.
    pub(super) fn replicas(&self) -> u64 {
        if self.begins { self.instances } else { 0 }
    }

    pub(super) fn is_task(&self) -> bool {
        self.kind == ProcessKind::Task
    }

    /// Its command as a line for a shell.
    pub(super) fn shell_words(&self) -> String {
        self.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// Its variables as words of `env` in a shell.
    pub(super) fn assignments(&self) -> String {
        let pairs = self.env.iter().map(|one| format!("{}={}", one.name, one.value));
        pairs.map(|pair| quoted(&pair) + " ").collect()
    }

    /// How long it may take to be ready, in milliseconds.
    pub(super) fn ready_timeout_ms(&self) -> u64 {
        self.rules.ready.iter().map(|check| check.timeout_ms).max().unwrap_or(0)
    }

    fn secrets_mut(&mut self) -> impl Iterator<Item = &mut ExportedVariable> {
        self.env.iter_mut().filter(|variable| variable.is_secret)
    }

    /// The path of its directory, relative to the root; `None` outside of it, empty for the root itself.
    pub(super) fn dir_below<'a>(&'a self, root: &str) -> Option<&'a str> {
        let rest = self.cwd.strip_prefix(root)?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
    }
}

impl ExportedProject {
    /// Take what others understand from a plan. `said_to_stop_all` are the processes whose end is configured to stop
    /// all others, which is the default as well.
    pub fn of(
        plan: &Plan,
        options: &ExportOptions,
        is_served: &dyn Fn(&ProcessPlan, u16) -> bool,
        said_to_stop_all: &[ProcName],
    ) -> Result<Self, ExportError> {
        let app = slug(options.app.as_deref().unwrap_or(&plan.session));
        let app = if app.is_empty() { "app".to_owned() } else { app };
        let here = text(&plan.root, "the run", "the directory")?;
        let root = options.root.clone().unwrap_or_else(|| here.clone());
        let export = Exporting { plan, is_served, app: &app, here: &here, root: &root };
        let mut processes = vec![];
        for process in plan.present() {
            let stops_all = said_to_stop_all.contains(&process.name);
            processes.push(ExportedProcess { stops_all, ..export.process(process)? });
        }
        if processes.is_empty() {
            return Err(ExportError::Empty);
        }
        name_secrets(&mut processes);
        if !options.with_secrets {
            for secret in processes.iter_mut().flat_map(ExportedProcess::secrets_mut) {
                ExportedVariable::PLACEHOLDER.clone_into(&mut secret.value);
            }
        }
        let path = plan.env.iter().find(|(name, _)| name.as_bytes() == b"PATH");
        let path = path.map(|(_, value)| text(value, "the run", "PATH")).transpose()?;
        let log = options.log.clone().unwrap_or_else(|| format!("{root}/log"));
        let (user, path) = (options.user.clone(), path.unwrap_or_default());
        Ok(Self { app, root, user, log, path, processes })
    }

    /// Those that run beside each other: a format that runs nothing at the end leaves out the others.
    pub(super) fn running(&self) -> impl Iterator<Item = &ExportedProcess> {
        self.processes.iter().filter(|process| process.kind != ProcessKind::Cleanup)
    }

    pub(super) fn process(&self, name: &str) -> Option<&ExportedProcess> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// The names of the secrets, each once.
    pub fn secrets(&self) -> Vec<&str> {
        let variables = self.processes.iter().flat_map(|process| &process.env);
        let mut names: Vec<_> =
            variables.filter(|one| one.is_secret).map(|one| one.secret_name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A plan that is being exported.
struct Exporting<'a> {
    plan: &'a Plan,
    is_served: &'a dyn Fn(&ProcessPlan, u16) -> bool,
    app: &'a str,
    /// The directory of the project here, and on the target.
    here: &'a str,
    root: &'a str,
}

impl Exporting<'_> {
    fn process(&self, process: &ProcessPlan) -> Result<ExportedProcess, ExportError> {
        let rules = &process.rules;
        let name = process.name.as_str();
        let argv = match &process.argv {
            Some(argv) => {
                argv.iter().map(|word| text(word, name, "its command")).collect::<Result<_, _>>()?
            }
            None => Self::shell_argv(process, &process.command)?,
        };
        let cwd = match &process.cwd {
            Some(cwd) => self.on_target(&text(cwd, name, "its directory")?),
            None => self.root.to_owned(),
        };
        let ready = rules.ready.iter().filter_map(|check| Self::check(process, &check.probe));
        let live = rules.live.as_ref().and_then(|live| Self::check(process, &live.probe));
        let kind = self.kind(process);
        let is_instance = |other: &&ProcessPlan| other.name.entry() == process.name.entry();
        let stop_command = rules.stop_command.as_ref();
        let stop_command = stop_command.map(|command| text(command, name, "its stop command"));
        let signal = process.stop_signal.to_string().parse::<SignalName>();
        Ok(ExportedProcess {
            name: name.to_owned(),
            entry: process.name.entry().to_owned(),
            number: process.name.instance(),
            instances: self.plan.present().filter(is_instance).count() as u64,
            unit: unit(self.app, &process.name),
            title: rules.display.clone().unwrap_or_else(|| format!("{name} of {}", self.app)),
            argv,
            cwd,
            env: self.env(process)?,
            port: process.port,
            served_port: self.served_port(process),
            begins: !process.waits,
            kind,
            needs: self.needs(process),
            ready: ready.collect::<Result<_, _>>()?,
            live: live.transpose()?,
            restart: restart(process, kind),
            stop_signal: signal.map_or_else(|_| "TERM".to_owned(), |signal| signal.to_string()),
            stop_command: stop_command.transpose()?,
            stop_timeout_ms: process.grace_ms.unwrap_or(self.plan.grace_ms),
            install: process.install.clone(),
            has_hooks: self.plan.hooks != Hooks::default(),
            stops_all: false,
            rules: rules.clone(),
        })
    }

    fn kind(&self, process: &ProcessPlan) -> ProcessKind {
        let is_awaited =
            |need: &Need| need.on == process.name && need.until == DependencyCondition::Completed;
        let mut needs = self.plan.present().flat_map(|other| &other.rules.needs);
        match process.rules.stage {
            Stage::Cleanup => ProcessKind::Cleanup,
            _ if needs.any(is_awaited) || is_ready_by_exit(process) => ProcessKind::Task,
            Stage::Dependency | Stage::Main => ProcessKind::Service,
        }
    }

    /// The words that run a command by the shell of a process.
    fn shell_argv(process: &ProcessPlan, command: &OsText) -> Result<Vec<String>, ExportError> {
        let name = process.name.as_str();
        let mut shell = text(&process.shell, name, "its shell")?;
        if shell.ends_with("/sh") {
            // Where every system has one.
            "/bin/sh".clone_into(&mut shell);
        }
        Ok(vec![shell, "-c".to_owned(), text(command, name, "its command")?])
    }

    /// A path of the project, as it is on the target.
    fn on_target(&self, path: &str) -> String {
        match Path::new(path).strip_prefix(self.here) {
            Ok(rest) if rest.as_os_str().is_empty() => self.root.to_owned(),
            Ok(rest) => format!("{}/{}", self.root.trim_end_matches('/'), rest.display()),
            Err(_) => path.to_owned(),
        }
    }

    /// A check that a program can carry out from outside; `None` for one that only tmo can.
    fn check(process: &ProcessPlan, probe: &Probe) -> Option<Result<ExportedCheck, ExportError>> {
        Some(Ok(match probe {
            Probe::Port { host, port, .. } => {
                ExportedCheck::Port { host: host.clone(), port: *port }
            }
            Probe::Http { url } => ExportedCheck::Http { url: url.clone() },
            Probe::Exec { command } => {
                let argv = Self::shell_argv(process, command);
                return Some(argv.map(|argv| ExportedCheck::Exec { argv }));
            }
            Probe::Delay { ms } => ExportedCheck::Delay { ms: *ms },
            Probe::Log(_) | Probe::Exit { .. } | Probe::Notify {} | Probe::Watchdog { .. } => {
                return None;
            }
        }))
    }

    /// The port of a check on this machine, or PORT if it is used.
    fn served_port(&self, process: &ProcessPlan) -> Option<u16> {
        let checked = process.rules.ready.iter().find_map(|check| check.probe.local_port());
        checked.or_else(|| process.port.filter(|port| (self.is_served)(process, *port)))
    }

    /// What it waits for: its `depends_on`, and its phase.
    fn needs(&self, process: &ProcessPlan) -> Vec<ExportedNeed> {
        let find = |on: &ProcName| self.plan.present().find(|one| one.name == *on);
        let need = |on: &ProcName, until, restart| ExportedNeed {
            name: on.as_str().to_owned(),
            unit: unit(self.app, on),
            until: match until {
                DependencyCondition::Ready if find(on).is_some_and(is_ready_by_exit) => {
                    DependencyCondition::Completed
                }
                until => until,
            },
            restart,
            served_port: find(on).and_then(|one| self.served_port(one)),
        };
        let own = process.rules.needs.iter();
        let mut needs: Vec<_> = own.map(|one| need(&one.on, one.until, one.restart)).collect();
        if process.rules.stage == Stage::Main {
            let first = self.plan.present().filter(|one| one.rules.stage == Stage::Dependency);
            needs.extend(first.map(|one| need(&one.name, DependencyCondition::Ready, false)));
        }
        let mut seen = HashSet::new();
        needs.retain(|one| seen.insert(one.name.clone()));
        needs
    }

    /// The variables of the project's files, its own, and those by which tmo tells it its ports.
    fn env(&self, process: &ProcessPlan) -> Result<Vec<ExportedVariable>, ExportError> {
        let name = process.name.as_str();
        let mut env = BTreeMap::new();
        let of_files = self.plan.origin.iter().flat_map(|origin| &origin.from_files);
        let of_files = of_files.map(|(key, _)| key);
        for (key, value) in &self.plan.env {
            if of_files.clone().any(|one| one == key)
                && ![&b"TMO_"[..], b"OVERMIND_"].iter().any(|own| key.as_bytes().starts_with(own))
            {
                env.insert(
                    text(key, name, "a variable")?,
                    (text(value, name, "a variable")?, true),
                );
            }
        }
        for (key, value) in &process.env {
            let value = text(value, name, "a variable")?;
            env.insert(text(key, name, "a variable")?, (value, false));
        }
        let mut set = |key: String, value: String| env.insert(key, (value, false));
        for other in self.plan.present().filter(|other| other.name != process.name) {
            if let Some(port) = other.port {
                set(port_variable(other.name.as_str()), port.to_string());
            }
        }
        if let Some(port) = process.port {
            set("PORT".to_owned(), port.to_string());
        }
        if let Some(term) = &process.rules.term {
            set("TERM".to_owned(), term.clone());
        }
        set("PS".to_owned(), name.to_owned());
        let variable = |(name, (value, is_shared)): (String, (String, bool))| {
            let is_secret = is_secret(&name, &value);
            ExportedVariable { secret_name: name.clone(), name, value, is_secret, is_shared }
        };
        Ok(env.into_iter().map(variable).collect())
    }
}

/// Give each of several secrets with one name but different values a name of its own.
fn name_secrets(processes: &mut [ExportedProcess]) {
    let mut values = HashMap::<String, HashSet<String>>::new();
    for secret in processes.iter_mut().flat_map(ExportedProcess::secrets_mut) {
        values.entry(secret.name.clone()).or_default().insert(secret.value.clone());
    }
    for process in processes {
        let entry = process.entry.to_ascii_uppercase().replace('-', "_");
        for secret in process.secrets_mut().filter(|secret| values[&secret.name].len() > 1) {
            secret.secret_name = format!("{entry}_{}", secret.name);
        }
    }
}

/// Whether it is ready when it has ended.
fn is_ready_by_exit(process: &ProcessPlan) -> bool {
    process.rules.ready.iter().any(|check| matches!(check.probe, Probe::Exit { .. }))
}

fn restart(process: &ProcessPlan, kind: ProcessKind) -> ExportedRestart {
    let policy = process.rules.restart.clone().unwrap_or_default();
    let when = match (&process.rules.restart, process.on_exit) {
        (Some(policy), _) => policy.when,
        (None, OnExit::Restart) => Restart::Always,
        // Elsewhere, a failure does not stop what else runs on the machine.
        (None, OnExit::StopAll) if kind == ProcessKind::Service => Restart::OnFailure,
        (None, OnExit::StopAll | OnExit::Remain) => Restart::No,
    };
    let max_failures = process.rules.restart.as_ref().map_or(0, |policy| policy.max_failures);
    let window_ms = policy.stable_ms + policy.delay_ms * u64::from(policy.max_failures);
    ExportedRestart { when, delay_ms: policy.delay_ms, max_failures, window_ms }
}

/// The name of a unit, which every format allows.
fn unit(app: &str, name: &ProcName) -> String {
    format!("{app}-{}-{}", name.entry(), name.instance())
}

/// A name with nothing but lower-case letters, digits and single `-` between them.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn text(value: &OsText, process: &str, what: &str) -> Result<String, ExportError> {
    let not_text = || ExportError::NotText { process: process.to_owned(), what: what.to_owned() };
    value.as_os_str().to_str().map(str::to_owned).ok_or_else(not_text)
}
