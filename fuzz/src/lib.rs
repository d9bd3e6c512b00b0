//! What the fuzzers run: `fuzz_targets/` are only their names.

mod targets;

/// Check one input of a target.
pub fn run(target: &str, data: &[u8]) {
    let found = targets::TARGETS.iter().find(|(name, _)| *name == target);
    found.unwrap_or_else(|| panic!("no target is called {target}")).1(data);
}
