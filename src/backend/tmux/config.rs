//! The configuration of the project's tmux server.

use std::fmt::Write as _;
use std::path::Path;

/// The options tmo sets, as shipped in `shell/tmux.conf`.
pub const OPTIONS: &str = include_str!("../../../shell/tmux.conf");

/// The whole configuration file for panes of this size.
pub fn generate(columns: u16, rows: u16) -> String {
    let mut text = OPTIONS.to_owned();
    let terminal = terminal_name(has_terminfo);
    // Writing to a string does not fail.
    let _ = writeln!(text, "set -gq default-terminal {terminal}");
    let _ = writeln!(text, "set -gq default-size {columns}x{rows}");
    text
}

/// `tmux-256color` where the system describes it, else `screen-256color`, else `screen`.
fn terminal_name(known: impl Fn(&str) -> bool) -> &'static str {
    ["tmux-256color", "screen-256color"].into_iter().find(|name| known(name)).unwrap_or("screen")
}

fn has_terminfo(name: &str) -> bool {
    let Some(first) = name.chars().next() else { return false };
    let code = format!("{:x}", u32::from(first));
    ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo"]
        .iter()
        .map(Path::new)
        .any(|base| {
            base.join(first.to_string()).join(name).exists() || base.join(&code).join(name).exists()
        })
}

#[cfg(test)]
mod tests {
    use super::{OPTIONS, generate, terminal_name};

    #[test]
    fn no_option_can_abort_the_others() {
        for line in OPTIONS.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            assert!(line.starts_with("set -gq "), "{line}");
        }
        assert!(!OPTIONS.contains("window-size manual\n"), "crashes tmux 3.3a when global");
        assert!(generate(100, 30).contains("set -gq default-size 100x30\n"));
    }

    #[test]
    fn the_terminal_is_one_the_system_knows() {
        assert_eq!(terminal_name(|_| true), "tmux-256color");
        assert_eq!(terminal_name(|name| name.starts_with("screen")), "screen-256color");
        assert_eq!(terminal_name(|_| false), "screen");
    }
}
