//! What is true of a whole plan: which processes there are, what they need of each other, and the limits.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::error::{LARGEST_VARIABLE, PlanError};
use super::instance::{PlannedInstance, actions, find_shell};
use super::merge::MergeInput;
use super::settings::Settings;
use crate::config::load::{Context, Loaded};
use crate::config::options::BackendChoice;
use crate::config::place::dirs;
use crate::config::place::paths::{absolute, at_home};
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::Said as _;
use crate::model::ProcName;
use crate::model::limits::{ITEM_BYTES, PROCESS_EXPRESSIONS, PROCESSES, TOTAL_BYTES};
use crate::model::name::check_length;
use crate::model::name::hostname::host_names;
use crate::model::plan::rules::Probe;
use crate::model::plan::{Backend, Inherit, LogPolicy, Plan, ProcessPlan, expression};
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::units::{millis, parse_bytes, parse_span};

/// Facts that only the running system provides.
pub struct Facts<'a> {
    /// Unique per run.
    pub run: String,
    /// Now, in nanoseconds since the Unix epoch.
    pub started: Timestamp,
    /// Columns and rows of new panes.
    pub size: (u16, u16),
    /// What processes inherit besides their environment.
    pub inherit: Inherit,
    /// This program.
    pub tmo: PathBuf,
    /// What stands for the project in host names.
    pub host: Option<String>,
    /// The port of the page that this start serves, if it does.
    pub page_port: Option<u16>,
    /// Whether this program was called as overmind.
    pub as_overmind: bool,
    /// Whether the process that has sent a datagram is known.
    pub knows_senders: bool,
    /// Finds the path of a program by its name.
    pub find: &'a dyn Fn(&OsStr) -> Option<PathBuf>,
}

/// Decide everything that can be decided before the first process starts.
///
/// # Errors
///
/// There is nothing to run, or something required is missing.
pub fn resolve(
    context: &Context,
    loaded: &Loaded,
    settings: &Settings,
    facts: Facts<'_>,
) -> Result<Plan, PlanError> {
    let project = &loaded.project;
    let here = &context.start_dir;
    let log = log_policy(context, loaded)?;
    let lines = settings.lines(&loaded.procfile.entries);
    let formed = formed(loaded, &lines, settings)?;
    let name_width = formed.iter().map(|formed| formed.name.as_str().len()).max().unwrap_or(0);
    let shell = find_shell(facts.find, &settings.shell)?;
    let (backend, tmux) = backend(settings.backend(&loaded.toml), facts.find)?;
    let variables = context.env.pairs();
    check_sizes(&variables)?;
    let PlannedProcesses { processes, left_out, actions } =
        plan_processes(loaded, settings, &facts, formed, &shell, backend, &variables)?;
    Ok(Plan {
        version: backend.plan_version(),
        run: facts.run,
        started: facts.started,
        title: project.title.clone(),
        host: facts.host,
        as_overmind: facts.as_overmind,
        page_port: facts.page_port,
        session: project.session(),
        tmux_socket: project.tmux_socket(),
        backend,
        tmux: tmux.into(),
        tmo: facts.tmo.as_path().into(),
        root: project.root.as_path().into(),
        procfile: project.procfile_shown.as_path().into(),
        // A link in the path may be redirected to another directory during the run.
        socket: dirs::real_parent(&project.socket.path).into(),
        socket_shown: project.socket.shown.as_path().into(),
        tcp: project.socket.tcp.clone(),
        tmux_config: settings.tmux_config.as_ref().map(|path| absolute(here, path).into()),
        env: variables,
        inherit: facts.inherit,
        size: facts.size,
        grace_ms: millis(settings.grace),
        log,
        name_width,
        formation_port_step: settings.ports.map_or(0, |ports| ports.instance),
        colors: settings.colors.clone(),
        hooks: loaded.toml.hooks.clone(),
        web: loaded.toml.web.clone(),
        watchers: loaded.toml.watchers.clone(),
        detach_keys: loaded.toml.detach_keys.clone(),
        crash_dir: crash_dir(context, loaded).map(Into::into),
        apps: loaded.apps.dir.as_path().into(),
        last_run: Some(project.identity.last_run.as_path().into()),
        lines,
        processes,
        left_out,
        actions,
        // The caller adds what it knows besides.
        ..Plan::default()
    })
}

struct PlannedProcesses {
    processes: Vec<ProcessPlan>,
    left_out: Vec<ProcessPlan>,
    actions: Vec<ProcessPlan>,
}

fn plan_processes(
    loaded: &Loaded,
    settings: &Settings,
    facts: &Facts<'_>,
    formed: Vec<PlannedInstance<'_>>,
    shell: &Path,
    backend: Backend,
    variables: &[(OsText, OsText)],
) -> Result<PlannedProcesses, PlanError> {
    let all = instances(&formed);
    let ports = ports(&formed, loaded, settings);
    let (formed, left_out): (Vec<_>, Vec<_>) =
        formed.into_iter().partition(|formed| settings.runs(formed.entry));
    let given = MergeInput {
        loaded,
        settings,
        shell,
        find: facts.find,
        instances: &all,
        ports: &ports,
        hosts: &hosts(&formed, facts.host.as_deref()),
        page_port: facts.page_port,
        root: &loaded.project.root,
        variables,
        tmo: &facts.tmo,
    };
    let mut total = Total::default();
    let mut checked = |given: &MergeInput<'_>, formed| {
        let processes = processes(formed, given, &mut total)?;
        refuse_native_settings(backend, &processes, loaded)?;
        if facts.knows_senders { Ok(processes) } else { refuse_reports(processes, loaded) }
    };
    let running = MergeInput { instances: &instances(&formed), ..given };
    let processes = checked(&running, formed)?;
    // Once it is started, it waits for others that were left out, too. What can't be started may be left out because of
    // that.
    let left_out = left_out.into_iter().filter_map(|formed| {
        let process = checked(&given, vec![formed]).ok()?.pop()?;
        Some(ProcessPlan { waits: true, ..process })
    });
    let left_out: Vec<_> = left_out.collect();
    let actions = actions(&[&*processes, &left_out].concat(), &given)?;
    let actions = actions.into_iter().map(|action| total.checked(action));
    Ok(PlannedProcesses { processes, left_out, actions: actions.collect::<Result<_, _>>()? })
}

/// Where crash reports are kept, if `tmo.toml` says so.
fn crash_dir(context: &Context, loaded: &Loaded) -> Option<PathBuf> {
    let dir = loaded.toml.crash_dir.clone()?;
    Some(absolute(loaded.project.base(), &at_home(&context.env, dir)))
}

/// What provides the terminals, and the tmux program, if that is it.
fn backend(
    choice: BackendChoice,
    find: &dyn Fn(&OsStr) -> Option<PathBuf>,
) -> Result<(Backend, PathBuf), PlanError> {
    let native = (Backend::Native, PathBuf::new());
    if choice == BackendChoice::Native {
        return Ok(native);
    }
    match find(OsStr::new("tmux")) {
        Some(tmux) => Ok((Backend::Tmux, tmux)),
        None if choice == BackendChoice::Tmux => Err(PlanError::NoTmux),
        None => Ok(native),
    }
}

/// In tmux, every process has one terminal.
fn refuse_native_settings(
    backend: Backend,
    processes: &[ProcessPlan],
    loaded: &Loaded,
) -> Result<(), PlanError> {
    if backend != Backend::Tmux {
        return Ok(());
    }
    for process in processes {
        let said = loaded.toml.table_of(process.name.entry());
        let (at, setting) = match &process.rules {
            rules if rules.no_terminal => (said.pty.at(), "pty = false"),
            rules if rules.split_stderr => (said.split_stderr.at(), "split_stderr = true"),
            _ => continue,
        };
        let place = loaded.toml.source.place(&at.unwrap_or_default());
        return Err(PlanError::NotInTmux { place, setting });
    }
    Ok(())
}

/// Anything could send the report that a process is ready.
fn refuse_reports(
    processes: Vec<ProcessPlan>,
    loaded: &Loaded,
) -> Result<Vec<ProcessPlan>, PlanError> {
    let Some(process) = processes.iter().find(|process| process.rules.is_notified()) else {
        return Ok(processes);
    };
    let at = loaded.toml.table_of(process.name.entry()).ready.at();
    let place = loaded.toml.source.place(&at.unwrap_or_default());
    Err(PlanError::UnknownSenders { place })
}

/// The port of each instance, also of entries that don't run, and that of each entry: its first one.
fn ports(
    formed: &[PlannedInstance<'_>],
    loaded: &Loaded,
    settings: &Settings,
) -> HashMap<String, u16> {
    let mut ports = HashMap::new();
    for formed in formed {
        let table = loaded.toml.table_of(&formed.entry.name);
        if let Ok(Some(port)) = formed.port(&table, settings) {
            ports.insert(formed.name.to_string(), port);
            ports.entry(formed.entry.name.clone()).or_insert(port);
        }
    }
    ports
}

/// The host name of each instance, and that of each entry: that of its first one.
fn hosts(formed: &[PlannedInstance<'_>], project: Option<&str>) -> HashMap<String, String> {
    let names = formed.iter().map(|formed| &formed.name);
    let all = project.map_or_else(Vec::new, |project| host_names(project, names));
    let mut hosts = HashMap::new();
    for (formed, host) in formed.iter().zip(all) {
        hosts.insert(formed.name.to_string(), host.clone());
        hosts.entry(formed.entry.name.clone()).or_insert(host);
    }
    hosts
}

/// The names of the instances of each entry.
fn instances(formed: &[PlannedInstance<'_>]) -> HashMap<String, Vec<ProcName>> {
    let mut instances: HashMap<String, Vec<ProcName>> = HashMap::new();
    for formed in formed {
        instances.entry(formed.entry.name.clone()).or_default().push(formed.name.clone());
    }
    instances
}

fn processes(
    formed: Vec<PlannedInstance<'_>>,
    given: &MergeInput<'_>,
    total: &mut Total,
) -> Result<Vec<ProcessPlan>, PlanError> {
    let process = |formed: PlannedInstance<'_>| {
        let mut process = formed.plan(given)?;
        // Failure patterns from outside the Procfile come after the process's own.
        let own = std::mem::take(&mut process.rules.failures);
        process.rules.failures = given.loaded.failures.behind(own, &process.name);
        total.checked(process)
    };
    formed.into_iter().map(process).collect()
}

/// Reject a variable that is too large to start a program with.
fn check_sizes(variables: &[(OsText, OsText)]) -> Result<(), PlanError> {
    for (name, value) in variables {
        // 2 for `=` and the NUL at the end.
        let size = name.as_bytes().len() + value.as_bytes().len() + 2;
        if size > LARGEST_VARIABLE {
            let name = name.as_os_str().to_string_lossy().into_owned();
            return Err(PlanError::Large { name, size });
        }
    }
    Ok(())
}

/// Running totals over all processes.
#[derive(Default)]
struct Total {
    bytes: usize,
    expressions: usize,
}

impl Total {
    /// Add one more process; fails if that exceeds a limit.
    fn checked(&mut self, process: ProcessPlan) -> Result<ProcessPlan, PlanError> {
        check_sizes(&process.env)?;
        // Its size in plan.json is about its size in memory.
        self.bytes += serde_json::to_vec(&process).map_or(0, |json| json.len());
        self.bytes += process.env.len() * ITEM_BYTES;
        let rules = &process.rules;
        let logs = rules.ready.iter().filter_map(|check| {
            let Probe::Log(text) = &check.probe else { return None };
            Some(text)
        });
        let texts = rules.failures.iter().map(|failure| &failure.text);
        let texts = texts.chain(rules.flags.iter().map(|flag| &flag.text)).chain(logs);
        self.expressions += texts.filter_map(expression::size).sum::<usize>();
        if self.bytes > TOTAL_BYTES {
            return Err(PlanError::Total(process.name));
        }
        if self.expressions > PROCESS_EXPRESSIONS {
            return Err(PlanError::Expressions(process.name));
        }
        Ok(process)
    }
}

/// All instances of all lines. Excluded lines keep their ports and colours.
fn formed<'a>(
    loaded: &'a Loaded,
    lines: &[String],
    settings: &Settings,
) -> Result<Vec<PlannedInstance<'a>>, PlanError> {
    let entries = &loaded.procfile.entries;
    if entries.is_empty() {
        return Err(PlanError::NoEntries);
    }
    let mut formed = vec![];
    let places: HashMap<&str, usize> =
        lines.iter().enumerate().map(|(at, line)| (line.as_str(), at)).collect();
    for entry in entries {
        let line = places.get(entry.name.as_str()).copied().unwrap_or(lines.len());
        // An app has only one instance, as its instances would share one directory.
        let is_app = loaded.apps.of_process(&entry.name).is_some();
        let count = if is_app { 1 } else { settings.instances(&entry.name) };
        for instance in 0..count {
            let name = match count {
                1 => entry.name.clone(),
                _ => format!("{}#{}", entry.name, instance + 1),
            };
            if formed.len() == PROCESSES {
                return Err(PlanError::Many);
            }
            check_length(&name)
                .map_err(|why| PlanError::LongName { place: place(loaded, entry), why })?;
            let (name, number) = (ProcName::new(name)?, formed.len());
            formed.push(PlannedInstance { entry, line, name, instance, number });
        }
    }
    if !formed.iter().any(|formed| settings.runs(formed.entry)) {
        return Err(PlanError::NoProcesses);
    }
    Ok(formed)
}

/// File and line of an entry.
fn place(loaded: &Loaded, entry: &ProcfileEntry) -> String {
    let toml = &loaded.toml;
    let is_there = |name: &toml::Spanned<String>| {
        *name.get_ref() == entry.name && toml.source.line(&name.span()) == entry.line
    };
    let mut tables = toml.processes.iter().filter(|(_, table)| table.command.is_some());
    match tables.find(|(name, _)| is_there(name)) {
        Some((name, _)) => toml.source.place(&name.span()),
        None => format!("{}:{}", loaded.project.procfile_shown.display(), entry.line),
    }
}

fn log_policy(context: &Context, loaded: &Loaded) -> Result<LogPolicy, PlanError> {
    let (env, project, table) = (&context.env, &loaded.project, &loaded.toml.log);
    let below = |base: &Path, dir: PathBuf| {
        let dir = absolute(base, &at_home(env, dir));
        let id = dirs::on_machine(&dir, project.state.clone());
        dir.join(dirs::state_name(&project.title, &id))
    };
    let beside = project.procfile.parent().unwrap_or(&project.root);
    let by_env = env.path("LOG_DIR").map(|dir| below(&context.start_dir, dir));
    let by_toml = || table.dir.clone().map(|dir| below(beside, dir));
    let dir = by_env.or_else(by_toml).unwrap_or_else(|| project.state_dir(env));
    let size = |key: &str| env.typed(key, "a size like 64MiB (0 keeps everything)", parse_bytes);
    let per_process = size("LOG_PER_PROCESS")?.or(table.per_process);
    let total = size("LOG_TOTAL")?.or(table.total);
    let age = |text: &str| if text == "0" { Some(0) } else { parse_span(text).map(millis) };
    let age = env.typed("LOG_MAX_AGE", "a time like 14d (0 keeps everything)", age)?;
    Ok(LogPolicy {
        dir: dir.into(),
        per_process: per_process.unwrap_or(LogPolicy::PER_PROCESS),
        total: total.unwrap_or(LogPolicy::TOTAL),
        max_age_ms: age.or(table.max_age_ms).unwrap_or(0),
    })
}
