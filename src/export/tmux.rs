//! A script for a POSIX shell that runs the project in tmux, with the order of a start.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::checks;
use super::files::{ExportedFile, MARK_HERE};
use super::format::ExportFormat;
use super::gaps;
use super::project::{ExportOptions, ExportedNeed, ExportedProcess, ExportedProject, ProcessKind};
use crate::model::rules::DependencyCondition;
use crate::model::shell::quoted;

/// How long a process without a limit of its own may take to be ready, in milliseconds.
const READY_MS: u64 = 60_000;

pub(super) fn write(project: &ExportedProject) -> Vec<ExportedFile> {
    let app = &project.app;
    let mut text = format!(
        "#!/bin/sh\n# {MARK_HERE}\n\
         # Runs {app} in a tmux of its own: `tmux -L {app} attach` shows it, `tmux -L {app} kill-server` ends it.\n\
         set -eu\n\n\
         if tmux -L {app} has-session 2>/dev/null; then\n    \
         echo '{app} runs already; tmux -L {app} kill-server ends it' >&2\n    exit 1\nfi\n\n\
         # A program that has ended stays in its window.\n\
         window() {{\n    name=$1 dir=$2\n    shift 2\n    \
         if tmux -L {app} has-session 2>/dev/null; then\n        \
         tmux -L {app} new-window -d -t {app}: -n \"$name\" -c \"$dir\" \"$@\"\n    else\n        \
         tmux -L {app} new-session -d -s {app} -x 120 -y 40 -n first\n        \
         tmux -L {app} set-option -g remain-on-exit on\n        \
         tmux -L {app} set-option -g allow-rename off\n        \
         tmux -L {app} new-window -d -t {app}: -n \"$name\" -c \"$dir\" \"$@\"\n        \
         tmux -L {app} kill-window -t {app}:first\n    fi\n}}\n"
    );
    if project.processes.iter().any(|process| !process.needs.is_empty()) {
        let _ = write!(
            text,
            "\n# wait_for NAME TRIES COMMAND: four tries a second.\n\
             wait_for() {{\n    name=$1 left=$2\n    shift 2\n    \
             until \"$@\"; do\n        left=$((left - 1))\n        \
             [ \"$left\" -gt 0 ] || {{ echo \"$name is not ready\" >&2; exit 1; }}\n        \
             sleep 0.25\n    done\n}}\n\n\
             # What a window says of its program: whether it has ended, and its exit code.\n\
             ended() {{\n    \
             tmux -L {app} list-panes -s -t {app} -F '#{{window_name}} #{{pane_dead}} #{{pane_dead_status}}' |\n        \
             grep -qx \"$1 1 0\"\n}}\n"
        );
    }
    let options = ExportOptions::default();
    for process in in_order(project) {
        text.push('\n');
        for gap in gaps::of(ExportFormat::Tmux, &options, process) {
            let _ = writeln!(text, "# {}: {}", process.name, gap.comment());
        }
        if process.kind == ProcessKind::Cleanup {
            continue;
        }
        for need in &process.needs {
            wait(&mut text, project, need);
        }
        let variables =
            process.env.iter().map(|one| quoted(&format!("{}={}", one.name, one.value)));
        let words = variables.chain(process.argv.iter().map(|word| quoted(word)));
        let words = words.collect::<Vec<_>>().join(" \\\n    ");
        let (name, dir) = (window(process), quoted(&process.cwd));
        let command = format!("window {name} {dir} env \\\n    {words}\n");
        if process.begins {
            text.push_str(&command);
        } else {
            let _ = writeln!(text, "# Not started with the others:");
            text.extend(command.lines().map(|line| format!("# {line}\n")));
        }
    }
    vec![ExportedFile::new(format!("{app}.sh"), text).program()]
}

/// The name of its window: tmux takes `#` for the beginning of a format.
fn window(process: &ExportedProcess) -> String {
    process.name.replace('#', ".")
}

/// Hold the script until another process is where it is needed.
fn wait(text: &mut String, project: &ExportedProject, need: &ExportedNeed) {
    let Some(other) = project.process(&need.name) else { return };
    let limit = if other.ready_timeout_ms > 0 { other.ready_timeout_ms } else { READY_MS };
    let (name, tries) = (window(other), limit.div_ceil(250));
    match need.until {
        DependencyCondition::Started => {}
        DependencyCondition::Completed => {
            let _ = writeln!(text, "wait_for {name} {tries} ended {name}");
        }
        DependencyCondition::Ready => {
            for check in &other.ready {
                let command = quoted(&checks::command(check));
                let _ = writeln!(text, "wait_for {name} {tries} sh -c {command}");
            }
        }
    }
}

/// The processes, each after those that it waits for.
fn in_order(project: &ExportedProject) -> Vec<&ExportedProcess> {
    let (mut ordered, mut placed) = (vec![], HashSet::new());
    while ordered.len() < project.processes.len() {
        let is_next = |process: &&ExportedProcess| {
            let is_placed = |need: &ExportedNeed| placed.contains(&need.name);
            !placed.contains(&process.name) && process.needs.iter().all(is_placed)
        };
        // A plan has no circles; what waits for a process that is not exported comes in its own order.
        let left = |process: &&ExportedProcess| !placed.contains(&process.name);
        let next = project.processes.iter().find(is_next);
        let Some(next) = next.or_else(|| project.processes.iter().find(left)) else { break };
        placed.insert(next.name.clone());
        ordered.push(next);
    }
    ordered
}
