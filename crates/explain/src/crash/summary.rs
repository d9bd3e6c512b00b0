//! The list of crash reports.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cause::Cause;
use super::store::StoredReport;
use crate::model::{LifeId, ProcName};
use crate::sys::files;

/// A crash report in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CrashSummary)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its id: the name of its file without `.json`.
    #[schema(example = "web-2026-01-02T03-04-05Z")]
    pub id: String,
    /// Its file.
    #[schema(value_type = String)]
    pub file: PathBuf,
    /// The process.
    pub process_name: ProcName,
    /// Its exit code; null if a signal ended it.
    pub exit_code: Option<u8>,
    /// The signal that ended it (`SIGSEGV`); null if none did.
    pub signal: Option<String>,
    /// When it ended, RFC 3339 in UTC.
    pub timestamp: String,
    /// The run.
    pub run: String,
    /// The number of the life in the run.
    #[schema(value_type = u32, minimum = 1)]
    pub life: LifeId,
    /// The cause that explains the end best.
    pub cause: Option<Cause>,
}

/// The part of a report that a list shows: its recorded output may be long.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Brief {
    process_name: ProcName,
    exit_code: Option<u8>,
    signal: Option<String>,
    timestamp: String,
    tmo: BriefDetails,
}

#[derive(Deserialize)]
struct BriefDetails {
    run: String,
    life: LifeId,
    cause: Vec<Cause>,
}

impl Summary {
    /// Read the report; `None` if it can't be read.
    pub fn read(found: &StoredReport) -> Option<Self> {
        let text = files::read_plain(&found.path).ok()?;
        let Brief { process_name, exit_code, signal, timestamp, tmo } =
            serde_json::from_slice(&text).ok()?;
        let BriefDetails { run, life, cause } = tmo;
        Some(Self {
            id: found.id().to_owned(),
            file: found.path.clone(),
            process_name,
            exit_code,
            signal,
            timestamp,
            run,
            life,
            cause: cause.into_iter().next(),
        })
    }
}
