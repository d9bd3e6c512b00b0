//! Checks whether the system has terminals for the processes, if they do not come from tmux.

use super::report::Report;
use crate::model::plan::Plan;
use crate::pane::holder;
use crate::sys::{self, why};

const CHECK: &str = "terminals";

/// Open a terminal, and check that there can be as many as the plan needs.
pub(super) fn look(report: &mut Report, plan: Option<&Plan>) {
    match holder::probe() {
        Ok(true) => report.ok(CHECK, "output is moved by the kernel"),
        Ok(false) => report.ok(
            CHECK,
            "output is read and written, as this kernel does not move it; if a holder is killed, what it \
             has read is lost",
        ),
        Err(error) => {
            let todo = "is devpts mounted at /dev/pts, and is /dev/ptmx writable?";
            report.fail_so(CHECK, format!("none can be opened: {}", why(&error)), todo);
        }
    }
    let Some((plan, (used, most))) = plan.zip(sys::terminals()) else { return };
    let needed = u64::try_from(plan.processes.len()).unwrap_or(u64::MAX);
    match missing(needed, used, most) {
        Some(text) => report.fail(CHECK, text),
        None => report.ok(CHECK, format!("{used} of {most} in use, {needed} needed")),
    }
}

/// The complaint if there are too few.
fn missing(needed: u64, used: u64, most: u64) -> Option<String> {
    (used.saturating_add(needed) > most).then(|| {
        format!(
            "{needed} are needed beside the {used} in use, {most} are allowed; raise the limit (`sysctl -w \
             kernel.pty.max={}`)",
            used.saturating_add(needed).saturating_add(64)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn too_few_terminals_are_a_failure_with_a_sufficient_limit() {
        assert_eq!(missing(10, 4086, 4096), None);
        let text = missing(11, 4086, 4096).unwrap();
        assert!(
            text.starts_with("11 are needed beside the 4086 in use, 4096 are allowed; "),
            "{text}"
        );
        assert!(text.ends_with("kernel.pty.max=4161`)"), "{text}");
    }
}
