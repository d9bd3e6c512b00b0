//! Random changes of random graphs, compared with an independent account of what each process has to wait for.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::model::ProcId;
use crate::model::plan::rules::DependencyCondition;
use crate::tests::order::changes::{need, prints};
use crate::tests::*;

use DependencyCondition::{Completed, Ready, Started};

/// The processes of a random plan. The second instance of the last one is added by scaling.
const ALL: [&str; 7] = ["a", "b", "c", "d", "e", "f", "f#2"];

#[derive(Debug, Clone)]
enum ChangeStep {
    Turn(usize, bool),
    Deliver(usize),
    Pass(usize),
    Die(usize, u8),
    Start(u8),
    Stop(u8),
    Restart(u8),
    Reload(u8),
    Scale(u16),
    Wait,
    TakeOver,
}

fn step() -> impl Strategy<Value = ChangeStep> {
    let id = || 0..ALL.len();
    prop_oneof![
        12 => (id(), any::<bool>()).prop_map(|(id, stops)| ChangeStep::Turn(id, stops)),
        12 => id().prop_map(ChangeStep::Deliver),
        8 => id().prop_map(ChangeStep::Pass),
        3 => (id(), prop_oneof![3 => Just(0), 1 => Just(1)]).prop_map(|(id, c)| ChangeStep::Die(id, c)),
        2 => any::<u8>().prop_map(ChangeStep::Start),
        2 => any::<u8>().prop_map(ChangeStep::Stop),
        3 => any::<u8>().prop_map(ChangeStep::Restart),
        1 => any::<u8>().prop_map(ChangeStep::Reload),
        1 => (1u16..3).prop_map(ChangeStep::Scale),
        1 => Just(ChangeStep::Wait),
        2 => Just(ChangeStep::TakeOver),
    ]
}

/// For each process and each one before it: what it waits for, if anything.
fn graph() -> impl Strategy<Value = Vec<(usize, usize, DependencyCondition)>> {
    let until = prop_oneof![Just(Started), Just(Ready), Just(Completed)];
    let edge = (0..ALL.len(), 0..ALL.len(), until);
    let ordered = |all: Vec<_>| all.into_iter().filter(|(id, on, _)| on < id).collect();
    proptest::collection::vec(edge, 0..14).prop_map(ordered)
}

/// What the reports of the shims say about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Fact {
    life: Option<LifeId>,
    runs: bool,
    ready: bool,
    completed: bool,
}

impl Fact {
    fn meets(self, until: DependencyCondition) -> bool {
        match until {
            Started => self.runs || self.completed,
            Ready => self.ready && (self.runs || self.completed),
            Completed => self.completed,
        }
    }
}

/// An independent account of what each process has to wait for.
#[derive(Debug)]
struct Account {
    edges: Vec<(usize, usize, DependencyCondition)>,
    facts: [Fact; ALL.len()],
    /// For each process the conditions of its next life: another process, what that must have reached, and
    /// a life after which that counts.
    before: BTreeMap<usize, Vec<(usize, DependencyCondition, Option<LifeId>)>>,
    /// For each process those that have to be gone first.
    gone: BTreeMap<usize, Vec<Gone>>,
}

/// A process whose life has to be gone before another process stops, if that was alive, or begins.
#[derive(Debug)]
struct Gone {
    id: usize,
    life: Option<LifeId>,
    to_stop: bool,
    to_begin: bool,
}

impl Account {
    /// The nearest processes of the set that `id` needs, through others that are not in it.
    fn within(
        &self,
        id: usize,
        set: &BTreeSet<usize>,
        seen: &mut BTreeSet<usize>,
    ) -> Vec<(usize, DependencyCondition)> {
        let mut found = vec![];
        for &(from, on, until) in &self.edges {
            if from != id {
                continue;
            }
            if set.contains(&on) {
                found.push((on, until));
            } else if seen.insert(on) {
                found.extend(self.within(on, set, seen));
            }
        }
        found
    }

    /// All that a process needs, directly or through others.
    fn needs_of(&self, id: usize, seen: &mut BTreeSet<usize>) -> Vec<usize> {
        let mut found = vec![];
        for &(_, on, _) in self.edges.iter().filter(|edge| edge.0 == id) {
            if seen.insert(on) {
                found.push(on);
                found.extend(self.needs_of(on, seen));
            }
        }
        found
    }

    /// A request is made: those of `down` are to stop, those of `up` are to start.
    fn request(&mut self, machine: &Supervisor, down: &BTreeSet<usize>, up: &BTreeSet<usize>) {
        let moves = |id: &usize| up.contains(id) || machine.procs[*id].alive();
        let set: BTreeSet<usize> = down.union(up).copied().filter(moves).collect();
        let life = |id: usize| machine.procs[id].current_life();
        for id in down.union(up).copied() {
            self.before.remove(&id);
            self.gone.remove(&id);
            for gone in self.gone.values_mut() {
                gone.retain(|gone| gone.id != id);
            }
        }
        // A stop takes back the next life of a process: what waits for it counts it as it is.
        for (on, _, after) in self.before.values_mut().flatten() {
            if down.contains(on) && !up.contains(on) {
                *after = None;
            }
        }
        let alive = |id: &usize| machine.procs[*id].alive();
        for &id in down.iter().filter(|id| alive(id)) {
            for on in self.needs_of(id, &mut BTreeSet::new()) {
                let proc = &machine.procs[on];
                let stopping = proc.stop_was_requested() || proc.phase.exit().is_some();
                let moves =
                    if alive(&on) { down.contains(&on) && !stopping } else { up.contains(&on) };
                if moves {
                    let (to_stop, to_begin) = (alive(&on), up.contains(&on));
                    let gone = Gone { id, life: life(id), to_stop, to_begin };
                    self.gone.entry(on).or_default().push(gone);
                }
            }
        }
        for &id in &set {
            for (on, until) in self.within(id, &set, &mut BTreeSet::new()) {
                // A process that runs and is only to be started stays as it is.
                let anew = down.contains(&on) || !machine.procs[on].alive();
                if up.contains(&id) && up.contains(&on) && anew {
                    let after = life(on);
                    self.before.entry(id).or_default().push((on, until, after));
                }
            }
            let idle = !machine.procs[id].alive();
            if up.contains(&id) && idle {
                for &(_, on, until) in self.edges.iter().filter(|edge| edge.0 == id) {
                    self.before.entry(id).or_default().push((on, until, None));
                }
            }
        }
    }

    fn check(&self, machine: &Supervisor, effect: &Effect, sent: &[Option<LifeId>]) {
        let Effect::Want(id, ShimRequest { want, life, .. }) = effect else { return };
        let at = id.place();
        if *want == Want::Run && *life > sent[at] {
            for &(on, until, after) in self.before.get(&at).into_iter().flatten() {
                let fact = &self.facts[on];
                let met = fact.meets(until);
                let counts = !machine.procs[on].retired;
                // One that is skipped has no new life, and counts as it is.
                let anew = fact.life > after || machine.procs[on].skip.is_some();
                let names = (ALL[at], ALL[on]);
                assert!(!counts || met && anew, "{names:?} {until:?} {fact:?} {after:?}");
            }
        }
        let proc = &machine.procs[*id];
        let stops = *want != Want::Run && proc.alive() && proc.phase.exit().is_none();
        if stops || *want == Want::Run && *life > sent[at] {
            for gone in self.gone.get(&at).into_iter().flatten() {
                let fact = &self.facts[gone.id];
                let counts = if stops { gone.to_stop } else { gone.to_begin };
                let there = fact.runs && fact.life <= gone.life && counts;
                assert!(!there, "{} {want:?} before {} stops", ALL[at], ALL[gone.id]);
            }
        }
    }
}

/// A world with its account.
struct Watched {
    world: World,
    account: Account,
    plan: Plan,
    sent: Vec<Option<LifeId>>,
    asked: u64,
}

impl Watched {
    fn of(edges: &[(usize, usize, DependencyCondition)], checks: u8) -> Self {
        let names: Vec<String> = ALL.iter().map(|name| format!("{name}?")).collect();
        let mut plan = plan(&names.iter().map(String::as_str).collect::<Vec<_>>());
        (plan.processes[6].added, plan.processes[6].waits) = (true, true);
        for &(id, on, until) in edges {
            need(&mut plan, id, on, until);
        }
        for id in (0..ALL.len()).filter(|id| checks & 1 << id != 0) {
            prints(&mut plan, id);
        }
        let account = Account {
            edges: edges.to_vec(),
            facts: [Fact::default(); ALL.len()],
            before: BTreeMap::new(),
            gone: BTreeMap::new(),
        };
        let mut world = World::of(&plan);
        world.machine.procs[6].retired = true;
        Self { world, account, plan, sent: vec![None; ALL.len()], asked: 0 }
    }

    fn input(&mut self, input: Input) {
        if let Input::Life(id, entry) = &input {
            let at = id.place();
            let fact = &mut self.account.facts[at];
            if let LifeEvent::Start { life, .. } = &entry.event {
                let ready = self.plan.processes[at].rules.ready.is_empty();
                *fact = Fact { life: Some(*life), runs: true, ready, completed: false };
            } else if let LifeEvent::End { .. } = &entry.event {
                fact.runs = false;
            } else if let LifeEvent::Exit { life, exit, .. } = &entry.event {
                let asked = self.world.machine.procs[*id].marks.is_stop_requested(Some(*life));
                fact.completed = *exit == Exit::Code(0) && !asked;
            }
        }
        if let Input::Passed(id, life, _) = &input {
            let fact = &mut self.account.facts[id.place()];
            fact.ready |= fact.life == Some(*life) && fact.runs;
        }
        self.world.now += 1;
        let effects = self.world.machine.step(self.world.now, input);
        self.carry_out(effects);
        // Whose conditions hold now may begin, even if its shim is not up and they end meanwhile.
        let Account { before, facts, .. } = &mut self.account;
        before.retain(|_, all| {
            !all.iter().all(|&(on, until, after)| facts[on].meets(until) && facts[on].life > after)
        });
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.account.check(&self.world.machine, &effect, &self.sent);
            if let Effect::Want(id, ShimRequest { want: Want::Run, life, .. }) = &effect {
                let sent = &mut self.sent[*id];
                if *life > *sent {
                    self.account.before.remove(&id.place());
                }
                *sent = (*sent).max(*life);
            }
            self.world.effect(effect);
        }
    }

    fn deliver(&mut self, id: usize) -> bool {
        let Some(event) = self.world.shims[id].out.pop_front() else { return false };
        self.world.shims[id].seq += 1;
        let (seq, at) = (self.world.shims[id].seq, self.world.now);
        self.input(Input::Life(ProcId::at(id), LifeEntry { seq, at, key: 0, event }));
        true
    }

    fn turn(&mut self, id: usize, stops: bool) {
        let shim = &mut self.world.shims[id];
        if shim.asked && !shim.up {
            shim.up = true;
            let (tty, version, pane) = (String::new(), String::new(), format!("%{id}"));
            shim.out.push_back(LifeEvent::Up { pid: 7, start_time: 1, pane, tty, version });
            while self.deliver(id) {}
            self.input(Input::PaneReady(ProcId::at(id)));
        }
        self.world.shims[id].act(stops);
    }

    fn members(&self, mask: u8) -> BTreeSet<usize> {
        let there = |id: &usize| !self.world.machine.procs[*id].retired;
        (0..ALL.len()).filter(|id| mask & 1 << id != 0).filter(there).collect()
    }

    /// The processes that a request with these names is for: `f` names all its instances.
    fn named(&self, mask: u8) -> BTreeSet<usize> {
        self.members(if mask & 1 << 5 == 0 { mask } else { mask | 1 << 6 })
    }

    fn ask(&mut self, request: Request) {
        self.asked += 1;
        self.input(Input::Request(self.asked, request, None));
    }

    fn take(&mut self, step: &ChangeStep) {
        let words = |ids: &BTreeSet<usize>| ids.iter().map(|id| ALL[*id].to_owned()).collect();
        let order = ChangeOrder::Dependencies;
        let none = BTreeSet::new();
        match *step {
            ChangeStep::Turn(id, stops) => self.turn(id, stops),
            ChangeStep::Deliver(id) => _ = self.deliver(id),
            ChangeStep::Pass(id) => {
                if let Phase::Running { life, .. } = self.world.machine.procs[id].phase {
                    self.input(Input::Passed(ProcId::at(id), life, 0));
                }
            }
            ChangeStep::Die(id, code) => {
                if self.world.shims[id].alive {
                    self.world.shims[id].die(Exit::Code(code));
                }
            }
            ChangeStep::Start(mask) => {
                let up = self.named(mask);
                if !up.is_empty() {
                    self.account.request(&self.world.machine, &none, &up);
                    self.ask(Request::Start { names: words(&up), order });
                }
            }
            ChangeStep::Stop(mask) => {
                let down = self.named(mask);
                if !down.is_empty() {
                    self.account.request(&self.world.machine, &down, &none);
                    self.ask(Request::Stop { names: words(&down), order });
                }
            }
            ChangeStep::Restart(mask) => {
                let set = self.named(mask);
                if !set.is_empty() {
                    self.account.request(&self.world.machine, &set, &set);
                    self.ask(Request::Restart { names: words(&set), order });
                }
            }
            ChangeStep::Reload(mask) => self.reload(mask),
            ChangeStep::Scale(count) => self.scale(count),
            ChangeStep::Wait => {
                self.world.now += 1_000_000_000;
                self.input(Input::TimerFired);
            }
            ChangeStep::TakeOver => self.take_over(),
        }
    }

    fn reload(&mut self, mask: u8) {
        let changed = self.members(mask);
        for &id in &changed {
            self.plan.processes[id].revision += 1;
            self.plan.processes[id].own_revision += 1;
        }
        self.plan.generation += 1;
        self.world.machine.grow(&self.plan, self.world.now);
        let machine = &self.world.machine;
        let asked = |id: &usize| machine.procs[*id].is_asked_for();
        let set: BTreeSet<usize> = changed.into_iter().filter(asked).collect();
        self.account.request(machine, &set, &set);
        self.ask(Request::Reload { plan: Box::new(self.plan.clone()) });
    }

    fn scale(&mut self, count: u16) {
        let none = BTreeSet::new();
        let (first, second) = (BTreeSet::from([5]), BTreeSet::from([6]));
        let machine = &self.world.machine;
        if count == 1 {
            self.account.request(machine, &second, &first);
        } else {
            let both = first.union(&second).copied().collect();
            self.account.request(machine, &none, &both);
        }
        self.ask(Request::Scale { counts: [("f".to_owned(), count)].into() });
    }

    fn take_over(&mut self) {
        let saved = serde_json::to_string(&self.world.machine).unwrap();
        let mut next: Supervisor = serde_json::from_str(&saved).unwrap();
        next.attach(&self.plan);
        assert!(next.is_of(&self.plan));
        next.pending = std::mem::take(&mut self.world.machine.pending);
        self.world.machine = next;
        let effects = self.world.machine.resume(self.world.now);
        self.carry_out(effects);
    }

    /// Every process obeys, passes its check, and ends if another one waits for that.
    fn come_to_rest(&mut self) {
        for _ in 0..400 {
            let mut moved = false;
            for id in 0..ALL.len() {
                self.turn(id, true);
                moved |= self.deliver(id);
            }
            if moved {
                continue;
            }
            for id in 0..ALL.len() {
                let proc = &self.world.machine.procs[id];
                if let Phase::Running { life, .. } = proc.phase
                    && matches!(proc.ready, crate::Ready::Waiting { .. })
                {
                    self.input(Input::Passed(ProcId::at(id), life, 0));
                    moved = true;
                }
            }
            if moved {
                continue;
            }
            for id in 0..ALL.len() {
                let ends =
                    self.account.edges.iter().any(|&(_, on, until)| on == id && until == Completed);
                if ends && self.world.shims[id].alive {
                    self.world.shims[id].die(Exit::Code(0));
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
        panic!("it never comes to rest: {:#?}", self.world.machine);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_change_keeps_the_order_and_forgets_nothing(
        edges in graph(),
        checks in any::<u8>(),
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut watched = Watched::of(&edges, checks);
        let all: BTreeSet<usize> = (0..6).collect();
        watched.account.request(&watched.world.machine, &BTreeSet::new(), &all);
        for step in &steps {
            watched.take(step);
            if watched.world.machine.run_phase != RunPhase::Running {
                break;
            }
        }
        watched.come_to_rest();
        let world = &watched.world;
        if world.machine.run_phase == RunPhase::Running {
            for (id, proc) in ProcId::all(&world.machine.procs).zip(&world.machine.procs) {
                let ended = matches!(proc.phase, Phase::Over { .. });
                let runs = matches!(proc.phase, Phase::Running { life, .. } if Some(life) == proc.life);
                match proc.goal {
                    Goal::Run => prop_assert!(runs, "{} {proc:#?}", world.machine.awaited(id)),
                    Goal::Stop => prop_assert!(!proc.alive() && (ended || proc.life.is_none()
                        || proc.phase == Phase::Pending), "{proc:?}"),
                }
                prop_assert!(!(proc.is_to_stop() || proc.waiting && proc.goal == Goal::Run));
            }
        }
        let mut answered: Vec<u64> = world.answers.iter().map(|(id, _)| *id).collect();
        answered.sort_unstable();
        prop_assert_eq!(answered, (1..=watched.asked).collect::<Vec<_>>(), "{:#?}", world.machine);
    }
}

#[test]
fn a_report_about_an_earlier_life_ends_no_wait_for_dependents() {
    use ChangeStep::{Deliver, Die, Restart, Start, Stop, TakeOver, Turn};
    let edges = vec![(3, 0, Started)];
    let mut watched = Watched::of(&edges, 0);
    let all: BTreeSet<usize> = (0..6).collect();
    watched.account.request(&watched.world.machine, &BTreeSet::new(), &all);
    let (a, d, both) = (0, 3, 1 | 1 << 3);
    // `a` begins its second life unheard, before it is asked for a third one. The last restart has that wait for `d`; then
    // the second life is reported.
    let begun = [Turn(a, false), Die(a, 0), Deliver(a), Turn(d, false), Restart(1), Turn(a, false)];
    let asked =
        [Stop(both), Deliver(a), Deliver(d), Start(both), Deliver(a), Restart(both), Deliver(a)];
    for step in begun.into_iter().chain(asked).chain([TakeOver]) {
        watched.take(&step);
    }
    watched.come_to_rest();
    assert!(watched.world.machine.procs.iter().take(4).all(crate::Proc::alive));
}
