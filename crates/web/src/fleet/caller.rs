//! Makes calls: starts the program that reaches a host, and reads what comes back.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Join,
};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::call::{Call, ClockOffset, Hello};
use super::call_error::{CallError, failed, lost, no_hello};
use super::host::Host;
use super::place::HostPlaces;
use crate::model::{Exit, units};
use crate::sys::{clock, why};

/// The longest answer.
pub const LONGEST_ANSWER: usize = 64 << 20;

/// The longest hello, and the most that a login shell may print before it.
const LONGEST_HELLO: u64 = 64 << 10;

/// The longest output of a command that is no tmo.
const LONGEST_TEXT: u64 = 1 << 20;

/// The longest line of a stream.
pub const LONGEST_LINE: usize = 4 << 20;

/// How much of an input is written at once; each part has the whole patience.
const CHUNK: usize = 64 << 10;

/// How much of standard error is kept: its end.
const LONGEST_ERROR: usize = 4 << 10;

/// What a host is asked, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// How hosts are reached.
    pub places: &'a HostPlaces,
    /// How long a host may be silent.
    pub patience: Duration,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct CallAnswer {
    /// The host.
    pub hello: Hello,
    /// Its clock.
    pub clock: ClockOffset,
    /// The exit code of the verb.
    pub code: u8,
    /// Its output.
    pub output: Vec<u8>,
    /// The end of its standard error.
    pub error: String,
}

/// A verb that runs on a host.
#[derive(Debug)]
pub struct RunningCall {
    /// The host.
    pub hello: Hello,
    /// Its clock.
    pub clock: ClockOffset,
    program: RunningProgram,
}

/// A program that reaches a host.
#[derive(Debug)]
struct RunningProgram {
    child: Child,
    /// Its input, if it stays open. A stream on a host ends with it.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    error: JoinHandle<Vec<u8>>,
}

/// A program that reaches a host, without its streams. It is killed when this is dropped.
#[derive(Debug)]
pub struct CallEnd {
    child: Child,
    error: JoinHandle<Vec<u8>>,
}

/// The output and the input of what runs on a host.
pub type CallStream = Join<BufReader<ChildStdout>, ChildStdin>;

impl Caller<'_> {
    /// Execute a verb and take its answer. `input` is its standard input.
    pub async fn call(
        &self,
        host: &Host,
        call: &Call,
        input: Option<&[u8]>,
    ) -> Result<CallAnswer, CallError> {
        let mut running = self.open(host, call, input).await?;
        let mut output = vec![];
        let mut chunk = vec![0; 16 << 10];
        loop {
            match self.next(host, running.program.output.read(&mut chunk)).await? {
                Ok(0) => break,
                Ok(count) => output.extend_from_slice(&chunk[..count]),
                Err(error) => return Err(CallError::Lost(why(&error))),
            }
            if output.len() > LONGEST_ANSWER {
                return Err(CallError::LongAnswer);
            }
        }
        let (hello, clock) = (running.hello.clone(), running.clock);
        let (code, error) = running.finish(host).await?;
        Ok(CallAnswer { hello, clock, code, output, error })
    }

    /// Begin a verb; returns when its host has answered.
    pub async fn open(
        &self,
        host: &Host,
        call: &Call,
        input: Option<&[u8]>,
    ) -> Result<RunningCall, CallError> {
        let hex = call.encode().ok_or(CallError::TooLong)?;
        let command = self.places.call(host, &hex).await?;
        let (asked_at, asked) = (clock::now(), Instant::now());
        // Without pings, the input ends here.
        let mut program = self.start(&command, input, call.pings > 0).await?;
        let hello = timeout(self.patience, program.hello()).await.map_err(|_| self.silent())?;
        let took = asked.elapsed();
        let Some(hello) = hello else {
            let ended = timeout(self.patience, program.end()).await;
            let (exit, error) = ended.map_err(|_| self.silent())?;
            return Err(no_hello(host, exit.shell_status(), &error));
        };
        let pings = timeout(self.patience, program.ping(call.pings)).await;
        let mut clocks = pings.map_err(|_| self.silent())?;
        clocks.push(ClockOffset::of(&hello, asked_at, took));
        let clock = clocks.into_iter().min_by_key(|clock| clock.within).unwrap_or_default();
        Ok(RunningCall { hello, clock, program })
    }

    /// Execute a script of `sh`, as [`HostPlaces::script`] describes it, for a host that may have no tmo. Returns its exit code,
    /// its output and the end of its standard error.
    pub async fn script(
        &self,
        host: &Host,
        (script, words): (&str, &[&str]),
        input: &[u8],
    ) -> Result<(u8, String, String), CallError> {
        let command = self.places.script(host, script, words).await?;
        let (exit, output, error) = self.run(&command, Some(input), Some(host)).await?;
        let code = exit.shell_status();
        if lost(host, exit, &error).is_some() {
            return Err(no_hello(host, code, &error));
        }
        Ok((code, output, error))
    }

    /// Ask a host that may have no tmo whether it is there.
    fn find_by_script<'s>(&'s self, host: &'s Host) -> BoxFuture<'s, Result<(), CallError>> {
        Box::pin(async move {
            let found = self.script(host, ("exit 0", &[]), b"").await;
            found.map(drop).map_err(|error| CallError::Lost(error.to_string()))
        })
    }

    /// Execute a command on this machine, which reaches no host, and take its output.
    pub async fn here(&self, command: &[String]) -> Result<String, CallError> {
        let words: Vec<_> = command.iter().map(OsString::from).collect();
        let (exit, output, error) = self.run(&words, None, None).await?;
        if exit == Exit::Code(0) { Ok(output) } else { Err(failed(command, exit, &error)) }
    }

    /// Execute a command to its end: how it has ended, its output, and the end of its standard error. If it is silent
    /// after it was sent something or has printed something, `host` is asked whether it is there.
    async fn run(
        &self,
        command: &[OsString],
        input: Option<&[u8]>,
        host: Option<&Host>,
    ) -> Result<(Exit, String, String), CallError> {
        let mut program = self.start(command, input, false).await?;
        let mut has_begun = input.is_some_and(|input| !input.is_empty());
        let mut printed = vec![];
        let mut output = (&mut program.output).take(LONGEST_TEXT);
        loop {
            match timeout(self.patience, output.read_buf(&mut printed)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(_)) => has_begun = true,
                Ok(Err(error)) => return Err(CallError::Lost(why(&error))),
                Err(_) => match host.filter(|_| has_begun) {
                    Some(host) => self.find_by_script(host).await?,
                    None => return Err(self.silent()),
                },
            }
        }
        let ended = timeout(self.patience, program.end()).await;
        let (exit, error) = ended.map_err(|_| self.silent())?;
        Ok((exit, String::from_utf8_lossy(&printed).into_owned(), error))
    }

    /// Start a command, and write its standard input. If the command ends early, its exit code and messages explain why.
    async fn start(
        &self,
        command: &[OsString],
        input: Option<&[u8]>,
        keeps_input: bool,
    ) -> Result<RunningProgram, CallError> {
        let mut program = RunningProgram::spawn(command, input.is_some() || keeps_input)?;
        if let Some(stdin) = &mut program.input {
            for chunk in input.unwrap_or_default().chunks(CHUNK) {
                let written = timeout(self.patience, stdin.write_all(chunk)).await;
                if written.map_err(|_| self.silent())?.is_err() {
                    break;
                }
            }
        }
        program.input.take_if(|_| !keeps_input);
        Ok(program)
    }

    /// Ask a host whether it is there.
    pub async fn find(&self, host: &Host) -> Result<(), CallError> {
        let nothing: [&str; 0] = [];
        Box::pin(self.open(host, &Call::of(host, &nothing), None)).await.map(drop)
    }

    /// What comes next; an error if the host is lost before that. A host that is silent is asked whether it is there.
    pub async fn next<T>(
        &self,
        host: &Host,
        next: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        let mut next = std::pin::pin!(next);
        loop {
            if let Ok(found) = timeout(self.patience, &mut next).await {
                return Ok(found);
            }
            let found = self.find(host).await;
            found.map_err(|error| CallError::Lost(error.to_string()))?;
        }
    }

    fn silent(&self) -> CallError {
        CallError::Silent(units::span(self.patience))
    }
}

impl RunningCall {
    /// The next line without its end; `None` after the last one. A longer one than [`LONGEST_LINE`] is cut.
    /// Cancel-safe: what was read of a line stays in `begun`.
    pub async fn line(&mut self, begun: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
        let output = &mut self.program.output;
        loop {
            let piece = output.fill_buf().await?;
            if piece.is_empty() {
                return Ok((!begun.is_empty()).then(|| std::mem::take(begun)));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let upto = end.unwrap_or(piece.len());
            let room = LONGEST_LINE.saturating_sub(begun.len());
            begun.extend_from_slice(&piece[..upto.min(room)]);
            output.consume(end.map_or(upto, |end| end + 1));
            if end.is_some() {
                return Ok(Some(std::mem::take(begun)));
            }
        }
    }

    /// Both directions of a call with pings; `None` for any other.
    pub fn split(self) -> Option<(CallStream, CallEnd)> {
        let RunningProgram { child, input, output, error } = self.program;
        Some((tokio::io::join(output, input?), CallEnd { child, error }))
    }

    /// The exit code of the verb after its output, and the end of its standard error.
    pub async fn finish(self, host: &Host) -> Result<(u8, String), CallError> {
        let (exit, error) = self.program.end().await;
        lost(host, exit, &error).map_or_else(|| Ok((exit.shell_status(), error)), Err)
    }
}

impl RunningProgram {
    fn spawn(command: &[OsString], has_input: bool) -> Result<Self, CallError> {
        let [program, words @ ..] = command else { return Err(CallError::TooLong) };
        let input = if has_input { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(program);
        command.args(words).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| {
            CallError::Unreachable(format!("{}: {}", program.display(), why(&error)))
        })?;
        let Some((output, error)) = child.stdout.take().zip(child.stderr.take()) else {
            return Err(CallError::Unreachable("it has no output".to_owned()));
        };
        let (input, error) = (child.stdin.take(), tokio::spawn(end_of(error)));
        Ok(Self { child, input, output: BufReader::new(output), error })
    }

    /// Skip what a login shell prints before the hello.
    async fn hello(&mut self) -> Option<Hello> {
        let mut left = (&mut self.output).take(LONGEST_HELLO);
        loop {
            let mut line = vec![];
            left.read_until(b'\n', &mut line).await.ok()?;
            if line.is_empty() {
                return None;
            }
            if let Some(hello) = Hello::read(&line) {
                return Some(hello);
            }
        }
    }

    /// Ask for more hellos, one after the other.
    async fn ping(&mut self, count: u8) -> Vec<ClockOffset> {
        let mut clocks = vec![];
        for _ in 0..count {
            let Some(stdin) = &mut self.input else { break };
            let (asked_at, asked) = (clock::now(), Instant::now());
            if stdin.write_all(b"\n").await.is_err() {
                break;
            }
            let Some(hello) = self.hello().await else { break };
            clocks.push(ClockOffset::of(&hello, asked_at, asked.elapsed()));
        }
        clocks
    }

    /// How it has ended, and the end of its standard error. If it goes on printing, it ends by that.
    async fn end(self) -> (Exit, String) {
        let Self { child, input, output, error } = self;
        drop(output);
        let ended = CallEnd { child, error }.wait().await;
        drop(input);
        ended
    }
}

impl CallEnd {
    /// The exit code of the verb, and the end of its standard error.
    pub async fn finish(self, host: &Host) -> Result<(u8, String), CallError> {
        let (exit, error) = self.wait().await;
        lost(host, exit, &error).map_or_else(|| Ok((exit.shell_status(), error)), Err)
    }

    async fn wait(mut self) -> (Exit, String) {
        let exit = self.child.wait().await.map_or(Exit::Code(1), exit_of);
        // A connection that is kept for the next call holds it open.
        let error = timeout(Duration::from_millis(200), self.error).await;
        let error = error.ok().and_then(Result::ok).unwrap_or_default();
        (exit, String::from_utf8_lossy(&error).into_owned())
    }
}

/// The last bytes of a stream.
async fn end_of(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = vec![];
    let mut chunk = vec![0; 4 << 10];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..count]);
        let over = kept.len().saturating_sub(LONGEST_ERROR);
        kept.drain(..over);
    }
    kept
}

fn exit_of(status: ExitStatus) -> Exit {
    let code = status.code().and_then(|code| u8::try_from(code).ok()).map(Exit::Code);
    let signal = || u8::try_from(status.signal()?).ok().map(Exit::Signal);
    code.or_else(signal).unwrap_or(Exit::Code(1))
}
