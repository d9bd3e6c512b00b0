//! A script for a POSIX shell that runs the project in tmux, with the order of a start.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::checks;
use crate::export::files::{ExportedFile, MARK_HERE};
use crate::export::format::ExportFormat;
use crate::export::gaps;
use crate::export::project::{
    ExportOptions, ExportedNeed, ExportedProcess, ExportedProject, ProcessKind,
};
use crate::model::plan::rules::DependencyCondition;
use crate::model::text::shell::quoted;

/// How long a process without a limit of its own may take to be ready, in milliseconds.
const READY_MS: u64 = 60_000;

/// The beginning of the script.
const HEAD: &str = r#"#!/bin/sh
# MARK
# Runs APP in a tmux of its own: `tmux -L APP attach` shows it, `tmux -L APP kill-server` ends it.
set -eu

if tmux -L APP has-session 2>/dev/null; then
    echo 'APP runs already; tmux -L APP kill-server ends it' >&2
    exit 1
fi

# window NAME DIR COMMAND: a program that has ended stays in its window.
window() {
    name=$1 dir=$2
    shift 2
    if tmux -L APP has-session 2>/dev/null; then
        tmux -L APP new-window -d -t APP: -n "$name" -c "$dir" "$@"
    else
        tmux -L APP new-session -d -s APP -x 120 -y 40 -n "$name" -c "$dir" "$@" \; \
            set-option -g remain-on-exit on \; set-option -g allow-rename off
    fi
}
"#;

/// What scripts need that wait for dependencies.
const WAITING: &str = r#"
# wait_for NAME TRIES COMMAND: four tries a second.
wait_for() {
    name=$1 left=$2
    shift 2
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "$name is not ready" >&2; exit 1; }
        sleep 0.25
    done
}

# ended NAME: whether the program of a window has ended with success.
ended() {
    tmux -L APP list-panes -s -t APP -F '#{window_name} #{pane_dead} #{pane_dead_status}' |
        grep -qx "$1 1 0"
}
"#;

pub(in crate::export) fn write(project: &ExportedProject) -> Vec<ExportedFile> {
    let app = &project.app;
    let mut text = HEAD.replace("MARK", MARK_HERE).replace("APP", app);
    if project.processes.iter().any(|process| !process.needs.is_empty()) {
        text.push_str(&WAITING.replace("APP", app));
    }
    let options = ExportOptions::default();
    for process in in_order(project) {
        text.push('\n');
        for gap in gaps::gaps_of(ExportFormat::Tmux, &options, process) {
            let _ = writeln!(text, "# {}: {}", process.name, gap.comment());
        }
        if process.kind == ProcessKind::Cleanup {
            continue;
        }
        for need in &process.needs {
            wait(&mut text, project, need);
        }
        let variables = process.env.iter().map(|one| word(&format!("{}={}", one.name, one.value)));
        let words = variables.chain(process.argv.iter().map(|one| word(one)));
        let words = words.collect::<Vec<_>>().join(" \\\n    ");
        // tmux expands `#` in a directory.
        let (name, dir) = (window(process), quoted(&process.cwd.replace('#', "##")));
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

/// A word of a command for the shell, and then for tmux, which ends a command at a word with `;` at its end.
fn word(word: &str) -> String {
    match word.strip_suffix(';') {
        Some(rest) => quoted(&format!("{rest}\\;")),
        None => quoted(word),
    }
}

/// The name of its window: tmux takes `#` for the beginning of a format.
fn window(process: &ExportedProcess) -> String {
    process.name.replace('#', ".")
}

/// Hold the script until another process is where it is needed.
fn wait(text: &mut String, project: &ExportedProject, need: &ExportedNeed) {
    let Some(other) = project.process(&need.name) else { return };
    let limit = if other.ready_timeout_ms() > 0 { other.ready_timeout_ms() } else { READY_MS };
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
        // A plan has no circles; what waits for a process that is not exported comes in its own order.
        let left = |process: &&ExportedProcess| !placed.contains(&process.name);
        let next = project.processes.iter().find(|process| {
            !placed.contains(&process.name)
                && process.needs.iter().all(|need| placed.contains(&need.name))
        });
        let Some(next) = next.or_else(|| project.processes.iter().find(left)) else { break };
        placed.insert(next.name.clone());
        ordered.push(next);
    }
    ordered
}
