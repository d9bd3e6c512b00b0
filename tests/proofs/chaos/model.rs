//! The expected state of the run, as far as it is certain.

use std::collections::{BTreeMap, BTreeSet};

use crate::chaos::config::CONFIGURED;
use crate::chaos::step::NAMES;

/// Whether a run is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunExpectation {
    /// None.
    Down,
    /// One, and nothing ends it.
    Up,
    /// Something ends it, or should have.
    Ends,
    /// Unknown: actions were concurrent.
    Unsure,
}

/// The expected state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Desired {
    Running,
    Stopped,
    Either,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) course: RunExpectation,
    /// The id of the run at the last check.
    pub(crate) run: Option<String>,
    pub(crate) desired: BTreeMap<&'static str, Desired>,
    /// What views of this run may end with.
    pub(crate) codes: BTreeSet<i32>,
    /// Supervisor and guardian may both be gone, so that commands may be refused.
    pub(crate) supervision_uncertain: bool,
    /// A start that the test did not wait for is in progress.
    pub(crate) starting: bool,
    /// What a view may end with in any case.
    pub(crate) usual: Vec<i32>,
}

impl Model {
    pub(crate) fn new() -> Self {
        let all = NAMES.iter().chain(&CONFIGURED);
        let desired = all.map(|name| (*name, Desired::Running)).collect();
        Self {
            course: RunExpectation::Down,
            run: None,
            desired,
            codes: BTreeSet::new(),
            supervision_uncertain: false,
            starting: false,
            usual: vec![],
        }
    }

    /// Whether the result of a command is known in advance.
    pub(crate) fn certain(&self) -> bool {
        !self.supervision_uncertain
            && matches!(self.course, RunExpectation::Up | RunExpectation::Down)
    }

    /// A new run has begun.
    pub(crate) fn begun(&mut self) {
        self.course = RunExpectation::Up;
        self.run = None;
        self.codes.clear();
        self.all(Desired::Running);
    }

    /// Something has ended the run, if it is certain that there is one that can be ended so.
    pub(crate) fn ends(&mut self, certain: bool, codes: &[i32]) {
        self.course = match self.course {
            RunExpectation::Up | RunExpectation::Ends if certain && !self.supervision_uncertain => {
                RunExpectation::Ends
            }
            RunExpectation::Down => RunExpectation::Down,
            RunExpectation::Up | RunExpectation::Ends | RunExpectation::Unsure => {
                RunExpectation::Unsure
            }
        };
        self.codes.extend(codes);
        self.all(Desired::Either);
    }

    /// A run begins that may not be reachable yet.
    pub(crate) fn starts(&mut self) {
        (self.supervision_uncertain, self.starting) = (true, true);
    }

    /// Whether a view may end with this.
    pub(crate) fn may_exit_with(&self, code: i32) -> bool {
        self.codes.contains(&code) || self.usual.contains(&code)
    }

    pub(crate) fn unsure(&mut self) {
        self.course = RunExpectation::Unsure;
        self.all(Desired::Either);
    }

    pub(crate) fn all(&mut self, desired: Desired) {
        self.desired.values_mut().for_each(|w| *w = desired);
    }

    pub(crate) fn want(&mut self, names: &[&'static str], desired: Desired) {
        self.desired.extend(names.iter().map(|name| (*name, desired)));
    }
}
