//! Specs for the tests of the shim.

use crate::model::plan::{Inherit, LogPolicy, Stdin};
use crate::model::{LifeId, ProcName};
use crate::protocol::spec::{SPEC_VERSION, Spec, Want};

/// A spec in which the first life is wanted, with an empty environment.
pub(super) fn spec(command: &str) -> Spec {
    Spec {
        version: SPEC_VERSION,
        generation: 1,
        name: ProcName::new("web").unwrap(),
        run: "run1".to_owned(),
        want: Want::Run,
        life: Some(LifeId::FIRST),
        kill: None,
        shell: "sh".into(),
        command: command.into(),
        argv: None,
        cwd: "/".into(),
        env: vec![],
        stdin: Stdin::default(),
        no_terminal: false,
        split_stderr: false,
        term: None,
        notify: false,
        watchdog_ms: None,
        inherit: Inherit::default(),
        stop_signal: 2,
        grace_ms: 5000,
        known: 0,
        log: LogPolicy { dir: "/".into(), per_process: 0, total: 0, max_age_ms: 0 },
    }
}
