//! The log of what the test did to the configured processes, and when: `event_order.rs` judges the events of
//! a run by it. Times are nanoseconds since the epoch.

use std::time::SystemTime;

use crate::chaos::config::{Config, Entry};

/// The time within which a written file came into force is unknown.
const SLACK: u64 = 10_000_000_000;

/// An action that starts or stops these processes.
#[derive(Debug)]
struct Intervention {
    from: u64,
    /// When it certainly had ended.
    until: Option<u64>,
    names: Vec<&'static str>,
}

#[derive(Debug, Default)]
pub(crate) struct ActionLog {
    /// The contents of the file, each with its time.
    config: Vec<(u64, Config)>,
    interventions: Vec<Intervention>,
    /// When all actions had ended.
    settled_at: u64,
    /// When a supervisor was killed: its pending messages are lost.
    pub(crate) supervisor_kills: Vec<u64>,
    /// When a part of a process was killed.
    part_kills: Vec<(u64, &'static str)>,
    /// When a run was quit, and nothing else ended it.
    pub(crate) quits: Vec<u64>,
    /// When a run ended, or may have ended, in another way.
    pub(crate) abrupt_ends: Vec<u64>,
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

impl ActionLog {
    /// The file has this content from now on.
    pub(crate) fn record_config(&mut self, config: &Config) {
        self.config.push((now(), config.clone()));
    }

    pub(crate) fn record_intervention(&mut self, names: Vec<&'static str>) {
        self.interventions.push(Intervention { from: now(), until: None, names });
    }

    /// All actions have ended.
    pub(crate) fn mark_settled(&mut self) {
        let now = now();
        self.settled_at = now;
        for touch in &mut self.interventions {
            touch.until.get_or_insert(now);
        }
    }

    pub(crate) fn record_kill(&mut self, name: &'static str) {
        self.part_kills.push((now(), name));
    }

    /// Whether every kill has been noticed.
    pub(crate) fn all_kills_are_noticed(&self) -> bool {
        let part_kills = self.part_kills.iter().map(|(at, _)| at);
        part_kills
            .chain(&self.supervisor_kills)
            .chain(&self.abrupt_ends)
            .all(|at| *at < self.settled_at)
    }

    pub(crate) fn part_was_killed(&self, name: &str, from: u64, until: u64) -> bool {
        self.part_kills.iter().any(|(at, hit)| *hit == name && (from..=until).contains(at))
    }

    /// Whether an action on it overlaps this time.
    pub(crate) fn was_acted_on(&self, name: &str, from: u64, until: u64) -> bool {
        let then = |touch: &&Intervention| {
            touch.from <= until && touch.until.is_none_or(|end| end >= from)
        };
        self.interventions.iter().filter(then).any(|touch| touch.names.contains(&name))
    }

    /// All configurations that may have been in force between these.
    pub(crate) fn in_force(&self, from: u64, until: u64) -> Vec<&Config> {
        let from = from.saturating_sub(SLACK);
        // Without a known time, the last content written counts.
        let first = self.config.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
        let later = self.config.iter().enumerate();
        later
            .filter(|(n, (at, _))| *n == first || *n > first && *at <= until)
            .map(|(_, (_, config))| config)
            .collect()
    }
}

/// The value that all configurations agree on.
pub(crate) fn agreed<T: PartialEq>(
    config: &[&Config],
    name: &str,
    what: impl Fn(&Entry) -> T,
) -> Option<T> {
    let mut all = config.iter().map(|config| config.entry(name).map(&what));
    let first = all.next()??;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}
