//! How keys are reported: the flags of kitty's keyboard protocol, as a stack for each screen.

/// The most entries of a stack; the oldest one is forgotten then.
const DEEPEST: usize = 16;
/// The flags that exist.
const ALL: u8 = 0b1_1111;

/// The stack of one screen; its last entry applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keyboard(Vec<u8>);

impl Keyboard {
    /// The flags that apply.
    pub(super) fn flags(&self) -> u8 {
        self.0.last().copied().unwrap_or(0)
    }

    /// Apply a control sequence that ends with `u`; returns whether it is one of these.
    pub(super) fn apply(&mut self, inside: &[u8]) -> bool {
        let Some((&kind, rest)) = inside.split_first() else { return false };
        let mut numbers = rest.split(|&byte| byte == b';').map(super::number::<u16>);
        let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
        let flags = u8::try_from(first.unwrap_or(0)).unwrap_or(0) & ALL;
        match kind {
            b'>' => {
                if self.0.len() == DEEPEST {
                    self.0.remove(0);
                }
                self.0.push(flags);
            }
            b'<' => {
                let count = usize::from(first.unwrap_or(1).max(1));
                self.0.truncate(self.0.len().saturating_sub(count));
            }
            b'=' => {
                let flags = match second.unwrap_or(1) {
                    1 => flags,
                    2 => self.flags() | flags,
                    3 => self.flags() & !flags,
                    _ => return false,
                };
                match self.0.last_mut() {
                    Some(last) => *last = flags,
                    None => self.0.push(flags),
                }
            }
            _ => return false,
        }
        true
    }

    /// Sequences that build this stack.
    pub(super) fn restore(&self, out: &mut Vec<u8>) {
        for flags in &self.0 {
            out.extend(format!("\x1b[>{flags}u").into_bytes());
        }
    }
}
