//! What is wrong in a run, found out from its state, its journal and its crash reports.
//!
//! `present` explains a run that goes on, `past` one that is over, `well` says that nothing is wrong;
//! [`trouble`]: processes that do not come up.

mod past;
mod present;
pub mod trouble;
mod well;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::examine_in;
use super::store::{self, Found, Reports};
use super::{Cause, CrashInput, CrashReport, Facts, Kind, LifeSummary, Log, Trigger};
use crate::journal::last::last_lines;
use crate::journal::search::pattern::without_break;
use crate::journal::search::runs;
use crate::journal::{Dirs, Filter, IndexReader};
use crate::model::line;
use crate::model::plan::Plan;
use crate::model::request::{API, ProcessState, State, Unknown};
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::{ProcName, ProcessStatus};
