//! The clients that wait for an answer, and the views that are attached.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::model::request::Outcome;

/// The waiting clients.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    replies: HashMap<u64, oneshot::Sender<Outcome>>,
    last_ticket: u64,
    /// Answers that are sent when the run is over.
    last: Vec<(u64, Outcome)>,
    /// The number of the command that a request carries out, by the number of the request.
    pub(crate) commands: HashMap<u64, u64>,
    /// How many views are attached.
    pub(crate) views: u32,
}

impl Clients {
    /// Keep the reply channel of a request; returns the number of the request.
    pub(crate) fn add(&mut self, reply: oneshot::Sender<Outcome>) -> u64 {
        self.last_ticket += 1;
        self.replies.insert(self.last_ticket, reply);
        self.last_ticket
    }

    /// Answer a request.
    pub(crate) fn send_outcome(&mut self, ticket: u64, outcome: Outcome) {
        if let Some(reply) = self.replies.remove(&ticket) {
            // The client may be gone.
            let _ = reply.send(outcome);
        }
    }

    /// Answer a request when the run is over.
    pub(crate) fn answer_last(&mut self, ticket: u64, outcome: Outcome) {
        self.last.push((ticket, outcome));
    }

    /// The client does not wait for the outcome of its request.
    pub(crate) fn accept(&mut self, ticket: u64) {
        self.send_outcome(ticket, Outcome::done(vec![]));
        self.last.retain(|(other, _)| *other != ticket);
    }

    /// The run is over: send the last answers.
    pub(crate) fn finish(&mut self) {
        for (ticket, outcome) in std::mem::take(&mut self.last) {
            self.send_outcome(ticket, outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::Clients;
    use crate::model::request::Outcome;

    #[test]
    fn each_client_gets_its_own_answer_and_the_last_ones_at_the_end() {
        let mut clients = Clients::default();
        let [(one, mut first), (two, mut second), (three, mut third)] =
            [(); 3].map(|()| oneshot::channel());
        let [one, two, three] = [one, two, three].map(|reply| clients.add(reply));
        clients.send_outcome(two, Outcome::refused("busy".to_owned()));
        assert!(second.try_recv().is_ok_and(|outcome| !outcome.ok));
        clients.answer_last(one, Outcome::done(vec![]));
        clients.answer_last(three, Outcome::refused("late".to_owned()));
        clients.accept(three);
        assert!(third.try_recv().is_ok_and(|outcome| outcome.ok), "it did not wait");
        assert!(first.try_recv().is_err(), "the run is not over");
        clients.finish();
        assert!(first.try_recv().is_ok_and(|outcome| outcome.ok));
    }
}
