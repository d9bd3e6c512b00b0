//! A person's way into a pane.
//!
//! Each client gets a grouped session of its own, so two terminals do not steer each other; it
//! goes when its client goes. A plain `attach` would make both show the same window.

use std::ffi::OsString;

use super::command::Command;
use super::version;

/// Where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// Name of the server.
    pub socket: &'a str,
    /// Session of the run.
    pub session: &'a str,
    /// The pane (`%3`).
    pub pane: &'a str,
    /// Its window (`@3`): a session is told which window to show, and knows panes not at all.
    pub window: &'a str,
    /// Unique name of the client's own session.
    pub client: &'a str,
    /// Keys do not reach the process.
    pub read_only: bool,
    /// The client is a program that speaks control mode.
    pub control: bool,
    /// What [`window_of`] has found.
    pub never_start: bool,
}

/// The arguments that ask for the window of each pane, for [`window_of`].
pub fn ask_windows(socket: &str) -> [&str; 6] {
    ["-L", socket, "list-panes", "-a", "-F", "#{pane_id} #{window_id} tmux #{version}"]
}

/// The window of a pane in the answer to [`ask_windows`], and whether this tmux knows how not to
/// start a server (`-N`, since 3.2): one that has just ended must not be replaced by an empty one.
pub fn window_of<'a>(listed: &'a str, pane: &str) -> Option<(&'a str, bool)> {
    let line = listed.lines().find_map(|line| line.strip_prefix(pane)?.strip_prefix(' '))?;
    let (window, version) = line.split_once(' ')?;
    Some((window, version::parse(version).is_none_or(|version| version >= (3, 2))))
}

/// The client's own session goes once its client has gone, however that went. `destroy-unattached`
/// would take it away while the client is still leaving, which at times crashes tmux 3.3a.
fn end_with_client(client: &str) -> Command {
    // Without the colon tmux takes it for the name of a window.
    let own = format!("={client}:");
    let end = format!("if-shell -F -t {own} '#{{session_attached}}' '' 'kill-session -t {own}'");
    Command::new("set-hook").arg("-t").arg(own).arg("client-detached").arg(end)
}

/// The arguments of the tmux client that shows the pane.
pub fn arguments(target: &Target<'_>) -> Vec<OsString> {
    let mut words: Vec<OsString> = if target.control { vec!["-CC".into()] } else { vec![] };
    words.extend(target.never_start.then(|| "-N".into()));
    words.extend(["-L".into(), target.socket.into()]);
    let own = format!("={}", target.client);
    let mut commands = vec![
        Command::new("new-session")
            .arg("-d")
            .arg("-t")
            .arg(format!("={}", target.session))
            .arg("-s")
            .arg(target.client),
        Command::new("select-window").arg("-t").arg(format!("{own}:{}", target.window)),
        Command::new("select-pane").arg("-t").arg(target.pane),
    ];
    commands.push(end_with_client(target.client));
    let mut attach = Command::new("attach-session");
    if target.read_only {
        attach = attach.arg("-r");
    }
    commands.push(attach.arg("-t").arg(&own));
    for (index, command) in commands.iter().enumerate() {
        if index > 0 {
            words.push(";".into());
        }
        words.extend(command.words().iter().cloned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::window_of;

    #[test]
    fn the_answer_names_window_and_version() {
        let listed = "%1 @1 tmux 3.1c\n%10 @4 tmux 3.3a\n%2 @3 tmux next-3.2\n%3 @5 tmux master\n";
        assert_eq!(window_of(listed, "%1"), Some(("@1", false)));
        assert_eq!(window_of(listed, "%10"), Some(("@4", true)));
        assert_eq!(window_of(listed, "%2"), Some(("@3", true)));
        assert_eq!(window_of(listed, "%3"), Some(("@5", true)), "newer than any number");
        assert_eq!(window_of(listed, "%4"), None);
    }
}
