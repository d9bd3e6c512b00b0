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
    /// The client is a program that speaks control mode.
    pub control: bool,
}

/// The arguments that ask for the window of each pane, for [`window_of`].
pub fn ask_windows(socket: &str) -> [&str; 6] {
    ["-L", socket, "list-panes", "-a", "-F", "#{pane_id} #{window_id}"]
}

/// The window of a pane in the answer to [`ask_windows`].
pub fn window_of<'a>(listed: &'a str, pane: &str) -> Option<&'a str> {
    listed.lines().filter_map(|line| line.split_once(' ')).find(|(id, _)| *id == pane).map(|l| l.1)
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
