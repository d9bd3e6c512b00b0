//! Records what was done to the processes of a `tmo.toml` and when, so that the events of a run can be
//! judged. Times are in nanoseconds since the epoch.

use std::time::SystemTime;

use crate::rules::{Entry, Rules};

/// Nobody knows when something that was written came into force.
const SLACK: u64 = 10_000_000_000;

/// Somebody did something that starts or stops these.
#[derive(Debug)]
struct Touch {
    from: u64,
    /// When it was over for certain.
    until: Option<u64>,
    names: Vec<&'static str>,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    /// What the file has said, each since when.
    rules: Vec<(u64, Rules)>,
    touches: Vec<Touch>,
    /// When all had come to its end.
    rested: u64,
    /// Supervisors were killed: what they were about to say is not said.
    pub(crate) slain: Vec<u64>,
    /// Something of a process was killed.
    hits: Vec<(u64, &'static str)>,
    /// The end of a run was asked for, and nothing else ended it.
    pub(crate) quits: Vec<u64>,
    /// The end of a run came, or may have, in another way.
    pub(crate) rough: Vec<u64>,
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

impl Book {
    /// The file says this from now on.
    pub(crate) fn says(&mut self, rules: &Rules) {
        self.rules.push((now(), rules.clone()));
    }

    pub(crate) fn touch(&mut self, names: Vec<&'static str>) {
        self.touches.push(Touch { from: now(), until: None, names });
    }

    /// All that was done has come to its end.
    pub(crate) fn rest(&mut self) {
        let now = now();
        self.rested = now;
        for touch in &mut self.touches {
            touch.until.get_or_insert(now);
        }
    }

    pub(crate) fn hit(&mut self, name: &'static str) {
        self.hits.push((now(), name));
    }

    /// Whether nothing was killed that may not have been noticed.
    pub(crate) fn is_calm(&self) -> bool {
        let hits = self.hits.iter().map(|(at, _)| at);
        hits.chain(&self.slain).chain(&self.rough).all(|at| *at < self.rested)
    }

    pub(crate) fn is_hit(&self, name: &str, from: u64, until: u64) -> bool {
        self.hits.iter().any(|(at, hit)| *hit == name && (from..=until).contains(at))
    }

    /// Whether somebody did something to it between these.
    pub(crate) fn is_touched(&self, name: &str, from: u64, until: u64) -> bool {
        let then =
            |touch: &&Touch| touch.from <= until && touch.until.is_none_or(|end| end >= from);
        self.touches.iter().filter(then).any(|touch| touch.names.contains(&name))
    }

    /// All that may have been in force between these.
    pub(crate) fn in_force(&self, from: u64, until: u64) -> Vec<&Rules> {
        let from = from.saturating_sub(SLACK);
        // What was written last is what there is where nobody knows when that was.
        let first = self.rules.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
        let later = self.rules.iter().enumerate();
        later
            .filter(|(n, (at, _))| *n == first || *n > first && *at <= until)
            .map(|(_, (_, rules))| rules)
            .collect()
    }
}

/// What is the same in all of these.
pub(crate) fn agreed<T: PartialEq>(
    rules: &[&Rules],
    name: &str,
    what: impl Fn(&Entry) -> T,
) -> Option<T> {
    let mut all = rules.iter().map(|rules| rules.entry(name).map(&what));
    let first = all.next()??;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}
