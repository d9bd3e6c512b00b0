//! `tmo start -- COMMAND`: a run whose only process is a command. Its control socket is in the runtime
//! directory, so that the runs of a Procfile in the same directory and of other commands are left alone.

use std::path::Path;

use crate::cli::args::ClientArgs;
use crate::cli::error::CliError;
use crate::cli::project::input::Start;
use crate::cli::reach::instance::Instance;
use crate::config::command::process_name;
use crate::config::place::dirs::{command_socket, last_command};
use crate::config::place::socket::{NamedBy, SocketFlags, start_socket};
use crate::config::{Env, StartOptions};
use crate::model::name::nearest::{left_out, not_started};
use crate::model::network::Network;
use crate::model::plan::Plan;
use crate::model::text::OsText;
use crate::protocol::spec::replace;
use crate::sys::files;

/// Choose the socket of a command, unless the user names one; returns the number of the run.
pub(in crate::cli) fn prepare(
    env: &Env,
    dir: &Path,
    args: &mut StartOptions,
) -> Result<Option<u32>, CliError> {
    if !args.is_command() {
        return Ok(None);
    }
    if args.procfile.is_some() || !args.names.is_empty() {
        let text = "the command after `--` is the only process: it goes without -f and names; \
                    --until-ready runs it beside those of the Procfile";
        return Err(CliError::Usage(text.to_owned()));
    }
    let typed = SocketFlags { socket: args.socket.clone(), network: args.network.clone() };
    let named_by = start_socket(dir, typed, env)?.named_by;
    if matches!(named_by, NamedBy::Flag | NamedBy::Variable) {
        return Ok(None);
    }
    args.socket = Some(command_socket(env, dir, &process_name(&args.command), 1));
    args.network = Some(Network::Unix.name().to_owned());
    Ok(Some(1))
}

impl Start {
    /// Use the socket after the present one, at which there is a run.
    pub(in crate::cli) fn take_next_socket(&mut self) -> Result<(), CliError> {
        let (env, dir) = (&self.context.env, &self.context.start_dir);
        let number = self.number.unwrap_or_default() + 1;
        let name = process_name(&self.typed.command);
        self.typed.socket = Some(command_socket(env, dir, &name, number));
        self.number = Some(number);
        self.project = self.context.project(&self.typed)?;
        self.make_runtime()
    }

    /// The command line that a reload reads again: with the socket that was chosen.
    pub(in crate::cli) fn arguments_with_socket(&self) -> Vec<OsText> {
        let mut arguments = self.arguments.clone();
        if let (Some(_), Some(socket)) = (self.number, &self.typed.socket) {
            let flags = ["-S".into(), Network::Unix.name().into(), "-s".into()];
            let verb = arguments.len().min(2);
            arguments.splice(verb..verb, flags.into_iter().chain([socket.as_path().into()]));
        }
        arguments
    }

    /// Note the socket, so that commands typed here find the log after the run.
    pub(in crate::cli) fn note_command(&self, plan: Option<&Plan>) {
        let (Some(_), Some(plan)) = (self.number, plan) else { return };
        let note = last_command(&self.context.env, &self.context.start_dir);
        // Without it, those commands need `-s`.
        let made = note.parent().is_some_and(|dir| files::make_dirs(dir).is_ok());
        let _ = made.then(|| replace(&note, plan.socket.as_bytes()));
    }

    /// The reason why a process of the Procfile is unknown: the start has left it out, or it was added since.
    pub(in crate::cli) fn why_left_out(&self, error: CliError) -> CliError {
        let CliError::Unknown(unknown) = &error else { return error };
        let run = self.runtime.plan().ok();
        if run.as_ref().is_some_and(|plan| plan.leaves_out(unknown.name.raw())) {
            return CliError::Usage(not_started(unknown.name.raw(), &self.flags()));
        }
        let Ok(loaded) = self.context.load(&self.typed) else { return error };
        let name = unknown.name.raw();
        if !loaded.procfile.entries.iter().any(|entry| entry.name == name) {
            return error;
        }
        let flags = self.flags();
        // In a run of a version without reload nothing is known of its entries.
        let run = run.filter(|plan| !plan.lines.is_empty());
        if run.is_some_and(|plan| plan.lines.iter().all(|line| line != name)) {
            return CliError::Usage(format!(
                "{name} was added to the Procfile after this run was started; `tmo reload{flags}` adds it to the run"
            ));
        }
        CliError::Usage(left_out(name, &flags))
    }
}

/// The reason why a name is unknown to the run that a command is about, as far as its Procfile gives one.
pub(in crate::cli) fn explain_unknown(error: CliError, client: &ClientArgs) -> CliError {
    let CliError::Unknown(unknown) = &error else { return error };
    let Ok(instance) = Instance::find(client) else { return error };
    if let Ok(plan) = instance.runtime.plan() {
        return match Start::again(plan, instance.runtime) {
            Ok(start) => start.why_left_out(error),
            Err(_) => error,
        };
    }
    let last = instance.last_run();
    let name = unknown.name.raw();
    if last.is_some_and(|last| last.left_out.iter().any(|left_out| left_out.matches(name))) {
        let flags = instance.flags();
        return CliError::Usage(format!(
            "{name} was left out of the start of the last run; `tmo start {name}{flags}` starts it"
        ));
    }
    error
}
