//! Creates a crash report.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::diagnose::{diagnose, needed, port_of, ports_named, refused_by};
use super::evidence::{Evidence, Facts, Holder, OutputLine, working_directory};
use super::facts;
use super::life::{LifePlace, LifeSummary, Log};
use super::reloader::{self, LastError};
use super::report::{CrashReport, Details, LAST_LOGS};
use crate::journal::Dirs;
use crate::journal::read::query::since;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::text::OsText;
use crate::model::{Exit, LifeId, ProcName, units};

/// A process that ends within this time has failed at its start.
const SHORT: Duration = Duration::from_secs(10);

/// How many of the last lines are examined. The traces of some languages are long.
const LOOKED_THROUGH: usize = 400;

/// What the observer of the end knows about it.
#[derive(Debug, Clone)]
pub struct CrashInput {
    pub run: String,
    /// If it was not a shell command: the program and its arguments.
    pub argv: Option<Vec<OsText>>,
    /// The directory in which its command was started.
    pub cwd: OsText,
    /// All its environment variables.
    pub env: Vec<(OsText, OsText)>,
    /// The journal.
    pub dirs: Dirs,
    /// The record with which the run begins in the journal; 0 if unknown.
    pub first: u64,
    pub lived: LifeSummary,
    /// The rest, without its lines. Ports and programs are looked up later.
    pub evidence: Evidence,
}

impl CrashInput {
    /// The end of a life of a process in this plan. The caller may add to the facts.
    pub fn new(plan: &Plan, process: &ProcessPlan, dirs: &Dirs, lived: LifeSummary) -> Self {
        let others = || plan.processes.iter().filter(|other| other.name != process.name);
        let of = |other: &ProcessPlan, port| (other.name.clone(), port);
        let checked = others().flat_map(|other| other.rules.ports().map(|port| of(other, port)));
        let has_port = |other: &ProcessPlan| other.rules.ports().next().is_some();
        let checks = |name: &ProcName| others().any(|other| other.name == *name && has_port(other));
        let needs = process.rules.needs.iter().filter(|need| checks(&need.on));
        let named =
            others().filter_map(|other| Some(of(other, port_of(&other.command.to_string())?)));
        let assigned = others().filter_map(|other| Some(of(other, other.port?)));
        let mut uses = vec![];
        add_dependencies(&mut uses, plan, process);
        let cwd = process.cwd.as_ref().unwrap_or(&plan.root);
        let command = process.command.to_string();
        let facts = Facts {
            is_command: plan.is_of_command(),
            needs: needs.map(|need| need.on.clone()).collect(),
            uses,
            ..Facts::default()
        };
        let evidence = Evidence {
            root: plan.root.to_string(),
            cwd: working_directory(&cwd.to_string(), &command),
            command,
            port: process.port,
            others: checked.chain(named).collect(),
            assigned: assigned.collect(),
            watchers: plan.watchers.clone(),
            facts,
            ..Evidence::new(&process.name, lived.pid, lived.exit)
        };
        Self {
            run: plan.run.clone(),
            argv: process.argv.clone(),
            cwd: cwd.clone(),
            env: plan.env.iter().chain(&process.env).cloned().collect(),
            dirs: dirs.clone(),
            first: 0,
            lived,
            evidence,
        }
    }

    fn with_lines(&self, lines: Vec<OutputLine>) -> Evidence {
        Evidence { lines, ..self.evidence.clone() }
    }

    /// Get the remaining facts from the operating system and the journal.
    fn look_up(&self, evidence: &mut Evidence, log: Option<&Log<'_>>) {
        let Evidence { name, others, assigned, .. } = &self.evidence;
        let named = others.iter().chain(assigned).filter(|(_, port)| self.names_port(*port));
        evidence.facts.uses.extend(named.map(|(name, _)| name.clone()));
        evidence.facts.gone = log.and_then(|log| gone(evidence, log));
        evidence.facts.late = log.and_then(|log| late(evidence, log));
        evidence.facts.own_files = facts::own_files(&[&evidence.root, &evidence.cwd]);
        evidence.facts.manifests = facts::manifests(&[&evidence.root, &evidence.cwd]);
        evidence.facts.requirements = facts::requirements(Path::new(&evidence.cwd));
        evidence.facts.is_short = self.lived.ended.since(self.lived.started) < SHORT;
        evidence.facts.taken = log.and_then(|log| log.taken_port(name).ok()?);
        let taken = evidence.facts.taken.as_ref().map(|(port, _)| *port);
        let ports: Vec<u16> = ports_named(evidence).into_iter().chain(taken).collect();
        evidence.facts.holders.extend(facts::holders(&ports, &self.run));
        if !taken.is_some_and(|port| is_taken(port, &evidence.facts.holders, name, self.lived.life))
        {
            evidence.facts.taken = None;
        }
        evidence.facts.example = facts::env_example(Path::new(&evidence.root));
        evidence.facts.dumped = evidence.signal().is_some() && facts::dumps_are_kept();
        if self.lived.exit == Exit::Code(127) {
            let path = self.env.iter().rev().find(|(name, _)| name.as_bytes() == b"PATH");
            let names = path.map(|(_, path)| facts::programs(path.as_os_str()));
            evidence.facts.programs.extend(names.unwrap_or_default());
            let packaged = Path::new(&evidence.cwd).join("node_modules/.bin");
            evidence.facts.packaged = facts::programs(packaged.as_os_str());
        }
    }

    /// Whether this port stands in its command or in a variable, except for those from which tmo derives ports.
    fn names_port(&self, port: u16) -> bool {
        let given = self.env.iter().filter(|(name, _)| {
            !["PORT", "TMO_", "OVERMIND_"].iter().any(|it| name.to_string().starts_with(it))
        });
        let mut texts = given.map(|(_, text)| text.to_string());
        let port = port.to_string();
        let has_it =
            |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|number| number == port);
        has_it(&self.evidence.command) || texts.any(|text| has_it(&text))
    }
}

/// Whether a port that was taken when the run was started is still taken for this life of a process, with these
/// holders.
pub(super) fn is_taken(port: u16, holders: &[Holder], name: &ProcName, life: LifeId) -> bool {
    let is_own = |holder: &Holder| {
        let tenant = holder.tenant.as_ref();
        tenant.is_some_and(|it| it.socket.is_none() && it.name == name.as_str())
    };
    let mut held = holders.iter().filter(|holder| holder.port == port);
    // Who listens there now is known; who did when a later life began is not.
    match held.next() {
        Some(first) => !is_own(first) && !held.any(is_own),
        None => life == LifeId::FIRST,
    }
}

/// Add the processes that this one depends on, also through others.
fn add_dependencies(all: &mut Vec<ProcName>, plan: &Plan, process: &ProcessPlan) {
    for need in &process.rules.needs {
        if !all.contains(&need.on) {
            all.push(need.on.clone());
            for on in plan.processes.iter().filter(|other| other.name == need.on) {
                add_dependencies(all, plan, on);
            }
        }
    }
}

/// The process that a refused connection was for, and how it ended, if it had ended before, or was being stopped, and
/// has not come back; no exit if it was stopped.
fn gone(evidence: &Evidence, log: &Log<'_>) -> Option<(ProcName, Option<Exit>)> {
    let (names, is_known, time) = refused_by(evidence)?;
    let until = since(&mut log.open_index().ok()?, time.next()).ok()?.record;
    let meant = names.iter().filter(|_| is_known || names.len() == 1).copied();
    meant.chain(needed(evidence)).find_map(|name| {
        let is_gone = matches!(log.present(name), Ok(None));
        let (lived, place) = log.last_ended(name).ok()??;
        let place = LifePlace { end: until, ..place };
        let stopped = log.ended_by_tmo(name, &lived, &place).ok()?.was_stopping;
        // Something that it depends on may be a task that is done.
        let was_to_stay = is_known && names.contains(&name) || !lived.exit.success();
        (is_gone && (stopped || was_to_stay && lived.ended <= time))
            .then(|| (name.clone(), Some(lived.exit).filter(|_| !stopped)))
    })
}

/// The process that a refused connection was for, if it was not ready by then, and whether that is certain. Without a
/// port in the message it is the only service that began so late.
fn late(evidence: &Evidence, log: &Log<'_>) -> Option<(ProcName, bool)> {
    let (names, is_known, time) = refused_by(evidence)?;
    let is_late = |name: &ProcName| log.was_unready(name, time).ok().flatten();
    let mut late = names.into_iter().filter_map(|name| Some((name.clone(), is_late(name)?)));
    let (name, is_certain) = late.next()?;
    (is_known || late.next().is_none()).then_some((name, is_certain && is_known))
}

/// The report of a crash, with what is known now. Data that can't be read is left out. Best called
/// about a second after the end and on a thread of its own, because it reads files and may be slow.
pub fn examine(input: &CrashInput) -> CrashReport {
    let log = Log::open(&input.dirs, input.first).ok();
    let lived = &input.lived;
    let place = log.as_ref().and_then(|log| {
        log.place(&input.evidence.name, lived.life, lived.ended).unwrap_or_else(|error| {
            tracing::warn!(%error, "the journal can't be read for a crash report");
            None
        })
    });
    examine_in(input, log.as_ref().zip(place.as_ref()))
}

/// The same for a caller that has already found the life in a journal.
pub fn examine_in(input: &CrashInput, found: Option<(&Log<'_>, &LifePlace)>) -> CrashReport {
    let (lines, slice) = found.map_or_else(Default::default, |(log, place)| {
        let read = |error: io::Error| tracing::warn!(%error, "the journal can't be read");
        let lines = log.last_lines(place, LOOKED_THROUGH).map_err(read).unwrap_or_default();
        (lines, log.slice(place).map_err(read).unwrap_or_default())
    });
    let mut evidence = input.with_lines(lines);
    evidence.facts.end = Some(input.lived.ended);
    input.look_up(&mut evidence, found.map(|(log, _)| log));
    let lived = &input.lived;
    let (command, args) = match input.argv.as_deref() {
        Some([program, args @ ..]) => {
            (program.to_string(), Some(args.iter().map(ToString::to_string).collect()))
        }
        Some([]) | None => (evidence.command.clone(), None),
    };
    let (exit_code, signal) = match lived.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(_) => (None, Some(lived.exit.word())),
    };
    let mut environment: Vec<String> = input.env.iter().map(|(name, _)| name.to_string()).collect();
    environment.sort_unstable();
    environment.dedup();
    let last = &evidence.lines[evidence.lines.len().saturating_sub(LAST_LOGS)..];
    CrashReport {
        process_name: evidence.name.clone(),
        command,
        args,
        exit_code,
        signal,
        timestamp: lived.ended.to_millisecond(),
        last_logs: last.iter().map(|line| line.text.clone()).collect(),
        tmo: Details {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: input.run.clone(),
            life: lived.life,
            pid: lived.pid,
            started: lived.started.to_millisecond(),
            uptime_ms: units::millis(lived.ended.since(lived.started)),
            restarts: lived.restarts,
            cause: diagnose(&evidence),
            slice: slice.entries,
            slice_left_out: slice.left_out,
            environment,
            cwd: input.cwd.to_string(),
            port: evidence.port,
        },
    }
}

/// The last error of a running process with its last lines, unless the error is obsolete.
pub fn last_error(
    input: &CrashInput,
    log: &Log<'_>,
    place: &LifePlace,
) -> io::Result<Option<(LastError, Vec<String>)>> {
    let lines = log.last_lines(place, LOOKED_THROUGH)?;
    let mut evidence = input.with_lines(lines);
    // A cheap check first: most processes have printed no error.
    if !reloader::has_ended(&evidence.lines)
        && refused_by(&evidence).is_none()
        && reloader::last_error(&evidence).is_none()
    {
        return Ok(None);
    }
    input.look_up(&mut evidence, Some(log));
    let last = &evidence.lines[evidence.lines.len().saturating_sub(LAST_LOGS)..];
    let last = last.iter().map(|line| line.text.clone()).collect();
    Ok(reloader::last_error(&evidence).map(|error| (error, last)))
}

#[cfg(test)]
mod tests {
    use crate::model::StreamNo;
    use crate::model::time::Timestamp;
    use std::time::Instant;

    use super::{CrashInput, examine};
    use crate::crash::cause::CauseKind;
    use crate::crash::evidence::Evidence;
    use crate::crash::life::{LifeSummary, Log};
    use crate::crash::store;
    use crate::journal::write::append::Appender;
    use crate::journal::{Dirs, Expected, IndexReader, Ingest, Kind, Streams};
    use crate::model::text::OsText;
    use crate::model::{Exit, LifeId, ProcName};
    use crate::protocol::marker::Marker;

    const SECOND: u64 = 1_000_000_000;
    /// 2026-01-02T03:04:05Z.
    const END: Timestamp = Timestamp::from_nanos(1_767_323_045 * SECOND);

    /// A journal with the processes `web` and `db`.
    struct Stage {
        _dir: tempfile::TempDir,
        dirs: Dirs,
        sinks: [Appender; 2],
        ingest: Ingest,
        seq: u64,
    }

    fn name(text: &str) -> ProcName {
        ProcName::new(text).unwrap()
    }

    impl Stage {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let dirs = Dirs::new(dir.path().join("journal"), None);
            let mut streams = Streams::open(&dirs).unwrap();
            for process in ["web", "db"] {
                streams.number(&name(process), 2).unwrap();
            }
            streams.save().unwrap();
            let sinks = ["web", "db"].map(|slug| Appender::open(&dirs, slug, 1 << 22, true));
            let all = [(StreamNo(1), "web".to_owned()), (StreamNo(2), "db".to_owned())];
            let ingest = Ingest::open(&dirs, &all, 1 << 20).unwrap();
            Self { _dir: dir, dirs, sinks, ingest, seq: 0 }
        }

        fn say(&mut self, stream: StreamNo, time: Timestamp, text: &[u8]) {
            self.sinks[usize::from(stream.0) - 1].append(time, text);
            while self.ingest.wake(stream, u64::MAX).unwrap().more {}
        }

        fn mark(&mut self, time: Timestamp, kind: Kind, value: u32, life: u32) {
            self.seq += 1;
            let (seq, nonce) = (self.seq, 0xfeed);
            self.ingest
                .expect(StreamNo(1), Expected { seq, nonce, kind, value, life: LifeId::nth(life) });
            self.say(StreamNo(1), time, &Marker { nonce, seq, skip: 0 }.encode());
        }

        fn input(&self, life: u32, exit: Exit) -> CrashInput {
            let text = |text: &str| OsText::from(text);
            let lived = LifeSummary {
                life: LifeId::nth(life),
                pid: Some(7),
                started: END - 90 * SECOND,
                ended: END,
                exit,
                restarts: 1,
            };
            CrashInput {
                run: "r".into(),
                argv: None,
                cwd: text("/srv/app"),
                env: ["PATH", "B", "A", "B"].map(|name| (text(name), text("secret"))).into(),
                dirs: self.dirs.clone(),
                first: 0,
                lived,
                evidence: Evidence {
                    command: "bin/serve".to_owned(),
                    root: "/srv/app".to_owned(),
                    cwd: "/srv/app".to_owned(),
                    port: Some(5000),
                    others: vec![(name("db"), 5432)],
                    ..Evidence::new(&name("web"), lived.pid, exit)
                },
            }
        }
    }

    /// Two lives of `web`. The first one ended because `db` was missing.
    fn two_lives() -> Stage {
        let mut stage = Stage::new();
        stage.mark(END - 90 * SECOND, Kind::Start, 7, 1);
        stage.say(StreamNo(1), END - 80 * SECOND, b"long ago\r\n");
        stage.say(StreamNo(2), END - 6 * SECOND, b"too early\n");
        stage.say(StreamNo(2), END - 4 * SECOND, b"\x1b[32mdb\x1b[0m is slow\n");
        stage.say(StreamNo(1), END - SECOND, b"Error: connect ECONNREFUSED 127.0.0.1:5432\r\n");
        stage.mark(END, Kind::Exit, Exit::Code(1).pack(), 1);
        stage.say(StreamNo(1), END + SECOND / 4, b"a child's last words\n");
        stage.mark(END + SECOND / 2, Kind::End, 0, 1);
        stage.say(StreamNo(2), END + SECOND / 2, b"behind\n");
        stage.mark(END + SECOND - 1, Kind::Start, 8, 2);
        stage.say(StreamNo(1), END + SECOND, b"again\n");
        stage.say(StreamNo(2), END + 2 * SECOND, b"too late\n");
        stage
    }

    #[test]
    fn a_report_tells_what_there_is_to_tell() {
        let stage = two_lives();
        let report = examine(&stage.input(1, Exit::Code(1)));
        let words =
            ["long ago", "Error: connect ECONNREFUSED 127.0.0.1:5432", "a child's last words"];
        assert_eq!(report.last_logs, words);
        assert_eq!((report.exit_code, report.signal.as_deref()), (Some(1), None));
        assert_eq!(report.timestamp, "2026-01-02T03:04:05.000Z");
        assert_eq!(report.tmo.uptime_ms, 90_000);
        let cause = report.tmo.cause.first().unwrap();
        assert_eq!(cause.kind, CauseKind::ConnectionRefused);
        assert!(cause.text.starts_with("it began before db was ready"), "{}", cause.text);
        let slice = report.tmo.slice.iter();
        let slice: Vec<_> =
            slice.map(|e| (e.process.as_deref().unwrap(), e.text.as_str())).collect();
        let expected = [
            ("db", "db is slow"),
            ("web", "Error: connect ECONNREFUSED 127.0.0.1:5432"),
            ("web", "ended with code 1"),
            ("web", "a child's last words"),
            ("db", "behind"),
            ("web", "runs (pid 8)"),
            ("web", "again"),
        ];
        assert_eq!(slice, expected);
        assert_eq!(report.tmo.slice_left_out, 0);
        // The line that shows the cause can be found again by its cursor.
        let cursor = cause.evidence.as_ref().unwrap().cursor.clone().unwrap();
        assert_eq!(report.tmo.slice[1].cursor, cursor);
        // Only names, nothing that may be secret.
        assert_eq!(report.tmo.environment, ["A", "B", "PATH"]);
        assert!(!serde_json::to_string(&report).unwrap().contains("secret"));
    }

    #[test]
    fn a_later_life_does_not_tell_what_an_earlier_one_said() {
        let mut stage = two_lives();
        stage.mark(END + 3 * SECOND, Kind::Exit, Exit::Signal(9).pack(), 2);
        let mut input = stage.input(2, Exit::Signal(9));
        input.lived.ended = END + 3 * SECOND;
        let report = examine(&input);
        assert_eq!(report.last_logs, ["again"]);
        assert_eq!(report.signal.as_deref(), Some("SIGKILL"));
        let (lived, place) =
            Log::open(&stage.dirs, 0).unwrap().last_ended(&name("web")).unwrap().unwrap();
        assert_eq!((lived.life, lived.pid, lived.exit), (LifeId::nth(2), Some(8), Exit::Signal(9)));
        assert_eq!((lived.started, place.time), (END + SECOND - 1, END + 3 * SECOND));
    }

    #[test]
    fn a_run_does_not_tell_what_the_run_before_said_in_a_life_of_the_same_number() {
        let mut stage = Stage::new();
        let mut first = 0;
        for run in 0..3 {
            first = IndexReader::open(&stage.dirs).len().unwrap();
            let begin = END - (2 - run) * SECOND / 4 - SECOND / 8;
            stage.mark(begin, Kind::Start, 7, 1);
            stage.say(StreamNo(1), begin + 1, format!("message {run}\n").as_bytes());
            stage.mark(begin + SECOND / 8, Kind::Exit, Exit::Code(1).pack(), 1);
            stage.mark(begin + SECOND / 8 + 1, Kind::End, 0, 1);
        }
        let input = CrashInput { first, ..stage.input(1, Exit::Code(1)) };
        let report = examine(&input);
        assert_eq!(report.last_logs, ["message 2"]);
        let slice: Vec<_> = report.tmo.slice.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(slice, ["runs (pid 7)", "message 2", "ended with code 1"]);
        let log = Log::open(&stage.dirs, first + 1).unwrap();
        let ended = log.last_ended(&name("web")).unwrap();
        assert!(
            ended.is_some_and(|(lived, _)| lived.started == lived.ended),
            "its start is hidden"
        );
        let log = Log::open(&stage.dirs, IndexReader::open(&stage.dirs).len().unwrap()).unwrap();
        assert_eq!(log.last_ended(&name("web")).unwrap(), None);
    }

    #[test]
    fn a_report_is_written_also_where_there_is_no_journal() {
        let dir = tempfile::tempdir().unwrap();
        let stage = two_lives();
        let mut input = stage.input(1, Exit::Code(1));
        input.dirs = Dirs::new(dir.path().join("nowhere"), None);
        input.argv = Some(["node", "a.js"].map(OsText::from).into());
        let path = store::write(&examine(&input), &dir.path().join("crash-reports")).unwrap();
        assert!(path.ends_with("crash-reports/web-2026-01-02T03-04-05Z.json"), "{path:?}");
        let report = store::read_report(&path).unwrap();
        assert_eq!((report.command.as_str(), report.args), ("node", Some(vec!["a.js".to_owned()])));
        assert_eq!(report.last_logs, [""; 0]);
    }

    #[test]
    fn a_flood_is_cut_to_what_is_near_the_end() {
        let mut stage = Stage::new();
        stage.mark(END - 90 * SECOND, Kind::Start, 7, 1);
        let flood = b"flood flood flood flood flood flood flood flood flood\n".repeat(1000);
        // Before that time there is much more output, which must not be read.
        for at in 0..200 {
            stage.say(StreamNo(2), END - 60 * SECOND + at, &flood);
        }
        for at in 0..200 {
            stage.say(StreamNo(2), END - 3 * SECOND + at, &flood);
        }
        stage.say(
            StreamNo(1),
            END - SECOND,
            b"panic: no\n\ngoroutine 1 [running]:\n\t/srv/app/a.go:3 +0x1\n",
        );
        stage.mark(END, Kind::Exit, Exit::Code(2).pack(), 1);
        for at in 0..200 {
            stage.say(StreamNo(2), END + at, &flood);
        }
        let begin = Instant::now();
        let report = examine(&stage.input(1, Exit::Code(2)));
        assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
        assert_eq!(report.tmo.cause.first().unwrap().place.as_deref(), Some("a.go:3"));
        let size: usize = report.tmo.slice.iter().map(|entry| entry.text.len()).sum();
        assert!(size < 256 << 10, "{size}");
        let all = 400 * (flood.len() - 1000) as u64;
        let reported = size as u64 + report.tmo.slice_left_out;
        assert!(reported.abs_diff(all) < all / 20, "{reported} of {all}");
        let has = |text: &str| report.tmo.slice.iter().any(|entry| entry.text.contains(text));
        assert!(has("panic: no") && has("ended with code 2"));
        let flooded = |before: bool| {
            let end = report.tmo.slice.iter().position(|e| e.event.is_some()).unwrap();
            let (first, last) = report.tmo.slice.split_at(end);
            let part = if before { first } else { last };
            part.iter().filter(|entry| entry.text.starts_with("flood")).count()
        };
        assert!(flooded(true) > 1000 && flooded(false) > 300);
    }
}
