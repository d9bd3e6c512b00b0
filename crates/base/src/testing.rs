//! What the tests of several crates build on. No program uses it.

use std::ops::{Add, AddAssign, Sub, SubAssign};

use crate::model::ProcName;
use crate::model::plan::{LogPolicy, OnExit, PLAN_VERSION, Plan, ProcessPlan};
use crate::model::time::Timestamp;

/// A plan with processes of these names: `name?` may end, `name!` is restarted, `name-` begins only
/// on request, `name+` was added by a scale request.
///
/// # Panics
///
/// If one is not a name.
#[expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
pub fn plan(names: &[&str]) -> Plan {
    let process = |name: &&str| ProcessPlan {
        name: ProcName::new(name.trim_end_matches(['?', '!', '+'])).unwrap(),
        on_exit: match name {
            name if name.contains('?') => OnExit::Remain,
            name if name.contains('!') => OnExit::Restart,
            _ => OnExit::StopAll,
        },
        command: "x".into(),
        shell: "sh".into(),
        color: 2,
        stop_signal: 2,
        added: name.ends_with('+'),
        waits: name.ends_with(['-', '+']),
        ..ProcessPlan::default()
    };
    Plan {
        version: PLAN_VERSION,
        run: "run".into(),
        title: "t".into(),
        session: "t".into(),
        tmux_socket: "tmo-t".into(),
        tmux: "/usr/bin/tmux".into(),
        tmo: "/usr/bin/tmo".into(),
        root: "/".into(),
        procfile: "Procfile".into(),
        socket: "/s".into(),
        socket_shown: "./s".into(),
        size: (80, 24),
        grace_ms: 5000,
        log: LogPolicy { dir: "/".into(), ..LogPolicy::default() },
        processes: names.iter().map(process).collect(),
        ..Plan::default()
    }
}

impl Add<u64> for Timestamp {
    type Output = Self;

    fn add(self, nanos: u64) -> Self {
        Self::from_nanos(self.nanos() + nanos)
    }
}

impl Sub<u64> for Timestamp {
    type Output = Self;

    fn sub(self, nanos: u64) -> Self {
        Self::from_nanos(self.nanos() - nanos)
    }
}

impl AddAssign<u64> for Timestamp {
    fn add_assign(&mut self, nanos: u64) {
        *self = *self + nanos;
    }
}

impl SubAssign<u64> for Timestamp {
    fn sub_assign(&mut self, nanos: u64) {
        *self = *self - nanos;
    }
}
