//! The directory of crash reports: writing them, finding them, and removing the oldest.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use utoipa::ToSchema;

use super::cause::Cause;
use super::report::CrashReport;
use crate::journal::Dirs;
use crate::journal::streams::{Stream, is_meant};
use crate::model::plan::Plan;
use crate::model::text::OsText;
use crate::model::text::shell::quoted;
use crate::model::{LifeId, ProcName};
use crate::sys::files;

/// How many reports of a project are kept.
pub const KEPT: usize = 200;
/// The name of their directory, within that of the journal.
const DIR: &str = "crash-reports";

const ENDING: &str = ".json";
/// `2026-01-02T03-04-05Z`
const STAMP: usize = 20;
/// How many crashes of one process within a second can have different names.
const MOST_AT_ONCE: u32 = 1000;

/// The crash reports of a project.
#[derive(Debug, Clone)]
pub struct Reports {
    /// The directory that they are in.
    pub dir: PathBuf,
    /// If several projects may share the directory: the prefix of the ids of this project's runs.
    owner: Option<String>,
}

impl Reports {
    /// Those beside this journal, or in the directory that was configured. `id` is that of the project.
    pub fn new(dirs: &Dirs, configured: Option<&OsText>, id: &str) -> Self {
        match configured {
            Some(dir) => Self { dir: dir.as_path().to_owned(), owner: Some(format!("{id}-")) },
            None => Self { dir: dirs.journal.join(DIR), owner: None },
        }
    }

    /// Those of the project of this run.
    pub fn of_plan(plan: &Plan, dirs: &Dirs) -> Self {
        Self::new(dirs, plan.crash_dir.as_ref(), project_of(&plan.run))
    }

    /// All reports, the newest last.
    pub fn stored(&self) -> io::Result<Vec<StoredReport>> {
        let mut found = stored_reports(&self.dir)?;
        if let Some(owner) = &self.owner {
            found.retain(|found| {
                found.report().is_ok_and(|report| report.tmo.run.starts_with(owner))
            });
        }
        Ok(found)
    }

    /// Where output may still be that was cleared from the log, and how to delete it.
    pub fn copies_of_output(&self) -> Vec<String> {
        let dir = quoted(&self.dir.to_string_lossy());
        let reports =
            self.stored().is_ok_and(|reports| !reports.is_empty()).then(|| match self.owner {
                None => format!("the last lines in crash reports, until `rm -r {dir}`"),
                Some(_) => format!(
                    "the last lines in those crash reports in {dir} that `tmo crashes` lists"
                ),
            });
        let others = "what terminals show, what other programs have read, snapshots of the disk, and what the file system has freed \
             but not yet overwritten";
        reports.into_iter().chain([others.to_owned()]).collect()
    }
}

/// The id of the project of a run, with which the name of the run begins.
fn project_of(run: &str) -> &str {
    run.split('-').next().unwrap_or_default()
}

/// A report in the directory. The order is that of the ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredReport {
    /// When the process ended, to the second: `2026-01-02T03-04-05Z`.
    pub stamp: String,
    /// The number of the crash among those of that process in that second.
    count: u32,
    /// The name of the process as a part of a file name.
    slug: String,
    pub path: PathBuf,
}

impl StoredReport {
    /// Parse a file name.
    fn parse_path(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
        let (name, count) = match name.rsplit_once('-') {
            Some((name, count)) if name.ends_with('Z') => (name, count.parse().ok()?),
            Some(_) | None => (name, 1),
        };
        let (slug, stamp) = name.split_at_checked(name.len().checked_sub(STAMP)?)?;
        let slug = slug.strip_suffix('-').filter(|slug| !slug.is_empty())?.to_owned();
        let pattern = b"0000-00-00T00-00-00Z";
        let fits = stamp.bytes().zip(pattern).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *wanted,
        });
        let stamp = stamp.to_owned();
        fits.then_some(Self { stamp, count, slug, path })
    }

    /// The name of the file without its ending.
    pub fn id(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// Its content.
    pub fn report(&self) -> io::Result<CrashReport> {
        read_report(&self.path)
    }

    /// Whether the word that a user typed means its process, which has the groups of its stream.
    pub fn is_meant(&self, word: &str, streams: &[Stream]) -> bool {
        let name = ProcName::new(self.slug.replacen('.', "#", 1));
        name.is_ok_and(|name| is_meant(word, &name, streams))
    }
}

/// The reports in a directory, the newest last; empty if the directory does not exist.
pub fn stored_reports(dir: &Path) -> io::Result<Vec<StoredReport>> {
    let Some(entries) = files::if_there(fs::read_dir(dir))? else { return Ok(vec![]) };
    let mut found: Vec<StoredReport> =
        entries.filter_map(|entry| StoredReport::parse_path(entry.ok()?.path())).collect();
    found.sort();
    Ok(found)
}

pub fn read_report(path: &Path) -> io::Result<CrashReport> {
    let text = files::read_plain(path)?;
    serde_json::from_slice(&text).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("no crash report: {error}"))
    })
}

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

impl Summary {
    /// Read the report; `None` if it can't be read.
    pub fn of_stored(found: &StoredReport) -> Option<Self> {
        let CrashReport { process_name, exit_code, signal, timestamp, tmo, .. } =
            found.report().ok()?;
        Some(Self {
            id: found.id().to_owned(),
            file: found.path.clone(),
            process_name,
            exit_code,
            signal,
            timestamp,
            run: tmo.run,
            life: tmo.life,
            cause: tmo.cause.into_iter().next(),
        })
    }
}

/// Write a report under a new name and remove the oldest ones if there are too many. If the life
/// already has a report, nothing is written: the earlier writer was killed before it could record
/// its success.
pub fn write(report: &CrashReport, dir: &Path) -> io::Result<PathBuf> {
    files::make_dirs(dir)?;
    let second = report.timestamp.get(..19).unwrap_or_default().replace(':', "-");
    let name = format!("{}-{second}Z", report.process_name.slug());
    if let Some(path) = known(report, dir, &name) {
        return Ok(path);
    }
    let text = serde_json::to_vec_pretty(report)?;
    // A concurrent reader must see either a complete report or none.
    let fresh = dir.join(format!(".{name}.{}-{}.new", report.tmo.run, report.tmo.life));
    let written = files::create_anew(&fresh).and_then(|mut file| file.write_all(&text));
    let placed = written.and_then(|()| place(&fresh, dir, &name));
    if placed.is_err() {
        // A leftover file only takes up space. The result of the write is what matters.
        let _ = fs::remove_file(&fresh);
    }
    let path = placed?;
    // A file that can't be removed is tried again after the next crash.
    let _ = prune(dir, KEPT, &report.tmo.run);
    Ok(path)
}

/// The names that a report may have, in the order in which to try them.
fn names(dir: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    (1..MOST_AT_ONCE).map(move |count| {
        let more = if count == 1 { String::new() } else { format!("-{count}") };
        dir.join(format!("{name}{more}{ENDING}"))
    })
}

/// The existing report of the same life, if there is one.
fn known(report: &CrashReport, dir: &Path, name: &str) -> Option<PathBuf> {
    let of = |report: &CrashReport| {
        (report.process_name.clone(), report.tmo.run.clone(), report.tmo.life)
    };
    let is_it = |path: &PathBuf| read_report(path).is_ok_and(|known| of(&known) == of(report));
    names(dir, name).take_while(|path| path.exists()).find(is_it)
}

/// Give a file the first name that is not taken.
fn place(fresh: &Path, dir: &Path, name: &str) -> io::Result<PathBuf> {
    for path in names(dir, name) {
        // If we are killed here, there is either a complete report or none.
        match fs::hard_link(fresh, &path) {
            Ok(()) => return fs::remove_file(fresh).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Not every file system supports hard links.
            Err(_) => match files::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(_) => return fs::rename(fresh, &path).map(|()| path),
            },
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Remove all reports of this run's project except the newest `keep`. The directory may be the
/// user's own: files of other projects, and files that are not reports, stay.
pub fn prune(dir: &Path, keep: usize, run: &str) -> io::Result<()> {
    let mut found = stored_reports(dir)?;
    if found.len() <= keep {
        return Ok(());
    }
    let own = project_of(run);
    found.retain(|found| found.report().is_ok_and(|report| project_of(&report.tmo.run) == own));
    let old = found.len().saturating_sub(keep);
    found[..old].iter().try_for_each(|old| fs::remove_file(&old.path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{StoredReport, prune, read_report, stored_reports, write};
    use crate::crash::report::CrashReport;
    use crate::crash::report::tests::example;
    use crate::model::LifeId;

    fn report(name: &str, time: &str) -> CrashReport {
        let mut report: CrashReport = serde_json::from_value(example()).unwrap();
        report.process_name = name.parse_name();
        report.timestamp = time.to_owned();
        report
    }

    trait ParseName {
        fn parse_name(self) -> crate::model::ProcName;
    }

    impl ParseName for &str {
        fn parse_name(self) -> crate::model::ProcName {
            crate::model::ProcName::new(self).unwrap()
        }
    }

    #[test]
    fn each_crash_has_a_file_of_its_own_that_others_can_t_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("a/crash-reports");
        assert_eq!(stored_reports(&dir).unwrap(), []);
        let time = "2026-01-02T03:04:05.678Z";
        let names = [
            ("web", time, "web-2026-01-02T03-04-05Z.json"),
            ("web", time, "web-2026-01-02T03-04-05Z-2.json"),
            ("web#2", time, "web.2-2026-01-02T03-04-05Z.json"),
            ("web", time, "web-2026-01-02T03-04-05Z-3.json"),
            ("a-b", "2025-01-02T03:04:05.000Z", "a-b-2025-01-02T03-04-05Z.json"),
        ];
        for (life, (process, time, name)) in (1..).zip(names) {
            let mut report = report(process, time);
            report.tmo.life = LifeId::nth(life);
            let path = write(&report, &dir).unwrap();
            assert_eq!(path, dir.join(name));
            assert_eq!(read_report(&path).unwrap(), report);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let found = stored_reports(&dir).unwrap();
        assert_eq!(found.len(), std::fs::read_dir(&dir).unwrap().count(), "nothing else is left");
        assert!(found[0].is_meant("a-b", &[]) && !found[0].is_meant("a", &[]));
        assert_eq!(found.iter().filter(|found| found.is_meant("web", &[])).count(), 4);
        assert_eq!(found.iter().filter(|found| found.is_meant("web#2", &[])).count(), 1);
    }

    #[test]
    fn a_life_has_one_report_however_often_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = report("web", "2026-01-02T03:04:05.678Z");
        let first = write(&report, dir.path()).unwrap();
        report.last_logs.push("known later".to_owned());
        assert_eq!(write(&report, dir.path()).unwrap(), first);
        report.tmo.run.push('x');
        assert_ne!(write(&report, dir.path()).unwrap(), first, "that of another run");
        // The writer of the first one may have been killed half-way.
        std::fs::write(&first, "").unwrap();
        report.tmo.run.pop();
        let again = write(&report, dir.path()).unwrap();
        assert_eq!(read_report(&again).unwrap(), report);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn only_the_newest_are_kept_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        for second in 0..5 {
            write(&report("web", &format!("2026-01-02T03:04:0{second}.000Z")), dir.path()).unwrap();
        }
        for name in ["notes.json", "web-2026.json", "-2026-01-02T03-04-05Z.json", "x.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
            assert_eq!(StoredReport::parse_path(dir.path().join(name)), None);
        }
        let another = dir.path().join("web-2025-01-02T03-04-05Z.json");
        for text in ["not a report".to_owned(), {
            let mut report = report("web", "2025-01-02T03:04:05.000Z");
            report.tmo.run = "another-1".to_owned();
            serde_json::to_string(&report).unwrap()
        }] {
            std::fs::write(&another, text).unwrap();
            prune(dir.path(), 5, "r1-2").unwrap();
            assert!(another.exists());
        }
        std::fs::remove_file(&another).unwrap();
        prune(dir.path(), 2, "r1-2").unwrap();
        let stamps: Vec<_> =
            stored_reports(dir.path()).unwrap().into_iter().map(|f| f.stamp).collect();
        assert_eq!(stamps, ["2026-01-02T03-04-03Z", "2026-01-02T03-04-04Z"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
    }

    #[test]
    fn what_is_no_report_is_said_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web-2026-01-02T03-04-05Z.json");
        std::fs::write(&path, "{}").unwrap();
        assert!(read_report(&path).unwrap_err().to_string().starts_with("no crash report: "));
    }
}
