//! What an image runs, by the stage of its Dockerfile that is built: `CMD`, `ENTRYPOINT` and `ENV`. What the stage has
//! from another one or from its base is not known.

use std::collections::HashMap;

use crate::import::fields::{Fields, Placed};
use crate::import::files::SourceFiles;
use crate::import::format::ImportError;
use crate::import::node::{SourcePlace, SourceValue, Variable};
use crate::import::references::escaped;
use crate::import::values::joined;

/// What a service is built from, and what its stage says. Words are written as in a compose file, with `$$` for a dollar.
#[derive(Debug, Default)]
pub(super) struct BuiltImage {
    /// The build context, relative to the directory of the compose file; that directory if none is on this machine.
    pub(super) context: String,
    pub(super) entrypoint: Option<Placed<Vec<String>>>,
    pub(super) command: Option<Placed<Vec<String>>>,
    /// With their values as they stand there.
    pub(super) variables: Vec<Variable>,
}

impl BuiltImage {
    /// That of a service; without a Dockerfile, only its context is known.
    pub(super) fn new(fields: &Fields, files: &mut SourceFiles) -> Result<Self, ImportError> {
        let mut image = Self { context: ".".to_owned(), ..Self::default() };
        let Some(node) = fields.get("build").cloned() else { return Ok(image) };
        let is_dir = matches!(node.value, SourceValue::Text(_));
        let mut build = Fields::new(if is_dir { node.under("context") } else { node }, "build")?;
        let dir = build.text("context")?.map_or_else(|| ".".to_owned(), |text| text.value);
        if dir.contains("://") || dir.starts_with("git@") {
            return Ok(image);
        }
        image.context = joined("", &dir);
        let file = build.text("dockerfile")?;
        let file = joined(&image.context, file.as_ref().map_or("Dockerfile", |text| &text.value));
        let target = build.text("target")?.filter(|name| !name.value.is_empty());
        let (text, name, first) = match build.text("dockerfile_inline")? {
            Some(Placed { value, place }) => (value, place.file, place.line),
            None if !files.exists(&file) => return Ok(image),
            None => match files.other(&file)? {
                Some(file) => (file.text, file.name, 0),
                None => return Ok(image),
            },
        };
        let mut stage = String::new();
        for (line, text) in instructions(&text) {
            let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
            let rest = rest.trim();
            let place = SourcePlace::new(&name, first + line);
            match word.to_ascii_uppercase().as_str() {
                "FROM" => {
                    if target.as_ref().is_some_and(|name| name.value.eq_ignore_ascii_case(&stage)) {
                        break;
                    }
                    let mut words = rest.split_whitespace().filter(|word| !word.starts_with("--"));
                    words.nth(2).unwrap_or_default().clone_into(&mut stage);
                    image = Self { context: image.context, ..Self::default() };
                }
                "ENV" => image.variables.extend(variables(rest, &place)),
                "CMD" => image.command = Some(command(rest, place)),
                "ENTRYPOINT" => image.entrypoint = Some(command(rest, place)),
                _ => {}
            }
        }
        Ok(image)
    }
}

fn variables(rest: &str, place: &SourcePlace) -> Vec<Variable> {
    let words = shell_words::split(rest).unwrap_or_default();
    let pairs: Option<Vec<_>> = words.iter().map(|word| word.split_once('=')).collect();
    // The old form has one variable and no equals sign.
    let pairs = pairs.unwrap_or_else(|| rest.split_once(char::is_whitespace).into_iter().collect());
    let variable = |(name, value): (&str, &str)| Variable {
        name: name.to_owned(),
        value: Some(value.trim().to_owned()),
        place: place.clone(),
    };
    pairs.into_iter().map(variable).collect()
}

/// A command in either form.
fn command(rest: &str, place: SourcePlace) -> Placed<Vec<String>> {
    let words = serde_json::from_str(rest);
    let words: Vec<String> = words.unwrap_or_else(|_| ["sh", "-c", rest].map(str::to_owned).into());
    Placed { value: words.iter().map(|word| escaped(word)).collect(), place }
}

/// The instructions of a Dockerfile, with their lines.
fn instructions(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().map(str::trim).zip(1..);
    let last: HashMap<&str, usize> = lines.clone().collect();
    let mut lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let mut found = vec![];
    while let Some((first, begin)) = lines.next() {
        let (mut line, mut end) = (first.to_owned(), begin);
        while line.ends_with('\\') {
            line.pop();
            line.truncate(line.trim_end().len());
            let Some((more, at)) = lines.next() else { break };
            end = at;
            line.push(' ');
            line.push_str(more);
        }
        // What stands in a file of its own is no instruction.
        for word in line.split("<<").skip(1) {
            let word = word.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
            let word = word.trim_matches(['"', '\'']);
            if !word.is_empty() && last.get(word).is_some_and(|last| *last > end) {
                end = lines.find(|(line, _)| *line == word).map_or(end, |(_, at)| at);
            }
        }
        found.push((begin, line));
    }
    found
}
