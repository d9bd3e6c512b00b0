//! Probing from outside whether processes are ready and alive: ports, HTTP, commands.
//!
//! The state machine alone determines which questions are open; each open question has one task.
//! There is no notification when another process begins to listen, so ports are polled, at first
//! every few milliseconds.

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
use super::port_owner::{NotYet, OwnerCheck, Probed};
use super::queue::Event;
use crate::crash::Trigger;
use crate::model::ProcId;
use crate::model::event::Trouble;
use crate::model::rules::{Check, PortOwner, Probe};
use crate::supervisor::{Course, Input, Question};
use crate::sys::clock;

/// The first pause between two attempts; the pause doubles up to the configured interval.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// How long one attempt of a check may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The questions that are being asked, each with its task.
#[derive(Debug, Default)]
pub(super) struct Probes(HashMap<Question, Task>);

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The outcome of an attempt, or of a whole check.
#[derive(Debug)]
pub(super) enum Answer {
    /// The check has passed, perhaps with a warning.
    Good(Option<String>),
    /// The check has failed, for this reason.
    Bad(String),
}

/// A way to probe, with everything that it needs.
#[derive(Debug)]
enum Way {
    Port(String, u16, OwnerCheck),
    Http(String),
    Exec(Run),
}

impl Engine {
    /// Start probes for questions that are now open, and stop those for questions that no longer
    /// are.
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

    /// Restart the probes of a process, because its checks have changed.
    pub(super) fn forget_questions(&mut self, id: ProcId) {
        self.probes.0.retain(|question, _| question.id != id);
        self.queue.forget_asked(id);
    }

    fn ask(&self, question: Question) -> Option<Task> {
        let process = &self.plan.processes[question.id];
        let queue = self.queue.clone();
        let reported = move |answer| queue.push(Event::Asked(question, answer));
        let task = if let Some(check) = question.check {
            let Check { probe, every_ms, .. } = process.rules.ready.get(check)?;
            let (mut way, every) = (self.way(question, probe)?, Duration::from_millis(*every_ms));
            spawn_local(async move {
                let warning =
                    until_it_is(&mut way, every, |answer| reported(Answer::Bad(answer))).await;
                reported(Answer::Good(warning));
            })
        } else {
            let live = process.rules.live.as_ref()?;
            let every = Duration::from_millis(live.every_ms.max(1));
            let limit = Duration::from_millis(live.timeout_ms.max(1));
            let mut way = self.way(question, &live.probe)?;
            spawn_local(async move {
                loop {
                    sleep(every).await;
                    reported(match way.attempt(limit).await {
                        Ok(_) => Answer::Good(None),
                        Err(not_yet) => Answer::Bad(format!("{}: {}", way.subject(), not_yet.text)),
                    });
                }
            })
        };
        Some(Task(task))
    }

    fn way(&self, question: Question, probe: &Probe) -> Option<Way> {
        let process = &self.plan.processes[question.id];
        match probe {
            Probe::Port { host, port, owner } => {
                // Liveness accepts any listener.
                let rule = if question.check.is_some() { *owner } else { PortOwner::Any };
                Some(Way::Port(host.clone(), *port, self.owner_check(question.id, rule)))
            }
            Probe::Http { url } => Some(Way::Http(url.clone())),
            Probe::Exec { command } => Some(Way::Exec(self.run_beside(process, command))),
            Probe::Log(_) | Probe::Exit { .. } | Probe::Delay { .. } => None,
        }
    }

    /// Log that a listener outside the process's own tree has made it ready.
    fn warn_of_owner(&mut self, id: ProcId, check: usize, owner: &str) {
        let check = self.plan.processes[id].rules.ready.get(check);
        if let Some(Check { probe: Probe::Port { host, port, .. }, .. }) = check {
            let text = format!(
                "{owner} listens on {host}:{port} and did so before this process began; \
                 it counts as ready all the same (`owner = \"tree\"` would not count it)"
            );
            self.trouble(id, Trouble::Text(text));
        }
    }

    fn owner_check(&self, id: ProcId, rule: PortOwner) -> OwnerCheck {
        let process = Probed {
            name: self.plan.processes[id].name.to_string(),
            run: self.plan.run.clone(),
            shim: self.panes[id].shim.map(|(pid, _)| pid),
        };
        let since = self.saved.supervisor.procs[id].since;
        let age = clock::now().since(since);
        OwnerCheck::new(rule, process, age)
    }

    /// A probe has an answer.
    pub(super) fn asked(&mut self, question: Question, answer: Answer) {
        let Question { id, life, check } = question;
        if let Some(check) = check {
            return match answer {
                Answer::Bad(text) => self.input(Input::Unmet(id, life, check, text)),
                Answer::Good(warning) => {
                    self.probes.0.remove(&question);
                    if let Some(owner) = warning {
                        self.warn_of_owner(id, check, &owner);
                    }
                    self.input(Input::Passed(id, life, check));
                }
            };
        }
        let trouble = match answer {
            Answer::Good(_) => None,
            Answer::Bad(text) => Some(text),
        };
        let live = self.plan.processes[id].rules.live.as_ref();
        if let (Some(live), true) = (live, trouble.is_some()) {
            let (probe, failures) = (live.probe.clone(), live.failures.max(1));
            self.blame(id, life, Trigger::NotLive { probe, failures });
        }
        self.input(Input::Looked(id, life, trouble));
    }
}

/// Probe until the answer is good, and return its warning; report each bad answer that differs from
/// the one before.
async fn until_it_is(way: &mut Way, every: Duration, report: impl Fn(String)) -> Option<String> {
    let (mut pause, mut last) = (FIRST_PAUSE, None);
    loop {
        let NotYet { text, again } = match way.attempt(ATTEMPT).await {
            Ok(warning) => return warning,
            Err(not_yet) => not_yet,
        };
        if last.as_ref() != Some(&text) {
            last = Some(text.clone());
            report(text);
        }
        sleep(again.map_or(pause, |again| again.min(pause)).min(every)).await;
        pause = (pause * 2).min(every);
    }
}

impl Way {
    /// The probed address, URL or command.
    fn subject(&self) -> String {
        match self {
            Self::Port(host, port, _) => format!("{host}:{port}"),
            Self::Http(url) => url.clone(),
            Self::Exec(run) => run.describe(),
        }
    }

    /// Probe once; the error is what is wrong.
    async fn attempt(&mut self, limit: Duration) -> Result<Option<String>, NotYet> {
        let bad = |text| NotYet { text, again: None };
        let asked = async {
            match self {
                Self::Port(host, port, owner) => {
                    owner.prepare(*port).await;
                    let stream = connect(host, *port).await.map_err(bad)?;
                    owner.judge(&stream).await
                }
                Self::Http(url) => get(url).await.map(|()| None).map_err(bad),
                Self::Exec(run) => run.outcome().await.map(|()| None).map_err(bad),
            }
        };
        match timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(bad(format!("no answer within {} ms", limit.as_millis()))),
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    // A connection to a port of the ephemeral range may be given that same port as its source and
    // connect to itself.
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        return Err("nobody listens".to_owned());
    }
    Ok(stream)
}

async fn get(url: &str) -> Result<(), String> {
    let reported = |error: &dyn std::fmt::Display| error.to_string();
    let uri: Uri = url.parse().map_err(|error: hyper::http::uri::InvalidUri| reported(&error))?;
    let host = uri.host().ok_or_else(|| reported(&"names no host"))?;
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let stream = connect(plain, uri.port_u16().unwrap_or(80)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| reported(&error))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(USER_AGENT, "tmo")
        .body(Empty::<Bytes>::new())
        .map_err(|error| reported(&error))?;
    let connection = Task(spawn_local(async move {
        // An error also reaches the request, which reports it.
        let _ = connection.await;
    }));
    let answer = sender.send_request(request).await.map_err(|error| reported(&error))?;
    drop(connection);
    let status = answer.status();
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(reported(&status)) }
}
