//! `tmo doctor`: why does it not work here?
//!
//! A file for each group of findings; each adds lines to the report. [`scratch`] tries tmux on a
//! server of its own, [`environment`] compares what a process there has with what this shell has.

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
mod trouble;

use std::io::Write;

use super::args::DoctorArgs;
use super::error::CliError;
use super::log::Source;
use super::start::Start;
use crate::control::lock;
use crate::sys;
use crate::view::paint::Mode;

pub(super) use recorder::record;
use report::Report;

/// Look at everything; 1 if anything fails.
pub(super) fn doctor(args: DoctorArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let mut report = Report::default();
    let mut color = false;
    run::version(&mut report);
    match Start::gather(args.start) {
        Ok(start) => {
            let style = Source::style(&start.context.env, false);
            color = matches!(style.mode, Mode::Terminal { color: true } | Mode::Exact);
            examine(&mut report, &start)?;
        }
        // Without a place or with settings that mean nothing there is nothing to look at.
        Err(error) => report.fail("settings", error),
    }
    let text = if args.json {
        report.json().map_err(|error| CliError::Other(error.to_string()))?
    } else {
        report.text(color)
    };
    super::print(out, text.as_bytes())?;
    Ok(u8::from(!report.is_ok()))
}

fn examine(report: &mut Report, start: &Start) -> Result<(), CliError> {
    // As a supervisor does; its processes have that of this shell all the same, by the plan.
    sys::raise_descriptor_limit();
    let context = &start.context;
    let held = lock::is_held(start.runtime.dir()).unwrap_or(false);
    project::env_files(report, context);
    let plan = project::plan(report, start);
    if held {
        run::look(report, start, plan.as_ref());
    }
    if let Some(tmux) = tmux::find(report, context)
        && let Some(mut plan) = plan.clone().or_else(|| project::stand_in(start))
    {
        plan.tmux = tmux.into();
        tmux::try_out(report, context, &plan)?;
    }
    // What runs here already holds its ports itself.
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
    Ok(())
}
