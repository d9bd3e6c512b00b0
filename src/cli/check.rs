//! `tmo check`: what a start would say, without one.

use std::io::Write;

use super::args::StartArgs;
use super::error::CliError;
use super::start::{Start, tell_all};
use crate::backend::tmux::version;
use crate::control::lock;
use crate::model::count;
use crate::model::plan::{Plan, ProcessPlan};
use crate::sys::{self, Listener, ProcInfo};

/// Look at everything that a start would look at, and start nothing; 1 if anything is odd.
pub(super) fn check(args: StartArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let start = Start::gather(args)?;
    let mut warnings: Vec<String> =
        start.context.warnings.iter().map(ToString::to_string).collect();
    let (plan, odd) = match start.resolve() {
        Ok(resolved) => resolved,
        Err(error) => {
            tell_all(&warnings);
            return Err(error);
        }
    };
    warnings.extend(odd);
    let (search, here) = (start.context.env.get("PATH"), &start.context.start_dir);
    super::block_on(async { Ok(version::find(search, here).await?) })?;
    // What runs here already holds its ports itself.
    if !lock::is_held(start.runtime.dir()).unwrap_or(false) {
        warnings.extend(taken_ports(&plan));
    }
    tell_all(&warnings);
    if !warnings.is_empty() {
        return Ok(1);
    }
    let names: Vec<&str> = plan.processes.iter().map(|process| process.name.as_str()).collect();
    let count = count::processes(names.len(), "");
    let text = format!("{}: {count}: {}\n", plan.procfile.as_path().display(), names.join(", "));
    super::print(out, text.as_bytes())
}

/// Ports that processes are told to use and somebody listens on. Not all use theirs.
pub(super) fn taken_ports(plan: &Plan) -> Vec<String> {
    takers(plan).into_iter().map(|(text, _)| text).collect()
}

/// The same, with who that is, as far as it may be known.
pub(super) fn takers(plan: &Plan) -> Vec<(String, Option<ProcInfo>)> {
    let begin: Vec<_> = plan.processes.iter().filter(|process| !process.waits).collect();
    let ports: Vec<u16> = begin.iter().filter_map(|process| process.port).collect();
    let taken = sys::tcp_listeners(&ports);
    let told = |process: &&ProcessPlan| {
        let (port, Listener { process: holder }) =
            taken.iter().find(|(port, _)| Some(*port) == process.port)?;
        let who = match holder {
            Some(ProcInfo { name, pid, .. }) => format!("{name} (pid {pid})"),
            None => "another user's process".to_owned(),
        };
        let text = format!("port {port} of {} is taken: {who} listens on it", process.name);
        Some((text, holder.clone()))
    };
    begin.iter().filter_map(told).collect()
}
