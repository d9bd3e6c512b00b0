//! The table of processes that `ps` prints.

use crate::model::request::State;

/// The table: a header, then a line per process with its name, last pid, and whether it runs.
pub fn processes(state: &State) -> String {
    let names = state.processes.iter().map(|process| process.name.as_str().len());
    let width = names.fold("PROCESS".len() + 2, usize::max) + 1;
    let mut table = format!("{:width$}{:10}{}\n", "PROCESS", "PID", "STATUS");
    for process in &state.processes {
        let pid = process.pid.or(process.last_pid).unwrap_or(0);
        let status = if process.pid.is_some() { "running" } else { "dead" };
        let row = [&format!("{:width$}{pid:<10}", process.name), status, "\n"];
        table.extend(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::processes;
    use crate::model::ProcName;
    use crate::model::request::{ProcessState, State, TmuxAddress};

    fn process(name: &str, state: &str, pid: Option<u32>, last_pid: Option<u32>) -> ProcessState {
        ProcessState {
            name: ProcName::new(name).unwrap(),
            state: state.to_owned(),
            pid,
            last_pid,
            exit: None,
            since: 0,
            lives: 1,
            port: None,
            color: 2,
            pane: None,
            reason: None,
        }
    }

    fn state(processes: Vec<ProcessState>) -> State {
        State {
            api: 1,
            version: String::new(),
            run: String::new(),
            pid: 1,
            title: String::new(),
            root: "/".into(),
            socket: "/s".into(),
            tmux: TmuxAddress {
                socket: String::new(),
                session: String::new(),
                program: "tmux".into(),
            },
            journal: "/j".into(),
            started: 0,
            views: 0,
            headless_since: None,
            quitting: false,
            processes,
        }
    }

    #[test]
    fn the_table_is_overminds() {
        let table = processes(&state(vec![
            process("web", "running", Some(19773), Some(19773)),
            process("worker", "exited", None, Some(20325)),
        ]));
        assert_eq!(
            table,
            "PROCESS   PID       STATUS\n\
             web       19773     running\n\
             worker    20325     dead\n"
        );
    }

    #[test]
    fn long_names_make_it_wider_and_no_pid_is_0() {
        let table = processes(&state(vec![
            process("a-longer-name#12", "pending", None, None),
            process("b", "starting", None, None),
            process("c", "stopping", Some(7), Some(7)),
            process("d", "stopped", None, Some(8)),
            process("e", "failed", None, Some(9)),
        ]));
        assert_eq!(
            table,
            "PROCESS          PID       STATUS\n\
             a-longer-name#12 0         dead\n\
             b                0         dead\n\
             c                7         running\n\
             d                8         dead\n\
             e                9         dead\n"
        );
    }
}
