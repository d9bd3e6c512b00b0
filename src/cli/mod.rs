//! The command line.
//!
//! [`args`] defines the syntax; a file per verb implements it. The processes that make up a run (`shim`,
//! `sink`, `guard`, `supervise`) are this program too. They are recognized before anything else, so that
//! they do not pay for what they do not need.

mod app;
mod app_error;
pub mod args;
mod check;
mod cleanup;
pub mod completions;
mod config;
mod confirm;
mod connect;
mod crashes;
mod demo;
mod doctor;
mod early_signals;
mod echo;
mod error;
mod failures;
mod far;
mod flags;
mod graph;
mod init;
mod instance;
mod internal_commands;
mod keyboard;
mod launch;
mod leftovers;
mod log;
mod logs;
mod ls;
pub mod man;
mod output;
mod persona;
mod ports;
mod print_config;
mod progress;
mod ps;
mod reload;
mod request;
mod run;
mod setup;
mod start;
mod start_failures;
mod stdout;
mod table;
mod terminal;
mod top;
#[cfg_attr(not(feature = "ui"), path = "no_ui.rs")]
mod ui;
mod until_ready;
mod usage;
mod view;
mod wait;
#[cfg_attr(not(feature = "web"), path = "no_web.rs")]
mod web;
mod why;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use tokio::time::timeout;

use args::{Args, ClientArgs, ManArgs, NamesArgs, RestartArgs, ScaleArgs, SignalArgs, Verb};
pub use error::CliError;
use instance::Instance;
use persona::Persona;

use crate::engine::forced_end::remaining;
use crate::model::request::{ChangeOrder, Request};
use crate::model::text::cut;
use crate::model::untrusted;

/// The version of this program, with commit and date in a release build of a checkout.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("TMO_BUILT_FROM"));

/// How long `kill` lets the supervisor end the run itself; it may have to wait for CPU time.
const KILL_LIMIT: Duration = Duration::from_secs(60);
/// How long `kill` waits for another supervisor to take over if that of the run was killed.
const KILL_TAKEOVER_LIMIT: Duration = Duration::from_secs(5);

/// Maximum length of a line in a message, in characters.
const LONGEST_LINE: usize = 4_000;

/// The version of the overmind that we emulate, in its own words.
const OVERMIND_VERSION: &str = "Overmind version 2.5.1";

/// overmind's exit code for help on an unknown command.
const NO_TOPIC: u8 = 3;

/// Run the program with these arguments (the first is its own name); returns its exit code.
pub fn run(arguments: Vec<OsString>) -> u8 {
    crate::sys::unblock_all_signals();
    if let Some(code) = internal_commands::run(&arguments) {
        return code;
    }
    if let Some(answered) = completions::answer(&arguments) {
        return u8::from(answered.is_err());
    }
    arguments.first().map_or(Persona::Tmo, |program| Persona::of(program)).set();
    let arguments = version(help_of_run(arguments));
    let args = match args::parse(arguments.clone()) {
        Ok(args) => args,
        Err(error) => return explain(&error, &arguments),
    };
    internal_commands::log_to_stderr();
    let client = args.verb.as_ref().and_then(Verb::client).cloned();
    match (act(args, arguments), client) {
        (Ok(code), _) => code,
        (Err(error), Some(client)) => report(&start::explain_unknown(error, &client)),
        (Err(error), None) => report(&error),
    }
}

/// Makes `run --help` show the help of `run`, as with any other command; overmind takes the word for a
/// program name. After `--` tmo does so too.
fn help_of_run(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let word = |at: usize| arguments.get(at).and_then(|word| word.to_str()).unwrap_or_default();
    let asks = ["run", "exec", "e"].contains(&word(1)) && ["--help", "-h"].contains(&word(2));
    if asks && Persona::here() == Persona::Tmo {
        arguments.splice(1.., ["help", "run"].map(OsString::from));
    }
    arguments
}

/// Makes `tmo version` print the version, as `--version` does.
fn version(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.len() == 2 && arguments[1] == "version" && Persona::here() == Persona::Tmo {
        arguments[1] = "--version".into();
    }
    arguments
}

/// The order in which a command stops and starts processes.
fn change_order(no_deps: bool) -> ChangeOrder {
    match Persona::here() {
        Persona::Overmind => ChangeOrder::Overmind,
        Persona::Tmo if no_deps => ChangeOrder::Unordered,
        Persona::Tmo => ChangeOrder::Dependencies,
    }
}

fn act(args: Args, typed: Vec<OsString>) -> Result<u8, CliError> {
    match args.verb {
        None => {
            let persona = Persona::here();
            let help = args::command().bin_name(persona.name()).render_help().ansi().to_string();
            print_raw(&mut anstream::stdout(), persona.speak(&help).as_bytes())
        }
        Some(Verb::Start(args)) => start::start(*args, typed),
        Some(Verb::Check(args)) => check::check(*args),
        Some(Verb::Config(args)) => config::config(*args),
        Some(Verb::Graph(args)) => graph::graph(*args),
        Some(Verb::Init(args)) => init::init(&args),
        Some(Verb::Demo(args)) => demo::demo(&args),
        Some(Verb::Schema) => print_json(&crate::config::toml::schema()),
        Some(Verb::Doctor(args)) => doctor::doctor(*args),
        Some(Verb::Restart(RestartArgs { of: NamesArgs { names, no_wait, client }, no_deps })) => {
            ask(&client, Request::Restart { names, order: change_order(no_deps) }, !no_wait)
        }
        Some(Verb::Stop(NamesArgs { names, no_wait, client })) => {
            ask(&client, Request::Stop { names, order: change_order(false) }, !no_wait)
        }
        Some(Verb::Connect(args)) => connect::connect(&args),
        Some(Verb::Quit(args)) => quit(&args),
        Some(Verb::Kill(args)) => kill(&args),
        Some(Verb::Detach(args)) => detach(&args),
        Some(Verb::Echo(args)) => echo::echo(&args),
        Some(Verb::Logs(args)) => logs::logs(&args),
        Some(Verb::Events(args)) => logs::logs(&args.into()),
        Some(Verb::Why(args)) => why::why(&args),
        Some(Verb::Flags(args)) => flags::flags(&args),
        Some(Verb::Crashes(args)) => crashes::crashes(&args),
        Some(Verb::Wait(args)) => wait::wait(&args),
        Some(Verb::Signal(SignalArgs { signal, names, client })) => {
            ask(&client, Request::Signal { signal, names }, true)
        }
        Some(Verb::Scale(ScaleArgs { counts, no_wait, client })) => {
            let counts = counts.into_iter().collect();
            ask(&client, Request::Scale { counts }, !no_wait)
        }
        Some(Verb::Reload(args)) => reload::reload(&args),
        Some(Verb::Send(args)) => terminal::send(&args),
        Some(Verb::Screen(args)) => terminal::screen(&args),
        Some(Verb::Cleanup(args)) => cleanup::cleanup(&args),
        Some(Verb::Ls(args)) => ls::ls(&args),
        Some(Verb::Run(args)) => run::run(&args),
        Some(Verb::Ps(args)) => ps::ps(&args),
        Some(Verb::Top(args)) => top::top(&args),
        Some(Verb::Ui(args)) => ui::ui(&args),
        Some(Verb::Web(args)) => web::web(&args),
        Some(Verb::App(args)) => app::app(&args),
        Some(Verb::Server(args)) => web::server(&args),
        Some(Verb::Failures(args)) => failures::failures(&args),
        Some(Verb::Completions(args)) => print(args.shell.script()),
        Some(Verb::Setup(args)) => setup::setup(&args),
        Some(Verb::Man(args)) => manual(&args),
    }
}

/// Print the requested help or version, or the error in the command line.
fn explain(error: &clap::Error, typed: &[OsString]) -> u8 {
    let persona = Persona::here();
    if let (Persona::Overmind, ErrorKind::InvalidSubcommand) = (persona, error.kind()) {
        let named = error.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
        // The same message as overmind's.
        let named = named.unwrap_or_default();
        let _ = writeln!(io::stderr(), "No help topic for '{}'", untrusted::shown(&named));
        return NO_TOPIC;
    }
    if error.use_stderr() {
        warn(&usage::complaint(error, typed));
    } else {
        let version = error.kind() == ErrorKind::DisplayVersion && persona == Persona::Overmind;
        let text = if version {
            format!("{OVERMIND_VERSION} (tmo {})\n", env!("CARGO_PKG_VERSION"))
        } else {
            persona.speak(&error.render().ansi().to_string())
        };
        if let Err(error) = print_raw(&mut anstream::stdout(), text.as_bytes()) {
            return report(&error);
        }
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

fn manual(args: &ManArgs) -> Result<u8, CliError> {
    if let Some(dir) = &args.dir {
        man::write_all(dir).map_err(CliError::io(dir.display()))?;
        return Ok(0);
    }
    match man::write(args.verb.as_deref(), &mut io::stdout()) {
        Ok(true) => Ok(0),
        Ok(false) => {
            let verb = args.verb.clone().unwrap_or_default();
            Err(CliError::Other(format!("there is no command `{verb}`; `tmo` lists them")))
        }
        Err(error) => written(Err(error)),
    }
}

/// A closed pipe is not an error.
fn written(result: io::Result<()>) -> Result<u8, CliError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::io("standard output")(error))
        }
        Ok(()) | Err(_) => Ok(0),
    }
}

fn ask(client: &ClientArgs, request: Request, wait: bool) -> Result<u8, CliError> {
    let mut instance = Instance::find(client)?;
    block_on(request::request(&mut instance, request, wait))
}

/// End the run, and wait until all its parts have exited.
fn quit(args: &ClientArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(args)?;
    let mut parts = vec![];
    let asked = async {
        let server = instance.server().await?;
        parts = instance.parts();
        request::request_of(&instance, server, Request::Quit, true).await
    };
    let code = block_on(asked)?;
    if let Some(part) = remaining(&parts) {
        let (name, pid) = (&part.comm, part.pid);
        warn(&format!(
            "the run is over, but {name} (pid {pid}) has not exited: `kill -9 {pid}` ends it"
        ));
    }
    Ok(code)
}

/// End the run at once, with or without its supervisor.
fn kill(args: &ClientArgs) -> Result<u8, CliError> {
    let mut instance = match Instance::find(args) {
        Err(error @ CliError::Dir(_)) => return leftovers::search(args, error),
        found => found?,
    };
    instance.takeover_limit = KILL_TAKEOVER_LIMIT;
    let mut parts = vec![];
    let asked = async {
        let ended = async {
            let server = instance.server().await?;
            // The answer of the server names the runtime directory, so the parts of the run can be looked for
            // only now.
            parts = instance.parts();
            request::request_of(&instance, server, Request::Kill, true).await
        };
        match timeout(KILL_LIMIT, ended).await {
            Ok(done) => done,
            Err(_) => Err(CliError::Other(format!(
                "the supervisor has not ended the run within {} s",
                KILL_LIMIT.as_secs()
            ))),
        }
    };
    match block_on(asked) {
        Ok(code) => leftovers::finish(&instance, &parts).map(|()| code),
        Err(error) => leftovers::kill(&instance, error),
    }
}

/// Detach the views and let the processes run on.
fn detach(args: &ClientArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(args)?;
    let asked = async {
        terminal::tmo_only(&mut instance).await?;
        instance.refuse_other_project().await?;
        instance.refuse_project_above()?;
        instance.ask(async |client| client.detach().await).await
    };
    let text = match block_on(asked)? {
        (0, _) => return Err(CliError::Other(NO_VIEW.to_owned())),
        (_, true) => return Ok(0),
        (_, false) => "its terminal may be stopped (Ctrl-Q lets it go on); it leaves when it can",
    };
    Err(CliError::Other(text.to_owned()))
}

/// The error of `tmo detach` if there is nothing to detach.
const NO_VIEW: &str = "nothing to detach: no terminal shows the log of this run";

/// File descriptors that the event loop needs for itself.
const DESCRIPTORS: usize = 8;

/// Run a future on a small runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    crate::sys::can_open(DESCRIPTORS).map_err(CliError::io("can't start"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::io("can't start"))?;
    let result = runtime.block_on(work);
    // So that a thread blocked by a stopped terminal does not keep the program from exiting.
    runtime.shutdown_background();
    result
}

/// Print text to standard output, with terminal escapes removed; a closed pipe is not an error.
fn print(text: &str) -> Result<u8, CliError> {
    print_raw(&mut io::stdout(), untrusted::shown_lines(text).as_bytes())
}

/// The same, line by line, for output that may be too large to hold in memory.
fn print_each(mut lines: impl Iterator<Item = String>) -> Result<u8, CliError> {
    let mut out = io::BufWriter::new(io::stdout());
    let print = |line: String| out.write_all(untrusted::shown_lines(&line).as_bytes());
    let printed = lines.try_for_each(print);
    written(printed.and_then(|()| out.flush()))
}

/// The same for text that tmo has coloured. External parts must have been cleaned by
/// [`crate::model::Untrusted`] or one of its functions, or their escapes are printed as well.
fn print_painted(text: &str) -> Result<u8, CliError> {
    print_raw(&mut io::stdout(), untrusted::shown_painted(text).as_bytes())
}

/// Print JSON, formatted for human readers too.
fn print_json(what: &impl serde::Serialize) -> Result<u8, CliError> {
    print_raw(&mut io::stdout(), json(what)?.as_bytes())
}

/// Serialize as JSON text.
fn json(what: &impl serde::Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(what);
    let text = text.map_err(|error| CliError::Other(error.to_string()))? + "\n";
    Ok(untrusted::json(&text).into_owned())
}

/// The JSON output of a command, with the version of its format.
#[derive(serde::Serialize)]
struct Versioned<T> {
    api: u32,
    #[serde(flatten)]
    content: T,
}

impl<T> Versioned<T> {
    const fn new(content: T) -> Self {
        Self { api: 1, content }
    }
}

/// Print bytes unchanged: tmo's own text, cleaned text, or output that is passed on byte for byte.
fn print_raw(out: &mut dyn Write, bytes: &[u8]) -> Result<u8, CliError> {
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Report a failure in one line; returns the exit code.
fn report(error: &CliError) -> u8 {
    warn(error);
    error.exit_code()
}

/// Takes warnings.
type Warnings = Box<dyn Fn(String) + Send>;

/// What takes warnings instead of standard error, while the terminal shows an interface.
static WARNINGS: Mutex<Option<Warnings>> = Mutex::new(None);

/// Let warnings be taken by this, or print them again.
fn divert_warnings(to: Option<Warnings>) {
    *WARNINGS.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

/// Print one line on standard error.
fn warn(what: &dyn Display) {
    // An error here can't be reported anywhere else.
    let persona = Persona::here();
    let text = persona.speak(&what.to_string());
    if let Some(take) = &*WARNINGS.lock().unwrap_or_else(PoisonError::into_inner) {
        return take(text.clone());
    }
    let text = untrusted::shown_lines(&text);
    // It may quote a text as long as a file.
    let lines: Vec<_> = text.split('\n').map(|line| cut(line, LONGEST_LINE)).collect();
    let text = lines.join("\n");
    let _ = writeln!(anstream::stderr(), "{}: {text}", persona.name());
}
