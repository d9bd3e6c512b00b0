//! Reporting the progress of the start to the command that started the run.

use std::fs::File;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::ProcessStatus;
use crate::run::startup::{StartupMessage, send_startup_message};
use crate::supervisor::{Proc, RunPhase, Supervisor};

/// A process whose program is missing, or can't read its configuration, exits within this time.
const FIRST_STEP: Duration = Duration::from_millis(100);

/// The channel to the command, until the start is over.
#[derive(Debug, Default)]
pub(super) struct StartupReport {
    file: Option<File>,
    /// When the start counts as successful.
    pub(super) settled: Option<Instant>,
}

impl StartupReport {
    pub(super) const fn new(file: Option<File>) -> Self {
        Self { file, settled: None }
    }

    /// Send a message, if the start is not over yet.
    pub(super) fn send(&mut self, message: &StartupMessage) {
        if let Some(file) = &mut self.file {
            send_startup_message(file, message);
        }
    }

    /// Report `Running` once every process was started and none has failed within `FIRST_STEP`: a
    /// start in the background waits for this. If the run is being stopped by then, its end is
    /// reported instead.
    pub(super) fn update(&mut self, supervisor: &Supervisor) {
        let is_starting = supervisor.procs.iter().any(is_starting);
        if self.file.is_none() || supervisor.run_phase != RunPhase::Running || is_starting {
            self.settled = None;
            return;
        }
        if *self.settled.get_or_insert_with(|| Instant::now() + FIRST_STEP) > Instant::now() {
            return;
        }
        self.send(&StartupMessage::Running);
        *self = Self::default();
    }
}

/// Whether a process has yet to start for the first time; one that keeps exiting at once has started.
fn is_starting(proc: &Proc) -> bool {
    proc.last.pid.is_none()
        && matches!(proc.status(), ProcessStatus::Pending | ProcessStatus::Starting)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use tokio::time::Instant;

    use super::StartupReport;
    use crate::model::time::Timestamp;
    use crate::supervisor::{RunPhase, Supervisor};
    use tmo_base::testing::plan;

    #[tokio::test]
    async fn running_is_reported_once_after_the_last_start_unless_the_run_stops() {
        let mut supervisor = Supervisor::new(&plan(&["web", "job-"]), Timestamp::EPOCH);
        let mut file = tempfile::tempfile().unwrap();
        let mut report = StartupReport::new(Some(file.try_clone().unwrap()));
        let mut sent = || {
            let mut text = String::new();
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            text
        };
        report.update(&supervisor);
        assert_eq!(report.settled, None, "web has not started");
        supervisor.procs.iter_mut().for_each(|proc| proc.last.pid = Some(1));
        report.update(&supervisor);
        assert!(report.settled.is_some() && sent().is_empty());
        supervisor.run_phase = RunPhase::Stopping;
        report.update(&supervisor);
        assert_eq!(report.settled, None, "the run stops");
        supervisor.run_phase = RunPhase::Running;
        for _ in 0..3 {
            report.update(&supervisor);
            tokio::time::sleep_until(report.settled.unwrap_or_else(Instant::now)).await;
        }
        assert_eq!(sent(), "{\"news\":\"running\"}\n");
    }
}
