//! Delays after wrong passwords.
//!
//! Failures are counted per name and place, so that attempts from elsewhere can't lock a user out. A browser in which
//! the user has logged in before is a separate place, whatever its address.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// The number of attempts without a delay.
const FREE: u32 = 5;
const LONGEST_DELAY: Duration = Duration::from_secs(5 * 60);
/// How long failures are remembered after the last delay.
const MEMORY: Duration = Duration::from_secs(3600);
const MOST_COUNTERS: usize = 4096;
/// The most names from one address that have a counter of their own; further ones share one.
const NAMES: usize = 64;
/// The number of counters for all places that have none because there are too many.
const CROWDS: u64 = 256;

/// Where an attempt comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum AttemptSource {
    /// An address; for IPv6, the network of one customer.
    Address(IpAddr),
    /// A browser that knows the key of its device.
    Device(String),
    /// One of the [`CROWDS`].
    Crowd(u64),
}

impl AttemptSource {
    /// The place of an address.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    attempts: u32,
    /// When the next attempt is allowed.
    next: Instant,
}

impl Counter {
    /// Whether it is older than the memory of failures.
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.next) > MEMORY
    }
}

type Key = (String, AttemptSource);

/// An attempt that was counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    key: Key,
    /// The end of the delay before and after it.
    next: [Instant; 2],
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Throttle(HashMap<Key, Counter>);

impl Throttle {
    /// Count an attempt, or return how long to wait. An attempt counts as failed until [`Self::succeed`], so
    /// concurrent attempts count, too.
    pub(crate) fn attempt(
        &mut self,
        name: &str,
        source: &AttemptSource,
        now: Instant,
    ) -> Result<Attempt, Duration> {
        let key = self.key(name, source, now);
        let fresh = Counter { attempts: 0, next: now };
        let before = self.0.get(&key).filter(|counter| !counter.is_over(now)).copied();
        let mut counter = before.unwrap_or(fresh);
        if now < counter.next {
            return Err(counter.next - now);
        }
        let before = counter.next;
        counter.attempts += 1;
        let doubled = counter.attempts.checked_sub(FREE).map_or(0, |times| 1 << times.min(16));
        counter.next = now + Duration::from_secs(doubled).min(LONGEST_DELAY);
        self.0.insert(key.clone(), counter);
        Ok(Attempt { key, next: [before, counter.next] })
    }

    /// Forget the failures after a correct password. Of a shared counter, only this attempt is forgotten: otherwise,
    /// a user could reset the delays of others.
    pub(crate) fn succeed(&mut self, attempt: Attempt) {
        let Attempt { key, next: [before, after] } = attempt;
        if !key.0.is_empty() {
            self.0.remove(&key);
        } else if let Some(counter) = self.0.get_mut(&key) {
            counter.attempts = counter.attempts.saturating_sub(1);
            if counter.next == after {
                counter.next = before;
            }
        }
    }

    /// The counter of a name. An address that tries many names must not displace the counters of others, nor many
    /// addresses a counter that delays.
    fn key(&mut self, name: &str, source: &AttemptSource, now: Instant) -> Key {
        let own = (name.to_owned(), source.clone());
        if self.0.contains_key(&own) {
            return own;
        }
        if self.0.len() >= MOST_COUNTERS {
            self.0.retain(|_, counter| !counter.is_over(now));
        }
        let has_room = self.0.len() < MOST_COUNTERS;
        let its = || {
            let is_its =
                |((_, from), counter): &(&Key, &Counter)| from == source && !counter.is_over(now);
            self.0.iter().filter(is_its).count()
        };
        if has_room && its() < NAMES {
            return own;
        }
        let shared = (String::new(), own.1);
        if has_room || self.0.contains_key(&shared) {
            return shared;
        }
        (shared.0, AttemptSource::Crowd(self.0.hasher().hash_one(source) % CROWDS))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{
        AttemptSource, CROWDS, FREE, LONGEST_DELAY, MEMORY, MOST_COUNTERS, NAMES, Throttle,
    };

    fn place(address: &str) -> AttemptSource {
        AttemptSource::of_address(address.parse().unwrap())
    }

    #[test]
    fn after_five_failures_each_delay_is_twice_the_last_one() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        let here = place("10.0.0.1");
        for _ in 0..FREE {
            assert!(throttle.attempt("anna", &here, now).is_ok());
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
            let delay = Duration::from_secs(seconds);
            assert_eq!(throttle.attempt("anna", &here, now), Err(delay));
            now += delay;
            assert!(throttle.attempt("anna", &here, now).is_ok());
        }
        assert_eq!(throttle.attempt("anna", &here, now), Err(LONGEST_DELAY));
        now += LONGEST_DELAY + MEMORY + Duration::from_secs(1);
        for _ in 0..FREE {
            assert!(throttle.attempt("anna", &here, now).is_ok());
        }
        assert!(throttle.attempt("anna", &here, now).is_err());
        now += LONGEST_DELAY;
        let right = throttle.attempt("anna", &here, now).unwrap();
        throttle.succeed(right);
        for _ in 0..FREE {
            assert!(throttle.attempt("anna", &here, now).is_ok());
        }
    }

    #[test]
    fn a_stranger_does_not_keep_a_user_out() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..=FREE {
            let _ = throttle.attempt("anna", &place("10.0.0.1"), now);
        }
        assert!(throttle.attempt("anna", &place("10.0.0.1"), now).is_err());
        let others = [place("10.0.0.2"), AttemptSource::Device("0a".to_owned())];
        for other in others {
            assert!(throttle.attempt("anna", &other, now).is_ok());
        }
        assert!(throttle.attempt("bob", &place("10.0.0.1"), now).is_ok());
        // All addresses of an IPv6 network are one place.
        assert_eq!(place("fd00::1"), place("fd00::ffff:2"));
        assert_ne!(place("fd00::1"), place("fd00:0:0:1::1"));
        assert_eq!(place("::ffff:10.0.0.1"), place("10.0.0.1"));
    }

    #[test]
    fn many_names_flush_no_delay_and_share_one_counter() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        let here = place("10.0.0.1");
        for _ in 0..FREE {
            throttle.attempt("anna", &here, now).unwrap();
        }
        now += Duration::from_secs(2);
        let names = (0..MOST_COUNTERS + 10).map(|number| number.to_string());
        let taken = names.filter(|name| throttle.attempt(name, &here, now).is_ok()).count();
        assert!(taken < NAMES + FREE as usize, "{taken}");
        throttle.attempt("anna", &here, now).unwrap();
        assert!(throttle.attempt("anna", &here, now).is_err(), "the failures are still known");
        assert!(throttle.attempt("anna", &place("10.0.0.2"), now).is_ok());
    }

    #[test]
    fn correct_passwords_and_old_failures_delay_no_name_of_a_shared_address() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        let here = place("10.0.0.1");
        for name in 0..NAMES {
            throttle.attempt(&name.to_string(), &here, now).unwrap();
        }
        // All further names share a counter.
        for _ in 0..2 * FREE {
            let right = throttle.attempt("anna", &here, now).unwrap();
            throttle.succeed(right);
        }
        for _ in 0..FREE {
            throttle.attempt("eve", &here, now).unwrap();
        }
        assert!(throttle.attempt("bob", &here, now).is_err());
        now += Duration::from_secs(2);
        let right = throttle.attempt("anna", &here, now).unwrap();
        throttle.succeed(right);
        // The failures of eve still count.
        throttle.attempt("eve", &here, now).unwrap();
        assert!(throttle.attempt("eve", &here, now).is_err());
        now += 2 * MEMORY;
        for _ in 0..FREE {
            throttle.attempt("eve", &here, now).unwrap();
        }
        assert!(throttle.attempt("bob", &here, now).is_ok(), "old failures take no counters");
    }

    #[test]
    fn there_are_only_so_many_counters_and_a_full_table_counts_on() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let full = u32::try_from(MOST_COUNTERS).unwrap();
        let address = |number: u32| {
            AttemptSource::of_address(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number).into())
        };
        for number in 0..full {
            for _ in 0..FREE {
                throttle.attempt("bob", &address(number), now).unwrap();
            }
        }
        // Two places take turns, so that neither would be the newest.
        let others = [address(full), address(full + 1)];
        let guesses =
            (0..100).filter(|turn| throttle.attempt("anna", &others[turn % 2], now).is_ok());
        assert!(guesses.count() <= 2 * FREE as usize);
        assert!(throttle.attempt("bob", &address(0), now).is_err(), "delays are kept");
        for number in full..2 * full {
            let _ = throttle.attempt("anna", &address(number), now);
        }
        assert!(throttle.0.len() <= MOST_COUNTERS + usize::try_from(CROWDS).unwrap());
        let later = now + 2 * MEMORY;
        assert!(throttle.attempt("anna", &others[0], later).is_ok());
        assert_eq!(throttle.0.len(), 1);
    }
}
