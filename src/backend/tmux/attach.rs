//! A person's way into a pane.
//!
//! Each client gets a grouped session of its own, so two terminals do not steer each other; it
//! goes when its client goes. A plain `attach` would make both show the same window.

use std::ffi::OsString;

use super::command::Command;

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
}

/// The arguments that ask for the window of each pane, for [`window_of`].
pub fn ask_windows(socket: &str) -> [&str; 6] {
    ["-L", socket, "list-panes", "-a", "-F", "#{pane_id} #{window_id}"]
}

/// The window of a pane in the answer to [`ask_windows`].
pub fn window_of<'a>(listed: &'a str, pane: &str) -> Option<&'a str> {
    listed.lines().filter_map(|line| line.split_once(' ')).find(|(id, _)| *id == pane).map(|l| l.1)
}

/// The arguments of the tmux client that shows the pane.
pub fn arguments(target: &Target<'_>) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["-L".into(), target.socket.into()];
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
    let mut attach = Command::new("attach-session");
    if target.read_only {
        attach = attach.arg("-r");
    }
    commands.push(attach.arg("-t").arg(&own));
    // Without the colon tmux takes it for the name of a window, and says nothing with `-q`.
    let destroy = Command::new("set-option").arg("-q").arg("-t").arg(format!("{own}:"));
    commands.push(destroy.arg("destroy-unattached").arg("on"));
    for (index, command) in commands.iter().enumerate() {
        if index > 0 {
            words.push(";".into());
        }
        words.extend(command.words().iter().cloned());
    }
    words
}
