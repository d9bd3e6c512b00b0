//! One execution of a process.

use std::fmt;
use std::num::{NonZeroU32, ParseIntError};
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

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::{LifeId, or_zero};

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
}
