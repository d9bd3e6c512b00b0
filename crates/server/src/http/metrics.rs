//! Metrics of the run, in the text format of Prometheus (version 0.0.4).

use std::fmt::{Display, Write as _};

use axum::http::header;
use axum::response::IntoResponse as _;
use nix::sys::signal::Signal;

use super::answer::ApiResult;
use super::extract::Query;
use crate::figures::Figures;
use crate::model::state::{FlagState, ProcessState, State};
use crate::model::{Exit, ProcessStatus};
use crate::serve::Api;

/// The content type.
const TEXT: &str = "text/plain; version=0.0.4";

/// Numbers of the run, for Prometheus.
///
/// Its text format, version 0.0.4. Counters start with the run and survive a replaced supervisor; that
/// of bytes starts with the log, and that of CPU time with the life of the process. What the processes use is
/// sampled for the request, at most once per second.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "state",
    responses((
        status = 200,
        description = "The numbers as they are now.",
        body = String,
        content_type = "text/plain; version=0.0.4",
    ))
)]
pub(super) async fn metrics(api: Api, _: Query<()>) -> ApiResult {
    let state = api.handle.state().await?;
    let figures = api.reading.samples.sample_of(state.processes.clone()).await?;
    let text = exposition(&state, &figures);
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}

/// The text so far: one complete metric after another.
#[derive(Default)]
struct Metrics(String);

/// Names of labels, with their values.
type Labels<'a> = &'a [(&'static str, &'a str)];

impl Metrics {
    /// Begin a metric whose values only rise.
    fn counter(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, "counter", help)
    }

    /// Begin a metric whose values rise and fall.
    fn gauge(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, "gauge", help)
    }

    fn metric(&mut self, name: &'static str, kind: &str, help: &str) -> Metric<'_> {
        // Writing to a string cannot fail, here and below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Metric { text: &mut self.0, name }
    }
}

/// A metric to which values are being added.
struct Metric<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Metric<'_> {
    fn value(&mut self, labels: Labels<'_>, value: impl Display) {
        self.text.push_str(self.name);
        for (at, (name, says)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{}\"", escaped(says));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }

    fn each<T: Display>(mut self, processes: &[ProcessState], value: impl Fn(&ProcessState) -> T) {
        for process in processes {
            self.value(&[("process", process.name.as_str())], value(process));
        }
    }

    fn each_flag(mut self, processes: &[ProcessState], value: impl Fn(&FlagState) -> u64) {
        for process in processes {
            for flag in &process.flags {
                let labels = [("process", process.name.as_str()), ("flag", flag.name.raw())];
                self.value(&labels, value(flag));
            }
        }
    }
}

/// Escape a text for use between the quotes of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All metrics as text.
fn exposition(state: &State, figures: &[Figures]) -> String {
    let mut all = Metrics::default();
    of_run(&mut all, state);
    of_processes(&mut all, &state.processes);
    of_ends(&mut all, &state.processes);
    of_figures(&mut all, &state.processes, figures);
    let flags = "Lines of a process that a flag has matched.";
    let matches = all.counter("tmo_flag_matches_total", flags);
    matches.each_flag(&state.processes, |flag| flag.count);
    let exceeded = "Whether a flag has matched more often than its target.";
    let exceeded = all.gauge("tmo_flag_exceeded", exceeded);
    exceeded.each_flag(&state.processes, |flag| flag.exceeded.into());
    all.0
}

fn of_run(all: &mut Metrics, state: &State) {
    all.gauge("tmo_build_info", "The version of the program that runs.")
        .value(&[("version", &state.version)], 1);
    let started = state.started.seconds();
    all.gauge("tmo_run_start_time_seconds", "When the run was started, Unix time.")
        .value(&[], started);
    all.gauge("tmo_run_quitting", "Whether everything is being stopped.")
        .value(&[], u8::from(state.quitting));
    all.gauge("tmo_views", "Terminals that show the log.").value(&[], state.views);
}

fn of_processes(all: &mut Metrics, processes: &[ProcessState]) {
    let is = |yes: bool| u8::from(yes);
    all.gauge("tmo_process_up", "Whether the main process is alive.")
        .each(processes, |process| is(process.pid.is_some()));
    let ready = "Whether the process runs, or has ended, so that others may rely on it.";
    all.gauge("tmo_process_ready", ready)
        .each(processes, |process| is(process.readiness.ready == Some(true)));
    let mut states = all.gauge("tmo_process_state", "1 for the state it is in.");
    for process in processes {
        for state in &ProcessStatus::ALL {
            let labels = [("process", process.name.as_str()), ("state", state.word())];
            states.value(&labels, is(process.state == *state));
        }
    }
    let failures = "Failures in a row; a good life ends the row.";
    all.gauge("tmo_process_consecutive_failures", failures)
        .each(processes, |process| process.ends.failures);
    let bytes = "Bytes that were printed since the log of the process began.";
    all.counter("tmo_process_output_bytes_total", bytes)
        .each(processes, |process| process.output_bytes);
}

fn of_figures(all: &mut Metrics, processes: &[ProcessState], figures: &[Figures]) {
    // The sample may be a second older than the state.
    let runs = |figures: &&Figures| {
        processes.iter().any(|p| p.name == figures.name && p.pid == Some(figures.pid))
    };
    let figures: Vec<_> = figures.iter().filter(runs).collect();
    let each = |mut metric: Metric<'_>, value: &dyn Fn(&Figures) -> Option<f64>| {
        for one in &figures {
            if let Some(value) = value(one) {
                metric.value(&[("process", one.name.as_str())], value);
            }
        }
    };
    let cpu = "CPU time of its present life, child processes included.";
    each(all.counter("tmo_process_cpu_seconds_total", cpu), &|one| Some(one.cpu_seconds));
    #[expect(clippy::cast_precision_loss, reason = "all values of Prometheus are floats")]
    let memory = |one: &Figures| Some(one.memory_bytes as f64);
    let help =
        "Memory, child processes included; shared memory is divided among those that share it.";
    each(all.gauge("tmo_process_memory_bytes", help), &memory);
    let processes = "The main process and its child processes.";
    each(all.gauge("tmo_process_processes", processes), &|one| Some(one.processes.into()));
    let threads = "Threads, child processes included.";
    each(all.gauge("tmo_process_threads", threads), &|one| Some(one.threads.into()));
    let files = "Open file descriptors, child processes included.";
    each(all.gauge("tmo_process_open_files", files), &|one| one.files.map(f64::from));
}

fn of_ends(all: &mut Metrics, processes: &[ProcessState]) {
    all.counter("tmo_process_restarts_total", "Starts after the first one.")
        .each(processes, |process| process.lives.saturating_sub(1));
    let crashes = "Ends that nobody has asked for, and that were failures.";
    all.counter("tmo_process_crashes_total", crashes)
        .each(processes, |process| process.ends.crashes);
    let exits = "Ends of the main process, by exit code or signal.";
    let mut exits = all.counter("tmo_process_exits_total", exits);
    for process in processes {
        let name = ("process", process.name.as_str());
        for ended in &process.ends.exits {
            let (label, says) = match ended.exit {
                Exit::Code(code) => ("code", code.to_string()),
                Exit::Signal(number) => ("signal", signal(number)),
            };
            exits.value(&[name, (label, &says)], ended.count);
        }
    }
}

/// The name of a signal (`SIGKILL`), or its number if it has no name.
fn signal(number: u8) -> String {
    let known = Signal::try_from(i32::from(number));
    known.map_or_else(|_| number.to_string(), |signal| signal.as_str().to_owned())
}

#[cfg(test)]
mod tests;
