//! Helper: numbered lines that show losses, duplicates and order.

use crate::harness::NEVER_FLAKY;

/// A process that prints `line 1`, `line 2`, … for ever.
pub(crate) const COUNT: &str = "i=0; while :; do i=$((i+1)); echo \"line $i\"; sleep 0.01; done";

/// The numbers behind `line ` in the lines of this process.
pub(crate) fn numbers(log: &str, process: &str) -> Vec<u64> {
    let of_process = |line: &&str| line.split_once(" | ").is_some_and(|(n, _)| n.trim() == process);
    let lines = log.lines().filter(of_process);
    lines.filter_map(|line| line.split_once("line ")?.1.trim().parse().ok()).collect()
}

/// Each number follows the one before it, from 1 on.
#[track_caller]
pub(crate) fn complete(numbers: &[u64]) {
    for (&number, expected) in numbers.iter().zip(1..) {
        assert_eq!(number, expected, "{NEVER_FLAKY} around {:?}", around(numbers, number));
    }
}

fn around(numbers: &[u64], number: u64) -> Vec<u64> {
    let at = numbers.iter().position(|&n| n == number).unwrap_or(0);
    numbers[at.saturating_sub(3)..numbers.len().min(at + 3)].to_vec()
}

/// The numbers that web printed, one a line from 1 to `last`, none missing but where it is told. A
/// line next to such a place may be torn.
#[track_caller]
pub(crate) fn complete_but_for_gaps(log: &str, last: u64) {
    let web: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix("web    | ")).collect();
    let gap = |text: &&str| text.contains("lost here") || text.starts_with("... output may be");
    let lost = |at: usize| web.get(at).is_some_and(gap);
    // Other words of tmo stand between lines, and hide no gap.
    let reported: Vec<usize> =
        (0..web.len()).filter(|&at| lost(at) || web[at].parse::<u64>().is_ok()).collect();
    let mut next = Some(1);
    for (i, &at) in reported.iter().enumerate() {
        let beside = |j: Option<usize>| j.and_then(|j| reported.get(j)).is_some_and(|&at| lost(at));
        if lost(at) || beside(i.checked_sub(1)) || beside(Some(i + 1)) {
            next = None;
            continue;
        }
        let number: u64 = web[at].parse().unwrap();
        assert_eq!(next.unwrap_or(number), number, "{NEVER_FLAKY} line {at} of {}", web.len());
        next = Some(number + 1);
    }
    assert!(next.is_none_or(|next| next == last + 1), "{NEVER_FLAKY} ended before {next:?}");
}
