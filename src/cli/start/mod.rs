//! `tmo start`: ensures that a run exists, then becomes its view.

mod attach;
mod failures;
mod fresh;
mod trial;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use self::fresh::Begun;
use crate::cli::output::{print_warning, print_warnings};
use crate::cli::persona::Persona;
use crate::cli::project::check::watch_notes;
use crate::cli::project::config::print_effective;
use crate::cli::project::input::Start;
use crate::cli::project::ports::{takers, warning};
use crate::cli::reach::instance::{Instance, WAITS};
use crate::cli::reach::request;
use crate::cli::start::trial::Trial;
use crate::cli::ui::as_view;
use crate::cli::view::signals::Early;
use crate::cli::view::{self, ViewState};
use crate::cli::web::{self, PageSockets};
use crate::cli::{CliError, output, runtime};
use crate::config::StartOptions;
use crate::config::options::PagePort;
use crate::config::place::dirs::refuse_state_of_others;
use crate::engine::persisted_state::adoptable;
use crate::journal::write::clear;
use crate::journal::{Dirs, IndexReader, Position};
use crate::model::plan::Plan;
use crate::model::request::Request;
use crate::model::state::State;
use crate::model::text::OsText;
use crate::model::{ProcName, units};
use crate::run::lock::{self, Door};
use crate::sys;
use crate::sys::files::is_other_user;
use crate::view::screen;

/// Run the processes of the Procfile and show their output.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo start                     run ./Procfile until Ctrl-C
  tmo start -f Procfile.dev     another Procfile; its directory is where the processes run
  tmo start --web=8080          also in a browser, at this port
  tmo start -- npm run dev      one command, without a Procfile
  tmo start --wait=web,60s      until web listens at its PORT, then in the background
  tmo start -D                  in the background; `tmo logs -n 100 -f` shows the log, `tmo quit` ends it
  tmo start -p 3000 -P 1        PORT=3000 for the first process, 3001 for the second
  tmo start --port-auto         separate ports for each project and worktree
  tmo start ../shop             the project in another directory
  TMO_LOG=debug tmo start       the supervisor logs to tmo.log, next to the run's log
  OVERMIND_PROCESSES=web tmo start

Each process gets PORT, PS (its name), TMO_SOCKET and, for each other process,
OVERMIND_PROCESS_<name>_PORT. ./.env and ./.tmo.env can also set variables.

Pipes and files get plain text. Terminals get colours unless NO_COLOR is set; CLICOLOR_FORCE=1
passes process output unchanged to pipes and files.")]
pub(in crate::cli) struct StartArgs {
    #[command(flatten)]
    options: StartOptions,
}

/// What a start finds.
enum ExistingRun {
    Nothing,
    /// A run: its state, or why the state is unknown.
    Run(Box<Result<State, CliError>>),
    /// Processes of a run whose supervisor and guardian were killed.
    Processes,
}

/// Start, adopt or attach; returns the exit code of the run (0 for `-D`).
pub(super) fn start(args: &StartArgs) -> Result<u8, CliError> {
    let mut args = args.options.clone();
    let (if_needed, print_config) = (args.if_needed, args.print_config);
    let command = args.until_ready.then(|| args.command.clone());
    if args.until_ready {
        args.wait.get_or_insert_default();
    }
    let start = gather(args, std::env::args_os().collect())?;
    if print_config {
        let (plan, warnings) = start.resolve(false)?;
        print_warnings(&warnings);
        return print_effective(&plan, start.daemonize, start.timestamps);
    }
    match command {
        Some(command) => {
            let trial = Trial::new(command, start.instance())?;
            trial.run_beside(|run| start.begin(if_needed, run))
        }
        None => start.begin(if_needed, &mut None),
    }
}

/// The input of a start that begins or shows a run, after its warnings were printed.
fn gather(args: StartOptions, typed: Vec<OsString>) -> Result<Start, CliError> {
    let mut start = Start::gather(args)?;
    if start.typed.ui {
        as_view::check(&start.context.env)?;
    }
    start.arguments = typed.into_iter().map(OsText::from).collect();
    let owner = start.project.base().metadata().map_or(0, |dir| dir.uid());
    if is_other_user(owner) && Persona::here() == Persona::Tmo {
        let dir = start.project.base().display();
        output::warn(&format!(
            "{dir} belongs to user {owner}, whose files decide what runs as you"
        ));
    }
    for warning in &start.context.warnings {
        output::warn(warning);
    }
    Ok(start)
}

/// A run in the background.
pub(super) struct Background {
    pub(super) instance: Instance,
    /// Its id, if this command has started it.
    pub(super) run: Option<String>,
}

/// Start in the background, unless the project runs already.
pub(super) fn in_background(
    args: StartOptions,
    typed: Vec<OsString>,
) -> Result<Background, CliError> {
    let start = gather(args, typed)?;
    let (instance, mut run) = (start.instance(), None);
    start.begin(true, &mut run)?;
    Ok(Background { instance, run })
}

impl Start {
    /// Sets the id of the run that it begins, if it begins one.
    fn begin(mut self, if_needed: bool, run: &mut Option<String>) -> Result<u8, CliError> {
        self.make_runtime()?;
        let mut taken_over = false;
        loop {
            while !if_needed && self.number.is_some() && !self.instance().is_over() {
                self.take_next_socket()?;
            }
            let Some((door, found)) = self.find_existing_run(&mut taken_over)? else { continue };
            if !if_needed && self.number.is_some() && !matches!(found, ExistingRun::Nothing) {
                // Another start was faster.
                continue;
            }
            let survivors = matches!(found, ExistingRun::Processes);
            let names = &self.typed.names;
            if !names.is_empty() && !matches!(found, ExistingRun::Nothing) {
                drop(door);
                let order = request::change_order(self.typed.no_deps);
                let ask = Request::Start { names: names.clone(), order };
                let wait = !self.typed.no_wait;
                let asked = runtime::block_on(request::request(&mut self.instance(), ask, wait));
                return match asked.map_err(|error| self.why_left_out(error))? {
                    0 => self.until_ready(names),
                    code => Ok(code),
                };
            }
            let is_up = matches!(found, ExistingRun::Run(_));
            let joins = if_needed || self.daemonize && is_up && Persona::here() == Persona::Tmo;
            if joins && !matches!(found, ExistingRun::Nothing) {
                drop(door);
                self.start_stopped(if_needed)?;
                self.show_on_page(None);
                return self.until_ready(&[]);
            }
            if let ExistingRun::Run(state) = found {
                match self.attach(&(*state)?, door)? {
                    Some(shown) => return self.show(shown, None),
                    None => continue,
                }
            }
            if let Some(runtime) = self.runs_elsewhere()? {
                self.runtime = runtime;
                continue;
            }
            // Until here a signal may end the program at once: nothing has been started yet.
            let page = self.open_page();
            let plan = self.prepare(survivors)?;
            self.note_command(plan.as_ref());
            // Before the first file is written, which an interrupted start would leave behind.
            let early = Early::begin().map_err(CliError::io("signals"))?;
            let fresh = plan.map(|plan| self.hand_over(plan)).transpose()?;
            *run = fresh.as_ref().map(|(plan, _)| plan.run.clone());
            match self.launch(fresh.as_ref(), door, early)? {
                Begun::Shown(shown) => return self.show(*shown, page),
                Begun::Daemon(code) => {
                    self.show_on_page(page);
                    return Ok(code);
                }
                Begun::Overtaken => {}
            }
        }
    }

    /// Listen where the page of the run is to be served, so that its processes can be told their addresses there.
    fn open_page(&mut self) -> Option<PageSockets> {
        // A Procfile that is a pipe can be read only once.
        let is_wanted = || {
            self.project.procfile.is_file()
                && self.context.load(&self.typed).is_ok_and(|loaded| loaded.toml.web.start)
        };
        if self.typed.web.is_none() && Persona::here() == Persona::Tmo && is_wanted() {
            self.typed.web = Some(PagePort::Any);
        }
        match web::open_page(&self.instance(), self.typed.web?.number()) {
            Ok(sockets) => {
                self.page_port = Some(sockets.port);
                Some(sockets)
            }
            Err(error) => {
                print_warning(&error);
                self.typed.web = None;
                None
            }
        }
    }

    /// Serve the page of the run if that is wanted, at these sockets if they are open already.
    fn show_on_page(&self, page: Option<PageSockets>) {
        if let Some(port) = self.typed.web
            && let Err(error) = web::start_in_background(&self.instance(), port.number(), page)
        {
            print_warning(&error);
        }
    }

    /// Become the view of a run.
    fn show(&self, shown: ViewState, page: Option<PageSockets>) -> Result<u8, CliError> {
        self.show_on_page(page);
        if self.typed.ui { as_view::show(shown, self.instance()) } else { view::show(shown) }
    }

    /// Find out what exists, and wait for a run that is being stopped. `None` if the caller must look
    /// again.
    fn find_existing_run(
        &mut self,
        taken_over: &mut bool,
    ) -> Result<Option<(Door, ExistingRun)>, CliError> {
        let door = self.enter()?;
        let held = lock::is_held(self.runtime.dir()).map_err(CliError::io("the lock"))?;
        if !held && !self.runtime.has_survivors() {
            return Ok(Some((door, ExistingRun::Nothing)));
        }
        runtime::block_on(self.instance().refuse_run_in_our_place())?;
        let found = if held {
            let Some(asked) = self.unless_ending()? else {
                drop(door);
                self.make_runtime()?;
                return Ok(None);
            };
            ExistingRun::Run(Box::new(asked))
        } else if !*taken_over && self.runtime.is_being_stopped() {
            // A new supervisor continues that run; wait for it.
            drop(door);
            *taken_over = true;
            return match runtime::block_on(self.instance().state()) {
                Ok(_) | Err(CliError::NothingRuns { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        } else {
            ExistingRun::Processes
        };
        self.refuse_other_procfile()?;
        Ok(Some((door, found)))
    }

    /// Wait until no other start is active here.
    fn enter(&mut self) -> Result<Door, CliError> {
        let limit = self.wait.as_ref().and_then(|ready| ready.limit);
        loop {
            match Door::enter_within(self.runtime.dir(), limit, || print_warning(&WAITS)) {
                // The run that was here has just ended and removed the directory.
                Err(error) if error.kind() == ErrorKind::NotFound => self.make_runtime()?,
                Ok(None) => {
                    let what = "another tmo is still starting here".to_owned();
                    let limit = units::span(limit.unwrap_or_default());
                    return Err(CliError::TimedOut { what, limit });
                }
                Ok(Some(door)) => return Ok(door),
                Err(error) => return Err(CliError::io("the lock")(error)),
            }
        }
    }

    /// Resolve the plan; `None` if there is a run to adopt, which has its own plan.
    fn prepare(&self, survivors: bool) -> Result<Option<Plan>, CliError> {
        // Without survivors, the guardian searches the process table for a run whose files are gone.
        if survivors && adoptable(&self.runtime)? {
            return Ok(None);
        }
        if let Some(call) = sys::refused_calls().into_iter().find(|call| call.instead.is_none()) {
            return Err(CliError::Refused(call));
        }
        let (mut plan, mut warnings) = self.resolve(true)?;
        refuse_state_of_others(&self.context.env, plan.log.dir.as_path())?;
        let taken = takers(&plan, &self.runtime);
        plan.taken_ports = taken.into_iter().map(|(taken, _)| taken).collect();
        warnings.extend(plan.taken_ports.iter().map(|taken| warning(&plan, taken)));
        warnings.extend(watch_notes(&plan));
        print_warnings(&warnings);
        let terminal =
            if self.typed.ui { as_view::log_size() } else { screen::window_size(std::io::stdin()) };
        plan.size = screen::pane_size(terminal, plan.name_width, self.timestamps);
        Ok(Some(plan))
    }

    /// Write the plan where the guardian expects it.
    fn hand_over(&self, plan: Plan) -> Result<(Plan, PathBuf), CliError> {
        let path = self.runtime.fresh_plan_file();
        let text = serde_json::to_vec(&plan)?;
        crate::protocol::spec::replace(&path, &text).map_err(CliError::io(path.display()))?;
        Ok((plan, path))
    }

    /// A run already exists: wait for these processes, if requested.
    fn until_ready(&self, names: &[String]) -> Result<u8, CliError> {
        let Some(ready) = self.wait.clone() else { return Ok(0) };
        runtime::block_on(ready.wait(self.instance(), names)).map(|()| 0)
    }

    /// Start what a person has stopped in the run that is up. Unless `quietly`, also say that it runs.
    fn start_stopped(&self, quietly: bool) -> Result<(), CliError> {
        self.repair_socket();
        let mut instance = self.instance();
        let state = runtime::block_on(async {
            // If its supervisor was killed, a new one continues in the background.
            instance.server().await?;
            instance.state().await
        });
        let state = match state {
            Err(CliError::OvermindCannot) if quietly => return Ok(()),
            state => state?,
        };
        if !quietly {
            // What is stopped does not stay so.
            let (pid, flags) = (state.pid, self.flags());
            print_warning(&CliError::AlreadyRunning { pid, flags, stopped: vec![] });
        }
        let stopped = state.processes.iter().filter(|process| process.stopped_by_user);
        let names: Vec<_> = stopped.map(|process| process.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let order = request::change_order(self.typed.no_deps);
        let exact = names.iter().map(|name| format!("={name}")).collect();
        let ask = Request::Start { names: exact, order };
        runtime::block_on(request::request_quietly(&mut instance, ask, !self.typed.no_wait))?;
        let names: Vec<_> = names.iter().map(ProcName::as_str).collect();
        let were = if names.len() == 1 { "was" } else { "were" };
        print_warning(&format!("{} {were} stopped: started again", names.join(", ")));
        Ok(())
    }

    /// A view that begins where the last one stopped, or else at the first record of the run. `owns`: this command has
    /// started the run, so its end is the end of the run.
    fn view_state(
        &self,
        plan: Plan,
        first: u64,
        shown: Option<Position>,
        door: Door,
        owns: bool,
    ) -> ViewState {
        let first = Position { record: first, skip: 0 };
        let dirs = Dirs::of_run(&plan, self.runtime.dir());
        // A position after the end is invalid: a view that begins there would wait forever.
        let end = IndexReader::open(&dirs).len().unwrap_or(u64::MAX);
        let shown = shown.filter(|place| place.record <= end);
        let cleared = Position { record: clear::mark(&dirs), skip: 0 };
        ViewState {
            plan,
            runtime: self.runtime.clone(),
            tmo: self.tmo.clone(),
            env: self.context.env.clone(),
            flags: self.flags(),
            timestamps: self.timestamps,
            position: shown.unwrap_or(first).max(first).max(cleared),
            door: Some(door),
            early: None,
            until: None,
            quits: tokio::task::JoinSet::new(),
            interrupted: false,
            owns: owns || Persona::here() == Persona::Overmind,
            reminder: None,
            waits: None,
        }
    }
}
