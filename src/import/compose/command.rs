//! Commands of a compose file and of an image, in which variables are replaced. Words are written as in a compose file,
//! with `$$` for a dollar.

use std::path::Path;

use super::super::error::ImportError;
use super::super::files::SourceFiles;
use super::super::node::{SourceNode, SourcePlace, SourceValue};
use super::super::paths::joined;
use super::super::process::ImportedProcess;
use super::super::references::{Keep, Part, References, for_shell, parts};
use super::super::toml_text::quoted;
use super::super::values::of_words;
use super::paths::ContainerPaths;
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
///
/// compose runs words without a shell but replaces variables in them first: here the shell does that, and nothing else.
pub(super) fn command_text(words: &[String]) -> String {
    let has_variable =
        |word: &String| parts(word).into_iter().any(|part| part.variable().is_some());
    if words.iter().any(has_variable) {
        let words: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
        return quoted(&words.join(" "));
    }
    let words: Vec<String> = words.iter().map(|word| word.replace("$$", "$")).collect();
    match &words[..] {
        // That is how a line is run here.
        [shell, flag, line] if ["sh", "/bin/sh"].contains(&&**shell) && flag == "-c" => {
            quoted(line)
        }
        _ => of_words(&words),
    }
}

/// A command without what only its image has, and with what stands in the project instead: of the words, the first
/// `entry` are its entry point. `Err` names a program that is only in the image.
pub(super) fn in_project(
    mut words: Vec<String>,
    mut entry: usize,
    (paths, files): (&ContainerPaths, &SourceFiles),
    place: &SourcePlace,
    process: &mut ImportedProcess,
) -> Result<Vec<String>, String> {
    /// Programs that reap the children of others, which tmo does.
    const REAPERS: [&str; 3] = ["tini", "dumb-init", "catatonit"];
    const WAITERS: [&str; 4] = ["dockerize", "wait-for-it.sh", "wait-for", "wait-for-it"];
    const USERS: [&str; 2] = ["gosu", "su-exec"];
    while let Some(program) = words.first().cloned() {
        let name = program.rsplit('/').next().unwrap_or_default();
        let found = found(&program, paths, files);
        let is_wrapper = |names: &[&str]| names.contains(&name) && found.is_none();
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
        } else if let Some(path) = found {
            words[0] = path;
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
            return line_in_project(words, paths, files);
        };
        let gone: Vec<String> = words.drain(..gone.min(words.len())).collect();
        entry = entry.saturating_sub(gone.len());
        if let Some(why) = why {
            process.leave(place, format!("entrypoint: {}", gone.join(" ")), why);
        }
    }
    Ok(words)
}

/// Where a program of a container is found from the directory of the service.
fn found(program: &str, paths: &ContainerPaths, files: &SourceFiles) -> Option<String> {
    if !program.starts_with('/') && program.contains('/') {
        let is_there = files.exists(&joined(&paths.cwd, program));
        return is_there.then(|| program.to_owned());
    }
    if !program.starts_with('/') {
        let copied = PROGRAMS.iter().map(|dir| format!("{dir}/{program}"));
        return copied.into_iter().find_map(|path| found_file(&path, paths, files));
    }
    let on_machine = || Path::new(program).exists().then(|| program.to_owned());
    found_file(program, paths, files).or_else(on_machine)
}

/// Where programs are found by their names.
const PROGRAMS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin"];

fn found_file(inside: &str, paths: &ContainerPaths, files: &SourceFiles) -> Option<String> {
    let path = paths.in_project(inside)?;
    (files.exists(&path) && !files.is_dir(&path)).then(|| paths.seen_from_cwd(inside)).flatten()
}

/// Whether a program is one that ends by running its arguments.
fn is_script(name: &str) -> bool {
    name.strip_suffix(".sh").is_some() || name.contains("entrypoint")
}

/// The same of a line for the shell.
fn line_in_project(
    words: Vec<String>,
    paths: &ContainerPaths,
    files: &SourceFiles,
) -> Result<Vec<String>, String> {
    let [shell, _, line] = &words[..] else { return Ok(words) };
    let program = shell::program_word(line).map(|(program, _)| program);
    let program = program.filter(|program| shell.ends_with("sh") && program.starts_with('/'));
    match program {
        Some(program) if found(program, paths, files).is_none() => Err(program.to_owned()),
        _ => Ok(words),
    }
}
