//! The command line.
//!
//! [`args`] defines the syntax; a file per verb implements it, in the room of what a person does with it: `look` at a
//! run, `act` on it, make a `project`, `start`, `setup`. `reach` finds the run, `output` prints. The processes that make up a run (`shim`,
//! `sink`, `guard`, `supervise`) are this program too. They are recognized before anything else, so that
//! they do not pay for what they do not need.

mod act;
pub mod args;
pub mod completions;
mod error;
mod fleet;
mod internal_commands;
mod look;
mod mcp;
mod output;
mod persona;
mod project;
mod reach;
mod runtime;
pub mod setup;
mod start;
mod ui;
mod usage;
mod view;
mod web;

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::error::{ContextKind, ErrorKind};

use self::act::{actions, app, cleanup, connect, ending, failures, reload, run, terminal};
use self::args::{
    Args, ClientArgs, NamesArgs, RestartArgs, ScaleArgs, SignalArgs, Verb, WatchArgs, WatchDo,
};
pub use self::error::CliError;
use self::look::{crashes, echo, flags, graph, logs, ls, ps, top, watched, why};
use self::output::{print, print_json, print_raw, report, warn};
use self::persona::Persona;
use self::project::{check, command, config, demo, export, import, init};
use self::reach::instance::Instance;
use self::reach::request::{self, change_order};
use self::reach::wait;
use self::runtime::block_on;
use self::setup::{doctor, man, topics};
use crate::model::request::{ChangeOrder, Request};
use crate::model::text::untrusted;

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
    if Persona::here() == Persona::Overmind {
        crate::sys::files::trust("/".as_ref());
    }
    let arguments = short_help(version(help_of_run(arguments)));
    if let Some(text) = topics::help(&arguments) {
        let text = text.map(|text| Persona::here().speak(&text));
        let printed = text.and_then(|text| print_raw(&mut anstream::stdout(), text.as_bytes()));
        return printed.unwrap_or_else(|error| report(&error));
    }
    let args = match args::parse(arguments.clone()) {
        Ok(args) => args,
        Err(error) => return explain(&error, &arguments),
    };
    internal_commands::log_to_stderr();
    let client = args.verb.as_ref().and_then(Verb::client).cloned();
    match (act(args, arguments), client) {
        (Ok(code), _) => code,
        (Err(error), Some(client)) => report(&command::explain_unknown(error, &client)),
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

/// Makes `tmo -h` print the short help, as `tmo` does.
fn short_help(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.len() == 2 && arguments[1] == "-h" && Persona::here() == Persona::Tmo {
        arguments.pop();
    }
    arguments
}

fn act(args: Args, typed: Vec<OsString>) -> Result<u8, CliError> {
    match args.verb {
        None if Persona::here() == Persona::Tmo => {
            print_raw(&mut anstream::stdout(), args::short_help().ansi().to_string().as_bytes())
        }
        None => {
            let persona = Persona::here();
            let help = args::command().bin_name(persona.name()).render_help().ansi().to_string();
            print_raw(&mut anstream::stdout(), persona.speak(&help).as_bytes())
        }
        Some(Verb::Start(args)) => start::start(*args, typed),
        Some(Verb::Check(args)) => check::check(*args),
        Some(Verb::Config(args)) => config::config(*args),
        Some(Verb::Graph(args)) => graph::graph(*args),
        Some(Verb::Import(args)) => import::run(&args),
        Some(Verb::Export(args)) => export::run(&args),
        Some(Verb::Init(args)) => init::init(&args),
        Some(Verb::Demo(args)) => demo::demo(&args),
        Some(Verb::Schema) => print_json(&crate::config::toml::schema()),
        Some(Verb::Doctor(args)) => doctor::doctor(*args),
        Some(Verb::Restart(RestartArgs { of, drifted: true, .. })) => {
            reload::restart_drifted(&of.client, !of.no_wait)
        }
        Some(Verb::Restart(RestartArgs {
            of: NamesArgs { names, no_wait, client },
            no_deps,
            ..
        })) => restart(&client, &names, change_order(no_deps), !no_wait),
        Some(Verb::Stop(NamesArgs { names, no_wait, client })) => {
            ask(&client, Request::Stop { names, order: change_order(false) }, !no_wait)
        }
        Some(Verb::Connect(args)) => connect::connect(&args),
        Some(Verb::Quit(args)) => ending::quit(&args),
        Some(Verb::Kill(args)) => ending::kill(&args),
        Some(Verb::Detach(args)) => ending::detach(&args),
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
        Some(Verb::Watch(WatchArgs { what: WatchDo::Status, names, json, client })) => {
            watched::status(&client, &names, json)
        }
        Some(Verb::Watch(WatchArgs { what, names, client, .. })) => {
            ask(&client, Request::Watch { names, on: what == WatchDo::Resume }, true)
        }
        Some(Verb::Scale(ScaleArgs { counts, no_wait, client })) => {
            let counts = counts.into_iter().collect();
            ask(&client, Request::Scale { counts }, !no_wait)
        }
        Some(Verb::Act(args)) => actions::act(&args),
        Some(Verb::Reload(args)) => reload::reload(&args),
        Some(Verb::Send(args)) => terminal::send(&args),
        Some(Verb::Screen(args)) => terminal::screen(&args),
        Some(Verb::Open(args)) => web::open_process(&args),
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
        Some(Verb::Mcp(args)) => mcp::mcp(&args),
        Some(Verb::Fleet(args)) => fleet::fleet(&args),
        Some(Verb::Completions(args)) => print(args.shell.script()),
        Some(Verb::Setup(args)) => setup::setup(&args),
        Some(Verb::Man(args)) => man::manual(&args),
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

fn restart(
    client: &ClientArgs,
    names: &[String],
    order: ChangeOrder,
    wait: bool,
) -> Result<u8, CliError> {
    let mut instance = Instance::find(client)?;
    let request = Request::Restart { names: names.to_vec(), order };
    let code = block_on(request::request(&mut instance, request, wait))?;
    if Persona::here() == Persona::Tmo && instance.on_this_machine().is_ok() {
        reload::tell_of_changes(&instance, names);
    }
    Ok(code)
}

fn ask(client: &ClientArgs, request: Request, wait: bool) -> Result<u8, CliError> {
    let mut instance = Instance::find(client)?;
    block_on(request::request(&mut instance, request, wait))
}
