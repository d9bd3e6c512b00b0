//! `tmo doctor`: finds out why tmo does not work here.
//!
//! There is one file per group of checks; each adds lines to the report. Nothing is started for a check.

mod backend;
mod environment;
mod instances;
mod limits;
mod places;
mod process;
mod project;
mod report;
mod run;
mod socket;
mod terminals;
mod tmux;
mod web;

use crate::cli::args::PreviewArgs;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::project::input::Start;
use crate::cli::reach::log::Source;
use crate::model::plan::Backend;
use crate::sys;
use crate::view::paint::Stamp;
use report::Report;

/// Run all checks; returns 1 if any fails.
pub(in crate::cli) fn doctor(args: PreviewArgs) -> Result<u8, CliError> {
    let mut report = Report::default();
    let mut color = false;
    run::version(&mut report);
    match Start::gather(args.start) {
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
    if let Some(call) = limits::system_calls(report) {
        // They would fail for this reason only, and most would name another one.
        report.note("other checks", format!("skipped, since `{call}` is refused"));
        return Ok(());
    }
    let context = &start.context;
    let held = start.runtime.is_held();
    project::env_files(report, context);
    // Only the caller's own programs are run here, not those that files of the project name.
    let own = start.own_path();
    let chosen = backend::choose(start, &own)?;
    let plan = project::plan(report, start, &chosen);
    let running = if held { start.runtime.plan().ok() } else { None };
    chosen.tell(report, running.map(|plan| plan.backend));
    let tmux = chosen.tmux.as_ref().ok().map(|tmux| &*tmux.path);
    if held {
        run::look(report, start, plan.as_ref(), tmux);
    }
    let is_native = chosen.backend == Backend::Native;
    if is_native {
        terminals::look(report, plan.as_ref());
    } else {
        tmux::look(report, start, &own, &chosen);
        if let Some(plan) = &plan {
            tmux::config(report, start, plan);
        }
    }
    // A run here holds its own ports.
    if let Some(plan) = plan.as_ref().filter(|_| !held) {
        project::ports(report, start, plan);
    }
    socket::control(report, start);
    places::directories(report, start, plan.as_ref());
    if let Some(plan) = &plan {
        process::look(report, start, plan);
        if !is_native {
            socket::of_tmux(report, plan);
        }
        limits::look(report, plan);
    }
    instances::look(report, start);
    web::look(report, &start.context.env);
    Ok(())
}
