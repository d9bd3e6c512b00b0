//! Reading and changing the failure patterns of a process for a client.
//!
//! A thread reads and writes the files. The result is applied only if neither the plan nor the file
//! has changed meanwhile; otherwise the files are read again.

use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, spawn_local};

use super::action::Action;
use super::declaration_edit::{Basis, DeclarationEdit, DeclarationFiles, EditResult};
use super::queue::{Finished, Queue};
use crate::config::failures::{Declarations, DeclareError, Declared, EditError};
use crate::config::toml::TmoToml;
use crate::model::Untrusted;
use crate::model::plan::Plan;
use crate::model::request::{Outcome, Request};
use crate::plan;
use crate::server::engine_handle::{FailureTexts, FailuresRequest, RequestError};
use crate::supervisor::RunPhase;

/// Applies the changes that clients make to failure patterns.
#[derive(Debug, Default)]
pub(super) struct FailureDeclarations {
    /// How many edits were applied.
    edits: u64,
}

impl FailureDeclarations {
    /// A client lists or changes the failure patterns of a process.
    pub(super) fn request(
        &self,
        name: String,
        ask: FailuresRequest,
        by: String,
        reply: oneshot::Sender<EditResult>,
        plan: &Plan,
        queue: &Queue,
    ) {
        let (declared, basis) = (Declarations::of_run(plan), self.basis(plan));
        let queue = queue.clone();
        spawn_local(async move {
            let lists = ask == FailuresRequest::List;
            let done = spawn_blocking(move || carry_out(&declared, &name, &ask)).await;
            match done.map_err(|_| lost()).and_then(|done| done) {
                Ok((texts, found)) if !lists => {
                    let done = DeclarationEdit { texts, files: found, basis, by, reply };
                    queue.finished(Finished::Declared(Box::new(done)));
                }
                // The client may be gone.
                done => _ = reply.send(done.map(|(texts, _)| texts)),
            }
        });
    }

    const fn basis(&self, plan: &Plan) -> Basis {
        Basis { generation: plan.generation, edits: self.edits }
    }

    /// The file has been changed: apply the change to the run.
    pub(super) fn edited(
        &mut self,
        edit: DeclarationEdit,
        run_phase: RunPhase,
        plan: &Plan,
        queue: &Queue,
    ) -> Vec<Action> {
        if run_phase != RunPhase::Running {
            // The next start reads the file. The client may be gone.
            let _ = edit.reply.send(Ok(edit.texts));
            return vec![];
        }
        if edit.basis != self.basis(plan) {
            self.read_again(edit, plan, queue);
            return vec![];
        }
        let DeclarationEdit {
            texts, files: DeclarationFiles { toml, failures }, by, reply, ..
        } = edit;
        self.edits += 1;
        let plan = plan::with_failures(plan, &|name| {
            let table = toml.of(name.entry());
            let own = table.failure.iter().map(|found| found.get_ref().clone()).collect();
            Some(failures.behind(own, name))
        });
        let (done, outcome) = oneshot::channel();
        spawn_local(async move {
            let answer = match outcome.await {
                Ok(Outcome { ok: false, problems, .. }) => {
                    Err(not_applied(&Untrusted::join(&problems, "; ")))
                }
                Ok(Outcome { ok: true, .. }) | Err(_) => Ok(texts),
            };
            // The client may be gone.
            let _ = reply.send(answer);
        });
        vec![Action::Request(Request::Reload { plan: Box::new(plan) }, by, done)]
    }

    /// Read the files again, because another change came meanwhile.
    fn read_again(&self, edit: DeclarationEdit, plan: &Plan, queue: &Queue) {
        let (declared, basis) = (Declarations::of_run(plan), self.basis(plan));
        let queue = queue.clone();
        let DeclarationEdit { texts, by, reply, .. } = edit;
        spawn_local(async move {
            let read = spawn_blocking(move || {
                let toml = declared.read_toml()?;
                let failures = declared.list(None)?;
                Ok::<_, DeclareError>(DeclarationFiles { toml, failures })
            });
            match read.await {
                Ok(Ok(found)) => {
                    let done = DeclarationEdit { texts, files: found, basis, by, reply };
                    queue.finished(Finished::Declared(Box::new(done)));
                }
                Ok(Err(why)) => _ = reply.send(Err(not_applied(&in_short(&why)))),
                Err(_) => _ = reply.send(Err(lost())),
            }
        });
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
fn carry_out(
    declared: &Declarations,
    name: &str,
    ask: &FailuresRequest,
) -> Result<(FailureTexts, DeclarationFiles), RequestError> {
    let toml = || declared.read_toml().map_err(|error| problem(error.into()));
    let (toml, Declared { failures, is_changed: changed }) = match ask {
        FailuresRequest::List => {
            let failures = declared.list(Some(name)).map_err(problem)?;
            (TmoToml::default(), Declared { failures, is_changed: false })
        }
        FailuresRequest::Add(text) => (toml()?, declared.add(name, text).map_err(problem)?),
        FailuresRequest::Remove(text) => (toml()?, declared.remove(name, text).map_err(problem)?),
    };
    let texts = FailureTexts {
        process: name.to_owned(),
        failure_strings: failures.of(name).to_vec(),
        changed,
    };
    Ok((texts, DeclarationFiles { toml, failures }))
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
