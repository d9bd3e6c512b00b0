//! Numbers of things, in words.

/// `1 process`, `2 processes`, also of a kind: `1 living process`.
pub fn processes(count: usize, kind: &str) -> String {
    let blank = if kind.is_empty() { "" } else { " " };
    format!("{count} {kind}{blank}process{}", if count == 1 { "" } else { "es" })
}

#[cfg(test)]
mod tests {
    use super::processes;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(processes(0, ""), "0 processes");
        assert_eq!(processes(1, ""), "1 process");
        assert_eq!(processes(1, "living"), "1 living process");
        assert_eq!(processes(2, "living"), "2 living processes");
    }
}
