//! Attaching a user's terminal to a pane.
//!
//! Each client gets a grouped session of its own, so two terminals do not control each other; the session
//! ends with its client. A plain `attach` would make both show the same window.
//!
//! The terminal has a menu: restart, stop, log, other processes, leave. tmux can only run text through a shell, and expands formats in it first. So the text is short and plain:
//! a small script in the runtime directory, a verb, and the process's name, which has no character that is
//! special to either.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::command::{TmuxCommand, batches};
use super::{config, version};
use crate::model::text::shell::quoted_bytes;

/// How long the keys are shown if the user's own configuration sets the status line, in milliseconds.
const SHOWN_MS: &str = "5000";

/// The pane to attach to, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// Name of the server.
    pub socket: &'a str,
    /// Session of the run.
    pub session: &'a str,
    /// The pane (`%3`).
    pub pane: &'a str,
    /// What the server reports about it.
    pub report: PaneReport<'a>,
    /// Unique name of the client's own session.
    pub client: &'a str,
    /// Keys do not reach the process.
    pub read_only: bool,
    /// The client does not change the size of the pane. A read-only client never does.
    pub keeps_size: bool,
    /// Hide tmux's status line.
    pub no_status: bool,
    /// The client is a program that speaks control mode.
    pub control: bool,
    /// The keys before `d` and `m`, as the terminal has to send them.
    pub prefix: &'a str,
    /// Write UTF-8 regardless of the locale.
    pub utf8: bool,
}

/// What a server reports about a pane and about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneReport<'a> {
    /// The window of the pane (`@3`): a session selects windows, not panes.
    pub window: &'a str,
    /// The prefix key.
    pub prefix: &'a str,
    /// The user's own configuration sets the status line.
    pub own_status: bool,
    /// tmux 3.2 or later: `-N` keeps a client from starting a server if that of the run has just ended;
    /// clients have flags; messages have a duration.
    pub modern: bool,
}

/// The tmux arguments that list the window of each pane, for [`find_pane`].
pub fn ask_windows(socket: &str) -> [&str; 6] {
    let format = "#{pane_id} #{window_id} #{prefix} #{?@tmo_own_status,1,0} tmux #{version}";
    ["-L", socket, "list-panes", "-a", "-F", format]
}

/// What the answer to [`ask_windows`] contains about a pane.
pub fn find_pane<'a>(listed: &'a str, pane: &str) -> Option<PaneReport<'a>> {
    let line = listed.lines().find_map(|line| line.strip_prefix(pane)?.strip_prefix(' '))?;
    let mut fields = line.splitn(4, ' ');
    let (window, prefix) = (fields.next()?, fields.next()?);
    let own_status = fields.next()? == "1";
    let modern = version::parse(fields.next()?).is_none_or(|version| version >= (3, 2));
    Some(PaneReport { window, prefix, own_status, modern })
}

/// The keys that reach a tmux with this prefix from inside another tmux, given the outer tmux's output of
/// `display-message -p '#{prefix}' ; list-keys -T prefix`.
pub fn through(outer: &str, prefix: &str) -> String {
    let mut lines = outer.lines();
    let outer_prefix = lines.next().unwrap_or_default().trim();
    if outer_prefix != prefix {
        return prefix.to_owned();
    }
    let sends: Vec<&str> = lines
        .filter_map(|line| line.trim_end().strip_suffix(" send-prefix"))
        .filter_map(|line| line.split_whitespace().next_back())
        .collect();
    let key = sends.iter().find(|key| **key == prefix).or(sends.first()).unwrap_or(&prefix);
    format!("{outer_prefix} {key}")
}

/// The arguments of the tmux client that shows the pane.
///
/// One command creates the session and attaches to it: if the client is gone by then, or its terminal is
/// unusable, no session is left to clean up.
pub fn arguments(target: &Target<'_>) -> Vec<OsString> {
    let found = &target.report;
    let mut words: Vec<OsString> = if target.control { vec!["-CC".into()] } else { vec![] };
    words.extend(target.utf8.then(|| "-u".into()));
    words.extend(found.modern.then(|| "-N".into()));
    words.extend(["-L".into(), target.socket.into()]);
    // All commands fit into one call.
    words.extend(batches(&[commands(target)]).concat());
    words
}

fn commands(target: &Target<'_>) -> Vec<TmuxCommand> {
    let found = &target.report;
    // Without the colon tmux would take it for a window name.
    let own = format!("={}:", target.client);
    let set = |option: &str, value: &str| {
        TmuxCommand::new("set-option -q -t").arg(&own).arg(option).arg(value)
    };
    let keeps_size = target.read_only || target.keeps_size;
    let mut commands = vec![];
    if keeps_size {
        // tmux 3.3a still uses the size of such a client if there is no other one.
        let keeps = "#{||:#{@tmo_shown},#{==:#{window-size},manual}}";
        let pin = format!("resize-window -t {}", found.window);
        let check = TmuxCommand::new("if-shell -F -t").arg(target.pane);
        commands.push(check.arg(keeps).arg("").arg(pin));
    } else if !found.modern {
        let unpin = TmuxCommand::new("set-option -uwq -t").arg(found.window);
        commands.push(unpin.arg("window-size"));
    }
    let mut open = TmuxCommand::new("new-session -t").arg(format!("={}", target.session));
    if keeps_size && found.modern {
        open = open.arg("-f").arg(if target.read_only {
            "read-only,ignore-size"
        } else {
            "ignore-size"
        });
    }
    commands.push(open.arg("-s").arg(target.client));
    let kind = match (target.read_only, target.keeps_size) {
        (true, _) => "read-only",
        (false, true) => "keeps-size",
        (false, false) => "plain",
    };
    commands.push(set(config::CLIENT, kind));
    if target.no_status {
        commands.push(set("status", "off"));
    }
    let name = TmuxCommand::new("set-option -qF -t").arg(&own);
    commands.push(name.arg(config::CLIENT_NAME).arg("#{client_name}"));
    commands.push(TmuxCommand::new("select-window -t").arg(format!("{own}{}", found.window)));
    commands.push(TmuxCommand::new("select-pane -t").arg(target.pane));
    if target.read_only && !found.modern {
        commands.push(TmuxCommand::new("switch-client -r"));
    }
    if target.no_status {
        return commands;
    }
    let keys = format!("to leave: {0} d (not Ctrl-C), menu: {0} m", target.prefix);
    if found.own_status {
        let show = TmuxCommand::new("display-message");
        let show = if found.modern { show.arg("-d").arg(SHOWN_MS) } else { show };
        commands.push(show.plain_format(keys));
    } else if target.prefix != found.prefix {
        commands.push(set("status-right", &format!(" {keys} ")));
    }
    commands
}

/// The key after the prefix that opens the menu.
const KEY: &str = "m";

/// The script: `menu VERB ARGS…` is `tmo VERB -s SOCKET ARGS…`.
pub fn script(tmo: &Path, socket: &Path) -> Vec<u8> {
    let mut text = b"#!/bin/sh\nverb=$1\nshift\nexec ".to_vec();
    text.extend(quoted_bytes(tmo.as_os_str().as_bytes()));
    text.extend_from_slice(b" \"$verb\" -s ");
    text.extend(quoted_bytes(socket.as_os_str().as_bytes()));
    text.extend_from_slice(b" \"$@\"\n");
    text
}

/// The configuration lines that bind the key; `None` if the script's path would need quoting for tmux.
pub fn binding(script: &Path) -> Option<String> {
    let script = plain(script.as_os_str())?;
    let run = |verb: &str| format!("run-shell -b \"sh {script} {verb} #{{@tmo_name}}\"");
    let log =
        format!("display-popup -w 90% -h 90% -E \"sh {script} logs #{{@tmo_name}} | less -R +G\"");
    let items = [
        ("restart", "r", run("restart")),
        ("stop", "s", run("stop")),
        ("log", "l", log),
        ("other processes", "o", "choose-tree -Zw".to_owned()),
        ("leave", "d", "detach-client".to_owned()),
    ];
    let mut line = format!("bind-key {KEY} display-menu -T ' #{{@tmo_name}} ' -x P -y P");
    for (label, key, command) in items {
        // Writing to a string does not fail.
        let _ = write!(line, " '{label}' {key} '{command}'");
    }
    line.push('\n');
    Some(line)
}

/// The path as a string, if it has no character that is special to tmux or a shell.
pub(super) fn plain(path: &OsStr) -> Option<&str> {
    let text = path.to_str()?;
    text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c)).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{binding, find_pane, script, through};

    #[test]
    fn the_answer_names_window_keys_and_version() {
        let listed = "%1 @1 C-b 0 tmux 3.1c\n%10 @4 C-a 1 tmux 3.3a\n%2 @3 C-b 0 tmux next-3.2\n\
                  %3 @5 None 0 tmux master\n";
        let found = |pane| find_pane(listed, pane);
        assert_eq!(found("%1").map(|f| (f.window, f.modern)), Some(("@1", false)));
        let ten = found("%10").unwrap();
        assert_eq!((ten.window, ten.prefix, ten.own_status, ten.modern), ("@4", "C-a", true, true));
        assert_eq!(found("%2").map(|f| (f.prefix, f.own_status)), Some(("C-b", false)));
        assert!(found("%3").unwrap().modern, "newer than any number");
        assert_eq!(found("%4"), None);
    }

    #[test]
    fn the_keys_inside_another_tmux_are_those_that_it_passes_on() {
        let keys = "bind-key    -T prefix C-b     send-prefix\n\
                bind-key    -T prefix C-o     rotate-window\n";
        assert_eq!(through(&format!("C-b\n{keys}"), "C-b"), "C-b C-b");
        assert_eq!(through(&format!("C-a\n{keys}"), "C-b"), "C-b", "the outer one leaves it alone");
        // The prefix was changed, but no key is bound to send it: the old key still does.
        assert_eq!(through(&format!("C-a\n{keys}"), "C-a"), "C-a C-b");
        let own = "bind-key -T prefix a send-prefix\nbind-key -T prefix b send-prefix -2\n";
        assert_eq!(through(&format!("C-a\n{own}"), "C-a"), "C-a a");
        assert_eq!(through("C-b\n", "C-b"), "C-b C-b");
    }

    #[test]
    fn the_script_quotes_what_it_runs() {
        let text = script(Path::new("/it's/tmo"), Path::new("/a b/.overmind.sock"));
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains(r#"exec '/it'\''s/tmo' "$verb" -s '/a b/.overmind.sock' "$@""#),
            "{text}"
        );
    }

    #[test]
    fn a_path_that_needs_quotes_gets_no_menu() {
        assert!(binding(Path::new("/run/user/1000/tmo/abc/menu")).is_some());
        assert_eq!(binding(Path::new("/run/a b/menu")), None);
        assert_eq!(binding(Path::new("/run/#{x}/menu")), None);
    }
}
