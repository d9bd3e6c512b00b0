//! Memory that ran out.

use nix::sys::signal::Signal;

use super::{Findings, hearsay};
use crate::crash::cause::CauseKind;
use crate::crash::expr::Expr;

/// The command that shows the memory usage, even when the run is over.
const USED: &str = if cfg!(target_os = "macos") { "vm_stat" } else { "free -h" };

/// Messages of programs about a lack of memory, and what to try.
static SAID: [(Expr, &str, i32); 9] = [
    (Expr::new(r"JavaScript heap out of memory"), "the heap of Node was full", 92),
    (
        Expr::new(r"Fatal process (?:OOM|out of memory)|FATAL ERROR: .*[Oo]ut of memory"),
        "there was no memory left for Node",
        91,
    ),
    (Expr::new(r"^Out of memory(?:!| in perl:| during )"), "there was no memory left for Perl", 91),
    (Expr::new(r"java\.lang\.OutOfMemoryError"), "the memory of the Java machine was full", 91),
    (
        Expr::new(r"^(?:numpy\.\S+\.)?_?(?:Array)?MemoryError\b"),
        "there was no memory left for Python",
        91,
    ),
    (
        Expr::new(
            r"std::bad_alloc|memory allocation of \d+ bytes failed|fatal error: (?:runtime: )?(?:out of memory|cannot allocate memory)",
        ),
        "there was no memory left for it",
        91,
    ),
    (
        Expr::new(r"\(NoMemoryError\)|^NoMemoryError|failed to allocate memory"),
        "there was no memory left for Ruby",
        90,
    ),
    (
        Expr::new(r"Out of memory: Killed process \d+|Memory cgroup out of memory"),
        "the kernel killed it for want of memory",
        95,
    ),
    (Expr::new(r"[Cc]annot allocate memory|\bENOMEM\b"), "there was no memory left for it", 74),
];

pub(super) fn add_causes(found: &mut Findings<'_>) {
    // Evidence from the kernel.
    let kills = found.evidence.facts.oom_kills;
    let killed = found.evidence.signal().map(i32::from) == Some(Signal::SIGKILL as i32);
    if killed && kills > 0 {
        let text = "the kernel killed it for want of memory".to_owned();
        let counted = hearsay(&format!("oom_kill of its control group rose by {kills}"));
        found.add(98, CauseKind::OutOfMemory, text, USED.to_owned()).evidence = Some(counted);
    }
    for (expr, words, score) in &SAID {
        if let Some((at, line)) = found.last(expr) {
            let cause = found.add_line(*score, at, CauseKind::OutOfMemory, (*words).to_owned());
            cause.next = Some(remedy(line).to_owned());
        }
    }
}

fn remedy(line: &str) -> &'static str {
    if line.contains("JavaScript") {
        "NODE_OPTIONS=--max-old-space-size=8192 tmo start"
    } else if line.contains("java.lang") {
        "JAVA_TOOL_OPTIONS=-Xmx4g tmo start"
    } else {
        USED
    }
}
