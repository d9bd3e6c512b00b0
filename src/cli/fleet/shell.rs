//! `tmo fleet shell`: a prompt for verbs of the fleet.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::process::Stdio;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::signal::unix::SignalKind;

use crate::cli::error::CliError;
use crate::cli::fleet::verbs::FleetArgs;
use crate::cli::output;
use crate::cli::runtime::{SignalSet, code_of};
use crate::model::ProcessId;
use crate::sys;
use crate::view::screen::is_terminal;

const PROMPT: &str = "fleet> ";

/// Execute each line of standard input as `tmo fleet LINE`; returns the code of the last one, or of the signal that ended it.
pub(super) async fn shell(args: &FleetArgs, file: Option<&str>) -> Result<u8, CliError> {
    let has_terminal = is_terminal(io::stdin()) && is_terminal(io::stdout());
    let mut signals = SignalSet::of_end_and(&[]).map_err(CliError::io("can't wait for signals"))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut code = 0;
    if has_terminal {
        output::print(
            "Verbs as behind `tmo fleet`, such as `ps`; `help` lists them, Ctrl-D leaves.\n",
        )?;
    }
    loop {
        if has_terminal {
            output::print(PROMPT)?;
            io::stdout().flush().map_err(CliError::io("standard output"))?;
        }
        let line = tokio::select! {
            line = lines.next_line() => line.map_err(CliError::io("standard input"))?,
            signal = signals.next() => {
                output::print("\n")?;
                if signal == SignalKind::interrupt() {
                    continue;
                }
                return Ok(code_of(signal));
            }
        };
        let Some(line) = line else { break };
        let Ok(words) = shell_words::split(&line) else {
            output::warn(&"a quote has no end");
            code = 2;
            continue;
        };
        // As it is written elsewhere.
        let words = words.strip_prefix(&["tmo".to_owned()]).unwrap_or(&words);
        let words = words.strip_prefix(&["fleet".to_owned()]).unwrap_or(words);
        match words {
            [] => continue,
            [word] if word == "exit" => break,
            [word] if word == "quit" => {
                let text = "`exit` leaves this prompt; `quit '*'` stops the runs of all hosts";
                output::warn(&text);
                continue;
            }
            _ => {}
        }
        let words = if words == ["help"] { &["--help".to_owned()] } else { words };
        let input = if has_terminal { Stdio::inherit() } else { Stdio::null() };
        let own = std::env::current_exe().map_err(CliError::io("can't tell where tmo is"))?;
        let mut command = Command::new(own);
        command.arg("fleet").args(file).args(flags(args)).args(words).stdin(input);
        code = match execute(command, &mut signals).await? {
            ControlFlow::Continue(code) => code,
            ControlFlow::Break(code) => return Ok(code),
        };
    }
    if has_terminal {
        output::print("\n")?;
    }
    Ok(code)
}

/// Execute a verb to its end; `Break` if a signal ends the prompt before.
async fn execute(
    mut command: Command,
    signals: &mut SignalSet,
) -> Result<ControlFlow<u8, u8>, CliError> {
    let mut child = command.spawn().map_err(CliError::io("can't run tmo"))?;
    let id = child.id().and_then(ProcessId::now);
    loop {
        tokio::select! {
            ended = child.wait() => {
                let code = ended.map_err(CliError::io("can't wait for tmo"))?.code();
                let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
                return Ok(ControlFlow::Continue(code));
            }
            signal = signals.next() => {
                // A terminal sends the verb what it sends to this program.
                if signal != SignalKind::interrupt() && signal != SignalKind::quit() {
                    if let Some(id) = id {
                        // It may have ended.
                        let _ = sys::signal(id, Signal::SIGTERM as i32);
                    }
                    return Ok(ControlFlow::Break(code_of(signal)));
                }
            }
        }
    }
}

/// What was given to the prompt holds for each line.
fn flags(args: &FleetArgs) -> Vec<String> {
    let hosts = args.hosts.iter().map(|hosts| format!("--hosts={hosts}"));
    let patience = format!("--connect-timeout={}ms", args.patience.as_millis());
    let persist = (!args.persist).then(|| "--no-persist".to_owned());
    hosts.chain([patience]).chain(persist).collect()
}
