//! Checks Procfile, env files, shell and ports, as a start would find them.

use std::ffi::OsStr;

use super::backend::Chosen;
use super::findings::Report;
use crate::cli::error::CliError;
use crate::cli::project::check::summary;
use crate::cli::project::input::Start;
use crate::cli::project::ports::{table, takers};
use crate::config::Warning;
use crate::config::error::ConfigError;
use crate::config::load::{Context, find_for_plan, find_program};
use crate::model::plan::{Backend, Plan};
use crate::model::text::shell::quoted;
use crate::plan::PlanError;

/// Report problems of env files, but not their contents: a line that can't be parsed may be part of a
/// secret.
pub(super) fn check_env_files(report: &mut Report, context: &Context) {
    for warning in &context.warnings {
        if let Warning::EnvFile { file, why } = warning {
            let todo = if why.starts_with("line ") {
                "correct that line"
            } else {
                "make it readable, or remove it"
            };
            let text = format!("{file} is skipped: {}", without_quotes(why));
            report.fail_so("env files", text, todo);
        }
    }
}

/// The text with everything between backquotes replaced.
fn without_quotes(text: &str) -> String {
    let keep =
        |(at, part): (usize, &str)| if at % 2 == 0 { part.to_owned() } else { "`…`".into() };
    text.split('`').enumerate().map(keep).collect()
}

pub(super) fn check_plan(report: &mut Report, start: &Start, chosen: &Chosen) -> Option<Plan> {
    let mut warnings = vec![];
    // Missing programs are reported by the checks that look for them.
    let own = start.own_path();
    let find = |name: &OsStr| {
        let is_absent = name == "tmux" && chosen.backend == Backend::Native;
        let found = || find_for_plan(&start.context, &own, name).or_else(|| Some(name.into()));
        if is_absent { None } else { found() }
    };
    let plan = start.resolve_with(&find, &mut warnings, false);
    for warning in warnings {
        report.note("Procfile", warning);
    }
    match plan {
        Ok(plan) => {
            report.ok("Procfile", summary(&plan));
            check_shell(report, &start.context, &plan);
            return Some(plan);
        }
        Err(CliError::Config(ConfigError::Toml(error))) => {
            for problem in &error.problems {
                report.fail("tmo.toml", problem.in_short());
            }
        }
        Err(CliError::Config(error)) if start.project.procfile.symlink_metadata().is_err() => {
            let todo = "write one, or name another with `-f`, or go where it is";
            report.fail_so("Procfile", error, todo);
        }
        Err(error) => report.fail("Procfile", error),
    }
    None
}

fn check_shell(report: &mut Report, context: &Context, plan: &Plan) {
    let Some(process) = plan.processes.first() else { return };
    let shell = process.shell.as_path();
    match find_program(context, shell) {
        Some(path) => report.ok("shell", format!("{} runs the commands", path.display())),
        None if shell.exists() => {
            let text = format!("{} can't be executed; `chmod +x` it", shell.display());
            report.fail("shell", text + ", or name another with --shell");
        }
        None => report.fail("shell", PlanError::NoShell(shell.display().to_string())),
    }
}

/// Report ports of the processes that are taken already.
pub(super) fn check_ports(report: &mut Report, start: &Start, plan: &Plan) {
    const CHECK: &str = "ports";
    let (ports, taken) = (table(plan), takers(plan, &start.runtime));
    if taken.is_empty() && !ports.is_empty() {
        report.ok(CHECK, format!("none that a process needs is taken: {ports}"));
    }
    for (taken, of) in taken {
        let socket = of.and_then(|of| of.socket);
        let quit =
            socket.map(|socket| format!("`tmo quit -s {}` ends that run, or ", quoted(&socket)));
        let begin = "begin at another port: `tmo start -p N`, or `--port-auto`";
        report.fail_so(CHECK, taken, &(quit.unwrap_or_default() + begin));
    }
}

#[cfg(test)]
mod tests {
    use super::without_quotes;

    #[test]
    fn what_a_file_holds_is_not_repeated() {
        assert_eq!(without_quotes("line 3: `s3cret` has no `=`"), "line 3: `…` has no `…`");
        assert_eq!(without_quotes("permission denied"), "permission denied");
    }
}
