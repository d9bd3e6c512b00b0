//! Under which name the program was called. A link named `overmind` speaks as overmind does.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// Whose part is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persona {
    /// Our own.
    Tmo,
    /// Overmind's.
    Overmind,
}

static CALLED: OnceLock<Persona> = OnceLock::new();

impl Persona {
    /// By the first word of the command line.
    pub(super) fn of(program: &OsStr) -> Self {
        let name = Path::new(program).file_name();
        if name == Some(OsStr::new("overmind")) { Self::Overmind } else { Self::Tmo }
    }

    /// The one of this process; our own before it is [set](Self::set).
    pub(super) fn here() -> Self {
        CALLED.get().copied().unwrap_or(Self::Tmo)
    }

    /// Remember it for this process; only the first time counts.
    pub(super) fn set(self) {
        // A second call says the same.
        let _ = CALLED.set(self);
    }

    /// The name it goes by.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tmo => "tmo",
            Self::Overmind => "overmind",
        }
    }

    /// A text of ours with its commands as they are typed under this name.
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

/// Whether a word goes on there.
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
            assert_eq!(Persona::of(program.as_ref()), persona, "{program}");
        }
        let text = "`tmo start` begins, tmo logs; /x/tmo y, tmo.toml, TMO_PORT, atmo z";
        let spoken = "`overmind start` begins, overmind logs; /x/tmo y, tmo.toml, TMO_PORT, atmo z";
        assert_eq!(Persona::Overmind.speak(text), spoken);
        assert_eq!(Persona::Tmo.speak(text), text);
    }
}
