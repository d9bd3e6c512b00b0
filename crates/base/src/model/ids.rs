//! What identifies a process of a run, one of its lives, a process of the system, and a stream of the journal.

use std::fmt;
use std::num::{NonZeroU32, ParseIntError};
use std::ops::{Index, IndexMut};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of a life, counted from 1 within a run. A restart is a new life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LifeId(NonZeroU32);

impl LifeId {
    /// The first life of a run.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The life with this number; `None` for 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The life with this number; the first life for 0.
    #[must_use]
    pub const fn nth(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number.saturating_sub(1)))
    }

    /// The number of the life.
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The next life.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The life after `last`, or the first one if there was none.
    #[must_use]
    pub fn after(last: Option<Self>) -> Self {
        last.map_or(Self::FIRST, Self::next)
    }

    /// The previous life.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        Self::new(self.number() - 1)
    }
}

impl fmt::Display for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LifeId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// An optional life as files and answers contain it: its number, or 0 for none.
pub mod or_zero {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::LifeId;

    /// The number.
    pub fn number(life: Option<LifeId>) -> u32 {
        life.map_or(0, LifeId::number)
    }

    /// For serde.
    pub fn serialize<S: Serializer>(life: &Option<LifeId>, to: S) -> Result<S::Ok, S::Error> {
        number(*life).serialize(to)
    }

    /// For serde.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<LifeId>, D::Error> {
        u32::deserialize(from).map(LifeId::new)
    }
}

/// A process of a run, identified by its index in the plan. The index never changes during a run, even if
/// the process is removed. It also indexes vectors with one value per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcId(usize);

impl ProcId {
    /// The process at this index.
    pub const fn at(place: usize) -> Self {
        Self(place)
    }

    /// Its index.
    pub const fn place(self) -> usize {
        self.0
    }

    /// The ids for a slice with one value per process.
    pub fn all<T>(values: &[T]) -> impl DoubleEndedIterator<Item = Self> + use<T> {
        (0..values.len()).map(Self)
    }
}

impl<T> Index<ProcId> for Vec<T> {
    type Output = T;

    fn index(&self, id: ProcId) -> &T {
        &self[id.0]
    }
}

impl<T> IndexMut<ProcId> for Vec<T> {
    fn index_mut(&mut self, id: ProcId) -> &mut T {
        &mut self[id.0]
    }
}

/// Exactly one process: its pid may be used again after its end. Stored as the list `[pid, start]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u64)", into = "(u32, u64)")]
pub struct ProcessId {
    pub pid: u32,
    /// When it started, in the kernel's own unit.
    pub start: u64,
}

impl From<(u32, u64)> for ProcessId {
    fn from((pid, start): (u32, u64)) -> Self {
        Self { pid, start }
    }
}

impl From<ProcessId> for (u32, u64) {
    fn from(id: ProcessId) -> Self {
        (id.pid, id.start)
    }
}

/// The number of a stream of output in a journal, the same in all runs of a project. Stored as the number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StreamNo(pub u16);

impl fmt::Display for StreamNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A process among the descendants of a shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub pid: u32,
    /// Short name of the executable.
    pub name: String,
    /// State letter of the kernel (`S`, `D`, `Z` …).
    pub state: char,
    /// Its owner, if that is another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Of a process that was spared: the ports on which it, or a process below it, listens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

impl fmt::Display for Member {
    /// `node (pid 13, state D, belongs to root)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}, state {}", self.name, self.pid, self.state)?;
        if let Some(owner) = &self.owner {
            write!(f, ", belongs to {owner}")?;
        }
        for port in &self.ports {
            write!(f, ", holds port {port}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::{LifeId, Member, ProcessId, or_zero};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Saved {
        life: LifeId,
        #[serde(with = "or_zero")]
        told: Option<LifeId>,
    }

    #[test]
    fn it_is_saved_as_its_number_and_none_as_zero() {
        for (text, told) in [(r#"{"life":3,"told":0}"#, None), (r#"{"life":3,"told":2}"#, Some(2))]
        {
            let saved = Saved { life: LifeId::nth(3), told: told.map(LifeId::nth) };
            assert_eq!(serde_json::to_string(&saved).unwrap(), text);
            assert_eq!(serde_json::from_str::<Saved>(text).unwrap(), saved);
        }
    }

    #[test]
    fn one_follows_the_other() {
        assert_eq!(LifeId::after(None), LifeId::FIRST);
        assert_eq!(LifeId::after(Some(LifeId::FIRST)), LifeId::nth(2));
        assert_eq!(
            (LifeId::nth(2).previous(), LifeId::FIRST.previous()),
            (Some(LifeId::FIRST), None)
        );
        assert_eq!(LifeId::nth(7).to_string().parse(), Ok(LifeId::nth(7)));
    }

    #[test]
    fn it_is_stored_as_a_list() {
        let id = ProcessId { pid: 7, start: 99 };
        assert_eq!(serde_json::to_string(&id).unwrap(), "[7,99]");
        assert_eq!(serde_json::from_str::<ProcessId>("[7,99]").unwrap(), id);
    }

    #[test]
    fn owner_and_ports_are_named_if_there_are_any() {
        let mut member: Member =
            serde_json::from_str(r#"{"pid":13,"name":"node","state":"D"}"#).unwrap();
        assert_eq!(member.to_string(), "node (pid 13, state D)");
        (member.owner, member.ports) = (Some("root".to_owned()), vec![80, 443]);
        let text = "node (pid 13, state D, belongs to root, holds port 80, holds port 443)";
        assert_eq!(member.to_string(), text);
        let again = serde_json::from_str::<Member>(&serde_json::to_string(&member).unwrap());
        assert_eq!(again.unwrap(), member);
    }
}
