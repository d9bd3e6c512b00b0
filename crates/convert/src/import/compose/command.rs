//! Commands of a compose file and of an image, in which variables are replaced. Words are written as in a compose file,
//! with `$$` for a dollar.

use super::super::error::ImportError;
use super::super::node::{SourceNode, SourcePlace, SourceValue};
use super::super::process::ImportedProcess;
use super::super::references::{Keep, Part, References, command_of, has_variable, parts, plain};
use super::super::toml_text::quoted;
use crate::model::shell;

/// The words of a command.
pub(super) fn words(node: SourceNode, references: &References) -> Result<Vec<String>, ImportError> {
    let place = node.place.clone();
    let SourceValue::Text(line) = node.value else { return node.texts("command") };
    // A default of several words is split after it was taken.
    let is_split =
        |part: &Part<'_>| matches!(part, Part::Variable { word, .. } if word.contains(' '));
    let is_split = parts(&line).iter().any(is_split);
    let line = if is_split { references.expanded(&line, Keep::Unknown) } else { line };
    shell_words::split(&line).map_err(|_| place.error("a quote in this command is not closed"))
}

/// A command of these words, as it is written here.
pub(super) fn command_text(words: &[String]) -> String {
    match words {
        // That is how a line is run here.
        [shell, flag, line]
            if ["sh", "/bin/sh"].contains(&&**shell) && flag == "-c" && !has_variable(line) =>
        {
            quoted(&plain(line))
        }
        _ => command_of(words),
    }
}

/// A command without what only its image has: of the words, the first `entry` are its entry point. `is_here` tells
/// whether a path is that of a file of this machine. `Err` names a program that is only in the image.
pub(super) fn on_machine(
    mut words: Vec<String>,
    mut entry: usize,
    is_here: impl Fn(&str) -> bool,
    place: &SourcePlace,
    process: &mut ImportedProcess,
) -> Result<Vec<String>, String> {
    /// Programs that reap the children of others, which tmo does.
    const REAPERS: [&str; 3] = ["tini", "dumb-init", "catatonit"];
    const WAITERS: [&str; 4] = ["dockerize", "wait-for-it.sh", "wait-for", "wait-for-it"];
    const USERS: [&str; 2] = ["gosu", "su-exec"];
    while let Some(program) = words.first().cloned() {
        let name = program.rsplit('/').next().unwrap_or_default();
        let is_file = program.contains('/') && is_here(&program);
        let is_wrapper = |names: &[&str]| names.contains(&name) && !is_file;
        let end = words.iter().position(|word| word == "--").map(|at| at + 1);
        let flags = words.iter().skip(1).take_while(|word| word.starts_with('-')).count();
        let (gone, why) = if REAPERS.contains(&name) {
            (end.unwrap_or(1 + flags), None)
        } else if is_wrapper(&WAITERS)
            && let Some(end) = end
        {
            (end, Some("only its image has it; depends_on can wait instead"))
        } else if is_wrapper(&USERS) {
            (2, Some("only its image has it; here everything runs as you"))
        } else if is_file {
            return Ok(words);
        } else if is_script(name) && (entry > 0 || !program.contains('/'))
            || program.starts_with('/')
        {
            let gone = 1 + flags.min(entry.saturating_sub(1));
            let is_wrapper = entry > 0 && is_script(name);
            if !is_wrapper || words.get(gone).is_none_or(|word| word.starts_with('-')) {
                return Err(program);
            }
            (gone, Some("only its image has it; do by hand what it prepares"))
        } else {
            // It may be a line for a shell.
            let line = words.get(2).filter(|_| words.len() == 3 && program.ends_with("sh"));
            let first = line.and_then(|line| shell::program_word(line));
            let missing = first.filter(|(word, _)| word.starts_with('/') && !is_here(word));
            return missing.map(|(word, _)| word.to_owned()).map_or(Ok(words), Err);
        };
        let gone: Vec<String> = words.drain(..gone.min(words.len())).collect();
        entry = entry.saturating_sub(gone.len());
        if let Some(why) = why {
            process.leave(place, format!("entrypoint: {}", gone.join(" ")), why);
        }
    }
    Ok(words)
}

/// Whether a program is one that ends by running its arguments.
fn is_script(name: &str) -> bool {
    name.strip_suffix(".sh").is_some() || name.contains("entrypoint")
}
