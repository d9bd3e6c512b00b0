//! Signals by name.

use std::fmt;
use std::str::FromStr;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A signal as users write it: `USR1`, `SIGUSR1`, `usr1` or its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct SignalName(Signal);

/// The error for an unknown signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown signal `{0}`; use a name such as USR1, HUP, WINCH, or a number")]
pub struct NoSuchSignal(String);

/// A name, or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Name(String),
    Number(i32),
}

impl SignalName {
    pub const KILL: Self = Self(Signal::SIGKILL);

    /// Every signal that has a name.
    pub fn all() -> impl Iterator<Item = Self> {
        Signal::iterator().map(Self)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }
}

impl FromStr for SignalName {
    type Err = NoSuchSignal;

    fn from_str(text: &str) -> Result<Self, NoSuchSignal> {
        let upper = text.to_ascii_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        let signal = name.parse().ok().or_else(|| Signal::try_from(text.parse::<i32>().ok()?).ok());
        signal.map(Self).ok_or_else(|| NoSuchSignal(text.to_owned()))
    }
}

impl TryFrom<Written> for SignalName {
    type Error = NoSuchSignal;

    fn try_from(written: Written) -> Result<Self, NoSuchSignal> {
        match written {
            Written::Name(name) => name.parse(),
            Written::Number(number) => number.to_string().parse(),
        }
    }
}

impl From<SignalName> for String {
    fn from(name: SignalName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_start_matches("SIG"))
    }
}

impl PartialSchema for SignalName {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String);
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let number = number.minimum(Some(1)).maximum(Some(31));
        let what = "A signal: `USR1`, `SIGUSR1`, `usr1`, or its number";
        OneOfBuilder::new().item(name).item(number).description(Some(what)).into()
    }
}

impl ToSchema for SignalName {}

#[cfg(test)]
mod tests {
    use super::SignalName;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["USR1", "usr1", "SIGUSR1", "sigusr1", "10"] {
            #[cfg(target_os = "linux")]
            assert_eq!(text.parse::<SignalName>().unwrap().to_string(), "USR1", "{text}");
        }
        for text in ["", "0", "-1", "SIG", "NOPE", "65", "USR 1"] {
            assert!(text.parse::<SignalName>().is_err(), "{text}");
        }
        let read = |json: &str| serde_json::from_str::<SignalName>(json);
        assert_eq!(read("\"TERM\"").unwrap(), read("15").unwrap());
        assert_eq!(serde_json::to_string(&read("15").unwrap()).unwrap(), "\"TERM\"");
    }
}
