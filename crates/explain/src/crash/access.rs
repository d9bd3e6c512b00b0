//! Crash reports and explanations for clients of the control socket.

use std::io;

use utoipa::IntoParams;

use super::compare::{Comparison, compare};
use super::life::Log;
use super::report::CrashReport;
use super::store::{Reports, StoredReport, Summary};
use super::why::{Analysis, Explanation, Sources, WhyError};
use crate::journal::last_run::RecordedEnd;
use crate::journal::streams::{names, refuse_unknown};
use crate::journal::{Dirs, IndexReader, Streams};
use crate::model::name::nearest;
use crate::model::plan::Plan;
use crate::model::state::State;
use crate::sys::files;

/// Reads the plan of the run, which a reload changes; `None` if that fails.
pub type ReadPlan = dyn Fn() -> Option<Plan> + Send + Sync;

/// Explains a run and finds its crash reports. Reads files, so a call may block.
pub struct CrashAccess {
    dirs: Dirs,
    /// The reports according to the plan with which this supervisor began.
    begun_with: Reports,
    plan: Box<ReadPlan>,
    /// How the run ended, from outside of its journal.
    end: Option<RecordedEnd>,
}

/// Which reports are wanted. The doc comments of its fields become descriptions in the API.
#[derive(Debug, Clone, PartialEq, Eq, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportsAsk {
    /// Only those of processes with this name, pattern with `*`, or entry of the Procfile.
    #[param(required = false)]
    pub name: Option<String>,
    /// At most this many, the newest ones.
    #[param(required = false, minimum = 0)]
    pub last: Option<usize>,
}

impl CrashAccess {
    /// Access to the run with this journal. The reports are those that the plan names, or `begun_with` if the
    /// plan can't be read.
    pub fn new(dirs: Dirs, begun_with: Reports, plan: Box<ReadPlan>) -> Self {
        Self { dirs, begun_with, plan, end: None }
    }

    /// The same for a run that has ended like this.
    #[must_use]
    pub fn with_end(self, end: Option<RecordedEnd>) -> Self {
        Self { end, ..self }
    }

    fn reports(&self, plan: Option<&Plan>) -> Reports {
        plan.map_or_else(|| self.begun_with.clone(), |plan| Reports::of_plan(plan, &self.dirs))
    }

    /// Where output may still be that was cleared from the log.
    pub fn copies_of_output(&self) -> Vec<String> {
        self.reports(self.plan().as_ref()).copies_of_output()
    }

    /// The plan of the run now; `None` if it can't be read, or the run has ended.
    pub fn plan(&self) -> Option<Plan> {
        (self.plan)()
    }

    /// Explain the problems of the run with this state, or of one of its processes. Without a state, the
    /// explanation comes from its files.
    pub fn explain(
        &self,
        state: Option<State>,
        name: Option<&str>,
    ) -> Result<Explanation, WhyError> {
        let plan = (self.plan)();
        let reports = self.reports(plan.as_ref());
        let root = state.as_ref().map(|state| state.root.as_path().to_owned());
        let root =
            root.or_else(|| Some(plan.as_ref()?.root.as_path().to_owned())).unwrap_or_default();
        let index = || Ok(IndexReader::open(&self.dirs));
        let dirs = &self.dirs;
        let reports = &reports;
        let end = self.end.as_ref();
        let sources = Sources { dirs, index: &index, reports, root: &root, end, fresh: None };
        Analysis::new(sources, plan, state)?.explain(name, "")
    }

    /// Compare the output of a process's last life with that of its last good ones.
    pub fn compare(&self, name: &str) -> Result<Comparison, WhyError> {
        let log = Log::with_index(&self.dirs, 0, || Ok(IndexReader::open(&self.dirs)))?;
        let names = || names(log.streams());
        let known = names().find(|known| known.as_str() == name);
        let known = known.ok_or_else(|| WhyError::unknown(nearest::unknown(name, names())))?;
        Ok(compare(&log, known)?)
    }

    fn all(&self) -> Result<Vec<StoredReport>, WhyError> {
        WhyError::listed(&self.reports((self.plan)().as_ref()))
    }

    /// Reports of this project, the newest first. Those that can't be read are left out.
    pub fn summaries(&self, ask: &ReportsAsk) -> Result<Vec<Summary>, WhyError> {
        let mut all = self.all()?;
        if let Some(name) = &ask.name {
            let streams = Streams::open(&self.dirs).map_err(io::Error::other)?;
            all.retain(|found| found.is_meant(name, streams.all()));
            if all.is_empty() {
                let names = [name.clone()];
                refuse_unknown(&names, streams.all()).map_err(WhyError::unknown)?;
            }
        }
        let read = all.iter().rev().filter_map(Summary::of_stored);
        Ok(read.take(ask.last.unwrap_or(usize::MAX)).collect())
    }

    /// The report with this id; `None` if this project has none. The id is compared with the names of the
    /// files in the directory, and never becomes part of a path.
    pub fn report(&self, id: &str) -> Result<Option<CrashReport>, WhyError> {
        let all = self.all()?;
        let Some(found) = all.iter().find(|found| found.id() == id) else { return Ok(None) };
        // It may have been removed meanwhile.
        files::if_there(found.report())
            .map_err(|source| WhyError::Reports { path: found.path.clone(), source })
    }
}
