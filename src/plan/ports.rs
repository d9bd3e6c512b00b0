//! Which port each instance of each line of the Procfile is told.

use super::PlanError;

/// Where ports begin and how far they are apart.
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
    /// The port of an instance (from 0) of the line with this index, if there is such a port.
    /// Lines that do not run keep theirs, so that leaving one out does not move the others.
    pub(super) fn of(self, line: usize, instance: usize) -> Option<u16> {
        let above = usize::from(self.step).checked_mul(line)?;
        let within = usize::from(self.instance).checked_mul(instance)?;
        let port = usize::from(self.base).checked_add(above)?.checked_add(within)?;
        u16::try_from(port).ok()
    }

    /// Whether so many instances of a line end before the ports of the next line begin. With a
    /// distance of 0 all instances are told one port, which is for them to share.
    pub(super) fn have_room_for(self, instances: usize) -> Result<(), PlanError> {
        let Some(most) = self.step.checked_div(self.instance) else { return Ok(()) };
        if instances <= most.into() || instances < 2 {
            return Ok(());
        }
        Err(PlanError::Crowd { most, step: self.step, instance: self.instance })
    }
}
