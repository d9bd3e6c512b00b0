//! The instances of the lines of a project, and what each needs before it can be planned.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::PlanError;
use crate::config::procfile::ProcfileEntry;
use crate::model::ProcName;

/// One instance of one line, whether it runs or not.
pub(super) struct PlannedInstance<'a> {
    pub(super) entry: &'a ProcfileEntry,
    /// Index of the line among those with a command; lines of the run before a reload come first.
    pub(super) line: usize,
    pub(super) name: ProcName,
    /// Index among the instances of the line.
    pub(super) instance: usize,
    /// Index among all instances.
    pub(super) number: usize,
}

/// The path of a shell.
pub(super) fn find_shell(
    find: &dyn Fn(&OsStr) -> Option<PathBuf>,
    shell: &OsStr,
) -> Result<PathBuf, PlanError> {
    find(shell).ok_or_else(|| PlanError::NoShell(shell.to_string_lossy().into_owned()))
}
