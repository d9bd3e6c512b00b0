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

pub const LONGEST_ANSWER: usize = 64 << 20;

/// The longest hello, and the most that a login shell may print before it.
const LONGEST_HELLO: u64 = 64 << 10;

/// The longest line of a stream.
const LONGEST_LINE: usize = 4 << 20;

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
    pub clock: ClockOffset,
    /// The exit code of the verb.
    pub code: u8,
    pub output: Vec<u8>,
    /// The end of its standard error.
    pub error: String,
}

/// A verb that runs on a host.
#[derive(Debug)]
pub struct RunningCall {
    /// The host.
    pub hello: Hello,
    pub clock: ClockOffset,
    program: RunningProgram,
}

/// A program that reaches a host.
#[derive(Debug)]
struct RunningProgram {
    /// Its input, if it stays open. A stream on a host ends with it.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    end: CallEnd,
}

/// A program that reaches a host, without its streams. It is killed when this is dropped.
#[derive(Debug)]
pub struct CallEnd {
    child: Child,
    error: JoinHandle<Vec<u8>>,
}

/// How a program has ended.
#[derive(Debug)]
pub struct ProgramEnd {
    exit: Exit,
    /// Its output, if nothing else took that.
    pub output: String,
    /// The end of its standard error.
    pub error: String,
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
        let mut printed = (&mut running.program.output).take(LONGEST_ANSWER as u64 + 1);
        let cut = |error| CallError::Lost(why(&error));
        while self.next(host, printed.read_buf(&mut output)).await?.map_err(cut)? > 0 {}
        if output.len() > LONGEST_ANSWER {
            return Err(CallError::LongAnswer);
        }
        let RunningCall { hello, clock, program } = running;
        let (code, error) = program.end().await.of_verb(host)?;
        Ok(CallAnswer { hello, clock, code, output, error })
    }

    /// Begin a verb; returns when its host has answered.
    pub async fn open(
        &self,
        host: &Host,
        call: &Call,
        input: Option<&[u8]>,
    ) -> Result<RunningCall, CallError> {
        let command = self.places.command(host, call).await?;
        let asked_at = clock::now();
        let asked = Instant::now();
        // Without pings, the input ends here.
        let mut program = self.start(&command, input, call.pings > 0).await?;
        let hello = self.in_time(program.hello()).await?;
        let took = asked.elapsed();
        let Some(hello) = hello else {
            let ended = self.in_time(program.end()).await?;
            return Err(no_hello(host, ended.code(), &ended.error));
        };
        let mut clocks = self.in_time(program.ping(call.pings)).await?;
        clocks.push(ClockOffset::new(&hello, asked_at, took));
        let clock = clocks.into_iter().min_by_key(|clock| clock.within).unwrap_or_default();
        Ok(RunningCall { hello, clock, program })
    }

    /// Execute a script of `sh`, as [`HostPlaces::script`] describes it, for a host that may have no tmo.
    pub async fn script(
        &self,
        host: &Host,
        script: &str,
        words: &[&str],
        input: &[u8],
    ) -> Result<ProgramEnd, CallError> {
        let command = self.places.script(host, script, words).await?;
        let end = self.output_of(&command, Some(input), Some(host)).await?;
        match lost(host, end.exit, &end.error) {
            Some(_) => Err(no_hello(host, end.code(), &end.error)),
            None => Ok(end),
        }
    }

    /// Ask a host that may have no tmo whether it is there.
    fn find_by_script<'s>(&'s self, host: &'s Host) -> BoxFuture<'s, Result<(), CallError>> {
        Box::pin(async move {
            let found = self.script(host, "exit 0", &[], b"").await;
            found.map(drop).map_err(|error| CallError::Lost(error.to_string()))
        })
    }

    /// Execute a command on this machine, which reaches no host, and take its output.
    pub async fn here(&self, command: &[String]) -> Result<String, CallError> {
        let words: Vec<_> = command.iter().map(OsString::from).collect();
        let ProgramEnd { exit, output, error } = self.output_of(&words, None, None).await?;
        if exit == Exit::Code(0) { Ok(output) } else { Err(failed(command, exit, &error)) }
    }

    /// Execute a command to its end. If it is silent after it was sent something or has printed something, `host` is
    /// asked whether it is there.
    async fn output_of(
        &self,
        command: &[OsString],
        input: Option<&[u8]>,
        host: Option<&Host>,
    ) -> Result<ProgramEnd, CallError> {
        let mut program = self.start(command, input, false).await?;
        let mut has_begun = input.is_some_and(|input| !input.is_empty());
        let mut printed = vec![];
        let mut output = (&mut program.output).take(LONGEST_ANSWER as u64);
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
        let ended = self.in_time(program.end()).await?;
        Ok(ProgramEnd { output: String::from_utf8_lossy(&printed).into_owned(), ..ended })
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
                if self.in_time(stdin.write_all(chunk)).await?.is_err() {
                    break;
                }
            }
        }
        program.input.take_if(|_| !keeps_input);
        Ok(program)
    }

    /// Ask a host whether it is there.
    pub async fn probe(&self, host: &Host) -> Result<(), CallError> {
        Box::pin(self.open(host, &Call::new::<&str>(host, &[]), None)).await.map(drop)
    }

    /// What comes next; an error if the host is lost before that. A host that is silent is asked whether it is there.
    async fn next<T>(&self, host: &Host, next: impl Future<Output = T>) -> Result<T, CallError> {
        let mut next = std::pin::pin!(next);
        loop {
            if let Ok(found) = timeout(self.patience, &mut next).await {
                return Ok(found);
            }
            let found = self.probe(host).await;
            found.map_err(|error| CallError::Lost(error.to_string()))?;
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, CallError> {
        timeout(self.patience, work).await.map_err(|_| self.silent())
    }

    fn silent(&self) -> CallError {
        CallError::Silent(units::span(self.patience))
    }
}

impl RunningCall {
    /// The next line without its end; `None` after the last one. A longer one than `LONGEST_LINE` is cut.
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
        let RunningProgram { input, output, end } = self.program;
        Some((tokio::io::join(output, input?), end))
    }

    /// The exit code of the verb after its output, and the end of its standard error.
    pub async fn finish(self, host: &Host) -> Result<(u8, String), CallError> {
        self.program.end().await.of_verb(host)
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
        let input = child.stdin.take();
        let end = CallEnd { child, error: tokio::spawn(end_of(error)) };
        Ok(Self { input, output: BufReader::new(output), end })
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
            if let Some(hello) = Hello::parse(&line) {
                return Some(hello);
            }
        }
    }

    /// Ask for more hellos, one after the other.
    async fn ping(&mut self, count: u8) -> Vec<ClockOffset> {
        let mut clocks = vec![];
        for _ in 0..count {
            let Some(stdin) = &mut self.input else { break };
            let asked_at = clock::now();
            let asked = Instant::now();
            if stdin.write_all(b"\n").await.is_err() {
                break;
            }
            let Some(hello) = self.hello().await else { break };
            clocks.push(ClockOffset::new(&hello, asked_at, asked.elapsed()));
        }
        clocks
    }

    /// Wait for its end. If it goes on printing, it ends by that.
    async fn end(self) -> ProgramEnd {
        let Self { input, output, end } = self;
        drop(output);
        let ended = end.wait().await;
        drop(input);
        ended
    }
}

impl CallEnd {
    /// The exit code of the verb, and the end of its standard error.
    pub async fn finish(self, host: &Host) -> Result<(u8, String), CallError> {
        self.wait().await.of_verb(host)
    }

    async fn wait(mut self) -> ProgramEnd {
        let exit = self.child.wait().await.map_or(Exit::Code(1), exit_of);
        // A connection that is kept for the next call holds it open.
        let error = timeout(Duration::from_millis(200), self.error).await;
        let error = error.ok().and_then(Result::ok).unwrap_or_default();
        let error = String::from_utf8_lossy(&error).into_owned();
        ProgramEnd { exit, output: String::new(), error }
    }
}

impl ProgramEnd {
    /// The exit code.
    pub const fn code(&self) -> u8 {
        self.exit.shell_status()
    }

    /// The exit code of the verb, and the end of its standard error.
    fn of_verb(self, host: &Host) -> Result<(u8, String), CallError> {
        lost(host, self.exit, &self.error).map_or_else(|| Ok((self.code(), self.error)), Err)
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
    code.or_else(|| u8::try_from(status.signal()?).ok().map(Exit::Signal)).unwrap_or(Exit::Code(1))
}
