//! A test binary also contains the programs that it runs under tmo: they need no shell, write at full speed
//! and behave the same on every machine.

/// A line of the shell that becomes one of this binary's programs.
pub(crate) fn command(program: &str) -> String {
    format!("exec {}", call(program))
}

/// How this binary is called for one of its programs.
pub(crate) fn call(program: &str) -> String {
    format!("{} @{program}", std::env::current_exe().unwrap().display())
}

/// What this binary was called for: perhaps one of its programs, and the words for it.
pub(crate) fn called() -> (Option<String>, Vec<String>) {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let program = words.first().and_then(|word| word.strip_prefix('@')).map(str::to_owned);
    if program.is_some() {
        words.remove(0);
    }
    (program, words)
}
