//! Tickets for downloads.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::api::proof::random_hex;

/// How long a ticket is valid.
const LIFE: Duration = Duration::from_secs(30);
/// The most tickets. One more displaces the oldest of the session that has the most.
const MOST_TICKETS: usize = 64;

/// A permission to download a log in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The id of the session.
    pub(crate) session: String,
    pub(crate) run: String,
    /// The query for a part of its log.
    pub(crate) query: String,
}

/// The unused tickets.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: VecDeque<(String, Instant, Ticket)>,
}

impl Tickets {
    /// Store a ticket; returns its id, which is a secret.
    pub(crate) fn issue(&mut self, ticket: Ticket) -> io::Result<String> {
        let id = random_hex(16)?;
        let now = Instant::now();
        self.open.retain(|(_, until, _)| now < *until);
        if self.open.len() == MOST_TICKETS {
            let session = |at: usize| &self.open[at].2.session;
            let count =
                |at: &usize| (0..MOST_TICKETS).filter(|of| session(*of) == session(*at)).count();
            // The last of them, which are the newest first.
            let at = (0..MOST_TICKETS).max_by_key(count);
            self.open.remove(at.unwrap_or_default());
        }
        self.open.push_front((id.clone(), now + LIFE, ticket));
        Ok(id)
    }

    /// Take a ticket out.
    pub(crate) fn redeem(&mut self, id: &str, now: Instant) -> Option<Ticket> {
        self.open.retain(|(_, until, _)| now < *until);
        let at = self.open.iter().position(|(known, ..)| known == id)?;
        self.open.remove(at).map(|(.., ticket)| ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{LIFE, MOST_TICKETS, Ticket, Tickets};

    fn ticket(run: &str) -> Ticket {
        Ticket { session: "s".into(), run: run.into(), query: String::new() }
    }

    #[test]
    fn a_ticket_is_valid_once_and_for_a_short_time() {
        let mut tickets = Tickets::default();
        let id = tickets.issue(ticket("a")).unwrap();
        let now = Instant::now();
        assert_eq!(tickets.redeem("0", now), None);
        assert_eq!(tickets.redeem(&id, now), Some(ticket("a")));
        assert_eq!(tickets.redeem(&id, now), None);
        let late = tickets.issue(ticket("b")).unwrap();
        assert_eq!(tickets.redeem(&late, Instant::now() + LIFE), None);
    }

    #[test]
    fn a_session_displaces_its_own() {
        let mut tickets = Tickets::default();
        let other = Ticket { session: "other".into(), ..ticket("a") };
        let id = tickets.issue(other.clone()).unwrap();
        for _ in 0..2 * MOST_TICKETS {
            tickets.issue(ticket("x")).unwrap();
        }
        assert_eq!(tickets.redeem(&id, Instant::now()), Some(other));
    }

    #[test]
    fn there_are_only_so_many() {
        let mut tickets = Tickets::default();
        let first = tickets.issue(ticket("first")).unwrap();
        let ids: Vec<_> = (0..MOST_TICKETS).map(|_| tickets.issue(ticket("x")).unwrap()).collect();
        let now = Instant::now();
        assert_eq!(tickets.redeem(&first, now), None);
        assert!(ids.iter().all(|id| tickets.redeem(id, now).is_some()));
    }
}
