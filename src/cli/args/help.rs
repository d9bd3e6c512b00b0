//! The help: variables and defaults of flags, and the examples below them in lines that fit.

use clap::builder::StyledStr;
use clap::{Command, CommandFactory as _};

use super::go_style::as_in_go;
use super::{Args, grouped};
use crate::config::options::Setting;

/// The defaults of flags of clients, which have variables too.
const OF_CLIENTS: [(&str, &str); 3] = [
    ("socket", ".overmind.sock here or in the nearest directory above"),
    ("network", "unix"),
    ("control_mode", "false"),
];

/// The whole command line, with the variables and defaults of the flags in their help.
pub fn command() -> Command {
    with_footer(grouped(bare_command(), false)).mut_subcommands(|verb| {
        let of_start = ["start", "check", "config", "graph", "init", "doctor", "failures"];
        let is_start = of_start.contains(&verb.get_name());
        with_footer(verb).mut_args(|arg| {
            let id = arg.get_id().as_str();
            let setting = if is_start {
                Setting::with_id(id).map(|setting| (setting.default, setting.has_variable))
            } else {
                let default = OF_CLIENTS.iter().find(|(known, _)| *known == id);
                default.map(|(_, default)| (*default, true))
            };
            let Some((default, has_variable)) = setting else { return arg };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let variables = if has_variable { variables(id) } else { String::new() };
            arg.help(format!("{help}{variables} [default: {default}]"))
        })
    })
}

fn variables(id: &str) -> String {
    let name = id.to_ascii_uppercase();
    let plain = if id == "port" { ", PORT" } else { "" };
    format!(" [env: TMO_{name}, OVERMIND_{name}{plain}]")
}

/// The help on one screen.
pub fn short_help() -> StyledStr {
    with_footer(grouped(bare_command(), true)).render_help()
}

/// The same without what only a help shows, which takes as long as all else.
pub(super) fn bare_command() -> Command {
    Args::command().mut_subcommands(as_in_go)
}

/// The command with its examples in lines that fit.
fn with_footer(command: Command) -> Command {
    let text = command.get_after_help().map(|text| fitted(&text.to_string()));
    match text {
        Some(text) => command.after_help(text),
        None => command,
    }
}

/// Its columns.
const WIDTH: usize = 80;

/// The text in lines that fit. Sentences are filled; what an example does is continued below its first word.
pub(super) fn fitted(text: &str) -> String {
    let (mut lines, mut sentence) = (vec![], String::new());
    for line in text.lines() {
        if line.is_empty() || line.starts_with(' ') {
            fill(&mut lines, "", &std::mem::take(&mut sentence));
            if line.is_empty() {
                lines.push(String::new());
            }
            let (head, words) = line.split_at(column(line));
            fill(&mut lines, head, words);
            continue;
        }
        sentence = format!("{sentence} {line}");
        // It may go on in the next line.
        if line.ends_with(['.', ':']) {
            fill(&mut lines, "", &std::mem::take(&mut sentence));
        }
    }
    fill(&mut lines, "", &sentence);
    lines.join("\n")
}

/// Where the description of an example begins: behind two blanks, or at the first word.
fn column(line: &str) -> usize {
    let start = line.len() - line.trim_start().len();
    let behind = line[start..].find("  ").map(|at| start + at);
    let gap = |at: usize| at + line[at..].len() - line[at..].trim_start().len();
    // A command without a description is left as it is.
    behind.map_or(if start > 2 { start } else { line.len() }, gap)
}

/// Add lines with these words behind this head; further lines are indented as far.
pub(in crate::cli) fn fill(lines: &mut Vec<String>, head: &str, words: &str) {
    let width = |text: &str| text.chars().count();
    let indent = " ".repeat(width(head));
    let mut line = head.to_owned();
    for word in words.split_whitespace() {
        let is_first = width(&line) == width(head);
        if !is_first && width(&line) + 1 + width(word) > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("{indent}{word}")));
        } else {
            line = if is_first { format!("{line}{word}") } else { format!("{line} {word}") };
        }
    }
    if !line.trim().is_empty() || words.is_empty() && !head.is_empty() {
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::fitted;

    #[test]
    fn long_lines_are_continued_where_their_text_begins() {
        let text = "\
Examples:
  tmo one                       short
  tmo two                       what this does needs more columns than there are in a line
                                and what is below it does as well, so that it is continued
  tmo three | grep 'a command without a description is never broken, so that it can be copied'

It is a sentence that goes on in
the next line.
Another begins a line.";
        let expected = "\
Examples:
  tmo one                       short
  tmo two                       what this does needs more columns than there are
                                in a line
                                and what is below it does as well, so that it is
                                continued
  tmo three | grep 'a command without a description is never broken, so that it can be copied'

It is a sentence that goes on in the next line.
Another begins a line.";
        assert_eq!(fitted(text), expected);
    }
}
