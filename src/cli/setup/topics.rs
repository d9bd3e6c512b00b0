//! What the manual says besides the commands: `tmo help tmo.toml`, `procfile`, `fleet.toml` and `agents`, and their man
//! pages.

use std::ffi::OsString;

use super::page::{PageBlock, markdown, roff, text};
use crate::cli::args::topics::Topic;
use crate::cli::error::CliError;
use crate::config::toml::{KeyEntry, reference};
use crate::model::name::nearest::nearest;

/// The answer to `tmo help TOPIC`, perhaps with a key; `None` if this asks for something else.
pub(in crate::cli) fn help(typed: &[OsString]) -> Option<Result<String, CliError>> {
    let [_, verb, topic, key @ ..] = typed else { return None };
    let topic = Topic::named(topic).filter(|_| verb == "help" || verb == "h")?;
    let words: Vec<_> = key.iter().map(|word| word.to_string_lossy()).collect();
    let key = words.join(".");
    Some(if key.is_empty() {
        Ok(text(&blocks(topic)))
    } else if topic.has_keys {
        about_key(&key)
    } else {
        Err(CliError::Usage(format!(
            "`tmo help {}` has no parts; leave out `{}`",
            topic.name,
            words.join(" ")
        )))
    })
}

/// Its man page: file name and content.
pub(super) fn page(topic: &Topic) -> (String, Vec<u8>) {
    let Topic { page, section, about, see, .. } = topic;
    let text = roff((page, *section), about, &blocks(topic), &format!("tmo(1), {see}"));
    (format!("{page}.{section}"), text.into_bytes())
}

fn blocks(topic: &Topic) -> Vec<PageBlock> {
    let mut blocks = markdown(topic.text);
    if !topic.has_keys {
        return blocks;
    }
    let mut table = String::new();
    for key in reference() {
        if let Some(header) = &key.header {
            table = format!("{}.", header.trim_matches(['[', ']']));
            blocks.extend([
                PageBlock::Heading(header.clone()),
                PageBlock::Text(key.about.to_owned()),
            ]);
        } else {
            blocks.push(entry(&key, key.path.strip_prefix(&table).unwrap_or(&key.path)));
        }
    }
    blocks
}

fn entry(key: &KeyEntry, name: &str) -> PageBlock {
    let default = key.default.map(|default| format!(" Default: {default}."));
    let default = default.unwrap_or_default();
    PageBlock::Entry(name.to_owned(), format!("{} Type: {}.{default}", key.about, key.kind))
}

/// The entries of the keys whose paths end so, and of those within them.
fn about_key(asked: &str) -> Result<String, CliError> {
    let keys = reference();
    let words: Vec<&str> = asked.split(['.', '[', ']']).filter(|word| !word.is_empty()).collect();
    let is_asked = |key: &&KeyEntry| {
        let path: Vec<&str> = key.path.split('.').collect();
        let end = path.len().checked_sub(words.len()).map(|at| &path[at..]);
        let same = |(part, word): (&&str, &&str)| part == word || *part == "NAME";
        end.is_some_and(|end| !end.ends_with(&["NAME"]) && end.iter().zip(&words).all(same))
    };
    let meant: Vec<&KeyEntry> = keys.iter().filter(is_asked).collect();
    let is_within = |key: &&KeyEntry| {
        meant.iter().any(|above| {
            let rest = key.path.strip_prefix(&above.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let found: Vec<PageBlock> =
        keys.iter().filter(is_within).map(|key| entry(key, &key.path)).collect();
    if !words.is_empty() && !found.is_empty() {
        return Ok(text(&found));
    }
    let names = keys.iter().filter_map(|key| key.path.rsplit('.').next());
    let near = words.last().and_then(|word| nearest(word, names));
    let near = near.map_or_else(String::new, |name| format!("did you mean `{name}`? "));
    Err(CliError::Usage(format!(
        "tmo.toml has no key `{asked}`; {near}`tmo help tmo.toml` describes all keys"
    )))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{help, reference};
    use crate::cli::args::topics::Topic;
    use crate::cli::error::CliError;

    fn ask(line: &str) -> Option<Result<String, CliError>> {
        let typed: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let shown = |text: String| anstream::adapter::strip_str(&text).to_string();
        help(&typed).map(|answer| answer.map(shown))
    }

    fn text(line: &str) -> String {
        ask(line).unwrap().unwrap()
    }

    #[test]
    fn the_help_describes_every_key() {
        let page = text("tmo help tmo.toml");
        assert_eq!(page, text("tmo h TMO.TOML"));
        for key in reference() {
            let about = key.about.split_whitespace().next().unwrap();
            assert!(page.contains(about), "{}", key.path);
            let mut end = key.path.rsplit('.');
            let name = end.next().unwrap();
            let line =
                |line: &str| line.trim_matches(['[', ']']).rsplit('.').any(|part| part == name);
            assert!(page.lines().any(line), "{}", key.path);
        }
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }

    #[test]
    fn a_key_leads_to_its_entries_and_those_within_it() {
        let entries = |line| {
            let page = text(line);
            let heads = page.lines().filter(|line| !line.is_empty() && !line.starts_with(' '));
            heads.map(str::to_owned).collect::<Vec<_>>()
        };
        let depends_on = [
            "process.NAME.depends_on",
            "process.NAME.depends_on.NAME.condition",
            "process.NAME.depends_on.NAME.restart",
        ];
        assert_eq!(entries("tmo help tmo.toml depends_on"), depends_on);
        assert_eq!(entries("tmo help tmo.toml process.web.depends_on"), depends_on);
        let delay = ["process.NAME.restart.delay"];
        assert_eq!(entries("tmo help tmo.toml restart delay"), delay);
        assert_eq!(entries("tmo help tmo.toml [process.web] restart.delay"), delay);
        assert_eq!(entries("tmo help tmo.toml owner"), ["process.NAME.ready.owner"]);
        assert_eq!(entries("tmo help tmo.toml log")[..2], ["process.NAME.ready.log", "log"]);
        assert!(text("tmo help tmo.toml autostart").contains(" Default: true."));
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        let error = ask("tmo help tmo.toml dependson").unwrap().unwrap_err();
        let said = "tmo.toml has no key `dependson`; did you mean `depends_on`? \
                    `tmo help tmo.toml` describes all keys";
        assert_eq!((error.to_string().as_str(), error.exit_code()), (said, 2));
        for key in ["NAME", ".", "web.dependson", "xyzzy"] {
            assert!(ask(&format!("tmo help tmo.toml {key}")).unwrap().is_err(), "{key}");
        }
        assert!(ask("tmo help procfile PORT").unwrap().is_err());
        for other in ["tmo help", "tmo help start", "tmo start tmo.toml", "tmo help nosuch"] {
            assert!(ask(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_help_of_the_procfile_has_all_words_of_its_page() {
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let page = letters(&text("tmo help Procfile"));
        let topic = Topic::named("procfile".as_ref()).unwrap();
        let lines: Vec<&str> = topic.text.lines().collect();
        for two in
            lines.windows(2).filter(|two| !two[0].contains("](") && !two[0].starts_with("# "))
        {
            let is_header = two[1].starts_with("|--");
            let cells = two[0].trim_start_matches("```toml").split(" | ");
            for cell in cells.filter(|_| !is_header) {
                assert!(page.contains(&letters(cell)), "{cell} in {page}");
            }
        }
    }
}
