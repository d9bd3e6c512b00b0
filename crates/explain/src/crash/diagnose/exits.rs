//! What the exit code or signal itself reveals.

use nix::sys::signal::Signal;

use super::shell::where_it_stands;
use super::{Findings, clue, hearsay, last_lines};
use crate::crash::cause::CauseKind;
use crate::crash::evidence::Evidence;
use crate::crash::expr::Expr;
use crate::model::Exit;

/// The meaning of signals, and how well each explains an end. For a signal that a process causes
/// itself, its output is a better explanation.
const SIGNALS: [(Signal, &str, i32); 14] = [
    (Signal::SIGSEGV, "invalid memory access", 72),
    (Signal::SIGBUS, "access to memory that is not there", 72),
    (Signal::SIGILL, "illegal instruction", 72),
    (Signal::SIGFPE, "arithmetic error, such as a division by zero", 72),
    (Signal::SIGABRT, "it aborted itself", 58),
    (Signal::SIGTRAP, "it stopped at a trap or breakpoint", 58),
    (Signal::SIGSYS, "forbidden system call", 72),
    (Signal::SIGPIPE, "it wrote to a pipe that nobody reads", 72),
    (Signal::SIGXCPU, "it exceeded its limit of CPU time", 80),
    (Signal::SIGKILL, "it was killed by the kernel for lack of memory, or by `kill -9`", 72),
    (Signal::SIGTERM, "it was asked to end", 74),
    (Signal::SIGINT, "it was interrupted", 74),
    (Signal::SIGQUIT, "it was asked to quit and dump its memory", 74),
    (Signal::SIGHUP, "its terminal was closed", 74),
];

/// The message of a shell about how its command ended.
static SHELL_SAYS: Expr = Expr::new(
    r"(?:^|line \d+: +\d+ +)(?:Segmentation fault|Bus error|Illegal instruction|Floating point exception|Aborted|Killed|Terminated|Hangup|Trace/breakpoint trap)(?: \(core dumped\))?(?:\s*$|\s{2,})",
);

/// Lines that do not explain anything: empty ones, a repeated exit code, a version.
static NO_NEWS: Expr = Expr::new(
    r"^(?:[\s(){}\[\],;|'\x22`~^-]*|exit status \d+|Node\.js v[\d.]+|error Command failed with exit code \d+\.|info Visit https://yarnpkg\.com/.*|\S*(?:ELIFECYCLE|ERR_PNPM)\S*\s.*exit code \d+\.?)$",
);

/// A command at whose end the shell does not wait.
static BACKGROUND: Expr = Expr::new(r"[^&]&\s*$");

pub(super) fn add_causes(found: &mut Findings<'_>) {
    let evidence = found.evidence;
    let exit = evidence.exit;
    if let Some(number) = evidence.signal() {
        return signal(found, exit, number);
    }
    let (score, kind, text) = if exit.success() {
        (
            76,
            CauseKind::EndedEarly,
            "it exited with code 0, but was expected to keep running".to_owned(),
        )
    } else {
        (20, CauseKind::ExitCode, format!("it exited with {}", exit.describe()))
    };
    if exit.success() && BACKGROUND.finds(&evidence.command) {
        let text = "its command ends with `&`, so the shell did not wait for the program; write it without `&`";
        let next = where_it_stands(found);
        found.add(93, CauseKind::EndedEarly, text.to_owned(), next);
    }
    // The last line of output is the only evidence.
    let last = evidence.lines.iter().rev().find(|line| !NO_NEWS.finds(&line.text));
    found.add(score, kind, text, last_lines(evidence)).evidence = last.map(clue);
}

fn signal(found: &mut Findings<'_>, exit: Exit, number: u8) {
    let evidence = found.evidence;
    let known = Signal::try_from(i32::from(number)).ok();
    let meant = SIGNALS.iter().find(|(signal, ..)| Some(*signal) == known);
    let (words, score) =
        meant.map_or(("a signal ended it", 70), |(_, words, score)| (*words, *score));
    let label = known.map_or_else(|| format!("signal {number}"), |signal| signal.to_string());
    let shell = matches!(exit, Exit::Code(_));
    let text = if shell {
        format!("a command of its shell was ended by {label}: {words}")
    } else {
        format!("{words} ({label})")
    };
    // A program may also exit with such a code without any signal.
    let score = if shell { score - 4 } else { score };
    let pid = evidence.pid.filter(|_| !shell);
    let next = after(known, pid, evidence);
    let said = found.last(&SHELL_SAYS).map(|(at, _)| clue(&evidence.lines[at]));
    let shown = said.unwrap_or_else(|| hearsay(&exit.to_string()));
    found.add(score, CauseKind::Signal, text, next).evidence = Some(shown);
}

/// The command that shows more about an end by this signal.
fn after(signal: Option<Signal>, pid: Option<u32>, evidence: &Evidence) -> String {
    let dumped = evidence.facts.dumped;
    let dumps = [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGABRT];
    let linux = cfg!(target_os = "linux");
    match (signal, pid) {
        (Some(signal), Some(pid)) if dumped && dumps.contains(&signal) => {
            format!("coredumpctl info {pid}")
        }
        // The pid of a command below a shell is not known, so show the last core dump.
        (Some(signal), None) if dumped && dumps.contains(&signal) => "coredumpctl info".to_owned(),
        (Some(Signal::SIGKILL), _) if linux => "sudo dmesg | grep -i -A 3 oom".to_owned(),
        (Some(_) | None, _) => last_lines(evidence),
    }
}
