//! `tmo.toml`, beside the Procfile: what a Procfile has no words for.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

/// The contents of a `tmo.toml`; all of it optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TmoToml {
    /// `[log]`: where the journal is and how much of it is kept.
    pub log: LogTable,
}

/// The table `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogTable {
    /// The directory below which this project's journal is kept.
    pub dir: Option<PathBuf>,
    /// Bytes kept per process; 0 keeps everything.
    #[serde(deserialize_with = "size")]
    pub per_process: Option<u64>,
    /// Bytes kept in all; 0 keeps everything.
    #[serde(deserialize_with = "size")]
    pub total: Option<u64>,
}

/// A `tmo.toml` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {why}")]
pub struct TomlError {
    /// The file as the user would name it.
    pub file: String,
    /// What is wrong, with the place pointed at.
    pub why: String,
}

/// Parse the text of a `tmo.toml`; `file` is its name for messages.
pub fn parse(text: &str, file: &str) -> Result<TmoToml, TomlError> {
    ::toml::from_str(text)
        .map_err(|error| TomlError { file: file.to_owned(), why: error.to_string() })
}

/// A number of bytes: `0`, `65536`, `512k`, `64MiB` (units of 1024) or `64MB` (units of 1000).
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let power = |letter: &str| ["", "k", "m", "g", "t"].iter().position(|known| *known == letter);
    let (base, letter): (u64, &str) = if let Some(letter) = unit.strip_suffix("ib") {
        (1024, letter)
    } else if let Some(letter) = unit.strip_suffix('b') {
        (1000, letter)
    } else {
        (1024, unit.as_str())
    };
    let factor = base.checked_pow(u32::try_from(power(letter)?).ok()?)?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Size;
    impl de::Visitor<'_> for Size {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a size in bytes, or a text like \"64MiB\"; 0 keeps everything")
        }

        fn visit_u64<E: de::Error>(self, size: u64) -> Result<u64, E> {
            Ok(size)
        }

        fn visit_i64<E: de::Error>(self, size: i64) -> Result<u64, E> {
            u64::try_from(size).map_err(|_| E::invalid_value(de::Unexpected::Signed(size), &self))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            parse_size(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(Size).map(Some)
}

#[cfg(test)]
mod tests {
    use super::{LogTable, parse, parse_size};

    #[test]
    fn takes_sizes_as_numbers_and_text() {
        let text = "[log]\ndir = \"logs\"\nper_process = 0\ntotal = \"1GiB\"\n";
        let log = parse(text, "tmo.toml").unwrap().log;
        let expected =
            LogTable { dir: Some("logs".into()), per_process: Some(0), total: Some(1 << 30) };
        assert_eq!(log, expected);
        assert_eq!(parse("", "tmo.toml").unwrap().log, LogTable::default());
    }

    #[test]
    fn knows_the_units() {
        let table = [
            ("0", 0),
            ("10", 10),
            ("10B", 10),
            ("64k", 65536),
            ("64 KiB", 65536),
            ("1kB", 1000),
            ("2G", 2 << 30),
            ("1TB", 1_000_000_000_000),
        ];
        for (text, size) in table {
            assert_eq!(parse_size(text), Some(size), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5M", "1XiB", "99999999999T"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn points_at_what_it_does_not_know() {
        for (text, word) in [
            ("[log]\nper_proces = 1\n", "per_proces"),
            ("[lgo]\n", "lgo"),
            ("[log]\ntotal = \"much\"\n", "much"),
            ("[log]\ntotal = -1\n", "-1"),
        ] {
            let error = parse(text, "./tmo.toml").unwrap_err().to_string();
            assert!(error.starts_with("./tmo.toml: "), "{error}");
            assert!(error.contains("line ") && error.contains('^'), "{error}");
            assert!(error.contains(word), "{error}");
        }
    }
}
