//! The user's input at a view. The terminal stays in cooked mode; a line is read and answered with a hint
//! how to reach a process, so that the shell does not execute it after the end.
//!
//! The terminal is opened once more, so that a read never blocks and the caller's own file descriptor keeps
//! its mode. It is read only while it belongs to this program: it is the standard input, the output goes to
//! a terminal too (`tmo start | less` has keys of its own), this is its foreground process group, and no
//! program has switched it to raw mode.
//!
//! `tmo echo` and `tmo logs -f` only detect Enter, and read nothing.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpgrp, tcgetpgrp, ttyname};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use crate::model::text::shell;
use crate::view::screen::is_terminal;

/// The user's input while processes run.
#[derive(Debug)]
pub(in crate::cli) struct Typing {
    keyboard: Option<Keyboard>,
    answered: bool,
}

impl Typing {
    /// Begin to read, if `wanted` and there is a terminal.
    pub(in crate::cli) fn begin(wanted: bool) -> Self {
        let keyboard = if wanted { Keyboard::open() } else { None };
        Self { keyboard, answered: false }
    }

    /// Stop reading: the shell gets the rest of the input.
    pub(in crate::cli) fn end(&mut self) {
        self.keyboard = None;
    }

    /// The next line; `None` if input is not read.
    pub(in crate::cli) async fn line(&mut self) -> Option<String> {
        Some(self.keyboard.as_mut()?.line().await)
    }

    /// The hint after a line that was meant for one of these processes; given only once. The commands in it
    /// have the `flags` that select the run.
    pub(in crate::cli) fn answer(
        &mut self,
        line: &str,
        names: &[&str],
        flags: &str,
    ) -> Option<String> {
        let hint = if self.answered { None } else { hint(line, names, flags) };
        self.answered |= hint.is_some();
        hint
    }
}

/// The terminal that a view was started from.
#[derive(Debug)]
pub(in crate::cli) struct Keyboard {
    terminal: AsyncFd<File>,
    /// The incomplete last line of a read.
    begun: Vec<u8>,
}

impl Keyboard {
    /// The terminal of this program; `None` if there is none to read.
    pub(in crate::cli) fn open() -> Option<Self> {
        if !is_terminal(io::stdin()) || !is_terminal(io::stdout()) {
            return None;
        }
        Some(Self { terminal: open_terminal(OFlag::O_RDONLY)?, begun: vec![] })
    }

    /// Wait until Enter is pressed, for a command that leaves the input to the shell. Nothing is read.
    pub(in crate::cli) async fn entered(&self) {
        loop {
            // In cooked mode each line becomes readable once, when it is complete.
            input(&self.terminal).await.clear_ready();
            if is_ours() {
                return;
            }
        }
    }

    /// The next line of input; empty at its end (Ctrl-D). Cancel-safe.
    async fn line(&mut self) -> String {
        loop {
            let mut ready = input(&self.terminal).await;
            let mut bytes = [0; 4096];
            // If the terminal belongs to another program by now, that program reads it.
            let count = if is_ours() { read(self.terminal.get_ref(), &mut bytes) } else { None };
            let Some(count) = count else {
                ready.clear_ready();
                continue;
            };
            if count == 0 {
                // After an end of input (Ctrl-D) there may be more input.
                ready.clear_ready();
                return String::new();
            }
            self.begun.extend_from_slice(&bytes[..count]);
            if self.begun.last() == Some(&b'\n') || count < bytes.len() {
                let line = std::mem::take(&mut self.begun);
                return String::from_utf8_lossy(&line).into_owned();
            }
        }
    }
}

/// Open the terminal once more, for use without blocking.
pub(in crate::cli) fn open_terminal(access: OFlag) -> Option<AsyncFd<File>> {
    // Not every system can poll `/dev/tty`.
    let names = ["/dev/tty".into()].into_iter().chain(ttyname(io::stdin()).ok());
    let interest = if access == OFlag::O_RDWR {
        Interest::READABLE | Interest::WRITABLE
    } else {
        Interest::READABLE
    };
    let open = |name: std::path::PathBuf| {
        let flags = access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let terminal = nix::fcntl::open(&name, flags, nix::sys::stat::Mode::empty()).ok()?;
        let terminal = File::from(terminal);
        #[expect(unsafe_code, reason = "tokio can't know that the descriptor stays open")]
        // SAFETY: the `AsyncFd` owns the file, so it is closed after it was deregistered.
        unsafe {
            AsyncFd::register_with_interest(terminal, interest).ok()
        }
    };
    names.into_iter().find_map(open)
}

/// What is typed next; an error if the terminal is gone. Cancel-safe.
pub(in crate::cli) async fn read_typed(terminal: &AsyncFd<File>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4 << 10];
    loop {
        let mut ready = terminal.readable().await?;
        match ready.try_io(|terminal| Ok(rustix::io::read(terminal.get_ref(), &mut bytes)?)) {
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(read) => return Ok(bytes[..read?].to_vec()),
            // It was not readable after all.
            Err(_) => {}
        }
    }
}

/// Wait for input; waits forever once the terminal is gone.
async fn input(terminal: &AsyncFd<File>) -> AsyncFdReadyGuard<'_, File> {
    match terminal.readable().await {
        Ok(ready) if !ready.ready().is_read_closed() => ready,
        Ok(_) | Err(_) => std::future::pending().await,
    }
}

/// Whether input on the terminal goes to this program.
fn is_ours() -> bool {
    let foreground = tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp());
    let cooked = tcgetattr(io::stdin()).is_ok_and(|t| t.local_modes.contains(LocalModes::ICANON));
    foreground && cooked
}

/// Read without blocking, and without being stopped if this program was just moved to the background: with
/// SIGTTIN blocked, that read fails.
fn read(terminal: impl AsFd, bytes: &mut [u8]) -> Option<usize> {
    let stop = SigSet::from(Signal::SIGTTIN);
    let before = stop.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).ok()?;
    let count = rustix::io::read(terminal, bytes);
    // With a valid set it cannot fail.
    let _ = before.thread_set_mask();
    count.ok()
}

/// How to send the typed text to a process; `None` for an empty line.
fn hint(line: &str, names: &[&str], flags: &str) -> Option<String> {
    const LONGEST: usize = 40;
    let text = line.trim();
    if text.is_empty() {
        return None;
    }
    let name = if let [name] = names { shell::quoted(name) } else { "NAME".to_owned() };
    let word = shell::quoted(text);
    // `tmo send` takes `-` for standard input.
    let unfit = text == "-" || text.chars().count() > LONGEST || text.chars().any(char::is_control);
    let send = if unfit {
        format!("tmo send {name} TEXT --enter{flags}")
    } else if text.starts_with('-') {
        // After `--` it is not taken for a flag.
        format!("tmo send {name} --enter{flags} -- {word}")
    } else {
        format!("tmo send {name} {word} --enter{flags}")
    };
    Some(format!(
        "Processes do not read this terminal: in another one, `{send}` types that, \
         `tmo connect {name}{flags}` opens the process's own terminal"
    ))
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn the_hint_is_what_can_be_typed_elsewhere() {
        for (line, names, command) in [
            ("h\n", &["web"][..], "`tmo send web h --enter`"),
            ("rs\n", &["web", "api"], "`tmo send NAME rs --enter`"),
            ("  say it \n", &["web"], "`tmo send web 'say it' --enter`"),
            ("it's; rm x\n", &["web"], r"`tmo send web 'it'\''s; rm x' --enter`"),
            ("-h\n", &["web"], "`tmo send web --enter -- -h`"),
            ("--enter\n", &["web"], "`tmo send web --enter -- --enter`"),
            ("-rf a\n", &["web"], "`tmo send web --enter -- '-rf a'`"),
            ("-\n", &["web"], "`tmo send web TEXT --enter`"),
            ("=ls\n", &["web"], "`tmo send web '=ls' --enter`"),
            ("h\n", &["web#2"], "`tmo send 'web#2' h --enter`"),
            ("a\x1b[31mb\n", &["web"], "`tmo send web TEXT --enter`"),
        ] {
            let hint = hint(line, names, "").unwrap();
            assert!(hint.contains(command), "{hint}");
        }
        let long = "x".repeat(1000);
        assert!(hint(&long, &["web"], "").unwrap().contains("send web TEXT --enter"));
        assert_eq!(hint("\n", &["web"], ""), None);
    }

    #[test]
    fn the_hint_names_the_run() {
        for (line, command) in [
            ("h", "`tmo send web h --enter -s ../s`"),
            ("-h", "`tmo send web --enter -s ../s -- -h`"),
            ("-", "`tmo send web TEXT --enter -s ../s`"),
            ("h", "`tmo connect web -s ../s`"),
        ] {
            let hint = hint(line, &["web"], " -s ../s").unwrap();
            assert!(hint.contains(command), "{hint}");
        }
    }
}
