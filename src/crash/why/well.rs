//! That nothing is wrong, in words.

use super::trouble::asked;
use super::{Analysis, WhyError};
use crate::crash::store;
use crate::model::request::{ProcessState, State};
use crate::model::time::Timestamp;
use crate::model::{ProcName, ProcessStatus};
use crate::sys::local;

impl Analysis<'_> {
    /// The text if nothing is wrong, which is not a failure of this command.
    pub(super) fn all_is_well(&self, name: Option<&str>, flags: &str) -> Result<String, WhyError> {
        if let Some(state) = &self.state {
            return self.well(state, name, flags);
        }
        if let Some(name) = name {
            return Err(WhyError::NoEnd(name.to_owned()));
        }
        let ended = self.ended()?.words();
        let crash = self.earlier.last().and_then(|found| store::read(&found.path).ok());
        let crash = crash.map_or(String::new(), |report| {
            let name = &report.process_name;
            format!("; {name} crashed in an earlier run: `tmo crashes show {name}{flags}`")
        });
        Ok(format!("the last run {ended}{crash}"))
    }

    fn well(&self, state: &State, name: Option<&str>, flags: &str) -> Result<String, WhyError> {
        let asked = asked(&state.processes, name)?;
        let mut text = well(&asked, name.is_some());
        let mut earlier: Vec<String> = vec![];
        let mut named: Vec<&ProcName> = vec![];
        for (report, _) in self.reports.iter().filter(|_| name.is_none()) {
            let name = &report.process_name;
            if !named.contains(&name) {
                named.push(name);
                let time = time_of_day(&report.timestamp);
                earlier.push(format!("{name} crashed at {time} (`tmo why {name}{flags}`)"));
            }
        }
        if !earlier.is_empty() {
            text = format!("{text}. Earlier in this run, {}", earlier.join("; "));
        }
        Ok(text)
    }
}

/// A message that these processes are fine; about a single one if it was named.
pub fn well(processes: &[&ProcessState], named: bool) -> String {
    let is = |process: &ProcessState| match process.exit {
        Some(exit) if process.finished => {
            format!("{} has ended with {}, as expected", process.name, exit.describe())
        }
        Some(_) | None => format!("{} is {}", process.name, process.state),
    };
    if let ([process], true) = (processes, named) {
        return format!("nothing is wrong: {}", is(process));
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

/// The local time of day of a timestamp in the log.
pub fn time_of_day(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(
        |_| time.to_owned(),
        |time| local::zone().to_datetime(time.utc()).strftime("%H:%M:%S").to_string(),
    )
}
