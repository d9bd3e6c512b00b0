//! The splitter once more, with lines that are longer than a record may be.

/// As for other lines.
pub(crate) fn check(data: &[u8]) {
    super::split::check_with(data, true);
}
