//! How long a line takes from its process to whoever reads the log.

use memchr::memmem;

use crate::programs::{DONE, TIME, command, now};
use crate::reader::PATIENCE;
use crate::shared::World;
use crate::table::{Column, quantile};
use crate::tool::{To, Tool};

const LINES: usize = 400;
/// Between two lines, in microseconds: long enough for everything to fall asleep.
const PAUSE: usize = 2000;

pub(super) fn measure(tool: &Tool, column: &mut Column<'_>) {
    let world = World::new();
    let mut running = tool.start(&world, &[command(&format!("clock {LINES} {PAUSE}"))], To::Pipe);
    let reader = running.reader();
    let (mut times, mut place) = (vec![], 0);
    while memmem::find(&reader.text[place..], DONE).is_none() {
        if reader.take(PATIENCE).is_none() {
            break;
        }
        let arrived = now();
        while let Some(end) = memchr::memchr(b'\n', &reader.text[place..]) {
            let line = &reader.text[place..place + end];
            place += end + 1;
            times.extend(sent(line).map(|sent| arrived.saturating_sub(sent)));
        }
        if times.len() == LINES {
            break;
        }
    }
    running.finish();
    let mut times: Vec<f64> = times
        .into_iter()
        .map(|ns| f64::from(u32::try_from(ns).unwrap_or(u32::MAX)) / 1e6)
        .collect();
    let mut value = |percent| quantile(&mut times, percent).unwrap_or(f64::INFINITY);
    column.value("line latency, p50 [ms]", "≤ ×1.3", value(50));
    column.value("line latency, p99 [ms]", "< 5", value(99));
}

/// When this line was written.
fn sent(line: &[u8]) -> Option<u128> {
    let rest = &line[memmem::find(line, TIME)? + TIME.len()..];
    std::str::from_utf8(rest.split(|&b| b == b'=').next()?).ok()?.parse().ok()
}
