//! Where it was measured, and how.

use crate::tool::Tool;

/// What is to be said before the figures.
pub(crate) fn describe(runs: u32, tools: &[Tool], missing: &[&str]) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let tools = tools.iter().map(Tool::describe).collect::<Vec<_>>().join("\n");
    let missing = match missing {
        [] => String::new(),
        names => format!("\nNot there: {}.\n", names.join(", ")),
    };
    format!(
        "Medians of {runs} interleaved runs on {cores} cores, Linux {kernel}; load before it {load}.\n\n\
         {tools}\n{missing}",
    )
}
