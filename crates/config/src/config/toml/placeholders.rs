//! `{NAME.port}`, `{NAME.url}`, `{NAME.page}` and `{root}` in the commands and variables of a `tmo.toml`.
//!
//! Braces have other meanings in commands, so that only these words in braces are placeholders, and none behind a `$`.
//! A second brace before one makes it text: `{{root}` is `{root}`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::keys::CommandLine;
use super::problem::Diagnostics;
use super::{TmoToml, or_nearest};
use crate::config::procfile::ProcfileEntry;
use crate::model::ProcName;
use crate::model::plan::rules::{FileWatch, Probe};

/// What a process has for placeholders.
const KNOWN: [&str; 3] = ["port", "url", "page"];

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder<'a> {
    /// `{root}`: the directory of the project.
    Root,
    /// `{NAME.port}`: the PORT of a process; of several instances, that of the first.
    Port(&'a str),
    /// `{NAME.url}`: its address for programs, without a path.
    Url(&'a str),
    /// `{NAME.page}`: its address for browsers, without a path.
    Page(&'a str),
}

impl<'a> Placeholder<'a> {
    /// From the words between the braces.
    fn parse(words: &'a str) -> Option<Self> {
        if words == "root" {
            return Some(Self::Root);
        }
        let (name, what) = words.rsplit_once('.')?;
        ProcName::new(name).ok()?;
        match what {
            "port" => Some(Self::Port(name)),
            "url" => Some(Self::Url(name)),
            "page" => Some(Self::Page(name)),
            _ => None,
        }
    }
}

/// The placeholders of a text, with their places in it; `None` for a brace that is only text.
fn all(text: &str) -> impl Iterator<Item = (Range<usize>, Option<Placeholder<'_>>)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let begin = from + text[from..].find('{')?;
            from = begin + 1;
            let doubled = text[from..].starts_with('{');
            let words = from + usize::from(doubled);
            let Some(length) = text[words..].find(['{', '}']) else { continue };
            let end = words + length;
            let (before, inside) = (&text[..begin], &text[words..end]);
            let Some(placeholder) =
                Placeholder::parse(inside).filter(|_| text[end..].starts_with('}'))
            else {
                continue;
            };
            if before.ends_with('$') {
                continue;
            }
            from = end + 1;
            return Some(if doubled {
                (begin..words, None)
            } else {
                (begin..from, Some(placeholder))
            });
        }
    })
}

/// The text with these values in the places of its placeholders.
pub fn fill<E>(
    text: &str,
    mut value: impl FnMut(Placeholder<'_>) -> Result<String, E>,
) -> Result<Cow<'_, str>, E> {
    let (mut filled, mut from) = (String::new(), 0);
    for (place, placeholder) in all(text) {
        filled.push_str(&text[from..place.start]);
        match placeholder {
            Some(placeholder) => filled.push_str(&value(placeholder)?),
            None => filled.push('{'),
        }
        from = place.end;
    }
    Ok(if from == 0 { Cow::Borrowed(text) } else { Cow::Owned(filled + &text[from..]) })
}

/// What looks like a placeholder; the word behind the name may be another one.
static ALIKE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[^${])\{([A-Za-z0-9_-]+(?:#\d+)?)\.([A-Za-z0-9]+)\}").ok());

/// Each text in which placeholders are filled in, with its place.
fn filled_texts(toml: &TmoToml) -> Vec<(String, Range<usize>)> {
    let mut texts = vec![];
    for table in toml.processes.iter().map(|(_, table)| table).chain([&toml.defaults]) {
        texts.extend(table.env.pairs.iter().map(|pair| (pair.get_ref().1.clone(), pair.span())));
        let ready = table
            .ready
            .iter()
            .flat_map(|ready| ready.get_ref().iter().map(|check| (&check.probe, ready.span())));
        let live = table.live.iter().map(|live| (&live.get_ref().probe, live.span()));
        texts.extend(ready.chain(live).filter_map(|(probe, at)| match probe {
            Probe::Exec { command } => Some((command.to_string(), at)),
            _ => None,
        }));
        let stop = table.stop.command.iter();
        texts.extend(stop.map(|command| (command.get_ref().clone(), command.span())));
        let run = |watch: &FileWatch| watch.run.as_ref().map(ToString::to_string);
        let watch = table.watch.iter();
        texts.extend(watch.filter_map(|watch| Some((run(watch.get_ref())?, watch.span()))));
    }
    let tables = || toml.processes.iter().map(|(_, table)| table);
    let actions = tables().flat_map(|table| &table.action).chain(&toml.actions);
    let of_actions = actions.map(|action| &action.get_ref().command);
    for command in tables().filter_map(|table| table.command.as_ref()).chain(of_actions) {
        match command.get_ref() {
            CommandLine::Shell(line) => texts.push((line.clone(), command.span())),
            CommandLine::Words(words) => {
                texts.extend(words.iter().map(|word| (word.clone(), command.span())));
            }
        }
    }
    texts
}

/// Report placeholders of processes that do not exist, and of what processes do not have.
pub(super) fn check(toml: &TmoToml, entries: &[ProcfileEntry], mistakes: &Diagnostics) {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let known: HashSet<&str> = names.iter().copied().collect();
    let is_known =
        |name: &str| known.contains(name.split_once('#').map_or(name, |(entry, _)| entry));
    for (text, at) in filled_texts(toml) {
        for found in ALIKE.iter().flat_map(|alike| alike.captures_iter(&text)) {
            let (_, [name, what]) = found.extract();
            if is_known(name) && !KNOWN.contains(&what) {
                let near = or_nearest(what, &KNOWN);
                let text = format!("`{{{name}.{what}}}`: {name} has no `{what}`; {near}");
                mistakes.add(at.clone(), text);
            }
        }
        for (_, placeholder) in all(&text) {
            let (name, what) = match placeholder {
                Some(Placeholder::Port(name)) => (name, "port"),
                Some(Placeholder::Url(name)) => (name, "url"),
                Some(Placeholder::Page(name)) => (name, "page"),
                Some(Placeholder::Root) | None => continue,
            };
            // An instance that does not run has no port; the plan knows how many there are.
            if !is_known(name) {
                mistakes.add_with(at.clone(), |suggests| {
                    let near = suggests.then(|| format!("; {}", or_nearest(name, &names)));
                    let near = near.unwrap_or_default();
                    format!("`{{{name}.{what}}}`: there is no process `{name}`{near}")
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Placeholder, fill};

    fn filled(text: &str) -> String {
        let value = |placeholder: Placeholder<'_>| {
            Ok::<_, ()>(match placeholder {
                Placeholder::Root => "/app".to_owned(),
                Placeholder::Port(name) => format!("<{name}>"),
                Placeholder::Url(name) => format!("<{name}/>"),
                Placeholder::Page(name) => format!("<{name}:>"),
            })
        };
        fill(text, value).unwrap().into_owned()
    }

    #[test]
    fn only_these_words_in_braces_are_placeholders() {
        for (text, expected) in [
            ("http://localhost:{api.port}/", "http://localhost:<api>/"),
            ("{root}/bin {web#2.port}{web.port}", "/app/bin <web#2><web>"),
            ("{api.url}/v1{api.page}", "<api/>/v1<api:>"),
            ("{{api.port} {{root}}", "{api.port} {root}}"),
            ("é{root}é", "é/appé"),
            ("{{{root}", "{{root}"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
        for same in [
            "awk '{print $1}'",
            "${root} ${PORT}",
            "{\"a\": {\"port\": 1}}",
            "docker ps --format '{{.Names}}'",
            "{api.host}",
            "{ root }",
            "{}",
            "{",
            "a{root",
            "{a b.port}",
            "{.port}",
            "cp {a,b}.port",
            "",
        ] {
            assert_eq!(filled(same), same);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_without_them_stays_as_it_is(text in "[{}$a.#é\"]{0,20}") {
            proptest::prop_assert_eq!(filled(&text), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "([{}$é]|root|a\\.port){0,8}") {
            filled(&text);
        }
    }
}
