//! Reading and changing the failure patterns of a process for a client.
//!
//! A thread reads and writes the files. The result is applied only if neither the plan nor the file
//! has changed meanwhile; otherwise the files are read again.

use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, spawn_local};

use crate::action::Action;
use crate::config::failures::{Declarations, DeclareError, Declared, EditError, Failures};
use crate::config::toml::TmoToml;
use crate::model::Untrusted;
use crate::model::plan::Plan;
use crate::model::request::{Outcome, Request};
use crate::plan;
use crate::queue::{Finished, Queue};
use crate::server::engine_handle::{FailureTexts, FailuresRequest, RequestError};
use crate::supervisor::RunPhase;

/// The answer to the client.
type EditResult = Result<FailureTexts, RequestError>;

/// A finished reading of the files, with the client that waits for it.
#[derive(Debug)]
pub(crate) struct DeclarationEdit {
    texts: FailureTexts,
    files: DeclarationFiles,
    basis: Basis,
    client: DeclaringClient,
}

/// A client that waits for the answer.
#[derive(Debug)]
pub(crate) struct DeclaringClient {
    /// What it is called in the log.
    pub(crate) by: String,
    pub(crate) reply: oneshot::Sender<EditResult>,
}

impl DeclaringClient {
    fn send(self, answer: EditResult) {
        // It may be gone.
        let _ = self.reply.send(answer);
    }
}

/// The contents of the files.
#[derive(Debug)]
struct DeclarationFiles {
    toml: TmoToml,
    failures: Failures,
}

/// The version of plan and failure patterns when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Basis {
    /// Of the plan.
    generation: u64,
    /// How many edits had been applied.
    edits: u64,
}

/// The texts for the client, and the contents of the files if these are to be applied.
type ReadResult = Result<(FailureTexts, Option<DeclarationFiles>), RequestError>;

/// Applies the changes that clients make to failure patterns.
#[derive(Debug, Default)]
pub(crate) struct FailureDeclarations {
    /// How many edits were applied.
    edits: u64,
}

impl FailureDeclarations {
    /// A client lists or changes the failure patterns of a process.
    pub(crate) fn request(
        &self,
        name: String,
        ask: FailuresRequest,
        client: DeclaringClient,
        plan: &Plan,
        queue: &Queue,
    ) {
        self.read_files(client, plan, queue, move |declared| carry_out(declared, &name, &ask));
    }

    /// Have a thread read or write the files. What is read is to be applied to the run.
    fn read_files(
        &self,
        client: DeclaringClient,
        plan: &Plan,
        queue: &Queue,
        read: impl FnOnce(&Declarations) -> ReadResult + Send + 'static,
    ) {
        let declared = Declarations::of_run(plan);
        let basis = self.basis(plan);
        let queue = queue.clone();
        spawn_local(async move {
            let done = spawn_blocking(move || read(&declared)).await;
            match done.unwrap_or_else(|_| Err(lost())) {
                Ok((texts, Some(files))) => {
                    let edit = DeclarationEdit { texts, files, basis, client };
                    queue.finished(Finished::Declared(Box::new(edit)));
                }
                done => client.send(done.map(|(texts, _)| texts)),
            }
        });
    }

    const fn basis(&self, plan: &Plan) -> Basis {
        Basis { generation: plan.generation, edits: self.edits }
    }

    /// The file has been changed: apply the change to the run.
    pub(crate) fn edited(
        &mut self,
        edit: DeclarationEdit,
        run_phase: RunPhase,
        plan: &Plan,
        queue: &Queue,
    ) -> Vec<Action> {
        if run_phase != RunPhase::Running {
            // The next start reads the file.
            edit.client.send(Ok(edit.texts));
            return vec![];
        }
        let DeclarationEdit { texts, files: DeclarationFiles { toml, failures }, client, .. } =
            edit;
        if edit.basis != self.basis(plan) {
            // Another change came meanwhile.
            self.read_files(client, plan, queue, move |declared| {
                let read = || {
                    let toml = declared.read_toml()?;
                    Ok(DeclarationFiles { toml, failures: declared.listed(None)? })
                };
                let files = read().map_err(|why: DeclareError| not_applied(&in_short(&why)))?;
                Ok((texts, Some(files)))
            });
            return vec![];
        }
        self.edits += 1;
        let plan = plan::with_failures(plan, &|name| {
            let table = toml.table_of(name.entry());
            let own = table.failure.iter().map(|found| found.get_ref().clone()).collect();
            Some(failures.behind(own, name))
        });
        let by = client.by.clone();
        let (done, outcome) = oneshot::channel();
        spawn_local(async move {
            client.send(match outcome.await {
                Ok(Outcome { ok: false, problems, .. }) => {
                    Err(not_applied(&Untrusted::join(&problems, "; ")))
                }
                Ok(Outcome { ok: true, .. }) | Err(_) => Ok(texts),
            });
        });
        vec![Action::Request(Request::Reload { plan: Box::new(plan) }, by, done)]
    }
}

fn lost() -> RequestError {
    RequestError::Refused("internal error while updating failure patterns; see the log".to_owned())
}

/// The first line of an error: the first mistake of a file with several.
fn in_short(error: &DeclareError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn not_applied(why: &str) -> RequestError {
    RequestError::Refused(format!(
        "the file was changed, but the change was not applied to the run: {why}"
    ))
}

/// Carry out the request, and return the resulting contents of the files. If `tmo.toml` can't be
/// read, nothing is changed: the run could not apply it.
fn carry_out(declared: &Declarations, name: &str, ask: &FailuresRequest) -> ReadResult {
    let toml = || declared.read_toml().map_err(|error| problem(error.into()));
    let (toml, Declared { failures, is_changed: changed }) = match ask {
        FailuresRequest::List => {
            let failures = declared.listed(Some(name)).map_err(problem)?;
            (None, Declared { failures, is_changed: false })
        }
        FailuresRequest::Add(text) => (Some(toml()?), declared.add(name, text).map_err(problem)?),
        FailuresRequest::Remove(text) => {
            (Some(toml()?), declared.remove(name, text).map_err(problem)?)
        }
    };
    let texts = FailureTexts {
        process: name.to_owned(),
        failure_strings: failures.texts_of(name).to_vec(),
        changed,
    };
    Ok((texts, toml.map(|toml| DeclarationFiles { toml, failures })))
}

fn problem(error: DeclareError) -> RequestError {
    match error {
        DeclareError::Unknown(unknown) => RequestError::Unknown(Box::new(unknown.into())),
        DeclareError::Edit(EditError::Text(why)) => RequestError::Useless(why.to_string()),
        error @ (DeclareError::Edit(_)
        | DeclareError::Absent { .. }
        | DeclareError::Elsewhere { .. }) => RequestError::Refused(in_short(&error)),
    }
}
