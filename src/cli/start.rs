//! `tmo start`: make sure that a run is there, then be its view.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::args::{self, ClientArgs, NamesArgs, StartArgs, Verb};
use super::early::Early;
use super::error::CliError;
use super::instance::{Instance, WAITS, of_another_session, taken_over};
use super::launch::Launch;
use super::persona::Persona;
use super::ports::{self, taken_ports};
use super::print_config;
use super::progress::Progress;
use super::trial::Trial;
use super::troubles;
use super::view::{self, Shown, Until};
use super::wait::Readiness;
use crate::backend::tmux::version;
use crate::config::dirs::{make_runtime_dir, runtime_dir};
use crate::config::inherit::{inherit_here, let_owner_in};
use crate::config::load::{Context, Loaded, find_program, why};
use crate::config::{Env, Project, StartOptions};
use crate::control::client::{Listener, who};
use crate::control::dial::{self, Answer};
use crate::control::listen;
use crate::control::lock::{self, Door};
use crate::engine::guard::News;
use crate::engine::runtime::Runtime;
use crate::journal::{Dirs, IndexReader, Position};
use crate::model::plan::{Inherit, OnExit, Origin, Plan, ProcessPlan};
use crate::model::request::Request;
use crate::model::text::OsText;
use crate::pane::paths::spill_dir;
use crate::plan::{self, Facts, Settings};
use crate::sys::clock;
use crate::view::screen;

/// How long a run that does not answer may take to be over.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// How long a terminal may take for a line.
const MOMENT: Duration = Duration::from_millis(500);

/// Finds a program by its name.
pub(super) type Find<'a> = dyn Fn(&OsStr) -> Option<PathBuf> + 'a;

/// What a start needs to know before anything is decided.
pub(super) struct Start {
    pub(super) typed: StartOptions,
    pub(super) context: Context,
    pub(super) project: Project,
    pub(super) runtime: Runtime,
    pub(super) tmo: PathBuf,
    pub(super) inherit: Inherit,
    daemonize: bool,
    timestamps: bool,
    wait: Option<Readiness>,
    exit_code_from: Option<String>,
    trial: bool,
    /// The whole command line, which a reload goes by.
    arguments: Vec<OsText>,
    /// The plan of the run that goes on while all is read again.
    earlier: Option<Plan>,
}

/// The run ends with this process.
fn end_with(plan: &mut Plan, name: &str) -> Result<(), CliError> {
    let known = |process: &&mut ProcessPlan| process.name.matches(name);
    let Some(process) = plan.processes.iter_mut().find(known) else {
        let names: Vec<_> = plan.processes.iter().map(|process| process.name.clone()).collect();
        return Err(CliError::unknown(name, &names));
    };
    (process.on_exit, process.rules.restart) = (OnExit::StopAll, None);
    plan.exit_code_from = Some(process.name.clone());
    Ok(())
}

/// Start, adopt or attach; returns the exit code of the run (0 for `-D`).
pub(super) fn start(
    mut args: StartArgs,
    typed: Vec<OsString>,
    out: &mut dyn Write,
) -> Result<u8, CliError> {
    if args.until_ready {
        args.wait.get_or_insert_default();
        let trial = Trial::new(&args)?;
        return trial.run(|| begin(args, typed, out));
    }
    begin(args, typed, out)
}

fn begin(args: StartArgs, typed: Vec<OsString>, out: &mut dyn Write) -> Result<u8, CliError> {
    let names = args.names.clone();
    let client = ClientArgs { socket: args.socket.clone(), network: args.network.clone() };
    let (if_needed, print_config) = (args.if_needed, args.print_config);
    let mut start = Start::gather(args)?;
    start.arguments = typed.into_iter().map(OsText::from).collect();
    for warning in &start.context.warnings {
        super::warn(warning);
    }
    if print_config {
        let shown = (start.daemonize, start.timestamps);
        let (plan, warnings) = start.resolve()?;
        tell_all(&warnings);
        return print_config::print(&plan, shown, out);
    }
    let dir = make_runtime_dir(&start.context.env, &start.project.socket.path)?;
    start.runtime = Runtime::new(dir);
    loop {
        let waits = || tell(&WAITS);
        let door = Door::enter(start.runtime.dir(), waits).map_err(CliError::io("the lock"))?;
        let held = lock::is_held(start.runtime.dir()).map_err(CliError::io("the lock"))?;
        if !names.is_empty() && (held || start.runtime.has_survivors()) {
            drop(door);
            let wanted = names.clone();
            let args = NamesArgs { names, no_wait: false, client };
            return match super::named(args, |names| Request::Start { names })? {
                0 => start.until_ready(&wanted),
                code => Ok(code),
            };
        }
        if if_needed && held {
            return start.until_ready(&[]);
        }
        if held {
            match start.attach(door)? {
                Some(shown) => return view::show(shown),
                None => continue,
            }
        }
        if let Some(runtime) = start.runs_elsewhere()? {
            start.runtime = runtime;
            continue;
        }
        // Before the first file: one that is interrupted half-way would stay.
        let early = Early::begin().map_err(CliError::io("signals"))?;
        let fresh = start.prepare()?;
        let begun = start.launch(fresh.as_ref(), door, early, out);
        if let Some((_, file)) = fresh {
            // The guardian takes it; left over only where there was none to take it.
            let _ = std::fs::remove_file(file);
        }
        match begun? {
            Begun::Shown(shown) => return view::show(*shown),
            Begun::Daemon(code) => return Ok(code),
            Begun::Overtaken => {}
        }
    }
}

enum Begun {
    Shown(Box<Shown>),
    /// In the background, with this exit code.
    Daemon(u8),
    /// Somebody else started it at the same moment.
    Overtaken,
}

impl Start {
    pub(super) fn gather(args: StartArgs) -> Result<Self, CliError> {
        let inherit = inherit_here();
        let_owner_in();
        let (wait, exit_code_from) = (args.wait.clone(), args.exit_code_from.clone());
        let trial = args.until_ready;
        let typed = StartOptions::from(args);
        let context = Context::here()?;
        let project = Project::locate(&context.start_dir, &typed, &context.env)?;
        let runtime = Runtime::new(runtime_dir(&context.env, &project.socket.path));
        let tmo = std::env::current_exe().map_err(CliError::io("can't tell where tmo is"))?;
        let wait = wait.as_deref().map(Readiness::read).transpose()?;
        let daemonize = wait.is_some() || typed.daemonize(&context.env)?;
        let timestamps = typed.show_timestamps(&context.env)?;
        let (arguments, earlier) = (vec![], None);
        Ok(Self {
            typed,
            context,
            project,
            runtime,
            tmo,
            inherit,
            daemonize,
            timestamps,
            wait,
            exit_code_from,
            trial,
            arguments,
            earlier,
        })
    }

    /// What the start of this run would gather now, in the environment that it was typed in.
    pub(super) fn again(plan: Plan, runtime: Runtime) -> Result<Self, CliError> {
        let Some(origin) = plan.origin.clone() else {
            let text = "this run was started by a version of tmo that can't reload; `tmo quit` and \
                        `tmo start` begin a new one";
            return Err(CliError::Other(text.to_owned()));
        };
        let arguments = origin.arguments.iter().map(|word| word.0.clone());
        let parsed = args::parse(arguments).map_err(|error| CliError::Other(error.to_string()))?;
        let Some(Verb::Start(args)) = parsed.verb else {
            let text = "plan.json does not tell how this run was started".to_owned();
            return Err(CliError::Other(text));
        };
        let mut env: BTreeMap<OsString, OsString> =
            plan.env.iter().map(|(key, value)| (key.0.clone(), value.0.clone())).collect();
        for (key, value) in &origin.from_files {
            match value {
                Some(value) => env.insert(key.0.clone(), value.0.clone()),
                None => env.remove(&key.0),
            };
        }
        let exit_code_from = args.exit_code_from.clone();
        let typed = StartOptions::from(*args);
        let context = Context::at(origin.dir.as_path().to_owned(), Env::of(env));
        let project = Project::locate(&context.start_dir, &typed, &context.env)?;
        Ok(Self {
            typed,
            context,
            project,
            runtime,
            tmo: plan.tmo.as_path().to_owned(),
            inherit: plan.inherit.clone(),
            daemonize: true,
            timestamps: false,
            wait: None,
            exit_code_from,
            trial: false,
            arguments: origin.arguments,
            earlier: Some(plan),
        })
    }

    /// What a reload reads again.
    fn origin(&self, first_port: Option<u16>) -> Origin {
        let text = |text: &OsStr| OsText::from(text.to_owned());
        let set = self.context.env.set_by_files();
        Origin {
            dir: self.context.start_dir.as_path().into(),
            arguments: self.arguments.clone(),
            from_files: set.map(|(key, value)| (text(key), value.map(text))).collect(),
            first_port,
        }
    }

    /// Resolve what is to be run and leave it where the guardian finds it; nothing if there is a
    /// run to be adopted, which goes by its own plan.
    fn prepare(&self) -> Result<Option<(Plan, PathBuf)>, CliError> {
        if self.runtime.adoptable()? {
            return Ok(None);
        }
        let (mut plan, mut warnings) = self.resolve_for(true)?;
        warnings.extend(taken_ports(&plan));
        tell_all(&warnings);
        let (search, here) = (self.context.env.get("PATH"), &self.context.start_dir);
        super::block_on(async { Ok(version::find(search, here).await?) })?;
        plan.size = self.pane_size(&plan);
        let path = self.runtime.fresh_plan_file();
        let text = serde_json::to_vec(&plan).map_err(|e| CliError::Other(e.to_string()))?;
        crate::pane::spec::replace(&path, &text).map_err(CliError::io(path.display()))?;
        Ok(Some((plan, path)))
    }

    /// What is to be run, and what is odd about it.
    pub(super) fn resolve(&self) -> Result<(Plan, Vec<String>), CliError> {
        self.resolve_for(false)
    }

    /// The same; `keep` if it is to be run.
    fn resolve_for(&self, keep: bool) -> Result<(Plan, Vec<String>), CliError> {
        let mut warnings = vec![];
        let find = |name: &OsStr| find_program(&self.context, name);
        match self.resolve_with(&find, &mut warnings, keep) {
            Err(error @ CliError::Plan(_)) => {
                tell_all(&warnings);
                Err(error)
            }
            plan => Ok((plan?, warnings)),
        }
    }

    /// The same, with programs found in this way; what is odd is told however it ends.
    pub(super) fn resolve_with(
        &self,
        find: &Find<'_>,
        warnings: &mut Vec<String>,
        keep: bool,
    ) -> Result<Plan, CliError> {
        let mut settings = Settings::of(&self.typed, &self.context.env)?;
        let loaded = self.context.load(&self.typed)?;
        let odd = settings.warnings(&loaded.procfile);
        let undeclared = loaded.failures.warnings(&loaded.procfile);
        let odd = loaded.procfile.warnings.iter().chain(&odd).chain(&undeclared);
        warnings.extend(odd.map(ToString::to_string));
        let mut plan = self.plan(&loaded, &mut settings, (find, keep))?;
        if let Some(config) = &plan.tmux_config
            && let Err(error) = std::fs::File::open(config.as_path())
        {
            let (config, why) = (config.as_path().display(), why(&error));
            warnings.push(format!("the tmux configuration {config} can't be read: {why}"));
        }
        warnings.extend(plan::oddities(&loaded, &plan).iter().map(ToString::to_string));
        self.choose(&mut plan)?;
        if let Some(name) = &self.exit_code_from {
            end_with(&mut plan, name)?;
        }
        if let Some(ready) = &self.wait {
            let begin = plan.processes.iter().filter(|process| !process.waits);
            ready.check(&begin.map(|process| process.name.clone()).collect::<Vec<_>>())?;
        }
        Ok(plan)
    }

    /// What a plan says beside what the user does.
    pub(super) fn facts<'a>(&self, find: &'a Find<'a>) -> Facts<'a> {
        let now = clock::now_ns();
        Facts {
            run: format!("{}-{now:x}", self.project.instance),
            started: now,
            size: screen::DEFAULT_SIZE,
            inherit: self.inherit.clone(),
            tmo: self.tmo.clone(),
            find,
        }
    }

    fn plan(
        &self,
        loaded: &Loaded,
        settings: &mut Settings,
        (find, keep): (&Find<'_>, bool),
    ) -> Result<Plan, CliError> {
        if let Some(earlier) = &self.earlier {
            settings.keep_lines(earlier.lines.clone());
            // They are where they were found to be free.
            let moved = earlier.origin.as_ref().and_then(|origin| origin.first_port);
            if let Some(first) = moved {
                settings.move_ports_to(first);
            }
            let plan = plan::resolve(&self.context, loaded, settings, self.facts(find))?;
            return Ok(Plan { origin: Some(self.origin(moved)), ..plan });
        }
        let plan = plan::resolve(&self.context, loaded, settings, self.facts(find))?;
        let plan = Plan { origin: Some(self.origin(None)), ..plan };
        let (true, Some(asked)) = (self.typed.port_auto(&self.context.env)?, settings.first_port())
        else {
            return Ok(plan);
        };
        // One that has a port of its own keeps it, wherever the others go.
        let own = |process: &ProcessPlan| {
            let table = loaded.toml.table(process.name.entry());
            table.is_some_and(|table| table.port.is_some())
        };
        let mut moving = plan.clone();
        moving.processes.retain(|process| !own(process));
        let first = ports::place(&self.context.env, &self.project, &moving, (asked, keep))?;
        if first == asked {
            return Ok(plan);
        }
        settings.move_ports_to(first);
        let plan = plan::resolve(&self.context, loaded, settings, self.facts(find))?;
        let plan = Plan { origin: Some(self.origin(Some(first))), ..plan };
        if keep {
            tell(&format!("ports: {}", ports::table(&plan)));
        }
        Ok(plan)
    }

    /// Let only those begin that were named, and what they wait for; the others can be started
    /// later.
    fn choose(&self, plan: &mut Plan) -> Result<(), CliError> {
        let names = &self.typed.names;
        if names.is_empty() {
            return Ok(());
        }
        let known: Vec<_> = plan.processes.iter().map(|process| process.name.clone()).collect();
        for name in names {
            let gone = self.earlier.as_ref().is_some_and(|plan| {
                plan.processes.iter().any(|process| process.name.matches(name))
            });
            if !gone && !plan.processes.iter().any(|process| process.is_meant(name)) {
                return Err(CliError::unknown(name, &known));
            }
        }
        plan::begin_with(plan, |process| names.iter().any(|word| process.is_meant(word)));
        Ok(())
    }

    fn pane_size(&self, plan: &Plan) -> (u16, u16) {
        let width = plan.name_width;
        screen::pane_size(screen::stdin_size(), width, self.timestamps)
    }

    fn launch(
        &self,
        fresh: Option<&(Plan, PathBuf)>,
        door: Door,
        early: Early,
        out: &mut dyn Write,
    ) -> Result<Begun, CliError> {
        // Read before anything begins: the run may be over before this program gets its turn.
        let (plan, shown) = match fresh {
            Some((plan, _)) => (plan.clone(), None),
            None => (self.runtime.plan()?, self.runtime.shown()),
        };
        let file = fresh.map(|(_, file)| file.as_path());
        let mut launch = Launch::begin(&self.tmo, self.runtime.dir(), file)?;
        let first = match launch.next().map_err(|e| interrupted(&early).unwrap_or(e))? {
            // What was to be taken over has ended just now.
            News::Failed { .. } if fresh.is_none() && !self.runtime.has_survivors() => {
                return Ok(Begun::Overtaken);
            }
            News::Failed { message, code } => return Err(CliError::Start { message, code }),
            News::Listening { adopted, first_record, note } => {
                if let Some(note) = note {
                    tell(&note);
                }
                if let Some(count) = adopted {
                    tell(&taken_over(count));
                }
                first_record
            }
            News::Held { .. } | News::Running | News::Ended { .. } => return Ok(Begun::Overtaken),
        };
        let farewell = format!(
            "Daemonized. `tmo echo` shows the log, `tmo quit` ends it (socket {})\n",
            plan.socket_shown.as_path().display()
        );
        // What follows a trial is its command.
        let farewell = if self.trial { String::new() } else { Persona::here().speak(&farewell) };
        if self.wait.is_some() || !self.daemonize {
            let mut shown = self.shown(plan, (first, shown), door);
            shown.early = Some(early);
            shown.until = self.wait.clone().map(|ready| Until {
                ready,
                instance: self.instance(),
                names: self.typed.names.clone(),
                farewell,
            });
            return Ok(Begun::Shown(Box::new(shown)));
        }
        let progress = Progress::of("starting");
        let waited = Self::wait_for_daemon(&mut launch, &early);
        drop(progress);
        if let Some(error) = interrupted(&early) {
            let address = listen::locate(&self.project.socket.path, self.runtime.dir()).into();
            // It may be over already.
            let _ = super::block_on(super::request::quit(&address));
            return Err(error);
        }
        waited?;
        drop(door);
        super::print(out, farewell.as_bytes())?;
        Ok(Begun::Daemon(troubles::skipped(&self.instance(), &plan)))
    }

    /// The run that clients ask.
    pub(super) fn instance(&self) -> Instance {
        Instance {
            context: self.context.clone(),
            socket: self.project.socket.clone(),
            runtime: self.runtime.clone(),
        }
    }

    /// A run is there already: wait for these, if that was asked for.
    fn until_ready(&self, names: &[String]) -> Result<u8, CliError> {
        let Some(ready) = self.wait.clone() else { return Ok(0) };
        super::block_on(ready.wait(self.instance(), names)).map(|()| 0)
    }

    /// Until every process has been started, or an interrupt; an end before that is a failure.
    fn wait_for_daemon(launch: &mut Launch, early: &Early) -> Result<(), CliError> {
        loop {
            let Some(news) = launch.next_unless(early)? else { return Ok(()) };
            match news {
                News::Failed { message, code } => return Err(CliError::Start { message, code }),
                News::Ended { code, culprit } => {
                    let message = culprit.map_or_else(
                        || {
                            "everything was stopped before it had begun; `tmo logs` tells more"
                                .to_owned()
                        },
                        |c| {
                            format!(
                                "{} ended with {} before all were started; `tmo logs` tells more",
                                c.name,
                                c.exit.told()
                            )
                        },
                    );
                    return Err(CliError::Start { message, code: code.max(1) });
                }
                News::Running => return Ok(()),
                // Killed meanwhile; the next supervisor goes on.
                News::Listening { .. } | News::Held { .. } => {}
            }
        }
    }

    /// A run that is there although its lock is not where it would be by our own rules: that of
    /// another session of this user, or of a project that was moved while it ran.
    fn runs_elsewhere(&self) -> Result<Option<Runtime>, CliError> {
        let path = &self.project.socket.path;
        if !matches!(dial::probe(path), Ok(Answer::Live)) {
            return Ok(None);
        }
        // Whoever else is there is told of when its place is wanted.
        let asked = super::block_on(async { Ok(who(path).await?) });
        let Ok(Listener::Tmo(state)) = asked else { return Ok(None) };
        let held = |runtime: &Runtime| lock::is_held(runtime.dir()).unwrap_or(false);
        match of_another_session(&state).filter(held) {
            Some(runtime) => Ok(Some(runtime)),
            // Its runtime directory is gone, and with it all that a view needs.
            None => Err(CliError::AlreadyRunning { pid: state.pid }),
        }
    }

    /// A run is there: be its view, unless it has one. Nothing if it has ended just now.
    fn attach(&self, door: Door) -> Result<Option<Shown>, CliError> {
        let (socket, runtime) = (&self.project.socket, self.runtime.dir());
        let address = listen::locate(&socket.path, runtime).into();
        if listen::repair(&socket.path, runtime) {
            tell(&format!("{} was gone; it is back", socket.shown.display()));
        }
        let asked = super::block_on(async {
            Ok(super::request::steadily(&address, async |client| client.state().await).await)
        })?;
        let state = match asked {
            Ok(state) => state,
            Err(error) => {
                let free = lock::wait_free(self.runtime.dir(), LAST_MOMENTS);
                return if free.map_err(CliError::io("the lock"))? {
                    Ok(None)
                } else {
                    Err(error.into())
                };
            }
        };
        if state.views > 0 || self.daemonize {
            return Err(CliError::AlreadyRunning { pid: state.pid });
        }
        let known = self.runtime.plan().and_then(|plan| {
            let saved = self.runtime.saved_of(&plan)?;
            Ok((plan, saved))
        });
        let (plan, saved) = match known {
            Ok(known) => known,
            Err(error) => {
                let over = lock::wait_free(self.runtime.dir(), LAST_MOMENTS);
                if over.map_err(CliError::io("the lock"))? {
                    return Ok(None);
                }
                let text = format!("{error}: the log can't be shown; `tmo quit` ends the run");
                return Err(CliError::Other(text));
            }
        };
        let since = crate::view::screen::clock_time(state.headless_since.unwrap_or(state.started));
        tell(&format!("running since {since} without a terminal; attached"));
        let place = (saved.first_record, self.runtime.shown());
        let mut shown = self.shown(plan, place, door);
        shown.early = Some(Early::begin().map_err(CliError::io("signals"))?);
        Ok(Some(shown))
    }

    /// A view from where the last one was, or else from the first record of the run.
    fn shown(&self, plan: Plan, (first, shown): (u64, Option<Position>), door: Door) -> Shown {
        let first = Position { record: first, skip: 0 };
        let dirs = Dirs::new(plan.log.dir.as_path(), Some(spill_dir(self.runtime.dir())));
        // Nobody has come further than to the end: whoever began there would wait for ever.
        let end = IndexReader::open(&dirs).len().unwrap_or(u64::MAX);
        let shown = shown.filter(|place| place.record <= end);
        Shown {
            plan,
            runtime: self.runtime.clone(),
            tmo: self.tmo.clone(),
            env: self.context.env.clone(),
            timestamps: self.timestamps,
            position: shown.unwrap_or(first).max(first),
            door: Some(door),
            early: None,
            until: None,
        }
    }
}

/// Warn of these, one after the other.
pub(super) fn tell_all(warnings: &[String]) {
    for warning in warnings {
        tell(warning);
    }
}

/// Warn, but wait no more than a moment for a terminal that somebody has stopped: another start
/// waits at the door meanwhile.
fn tell(what: &dyn std::fmt::Display) {
    let (told, heard) = std::sync::mpsc::sync_channel(1);
    let text = what.to_string();
    std::thread::spawn(move || {
        super::warn(&text);
        // Nobody may be waiting any more.
        let _ = told.send(());
    });
    let _ = heard.recv_timeout(MOMENT);
}

/// What a start that was interrupted ends with, as a shell would tell of it.
fn interrupted(early: &Early) -> Option<CliError> {
    let message = "interrupted while it was starting".to_owned();
    early.asked().then_some(CliError::Start { message, code: 130 })
}
