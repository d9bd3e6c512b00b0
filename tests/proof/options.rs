//! What was typed.

use std::time::SystemTime;

/// One of the proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    Crash,
    Exit,
    Tree,
}

impl Proof {
    const ALL: [Self; 3] = [Self::Crash, Self::Exit, Self::Tree];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Exit => "exit",
            Self::Tree => "tree",
        }
    }

    const fn times(self, full: bool) -> u32 {
        match (self, full) {
            (Self::Crash, false) => 8,
            (Self::Crash, true) => 100,
            (Self::Exit, false) => 30,
            (Self::Exit, true) => 1000,
            (Self::Tree, full) => {
                if full {
                    1
                } else {
                    0
                }
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) proofs: Vec<Proof>,
    pub(crate) seed: u64,
    pub(crate) list: bool,
    full: bool,
    times: Option<u32>,
}

impl Options {
    /// Understand our own words and those of `cargo test` and `cargo nextest`.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20);
        let mut options = Self { proofs: vec![], seed, list: false, full: false, times: None };
        let (mut named, mut ignored) = (false, false);
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut number = || {
                let text = words.next().ok_or(format!("{word} needs a number"))?;
                text.parse::<u64>().map_err(|_| format!("{word}: {text} is no number"))
            };
            match word {
                "--seed" => options.seed = number()?,
                "--times" => options.times = Some(u32::try_from(number()?).unwrap_or(u32::MAX)),
                "--list" => options.list = true,
                "--ignored" => ignored = true,
                "--format" | "--test-threads" | "--skip" => _ = words.next(),
                "all" => options.full = true,
                flag if flag.starts_with('-') => {}
                filter => {
                    named = true;
                    let meant = |proof: &Proof| proof.name().contains(filter);
                    options.proofs.extend(Proof::ALL.into_iter().filter(meant));
                }
            }
        }
        if !named {
            options.proofs = Proof::ALL.into();
        }
        if ignored {
            options.proofs.clear();
        }
        Ok(options)
    }

    /// How often to try; 0 is once without trying everything. The tree takes so little time
    /// that it is tried in full when it is asked for by name.
    pub(crate) fn times(&self, proof: Proof) -> u32 {
        let full = self.full || (proof == Proof::Tree && self.proofs.len() == 1);
        self.times.unwrap_or_else(|| proof.times(full))
    }
}
