//! What was typed and is not in the terminal of the process yet.

use std::collections::VecDeque;

/// What was sent and not confirmed, and what waits for that.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What was sent comes first.
    bytes: VecDeque<u8>,
    sent: usize,
    /// The holder was asked to confirm that many of them.
    asked: usize,
}

impl Outbox {
    /// The most bytes that are sent before the holder confirms them. The successor of a killed holder types them again.
    /// A holder reads everything of a client with so little input, so nothing else that it is sent has to wait.
    const MOST_SENT: usize = 1 << 10;
    /// Nothing more is read from the user's terminal while so much waits.
    const MOST: usize = 1 << 20;

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < Self::MOST
    }

    /// This was typed.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// What is to be sent now.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let count = Self::MOST_SENT.min(self.bytes.len()).checked_sub(self.sent)?;
        let next: Vec<u8> = self.bytes.range(self.sent..self.sent + count).copied().collect();
        self.sent += count;
        (count > 0).then_some(next)
    }

    /// Whether to ask for a confirmation now.
    pub(super) const fn asks(&mut self) -> bool {
        let asks = self.asked == 0 && self.sent > 0;
        if asks {
            self.asked = self.sent;
        }
        asks
    }

    /// What was asked for is confirmed.
    pub(super) fn confirm(&mut self) {
        self.bytes.drain(..self.asked);
        self.sent -= self.asked;
        self.asked = 0;
    }

    /// The holder has ended: its successor gets everything that was not confirmed.
    pub(super) const fn send_again(&mut self) {
        (self.sent, self.asked) = (0, 0);
    }

    /// The process for which all of this was typed has ended.
    pub(super) fn discard(&mut self) {
        *self = Self::default();
    }

    /// How much was not sent.
    pub(super) fn unsent(&self) -> usize {
        self.bytes.len() - self.sent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Outbox;

    #[test]
    fn what_was_not_confirmed_is_sent_again() {
        let mut outbox = Outbox::default();
        assert!(!outbox.asks() && outbox.next().is_none());
        outbox.add(b"ab");
        assert_eq!(outbox.next().unwrap(), b"ab");
        assert!(outbox.asks() && !outbox.asks());
        outbox.add(b"cd");
        assert_eq!(outbox.next().unwrap(), b"cd");
        outbox.confirm();
        assert!(outbox.asks());
        outbox.send_again();
        assert_eq!(outbox.next().unwrap(), b"cd");
        assert!(outbox.asks());
        outbox.discard();
        outbox.confirm();
        assert!(outbox.next().is_none() && !outbox.asks());
    }

    #[test]
    fn there_is_a_limit() {
        let mut outbox = Outbox::default();
        while outbox.has_room() {
            outbox.add(&[b'x'; 4096]);
        }
        assert_eq!(outbox.unsent(), Outbox::MOST);
        assert_eq!(outbox.next().unwrap().len(), Outbox::MOST_SENT);
        assert!(outbox.next().is_none());
    }

    proptest! {
        #[test]
        fn everything_is_sent_in_order(pieces in prop::collection::vec((0..3000_usize, any::<bool>()), 1..20)) {
            let (mut outbox, mut typed, mut sent) = (Outbox::default(), vec![], vec![]);
            let mut take = |outbox: &mut Outbox, confirms: bool| {
                while let Some(bytes) = outbox.next() {
                    sent.extend(bytes);
                }
                if outbox.asks() || confirms {
                    outbox.confirm();
                }
            };
            for (count, confirms) in pieces {
                let bytes: Vec<u8> = (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect();
                outbox.add(&bytes);
                typed.extend(bytes);
                take(&mut outbox, confirms);
            }
            while outbox.unsent() > 0 {
                take(&mut outbox, true);
            }
            prop_assert_eq!(sent, typed);
        }
    }
}
