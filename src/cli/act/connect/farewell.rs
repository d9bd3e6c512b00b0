//! The message that `connect` prints when it ends.

use crate::cli::reach::instance::Instance;
use crate::cli::reach::log::Source;
use crate::cli::reach::request::state_at;
use crate::journal::record::Kind;
use crate::model::state::ProcessState;
use crate::model::{Exit, ProcName, ProcessStatus};

/// The current state of the process, in words.
pub(super) async fn words(instance: &Instance, name: &ProcName) -> String {
    // Not worth a takeover.
    match state_at(&instance.address()).await.ok() {
        Some(state) if !state.quitting => {
            of_process(name, state.processes.iter().find(|process| process.name == *name))
        }
        Some(_) => of_run(name, last_exit(instance, name), "is ending"),
        None if instance.is_over() => of_run(name, last_exit(instance, name), "is over"),
        // Supervisor and guardian were killed; the next command takes the run over.
        None => format!("left {name}"),
    }
}

fn of_process(name: &ProcName, process: Option<&ProcessState>) -> String {
    let Some(process) = process else { return format!("left {name}: it is gone") };
    match (&process.state, process.ends.exit) {
        (ProcessStatus::Running, _) => format!("left {name}; it is still running"),
        (ProcessStatus::Exited | ProcessStatus::Error | ProcessStatus::Broken, Some(exit)) => {
            format!("left {name}; it has ended with {}", exit.describe())
        }
        (state, _) => format!("left {name}; it is {state}"),
    }
}

fn of_run(name: &ProcName, exit: Option<Exit>, run: &str) -> String {
    match exit {
        Some(exit) => format!("{name} has ended with {}; the run {run}", exit.describe()),
        None => format!("left {name}; the run {run}"),
    }
}

/// The exit code of a client whose terminal is gone: that of the process, if it has ended.
pub(super) fn exit_code(instance: &Instance, name: &ProcName) -> u8 {
    last_exit(instance, name).map_or(0, Exit::shell_status)
}

/// The exit of the last life of this process, from the journal.
fn last_exit(instance: &Instance, name: &ProcName) -> Option<Exit> {
    let source = Source::of_instance(instance).ok()?;
    let stream =
        source.streams.iter().find(|stream| stream.name == *name && !stream.stderr)?.number;
    let mut index = source.index();
    let end = index.len().ok()?;
    let last = index.rfind(end, |_, record| {
        let counts = record.stream == stream && matches!(record.kind, Kind::Start | Kind::Exit);
        counts.then_some(*record)
    });
    // If the last event is a start, it is still running.
    last.ok()??.exit()
}

#[cfg(test)]
mod tests {
    use super::{of_process, of_run};
    use crate::model::state::ProcessState;
    use crate::model::{Exit, ProcName, ProcessStatus};

    #[test]
    fn each_way_to_leave_has_its_words() {
        let name = ProcName::new("web").unwrap();
        let mut web = ProcessState::new(name.clone(), ProcessStatus::Running, Some(7));
        assert_eq!(of_process(&name, Some(&web)), "left web; it is still running");
        web.state = ProcessStatus::Stopped;
        assert_eq!(of_process(&name, Some(&web)), "left web; it is stopped");
        (web.state, web.ends.exit) = (ProcessStatus::Exited, Some(Exit::Code(3)));
        assert_eq!(of_process(&name, Some(&web)), "left web; it has ended with code 3");
        assert_eq!(of_process(&name, None), "left web: it is gone");
        let killed = Some(Exit::Signal(9));
        let words = "web has ended with signal 9 (SIGKILL); the run is over";
        assert_eq!(of_run(&name, killed, "is over"), words);
        assert_eq!(of_run(&name, None, "is ending"), "left web; the run is ending");
    }
}
