//! The parts of a run by process: its shim, its sink, its tree.

use super::World;
use super::procs::{self, Proc};
use super::wait::{NEVER_FLAKY, eventually};

impl World {
    /// Everything alive that was started as a part of this process.
    pub(crate) fn tree(&self, process: &str) -> Vec<Proc> {
        let mark = format!("TMO_PROCESS={process}");
        let is_in = |p: &Proc| procs::environment(p.pid).contains(&mark);
        self.living().into_iter().filter(is_in).collect()
    }

    /// The living process of this hidden verb that serves the pane of this process.
    pub(crate) fn pane_part(&self, verb: &str, process: &str) -> Option<u32> {
        let spec = format!("/{process}.spec");
        let is_it = |p: &Proc| {
            p.args.get(1).is_some_and(|a| a == verb)
                && p.args.get(2).is_some_and(|a| a.ends_with(&spec))
        };
        self.living().into_iter().find(is_it).map(|p| p.pid)
    }

    /// The sink of this process.
    pub(crate) fn sink(&self, process: &str) -> u32 {
        self.pane_part("sink", process).expect("a sink")
    }

    /// The shim of this process.
    pub(crate) fn shim(&self, process: &str) -> u32 {
        self.pane_part("shim", process).expect("a shim")
    }

    /// The run's tmux server.
    pub(crate) fn tmux_server(&self) -> u32 {
        let socket = self.state().unwrap()["tmux"]["socket"].as_str().unwrap().to_owned();
        let output = self
            .command("tmux")
            .args(["-L", &socket, "display-message", "-p", "#{pid}"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// The process that has the terminals of the run, if one has them all.
    pub(crate) fn terminal_server(&self) -> Option<u32> {
        (!self.is_native()).then(|| self.tmux_server())
    }

    /// Hang up the terminal of this process, as when its window is closed.
    pub(crate) fn close_terminal(&self, process: &str) {
        if self.is_native() {
            return procs::kill(self.shim(process), 1);
        }
        self.tmux(["kill-window", "-t", process]);
    }

    /// The processes that have a terminal.
    pub(crate) fn terminals(&self) -> Vec<String> {
        if self.is_native() {
            let living = self.living();
            let shims = living.iter().filter(|p| p.args.get(1).is_some_and(|a| a == "shim"));
            let name = |p: &Proc| {
                let spec = std::path::Path::new(p.args.get(2)?).file_stem()?;
                Some(spec.to_str()?.to_owned())
            };
            return shims.filter_map(name).collect();
        }
        let windows = self.tmux(["list-windows", "-F", "#{window_name}"]);
        windows.lines().map(str::to_owned).collect()
    }

    /// A tmux command to the run's server, as a person may type it.
    #[track_caller]
    pub(crate) fn tmux<const N: usize>(&self, args: [&str; N]) -> String {
        let socket = self.state().unwrap()["tmux"]["socket"].as_str().unwrap().to_owned();
        let output = self.command("tmux").args(["-L", &socket]).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Wait until a process runs in the directory of the project, after which that may be moved. It has a
    /// pid before it has entered its directory.
    #[track_caller]
    pub(crate) fn wait_entered(&self, process: &str) -> u32 {
        let pid = self.wait_state(process, "running").unwrap();
        let app = self.app().canonicalize().unwrap();
        eventually(&format!("{process} has entered its directory"), || {
            let dir = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
            (dir == app).then_some(())
        });
        pid
    }

    /// Kill the sink of a process and each one that replaces it, until this many are killed.
    #[track_caller]
    pub(crate) fn kill_sinks_in_a_row(&self, process: &str, count: usize) {
        let mut killed = vec![];
        eventually(&format!("{count} killed sinks"), || {
            let sink = self.pane_part("sink", process).filter(|sink| !killed.contains(sink))?;
            procs::kill(sink, 9);
            killed.push(sink);
            (killed.len() == count).then_some(())
        });
    }

    /// Wait until a process has printed this.
    #[track_caller]
    pub(crate) fn wait_text(&self, process: &str, text: &str) {
        eventually(&format!("{process} prints {text:?}"), || {
            self.run(["logs", process]).stdout.contains(text).then_some(())
        });
    }

    /// The raw bytes of a process's stream, by the files that `tmo logs --path` names.
    #[track_caller]
    pub(crate) fn stream(&self, process: &str) -> Vec<u8> {
        let paths = self.ok(["logs", process, "--path"]);
        paths.lines().flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

/// Whether a log shows the lines 1 to `last` of a process in order, each once, with losses only
/// where it tells of them. Around a loss lines may be torn.
pub(crate) fn in_order(log: &str, process: &str, last: u32) -> bool {
    let mine = |line: &'_ str| -> Option<String> {
        let (name, text) = line.split_once(" | ")?;
        (name.trim_end() == process).then(|| text.to_owned())
    };
    let lines: Vec<String> = log.lines().filter_map(mine).collect();
    let is_gap =
        |line: &String| line.contains("lost here") || line.contains("removed by the limit");
    let gap_at = |at: usize| lines.get(at).is_some_and(is_gap);
    let mut before: Option<u32> = Some(0);
    for (at, line) in lines.iter().enumerate() {
        if gap_at(at) {
            before = None;
        }
        // Behind a loss stands, perhaps, what the supervisor says of it.
        let torn = gap_at(at + 1) || (1..=2).any(|back| at >= back && gap_at(at - back));
        let Some(number) = line.parse::<u32>().ok().filter(|_| !torn) else { continue };
        if before.is_some_and(|before| before + 1 != number) {
            eprintln!("{NEVER_FLAKY} {process}: {number} came after {before:?}");
            return false;
        }
        before = Some(number);
    }
    before == Some(last)
}
