//! What an image runs, by its Dockerfile.

use std::collections::HashMap;
use std::path::Path;

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::files::{SourceFiles, is_below};
use super::super::node::{SourcePlace, SourceValue};
use super::super::toml_text::quoted;
use super::super::values::of_words;

/// What a service is built from.
pub(super) struct BuildContext {
    /// The directory, below that of the compose file.
    pub(super) dir: String,
    dockerfile: String,
    /// The stage that is built, if not the last.
    target: Option<String>,
    /// Its text, if it stands in the compose file.
    inline: Option<(String, SourcePlace)>,
}

/// What a stage of a Dockerfile runs.
#[derive(Debug, Clone)]
pub(super) struct ImageCommand {
    pub(super) entrypoint: Vec<String>,
    words: Vec<String>,
    /// A line for the shell, which counts if there are no words.
    line: Option<String>,
    pub(super) place: SourcePlace,
}

impl ImageCommand {
    /// As it is written here; `None` if the Dockerfile does not say it.
    pub(super) fn command(&self) -> Option<String> {
        if let Some(line) = self.line.as_ref().filter(|_| self.entrypoint.is_empty()) {
            return Some(quoted(line));
        }
        let words = [&*self.entrypoint, &*self.words].concat();
        (!words.is_empty()).then(|| of_words(&words))
    }
}

impl BuildContext {
    /// That of a service; `None` if it has none in the project.
    pub(super) fn of(fields: &Fields) -> Result<Option<Self>, ImportError> {
        let Some(node) = fields.get("build") else { return Ok(None) };
        let (mut dockerfile, mut target, mut inline) = (None, None, None);
        let dir = if let SourceValue::Text(dir) = &node.value {
            dir.clone()
        } else {
            let mut build = Fields::of(node.clone(), "build")?;
            dockerfile = build.text("dockerfile")?.map(|text| text.value);
            target = build.text("target")?.map(|text| text.value);
            inline = build.text("dockerfile_inline")?.map(|text| (text.value, text.place));
            build.text("context")?.map_or_else(|| ".".to_owned(), |text| text.value)
        };
        let dockerfile = dockerfile.unwrap_or_else(|| "Dockerfile".to_owned());
        let is_here = is_below(Path::new(&dir)) && !dir.contains("://");
        Ok(is_here.then_some(Self { dir, dockerfile, target, inline }))
    }

    /// What it runs; `None` if there is no Dockerfile.
    pub(super) fn read(
        &self,
        files: &mut SourceFiles,
    ) -> Result<Option<ImageCommand>, ImportError> {
        if let Some((text, place)) = &self.inline {
            return Ok(self.stage(text, |_| place.clone()));
        }
        let path = Path::new(&self.dir).join(&self.dockerfile);
        let Some(path) = path.to_str().filter(|path| is_below(Path::new(path))) else {
            return Ok(None);
        };
        let path = path.strip_prefix("./").unwrap_or(path);
        let Some(file) = files.other(path)? else { return Ok(None) };
        Ok(self.stage(&file.text, |line| SourcePlace::new(&file.name, line)))
    }

    /// What the stage runs that is built.
    fn stage(&self, text: &str, place: impl Fn(usize) -> SourcePlace) -> Option<ImageCommand> {
        let mut stages: HashMap<String, ImageCommand> = HashMap::new();
        let mut stage: Option<(String, ImageCommand)> = None;
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let mut line = line.trim().to_owned();
            while let Some(begun) = line.strip_suffix('\\') {
                line = format!(
                    "{} {}",
                    begun.trim_end(),
                    lines.next().map_or("", |(_, line)| line.trim())
                );
            }
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            match word.to_ascii_uppercase().as_str() {
                "FROM" => {
                    stages.extend(stage.take());
                    let words: Vec<&str> =
                        rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                    let base = words.first().and_then(|base| stages.get(*base)).cloned();
                    let nothing = || ImageCommand {
                        entrypoint: vec![],
                        words: vec![],
                        line: None,
                        place: place(at + 1),
                    };
                    let name = words.get(2).copied().unwrap_or_default().to_owned();
                    stage = Some((name, base.unwrap_or_else(nothing)));
                }
                instruction @ ("CMD" | "ENTRYPOINT") => {
                    let Some((_, command)) = &mut stage else { continue };
                    command.place = place(at + 1);
                    let words = serde_json::from_str::<Vec<String>>(rest.trim());
                    match (instruction, words) {
                        ("CMD", Ok(words)) => (command.words, command.line) = (words, None),
                        ("CMD", Err(_)) => {
                            let line = rest.trim().to_owned();
                            command.words = vec!["sh".to_owned(), "-c".to_owned(), line.clone()];
                            command.line = Some(line);
                        }
                        (_, Ok(words)) => {
                            (command.entrypoint, command.words, command.line) =
                                (words, vec![], None);
                        }
                        (_, Err(_)) => {
                            let line = rest.trim().to_owned();
                            command.entrypoint = vec!["sh".to_owned(), "-c".to_owned(), line];
                            (command.words, command.line) = (vec![], None);
                        }
                    }
                }
                _ => {}
            }
        }
        let (name, last) = stage?;
        match &self.target {
            Some(target) if *target != name => stages.remove(target),
            _ => Some(last),
        }
    }
}
