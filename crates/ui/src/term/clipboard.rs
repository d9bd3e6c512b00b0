//! Copies text: into tmux if this is a pane of it, with a program of the desktop, or through the terminal.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What is known about the environment.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// This is a pane of a tmux server.
    pub tmux: bool,
    /// A display of Wayland.
    pub wayland: bool,
    /// A display of X.
    pub x11: bool,
}

/// How text is copied.
#[derive(Debug, PartialEq, Eq)]
pub enum Copied {
    /// It was, to this place.
    To(&'static str),
    /// The terminal is to do it, with these bytes.
    Osc52(Vec<u8>),
}

/// Copy text. `find` searches for a program where no file of a project can be.
pub fn copy(text: &str, places: &Places, find: impl Fn(&str) -> Option<PathBuf>) -> Copied {
    let candidates: [(bool, &[&str], &'static str); 5] = [
        // `-w` passes it on to the terminal around it.
        (places.tmux, &["tmux", "load-buffer", "-w", "-"], "tmux's buffer and the clipboard"),
        (places.tmux, &["tmux", "load-buffer", "-"], "tmux's buffer"),
        (places.wayland, &["wl-copy"], "the clipboard"),
        (places.x11, &["xclip", "-selection", "clipboard", "-in"], "the clipboard"),
        (cfg!(target_os = "macos"), &["pbcopy"], "the clipboard"),
    ];
    for (_, command, place) in candidates.into_iter().filter(|(there, ..)| *there) {
        if pipe(command, text, &find).is_some() {
            return Copied::To(place);
        }
    }
    Copied::Osc52(osc52(text))
}

/// Give text to a command; `None` if it fails.
fn pipe(command: &[&str], text: &str, find: impl Fn(&str) -> Option<PathBuf>) -> Option<()> {
    let (program, args) = command.split_first()?;
    let mut child = Command::new(find(program)?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let written = child.stdin.take()?.write_all(text.as_bytes());
    (written.is_ok() & child.wait().ok()?.success()).then_some(())
}

/// The sequence by which a terminal copies.
fn osc52(text: &str) -> Vec<u8> {
    let mut bytes = b"\x1b]52;c;".to_vec();
    base64(text.as_bytes(), &mut bytes);
    bytes.push(7);
    bytes
}

fn base64(input: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for part in input.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            if at <= part.len() {
                let digit = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
                out.push(DIGITS[digit]);
            } else {
                out.push(b'=');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::osc52;

    #[test]
    fn the_sequence_contains_base64() {
        for (text, digits) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("fooba\u{ff}", "Zm9vYmHDvw=="),
        ] {
            let bytes = osc52(text);
            assert_eq!(bytes, format!("\x1b]52;c;{digits}\x07").into_bytes());
        }
    }
}
