//! Which port each line of the Procfile is told.

/// Where ports begin and how far they are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// The port of the first line.
    pub(super) base: u16,
    /// The distance from line to line.
    pub(super) step: u16,
}

impl Ports {
    /// The port of the line with this index, if there is such a port. Lines that do not run keep
    /// theirs, so that leaving one out does not move the others.
    pub(super) fn of_line(self, index: usize) -> Option<u16> {
        let above = usize::from(self.step).checked_mul(index)?;
        u16::try_from(usize::from(self.base).checked_add(above)?).ok()
    }
}
