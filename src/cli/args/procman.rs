//! The words of procman: `tmo sheriff` and `tmo deputy`.

use std::ffi::OsString;
use std::net::IpAddr;

use super::typed::port;

/// The flags of `tmo fleet` that have a value, which may be the next word.
const VALUED: [&str; 4] = ["--config", "--fleet", "--hosts", "--connect-timeout"];

/// `tmo sheriff`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct SheriffArgs {
    /// `gui`, `cli`, `discover`, or any command and flags of `tmo fleet`.
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl SheriffArgs {
    /// The equivalent words of tmo, after its name.
    pub fn equivalent(self) -> Vec<OsString> {
        let (mut words, mut has_verb) = (vec![OsString::from("fleet")], false);
        let mut typed = self.words.into_iter();
        while let Some(mut word) = typed.next() {
            if (!has_verb || words[0] == "web") && VALUED.iter().any(|flag| word == *flag) {
                word.push("=");
                word.push(typed.next().unwrap_or_default());
            } else if !has_verb && !word.as_encoded_bytes().starts_with(b"-") {
                has_verb = true;
                match word.to_str() {
                    Some("gui") => {
                        // A file that is named, before or behind, overrides this.
                        words.splice(..1, ["web", "--fleet"].map(OsString::from));
                        continue;
                    }
                    Some("cli") => word = "shell".into(),
                    Some("discover") => word = "--discover".into(),
                    Some(_) | None => {}
                }
            }
            words.push(word);
        }
        words
    }
}

/// `tmo deputy`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct DeputyArgs {
    /// A loopback address of this machine; others are refused.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback, default_value = "localhost")]
    pub host: IpAddr,
    /// Listen at this port (0: any free one) from now on, instead of at the one that the page has.
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub port: Option<u16>,
}

fn loopback(text: &str) -> Result<IpAddr, String> {
    let address = if text == "localhost" { "127.0.0.1" } else { text };
    let address = address.parse().ok().filter(IpAddr::is_loopback);
    address.ok_or_else(|| {
        "it is not localhost, and over plain http the token could be read on the way; other machines \
         need no deputy here, `tmo fleet` reaches this one by ssh"
            .to_owned()
    })
}
