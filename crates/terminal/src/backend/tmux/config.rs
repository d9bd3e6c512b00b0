//! The configuration of the project's tmux server, and the variables of env files in it.
//!
//! The server, its clients and the panes of the run are started with the caller's own environment. The
//! variables that env files add are for windows that a user opens: they are in tmux's global environment,
//! which each new window inherits. Before tmo opens a pane of its own it removes them, so that the shim
//! starts without them, and sets them again afterwards.
//!
//! tmux reads both lists from files in the runtime directory: values may be secrets, and every user of the
//! machine can read the arguments of a process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::command::TmuxCommand;
use crate::backend::{OF_PANES, env_of_terminals};
use crate::model::plan::Plan;
use crate::model::text::OsText;

/// The options that tmo sets, as shipped in `tmux.conf`.
pub const OPTIONS: &str = include_str!("tmux.conf");

/// Options that the user's own configuration may override, as shipped in `status.conf`.
const STATUS: &str = include_str!("status.conf");

/// The session option that marks the session of a `connect` client: `plain`, or `read-only` or `keeps-size` if it does
/// not change the size of the window.
pub const CLIENT: &str = "@tmo_client";

/// The session option with the name of its client, which is that of its terminal.
pub const CLIENT_NAME: &str = "@tmo_client_name";

/// The events after which tmux runs checks, each with the first of [`CHECKS`] to run.
const EVENTS: [(&str, &str); 4] = [
    ("client-detached", "@tmo_sessions"),
    ("client-session-changed", "@tmo_windows"),
    ("session-window-changed", "@tmo_windows"),
    ("client-resized", "@tmo_windows"),
];

/// The checks: three formats whose expansions tmux runs as commands, each of which starts the next.
///
/// 1. End the session of the `connect` client that has just gone. It is found by the client's name:
///    tmux 3.3a forgets the session of a client that is killed while it detaches, so a hook of that
///    session would not run. No other session is ended: if its client is still detaching, that
///    sometimes crashes tmux 3.3a.
/// 2. Mark each window as shown in a plain client, or watched by one that does not change its size.
/// 3. A window that no plain client shows is fixed at the size of the run. One that plain clients
///    show follows them. If another client watches it too, it is fixed at the size of the plain ones:
///    tmux 3.3a would otherwise resize it to the watching client when no other is left.
///
///    When no client of any kind shows it any more, output that was held with Ctrl-S goes on. A failure
///    is not reported: tmux would show it in the pane.
///
/// All run with `-b`: in tmux 3.3a a waiting hook whose client ends blocks all hooks forever.
const CHECKS: [(&str, &str); 3] = [
    (
        "@tmo_sessions",
        // An empty name would match the session of the run.
        "#{S:#{?#{&&:#{@tmo_client_name},\
         #{==:#{session_attached} #{@tmo_client_name},0 #{hook_client}}},\
         kill-session -t '#{session_id}' ; ,}}\
         run-shell -b TARGET -C '##{E:@tmo_windows}'",
    ),
    (
        "@tmo_windows",
        "#{W:#{?@tmo_shown,set -uwq -t #{window_id} @tmo_shown ; ,}\
         #{?@tmo_watched,set -uwq -t #{window_id} @tmo_watched ; ,}}\
         #{S:#{?session_attached,set -wq -t #{window_id} \
         #{?#{||:#{==:#{@tmo_client},read-only},#{==:#{@tmo_client},keeps-size}},\
         @tmo_watched,@tmo_shown} 1 ; ,}}\
         run-shell -b TARGET -C '##{E:@tmo_sizes}'",
    ),
    (
        "@tmo_sizes",
        "#{W:#{?#{||:#{@tmo_shown},#{@tmo_watched}},\
         set -wq -t #{window_id} @tmo_visited 1 ; ,\
         #{?@tmo_visited,set -uwq -t #{window_id} @tmo_visited ; \
         #{?@tmo_program,run-shell -b \
         '#{@tmo_program} release-terminal #{pane_tty} 2>/dev/null || :' ; ,},}}\
         #{?@tmo_shown,\
         #{?@tmo_watched,resize-window -A -t #{window_id} ; ,\
         #{?#{==:#{window-size},manual},set -uwq -t #{window_id} window-size ; ,}},\
         #{?#{==:#{window-size} #{window_width}x#{window_height},manual #{default-size}},,\
         resize-window -t #{window_id} -x #{s/x.*//:default-size} -y #{s/.*x//:default-size} ; }}}",
    ),
];

/// The complete configuration file for panes of this size and a session of this name.
pub fn generate(tmo: &Path, session: &str, columns: u16, rows: u16) -> String {
    let mut text = OPTIONS.to_owned();
    if let Some(tmo) = super::attach::plain(tmo.as_os_str()) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "set -gq @tmo_program {tmo}");
    }
    let terminal = terminal_name(has_terminfo);
    // Writing to a string does not fail.
    let _ = writeln!(text, "set -gq default-terminal {terminal}");
    let _ = writeln!(text, "set -gq default-size {columns}x{rows}");
    // The file is sourced again after the user's own.
    let _ = writeln!(text, "%if \"#{{?@tmo_status_set,0,1}}\"\n{STATUS}%endif");
    text.push_str("set -gq @tmo_status_set 1\n");
    text.push_str("%if \"#{?#{||:#{m:3.[01],#{version}},#{m:3.[01][a-z],#{version}}},0,1}\"\n");
    for (option, check) in CHECKS {
        let _ = writeln!(text, "set -gq {option} \"{}\"", at(check, session));
    }
    for (event, check) in EVENTS {
        let run = at(&format!("run-shell -b TARGET -C '#{{E:{check}}}'"), session);
        let _ = writeln!(text, "set-hook -g {event} \"{run}\"");
    }
    text.push_str("%endif\n");
    text
}

/// The command that makes tmux (3.2 or later) check sizes now.
pub fn check(session: &str) -> super::command::TmuxCommand {
    let command = super::command::TmuxCommand::new("run-shell -b -t").arg(format!("={session}:"));
    command.arg("-C").arg("#{E:@tmo_windows}")
}

/// A check in this session, which contains all windows of the run.
fn at(check: &str, session: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+".contains(c);
    // Without a target tmux picks another session of the run, which has the same windows.
    let target =
        if session.chars().all(plain) { format!("-t '={session}:'") } else { String::new() };
    check.replace("TARGET", &target)
}

/// `tmux-256color` if terminfo has it, else `screen-256color`, else `screen`.
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

/// The two environments of a tmux server.
#[derive(Debug, Clone)]
pub(super) struct Environ {
    /// The environment of the server and its clients.
    pub(super) own: Vec<(OsText, OsText)>,
    /// The additional variables of windows that a user opens, each with the server's own value of it.
    windows: Vec<(OsText, OsText, Option<OsText>)>,
    set: PathBuf,
    reset: PathBuf,
}

impl Environ {
    /// The environments of this plan; the files go into the runtime directory.
    pub(super) fn new(plan: &Plan, runtime: &Path) -> Self {
        let own = env_of_terminals(plan);
        let all: BTreeMap<_, _> =
            plan.env_to_pass_on().map(|(name, value)| (name, value)).collect();
        let windows = all.into_iter().filter(|(name, value)| {
            !OF_PANES.contains(&name.as_bytes()) && own.get(name) != Some(value)
        });
        let windows = windows.map(|(name, value)| {
            (name.clone(), value.clone(), own.get(name).map(|&value| value.clone()))
        });
        Self {
            windows: windows.collect(),
            own: own.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            set: runtime.join("env.conf"),
            reset: runtime.join("env-reset.conf"),
        }
    }

    /// The value of a variable of the server.
    pub(super) fn get(&self, name: &str) -> Option<&Path> {
        let found = self.own.iter().find(|(other, _)| other.as_bytes() == name.as_bytes());
        found.map(|(_, value)| value.as_path())
    }

    /// Both files, with their contents.
    pub(super) fn files(&self) -> Vec<(&Path, String)> {
        let (mut set, mut reset) = (String::new(), String::new());
        for (name, value, own) in &self.windows {
            let name = quoted(name.as_bytes());
            let value = quoted(value.as_bytes());
            // Writing to a string does not fail.
            let _ = writeln!(set, "set-environment -g {name} {value}");
            let _ = match own {
                Some(own) => {
                    writeln!(reset, "set-environment -g {name} {}", quoted(own.as_bytes()))
                }
                None => writeln!(reset, "set-environment -gu {name}"),
            };
        }
        if self.windows.is_empty() {
            return vec![];
        }
        vec![(&self.set, set), (&self.reset, reset)]
    }

    /// Commands to run before tmo opens panes of its own.
    pub(super) fn before(&self) -> Vec<TmuxCommand> {
        self.source(&self.reset)
    }

    /// Commands to run afterwards.
    pub(super) fn after(&self) -> Vec<TmuxCommand> {
        self.source(&self.set)
    }

    fn source(&self, file: &Path) -> Vec<TmuxCommand> {
        let source = TmuxCommand::new("source-file -q").arg(file);
        if self.windows.is_empty() { vec![] } else { vec![source] }
    }
}

/// Quote a word for a tmux configuration, whatever bytes it contains.
fn quoted(bytes: &[u8]) -> String {
    let mut word = String::from("\"");
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"_-./:,=+@ ".contains(&byte) {
            word.push(char::from(byte));
        } else {
            // Always three digits; writing to a string does not fail.
            let _ = write!(word, "\\{byte:03o}");
        }
    }
    word.push('"');
    word
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{CHECKS, OPTIONS, STATUS, at, generate, quoted, terminal_name};

    #[test]
    fn no_option_can_abort_the_others() {
        let lines = OPTIONS.lines().chain(STATUS.lines());
        for line in lines.filter(|l| !l.starts_with('#') && !l.is_empty()) {
            assert!(line.starts_with("set -gq "), "{line}");
        }
        assert!(!OPTIONS.contains("window-size manual\n"), "crashes tmux 3.3a when global");
        assert!(
            generate(Path::new("/bin/tmo"), "app", 100, 30)
                .contains("set -gq default-size 100x30\n")
        );
    }

    #[test]
    fn no_check_has_a_brace_or_a_quote_too_many() {
        // tmux would run the rest as a command, or exit.
        for (option, check) in CHECKS {
            let mut depth = 0;
            for (at, brace) in check.match_indices(['{', '}']) {
                depth += if brace == "{" { 1 } else { -1 };
                assert!(depth >= 0, "{option}: {}", &check[at..]);
            }
            assert_eq!(depth, 0, "{option}");
            assert_eq!(check.matches('{').count(), check.matches("#{").count(), "{option}");
            assert_eq!(check.matches('\'').count() % 2, 0, "{option}");
            assert!(!check.contains('"'), "{option}");
        }
    }

    #[test]
    fn a_program_that_would_need_quotes_is_left_out() {
        let set =
            |tmo: &str| generate(Path::new(tmo), "app", 100, 30).contains("set -gq @tmo_program");
        assert!(set("/opt/tmo-0.3/bin/tmo"));
        for tmo in ["/a b/tmo", "/it's/tmo", "/#{x}/tmo", "/$(x)/tmo", "/a,b}/tmo", "/a;b/tmo"] {
            assert!(!set(tmo), "{tmo}");
        }
    }

    #[test]
    fn a_session_name_that_would_need_quotes_is_left_out() {
        assert_eq!(at("x TARGET -C", "my-app"), "x -t '=my-app:' -C");
        assert_eq!(at("x TARGET -C", "it's"), "x  -C");
        assert_eq!(at("x TARGET -C", "a#{b}"), "x  -C");
    }

    #[test]
    fn the_terminal_is_one_the_system_knows() {
        assert_eq!(terminal_name(|_| true), "tmux-256color");
        assert_eq!(terminal_name(|name| name.starts_with("screen")), "screen-256color");
        assert_eq!(terminal_name(|_| false), "screen");
    }

    #[test]
    fn any_bytes_are_one_word() {
        assert_eq!(quoted(b"a b=c"), r#""a b=c""#);
        assert_eq!(
            quoted(b"$x\n'\"\\;#{y}\xff"),
            r#""\044x\012\047\042\134\073\043\173y\175\377""#
        );
        assert_eq!(quoted(b""), r#""""#);
    }
}
