//! A call: what is executed on a host, and what comes back.
//!
//! A call is one word of hexadecimal digits, which no shell changes. What is executed there first prints a line about its
//! host, the [`Hello`]; all that follows is the output of the verb.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::inventory::{Host, Reach};
use super::place::{HostPlaces, reached_by};
use crate::model::Exit;
use crate::model::hex::{hex, unhex};
use crate::model::time::Timestamp;
use crate::model::units;
use crate::model::untrusted::cleaned;
use crate::sys::{clock, why};

/// The verb that executes a call.
pub const WORD: &str = "there";

/// The version of calls and hellos.
pub const API: u32 = 1;

/// The longest call, as text: a program's argument has 128 KiB.
const LONGEST_CALL: usize = 100 << 10;

/// The longest hello, and the most that a login shell may print before it.
const LONGEST_HELLO: u64 = 64 << 10;

/// The longest answer.
pub const LONGEST_ANSWER: usize = 64 << 20;

/// The longest line of a stream.
pub const LONGEST_LINE: usize = 4 << 20;

/// How much of an input is written at once; each part has the whole patience.
const CHUNK: usize = 64 << 10;

/// How much of standard error is kept: its end.
const LONGEST_ERROR: usize = 4 << 10;

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// [`API`] of the caller.
    pub api: u32,
    /// The directory, absolute or below `~`.
    pub dir: String,
    /// The words after `tmo`. None are executed if there are none.
    pub argv: Vec<String>,
    /// No hello is printed: the output is a terminal.
    #[serde(default)]
    pub quiet: bool,
    /// How many more hellos are printed, each after a line of standard input: their round trips are short, so they tell
    /// the clock of the host well.
    #[serde(default)]
    pub pings: u8,
}

/// How often the clock of a host is asked for in a call where it matters.
const PINGS: u8 = 3;

/// The first line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`API`] of the host.
    pub there: u32,
    /// The version of tmo there.
    pub version: String,
    /// The name of the machine, as it calls itself.
    pub host: String,
    /// The id of its boot.
    pub boot: String,
    /// Its time.
    pub now: Timestamp,
    /// Its load over the last minute.
    pub load: Option<f64>,
    /// Its memory in bytes: used, and all.
    pub memory: Option<(u64, u64)>,
}

/// A host that gave no answer, or half of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The words of the call are too long.
    #[error("the command is too long")]
    TooLong,
    /// The program that reaches it can't be run here.
    #[error("{program}: {why}")]
    Program {
        /// The program.
        program: String,
        /// Why not.
        why: String,
    },
    /// There is no connection.
    #[error("{0}")]
    Unreachable(String),
    /// The host has refused the connection before it executed anything: it has too many for now.
    #[error("{0}")]
    Busy(String),
    /// It does not answer.
    #[error("no answer within {0}")]
    Silent(String),
    /// There is no tmo.
    #[error("there is no tmo; looked in {0}; `tmo fleet install` puts it there")]
    NoTmo(String),
    /// Its tmo has no fleets.
    #[error("its tmo knows no fleets; `tmo fleet install` puts this one there")]
    OldTmo,
    /// The connection ended before the answer.
    #[error("the answer was lost ({0}); the order may have been carried out")]
    Lost(String),
    /// Its answer is too long.
    #[error("its answer is longer than {}", units::bytes(LONGEST_ANSWER as u64))]
    LongAnswer,
}

impl CallError {
    /// Whether the call may be made again at once: nothing was executed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

/// What ssh says when sshd takes no more connections, or no more sessions of a shared connection. A connection that
/// breaks later has other words: an order may have been carried out then.
const BUSY: [&str; 3] = [
    "kex_exchange_identification:",
    "ssh_exchange_identification:",
    "Session open refused by peer",
];

impl Call {
    /// A call of this verb with these words in the root of the host.
    pub fn of(host: &Host, argv: Vec<String>) -> Self {
        Self { api: API, dir: host.root.clone(), argv, quiet: false, pings: 0 }
    }

    /// The same with a good look at the clock of the host.
    #[must_use]
    pub fn with_clock(self) -> Self {
        Self { pings: PINGS, ..self }
    }

    /// The word that [`Call::decode`] reads.
    pub fn encode(&self) -> Result<String, CallError> {
        // It has only texts, so this can't fail.
        let text = serde_json::to_vec(self).unwrap_or_default();
        if text.len() * 2 > LONGEST_CALL {
            return Err(CallError::TooLong);
        }
        Ok(hex(&text))
    }

    /// The call in this word.
    pub fn decode(word: &str) -> Option<Self> {
        let bytes = unhex(word).filter(|_| word.len() <= LONGEST_CALL)?;
        serde_json::from_slice(&bytes).ok()
    }
}

impl Hello {
    /// Read it from a line; `None` for any other line.
    fn read(line: &[u8]) -> Option<Self> {
        let hello: Self = serde_json::from_slice(line.trim_ascii()).ok()?;
        Some(Self { version: cleaned(&hello.version), host: cleaned(&hello.host), ..hello })
    }
}

/// How far the clock of a host is from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Nanoseconds that its clock is ahead.
    pub ahead: i64,
    /// The uncertainty in nanoseconds: half of the round trip.
    pub within: i64,
}

impl ClockOffset {
    /// What a hello tells that was asked for at this time, and has arrived so much later.
    fn of(hello: &Hello, asked_at: Timestamp, took: Duration) -> Self {
        let half = i64::try_from(took.as_nanos() / 2).unwrap_or(i64::MAX);
        let here = asked_at.nanos().saturating_add(half.unsigned_abs());
        Self { ahead: hello.now.nanos().wrapping_sub(here).cast_signed(), within: half }
    }

    /// A time of the host by our clock; the same if the clocks agree, as far as is known.
    pub fn here(self, time: Timestamp) -> Timestamp {
        if self.ahead.saturating_abs() <= self.within {
            return time;
        }
        Timestamp::from_nanos(time.nanos().saturating_add_signed(self.ahead.saturating_neg()))
    }
}

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
    child: Child,
    output: BufReader<ChildStdout>,
    error: JoinHandle<Vec<u8>>,
}

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
            match self.next(host, running.output.read(&mut chunk)).await? {
                Ok(0) => break,
                Ok(count) => output.extend_from_slice(&chunk[..count]),
                Err(error) => return Err(CallError::Lost(why(&error))),
            }
            if output.len() > LONGEST_ANSWER {
                return Err(CallError::LongAnswer);
            }
        }
        let RunningCall { hello, clock, .. } = running;
        let (code, error) = finish(host, running.child, running.error).await?;
        Ok(CallAnswer { hello, clock, code, output, error })
    }

    /// Begin a verb; returns when its host has answered.
    pub async fn open(
        &self,
        host: &Host,
        call: &Call,
        input: Option<&[u8]>,
    ) -> Result<RunningCall, CallError> {
        let hex = call.encode()?;
        let command = self.places.call(host, &hex).await;
        let (asked_at, asked) = (clock::now(), Instant::now());
        let mut child = spawn(&command, input.is_some() || call.pings > 0)?;
        let mut stdin = child.stdin.take();
        if let (Some(stdin), Some(input)) = (&mut stdin, input) {
            // A verb that reads no input closes it.
            let _ = timeout(self.patience, stdin.write_all(input)).await;
        }
        let Some((output, error)) = child.stdout.take().zip(child.stderr.take()) else {
            return Err(CallError::Unreachable("it has no output".to_owned()));
        };
        let error = tokio::spawn(end_of(error));
        let mut output = BufReader::new(output);
        let hello = timeout(self.patience, read_hello(&mut output)).await;
        let took = asked.elapsed();
        match hello {
            Ok(Some(hello)) => {
                let mut clock = ClockOffset::of(&hello, asked_at, took);
                if let Some(stdin) = stdin.filter(|_| call.pings > 0) {
                    let pings = ping(stdin, &mut output, call.pings);
                    let pinged = timeout(self.patience, pings).await.map_err(|_| self.silent())?;
                    clock = pinged
                        .into_iter()
                        .chain([clock])
                        .min_by_key(|one| one.within)
                        .unwrap_or(clock);
                }
                Ok(RunningCall { hello, clock, child, output, error })
            }
            Ok(None) => {
                // What goes on writing ends by that.
                drop(output);
                let ended = timeout(self.patience, finish_any(child, error)).await;
                ended.map_or_else(
                    |_| Err(self.silent()),
                    |(exit, error)| Err(no_hello(host, exit.shell_status(), &error)),
                )
            }
            Err(_) => Err(self.silent()),
        }
    }

    /// Execute a script of `sh`, as [`HostPlaces::script`] describes it, for a host that may have no tmo. Returns its exit code,
    /// its output and the end of its standard error.
    pub async fn script(
        &self,
        host: &Host,
        (script, words): (&str, &[&str]),
        input: &[u8],
    ) -> Result<(u8, String, String), CallError> {
        let mut child = spawn(&self.places.script(host, script, words).await, true)?;
        let mut stdin = child.stdin.take();
        let Some((output, error)) = child.stdout.take().zip(child.stderr.take()) else {
            return Err(CallError::Unreachable("it has no output".to_owned()));
        };
        let error = tokio::spawn(end_of(error));
        for chunk in input.chunks(CHUNK) {
            let Some(stdin) = &mut stdin else { break };
            let written = timeout(self.patience, stdin.write_all(chunk)).await;
            if written.map_err(|_| self.silent())?.is_err() {
                // It has ended, and tells why.
                break;
            }
        }
        drop(stdin.take());
        let mut said = vec![];
        let mut output = output.take(LONGEST_HELLO);
        let read = timeout(self.patience, output.read_to_end(&mut said)).await;
        read.map_err(|_| self.silent())?.map_err(|error| CallError::Lost(why(&error)))?;
        drop(output);
        let ended = timeout(self.patience, finish_any(child, error)).await;
        let (exit, error) = ended.map_err(|_| self.silent())?;
        let code = exit.shell_status();
        if code == NO_CONNECTION && matches!(host.reach, Reach::Ssh(_)) {
            return Err(no_hello(host, code, &error));
        }
        Ok((code, String::from_utf8_lossy(&said).into_owned(), error))
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
            let asked = Box::pin(self.open(host, &Call::of(host, vec![]), None)).await;
            asked.map_err(|error| CallError::Lost(error.to_string()))?;
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
        loop {
            let piece = self.output.fill_buf().await?;
            if piece.is_empty() {
                return Ok((!begun.is_empty()).then(|| std::mem::take(begun)));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let upto = end.unwrap_or(piece.len());
            let room = LONGEST_LINE.saturating_sub(begun.len());
            begun.extend_from_slice(&piece[..upto.min(room)]);
            self.output.consume(end.map_or(upto, |end| end + 1));
            if end.is_some() {
                return Ok(Some(std::mem::take(begun)));
            }
        }
    }

    /// The exit code of the verb after its output, and the end of its standard error.
    pub async fn finish(self, host: &Host) -> Result<(u8, String), CallError> {
        finish(host, self.child, self.error).await
    }
}

fn spawn(command: &[OsString], has_input: bool) -> Result<Child, CallError> {
    let [program, words @ ..] = command else { return Err(CallError::TooLong) };
    let input = if has_input { Stdio::piped() } else { Stdio::null() };
    let mut command = Command::new(program);
    command.args(words).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).spawn().map_err(|error| CallError::Program {
        program: program.display().to_string(),
        why: why(&error),
    })
}

/// Ask for more hellos, one after the other.
async fn ping(
    mut stdin: ChildStdin,
    output: &mut BufReader<ChildStdout>,
    count: u8,
) -> Vec<ClockOffset> {
    let mut clocks = vec![];
    for _ in 0..count {
        let (asked_at, asked) = (clock::now(), Instant::now());
        if stdin.write_all(b"\n").await.is_err() {
            break;
        }
        let Some(hello) = read_hello(output).await else { break };
        clocks.push(ClockOffset::of(&hello, asked_at, asked.elapsed()));
    }
    clocks
}

/// Skip what a login shell prints before the hello.
async fn read_hello(output: &mut BufReader<ChildStdout>) -> Option<Hello> {
    let mut left = output.take(LONGEST_HELLO);
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

/// How the program that reached the host has ended, and the end of its standard error.
async fn finish_any(mut child: Child, error: JoinHandle<Vec<u8>>) -> (Exit, String) {
    let status = child.wait().await;
    let exit = status.map_or(Exit::Code(1), exit_of);
    // A connection that is kept for the next call holds it open.
    let error = timeout(Duration::from_millis(200), error).await;
    let error = error.ok().and_then(Result::ok).unwrap_or_default();
    (exit, String::from_utf8_lossy(&error).into_owned())
}

/// ssh ends with this code if the connection fails.
const NO_CONNECTION: u8 = 255;

async fn finish(
    host: &Host,
    child: Child,
    error: JoinHandle<Vec<u8>>,
) -> Result<(u8, String), CallError> {
    match finish_any(child, error).await {
        (Exit::Code(NO_CONNECTION), error) if matches!(host.reach, Reach::Ssh(_)) => {
            Err(CallError::Lost(last_line(&error).unwrap_or_else(|| "ssh has ended".to_owned())))
        }
        (Exit::Code(code), error) => Ok((code, error)),
        (exit, _) => Err(CallError::Lost(format!("{} {} {exit}", reached_by(host), exit.verb()))),
    }
}

fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(cleaned).find(|line| !line.trim().is_empty())?;
    Some(line.trim().to_owned())
}

/// What ssh says of a connection that ends after it was made.
const CUT: [&str; 6] = [
    "client_loop: ",
    "closed by remote host.",
    "Read from remote host ",
    "Timeout, server ",
    "master terminated",
    "read from master failed",
];

/// Where tmo is looked for if the inventory does not tell.
const LOOKED_IN: &str = "its PATH, ~/.local/bin and ~/.cargo/bin";

/// Why there is no hello.
fn no_hello(host: &Host, code: u8, error: &str) -> CallError {
    let last = last_line(error);
    let names = |word: &str| error.contains(word);
    match code {
        126 | 127 => CallError::NoTmo(host.tmo.clone().unwrap_or_else(|| LOOKED_IN.to_owned())),
        2 if names("there") => CallError::OldTmo,
        _ if names("Host key verification failed.") => {
            let (why, advice) = if names("IDENTIFICATION HAS CHANGED") {
                ("Its key has changed", "names the line of known_hosts")
            } else {
                ("Its key is not known here", "shows it and asks")
            };
            let text = "Host key verification failed.";
            CallError::Unreachable(format!("{text} {why}; `{}` {advice}", reached_by(host)))
        }
        // There was a connection: the call may have arrived.
        NO_CONNECTION if error.trim().is_empty() || CUT.into_iter().any(names) => {
            CallError::Lost(last.unwrap_or_else(|| "ssh has ended".to_owned()))
        }
        _ => {
            let by = reached_by(host);
            let said = last.unwrap_or_else(|| format!("{by} has ended with code {code}"));
            if code == NO_CONNECTION && BUSY.into_iter().any(names) {
                CallError::Busy(said)
            } else {
                CallError::Unreachable(said)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{API, Call, CallError, Hello, Reach, no_hello};
    use crate::fleet::inventory::Host;

    proptest! {
        #[test]
        fn every_call_arrives_as_it_was(dir in ".*", argv in prop::collection::vec(".*", 0..5), quiet: bool, pings: u8) {
            let call = Call { api: API, dir, argv, quiet, pings };
            let word = call.encode().unwrap();
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_hexdigit()));
            prop_assert_eq!(Call::decode(&word), Some(call));
        }

        #[test]
        fn no_word_panics(word in ".*") {
            let _ = Call::decode(&word);
        }
    }

    #[test]
    fn a_call_is_repeated_only_if_it_can_not_have_arrived() {
        let reach = Reach::Ssh("k9".to_owned());
        let (name, root) = ("k9".to_owned(), "/".to_owned());
        let host = Host { name, reach, root, groups: vec![], tmo: None };
        for (error, is_passing) in [
            (
                "kex_exchange_identification: read: Connection reset by peer\nConnection reset by k9",
                true,
            ),
            (
                "mux_client_request_session: session request failed: Session open refused by peer",
                true,
            ),
            ("Connection reset by 10.0.0.9 port 22", false),
            ("client_loop: send disconnect: Broken pipe", false),
            ("mux_client_request_session: read from master failed: Broken pipe", false),
            ("", false),
        ] {
            let found = no_hello(&host, 255, error);
            assert_eq!(found.is_passing(), is_passing, "{error}: {found}");
        }
        let code_of_verb = no_hello(&host, 1, "kex_exchange_identification: x");
        assert!(matches!(code_of_verb, CallError::Unreachable(_)));
    }

    #[test]
    fn a_sign_is_no_digit() {
        assert_eq!(Call::decode("+f"), None);
        assert_eq!(Call::decode("f"), None);
    }

    #[test]
    fn what_a_login_shell_prints_is_no_hello() {
        for line in ["Welcome!", "{}", "{\"there\": 1}", "", "\u{1b}[0m{"] {
            assert_eq!(Hello::read(line.as_bytes()), None, "{line}");
        }
    }
}
