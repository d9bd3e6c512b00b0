//! A change of failure patterns whose files have been read or written.

use tokio::sync::oneshot;

use crate::config::failures::Failures;
use crate::config::toml::TmoToml;
use crate::server::engine_handle::{FailureTexts, RequestError};

/// The answer to the client.
pub(super) type EditResult = Result<FailureTexts, RequestError>;

/// A finished reading of the files, with the client that waits for it.
#[derive(Debug)]
pub(super) struct DeclarationEdit {
    pub(super) texts: FailureTexts,
    pub(super) files: DeclarationFiles,
    pub(super) basis: Basis,
    /// Who asks.
    pub(super) by: String,
    pub(super) reply: oneshot::Sender<EditResult>,
}

/// The contents of the files.
#[derive(Debug)]
pub(super) struct DeclarationFiles {
    pub(super) toml: TmoToml,
    pub(super) failures: Failures,
}

/// The version of plan and failure patterns when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Basis {
    /// Of the plan.
    pub(super) generation: u64,
    /// How many edits had been applied.
    pub(super) edits: u64,
}
