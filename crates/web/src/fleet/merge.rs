//! Merges the lines of several hosts by time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::time::Timestamp;

/// How long a line waits for older ones of other hosts, in a view that follows.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long a line waits at most while another host sends more than is shown.
const LONGEST_WAIT: Duration = Duration::from_millis(400);

/// How long a view waits at its beginning for the first item of a host.
const FIRST: Duration = Duration::from_secs(2);

/// How many bytes may wait in a view that follows; if there are more, no line waits for its time.
const MOST_HELD: usize = 4 << 20;

/// How many bytes of one host may wait, whatever waits of the others.
const HELD_OF_HOST: usize = 64 << 10;

/// Items of several hosts that wait for their turn.
///
/// The items of one host keep their order. Those of different hosts are ordered by time, as far as that is possible:
/// a view that ends waits for every host, and one that follows new lines waits only a moment.
#[derive(Debug)]
pub struct Merge<T> {
    hosts: Vec<HostQueue<T>>,
    /// When the view began, if it follows.
    follows: Option<(Instant, Timestamp)>,
    held: usize,
}

#[derive(Debug)]
struct HostQueue<T> {
    waiting: VecDeque<Waiting<T>>,
    held: usize,
    state: HostStream,
    /// The time of its last item.
    newest: Timestamp,
}

/// Whether a host may send more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostStream {
    /// Its first item is still to come.
    Opening,
    /// It sends.
    Open,
    /// Nobody waits for it.
    Closed,
}

#[derive(Debug)]
struct Waiting<T> {
    time: Timestamp,
    arrived: Instant,
    size: usize,
    item: T,
}

impl<T> HostQueue<T> {
    fn new(state: HostStream) -> Self {
        Self { waiting: VecDeque::new(), held: 0, state, newest: Timestamp::EPOCH }
    }
}

impl<T> Merge<T> {
    /// For this number of hosts. `follows` has the present, by both clocks, in a view that follows new lines.
    pub fn new(hosts: usize, follows: Option<(Instant, Timestamp)>) -> Self {
        let mut merge = Self { hosts: vec![], follows, held: 0 };
        merge.hosts.resize_with(hosts, || HostQueue::new(HostStream::Opening));
        merge
    }

    /// Add a host, for whose first item nobody waits; returns its place.
    pub fn add_host(&mut self) -> usize {
        self.hosts.push(HostQueue::new(HostStream::Open));
        self.hosts.len() - 1
    }

    /// Tell whether a host may send more.
    pub fn set(&mut self, host: usize, state: HostStream) {
        self.hosts[host].state = state;
    }

    /// Whether there is room for another item of this host.
    pub fn has_room(&self, host: usize) -> bool {
        let held = self.hosts[host].held;
        held < HELD_OF_HOST || self.follows.is_some() && self.held < MOST_HELD
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.hosts.iter().all(|host| host.waiting.is_empty())
    }

    /// Add an item of a host, of this many bytes.
    pub fn add(&mut self, host: usize, time: Timestamp, size: usize, item: T, now: Instant) {
        let queue = &mut self.hosts[host];
        let time = time.max(queue.newest);
        queue.newest = time;
        queue.held += size;
        self.held += size;
        queue.waiting.push_back(Waiting { time, arrived: now, size, item });
    }

    /// The next item whose turn it is.
    pub fn next(&mut self, now: Instant) -> Option<T> {
        let oldest = self.oldest()?;
        let host = match self.overdue(oldest, now) {
            Some(overdue) => overdue,
            None if self.due(oldest).is_some_and(|due| due > now) => return None,
            // A view that ends waits for every host.
            None if self.follows.is_none() && self.lacks_some() => return None,
            None => oldest,
        };
        let queue = &mut self.hosts[host];
        let Waiting { size, item, .. } = queue.waiting.pop_front()?;
        queue.held -= size;
        self.held -= size;
        Some(item)
    }

    /// When the next item has its turn, if nothing arrives until then.
    pub fn next_due(&self) -> Option<Instant> {
        self.due(self.oldest()?)
    }

    /// The host whose first item has the earliest time.
    fn oldest(&self) -> Option<usize> {
        let heads = self.hosts.iter().enumerate();
        let heads = heads.filter_map(|(host, queue)| Some((queue.waiting.front()?.time, host)));
        heads.min().map(|(_, host)| host)
    }

    /// Whether an open host may still send an older item than those that wait.
    fn lacks_some(&self) -> bool {
        self.hosts.iter().any(|queue| queue.waiting.is_empty() && queue.state != HostStream::Closed)
    }

    /// When the first item of this host has waited long enough; `None` if it waits for nothing, or for all.
    fn due(&self, host: usize) -> Option<Instant> {
        let (begun, _) = self.follows?;
        if self.held >= MOST_HELD || !self.lacks_some() {
            return None;
        }
        let due = self.hosts[host].waiting.front()?.arrived + PATIENCE;
        let is_opening = self.hosts.iter().any(|queue| queue.state == HostStream::Opening);
        Some(if is_opening { due.max(begun + FIRST) } else { due })
    }

    /// The host with the fewest bytes among those whose first item has waited too long. Older lines than the view itself
    /// stay in their order.
    fn overdue(&self, oldest: usize, now: Instant) -> Option<usize> {
        let (_, begun) = self.follows?;
        if self.hosts[oldest].waiting.front()?.time < begun {
            return None;
        }
        let heads = self.hosts.iter().enumerate();
        let is_overdue = |head: &Waiting<T>| head.arrived + LONGEST_WAIT <= now;
        let late = heads.filter(|(_, queue)| queue.waiting.front().is_some_and(is_overdue));
        late.min_by_key(|(_, queue)| queue.held).map(|(host, _)| host)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn all<T>(merge: &mut Merge<T>, now: Instant) -> Vec<T> {
        std::iter::from_fn(|| merge.next(now)).collect()
    }

    fn following(hosts: usize) -> (Merge<u64>, Instant) {
        let now = Instant::now();
        let mut merge = Merge::new(hosts, Some((now, at(1000))));
        (0..hosts).for_each(|host| merge.set(host, HostStream::Open));
        (merge, now)
    }

    #[test]
    fn a_line_waits_a_moment_for_a_silent_host() {
        let (mut merge, now) = following(2);
        merge.add(0, at(2000), 1, 2000, now);
        assert_eq!(merge.next(now), None);
        assert_eq!(merge.next_due(), Some(now + PATIENCE));
        merge.add(1, at(1500), 1, 1500, now + PATIENCE / 2);
        assert_eq!(all(&mut merge, now + PATIENCE / 2), [1500], "then nothing of 1 is known");
        assert_eq!(all(&mut merge, now + PATIENCE), [2000]);
        assert!(merge.is_empty() && merge.next_due().is_none());
        merge.set(1, HostStream::Closed);
        merge.add(0, at(3000), 1, 3000, now);
        assert_eq!(merge.next(now), Some(3000), "nobody waits for a closed one");
    }

    #[test]
    fn at_the_beginning_a_view_waits_longer_for_hosts_that_have_not_answered() {
        let now = Instant::now();
        let mut merge = Merge::new(2, Some((now, at(1000))));
        merge.set(0, HostStream::Open);
        merge.add(0, at(1), 1, 1, now);
        assert_eq!(merge.next(now + PATIENCE), None);
        assert_eq!(merge.next_due(), Some(now + FIRST));
        assert_eq!(merge.next(now + FIRST), Some(1));
    }

    #[test]
    fn a_view_that_ends_waits_for_every_host() {
        let now = Instant::now();
        let mut merge = Merge::new(2, None);
        merge.add(0, at(5), 1, 5, now);
        assert_eq!(merge.next(now + FIRST * 10), None);
        merge.set(1, HostStream::Open);
        assert_eq!(merge.next(now + FIRST * 10), None);
        merge.set(1, HostStream::Closed);
        assert_eq!(merge.next(now), Some(5));
    }

    #[test]
    fn a_host_that_floods_does_not_delay_another() {
        let (mut merge, now) = following(2);
        for nanos in 2000..2100 {
            merge.add(0, at(nanos), 1000, nanos, now);
        }
        merge.add(1, at(9000), 10, 9000, now);
        // Its lines are older than that of the other, and more of them come all the time.
        assert_eq!(merge.next(now), Some(2000));
        assert_eq!(merge.next(now + LONGEST_WAIT), Some(9000));
    }

    #[test]
    fn room_is_bounded_and_each_host_has_some() {
        let (mut merge, now) = following(2);
        while merge.has_room(0) {
            merge.add(0, at(2000), 1 << 10, 0, now);
        }
        assert!(merge.held <= MOST_HELD + (1 << 10), "{}", merge.held);
        assert!(merge.has_room(1), "the other has room of its own");
        assert_eq!(merge.next(now), Some(0), "with so much, no line waits");
    }

    proptest! {
        /// Nothing is lost, the lines of a host keep their order, and a view that ends is sorted by time.
        #[test]
        fn lines_are_merged(
            lines in prop::collection::vec((0_usize..4, 0_u64..50, any::<bool>()), 0..80),
            follows: bool,
        ) {
            let mut now = Instant::now();
            let mut merge = Merge::new(4, follows.then_some((now, at(25))));
            let (mut out, mut sent) = (vec![], vec![vec![]; 4]);
            for (nr, &(host, time, pauses)) in lines.iter().enumerate() {
                merge.set(host, HostStream::Open);
                merge.add(host, at(time), 1, (host, time, nr), now);
                sent[host].push(nr);
                if pauses {
                    now += PATIENCE;
                }
                out.extend(all(&mut merge, now));
            }
            (0..4).for_each(|host| merge.set(host, HostStream::Closed));
            out.extend(all(&mut merge, now));
            prop_assert!(merge.is_empty());
            for (host, sent) in sent.iter().enumerate() {
                let shown = out.iter().filter(|line| line.0 == host).map(|line| line.2);
                prop_assert_eq!(&shown.collect::<Vec<_>>(), sent);
            }
            if !follows {
                // A host whose clock went back keeps its order.
                let mut newest = [0; 4];
                let mut times = vec![];
                for (host, time, _) in &out {
                    newest[*host] = newest[*host].max(*time);
                    times.push(newest[*host]);
                }
                prop_assert!(times.is_sorted(), "{:?}", times);
            }
        }
    }
}
