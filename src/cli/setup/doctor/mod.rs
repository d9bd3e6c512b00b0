//! `tmo doctor`: finds out why tmo does not work here.
//!
//! There is one file per group of checks; each adds lines to the report. Nothing is started for a check.

mod backend;
mod findings;
mod process;
mod project;
mod runs;
mod socket;
mod system;

use crate::cli::project::input::Start;
use crate::cli::reach::log::Source;
use crate::cli::{CliError, output};
use crate::config::StartOptions;
use crate::model::plan::Backend;
use crate::sys;
use crate::view::paint::Stamp;
use backend::Chosen;
use findings::Report;

/// Find out why tmo does not work here, and how to fix it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo doctor                    one line for each finding: ok, note or FAIL
  tmo doctor --json | jq '.findings[] | select(.level == \"fail\")'
  tmo doctor -f Procfile.dev    check a start with these flags
  tmo doctor web                also what web needs: directory, program, script, environment

It names the tmux or the terminals that a start would use. It starts no process and no program of the
project, and changes nothing: of tmux, from your own PATH, it asks the version and whether the server
of the run answers; checks that would need the project's programs are listed as not tried.
It shows the names of variables, not their
values; of a PATH, only the entries that differ. Exits 1 if anything fails.")]
pub(in crate::cli) struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    start: StartOptions,
}

/// Run all checks; returns 1 if any fails.
pub(in crate::cli) fn doctor(args: &DoctorArgs) -> Result<u8, CliError> {
    let mut report = Report::default();
    let mut color = false;
    runs::tell_version(&mut report);
    match Start::gather(args.start.clone()) {
        Ok(start) => {
            color = Source::style(&start.context.env, Stamp::None).mode.color();
            examine(&mut report, &start)?;
        }
        // Without a directory, or with invalid settings, there is nothing to check.
        Err(error) => report.fail("settings", error),
    }
    if args.json {
        output::print_json(&report.document())?;
    } else {
        output::print_painted(&report.text(color))?;
    }
    Ok(u8::from(!report.is_ok()))
}

fn examine(report: &mut Report, start: &Start) -> Result<(), CliError> {
    // As a supervisor does; its processes still get the limits of this shell, which are in the plan.
    sys::raise_descriptor_limit();
    if let Some(call) = system::check_system_calls(report) {
        // They would fail for this reason only, and most would name another one.
        report.note("other checks", format!("skipped, since `{call}` is refused"));
        return Ok(());
    }
    let held = start.runtime.is_held();
    project::check_env_files(report, &start.context);
    // Only the caller's own programs are run here, not those that files of the project name.
    let own = start.own_path();
    let chosen = Chosen::of_start(start, &own)?;
    let plan = project::check_plan(report, start, &chosen);
    let running = if held { start.runtime.plan().ok() } else { None };
    chosen.tell(report, running.map(|plan| plan.backend));
    let tmux = chosen.tmux.as_ref().ok().map(|tmux| &*tmux.path);
    if held {
        runs::check_run(report, start, plan.as_ref(), tmux);
    }
    let is_native = chosen.backend == Backend::Native;
    if is_native {
        backend::check_terminals(report, plan.as_ref());
    } else {
        backend::check_tmux(report, start, &own, &chosen);
        if let Some(plan) = &plan {
            backend::check_tmux_config(report, start, plan);
        }
    }
    // A run here holds its own ports.
    if let Some(plan) = plan.as_ref().filter(|_| !held) {
        project::check_ports(report, start, plan);
    }
    socket::check_control_socket(report, start);
    system::check_directories(report, start, plan.as_ref());
    if let Some(plan) = &plan {
        process::check_named(report, start, plan);
        if !is_native {
            socket::check_tmux_socket(report, plan);
        }
        system::check_limits(report, plan);
    }
    runs::check_runs(report, start);
    runs::check_web(report, &start.context.env);
    Ok(())
}
