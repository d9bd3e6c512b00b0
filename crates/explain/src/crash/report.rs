//! The crash report: one JSON file for each unrequested end.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cause::Cause;
use crate::model::event::What;
use crate::model::{LifeId, ProcName};

/// How many of the last lines a report contains.
pub const LAST_LOGS: usize = 100;

/// The content of a crash report. Its keys are fixed: none is ever removed, and new ones go into
/// [`CrashReport::tmo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrashReport {
    /// The process.
    pub process_name: ProcName,
    /// Its command; if that is not a shell command, the program.
    pub command: String,
    /// The arguments of the program; null for a shell command.
    pub args: Option<Vec<String>>,
    /// Its exit code; null if a signal ended it.
    pub exit_code: Option<u8>,
    /// The signal that ended it (`SIGSEGV`); null if none did.
    pub signal: Option<String>,
    /// When it ended, RFC 3339 in UTC with milliseconds.
    pub timestamp: String,
    /// Its last lines without escape sequences.
    pub last_logs: Vec<String>,
    /// Details in tmo's own format.
    pub tmo: Details,
}

/// What tmo knows in addition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CrashDetails)]
pub struct Details {
    /// The version of tmo.
    pub version: String,
    /// The run.
    pub run: String,
    /// The number of the life in the run.
    #[schema(value_type = u32, minimum = 1)]
    pub life: LifeId,
    /// The process id it had.
    pub pid: Option<u32>,
    /// When it began, RFC 3339.
    pub started: String,
    /// How long it ran.
    pub uptime_ms: u64,
    /// How often it had been restarted.
    pub restarts: u64,
    /// The causes of the end, the most certain first.
    pub cause: Vec<Cause>,
    /// The output of all processes from five seconds before the end to one second after it.
    pub slice: Vec<CrashEntry>,
    /// Bytes of that time that are not in the slice because there was too much.
    pub slice_left_out: u64,
    /// The names of its environment variables.
    pub environment: Vec<String>,
    /// Its working directory.
    pub cwd: String,
    /// The port it was assigned.
    pub port: Option<u16>,
}

/// A line of output, or an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CrashEntry)]
pub struct CrashEntry {
    /// When, RFC 3339.
    pub time: String,
    /// Its process; null for messages about tmo itself.
    pub process: Option<String>,
    /// The kind of event; missing for a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The line without escape sequences, or the text for the event.
    pub text: String,
    /// Its place in the log.
    pub cursor: String,
}

impl CrashReport {
    /// How it ended: `exit 1`, or the signal.
    pub fn end(&self) -> String {
        end_words(self.signal.as_deref(), self.exit_code)
    }

    /// The cause that explains the end best.
    pub fn cause(&self) -> Option<&Cause> {
        self.tmo.cause.first()
    }
}

/// `exit 1`, or the signal.
pub fn end_words(signal: Option<&str>, exit_code: Option<u8>) -> String {
    match (signal, exit_code) {
        (Some(signal), _) => signal.to_owned(),
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => "no exit".to_owned(),
    }
}

/// The event for a crash. The last lines of the process stand above it in the log.
pub fn notice(report: &CrashReport) -> What {
    let text = format!("{} crashed ({})", report.process_name, report.end());
    let cause = report.cause().map_or_else(
        || "no cause is known".to_owned(),
        |cause| match &cause.place {
            Some(place) => format!("{} at {place}", cause.text),
            None => cause.text.clone(),
        },
    );
    What::Crash { life: report.tmo.life, text, cause: Some(cause) }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::{CrashReport, notice};
    use crate::model::event::{Event, Logged};

    /// A report as it is in a file.
    pub(crate) fn example() -> serde_json::Value {
        json!({
            "processName": "web",
            "command": "bin/serve",
            "args": null,
            "exitCode": 1,
            "signal": null,
            "timestamp": "2026-01-02T03:04:05.678Z",
            "lastLogs": ["starting", "Error: no", ""],
            "tmo": {
                "version": "0.1.0",
                "run": "r1",
                "life": 2,
                "pid": 4711,
                "started": "2026-01-02T03:04:00.000Z",
                "uptime_ms": 5678,
                "restarts": 1,
                "cause": [{
                    "kind": "logged-error",
                    "certainty": "possible",
                    "text": "it logged: Error: no",
                    "evidence": {
                        "text": "Error: no", "time": "2026-01-02T03:04:05.600Z", "cursor": "7.9"
                    },
                    "place": null,
                    "next": null
                }],
                "slice": [
                    {
                        "time": "2026-01-02T03:04:05.600Z", "process": "web", "text": "Error: no",
                        "cursor": "7.9"
                    },
                    {
                        "time": "2026-01-02T03:04:05.678Z", "process": "web", "event": "exit",
                        "text": "ended with code 1", "cursor": "8.0"
                    }
                ],
                "slice_left_out": 0,
                "environment": ["HOME", "PATH"],
                "cwd": "/srv/app",
                "port": 5000
            }
        })
    }

    #[test]
    fn the_shape_of_a_report_does_not_change() {
        let example = example();
        let report: CrashReport = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&report).unwrap(), example);
        // The keys are in this order for people who read the file directly.
        let text = serde_json::to_string(&report).unwrap();
        let keys = [
            "processName",
            "command",
            "args",
            "exitCode",
            "signal",
            "timestamp",
            "lastLogs",
            "tmo",
        ];
        let at: Vec<_> =
            keys.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(at.is_sorted());
        assert_eq!(example.as_object().unwrap().len(), keys.len());
    }

    #[test]
    fn a_kind_of_a_later_version_is_passed_over() {
        let mut example = example();
        example["tmo"]["cause"][0]["kind"] = "cosmic-ray".into();
        example["tmo"]["moon"] = "full".into();
        let report: CrashReport = serde_json::from_value(example).unwrap();
        assert_eq!(report.cause().unwrap().text, "it logged: Error: no");
    }

    #[test]
    fn the_notice_of_a_crash() {
        let mut report: CrashReport = serde_json::from_value(example()).unwrap();
        let event = |report: &CrashReport| Event::of_process(&report.process_name, notice(report));
        let text = event(&report).text().unwrap().to_string();
        assert_eq!(text, "web crashed (exit 1): it logged: Error: no; see `tmo why web`");
        let logged = Logged::from_json(event(&report).to_json().as_bytes()).unwrap();
        assert_eq!(logged.text().unwrap(), text);
        assert_eq!(logged.searched().unwrap(), "web crashed (exit 1)");
        report.tmo.cause[0].place = Some("db.js:4".into());
        let text = event(&report).text().unwrap().to_string();
        assert_eq!(
            text,
            "web crashed (exit 1): it logged: Error: no at db.js:4; see `tmo why web`"
        );
        report.signal = Some("SIGSEGV".into());
        report.tmo.cause.clear();
        let text = event(&report).text().unwrap().to_string();
        assert_eq!(text, "web crashed (SIGSEGV): no cause is known; see `tmo why web`");
    }
}
