//! `tmo wait`: its arguments; `reach::wait` waits.

use crate::cli::args::{ClientArgs, values};
use crate::cli::error::CliError;
use crate::cli::reach::instance::Instance;
use crate::cli::reach::wait::{WaitFor, wait_for};
use crate::model::time::span;

/// Wait until processes run, are ready, exit, print a line or listen on their port.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo wait                      until all are running
  tmo wait migrate --for exit   until it exits; tmo exits with its code
  tmo wait web --for log 'listening on' --timeout 30s
  tmo wait web --for port       until its PORT accepts connections

Exit codes: 0 condition met, 1 it can no longer be met, 124 timed out.")]
pub(in crate::cli) struct WaitArgs {
    /// The processes; without names, all.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    names: Vec<String>,
    /// The condition: running, ready, exit, port, prompt, or log and a regular expression, also as
    /// `--for=log=RE`.
    #[arg(long = "for", value_name = "WHAT", num_args = 1..=2, add = values::waited_for())]
    what: Vec<String>,
    /// How long the condition must hold, as for a process that may die at once.
    #[arg(long, value_name = "TIME")]
    stable: Option<String>,
    /// How long to wait (30s, 2m); the exit code is 124 when the time is over.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

impl WaitArgs {
    /// The condition and the processes. Only after `log` is the second word part of the condition.
    fn what(&self) -> Result<(WaitFor, Vec<String>), String> {
        let (first, second) = (self.what.first().map(String::as_str), self.what.get(1));
        let what = match (first, second) {
            (None | Some("running"), _) => WaitFor::Running,
            (Some("exit"), _) => WaitFor::Exit,
            (Some("port"), _) => WaitFor::Port,
            (Some("ready"), _) => WaitFor::Ready,
            (Some("prompt"), _) => WaitFor::Prompt,
            (Some("log"), Some(expression)) => {
                return Ok((WaitFor::Log(expression.clone()), self.names.clone()));
            }
            (Some(word), name) if let Some(expression) = word.strip_prefix("log=") => {
                let names = self.names.iter().chain(name).cloned().collect();
                return Ok((WaitFor::Log(expression.to_owned()), names));
            }
            (Some("log"), None) => {
                return Err("--for log needs a regular expression after it".to_owned());
            }
            (Some(other), _) => {
                return Err(format!(
                    "--for takes running, ready, exit, port, prompt or log RE, not `{other}`"
                ));
            }
        };
        Ok((what, self.names.iter().chain(second).cloned().collect()))
    }
}

pub(in crate::cli) fn wait(args: &WaitArgs) -> Result<u8, CliError> {
    let usage = |error: &dyn std::fmt::Display| CliError::Usage(error.to_string());
    let (what, names) = args.what().map_err(|error| usage(&error))?;
    let time = |text: &Option<String>| text.as_deref().map(span).transpose();
    let limit = time(&args.timeout).map_err(|error| usage(&error))?;
    let stable = time(&args.stable).map_err(|error| usage(&error))?.unwrap_or_default();
    let mut instance = Instance::find(&args.client)?;
    wait_for(&what, stable, limit, &mut instance, &names)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::{WaitArgs, WaitFor};

    #[test]
    fn an_expression_may_begin_like_a_flag() {
        for line in ["--for=log=-> web", "web --for=log=->"] {
            let command = WaitArgs::augment_args(Command::new("wait")).no_binary_name(true);
            let matches = command.get_matches_from(line.split(' '));
            let wait = WaitArgs::from_arg_matches(&matches).unwrap();
            let expected = (WaitFor::Log("->".to_owned()), vec!["web".to_owned()]);
            assert_eq!(wait.what(), Ok(expected));
        }
    }
}
