//! A real terminal for tests: a tmux server of the world's own, with keys and screen.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::World;
use super::procs;
use super::wait::{eventually, eventually_or, pause};

/// A terminal with a shell in it.
pub(crate) struct Terminal<'a> {
    world: &'a World,
    name: String,
    control: Mutex<Control>,
}

/// A client of tmux in control mode. Tests look at the screen so often that a client for each look would take most of
/// their time.
struct Control {
    client: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Control {
    /// Read a line, without its end.
    fn line(&mut self) -> String {
        let mut line = vec![];
        self.output.read_until(b'\n', &mut line).unwrap();
        assert_eq!(line.pop(), Some(b'\n'), "tmux has ended");
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Read the answer to a command; what tmux reports between two answers is skipped.
    fn answer(&mut self) -> String {
        let number = loop {
            if let Some(number) = self.line().strip_prefix("%begin ") {
                break number.to_owned();
            }
        };
        let mut answer = String::new();
        loop {
            let line = self.line();
            assert_ne!(line, format!("%error {number}"), "{answer}");
            if line == format!("%end {number}") {
                return answer;
            }
            answer.push_str(&line);
            answer.push('\n');
        }
    }

    /// Have commands executed one right after the other; returns the answer to the last one.
    fn run(&mut self, commands: &[Vec<&str>]) -> String {
        let quoted = |word: &&str| format!("'{}'", word.replace('\'', r"'\''"));
        let lines = commands.iter().map(|words| words.iter().map(quoted).collect::<Vec<_>>());
        let lines: String = lines.map(|words| words.join(" ") + "\n").collect();
        assert_eq!(lines.matches('\n').count(), commands.len(), "a command is a line: {lines}");
        self.input.write_all(lines.as_bytes()).unwrap();
        commands.iter().map(|_| self.answer()).last().unwrap()
    }
}

impl<'a> Terminal<'a> {
    /// Open one of this size.
    pub(crate) fn open(world: &'a World, name: &str, columns: u16, rows: u16) -> Self {
        // Not every shell takes its prompt from the environment.
        let profile = world.path().join("profile");
        std::fs::write(&profile, "PS1='ready> '\n").unwrap();
        let [columns, rows] = [columns, rows].map(|count| count.to_string());
        let socket = format!("test-{name}");
        let mut server = world.command("tmux");
        server.args(["-L", &socket, "-f", "/dev/null", "new-session", "-d"]);
        server.args(["-x", &columns, "-y", &rows, "-s", "t", "sh"]).env("ENV", &profile);
        let opened = server.output().unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        let mut client = world.command("tmux");
        client.args(["-L", &socket, "-C", "attach-session", "-t", "t", "-f", "no-output"]);
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = client.stdin.take().unwrap();
        let output = BufReader::new(client.stdout.take().unwrap());
        let mut control = Control { client, input, output };
        // That of `attach-session`.
        control.answer();
        let terminal = Self { world, name: name.to_owned(), control: Mutex::new(control) };
        terminal.wait("ready>");
        terminal
    }

    fn run(&self, words: &[&str]) -> String {
        self.control.lock().unwrap().run(&[words.to_vec()])
    }

    /// Press keys, by tmux's names.
    pub(crate) fn keys<const N: usize>(&self, keys: [&str; N]) {
        // A tmux in it takes keys within a millisecond of the last ones as pasted, and nothing tells when that is over.
        pause(Duration::from_millis(3));
        self.run(&[&["send-keys", "-t", "t"], &keys[..]].concat());
    }

    /// Type text.
    pub(crate) fn typed(&self, text: &str) {
        self.run(&["send-keys", "-t", "t", "-l", "--", text]);
    }

    /// Type text and press Enter.
    pub(crate) fn line(&self, text: &str) {
        self.typed_and(text, ["Enter"]);
    }

    /// Type text and press keys at once.
    pub(crate) fn typed_and<const N: usize>(&self, text: &str, keys: [&str; N]) {
        let typed = vec!["send-keys", "-t", "t", "-l", "--", text];
        let keys = [&["send-keys", "-t", "t"], &keys[..]].concat();
        self.control.lock().unwrap().run(&[typed, keys]);
    }

    /// Type tmo with these arguments.
    pub(crate) fn tmo(&self, args: &str) {
        self.line(&format!("{} {args}", env!("CARGO_BIN_EXE_tmo")));
    }

    /// Paste text as a terminal does, between brackets if a program has asked for them.
    pub(crate) fn paste(&self, text: &str) {
        let mut set = self.world.command("tmux");
        set.args(["-L", &format!("test-{}", self.name), "set-buffer", text]);
        assert!(set.status().unwrap().success());
        self.run(&["paste-buffer", "-p", "-t", "t"]);
    }

    /// What tmux knows about the terminal, in its format language.
    pub(crate) fn ask(&self, format: &str) -> String {
        self.run(&["display-message", "-p", "-t", "t", format]).trim_end().to_owned()
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
        self.run(&["capture-pane", "-p", "-t", "t"])
    }

    /// What is on the screen with its colours.
    pub(crate) fn colours(&self) -> String {
        self.run(&["capture-pane", "-p", "-e", "-t", "t"])
    }

    /// The screen with all that has scrolled off.
    pub(crate) fn history(&self) -> String {
        self.run(&["capture-pane", "-p", "-J", "-t", "t", "-S", "-", "-E", "-"])
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
        let [columns, rows] = [columns, rows].map(|count| count.to_string());
        self.run(&["resize-window", "-t", "t", "-x", &columns, "-y", &rows]);
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
        // What runs in it mostly ends with it, a moment after the shell.
        let mut inside: Vec<u32> = shell.into_iter().collect();
        let living = self.world.living();
        while let Some(more) = living.iter().find(|p| {
            !inside.contains(&p.pid)
                && procs::parent(p.pid).is_some_and(|pid| inside.contains(&pid))
        }) {
            inside.push(more.pid);
        }
        let _ = tmux().arg("kill-server").output();
        let _ = self.control.get_mut().map(|control| control.client.wait());
        eventually("the terminal is gone", || {
            let left = self.world.living();
            let is_it = |a: &String| a.contains(&socket);
            let server = left.iter().any(|p| p.args.iter().any(is_it));
            (!server && !shell.is_some_and(procs::alive)).then_some(())
        });
        let until = Instant::now() + Duration::from_secs(3);
        while inside.iter().any(|&pid| procs::alive(pid)) && Instant::now() < until {
            pause(Duration::from_millis(10));
        }
        // tmux leaves it behind.
        let dir = format!("tmux/tmux-{}", nix::unistd::getuid());
        let _ = std::fs::remove_file(self.world.path().join(dir).join(&socket));
    }
}
