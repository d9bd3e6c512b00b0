//! The expected state once nothing changes any more, as far as it is certain.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::RULED;
use crate::step::NAMES;

/// Whether there is a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// None.
    Down,
    /// One, and nothing ends it.
    Up,
    /// Something ends it, or should have.
    Ends,
    /// Who knows: things happened at the same time.
    Unsure,
}

/// What is wanted of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Running,
    Stopped,
    Either,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) course: Course,
    /// The run that was there when it was last looked.
    pub(crate) run: Option<String>,
    pub(crate) wanted: BTreeMap<&'static str, Wanted>,
    /// What views of this run may end with.
    pub(crate) codes: BTreeSet<i32>,
    /// Supervisor and guardian may both be gone, so that commands may be refused.
    pub(crate) shaky: bool,
    /// A start is under way that nobody has waited for.
    pub(crate) starting: bool,
    /// What a view may end with in any case.
    pub(crate) usual: Vec<i32>,
}

impl Model {
    pub(crate) fn new() -> Self {
        let all = NAMES.iter().chain(&RULED);
        let wanted = all.map(|name| (*name, Wanted::Running)).collect();
        Self {
            course: Course::Down,
            run: None,
            wanted,
            codes: BTreeSet::new(),
            shaky: false,
            starting: false,
            usual: vec![],
        }
    }

    /// Whether it is known what a command will come to.
    pub(crate) fn certain(&self) -> bool {
        !self.shaky && matches!(self.course, Course::Up | Course::Down)
    }

    /// A new run has begun.
    pub(crate) fn begun(&mut self) {
        self.course = Course::Up;
        self.run = None;
        self.codes.clear();
        self.all(Wanted::Running);
    }

    /// Something has ended the run, if it is certain that there is one that can be ended so.
    pub(crate) fn ends(&mut self, certain: bool, codes: &[i32]) {
        self.course = match self.course {
            Course::Up | Course::Ends if certain && !self.shaky => Course::Ends,
            Course::Down => Course::Down,
            Course::Up | Course::Ends | Course::Unsure => Course::Unsure,
        };
        self.codes.extend(codes);
        self.all(Wanted::Either);
    }

    /// What is begun now may or may not be up when something is asked of it.
    pub(crate) fn starts(&mut self) {
        (self.shaky, self.starting) = (true, true);
    }

    /// Whether a view may end with this.
    pub(crate) fn may_end_with(&self, code: i32) -> bool {
        self.codes.contains(&code) || self.usual.contains(&code)
    }

    pub(crate) fn unsure(&mut self) {
        self.course = Course::Unsure;
        self.all(Wanted::Either);
    }

    pub(crate) fn all(&mut self, wanted: Wanted) {
        self.wanted.values_mut().for_each(|w| *w = wanted);
    }

    pub(crate) fn want(&mut self, names: &[&'static str], wanted: Wanted) {
        self.wanted.extend(names.iter().map(|name| (*name, wanted)));
    }
}
