//! Asking from outside whether processes are ready and work: ports, HTTP, commands.
//!
//! Which questions are open follows from the state of the supervisor alone; each has a task while it
//! is. Nobody tells when another process begins to listen, so it is asked again and again, at first
//! after milliseconds.

use std::collections::HashMap;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use super::beside::Run;
use super::core::Engine;
use super::queue::Event;
use crate::crash::Trigger;
use crate::model::plan::ProcessPlan;
use crate::model::rules::{Check, Probe};
use crate::supervisor::{Course, Input, ProcId, Question};

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
                until_it_is(&way, every, |answer| told(Some(answer))).await;
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
                    let answer = way.attempt(limit).await.err();
                    told(answer.map(|answer| format!("{}: {answer}", way.subject())));
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

    /// Somebody was asked.
    pub(super) fn asked(&mut self, question: Question, trouble: Option<String>) {
        let Question { id, life, check } = question;
        if let Some(check) = check {
            if let Some(answer) = trouble {
                return self.input(Input::Unmet(id, life, check, answer));
            }
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

/// Ask until it is so; each other answer is told when it is not the one before.
async fn until_it_is(way: &Way, every: Duration, told: impl Fn(String)) {
    let (mut pause, mut last) = (FIRST_PAUSE, None);
    while let Err(answer) = way.attempt(ATTEMPT).await {
        if last.as_ref() != Some(&answer) {
            last = Some(answer.clone());
            told(answer);
        }
        sleep(pause.min(every)).await;
        pause = (pause * 2).min(every);
    }
}

impl Way {
    /// What is asked.
    fn subject(&self) -> String {
        match self {
            Self::Port(host, port) => format!("{host}:{port}"),
            Self::Http(url) => url.clone(),
            Self::Exec(run) => run.told(),
        }
    }

    /// Ask once; what is wrong if it is not as it should be.
    async fn attempt(&self, limit: Duration) -> Result<(), String> {
        let asked = async {
            match self {
                Self::Port(host, port) => connect(host, *port).await.map(drop),
                Self::Http(url) => get(url).await,
                Self::Exec(run) => run.outcome().await,
            }
        };
        match timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    // A port of the range that connections come from may be given to the very one that asks.
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        return Err("nobody listens".to_owned());
    }
    Ok(stream)
}

async fn get(url: &str) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
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
