//! Counts in words.

/// `1 process`, `2 processes`, optionally with an adjective: `1 living process`.
pub fn processes(count: usize, kind: &str) -> String {
    let blank = if kind.is_empty() { "" } else { " " };
    format!("{count} {kind}{blank}process{}", if count == 1 { "" } else { "es" })
}

/// How often something happened in succession: `once`, `2 times in a row`.
pub fn in_a_row(times: u32) -> String {
    if times == 1 { "once".into() } else { format!("{times} times in a row") }
}

#[cfg(test)]
mod tests {
    use super::{in_a_row, processes};

    #[test]
    fn what_happened_once_was_not_in_a_row() {
        assert_eq!([in_a_row(1), in_a_row(2)], ["once", "2 times in a row"]);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(processes(0, ""), "0 processes");
        assert_eq!(processes(1, ""), "1 process");
        assert_eq!(processes(1, "living"), "1 living process");
        assert_eq!(processes(2, "living"), "2 living processes");
    }
}
