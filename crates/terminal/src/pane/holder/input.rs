//! What waits to be typed into a terminal: the writes of its clients, one after another, and the answers to programs.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::protocol::terminal::LONGEST_FRAME;

/// A client is not read while so much of its input waits.
const MOST_WAITING: usize = 64 << 10;
/// The most bytes of answers that wait. Programs that read none lose the others, as with every terminal.
const MOST_ANSWERS: usize = 16 << 10;
/// How long the other clients wait for the rest of a write.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);

/// The bytes of one client, or answers.
#[derive(Debug)]
struct QueuedInput {
    client: Option<u64>,
    bytes: VecDeque<u8>,
    /// When something was added last.
    added: Instant,
    /// The rest of the write follows: nothing else may be typed before it.
    goes_on: bool,
    /// The client has left.
    is_left: bool,
}

/// What waits, in the order in which it is typed.
#[derive(Debug, Default)]
pub(super) struct Input {
    turns: VecDeque<QueuedInput>,
    /// Clients whose write was discarded and has not ended.
    discarded: BTreeSet<u64>,
}

impl Input {
    /// Add a frame of a client. A frame of the greatest length is followed by more of the same write.
    pub(super) fn add(&mut self, client: u64, bytes: &[u8]) {
        let goes_on = bytes.len() == LONGEST_FRAME;
        if self.discarded.contains(&client) {
            if !goes_on {
                self.discarded.remove(&client);
            }
            return;
        }
        let turn = self.turn(Some(client));
        turn.bytes.extend(bytes);
        (turn.added, turn.goes_on) = (Instant::now(), goes_on);
        self.drop_finished();
    }

    /// The write of this client has ended.
    pub(super) fn end(&mut self, client: u64) {
        self.discarded.remove(&client);
        self.turn(Some(client)).goes_on = false;
        self.drop_finished();
    }

    /// Whether another answer may have room.
    pub(super) fn takes_answers(&self) -> bool {
        self.waiting(None) < MOST_ANSWERS
    }

    /// Add an answer, if it has room.
    pub(super) fn add_answer(&mut self, answer: &str) {
        if self.waiting(None) + answer.len() <= MOST_ANSWERS {
            self.turn(None).bytes.extend(answer.bytes());
            self.drop_finished();
        }
    }

    /// A client has left. What it has typed into a terminal that it showed is typed if there is room, as a user who
    /// types and leaves expects.
    pub(super) fn leave(&mut self, client: u64, keeps: bool) {
        self.discarded.remove(&client);
        let left: usize =
            self.turns.iter().filter(|turn| turn.is_left).map(|turn| turn.bytes.len()).sum();
        let has_room = left + self.waiting(Some(client)) <= MOST_WAITING;
        self.turns.retain_mut(|turn| {
            if turn.client != Some(client) {
                return true;
            }
            turn.is_left = true;
            keeps && has_room && !turn.goes_on
        });
    }

    /// Discard everything, and the rest of the writes that have not ended.
    pub(super) fn discard(&mut self) {
        let unfinished = self.turns.drain(..).filter(|turn| turn.goes_on);
        self.discarded.extend(unfinished.filter_map(|turn| turn.client));
    }

    /// No process has the terminal any more.
    pub(super) fn clear(&mut self) {
        self.turns.clear();
    }

    /// Whether a client is to be read.
    pub(super) fn takes(&self, client: u64) -> bool {
        self.waiting(Some(client)) < MOST_WAITING
    }

    /// Whether nothing of this client waits.
    pub(super) fn is_typed(&self, client: u64) -> bool {
        self.waiting(Some(client)) == 0
    }

    /// What is to be typed next.
    pub(super) fn next(&self) -> &[u8] {
        self.turns.front().map_or(&[], |turn| turn.bytes.as_slices().0)
    }

    /// So many of these bytes were typed; returns whose they were.
    pub(super) fn typed(&mut self, count: usize) -> Option<u64> {
        let turn = self.turns.front_mut()?;
        turn.bytes.drain(..count);
        let client = turn.client;
        self.drop_finished();
        client
    }

    /// When to stop waiting for the rest of a write.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let first = self.turns.front().filter(|turn| turn.bytes.is_empty())?;
        Some(first.added + WRITE_PATIENCE)
    }

    /// Stop waiting for the rest of a write at its deadline.
    pub(super) fn give_up(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.turns.pop_front();
        }
    }

    fn waiting(&self, client: Option<u64>) -> usize {
        self.turns.iter().find(|turn| turn.client == client).map_or(0, |turn| turn.bytes.len())
    }

    fn turn(&mut self, client: Option<u64>) -> &mut QueuedInput {
        let at = self.turns.iter().position(|turn| turn.client == client);
        let at = at.unwrap_or_else(|| {
            let (bytes, added) = (VecDeque::new(), Instant::now());
            self.turns.push_back(QueuedInput {
                client,
                bytes,
                added,
                goes_on: false,
                is_left: false,
            });
            self.turns.len() - 1
        });
        &mut self.turns[at]
    }

    fn drop_finished(&mut self) {
        self.turns.retain(|turn| turn.goes_on || !turn.bytes.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::{Input, MOST_ANSWERS, MOST_WAITING, WRITE_PATIENCE};
    use crate::protocol::terminal::LONGEST_FRAME;

    /// Type this many bytes.
    fn typed(input: &mut Input, most: usize) -> Vec<u8> {
        let mut typed = vec![];
        while typed.len() < most && !input.next().is_empty() {
            let count = input.next().len().min(most - typed.len());
            typed.extend(&input.next()[..count]);
            input.typed(count);
        }
        typed
    }

    #[test]
    fn a_write_is_not_interrupted_by_another_client_or_an_answer() {
        let mut input = Input::default();
        let long = vec![b'a'; LONGEST_FRAME];
        input.add(1, &long);
        assert!(!input.takes(1), "the client is held back");
        assert!(input.takes(2));
        input.add(2, b"b");
        input.add_answer("?");
        assert_eq!(typed(&mut input, usize::MAX), long);
        // The rest of the first write may follow.
        assert!(input.next().is_empty());
        input.add(1, b"end");
        assert_eq!(typed(&mut input, usize::MAX), b"endb?");
        // A write of the greatest length ends when the client asks whether it was typed.
        input.add(1, &long);
        typed(&mut input, usize::MAX);
        input.add(2, b"b");
        assert!(input.next().is_empty());
        input.end(1);
        assert_eq!(input.next(), b"b");
    }

    #[test]
    fn a_client_that_does_not_finish_its_write_does_not_keep_its_turn() {
        let mut input = Input::default();
        input.add(1, &vec![b'a'; LONGEST_FRAME]);
        assert_eq!(input.deadline(), None, "the process has to read first");
        typed(&mut input, usize::MAX);
        input.add(2, b"b");
        input.give_up(Instant::now());
        assert!(input.next().is_empty());
        let deadline = input.deadline().unwrap();
        assert!(deadline <= Instant::now() + WRITE_PATIENCE);
        input.give_up(deadline);
        assert_eq!(input.next(), b"b");
    }

    #[test]
    fn answers_without_room_are_dropped() {
        let mut input = Input::default();
        let mut count = 0;
        while input.takes_answers() && count < MOST_ANSWERS {
            input.add_answer("\x1b[?62;22c");
            count += 1;
        }
        assert_eq!(typed(&mut input, usize::MAX).len(), MOST_ANSWERS / 9 * 9);
        input.add_answer(&"x".repeat(MOST_ANSWERS + 1));
        assert!(input.next().is_empty());
    }

    #[test]
    fn what_waits_is_discarded_with_the_rest_of_its_write() {
        let mut input = Input::default();
        input.add(1, &vec![b'a'; LONGEST_FRAME]);
        input.add(2, b"b");
        input.add_answer("?");
        input.discard();
        assert!(input.next().is_empty() && input.is_typed(1));
        input.add(1, &vec![b'a'; LONGEST_FRAME]);
        input.add(1, b"end");
        input.add(2, b"new");
        assert_eq!(typed(&mut input, usize::MAX), b"new");
        input.add(1, b"new, too");
        assert_eq!(typed(&mut input, usize::MAX), b"new, too");
    }

    #[test]
    fn what_a_user_has_typed_before_leaving_is_typed_within_limits() {
        let mut input = Input::default();
        input.add(1, b"kept");
        input.leave(1, true);
        input.add(2, b"not kept");
        input.leave(2, false);
        input.add(3, &vec![b'x'; LONGEST_FRAME]);
        input.leave(3, true);
        for client in 4..1000 {
            input.add(client, &[b'y'; LONGEST_FRAME / 8]);
            input.leave(client, true);
        }
        let typed = typed(&mut input, usize::MAX);
        assert!(typed.starts_with(b"kepty") && typed.len() <= MOST_WAITING, "{}", typed.len());
    }

    proptest! {
        /// Whatever the order of writes and of room in the terminal is: nothing is lost, doubled or torn apart.
        #[test]
        fn all_writes_are_typed_each_in_one_piece(
            steps in prop::collection::vec((0..4_u64, prop_oneof![Just(0), 1..300_usize, Just(LONGEST_FRAME)]), 1..40),
        ) {
            let (mut input, mut all) = (Input::default(), vec![]);
            let mut sent = [0, 0, 0, 0];
            let mut ends = [const { BTreeSet::new() }; 4];
            for (client, length) in steps {
                // Client 0 is the terminal, which takes this many bytes.
                let Some(at) = usize::try_from(client).ok().filter(|at| *at > 0) else {
                    all.extend(typed(&mut input, length));
                    continue;
                };
                input.add(client, &vec![u8::try_from(client).unwrap(); length]);
                sent[at] += length;
                if length < LONGEST_FRAME {
                    ends[at].insert(sent[at]);
                }
            }
            for client in 1..4 {
                input.end(client);
            }
            all.extend(typed(&mut input, usize::MAX));
            let mut got = [0, 0, 0, 0];
            for run in all.chunk_by(|a, b| a == b) {
                let at = usize::from(run[0]);
                got[at] += run.len();
                prop_assert!(ends[at].contains(&got[at]) || got[at] == sent[at]);
            }
            prop_assert_eq!(got, sent);
            prop_assert!(input.next().is_empty() && input.deadline().is_none());
        }
    }
}
