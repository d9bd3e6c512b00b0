//! Delays after wrong passwords.
//!
//! Failures are counted per name and place, so that attempts from elsewhere can't lock a user out. A browser in which
//! the user has logged in before is a separate place, whatever its address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// The number of attempts without a delay.
const FREE: u32 = 5;
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// How long failures are remembered after the last delay.
const MEMORY: Duration = Duration::from_secs(3600);
/// The most counters. Those without a delay are dropped first, then the oldest.
const MOST: usize = 4096;
/// The most names from one address that have a counter of their own; further ones share one.
const NAMES: usize = 64;

/// Where an attempt comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// An address; for IPv6, the network of one customer.
    Address(IpAddr),
    /// A browser that knows the key of its device.
    Device(String),
}

impl Place {
    /// The place of an address.
    pub(super) fn of(address: IpAddr) -> Self {
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

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Throttle(HashMap<(String, Place), Counter>);

impl Throttle {
    /// Count an attempt, or return how long to wait. An attempt counts as failed until [`Self::forget`], so
    /// concurrent attempts count, too.
    pub(super) fn attempt(
        &mut self,
        name: &str,
        place: &Place,
        now: Instant,
    ) -> Result<(), Duration> {
        let key = self.key(name, place);
        let fresh = Counter { attempts: 0, next: now };
        let mut counter = self.0.get(&key).copied().unwrap_or(fresh);
        if now < counter.next {
            return Err(counter.next - now);
        }
        if now - counter.next > MEMORY {
            counter = fresh;
        }
        counter.attempts += 1;
        let doubled = counter.attempts.checked_sub(FREE).map_or(0, |times| 1 << times.min(16));
        counter.next = now + Duration::from_secs(doubled).min(LONGEST);
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        self.0.insert(key, counter);
        Ok(())
    }

    /// Forget the failures after a correct password.
    pub(super) fn forget(&mut self, name: &str, place: &Place) {
        self.0.remove(&(name.to_owned(), place.clone()));
    }

    /// The counter of a name. An address that tries many names must not displace the counters of others.
    fn key(&self, name: &str, place: &Place) -> (String, Place) {
        let key = (name.to_owned(), place.clone());
        let its = || self.0.keys().filter(|(_, from)| from == place).count();
        if self.0.contains_key(&key) || its() < NAMES { key } else { (String::new(), key.1) }
    }

    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, counter| counter.next + MEMORY > now);
        if self.0.len() >= MOST
            && let Some(oldest) =
                self.0.iter().min_by_key(|(_, counter)| (counter.attempts >= FREE, counter.next))
        {
            let oldest = oldest.0.clone();
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{FREE, LONGEST, MEMORY, MOST, NAMES, Place, Throttle};

    fn place(address: &str) -> Place {
        Place::of(address.parse().unwrap())
    }

    #[test]
    fn after_five_failures_each_delay_is_twice_the_last_one() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        let here = place("10.0.0.1");
        for _ in 0..FREE {
            assert_eq!(throttle.attempt("anna", &here, now), Ok(()));
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
            let delay = Duration::from_secs(seconds);
            assert_eq!(throttle.attempt("anna", &here, now), Err(delay));
            now += delay;
            assert_eq!(throttle.attempt("anna", &here, now), Ok(()));
        }
        assert_eq!(throttle.attempt("anna", &here, now), Err(LONGEST));
        now += LONGEST + MEMORY + Duration::from_secs(1);
        for _ in 0..FREE {
            assert_eq!(throttle.attempt("anna", &here, now), Ok(()));
        }
        assert!(throttle.attempt("anna", &here, now).is_err());
        throttle.forget("anna", &here);
        assert_eq!(throttle.attempt("anna", &here, now), Ok(()));
    }

    #[test]
    fn a_stranger_does_not_keep_a_user_out() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..=FREE {
            let _ = throttle.attempt("anna", &place("10.0.0.1"), now);
        }
        assert!(throttle.attempt("anna", &place("10.0.0.1"), now).is_err());
        let others = [place("10.0.0.2"), Place::Device("0a".to_owned())];
        for other in others {
            assert_eq!(throttle.attempt("anna", &other, now), Ok(()));
        }
        assert_eq!(throttle.attempt("bob", &place("10.0.0.1"), now), Ok(()));
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
        let names = (0..MOST + 10).map(|number| number.to_string());
        let taken = names.filter(|name| throttle.attempt(name, &here, now).is_ok()).count();
        assert!(taken < NAMES + FREE as usize, "{taken}");
        throttle.attempt("anna", &here, now).unwrap();
        assert!(throttle.attempt("anna", &here, now).is_err(), "the failures are still known");
        assert_eq!(throttle.attempt("anna", &place("10.0.0.2"), now), Ok(()));
    }

    #[test]
    fn there_are_only_so_many_counters_and_delays_are_kept_longest() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        for _ in 0..FREE {
            throttle.attempt("anna", &place("10.0.0.1"), now).unwrap();
        }
        now += Duration::from_secs(2);
        for number in 0..u32::try_from(MOST).unwrap() + 10 {
            let address = Place::of(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number).into());
            throttle.attempt("bob", &address, now).unwrap();
        }
        assert_eq!(throttle.0.len(), MOST);
        throttle.attempt("anna", &place("10.0.0.1"), now).unwrap();
        assert!(throttle.attempt("anna", &place("10.0.0.1"), now).is_err());
    }
}
