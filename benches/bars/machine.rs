//! Where it was measured.

use std::process::Command;

/// A paragraph about the machine.
pub(crate) fn describe(runs: u32) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let tmux = Command::new("tmux").arg("-V").output().map(|said| said.stdout).unwrap_or_default();
    let tmux = String::from_utf8_lossy(&tmux).trim().to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "Medians of {runs} interleaved runs on {cores} cores, Linux {kernel}, {tmux}, tmo {}; load \
         before it {load}.\nThe floor is bare tmux with `pipe-pane 'exec cat >> file'`; it is \
         stopped by `kill-server`, its restart is `respawn-pane -k`, its `ps` is `list-panes`.\n",
        env!("CARGO_PKG_VERSION"),
    )
}
