//! Numbered lines: what was lost, doubled or came out of order.

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
        assert_eq!(number, expected, "around {:?}", around(numbers, number));
    }
}

fn around(numbers: &[u64], number: u64) -> Vec<u64> {
    let at = numbers.iter().position(|&n| n == number).unwrap_or(0);
    numbers[at.saturating_sub(3)..numbers.len().min(at + 3)].to_vec()
}
