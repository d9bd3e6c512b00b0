//! `tmo run`: runs a command in the environment of the env files, or in that of a process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::args::{ClientArgs, values};
use crate::cli::persona::Persona;
use crate::cli::project::input::Start;
use crate::cli::reach::instance::Instance;
use crate::cli::{CliError, output};
use crate::config::StartOptions;
use crate::config::load::{Context, find_program};
use crate::config::options::BackendChoice;
use crate::model::plan::Plan;
use crate::model::plan::process_env::process_env;
use crate::model::text::shell::quoted;
use crate::sys::why;

/// Run a command in the environment of the env files, or of a process.
#[derive(clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
Examples:
  tmo run rails console         with what ./.env and ./.tmo.env set
  tmo run env                   print that environment
  tmo run --as web sh           a shell with what web gets, in its directory

Arguments after the command are passed to it. Without `--as`, PORT and PS are not set: the command
is not a process of the Procfile."
)]
pub(in crate::cli) struct RunArgs {
    /// With the variables of this process and in its directory.
    #[arg(long = "as", value_name = "PROCESS", add = values::process())]
    process: Option<String>,
    /// The command and its arguments.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Exec the command; returns only if that fails. There is no process between it and the shell: Ctrl-C
/// reaches it as without tmo, and the shell sees its real exit status.
pub(in crate::cli) fn run_command(args: &RunArgs) -> Result<u8, CliError> {
    let Some((name, rest)) = args.command.split_first() else {
        let text = "Specify a command to run, as in `tmo run rails console`";
        return Err(CliError::Usage(text.to_owned()));
    };
    if let Some(process) = &args.process {
        return as_process(process, name, rest);
    }
    let context = Context::here()?;
    for warning in &context.warnings {
        output::warn(warning);
    }
    let shown = name.to_string_lossy().into_owned();
    let Some(program) = find_program(&context, name) else {
        return Err(if blocked(&context, name) {
            CliError::NotExecutable { name: shown, why: "permission denied".into() }
        } else {
            CliError::NotFound { name: shown, advice: advice(&args.command).unwrap_or_default() }
        });
    };
    let env = context.env.pairs().into_iter().map(|(name, value)| (name.0, value.0));
    let error = Command::new(program).arg0(name).args(rest).env_clear().envs(env).exec();
    Err(CliError::NotExecutable { name: shown, why: why(&error) })
}

/// The same with the variables and the directory of a process.
fn as_process(process: &str, name: &OsStr, rest: &[OsString]) -> Result<u8, CliError> {
    let plan = plan()?;
    let Some(own) = plan.present().find(|one| one.is_meant(process)) else {
        return Err(CliError::unknown(process, plan.present().map(|one| &one.name)));
    };
    let env = process_env(&plan, own).into_iter().map(|(name, value)| (name.0, value.0));
    let mut env: BTreeMap<OsString, OsString> = env.collect();
    // It is no part of the run, which would end it.
    env.remove(OsStr::new("TMO_SESSION"));
    let dir: PathBuf = own.cwd.as_ref().unwrap_or(&plan.root).as_path().to_owned();
    let error = Command::new(name).args(rest).env_clear().envs(env).current_dir(&dir).exec();
    let shown = name.to_string_lossy().into_owned();
    Err(match error.kind() {
        std::io::ErrorKind::NotFound if dir.is_dir() => {
            let advice = for_a_shell(&shown).unwrap_or_default();
            CliError::NotFound { name: shown, advice }
        }
        _ => CliError::NotExecutable { name: shown, why: why(&error) },
    })
}

/// The plan of the run here, which has the ports and the names that its start chose; without one, that of a
/// plain start.
fn plan() -> Result<Plan, CliError> {
    let runtime = Instance::find(&ClientArgs::default())?.runtime;
    if runtime.is_held()
        && let Ok(plan) = runtime.plan()
    {
        return Ok(plan);
    }
    let start = Start::gather(StartOptions {
        // No terminal is opened, so tmux need not be there.
        backend: Some(BackendChoice::Native),
        ..StartOptions::default()
    })?;
    start.preview(&|name| find_program(&start.context, name))
}

/// What to do instead of a command that begins with the name of a process, as that of `docker compose exec` does.
fn advice(typed: &[OsString]) -> Option<String> {
    let mut words = typed.iter().filter_map(|word| word.to_str());
    let name = words.find(|word| !word.starts_with('-'))?;
    if let Some(advice) = for_a_shell(name) {
        return Some(advice);
    }
    let plan = plan().ok().filter(|_| Persona::here() == Persona::Tmo)?;
    plan.present().find(|one| one.is_meant(name))?;
    let rest: Vec<_> = words.collect();
    let command = if rest.is_empty() { "COMMAND".to_owned() } else { rest.join(" ") };
    Some(format!(
        "; {name} is a process: `tmo run --as {name} {command}` runs a command with its variables, `tmo connect {name}` \
         opens its terminal"
    ))
}

/// The same for a whole line of a shell.
fn for_a_shell(name: &str) -> Option<String> {
    let is_line = name.contains([' ', '|', ';', '&', '<', '>', '$', '*']);
    is_line.then(|| format!("; it is run without a shell: `sh -c {}` runs it in one", quoted(name)))
}

/// Whether the file exists but is not executable.
fn blocked(context: &Context, name: &OsString) -> bool {
    let path = Path::new(name);
    path.components().count() > 1 && context.start_dir.join(path).exists()
}
