//! Where it was measured.

/// How many runs there were, on what machine, and how busy it was.
pub(crate) fn conditions(runs: u32) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "Medians of {runs} interleaved runs on {cores} cores, Linux {kernel}; load before it {load}."
    )
}
