//! Generates a `tmo.toml` from a seed.

use crate::chaos::config::{
    AlwaysRestarted, CONFIGURED, Check, Config, Entry, Expectation, FailureAction, GROUPS, Phase,
    Policy, Probe, Program, Restart, Stop, Until,
};
use crate::chaos::step::WRITERS;
use crate::random::{Random, mix};

/// Long enough for whatever comes at all.
const LONG: u64 = 30_000;

impl Config {
    /// What this seed begins with; a Procfile alone once in three.
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(mix(seed ^ 0x706d_6f74));
        if random.once_in(3) {
            return Self::default();
        }
        let doomed = random.once_in(12);
        let mut config = Self::default();
        for name in CONFIGURED {
            let mut random = Random::new(random.next());
            let there = match name {
                "db" => doomed || random.once_in(2),
                "cache" => random.once_in(4),
                "sweep" => random.once_in(2),
                _ => !random.once_in(4),
            };
            let entry = match name {
                "db" | "cache" => config.dependency(name, doomed && name == "db", &mut random),
                "sweep" => Self::cleanup(name, &mut random),
                _ => config.main(name, &mut random),
            };
            if there {
                config.entries.push(entry);
            }
        }
        for name in WRITERS {
            if !random.once_in(3) {
                continue;
            }
            let always = random.once_in(2);
            let policy = if always { Policy::Always } else { Policy::OnFailure };
            let restart = Restart { policy, max_failures: 0, ..restart(&mut random) };
            config.kept.push(AlwaysRestarted { name, restart, stop: stop(&mut random) });
        }
        if config.entries.is_empty() {
            // No `tmo.toml` is written then.
            config.kept.clear();
        }
        config
    }

    /// What others rely on comes up in the end, unless all is to fail.
    fn dependency(&self, name: &'static str, doomed: bool, random: &mut Random) -> Entry {
        let mut entry = Entry::new(name, Phase::Dependency);
        entry.program = match random.below(4) {
            0 => Program::Flaky(1 + u32::try_from(random.below(3)).unwrap()),
            1 => Program::Listens(random.below(300)),
            _ => Program::Stays(random.below(400)),
        };
        if matches!(entry.program, Program::Flaky(_)) || random.once_in(3) {
            entry.restart = Some(Restart { max_failures: 0, ..restart(random) });
            entry.restart.as_mut().unwrap().policy = Policy::OnFailure;
        }
        let probe = match (entry.program, random.below(4)) {
            (Program::Listens(_), 0) => Probe::Port,
            (Program::Listens(_), 1) => Probe::Http,
            (_, 2) => Probe::File,
            (_, 3) => Probe::Delay(random.below(300)),
            _ => Probe::Up,
        };
        entry.ready = vec![Check { probe, limit: LONG }];
        if random.once_in(3) {
            entry.live = Some(FailureAction::Restart);
        }
        if doomed {
            entry.program = if random.once_in(2) { Program::Silent } else { Program::Missing };
            entry.ready = vec![Check { probe: Probe::Up, limit: 500 }];
        }
        entry.stop = stop(random);
        self.wait_for(&mut entry, random);
        entry
    }

    fn main(&self, name: &'static str, random: &mut Random) -> Entry {
        let mut entry = Entry::new(name, Phase::Main);
        entry.program = program(random);
        if !random.once_in(3) {
            entry.restart = Some(restart(random));
        }
        match random.below(8) {
            0 => entry.success = Some(3),
            1 => entry.soft = Some(3),
            _ => {}
        }
        entry.failure = match random.below(6) {
            0 => Some(FailureAction::Break),
            1 | 2 => Some(FailureAction::Restart),
            _ => None,
        };
        for _ in 0..random.below(3) {
            entry.ready.push(entry.check(random));
        }
        entry.ready.dedup_by_key(|check| check.probe);
        entry.live = match random.below(8) {
            0 => Some(FailureAction::Break),
            1 => Some(FailureAction::Restart),
            2 => Some(FailureAction::Notify),
            _ => None,
        };
        entry.group = random.once_in(2).then(|| GROUPS[usize::from(random.once_in(2))]);
        entry.autostart = !random.once_in(8);
        entry.stop = stop(random);
        entry.agree();
        self.wait_for(&mut entry, random);
        entry
    }

    fn cleanup(name: &'static str, random: &mut Random) -> Entry {
        let mut entry = Entry::new(name, Phase::Cleanup);
        entry.program = match random.below(4) {
            0 => Program::Ends(random.below(200), 4),
            1 => Program::Silent,
            _ => Program::Ends(random.below(200), 0),
        };
        if entry.program == Program::Silent {
            entry.ready = vec![Check { probe: Probe::Exit(0), limit: 400 }];
        }
        entry
    }

    /// Wait for some of those that there are.
    fn wait_for(&self, entry: &mut Entry, random: &mut Random) {
        for other in &self.entries {
            let until = match random.below(12) {
                0 => Until::Started,
                1 | 2 => Until::Ready,
                3 => Until::Completed,
                _ => continue,
            };
            let of_phase = other.phase == entry.phase || other.phase == Phase::Dependency;
            // Nobody is to wait for ever, or a start would.
            let comes = match until {
                Until::Started => true,
                Until::Ready => {
                    other.expected_readiness() == Expectation::Certain
                        || !self.restarts_forever(other)
                }
                Until::Completed => {
                    let always = |restart: Restart| restart.policy == Policy::Always;
                    matches!(other.program, Program::Ends(..) | Program::Missing)
                        && !other.restart.is_some_and(always)
                        && !self.restarts_forever(other)
                }
            };
            // A dependency that never comes up is waited for until then, by all.
            let weak = until == Until::Started && entry.phase != other.phase;
            if of_phase && comes && !weak {
                entry.needs.push((other.name, until));
            }
        }
    }
}

impl Entry {
    pub(crate) fn new(name: &'static str, phase: Phase) -> Self {
        Self {
            name,
            phase,
            program: Program::Silent,
            needs: vec![],
            ready: vec![],
            live: None,
            restart: None,
            success: None,
            soft: None,
            stop: None,
            failure: None,
            declared: false,
            group: None,
            autostart: true,
            edition: 0,
            display: 0,
        }
    }

    fn check(&self, random: &mut Random) -> Check {
        let always = self.restart.is_some_and(|restart| restart.policy == Policy::Always);
        let probe = match random.below(12) {
            0 => Probe::NeverPrinted,
            1 | 2 => Probe::File,
            3 | 4 => Probe::Delay(random.below(400)),
            5 if matches!(self.program, Program::Listens(_)) => Probe::Port,
            6 | 7 if matches!(self.program, Program::Listens(_)) => Probe::Http,
            8 if matches!(self.program, Program::Listens(_)) => Probe::HttpError,
            7 | 8 if !always && !matches!(self.program, Program::Listens(_)) => {
                Probe::Exit(self.program.code().unwrap_or(0))
            }
            _ => Probe::Up,
        };
        let check = Check { probe, limit: LONG };
        let hopeless = Self { ready: vec![check], ..self.clone() }.expected_readiness()
            != Expectation::Certain;
        let limit = if hopeless || random.once_in(8) { 200 + random.below(800) } else { LONG };
        Check { limit, ..check }
    }
}

impl Entry {
    /// Other things follow from what it does.
    pub(crate) fn change(&mut self, random: &mut Random) {
        // Others rely on it.
        let kinds = if self.phase == Phase::Main { 7 } else { 2 };
        match random.below(kinds) {
            0 => self.display += 1,
            1 => self.stop = stop(random),
            2 => self.restart = random.once_in(2).then(|| restart(random)),
            3 => self.failure = random.once_in(2).then_some(FailureAction::Break),
            4 => self.live = random.once_in(2).then_some(FailureAction::Restart),
            5 => _ = self.needs.pop(),
            _ => {
                self.ready = vec![self.check(random)];
            }
        }
        self.agree();
    }

    /// Leave out what does not go with the rest.
    fn agree(&mut self) {
        let exit = |check: &Check| matches!(check.probe, Probe::Exit(_));
        if self.restart.is_some_and(|restart| restart.policy == Policy::Always) {
            self.ready.retain(|check| !exit(check));
        }
        if self.ready.iter().any(exit) {
            self.live = None;
        }
    }
}

fn program(random: &mut Random) -> Program {
    match random.below(18) {
        0..5 => Program::Stays(random.below(500)),
        5..11 => {
            let code = [0, 0, 3, 3, 3, 5, 5][usize::try_from(random.below(7)).unwrap()];
            Program::Ends(random.below(400), code)
        }
        11 | 12 => Program::Flaky(1 + u32::try_from(random.below(4)).unwrap()),
        13 => Program::Missing,
        14 => Program::PrintsFailure(random.below(300)),
        15 => Program::Silent,
        16 => Program::Deaf,
        _ => Program::Listens(random.below(300)),
    }
}

fn restart(random: &mut Random) -> Restart {
    let policy = match random.below(6) {
        0 => Policy::No,
        1..4 => Policy::OnFailure,
        _ => Policy::Always,
    };
    let delay = 50 + random.below(250);
    Restart {
        policy,
        delay,
        max_delay: random.once_in(2).then(|| delay + random.below(1500)),
        max_failures: u32::try_from([0, 1, 2, 3, 3, 4][usize::try_from(random.below(6)).unwrap()])
            .unwrap(),
        stable: random.once_in(4).then(|| 200 + random.below(2000)),
    }
}

fn stop(random: &mut Random) -> Option<Stop> {
    match random.below(6) {
        0 => Some(Stop::Term),
        1 => Some(Stop::Command),
        2 => Some(Stop::Timeout(100 + random.below(1000))),
        _ => None,
    }
}
