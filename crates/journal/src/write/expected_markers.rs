//! The markers that are still to come in a stream.

use crate::model::LifeId;
use crate::protocol::life::{LifeEntry, LifeEvent};
use crate::protocol::marker::{self, Marker};
use crate::record::Kind;

/// A marker that the life file has announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its sequence number.
    pub seq: u64,
    pub nonce: u64,
    /// [`Kind::Start`], [`Kind::Exit`] or [`Kind::End`].
    pub kind: Kind,
    /// The value for its record: a pid or a packed exit.
    pub value: u32,
    pub life: LifeId,
}

impl Expected {
    /// Whether `marker` is this one.
    pub(crate) fn is(&self, marker: Marker) -> bool {
        (self.seq, self.nonce) == (marker.seq, marker.nonce)
    }
}

/// Converts the entries of a life file, in order, into the markers that they announce.
#[derive(Debug, Default)]
pub struct Markers {
    nonce: u64,
}

impl Markers {
    /// The marker that this entry announces, if any.
    pub fn expected(&mut self, entry: &LifeEntry) -> Option<Expected> {
        let (kind, value, life) = match &entry.event {
            LifeEvent::Start { life, pid, nonce, .. } => {
                self.nonce = u64::from_str_radix(nonce, 16).unwrap_or(0);
                (Kind::Start, *pid, *life)
            }
            LifeEvent::Exit { life, exit, .. } => (Kind::Exit, exit.pack(), *life),
            LifeEvent::End { life, .. } => (Kind::End, 0, *life),
            _ => return None,
        };
        let nonce = marker::nonce(self.nonce, entry.key);
        Some(Expected { seq: entry.seq, nonce, kind, value, life })
    }
}

#[cfg(test)]
mod tests {
    use super::{Expected, Markers};
    use crate::Kind;
    use crate::model::time::Timestamp;
    use crate::model::{Exit, LifeId};
    use crate::protocol::life::{LifeEntry, LifeEvent};

    #[test]
    fn an_exit_has_the_nonce_of_its_start() {
        let mut markers = Markers::default();
        let (life, nonce) = (LifeId::nth(3), "00000000deadbeef".into());
        let start = LifeEvent::Start { life, pid: 77, start_time: 0, nonce };
        let exit = LifeEvent::Exit {
            life,
            exit: Exit::Signal(9),
            error: None,
            user_us: 0,
            system_us: 0,
            max_rss_kib: 0,
        };
        let entry = |seq, event| LifeEntry {
            seq,
            at: Timestamp::EPOCH,
            key: u32::try_from(seq).unwrap() - 4,
            event,
        };
        let nonce = 0xdead_beef;
        assert_eq!(
            markers.expected(&entry(4, start)),
            Some(Expected { seq: 4, nonce, kind: Kind::Start, value: 77, life })
        );
        assert_eq!(markers.expected(&entry(5, LifeEvent::Killing { life })), None);
        assert_eq!(
            markers.expected(&entry(6, exit)),
            Some(Expected {
                seq: 6,
                nonce: nonce ^ 2,
                kind: Kind::Exit,
                value: Exit::Signal(9).pack(),
                life
            })
        );
    }
}
