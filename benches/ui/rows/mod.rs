//! What is measured.

mod first_frame;
mod flood;
mod idle;
mod keys;
mod many;
mod memory;
mod paging;
mod search;
mod slow_terminal;
mod supervisor;

pub(crate) use self::keys::between;
use crate::options::Options;
use crate::shared::table::Table;

/// A group of rows of the table that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    FirstFrame,
    Keys,
    Flood,
    Idle,
    Memory,
    Paging,
    Search,
    SlowTerminal,
    Many,
    Supervisor,
}

impl Row {
    pub(crate) const ALL: [Self; 10] = [
        Self::FirstFrame,
        Self::Keys,
        Self::Flood,
        Self::Idle,
        Self::Memory,
        Self::Paging,
        Self::Search,
        Self::SlowTerminal,
        Self::Many,
        Self::Supervisor,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FirstFrame => "first-frame",
            Self::Keys => "keys",
            Self::Flood => "flood",
            Self::Idle => "idle",
            Self::Memory => "memory",
            Self::Paging => "paging",
            Self::Search => "search",
            Self::SlowTerminal => "slow-terminal",
            Self::Many => "many",
            Self::Supervisor => "supervisor",
        }
    }

    /// The row that is meant by this word.
    pub(crate) fn by_name(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let meant = Self::ALL.into_iter().find(|row| row.name() == name);
        meant.ok_or_else(|| format!("{name}: the measurements are {}", known()))
    }

    /// Make all runs of this measurement.
    pub(crate) fn measure(self, options: &Options, table: &mut Table) {
        match self {
            Self::FirstFrame => first_frame::measure(options, table),
            Self::Keys => keys::measure(options, table),
            Self::Flood => flood::measure(options, table),
            Self::Idle => idle::measure(options, table),
            Self::Memory => memory::measure(options, table),
            Self::Paging => paging::measure(options, table),
            Self::Search => search::measure(options, table),
            Self::SlowTerminal => slow_terminal::measure(options, table),
            Self::Many => many::measure(options, table),
            Self::Supervisor => supervisor::measure(options, table),
        }
    }
}
