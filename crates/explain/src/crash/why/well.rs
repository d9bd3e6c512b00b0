//! That nothing is wrong, in words.

use super::trouble::asked;
use super::{Analysis, WhyError};
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName, ProcessStatus};
use crate::sys::local;

impl Analysis<'_> {
    /// The text if nothing is wrong, which is not a failure of this command.
    pub(super) fn all_is_well(&self, name: Option<&str>, flags: &str) -> Result<String, WhyError> {
        if let Some(state) = &self.state {
            let asked = asked(&state.processes, name)?;
            return Ok(well(&asked, name.is_some())
                + &self.crashed(|name| asked.iter().any(|process| process.name == *name), flags));
        }
        if let Some(name) = name {
            let finished = self.finished(name)?;
            let texts: Vec<_> =
                finished.iter().map(|(name, exit)| as_expected(name, *exit)).collect();
            return if texts.is_empty() {
                Err(WhyError::NoEnd(name.to_owned()))
            } else {
                let named = |process: &ProcName| finished.iter().any(|(name, _)| name == process);
                Ok(format!("nothing is wrong: {}", texts.join(", ")) + &self.crashed(named, flags))
            };
        }
        let ended = self.ended()?.words();
        let crash = self.earlier.last().and_then(|found| found.report().ok());
        let crash = crash.map_or(String::new(), |report| {
            let name = &report.process_name;
            format!("; {name} crashed in an earlier run: `tmo crashes show {name}{flags}`")
        });
        Ok(format!("the last run {ended}{crash}"))
    }

    /// The last crash of each of these processes in this run, in words that follow an answer.
    fn crashed(&self, is_named: impl Fn(&ProcName) -> bool, flags: &str) -> String {
        let mut earlier: Vec<String> = vec![];
        let mut named: Vec<&ProcName> = vec![];
        for (report, _) in &self.reports {
            let name = &report.process_name;
            if is_named(name) && !named.contains(&name) {
                named.push(name);
                let time = time_of_day(&report.timestamp);
                earlier
                    .push(format!("{name} crashed at {time} (`tmo crashes show {name}{flags}`)"));
            }
        }
        if earlier.is_empty() {
            String::new()
        } else {
            format!(". Earlier in this run, {}", earlier.join("; "))
        }
    }
}

/// A message that these processes are fine; about a single one if it was named.
fn well(processes: &[&ProcessState], named: bool) -> String {
    let is = |process: &ProcessState| match process.ends.exit {
        Some(exit) if process.ends.finished => as_expected(&process.name, exit),
        Some(_) | None => format!("{} is {}", process.name, process.state),
    };
    if named {
        let all: Vec<_> = processes.iter().map(|process| is(process)).collect();
        return format!("nothing is wrong: {}", all.join(", "));
    }
    let (running, others): (Vec<_>, Vec<_>) =
        processes.iter().partition(|process| process.state == ProcessStatus::Running);
    if others.is_empty() {
        return "all processes are running".to_owned();
    }
    let others: Vec<_> = others.into_iter().map(is).collect();
    let others = others.join(", ");
    match running.len() {
        0 => format!("nothing is wrong: {others}"),
        1 => format!("nothing is wrong: 1 process is running; {others}"),
        many => format!("nothing is wrong: {many} processes are running; {others}"),
    }
}

fn as_expected(name: &ProcName, exit: Exit) -> String {
    format!("{name} has ended with {}, as expected", exit.describe())
}

/// The local time of day of a timestamp in the log.
pub fn time_of_day(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(
        |_| time.to_owned(),
        |time| local::zone().to_datetime(time.utc()).strftime("%H:%M:%S").to_string(),
    )
}
