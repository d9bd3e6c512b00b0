//! The model of a `tmo.toml`: processes that end, fail, hang and wait for each other, beside those of the
//! Procfile.

/// The processes that there may be only in a `tmo.toml`.
pub(crate) const CONFIGURED: [&str; 7] = ["db", "cache", "job", "api", "web", "cron", "sweep"];
/// The groups that they may be in.
pub(crate) const GROUPS: [&str; 2] = ["@front", "@back"];

/// The text that a failing process prints.
pub(crate) const FAILURE_TEXT: &str = "no luck";

/// The content of a `tmo.toml`; empty if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Config {
    pub(crate) entries: Vec<Entry>,
    pub(crate) kept: Vec<AlwaysRestarted>,
}

/// A process of the Procfile that is always restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlwaysRestarted {
    pub(crate) name: &'static str,
    pub(crate) restart: Restart,
    pub(crate) stop: Option<Stop>,
}

/// The table of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) phase: Phase,
    pub(crate) program: Program,
    pub(crate) needs: Vec<(&'static str, Until)>,
    pub(crate) ready: Vec<Check>,
    /// Asked by a command that fails once the process was made sick.
    pub(crate) live: Option<FailureAction>,
    pub(crate) restart: Option<Restart>,
    pub(crate) success: Option<u8>,
    pub(crate) soft: Option<u8>,
    pub(crate) stop: Option<Stop>,
    /// The action when it prints the failure text.
    pub(crate) failure: Option<FailureAction>,
    /// A text in `failure_declarations.json` says the same.
    pub(crate) declared: bool,
    pub(crate) group: Option<&'static str>,
    pub(crate) autostart: bool,
    /// Grows with each change of what it runs.
    pub(crate) edition: u32,
    /// Grows with each change of what does not matter.
    pub(crate) display: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Dependency,
    Main,
    Cleanup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Started,
    Ready,
    Completed,
}

/// What a process does. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// It is up after so long, and stays.
    Stays(u64),
    /// It prints nothing, and stays.
    Silent,
    /// It is up at once, and ends after so long with this code.
    Ends(u64, u8),
    /// The first so many lives fail, all others stay.
    Flaky(u32),
    /// There is no such program.
    Missing,
    /// It is up, and prints the failure text after so long.
    PrintsFailure(u64),
    /// It is up, and ignores stop signals.
    Deaf,
    /// It takes connections after so long.
    Listens(u64),
}

/// A check of readiness, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) probe: Probe,
    pub(crate) limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The line that it prints when it is up.
    Up,
    /// A line that no process prints.
    NeverPrinted,
    /// The file that it makes when it is up.
    File,
    Exit(u8),
    Delay(u64),
    Port,
    /// It answers over HTTP.
    Http,
    /// It answers over HTTP with an error.
    HttpError,
}

/// The action on a failure pattern or a failed check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureAction {
    Restart,
    Break,
    Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    No,
    OnFailure,
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restart {
    pub(crate) policy: Policy,
    pub(crate) delay: u64,
    /// It grows up to this.
    pub(crate) max_delay: Option<u64>,
    pub(crate) max_failures: u32,
    pub(crate) stable: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Term,
    /// By a command with the same effect as the signal after it.
    Command,
    Timeout(u64),
}

/// Whether something is expected to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expectation {
    Certain,
    Never,
    Possible,
}

impl Config {
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    pub(crate) fn entry_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.name == name)
    }

    /// Whether it is one of the Procfile that is started again whatever ends it.
    pub(crate) fn is_always_restarted(&self, name: &str) -> bool {
        self.kept.iter().any(|kept| kept.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.name)
    }

    /// Whether every dependency exists and can be met.
    pub(crate) fn is_consistent(&self) -> bool {
        let ends = |entry: &Entry| entry.restart.is_none_or(|r| r.policy != Policy::Always);
        let there = |(on, until): &(&'static str, Until)| {
            self.entry(on).is_some_and(|entry| *until != Until::Completed || ends(entry))
        };
        self.entries.iter().all(|entry| entry.needs.iter().all(there))
    }

    /// What a process waits for: of phase main, all dependencies too. Of those that stand in no
    /// `tmo.toml` the phase is main.
    pub(crate) fn needs(&self, name: &str) -> Vec<(&'static str, Until)> {
        let entry = self.entry(name);
        let mut needs = entry.map_or(vec![], |entry| entry.needs.clone());
        if entry.is_none_or(|entry| entry.phase == Phase::Main) {
            let first = self.entries.iter().filter(|e| e.phase == Phase::Dependency);
            let more: Vec<_> = first
                .map(|e| (e.name, Until::Ready))
                .filter(|(on, _)| needs.iter().all(|(known, _)| known != on))
                .collect();
            needs.extend(more);
        }
        needs
    }

    /// What is started with a process, itself included.
    pub(crate) fn started_with(&self, name: &'static str) -> Vec<&'static str> {
        let mut all = vec![name];
        let mut at = 0;
        while at < all.len() {
            for (on, _) in self.needs(all[at]) {
                if !all.contains(&on) {
                    all.push(on);
                }
            }
            at += 1;
        }
        all
    }

    /// Whether another process waits for it.
    pub(crate) fn has_dependents(&self, name: &str) -> bool {
        let dependency = self.entry(name).is_some_and(|e| e.phase == Phase::Dependency);
        let named = |entry: &Entry| entry.needs.iter().any(|(on, _)| *on == name);
        dependency || self.entries.iter().any(named)
    }

    /// Whether it is not started again once it has ended well.
    pub(crate) fn is_expected_to_end(&self, entry: &Entry) -> bool {
        let exit = |check: &Check| matches!(check.probe, Probe::Exit(_));
        let awaited = |other: &Entry| other.needs.contains(&(entry.name, Until::Completed));
        entry.ready.iter().any(exit) || self.entries.iter().any(awaited)
    }

    /// Whether it may end and be restarted forever.
    pub(crate) fn restarts_forever(&self, entry: &Entry) -> bool {
        // Without a table of its own, a restart for a failure pattern is repeated without end.
        let goes_on = |lasts| {
            entry.restart.is_none_or(|restart| {
                restart.max_failures == 0
                    || restart.stable.is_some_and(|stable| stable < lasts + 5000)
            })
        };
        if let (Program::Ends(after, code), Some(restart)) = (entry.program, entry.restart) {
            return restart.policy != Policy::No
                && if entry.is_success(code) {
                    restart.policy == Policy::Always && !self.is_expected_to_end(entry)
                } else {
                    entry.soft == Some(code) || goes_on(after)
                };
        }
        if let Program::PrintsFailure(after) = entry.program {
            return entry.failure_action() == Some(FailureAction::Restart) && goes_on(after);
        }
        false
    }

    /// Whether a dependency never becomes ready, so that every start fails.
    pub(crate) fn has_failing_dependency(&self) -> bool {
        let first = |entry: &&Entry| entry.phase == Phase::Dependency;
        self.entries
            .iter()
            .filter(first)
            .any(|entry| entry.expected_readiness() != Expectation::Certain)
    }

    /// What the run may end with whatever else it ends with.
    pub(crate) fn codes(&self) -> Vec<i32> {
        if self.entries.is_empty() {
            return vec![];
        }
        // One is broken or skipped; one can't be run; one was killed.
        let mut codes = vec![0, 1, 127, 129, 130, 137, 143];
        codes.extend(self.entries.iter().filter_map(|e| e.program.code()).map(i32::from));
        codes
    }

    /// The names of all that can be left out.
    pub(crate) fn parts(&self) -> Vec<String> {
        let kept = self.kept.iter().map(|kept| kept.name);
        let mut parts: Vec<_> = self.names().chain(kept).map(str::to_owned).collect();
        for entry in &self.entries {
            let has = [
                ("needs", !entry.needs.is_empty()),
                ("ready", !entry.ready.is_empty()),
                ("live", entry.live.is_some()),
                ("restart", entry.restart.is_some()),
                ("codes", entry.success.is_some() || entry.soft.is_some()),
                ("stop", entry.stop.is_some()),
                ("failure", entry.failure.is_some()),
                ("group", entry.group.is_some()),
            ];
            let has = has.into_iter().filter(|(_, has)| *has);
            parts.extend(has.map(|(part, _)| format!("{}.{part}", entry.name)));
        }
        parts
    }

    /// The same without some of its parts, and without what they need.
    pub(crate) fn without(mut self, parts: &[String]) -> Self {
        for part in parts {
            let (name, part) = part.split_once('.').unwrap_or((part, ""));
            if part.is_empty() {
                self.entries.retain(|entry| entry.name != name);
                self.kept.retain(|kept| kept.name != name);
            }
            let Some(entry) = self.entry_mut(name) else { continue };
            match part {
                "needs" => entry.needs.clear(),
                "ready" => entry.ready.clear(),
                "live" => entry.live = None,
                "restart" => entry.restart = None,
                "codes" => (entry.success, entry.soft) = (None, None),
                "stop" => entry.stop = None,
                "failure" => entry.failure = None,
                "group" => entry.group = None,
                _ => {}
            }
        }
        let there: Vec<_> = self.names().collect();
        for entry in &mut self.entries {
            entry.needs.retain(|(on, _)| there.contains(on));
        }
        self
    }
}

impl Program {
    /// Its exit code, if it exits by itself.
    pub(crate) fn code(self) -> Option<u8> {
        match self {
            Self::Ends(_, code) => Some(code),
            Self::Flaky(_) => Some(3),
            Self::Missing => Some(127),
            Self::Stays(_)
            | Self::Silent
            | Self::PrintsFailure(_)
            | Self::Deaf
            | Self::Listens(_) => None,
        }
    }
}

impl Entry {
    /// Whether this exit code is no failure.
    pub(crate) fn is_success(&self, code: u8) -> bool {
        let exit = |check: &Check| check.probe == Probe::Exit(code);
        code == 0 || self.success == Some(code) || self.ready.iter().any(exit)
    }

    /// The action when it prints the failure text, if any.
    pub(crate) fn failure_action(&self) -> Option<FailureAction> {
        self.failure.or(self.declared.then_some(FailureAction::Break))
    }

    /// Whether each of its lives comes to an end, or to a change of state.
    pub(crate) fn is_transient(&self) -> bool {
        match self.program {
            Program::Ends(..) | Program::Missing => true,
            Program::PrintsFailure(_) => self.failure_action().is_some(),
            Program::Stays(_)
            | Program::Silent
            | Program::Flaky(_)
            | Program::Deaf
            | Program::Listens(_) => false,
        }
    }

    /// Whether it is expected to become ready.
    pub(crate) fn expected_readiness(&self) -> Expectation {
        let given_up = match (self.program, self.restart) {
            (Program::Flaky(lives), Some(restart)) => {
                restart.policy == Policy::No
                    || restart.max_failures != 0 && restart.max_failures <= lives
            }
            (Program::Flaky(_), None) => true,
            _ => false,
        };
        let all = self.ready.iter().map(|check| self.expected_result(*check));
        let all = all.chain(given_up.then_some(Expectation::Possible));
        let all = all.chain((self.program == Program::Missing).then_some(Expectation::Possible));
        all.fold(Expectation::Certain, |all, one| match (all, one) {
            (Expectation::Never, _) | (_, Expectation::Never) => Expectation::Never,
            (Expectation::Possible, _) | (_, Expectation::Possible) => Expectation::Possible,
            (Expectation::Certain, Expectation::Certain) => Expectation::Certain,
        })
    }

    fn expected_result(&self, Check { probe, limit }: Check) -> Expectation {
        let up = !matches!(self.program, Program::Silent | Program::Missing);
        let ends = matches!(self.program, Program::Ends(..) | Program::Missing);
        let expected_readiness = match probe {
            Probe::NeverPrinted | Probe::HttpError => Expectation::Never,
            Probe::Up | Probe::File if !up => Expectation::Never,
            Probe::Exit(code) if self.program.code() != Some(code) => Expectation::Never,
            Probe::Exit(_) if matches!(self.program, Program::Flaky(_)) => Expectation::Possible,
            Probe::File | Probe::Delay(_) if ends => Expectation::Possible,
            Probe::Port | Probe::Http if !matches!(self.program, Program::Listens(_)) => {
                Expectation::Never
            }
            Probe::Up
            | Probe::File
            | Probe::Exit(_)
            | Probe::Delay(_)
            | Probe::Port
            | Probe::Http => Expectation::Certain,
        };
        // Who knows how busy the machine is.
        if expected_readiness == Expectation::Certain && limit < 10_000 {
            Expectation::Possible
        } else {
            expected_readiness
        }
    }
}
