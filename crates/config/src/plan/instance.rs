//! The instances of the lines of a project, with the port of each and what each needs before it can be planned.
//! `src/cli/project/ports.rs` reserves the block of ports of a project.

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

/// The first port and the distances between ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// The port of the first line.
    pub(super) base: u16,
    /// The distance from line to line.
    pub(super) step: u16,
    /// The distance from instance to instance of one line.
    pub(super) instance: u16,
}

impl Ports {
    /// The port of an instance (from 0) of the line with this index, if it is in range. Lines that do not
    /// run keep their ports, so that leaving a line out does not shift the others.
    pub(super) fn of(self, line: usize, instance: usize) -> Option<u16> {
        let above = usize::from(self.step).checked_mul(line)?;
        let within = usize::from(self.instance).checked_mul(instance)?;
        let port = usize::from(self.base).checked_add(above)?.checked_add(within)?;
        u16::try_from(port).ok()
    }

    /// Whether the ports of this many instances of a line end before those of the next line begin. With a
    /// distance of 0 all instances share one port.
    pub(super) fn have_room_for(self, instances: usize) -> Result<(), PlanError> {
        let Some(most) = self.step.checked_div(self.instance) else { return Ok(()) };
        if instances <= most.into() || instances < 2 {
            return Ok(());
        }
        Err(PlanError::Crowd { most, step: self.step, instance: self.instance })
    }
}
