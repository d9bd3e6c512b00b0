//! A real terminal for tests: a tmux server of the world's own, with keys and screen.

use std::process::Command;

use super::World;
use super::procs;
use super::wait::{eventually, eventually_or};

/// A terminal with a shell in it.
pub(crate) struct Terminal<'a> {
    world: &'a World,
    name: String,
}

impl<'a> Terminal<'a> {
    /// Open one of this size.
    pub(crate) fn open(world: &'a World, name: &str, columns: u16, rows: u16) -> Self {
        let terminal = Self { world, name: name.to_owned() };
        // Not every shell takes its prompt from the environment.
        let profile = world.path().join("profile");
        std::fs::write(&profile, "PS1='ready> '\n").unwrap();
        terminal.tmux(["-f", "/dev/null", "new-session", "-d", "-x", &columns.to_string()], |c| {
            c.args(["-y", &rows.to_string(), "-s", "t", "sh"]).env("ENV", &profile);
        });
        terminal.wait("ready>");
        terminal
    }

    fn tmux<const N: usize>(&self, args: [&str; N], more: impl FnOnce(&mut Command)) -> String {
        let mut command = self.world.command("tmux");
        command.args(["-L", &format!("test-{}", self.name)]).args(args);
        more(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Press keys, by tmux's names.
    pub(crate) fn keys<const N: usize>(&self, keys: [&str; N]) {
        self.tmux(["send-keys", "-t", "t"], |c| {
            c.args(keys);
        });
    }

    /// Type text.
    pub(crate) fn typed(&self, text: &str) {
        self.tmux(["send-keys", "-t", "t", "-l", "--"], |c| {
            c.arg(text);
        });
    }

    /// Type text and press Enter.
    pub(crate) fn line(&self, text: &str) {
        self.typed_and(text, ["Enter"]);
    }

    /// Type text and press keys at once, as one call of tmux.
    pub(crate) fn typed_and<const N: usize>(&self, text: &str, keys: [&str; N]) {
        // A semicolon at the end of an argument separates two commands of tmux.
        let text = match text.strip_suffix(';') {
            Some(rest) => format!("{rest}\\;"),
            None => text.to_owned(),
        };
        self.tmux(["send-keys", "-t", "t", "-l", "--"], |c| {
            c.args([&*text, ";", "send-keys", "-t", "t"]).args(keys);
        });
    }

    /// Type tmo with these arguments.
    pub(crate) fn tmo(&self, args: &str) {
        self.line(&format!("{} {args}", env!("CARGO_BIN_EXE_tmo")));
    }

    /// Paste text as a terminal does, between brackets if a program has asked for them.
    pub(crate) fn paste(&self, text: &str) {
        self.tmux(["set-buffer"], |c| {
            c.arg(text);
        });
        self.tmux(["paste-buffer", "-p", "-t", "t"], |_| {});
    }

    /// What tmux knows about the terminal, in its format language.
    pub(crate) fn ask(&self, format: &str) -> String {
        self.tmux(["display-message", "-p", "-t", "t", format], |_| {}).trim_end().to_owned()
    }

    /// Wait until `tmo connect` shows a process, and tells how to leave it with these keys.
    #[track_caller]
    pub(crate) fn wait_connected(&self, keys: &str) {
        let words = format!("to leave: {keys}");
        if self.world.is_native() {
            let title = || self.ask("#{pane_title}");
            let tells = || {
                // This terminal is a tmux, which has the same prefix, unless the client does not know of it.
                let keys = ["C-b C-b d leaves", "to leave: C-b d"];
                keys.iter().any(|keys| title().contains(keys)).then_some(())
            };
            let shown = || format!("the title is {}, the screen {}", title(), self.screen());
            return eventually_or("the title tells how to leave", tells, shown);
        }
        self.wait(&words);
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.tmux(["capture-pane", "-p", "-t", "t"], |_| {})
    }

    /// What is on the screen with its colours.
    pub(crate) fn colours(&self) -> String {
        self.tmux(["capture-pane", "-p", "-e", "-t", "t"], |_| {})
    }

    /// The screen with all that has scrolled off.
    pub(crate) fn history(&self) -> String {
        self.tmux(["capture-pane", "-p", "-J", "-t", "t", "-S", "-", "-E", "-"], |_| {})
    }

    /// Wait until the screen holds this.
    #[track_caller]
    pub(crate) fn wait(&self, text: &str) {
        self.wait_for(&format!("the screen shows {text:?}"), |screen| screen.contains(text));
    }

    /// Wait until the screen is as it should be.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || {
                last = self.screen();
                holds(&last).then_some(())
            });
        }));
        assert!(found.is_ok(), "never: {what}, but\n{last}");
    }

    /// Clear the screen of a shell. Until that is done, what is waited for next could be an earlier text.
    #[track_caller]
    pub(crate) fn clear(&self) {
        self.line("clear");
        self.wait_for("the screen is cleared", |screen| {
            let lines = screen.lines().filter(|line| !line.trim().is_empty()).count();
            lines <= 1 && !screen.contains("clear")
        });
    }

    /// Give it another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(["resize-window", "-t", "t", "-x", &columns.to_string()], |c| {
            c.args(["-y", &rows.to_string()]);
        });
    }

    /// Close it, as closing the window of a terminal program does.
    pub(crate) fn close(self) {
        drop(self);
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let socket = format!("test-{}", self.name);
        let tmux = || {
            let mut command = self.world.command("tmux");
            command.args(["-L", &socket]);
            command
        };
        let shell = tmux().args(["display-message", "-p", "#{pane_pid}"]).output().unwrap();
        let shell: Option<u32> = String::from_utf8_lossy(&shell.stdout).trim().parse().ok();
        let _ = tmux().arg("kill-server").output();
        eventually("the terminal is gone", || {
            let left = self.world.living();
            let is_it = |a: &String| a.contains(&socket);
            let server = left.iter().any(|p| p.args.iter().any(is_it));
            (!server && !shell.is_some_and(procs::alive)).then_some(())
        });
        // tmux leaves it behind.
        let dir = format!("tmux/tmux-{}", nix::unistd::getuid());
        let _ = std::fs::remove_file(self.world.path().join(dir).join(&socket));
    }
}
