//! Checks the system's limits against what the run needs.

use nix::libc::RLIM_INFINITY;
use rustix::process::{Resource, getrlimit};

use super::report::Report;
use crate::model::plan::Plan;
use crate::sys;

/// File descriptors of the supervisor per process; tmux needs fewer.
const DESCRIPTORS_EACH: u64 = 5;
/// Further file descriptors, including one per client.
const DESCRIPTORS: u64 = 40;
/// Shim, sink and shell, and some for the programs that the shell runs.
const PROCESSES_EACH: u64 = 5;
/// tmux, supervisor, guardian, and the commands that query them.
const PROCESSES: u64 = 10;

/// Check whether the limits allow the processes of this plan.
pub(super) fn look(report: &mut Report, plan: &Plan) {
    const CHECK: &str = "limits";
    let count = u64::try_from(plan.processes.len()).unwrap_or(u64::MAX);
    let need = |each: u64, fixed: u64| count.saturating_mul(each).saturating_add(fixed);
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(RLIM_INFINITY);
    let descriptors = need(DESCRIPTORS_EACH, DESCRIPTORS);
    // The programs raise the soft limit themselves.
    if let Some(text) = lacks(descriptors, 0, hard) {
        let text = format!("descriptors: {text}; raise the hard limit (`ulimit -Hn`)");
        report.fail(CHECK, text);
    } else {
        let text = format!("descriptors: {} allowed, about {descriptors} needed", describe(hard));
        report.ok(CHECK, text);
    }
    let Some(have) = sys::own_threads() else { return };
    let soft = getrlimit(Resource::Nproc).current.unwrap_or(RLIM_INFINITY);
    let need = need(PROCESSES_EACH, PROCESSES);
    // This limit does not apply to root.
    let counts = !nix::unistd::geteuid().is_root();
    match lacks(need, have, soft).filter(|_| counts) {
        Some(text) => report.fail(CHECK, format!("processes: {text}; raise it (`ulimit -u`)")),
        None => report.ok(CHECK, format!("processes: {have} of {}", describe(soft))),
    }
}

/// Check whether the system refuses system calls that a run makes. Returns one without which nothing runs.
pub(super) fn system_calls(report: &mut Report) -> Option<&'static str> {
    const CHECK: &str = "system calls";
    let refused = sys::refused_calls();
    if refused.is_empty() {
        report.ok(CHECK, "none that tmo needs is refused");
    }
    let missing = refused.iter().find(|call| call.instead.is_none()).map(|call| call.name);
    for call in refused {
        match call.instead {
            None => report.fail(CHECK, format!("{call}; no process can be started")),
            Some(instead) => report.note(CHECK, format!("{call}; {instead}")),
        }
    }
    missing
}

/// The complaint if this many are needed in addition to those in use.
fn lacks(need: u64, have: u64, limit: u64) -> Option<String> {
    let beside = if have > 0 { format!(" beside the {have} there are") } else { String::new() };
    let text = || format!("about {need} are needed{beside}, {limit} are allowed");
    (have.saturating_add(need) > limit).then(text)
}

fn describe(limit: u64) -> String {
    if limit == RLIM_INFINITY { "any number".to_owned() } else { limit.to_string() }
}

#[cfg(test)]
mod tests {
    use super::{describe, lacks};

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(lacks(80, 0, 1024), None);
        assert_eq!(lacks(80, 0, 64).unwrap(), "about 80 are needed, 64 are allowed");
        let text = "about 80 are needed beside the 20 there are, 99 are allowed";
        assert_eq!(lacks(80, 20, 99).unwrap(), text);
        assert_eq!(lacks(80, 5, u64::MAX), None);
        assert_eq!(
            (describe(7), describe(nix::libc::RLIM_INFINITY)),
            ("7".into(), "any number".into())
        );
    }
}
