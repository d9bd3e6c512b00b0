//! Asking from outside whether processes are ready and work: ports, HTTP, commands.
//!
//! Which questions are open follows from the state of the supervisor alone; each has a task while it
//! is. Nobody tells when another process begins to listen, so it is asked again and again, at first
//! after milliseconds.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use nix::libc::SIGKILL;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use super::core::Engine;
use super::queue::Event;
use super::watchers;
use crate::crash::Trigger;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::rules::{Check, Probe};
use crate::model::text::OsText;
use crate::plan::{process_env, run_env};
use crate::supervisor::{Course, Input, ProcId, Question};
use crate::sys;

/// The first pause between two attempts; each next one is twice as long, up to the one that is
/// wanted.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// How long one attempt of a check may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The questions that are being asked.
#[derive(Debug, Default)]
pub(super) struct Probes(HashMap<Question, Task>);

/// A task that ends with this value.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A way to ask, with all that it takes.
#[derive(Debug)]
enum Way {
    Port(String, u16),
    Http(String),
    Exec(Run),
}

/// A command of a process, run beside it.
#[derive(Debug, Clone)]
pub(super) struct Run {
    shell: OsText,
    command: OsText,
    cwd: OsText,
    env: Vec<(OsText, OsText)>,
}

impl Engine {
    /// Ask what is open by now, and stop asking what is not.
    pub(super) fn ask_around(&mut self) {
        let supervisor = &self.saved.supervisor;
        let open = match supervisor.course {
            Course::Keep => supervisor.questions(),
            Course::Quit | Course::Done { .. } => vec![],
        };
        self.probes.0.retain(|question, _| open.contains(question));
        for question in open {
            if !self.probes.0.contains_key(&question)
                && let Some(task) = self.ask(question)
            {
                self.probes.0.insert(question, task);
            }
        }
    }

    /// Ask anew what is open about a process: its checks are others.
    pub(super) fn forget_questions(&mut self, id: ProcId) {
        self.probes.0.retain(|question, _| question.id != id);
        self.queue.forget_asked(id);
    }

    fn ask(&self, question: Question) -> Option<Task> {
        let process = &self.plan.processes[question.id];
        let queue = self.queue.clone();
        let told = move |trouble| queue.push(Event::Asked(question, trouble));
        let task = if let Some(check) = question.check {
            let Check { probe, every_ms, .. } = process.rules.ready.get(check)?;
            let (way, every) = (self.way(process, probe)?, Duration::from_millis(*every_ms));
            spawn_local(async move {
                until_it_is(&way, every).await;
                told(None);
            })
        } else {
            let live = process.rules.live.as_ref()?;
            let every = Duration::from_millis(live.every_ms.max(1));
            let limit = Duration::from_millis(live.timeout_ms.max(1));
            let way = self.way(process, &live.probe)?;
            spawn_local(async move {
                loop {
                    sleep(every).await;
                    told(way.attempt(limit).await.err());
                }
            })
        };
        Some(Task(task))
    }

    fn way(&self, process: &ProcessPlan, probe: &Probe) -> Option<Way> {
        match probe {
            Probe::Port { host, port } => Some(Way::Port(host.clone(), *port)),
            Probe::Http { url } => Some(Way::Http(url.clone())),
            Probe::Exec { command } => Some(Way::Exec(self.run_beside(process, command))),
            Probe::Log(_) | Probe::Exit { .. } | Probe::Delay { .. } => None,
        }
    }

    /// A command in the directory and the environment of a process.
    pub(super) fn run_beside(&self, process: &ProcessPlan, command: &OsText) -> Run {
        Run {
            shell: process.shell.clone(),
            command: command.clone(),
            cwd: process.cwd.clone().unwrap_or_else(|| self.plan.root.clone()),
            env: process_env(&self.plan, process),
        }
    }

    /// Somebody was asked.
    pub(super) fn asked(&mut self, question: Question, trouble: Option<String>) {
        let Question { id, life, check } = question;
        if let Some(check) = check {
            self.probes.0.remove(&question);
            return self.input(Input::Passed(id, life, check));
        }
        let live = self.plan.processes[id].rules.live.as_ref();
        if let (Some(live), true) = (live, trouble.is_some()) {
            let (probe, failures) = (live.probe.clone(), live.failures.max(1));
            self.blame(id, life, Trigger::NotLive { probe, failures });
        }
        self.input(Input::Looked(id, life, trouble));
    }
}

async fn until_it_is(way: &Way, every: Duration) {
    let mut pause = FIRST_PAUSE;
    while way.attempt(ATTEMPT).await.is_err() {
        sleep(pause.min(every)).await;
        pause = (pause * 2).min(every);
    }
}

impl Way {
    /// Ask once; what is wrong if it is not as it should be.
    async fn attempt(&self, limit: Duration) -> Result<(), String> {
        let asked = async {
            match self {
                Self::Port(host, port) => connect(host, *port).await.map(drop),
                Self::Http(url) => get(url).await,
                Self::Exec(run) => run.succeeds().await,
            }
        };
        match timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let told = |error: std::io::Error| format!("{host}:{port}: {error}");
    let stream = TcpStream::connect((host, port)).await.map_err(told)?;
    // A port of the range that connections come from may be given to the very one that asks.
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        return Err(format!("{host}:{port}: nobody listens"));
    }
    Ok(stream)
}

async fn get(url: &str) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("{url}: {error}");
    let uri: Uri = url.parse().map_err(|error: hyper::http::uri::InvalidUri| told(&error))?;
    let host = uri.host().ok_or_else(|| told(&"names no host"))?;
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let stream = connect(plain, uri.port_u16().unwrap_or(80)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| told(&error))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(USER_AGENT, "tmo")
        .body(Empty::<Bytes>::new())
        .map_err(|error| told(&error))?;
    let connection = Task(spawn_local(async move {
        // What went wrong is told to whoever waits for the answer.
        let _ = connection.await;
    }));
    let answer = sender.send_request(request).await.map_err(|error| told(&error))?;
    drop(connection);
    let status = answer.status();
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(told(&status)) }
}

impl Run {
    /// A command in the root and the environment of a run.
    pub(super) fn new(plan: &Plan, command: &OsText) -> Self {
        let (shell, cwd) = ("/bin/sh".into(), plan.root.clone());
        Self { shell, command: command.clone(), cwd, env: run_env(plan) }
    }

    /// Set a variable.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.into(), value.into()));
    }

    /// Run it; what was wrong with it, if anything.
    pub(super) async fn succeeds(&self) -> Result<(), String> {
        match self.status().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{}`: {status}", self.command.as_path().display())),
            Err(error) => Err(format!("`{}`: {error}", self.command.as_path().display())),
        }
    }

    /// Run it to its end. All that it has started ends with it, or when this is given up.
    async fn status(&self) -> std::io::Result<std::process::ExitStatus> {
        self.feed(&[]).await
    }

    /// The same with something on its standard input.
    pub(super) async fn feed(&self, input: &[u8]) -> std::io::Result<std::process::ExitStatus> {
        let mut command = Command::new(self.shell.as_path());
        command
            .arg("-c")
            .arg(self.command.as_path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (&name.0, &value.0)))
            .current_dir(&self.cwd.0)
            .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        // Who takes over asks anew.
        sys::end_with_parent(command.as_std_mut());
        let mut child = command.spawn()?;
        let mut group = Group(child.id());
        if let Some(mut stdin) = child.stdin.take() {
            // Who does not read it does not want it.
            let _ = stdin.write_all(input).await;
        }
        // Until it is reaped its number is that of its group and of nobody else.
        if let Some(pid) = child.id()
            && let Some(start_time) = sys::start_time(pid)
            && watchers::gone(pid, start_time).await.is_ok()
        {
            drop(group);
            return child.wait().await;
        }
        let status = child.wait().await;
        group.0 = None;
        status
    }
}

/// The processes of a command, as long as its leader is not reaped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Gone by itself.
            let _ = sys::signal_group(leader, SIGKILL);
        }
    }
}
