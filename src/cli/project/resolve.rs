//! Resolves files and command line into a plan, for a start or a reload.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::input::StartDirectory;
use super::tmux;
use crate::backend::tmux::server::NO_TMUX_CONFIG;
use crate::cli::args::go_style::parse_start;
use crate::cli::error::CliError;
use crate::cli::output::{print_warning, print_warnings};
use crate::cli::persona::Persona;
use crate::cli::project::input::Start;
use crate::cli::project::propose::{first_step, without_procfile};
use crate::cli::project::{hostname, ports};
use crate::cli::reach::addresses::kept_port;
use crate::cli::reach::instance::{identity, left_by_link};
use crate::config::Env;
use crate::config::error::ConfigError;
use crate::config::load::{Context, Loaded, find_for_plan};
use crate::config::place::git::linked_worktree;
use crate::config::place::project::other_procfiles;
use crate::model::plan::{Backend, OnExit, Origin, Plan, ProcessPlan};
use crate::model::text::OsText;
use crate::plan::{self, Facts, PlanError, Settings};
use crate::run::dir::RuntimeDir;
use crate::sys::{self, clock, files, why};
use crate::view::screen;

/// Finds a program by its name.
pub(in crate::cli) type Find<'a> = dyn Fn(&OsStr) -> Option<PathBuf> + 'a;

impl Start {
    /// The input of a start of this run now, in the environment that it was typed in.
    pub(in crate::cli) fn again(plan: Plan, runtime: RuntimeDir) -> Result<Self, CliError> {
        let Some(origin) = plan.origin.clone() else {
            let text = "this run was started by a version of tmo that can't reload; `tmo quit` and \
                        `tmo start` begin a new one";
            return Err(CliError::Other(text.to_owned()));
        };
        if let Some(real) = left_by_link(&origin) {
            return Err(CliError::Other(format!(
                "{} was {} when this run was started; `tmo quit` and `tmo start` begin a new one",
                origin.dir.as_path().display(),
                real.display()
            )));
        }
        let flags = origin.arguments.iter().skip(2).map(|word| word.0.clone());
        let mut typed = parse_start(flags).map_err(|error| CliError::Other(error.to_string()))?;
        let env = plan.caller_env();
        let env = Env::of(env.into_iter().map(|(key, value)| (&key.0, &value.0)));
        let page_port = if plan.ends_when_done { kept_port(&env) } else { plan.page_port };
        let mut context = Context::at(origin.dir.as_path().to_owned(), env);
        let typed_in = origin.typed_in.map(|dir| StartDirectory {
            dir: dir.as_path().to_owned(),
            named: origin.directory_named,
        });
        if let Some(place) = &typed_in {
            place.apply(&mut typed, &context.env)?;
            context.elsewhere = true;
        }
        let typed = typed.settled();
        let project = context.project(&typed)?;
        Ok(Self {
            typed,
            context,
            project,
            runtime,
            tmo: plan.tmo.as_path().to_owned(),
            inherit: plan.inherit.clone(),
            daemonize: true,
            timestamps: false,
            page_port,
            wait: None,
            typed_in,
            number: None,
            arguments: origin.arguments,
            earlier: Some(plan),
        })
    }

    /// The input that a reload reads again.
    fn origin(&self, first_port: Option<u16>) -> Origin {
        let text = |text: &OsStr| OsText::from(text.to_owned());
        let set = self.context.env.set_by_files();
        Origin {
            dir: self.context.start_dir.as_path().into(),
            real_dir: self.context.start_dir.canonicalize().ok().map(OsText::from),
            identity: Some(identity(&self.context.start_dir)),
            arguments: self.arguments_with_socket(),
            typed_in: self.typed_in.as_ref().map(|typed| typed.dir.as_path().into()),
            directory_named: self.typed_in.as_ref().is_some_and(|typed| typed.named),
            from_files: set.map(|(key, value)| (text(key), value.map(text))).collect(),
            first_port,
        }
    }

    /// Flags and variables.
    pub(in crate::cli) fn settings(&self) -> Result<Settings, PlanError> {
        let is_here = Persona::here() == Persona::Overmind;
        // A reload keeps what the run was started with.
        let is_overmind = self.earlier.as_ref().map_or(is_here, |run| run.as_overmind);
        let mut typed = self.typed.clone();
        if is_overmind && self.context.env.path("COLORS").is_none() {
            typed.colors.get_or_insert_with(|| "2,3,4,5,6,42,130,103,129,108".to_owned());
        }
        let mut settings = Settings::new(&typed, &self.context.env)?;
        if is_here {
            settings.prefer_tmux();
        }
        Ok(settings)
    }

    /// The plan, and warnings about it. With `keep`, the plan is going to be run and not only inspected, so the
    /// ports that it gets are recorded for the next time.
    pub(in crate::cli) fn resolve(&self, keep: bool) -> Result<(Plan, Vec<String>), CliError> {
        let mut warnings = vec![];
        let own = self.own_path();
        // Searched for once, though a plan may be resolved twice.
        let tmux = OnceCell::new();
        let find = |name: &OsStr| {
            if name == "tmux" {
                tmux.get_or_init(|| tmux::tmux_for_plan(&self.context, &own, keep))
                    .as_ref()
                    .ok()
                    .cloned()
            } else {
                find_for_plan(&self.context, &own, name)
            }
        };
        let plan = self.resolve_with(&find, &mut warnings, keep);
        match (plan, tmux.into_inner()) {
            (Err(CliError::Plan(PlanError::NoTmux)), Some(Err(unusable))) => {
                print_warnings(&warnings);
                Err(unusable.into())
            }
            (Err(error @ CliError::Plan(_)), _) => {
                print_warnings(&warnings);
                Err(error)
            }
            (Ok(plan), Some(Err(unusable))) if keep => {
                warnings.push(unusable.instead()?);
                Ok((plan, warnings))
            }
            (plan, _) => Ok((plan?, warnings)),
        }
    }

    /// Like `resolve`, with this search for programs; warnings are reported even on error.
    pub(in crate::cli) fn resolve_with(
        &self,
        find: &Find<'_>,
        warnings: &mut Vec<String>,
        keep: bool,
    ) -> Result<Plan, CliError> {
        let mut settings = self.settings()?;
        let loaded =
            self.context.load(&self.typed).map_err(|error| self.without_procfile(error))?;
        settings.spread_groups(&loaded)?;
        let odd = settings.warnings(&loaded.procfile);
        let undeclared = loaded.failures.warnings(&loaded.procfile);
        let odd = loaded.procfile.warnings.iter().chain(&odd).chain(&undeclared);
        warnings.extend(odd.map(ToString::to_string));
        if let Some(earlier) = &self.earlier {
            if !settings.backend(&loaded.toml).allows(earlier.backend) {
                let text = "changed, but in force from the next start only: backend";
                warnings.push(text.to_owned());
            }
            settings.keep_backend(earlier.backend);
        }
        let mut plan = self.plan(&loaded, &mut settings, find, keep)?;
        warnings.extend(self.tmux_config_warning(&plan));
        warnings.extend(plan::oddities(&loaded, &plan).iter().map(ToString::to_string));
        self.choose(&mut plan, !keep && self.earlier.is_none())?;
        if let Some(name) = &self.typed.exit_code_from {
            end_with(&mut plan, name)?;
        }
        if let Some(ready) = &self.wait {
            let begin = plan.processes.iter().filter(|process| !process.waits);
            CliError::refuse_unknown(&ready.listening, begin)?;
        }
        Ok(plan)
    }

    /// Advice if there is no Procfile. Overmind's message only names the file.
    pub(in crate::cli) fn without_procfile(&self, error: ConfigError) -> CliError {
        if let ConfigError::Read { path, source } = &error
            && source.kind() == ErrorKind::NotFound
            && *path == self.project.procfile_shown
            && Persona::here() == Persona::Tmo
            && !self.context.names_procfile(&self.typed)
        {
            if let Ok(target) = self.project.procfile.read_link() {
                let (path, target) = (path.display(), target.display());
                return CliError::Other(format!(
                    "{path} is a link to {target}, which is not there; repair or remove the link"
                ));
            }
            return no_procfile(&self.context.start_dir);
        }
        error.into()
    }

    /// The plan for display only, after its warnings were printed.
    pub(in crate::cli) fn preview(&self, find: &Find<'_>) -> Result<Plan, CliError> {
        let mut warnings = self.context.warnings.iter().map(ToString::to_string).collect();
        let plan = self.resolve_with(find, &mut warnings, false);
        print_warnings(&warnings);
        plan
    }

    /// The reason why the user's tmux configuration can't be read, if it can't.
    fn tmux_config_warning(&self, plan: &Plan) -> Option<String> {
        let none = Path::new(NO_TMUX_CONFIG);
        if plan.tmux_config.as_ref().is_some_and(|config| config.as_path() == none) {
            return None;
        }
        if plan.backend == Backend::Native {
            let config = self.typed.tmux_config.as_ref()?.display();
            return Some(format!("the tmux configuration {config} is not used: no tmux runs"));
        }
        let own = || Some(Path::new(self.context.env.caller("HOME")?).join(".tmux.conf"));
        let named = plan.tmux_config.as_ref().map(|config| config.as_path().to_owned());
        let config = named.or_else(|| own().filter(|config| config.exists()))?;
        let error = files::open_project(&config).err()?;
        let (config, why) = (config.display(), why(&error));
        Some(format!("the tmux configuration {config} can't be read: {why}"))
    }

    /// The facts for a plan that do not come from the user.
    pub(in crate::cli) fn facts<'a>(&self, find: &'a Find<'a>) -> Facts<'a> {
        let now = clock::now();
        Facts {
            run: format!("{}-{:x}", self.project.identity.name(), now.nanos()),
            started: now,
            size: screen::DEFAULT_SIZE,
            inherit: self.inherit.clone(),
            tmo: self.tmo.clone(),
            host: None,
            page_port: self.page_port,
            as_overmind: Persona::here() == Persona::Overmind,
            knows_senders: sys::KNOWS_SENDERS,
            find,
        }
    }

    fn plan(
        &self,
        loaded: &Loaded,
        settings: &mut Settings,
        find: &Find<'_>,
        keep: bool,
    ) -> Result<Plan, CliError> {
        if let Some(earlier) = &self.earlier {
            settings.keep_lines(earlier.lines.clone());
            // The run's ports stay at the place that was found to be free.
            let moved = earlier.origin.as_ref().and_then(|origin| origin.first_port);
            if let Some(first) = moved {
                settings.move_ports_to(first);
            }
            let facts = Facts { host: earlier.host.clone(), ..self.facts(find) };
            let plan = plan::resolve(&self.context, loaded, settings, facts)?;
            return Ok(Plan { origin: Some(self.origin(moved)), ..plan });
        }
        let host = self.host(keep);
        let facts = || Facts { host: host.clone(), ..self.facts(find) };
        let plan = plan::resolve(&self.context, loaded, settings, facts())?;
        let plan = Plan { origin: Some(self.origin(None)), ..plan };
        let is_auto = self.moves_ports(settings, loaded, keep);
        let Some(asked) = settings.first_port().filter(|_| is_auto) else { return Ok(plan) };
        // A process with a port of its own keeps it, wherever the others move.
        let mut moving = plan.clone();
        moving.processes.retain(|process| !process.has_own_port);
        let first = ports::place(&self.context.env, &self.project, &moving, asked, keep)?;
        if first == asked {
            return Ok(plan);
        }
        settings.move_ports_to(first);
        let plan = plan::resolve(&self.context, loaded, settings, facts())?;
        let plan = Plan { origin: Some(self.origin(Some(first))), ..plan };
        if keep {
            let of = linked_worktree(&self.project.root).map_or("", |_| " of this worktree");
            print_warning(&format!("ports{of}: {}", ports::table(&plan)));
        }
        Ok(plan)
    }

    /// What stands for the project in the host names of its processes. They do not have to have any.
    fn host(&self, keep: bool) -> Option<String> {
        let host = hostname::host(&self.context.env, &self.project, keep);
        host.inspect_err(|error| tracing::debug!("the processes get no names: {error}")).ok()
    }

    /// Whether the ports are to be free ones: as configured, and otherwise in a linked worktree, where nothing names a
    /// port.
    fn moves_ports(&self, settings: &Settings, loaded: &Loaded, keep: bool) -> bool {
        if let Some(configured) = settings.port_auto(&loaded.toml) {
            return configured;
        }
        if Persona::here() != Persona::Tmo || linked_worktree(&self.project.root).is_none() {
            return false;
        }
        let Some(variable) = settings.first_port_said_by() else { return true };
        let env = &self.context.env;
        let file = match variable {
            "PORT" => env.file_of_variable(variable),
            _ => env.file("PORT").filter(|_| self.typed.port.is_none()),
        };
        if let Some(file) = file.filter(|_| keep) {
            let file = file.display();
            print_warning(&format!(
                "{file} sets {variable}, so this worktree has no ports of its own; remove it there"
            ));
        }
        false
    }

    /// Start only the named processes and those that they wait for; the others can be started later.
    fn choose(&self, plan: &mut Plan, is_preview: bool) -> Result<(), CliError> {
        plan.no_deps = self.typed.no_deps;
        plan.ends_when_done = Persona::here() == Persona::Tmo;
        let names = &self.typed.names;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            let gone = self
                .earlier
                .as_ref()
                .is_some_and(|plan| plan.processes.iter().any(|process| process.is_meant(name)));
            if !gone && !plan.processes.iter().any(|process| process.is_meant(name)) {
                let known = plan.processes.iter().map(|process| &process.name);
                return Err(self.why_left_out(CliError::unknown(name, known)));
            }
        }
        plan::begin_with(plan, is_preview, |process| {
            names.iter().any(|word| process.is_meant(word))
        });
        Ok(())
    }
}

/// Advice for a directory without a Procfile.
fn no_procfile(dir: &Path) -> CliError {
    let hint = if let [first, ..] = &other_procfiles(dir)[..] {
        format!("{first} is there: `-f {first}` names it")
    } else if let Some(step) = first_step(dir) {
        format!("{step}, `-f FILE` names another")
    } else {
        without_procfile(dir)
    };
    CliError::NoProcfile { dir: dir.to_owned(), hint }
}

/// Make the run end with this process.
fn end_with(plan: &mut Plan, name: &str) -> Result<(), CliError> {
    let known = |process: &&mut ProcessPlan| process.name.matches(name);
    let Some(process) = plan.processes.iter_mut().chain(&mut plan.left_out).find(known) else {
        return Err(CliError::unknown(name, plan.processes.iter().map(|process| &process.name)));
    };
    (process.on_exit, process.rules.restart) = (OnExit::StopAll, None);
    plan.exit_code_from = Some(process.name.clone());
    Ok(())
}
