//! Units of systemd: a target, and a service for each process.
//!
//! The commands run as under tmo, by the shell, so a stop signal goes to all processes of a unit
//! (`KillMode=control-group`, the default), as tmo sends it to the whole process group.

use std::fmt::Write as _;

use super::checks;
use crate::export::files::{ExportedFile, MARK_HERE};
use crate::export::format::ExportFormat;
use crate::export::gaps;
use crate::export::project::{ExportOptions, ExportedProcess, ExportedProject, ProcessKind};
use crate::model::plan::rules::{DependencyCondition, Restart};
use crate::model::units::written_span;

/// The home directory of root: the manager of the system sets it only for other users.
pub(in crate::export) const HOME: &str = "Environment=HOME=%h\n";

/// The command that installs files, `{dir}/` with this pattern, and starts a unit.
pub(in crate::export) fn next(pattern: &str, unit: &str, user_units: bool) -> String {
    let (dir, user) = if user_units {
        ("~/.config/systemd/user", " --user")
    } else {
        ("/etc/systemd/system", "")
    };
    format!(
        "mkdir -p {dir} && cp {{dir}}/{pattern} {dir}/ && systemctl{user} daemon-reload && systemctl{user} enable --now {unit}"
    )
}

pub(in crate::export) fn write(
    project: &ExportedProject,
    options: &ExportOptions,
) -> Vec<ExportedFile> {
    let app = &project.app;
    let mut target = format!("# {MARK_HERE}\n[Unit]\nDescription={app}\n");
    for process in project.processes.iter().filter(|process| process.begins) {
        line(&mut target, "Wants", &format!("{}.service", process.unit));
    }
    let wanted_by = if options.user_units { "default.target" } else { "multi-user.target" };
    let _ = write!(target, "\n[Install]\nWantedBy={wanted_by}\n");
    let mut files = vec![ExportedFile::new(format!("{app}.target"), target)];
    files.extend(project.processes.iter().map(|process| {
        let text = service(project, options, process);
        ExportedFile::new(format!("{}.service", process.unit), text)
    }));
    files
}

fn service(
    project: &ExportedProject,
    options: &ExportOptions,
    process: &ExportedProcess,
) -> String {
    let mut text = format!("# {MARK_HERE}\n");
    for gap in gaps::gaps_of(ExportFormat::Systemd, options, process) {
        let _ = writeln!(text, "# {}", gap.comment());
    }
    text.push_str("[Unit]\n");
    line(&mut text, "Description", &escaped(&process.title));
    line(&mut text, "PartOf", &format!("{}.target", project.app));
    order(&mut text, project, process);
    let restart = &process.restart;
    if restart.when != Restart::No {
        if restart.max_failures > 0 {
            line(&mut text, "StartLimitBurst", &restart.max_failures.to_string());
        }
        let window = if restart.max_failures > 0 { restart.window_ms } else { 0 };
        line(&mut text, "StartLimitIntervalSec", &written_span(window));
    }
    text.push_str("\n[Service]\n");
    kind(&mut text, process);
    if let Some(user) = project.user.as_ref().filter(|_| !options.user_units) {
        line(&mut text, "User", &escaped(user));
    }
    line(&mut text, "WorkingDirectory", &escaped(&process.cwd));
    if project.user.is_none() && !options.user_units {
        text.push_str(HOME);
    }
    let path = ("PATH", project.path.as_str());
    let variables = process.env.iter().filter(|variable| gaps::is_identifier(&variable.name));
    let variables = variables.map(|variable| (variable.name.as_str(), variable.value.as_str()));
    let has_path = process.env.iter().any(|variable| variable.name == "PATH");
    for (name, value) in Some(path).filter(|_| !has_path).into_iter().chain(variables) {
        line(&mut text, "Environment", &quoted(&escaped(&format!("{name}={value}"))));
    }
    start_and_stop(&mut text, process);
    match restart.when {
        Restart::No => {}
        Restart::Always if process.kind == ProcessKind::Service => {
            restarts(&mut text, "always", process);
        }
        Restart::Always | Restart::OnFailure => restarts(&mut text, "on-failure", process),
    }
    let codes: Vec<_> = process.rules.success_codes.iter().map(u8::to_string).collect();
    if !codes.is_empty() {
        line(&mut text, "SuccessExitStatus", &codes.join(" "));
    }
    line(&mut text, "SyslogIdentifier", &process.unit);
    text
}

fn kind(text: &mut String, process: &ExportedProcess) {
    match process.kind {
        ProcessKind::Service if process.rules.is_notified() => {
            line(text, "Type", "notify");
            // The shell has started what reports.
            line(text, "NotifyAccess", "all");
            if let Some(ms) = process.rules.watchdog_ms() {
                line(text, "WatchdogSec", &written_span(ms));
            }
        }
        ProcessKind::Service => line(text, "Type", "exec"),
        ProcessKind::Task | ProcessKind::Cleanup => {
            line(text, "Type", "oneshot");
            line(text, "RemainAfterExit", "yes");
        }
    }
}

fn start_and_stop(text: &mut String, process: &ExportedProcess) {
    if process.kind == ProcessKind::Cleanup {
        line(text, "ExecStart", "/bin/true");
        line(text, "ExecStop", &command(&process.argv));
    } else {
        line(text, "ExecStart", &command(&process.argv));
        for check in &process.ready {
            line(text, "ExecStartPost", &shell(&checks::wait(check)));
        }
        if let Some(stop) = &process.stop_command {
            // It runs after a natural end as well, and may fail then.
            line(text, "ExecStop", &format!("-{}", shell(stop)));
        }
    }
    match process.ready_timeout_ms() {
        0 if process.is_task() => line(text, "TimeoutStartSec", "infinity"),
        0 => {}
        timeout => line(text, "TimeoutStartSec", &written_span(timeout)),
    }
    if process.stop_signal != "TERM" {
        line(text, "KillSignal", &format!("SIG{}", process.stop_signal));
    }
    line(text, "TimeoutStopSec", &written_span(process.stop_timeout_ms));
}

fn restarts(text: &mut String, when: &str, process: &ExportedProcess) {
    line(text, "Restart", when);
    line(text, "RestartSec", &written_span(process.restart.delay_ms));
}

/// What starts before it. `Requires=` keeps it back if the other one fails to start, but restarts it with that;
/// `Wants=` does neither.
fn order(text: &mut String, project: &ExportedProject, process: &ExportedProcess) {
    for need in &process.needs {
        let is_strict = need.restart || need.until != DependencyCondition::Started;
        let unit = format!("{}.service", need.unit);
        line(text, if is_strict { "Requires" } else { "Wants" }, &unit);
        line(text, "After", &unit);
    }
    if process.kind == ProcessKind::Cleanup {
        // What is started before others is stopped after them.
        let others = project.processes.iter().filter(|other| other.kind != ProcessKind::Cleanup);
        for other in others.filter(|other| process.needs.iter().all(|need| need.unit != other.unit))
        {
            line(text, "Before", &format!("{}.service", other.unit));
        }
    }
}

/// A directive. A backslash at the end of its line would continue it with the next one.
pub(in crate::export) fn line(text: &mut String, key: &str, value: &str) {
    let end = if value.ends_with('\\') { " " } else { "" };
    let _ = writeln!(text, "{key}={}{end}", value.replace(char::is_control, " "));
}

/// A value in which systemd is to expand nothing.
pub(in crate::export) fn escaped(value: &str) -> String {
    value.replace('%', "%%")
}

/// A word in quotes, with C's escapes.
pub(in crate::export) fn quoted(word: &str) -> String {
    let mut text = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if c.is_ascii_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// A command line: systemd would expand variables in it.
pub(in crate::export) fn command(argv: &[String]) -> String {
    let word = |word: &String| quoted(&escaped(word).replace('$', "$$"));
    let words = argv.iter().map(word).collect::<Vec<_>>().join(" ");
    match argv.first() {
        Some(program) if program.starts_with('/') => words,
        // systemd looks for programs in directories of its own, and in none relative to the working directory.
        _ => format!("/bin/sh -c {} {words}", quoted(r#"exec "$$0" "$$@""#)),
    }
}

fn shell(text: &str) -> String {
    command(&["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}
