//! The name by which the program was called. If called through a link named `overmind`, it behaves like
//! overmind.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// The program that tmo acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persona {
    /// tmo itself.
    Tmo,
    /// Overmind's.
    Overmind,
}

static CALLED: OnceLock<Persona> = OnceLock::new();

impl Persona {
    /// Chosen by the first word of the command line.
    pub(super) fn called_as(program: &OsStr) -> Self {
        let name = Path::new(program).file_name();
        if name == Some(OsStr::new("overmind")) { Self::Overmind } else { Self::Tmo }
    }

    /// The persona of this process; tmo's until it is [set](Self::set).
    pub(super) fn here() -> Self {
        CALLED.get().copied().unwrap_or(Self::Tmo)
    }

    /// Set it for this process; only the first call counts.
    pub(super) fn set(self) {
        // A second call always passes the same value.
        let _ = CALLED.set(self);
    }

    /// Its program name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tmo => "tmo",
            Self::Overmind => "overmind",
        }
    }

    /// A text of ours, with commands as they are typed under this name.
    pub(super) fn speak(self, text: &str) -> String {
        match self {
            Self::Tmo => text.to_owned(),
            Self::Overmind => {
                let mut spoken = String::with_capacity(text.len());
                let mut rest = text;
                while let Some(at) = rest.find("tmo ") {
                    let (before, after) = rest.split_at(at);
                    let word = before.chars().next_back().is_none_or(|c| !is_part(c));
                    spoken.push_str(before);
                    spoken.push_str(if word { "overmind" } else { "tmo" });
                    rest = &after["tmo".len()..];
                }
                spoken + rest
            }
        }
    }
}

/// Whether a character continues a word.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || "/._-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::Persona;

    #[test]
    fn a_link_named_overmind_speaks_as_overmind() {
        for (program, persona) in [
            ("overmind", Persona::Overmind),
            ("/usr/local/bin/overmind", Persona::Overmind),
            ("tmo", Persona::Tmo),
            ("overmind/tmo", Persona::Tmo),
        ] {
            assert_eq!(Persona::called_as(program.as_ref()), persona, "{program}");
        }
        let text = "`tmo start` starts a run, tmo logs; /x/tmo y, tmo.toml, TMO_PORT, atmo z";
        let spoken =
            "`overmind start` starts a run, overmind logs; /x/tmo y, tmo.toml, TMO_PORT, atmo z";
        assert_eq!(Persona::Overmind.speak(text), spoken);
        assert_eq!(Persona::Tmo.speak(text), text);
    }
}
