//! Reading and changing the failure patterns of a process for a client.
//!
//! A thread reads and writes the files. The result is applied only if neither the plan nor the file
//! has changed meanwhile; otherwise the files are read again.

use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, spawn_local};

use super::core::Engine;
use super::queue::Event;
use crate::config::failures::{Declarations, DeclareError, EditError, Failures};
use crate::config::toml::TmoToml;
use crate::model::Untrusted;
use crate::model::request::{Outcome, Request};
use crate::plan;
use crate::server::handle::{AskError, FailureTexts, FailuresAsk};
use crate::supervisor::Course;

/// The answer to the client.
pub(super) type Answer = Result<FailureTexts, AskError>;

/// A finished reading of the files, with the client that waits for it.
#[derive(Debug)]
pub(super) struct Declaring {
    texts: FailureTexts,
    found: Found,
    basis: Basis,
    reply: oneshot::Sender<Answer>,
}

/// The contents of the files.
#[derive(Debug)]
struct Found {
    toml: TmoToml,
    failures: Failures,
}

/// The version of plan and failure patterns when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Basis {
    generation: u64,
    declarations: u64,
}

impl Engine {
    /// A client lists or changes the failure patterns.
    pub(super) fn on_failures(
        &mut self,
        name: String,
        ask: FailuresAsk,
        reply: oneshot::Sender<Answer>,
    ) {
        let (declared, basis) = (Declarations::of_run(&self.plan), self.basis());
        let queue = self.queue.clone();
        spawn_local(async move {
            let lists = ask == FailuresAsk::List;
            let done = spawn_blocking(move || carry_out(&declared, &name, &ask)).await;
            match done.map_err(|_| lost()).and_then(|done| done) {
                Ok((texts, found)) if !lists => {
                    let done = Declaring { texts, found, basis, reply };
                    queue.push(Event::Declared(Box::new(done)));
                }
                // The client may be gone.
                done => _ = reply.send(done.map(|(texts, _)| texts)),
            }
        });
    }

    const fn basis(&self) -> Basis {
        Basis { generation: self.plan.generation, declarations: self.declarations }
    }

    /// The file has been changed: apply the change to the run.
    pub(super) fn declared(&mut self, done: Declaring) {
        let Declaring { texts, found, basis, reply } = done;
        if self.saved.supervisor.course != Course::Keep {
            // The next start reads the file. The client may be gone.
            let _ = reply.send(Ok(texts));
            return;
        }
        if basis != self.basis() {
            return self.declare_anew(texts, reply);
        }
        self.declarations += 1;
        let Found { toml, failures } = found;
        let plan = plan::with_failures(&self.plan, &|name| {
            let table = toml.of(name.entry());
            let own = table.failure.iter().map(|found| found.get_ref().clone()).collect();
            Some(failures.behind(own, name))
        });
        let (reported, answer) = oneshot::channel();
        self.on_request(Request::Reload { plan: Box::new(plan) }, true, None, reported);
        spawn_local(async move {
            let answer = match answer.await {
                Ok(Outcome { ok: false, problems, .. }) => {
                    Err(unknown_yet(&Untrusted::join(&problems, "; ")))
                }
                Ok(Outcome { ok: true, .. }) | Err(_) => Ok(texts),
            };
            // The client may be gone.
            let _ = reply.send(answer);
        });
    }

    /// Read the files again, because another change came meanwhile.
    fn declare_anew(&self, texts: FailureTexts, reply: oneshot::Sender<Answer>) {
        let (declared, basis) = (Declarations::of_run(&self.plan), self.basis());
        let queue = self.queue.clone();
        spawn_local(async move {
            let read = spawn_blocking(move || {
                let toml = declared.read_toml()?;
                let failures = declared.list(None)?;
                Ok::<_, DeclareError>(Found { toml, failures })
            });
            match read.await {
                Ok(Ok(found)) => {
                    let done = Declaring { texts, found, basis, reply };
                    queue.push(Event::Declared(Box::new(done)));
                }
                Ok(Err(why)) => _ = reply.send(Err(unknown_yet(&in_short(&why)))),
                Err(_) => _ = reply.send(Err(lost())),
            }
        });
    }
}

fn lost() -> AskError {
    AskError::Refused("it has failed in the midst; the log tells why".to_owned())
}

/// The first line of an error: the first mistake of a file with several.
fn in_short(error: &DeclareError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn unknown_yet(why: &str) -> AskError {
    AskError::Refused(format!("the file is changed, but the run does not know of it: {why}"))
}

/// Carry out the request, and return the resulting contents of the files. If `tmo.toml` can't be
/// read, nothing is changed: the run could not apply it.
fn carry_out(
    declared: &Declarations,
    name: &str,
    ask: &FailuresAsk,
) -> Result<(FailureTexts, Found), AskError> {
    let toml = || declared.read_toml().map_err(|error| problem(error.into()));
    let (toml, failures, changed) = match ask {
        FailuresAsk::List => {
            let failures = declared.list(Some(name)).map_err(problem)?;
            (TmoToml::default(), failures, false)
        }
        FailuresAsk::Add(text) => {
            let toml = toml()?;
            let done = declared.add(name, text).map_err(problem)?;
            (toml, done.failures, done.is_changed)
        }
        FailuresAsk::Remove(text) => {
            let toml = toml()?;
            let done = declared.remove(name, text).map_err(problem)?;
            (toml, done.failures, done.is_changed)
        }
    };
    let texts = FailureTexts {
        process: name.to_owned(),
        failure_strings: failures.of(name).to_vec(),
        changed,
    };
    Ok((texts, Found { toml, failures }))
}

fn problem(error: DeclareError) -> AskError {
    match error {
        DeclareError::Unknown(unknown) => AskError::Unknown(Box::new(Outcome {
            ok: false,
            problems: vec![format!("unknown process name: {}", unknown.name).into()],
            names: vec![],
            unknown: Some(unknown),
        })),
        DeclareError::Edit(EditError::Text(why)) => AskError::Useless(why.to_string()),
        error @ (DeclareError::Edit(_)
        | DeclareError::Absent { .. }
        | DeclareError::Elsewhere { .. }) => AskError::Refused(in_short(&error)),
    }
}
