//! The table of processes that `tmo ps` and `tmo fleet ps` print.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::note::ProcessNotes;
use crate::cli::look::ps::Order;
use crate::cli::output::table::{RED, TableRow, painted};
use crate::figures::ProcessUse;
use crate::model::plan::rules::Stage;
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::model::{Exit, Tone, units};
use crate::sys::clock;

/// A process with what is known of it on its machine: a row of the table, and of `tmo ps --json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ProcessRow {
    #[serde(flatten)]
    pub(super) process: ProcessState,
    /// `None` if it does not run, or not on this machine.
    pub(super) figures: Option<ProcessUse>,
    /// What has changed since it was read: `environment: DATABASE_URL`, `program: /app/server`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) drift: Vec<String>,
    /// Where a browser reaches it, while `tmo web` runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    /// The program that listens at its port in its place.
    #[serde(skip)]
    pub(super) port_holder: Option<String>,
    /// Its program has failed under a watcher, which goes on.
    #[serde(skip)]
    pub(super) program_failed: bool,
}

impl ProcessRow {
    /// The ports that its tree listens on, if they are known.
    pub(super) fn listens(&self) -> Option<&[u16]> {
        self.figures.as_ref()?.listens.as_deref()
    }

    /// The port at which it is reached: that of what does not run is not open.
    fn port(&self) -> Option<u16> {
        let planned = self.process.config.port;
        let planned = planned.filter(|_| self.port_holder.is_none() && self.process.pid.is_some());
        self.listens().map_or(planned, |ports| ports.first().copied())
    }

    fn color(&self) -> Option<&'static str> {
        if self.program_failed { color_of_tone(Tone::Bad) } else { color_of(&self.process) }
    }
}

/// How processes are shown.
pub(super) struct ProcessTable {
    pub(super) wide: bool,
    pub(super) by: Option<Order>,
    pub(super) notes: ProcessNotes,
    /// The width of the terminal, if there is one.
    pub(super) width: Option<usize>,
    pub(super) now: Timestamp,
}

impl ProcessTable {
    /// The columns. Only the last may contain blanks.
    pub(super) fn heads(&self) -> Vec<&'static str> {
        let is_here = self.notes.host().is_none();
        let mut heads = vec![
            "HOST", "PROCESS", "PID", "STATUS", "READY", "EXIT", "RESTARTS", "PORT", "CPU",
            "MEMORY", "PHASE", "SINCE", "ADDRESS", "NOTE",
        ];
        heads.retain(|head| match *head {
            "HOST" => !is_here,
            "READY" => is_here,
            "PHASE" => self.by.is_some(),
            "SINCE" => self.wide,
            "ADDRESS" => self.wide && is_here,
            _ => true,
        });
        heads
    }

    /// The table of these processes of a run here.
    pub(super) fn text(&self, rows: &[ProcessRow], color: bool) -> String {
        let heads = self.heads();
        let status = heads.iter().position(|head| *head == "STATUS").filter(|_| color);
        let rows: Vec<TableRow> = rows.iter().map(|row| self.row(row, &heads)).collect();
        painted(&heads, &rows, status, self.width)
    }

    pub(super) fn row(&self, row: &ProcessRow, heads: &[&str]) -> TableRow {
        let cell = |head: &&str| self.cell(head, row).unwrap_or_else(|| "-".to_owned());
        TableRow { cells: heads.iter().map(cell).collect(), color: row.color() }
    }

    fn cell(&self, head: &str, row: &ProcessRow) -> Option<String> {
        let process = &row.process;
        let figures = row.figures.as_ref();
        match head {
            "HOST" => self.notes.host().map(str::to_owned),
            "PROCESS" => {
                let mark = if row.drift.is_empty() { "" } else { "*" };
                Some(format!("{}{mark}", process.name))
            }
            "PID" => process.pid.map(|pid| pid.to_string()),
            "STATUS" => {
                // Programs that read the table split it at blanks.
                let looping = process.crash_loop_word(self.now).filter(|_| self.width.is_some());
                looping.or_else(|| Some(process.state.to_string()))
            }
            "READY" => {
                let ready = process.readiness.ready.filter(|_| process.pid.is_some())?;
                Some(if ready { "yes" } else { "no" }.to_owned())
            }
            "EXIT" => process.ends.exit.map(Exit::word),
            "RESTARTS" => Some(process.lives.saturating_sub(1).to_string()),
            "PORT" => row.port().map(|port| port.to_string()),
            "CPU" => figures.map(|figures| cpu_time(figures.cpu)),
            "MEMORY" => figures.map(|figures| units::bytes(figures.memory_bytes).replace(' ', "")),
            "PHASE" => Some(phase(stage(process)).to_owned()),
            "SINCE" => Some(units::span(self.now.since(process.since)).replace(' ', "")),
            "ADDRESS" => row.url.clone(),
            _ => Some(self.notes.note(row)),
        }
    }
}

/// The phase in which a process runs.
pub(super) fn stage(process: &ProcessState) -> Stage {
    process.config.phase.unwrap_or_default()
}

/// The name of a phase.
pub(super) const fn phase(stage: Stage) -> &'static str {
    match stage {
        Stage::Dependency => "dependency",
        Stage::Main => "main",
        Stage::Cleanup => "cleanup",
    }
}

/// The colour of the state of a process.
pub(super) fn color_of(process: &ProcessState) -> Option<&'static str> {
    color_of_tone(process.tone(clock::now()))
}

const fn color_of_tone(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Good => Some("\x1b[32m"),
        Tone::Busy => Some("\x1b[33m"),
        Tone::Installing => Some("\x1b[35m"),
        Tone::Bad => RED,
        Tone::Idle => None,
    }
}

/// CPU time in the format of ps(1): `1:02.03`.
fn cpu_time(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}.{:02}", seconds / 60, seconds % 60, time.subsec_millis() / 10)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ProcessRow, ProcessTable, cpu_time, stage};
    use crate::cli::look::note::{ProcessNotes, RunOfCommand};
    use crate::cli::look::ps::Order;
    use crate::model::plan::rules::Stage;
    use crate::model::state::ProcessState;
    use crate::model::{Exit, ProcName, ProcessStatus};
    use crate::sys::clock;

    fn process(name: &str, phase: Option<Stage>, state: ProcessStatus) -> ProcessState {
        let mut process = ProcessState::new(ProcName::new(name).unwrap(), state, None);
        process.config.phase = phase;
        process
    }

    fn text(by: Option<Order>, processes: &[ProcessState], color: bool) -> String {
        let actions = vec![ProcName::new("seed").unwrap()];
        let notes = ProcessNotes { run: RunOfCommand::Here(String::new()), actions };
        let table = ProcessTable { wide: false, by, notes, width: None, now: clock::now() };
        let rows = processes.iter().cloned();
        let rows = rows.map(|process| ProcessRow { process, ..ProcessRow::default() });
        table.text(&rows.collect::<Vec<_>>(), color)
    }

    #[test]
    fn processes_stand_by_their_phase() {
        let mut all = vec![
            process("sweep", Some(Stage::Cleanup), ProcessStatus::Pending),
            process("web", None, ProcessStatus::Pending),
            process("db", Some(Stage::Dependency), ProcessStatus::Pending),
            process("api", Some(Stage::Main), ProcessStatus::Pending),
        ];
        all.sort_by_key(stage);
        let table = "\
PROCESS  PID  STATUS   READY  EXIT  RESTARTS  PORT  CPU  MEMORY  PHASE       NOTE
db       -    pending  -      -     0         -     -    -       dependency
web      -    pending  -      -     0         -     -    -       main
api      -    pending  -      -     0         -     -    -       main
sweep    -    pending  -      -     0         -     -    -       cleanup
";
        assert_eq!(text(Some(Order::Phase), &all, false), table);
    }

    #[test]
    fn a_note_says_why_and_what_to_type_next() {
        let in_state = |name, state| process(name, None, state);
        let mut all = [
            in_state("migrate", ProcessStatus::Exited),
            in_state("bad", ProcessStatus::Exited),
            in_state("late", ProcessStatus::Pending),
            in_state("never", ProcessStatus::Skipped),
            in_state("seed", ProcessStatus::Skipped),
            in_state("web", ProcessStatus::Running),
        ];
        let [migrate, bad, late, never, _, web] = &mut all;
        (migrate.ends.exit, migrate.ends.finished) = (Some(Exit::Code(0)), true);
        bad.ends.exit = Some(Exit::Code(3));
        late.readiness.awaits = vec![ProcName::new("db").unwrap()];
        never.reason = Some("bad ended with code 3".into());
        (web.pid, web.readiness.ready) = (Some(u32::MAX), Some(false));
        web.readiness.lacks = vec!["it has not printed `up`".into()];
        let table = "\
PROCESS  PID         STATUS   READY  EXIT  RESTARTS  PORT  CPU  MEMORY  NOTE
migrate  -           exited   -      0     0         -     -    -
bad      -           exited   -      3     0         -     -    -       `tmo why bad` explains it
late     -           pending  -      -     0         -     -    -       waits for db
never    -           skipped  -      -     0         -     -    -       bad ended with code 3; `tmo start never` starts it
seed     -           skipped  -      -     0         -     -    -       `tmo act seed` runs it
web      4294967295  running  no     -     0         -     -    -       not ready yet: it has not printed `up`
";
        assert_eq!(text(None, &all, false), table);
        let painted = text(None, &all, true);
        assert!(painted.contains("bad      -           \x1b[31mexited\x1b[0m   "), "{painted:?}");
    }

    #[test]
    fn time_on_the_processor() {
        assert_eq!(cpu_time(Duration::from_millis(62_034)), "1:02.03");
        assert_eq!(cpu_time(Duration::from_secs(7_200)), "120:00.00");
    }
}
