//! Executes commands of tmo for a client, within limits of time and size.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::{McpAllowance, McpArgs};
use crate::cli::error::CliError;
use crate::config::env::SENDER;
use crate::model::text::untrusted::shown_lines;
use crate::sys;

/// Commands at once; others wait.
const AT_ONCE: usize = 8;

/// How much of the output of a command is read; an answer has less.
const MOST_READ: u64 = 1 << 20;

/// A command of tmo, and what its answer may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The verb and its arguments.
    pub(super) argv: Vec<String>,
    /// How long it may take.
    pub(super) limit: Duration,
    /// How many bytes of it are shown.
    pub(super) most: usize,
    /// Exit codes besides 0 that are an answer.
    pub(super) expected: &'static [i32],
    /// The flag that confirms it.
    pub(super) confirms: Option<&'static str>,
}

/// Commands that are executed one after another, up to the first that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steps {
    /// All but the last are shown only if they fail.
    pub(super) all: Vec<Step>,
    /// What is asked if one has failed.
    pub(super) after_failure: Option<Step>,
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) is_error: bool,
    pub(super) text: String,
    /// What the command has said on standard error.
    pub(super) remarks: String,
}

impl Answer {
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self { is_error: true, text: text.into(), remarks: String::new() }
    }
}

/// The commands of a project.
#[derive(Debug)]
pub(super) struct Commands {
    program: PathBuf,
    dir: PathBuf,
    /// The variable that selects the run.
    socket: Option<OsString>,
    at_once: Semaphore,
    /// Whether the client may confirm actions.
    confirms: bool,
}

impl Commands {
    pub(super) fn new(args: &McpArgs) -> Result<Self, CliError> {
        let here = std::env::current_dir().map_err(CliError::io("the current directory"))?;
        let program = std::env::current_exe().map_err(CliError::io("the program of tmo"))?;
        Ok(Self {
            program,
            dir: args.project.as_ref().map_or(here.clone(), |dir| here.join(dir)),
            socket: args.socket.as_ref().map(|socket| here.join(socket).into()),
            at_once: Semaphore::new(AT_ONCE),
            confirms: args.allow.contains(&McpAllowance::Actions),
        })
    }

    /// Execute these commands in the name of this client.
    pub(super) async fn carry_out(&self, steps: Steps, by: String) -> Answer {
        let Ok(_permit) = self.at_once.acquire().await else {
            return Answer::failed("tmo is ending");
        };
        let (mut answer, mut earlier) = (Answer::failed("there is nothing to do"), String::new());
        for step in &steps.all {
            answer = self.execute(step, &by).await;
            answer.text.insert_str(0, &earlier);
            for remark in answer.remarks.lines() {
                earlier = earlier + remark + "\n";
            }
            if answer.is_error {
                if let Some(step) = &steps.after_failure {
                    let more = self.execute(step, &by).await.text;
                    answer.text =
                        format!("{}\n\n$ tmo {}\n{more}", answer.text, step.argv.join(" "));
                }
                break;
            }
        }
        answer
    }

    async fn execute(&self, step: &Step, by: &str) -> Answer {
        let mut command = Command::new(sys::program(&self.program));
        command.args(step.argv.first()).args(step.confirms.filter(|_| self.confirms));
        command
            .args(step.argv.iter().skip(1))
            .current_dir(&self.dir)
            .env(SENDER, by)
            .env("NO_COLOR", "1");
        if let Some(socket) = &self.socket {
            command.env("TMO_SOCKET", socket);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.kill_on_drop(true).spawn() {
            Ok(child) => child,
            Err(error) => return Answer::failed(format!("tmo can't be started: {error}")),
        };
        let (out, err) = (read_output(child.stdout.take()), read_output(child.stderr.take()));
        let work = async { tokio::join!(child.wait(), out, err) };
        let Ok((status, out, err)) = tokio::time::timeout(step.limit, work).await else {
            let verb = step.argv.first().map_or("", String::as_str);
            let limit = step.limit.as_secs();
            return Answer::failed(format!(
                "`tmo {verb}` is not done after {limit} s; what it has asked for goes on. `wait` and \
                 `status` say how it stands"
            ));
        };
        let code = match status {
            Ok(status) => status.code(),
            Err(error) => return Answer::failed(format!("tmo can't be waited for: {error}")),
        };
        let (out, err) = (out.trim_end(), err.trim_end());
        let mut text = bounded(out, step.most);
        if !err.is_empty() {
            text = [text, bounded(err, step.most)].join(if out.is_empty() { "" } else { "\n" });
        }
        let is_error = !code.is_some_and(|code| code == 0 || step.expected.contains(&code));
        if text.is_empty() {
            text = if is_error { "it failed".to_owned() } else { "done".to_owned() };
        }
        Answer { is_error, text, remarks: bounded(err, step.most) }
    }
}

/// The beginning of what it prints. The rest is read, too, so that the command is not held up.
async fn read_output(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut text = vec![];
    if let Some(mut stream) = stream {
        // What can't be read is missing in the answer.
        let _ = (&mut stream).take(MOST_READ).read_to_end(&mut text).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    shown_lines(&String::from_utf8_lossy(&text)).into_owned()
}

/// Its first lines that fit.
fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}\n({} bytes more are left out)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn an_answer_ends_with_a_whole_line_and_says_what_is_missing() {
        assert_eq!(bounded("one\ntwo", 7), "one\ntwo");
        assert_eq!(bounded("one\ntwo\nthree", 9), "one\ntwo\n(6 bytes more are left out)");
        assert_eq!(bounded("ééé", 3), "é\n(4 bytes more are left out)");
    }
}
