//! Over which terminals a test runs: `TMO_TEST_BACKEND=native` runs it over tmo's own, without tmux.

/// The tests that always run over tmux, by the beginning of their names, and why.
const ONLY_TMUX: &[(&str, &str)] = &[("tmux::", "they are about tmux itself")];

/// The backend of this test, if it is chosen.
pub(super) fn chosen() -> Option<String> {
    let backend = std::env::var("TMO_TEST_BACKEND").ok()?;
    let test = std::thread::current();
    let test = test.name().unwrap_or_default();
    let needs_tmux = ONLY_TMUX.iter().any(|(name, _)| test.starts_with(name));
    Some(if needs_tmux { "tmux".to_owned() } else { backend })
}
