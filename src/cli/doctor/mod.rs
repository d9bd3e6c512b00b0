//! `tmo doctor`: finds out why tmo does not work here.
//!
//! There is one file per group of checks; each adds lines to the report. [`scratch`] tries tmux with a
//! separate server, [`environment`] compares the environment of a process there with that of this shell.

mod environment;
mod instances;
mod limits;
mod places;
mod project;
mod recorder;
mod report;
mod run;
mod scratch;
mod socket;
mod tmux;
#[cfg(feature = "web")]
mod web;

use super::args::PreviewArgs;
use super::error::CliError;
use super::log::Source;
use super::start::Start;
use crate::instance::lock;
use crate::sys;
use crate::view::paint::Stamp;

pub(super) use recorder::record;
use report::Report;

/// Run all checks; returns 1 if any fails.
pub(super) fn doctor(args: PreviewArgs) -> Result<u8, CliError> {
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
        super::print_json(&report.document())?;
    } else {
        super::print_painted(&report.text(color))?;
    }
    Ok(u8::from(!report.is_ok()))
}

fn examine(report: &mut Report, start: &Start) -> Result<(), CliError> {
    // As a supervisor does; its processes still get the limits of this shell, which are in the plan.
    sys::raise_descriptor_limit();
    let context = &start.context;
    let held = lock::is_held(start.runtime.dir()).unwrap_or(false);
    project::env_files(report, context);
    let plan = project::plan(report, start);
    // Only the caller's own programs are run here, not those that files of the project name.
    let own = start.own_path();
    let tmux = tmux::find(report, start, &own);
    if held {
        run::look(report, start, (plan.as_ref(), tmux.as_deref()));
    }
    if let Some(tmux) = tmux
        && let Some(trial) = project::trial(start, &own, &tmux)
    {
        project::not_tried(report, plan.as_ref(), &trial);
        tmux::try_out(report, context, (plan.as_ref(), &trial))?;
    }
    // A run here holds its own ports.
    if let Some(plan) = plan.as_ref().filter(|_| !held) {
        project::ports(report, context, plan);
    }
    socket::control(report, start);
    places::directories(report, start, plan.as_ref());
    if let Some(plan) = &plan {
        socket::of_tmux(report, plan);
        limits::look(report, plan);
    }
    instances::look(report, start);
    #[cfg(feature = "web")]
    web::look(report, &start.context.env);
    Ok(())
}
