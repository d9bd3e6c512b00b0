//! `tmo act`: runs an action of `tmo.toml` as a process of the run.

use serde::Serialize;

use crate::cli::args::{ClientArgs, values};
use crate::cli::look::echo::{ShownUntil, show_while};
use crate::cli::output::confirm::{can_ask, confirm};
use crate::cli::output::outlet::{FAREWELL, Outlet};
use crate::cli::output::table::table;
use crate::cli::output::{self, Versioned};
use crate::cli::project::drift::read_again;
use crate::cli::reach::instance::{self, Instance};
use crate::cli::reach::log::Source;
use crate::cli::reach::request::{insist, key, verdict};
use crate::cli::view::stop_signal;
use crate::cli::{CliError, runtime};
use crate::config::Env;
use crate::journal::read::cursor::Position;
use crate::model::name::action::ActionName;
use crate::model::name::nearest::nearest;
use crate::model::plan::Plan;
use crate::model::request::{ChangeOrder, Outcome, Request};
use crate::model::state::{ActionState, State};
use crate::model::{ProcName, ProcessStatus, units};
use crate::sys::clock;
use crate::view::paint::{Stamp, Style};
use crate::view::screen;

/// Run an action of tmo.toml, such as a migration, in the environment of its process.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo act                       which actions there are
  tmo act migrate               run it, show its output, exit with its code
  tmo act web.migrate           that of web, where another process has one, too
  tmo act reset-db --yes        without the question that `confirm = true` asks

In tmo.toml:
  [process.web.action.migrate]
  command = \"bin/rails db:migrate\"

It runs as a process of its own, web-migrate: `tmo logs web-migrate` shows its output later, and
`tmo connect web-migrate` opens its terminal. Ctrl-C stops it.")]
pub(in crate::cli) struct ActArgs {
    /// The action, or PROCESS.ACTION where several have the same name; without it, all are listed.
    #[arg(value_name = "ACTION", add = values::action())]
    action: Option<String>,
    /// Return as soon as it has been started; its output is in the log.
    #[arg(long)]
    no_wait: bool,
    /// Do not ask, even if tmo.toml says `confirm = true`.
    #[arg(short = 'y', long)]
    yes: bool,
    /// Print the list as JSON.
    #[arg(long, conflicts_with = "action")]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// The exit code of a command that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

#[derive(Serialize)]
struct ActionList<'a> {
    actions: &'a [ActionState],
}

/// List the actions, or run one.
pub(in crate::cli) fn act(args: &ActArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let state = runtime::block_on(async {
        instance::tmo_only(&mut instance).await?;
        instance.state().await
    })?;
    let Some(word) = &args.action else { return print_actions(args, &state) };
    runtime::block_on(instance.refuse_other_project())?;
    let action = find_action(word, &state.actions)?;
    let name = &action.process;
    if action.confirm && !args.yes {
        if !can_ask() {
            let next = match Env::sender() {
                Some(_) => "`tmo mcp --allow actions` lets agents run it",
                None => "--yes runs it without one",
            };
            let text = format!("this action asks before it runs, which needs a terminal; {next}");
            return Err(CliError::Usage(text));
        }
        if !confirm(&format!("Run `{}`?", action.command))? {
            return Ok(1);
        }
    }
    tell_of_changes(&instance, name);
    run_action(&instance, action, args.no_wait)
}

/// Tell if the files say something else about an action by now: it runs as the run has read it.
fn tell_of_changes(instance: &Instance, name: &ProcName) {
    // This is only a hint, so errors are ignored.
    let Ok(old) = instance.runtime.plan() else { return };
    let Ok((fresh, _)) = read_again(&old, &instance.runtime) else { return };
    let of = |plan: &Plan| {
        let action = plan.actions.iter().find(|action| action.name == *name);
        action.map(|action| (action.command.clone(), action.argv.clone(), action.env.clone()))
    };
    if of(&old) != of(&fresh) {
        output::warn(&format!(
            "tmo.toml says something else about this action by now; `tmo reload{}` applies it",
            instance.flags()
        ));
    }
}

fn print_actions(args: &ActArgs, state: &State) -> Result<u8, CliError> {
    let actions = &state.actions;
    if args.json {
        return output::print_json(&Versioned::new(ActionList { actions }));
    }
    if actions.is_empty() {
        return Err(no_actions());
    }
    let names: Vec<_> = actions.iter().map(ActionState::action_name).collect();
    let rows = actions.iter().zip(ActionName::words(&names)).map(|(action, word)| {
        let last = match (action.exit, action.since) {
            (Some(exit), Some(since)) => {
                let ago = units::span(clock::now().since(since));
                format!(
                    "{} {ago} ago",
                    if exit.success() { "done".into() } else { exit.to_string() }
                )
            }
            (None, Some(_)) => "running".to_owned(),
            (_, None) => String::new(),
        };
        [word, last, action.command.to_string()]
    });
    output::print(&table(["ACTION", "LAST RUN", "COMMAND"], rows))
}

fn no_actions() -> CliError {
    let text = "this run has no actions; `[action.NAME]` and `[process.NAME.action.NAME]` in tmo.toml define them, and \
                `tmo reload` reads it again";
    CliError::Other(text.to_owned())
}

/// The action that a word means.
fn find_action<'a>(word: &str, actions: &'a [ActionState]) -> Result<&'a ActionState, CliError> {
    let names: Vec<_> = actions.iter().map(ActionState::action_name).collect();
    match &*ActionName::meant_by(word, &names) {
        [one] => Ok(&actions[*one]),
        [] if actions.is_empty() => Err(no_actions()),
        [] => {
            let words = ActionName::words(&names);
            let next = match nearest(word, words.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", words.join(", ")),
            };
            Err(CliError::Usage(format!("there is no action `{word}`; {next}")))
        }
        several => {
            let words: Vec<_> = several.iter().map(|at| names[*at].full()).collect();
            let text = format!(
                "several processes have an action `{word}`; name one: {}",
                words.join(", ")
            );
            Err(CliError::Usage(text))
        }
    }
}

/// Run an action, and show what it prints until it ends. Returns its exit code.
fn run_action(instance: &Instance, action: &ActionState, no_wait: bool) -> Result<u8, CliError> {
    let name = &action.process;
    let key = key();
    let request = Request::Act { name: name.to_string(), confirmed: action.confirm };
    // Nothing that it prints comes before.
    let is_here = !no_wait && instance.on_this_machine().is_ok();
    let record = if is_here { Source::of_instance(instance)?.records()? } else { 0 };
    let begun =
        runtime::block_on(instance.ask(async |client| client.begin_once(&request, &key).await))?;
    let code = verdict(begun)?;
    if no_wait {
        return Ok(code);
    }
    let outcome = instance.ask(async |client| insist(client, &request, &key).await);
    if !is_here {
        let outcome = runtime::block_on(outcome)?;
        return runtime::block_on(exit_code(instance, name, outcome));
    }
    let source = Source::of_instance(instance)?;
    let names = [format!("={name}")];
    // In a pipe, only what the command prints. On a terminal, also events, such as that it waits for input.
    let bare = !screen::is_terminal(std::io::stdout());
    let style = Style { bare, ..Source::style(&instance.context.env, Stamp::None) };
    let job = source.job(Position { record, skip: 0 }, source.filter(&names)?, style);
    let mut outlet = Outlet::open(job)?;
    runtime::block_on(async {
        let mut outcome = std::pin::pin!(outcome);
        let outcome = match show_while(instance, &mut outlet, &mut outcome).await? {
            ShownUntil::Done(outcome) => outcome?,
            ShownUntil::RunOver => {
                outlet.finish(stop_signal()).await;
                return Err(CliError::Over("it was stopped".to_owned()));
            }
            // It goes on without a reader.
            ShownUntil::ReaderGone => outcome.await?,
            ShownUntil::Signal => {
                let stop = Request::Stop { names: names.to_vec(), order: ChangeOrder::Unordered };
                let stopped = instance.ask(async |client| client.request(&stop, true).await);
                if let ShownUntil::Done(stopped) =
                    show_while(instance, &mut outlet, stopped).await?
                {
                    stopped?;
                }
                outlet.leave(FAREWELL).await;
                return Ok(INTERRUPTED);
            }
        };
        outlet.finish(stop_signal()).await;
        exit_code(instance, name, outcome).await
    })
}

/// The exit code of an action that has ended, or why it has not run.
async fn exit_code(instance: &Instance, name: &ProcName, outcome: Outcome) -> Result<u8, CliError> {
    if let Some(exit) = outcome.exit {
        return Ok(exit.shell_status());
    }
    // A run of 0.3 does not say how it has ended.
    let state = instance.state().await?;
    let process = state.processes.iter().find(|process| process.name == *name);
    let action = state.actions.iter().find(|action| action.process == *name);
    match action.and_then(|action| action.exit) {
        // Without a life of its own, the exit is that of an earlier one.
        Some(exit)
            if outcome.ok || process.is_none_or(|one| one.state == ProcessStatus::Exited) =>
        {
            Ok(exit.shell_status())
        }
        _ => verdict(outcome),
    }
}
