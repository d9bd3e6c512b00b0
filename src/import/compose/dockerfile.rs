//! What an image runs, and how, by its Dockerfile.

use std::collections::HashMap;

use super::super::error::ImportError;
use super::super::fields::Fields;
use super::super::files::SourceFiles;
use super::super::node::{SourceNode, SourcePlace, SourceValue, Variable};
use super::super::paths::joined;
use super::super::references::{Keep, References, escaped};

/// The most stages, and the most that is read of each.
const MOST_STAGES: usize = 50;
const MOST_VARIABLES: usize = 200;
const MOST_COPIES: usize = 200;

/// What a service is built from. All texts of its stages are written as in a compose file, with `$$` for a dollar.
pub(super) struct BuildContext {
    /// The directory, relative to that of the compose file.
    pub(super) dir: String,
    dockerfile: String,
    /// The stage that is built, if not the last.
    target: Option<String>,
    /// Its text, if it stands in the compose file.
    inline: Option<(String, SourcePlace)>,
    args: Vec<Variable>,
}

/// What an image runs.
#[derive(Debug, Clone)]
pub(super) struct ImageCommand {
    pub(super) words: Vec<String>,
    /// It is a line for the shell.
    pub(super) is_line: bool,
    pub(super) place: SourcePlace,
}

/// What the instructions of a stage have said so far.
#[derive(Debug, Clone, Default)]
pub(super) struct ImageStage {
    pub(super) entrypoint: Option<ImageCommand>,
    pub(super) command: Option<ImageCommand>,
    pub(super) variables: Vec<Variable>,
    pub(super) workdir: String,
    /// Paths in the image and in the context.
    pub(super) copies: Vec<(String, String)>,
    /// Keys of a compose file that it sets.
    pub(super) keys: Vec<(&'static str, SourceNode)>,
}

impl BuildContext {
    /// That of a service; `None` if it has none on this machine.
    pub(super) fn of(fields: &Fields) -> Result<Option<Self>, ImportError> {
        let Some(node) = fields.get("build") else { return Ok(None) };
        let (mut dockerfile, mut target, mut inline, mut args) = (None, None, None, vec![]);
        let dir = if let SourceValue::Text(dir) = &node.value {
            dir.clone()
        } else {
            let mut build = Fields::of(node.clone(), "build")?;
            dockerfile = build.text("dockerfile")?.map(|text| text.value);
            target = build.text("target")?.map(|text| text.value);
            inline = build.text("dockerfile_inline")?.map(|text| (text.value, text.place));
            args = build.variables("args")?;
            build.text("context")?.map_or_else(|| ".".to_owned(), |text| text.value)
        };
        if dir.contains("://") || dir.starts_with("git@") {
            return Ok(None);
        }
        let dir = joined("", &dir);
        let dockerfile = joined(&dir, dockerfile.as_deref().unwrap_or("Dockerfile"));
        Ok(Some(Self { dir, dockerfile, target, inline, args }))
    }

    /// What it makes; nothing if there is no Dockerfile.
    pub(super) fn read(&self, files: &mut SourceFiles) -> Result<ImageStage, ImportError> {
        let (text, name, first) = match &self.inline {
            Some((text, place)) => (text.clone(), place.file.clone(), place.line),
            None if !files.exists(&self.dockerfile) => return Ok(ImageStage::default()),
            None => match files.other(&self.dockerfile)? {
                Some(file) => (file.text, file.name, 0),
                None => return Ok(ImageStage::default()),
            },
        };
        let mut reader =
            StageReader { build: self, files, global: References::default(), stages: vec![] };
        for (line, text) in instructions(&text) {
            reader.instruction(&text, &SourcePlace::new(&name, first + line));
        }
        let wanted = self.target.as_deref();
        let stages = reader.stages;
        let at = wanted.and_then(|wanted| {
            let is_named = |(name, _): &(String, _)| name.eq_ignore_ascii_case(wanted);
            stages.iter().rposition(is_named).or_else(|| wanted.parse().ok())
        });
        let at = if wanted.is_some() { at } else { stages.len().checked_sub(1) };
        let stage = at.and_then(|at| stages.into_iter().nth(at));
        Ok(stage.map(|(_, stage)| stage.image).unwrap_or_default())
    }
}

/// A stage while it is read.
#[derive(Clone, Default)]
struct Stage {
    image: ImageStage,
    references: References,
    has_command: bool,
}

struct StageReader<'a> {
    build: &'a BuildContext,
    files: &'a SourceFiles,
    /// The arguments in front of the first stage.
    global: References,
    /// With their names.
    stages: Vec<(String, Stage)>,
}

impl StageReader<'_> {
    fn instruction(&mut self, text: &str, place: &SourcePlace) {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
        let has_room = self.stages.len() < MOST_STAGES;
        match (word.as_str(), self.stages.last_mut()) {
            ("FROM", _) if has_room => self.from(rest),
            ("ARG", _) => self.arg(rest),
            ("COPY" | "ADD", Some((_, stage))) => stage.copy(rest, self.build, self.files),
            ("ENV", Some((_, stage))) => stage.env(rest, place),
            ("WORKDIR", Some((_, stage))) => {
                let dir = stage.value(rest.trim_matches(['"', '\'']));
                stage.image.workdir = inside(&stage.image.workdir, &dir);
            }
            ("EXPOSE", Some((_, stage))) => {
                let ports = stage.value(rest);
                // The first one counts.
                let port = ports.split(['/', ' ']).next().unwrap_or_default();
                let port =
                    SourceNode { place: place.clone(), value: SourceValue::Text(port.to_owned()) };
                let ports =
                    SourceNode { place: place.clone(), value: SourceValue::List(vec![port]) };
                if stage.image.keys.iter().all(|(key, _)| *key != "expose") {
                    stage.set("expose", ports);
                }
            }
            ("STOPSIGNAL", Some((_, stage))) => {
                let value = SourceValue::Text(stage.value(rest));
                stage.set("stop_signal", SourceNode { place: place.clone(), value });
            }
            ("HEALTHCHECK", Some((_, stage))) => {
                stage.set("healthcheck", healthcheck(rest, place));
            }
            ("CMD", Some((_, stage))) => {
                stage.has_command = true;
                stage.image.command = Some(command(rest, place));
            }
            ("ENTRYPOINT", Some((_, stage))) => {
                // What the base runs would be arguments of it.
                if !stage.has_command {
                    stage.image.command = None;
                }
                stage.image.entrypoint = Some(command(rest, place));
            }
            _ => {}
        }
    }

    fn from(&mut self, rest: &str) {
        let rest = self.global.value(rest);
        let words: Vec<&str> =
            rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        let base = words.first().copied().unwrap_or_default();
        let base = self.stages.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(base));
        let stage = base.map(|(_, stage)| stage.clone()).unwrap_or_default();
        let stage = Stage { has_command: false, ..stage };
        self.stages.push((words.get(2).copied().unwrap_or_default().to_owned(), stage));
    }

    fn arg(&mut self, rest: &str) {
        for word in shell_words::split(rest).unwrap_or_default() {
            let (name, default) =
                word.split_once('=').map_or((&*word, None), |(n, v)| (n, Some(v)));
            let given = self.build.args.iter().find(|arg| arg.name == name);
            let given = given.and_then(|arg| arg.value.clone());
            let known = self.stages.last().map_or(&self.global, |(_, stage)| &stage.references);
            let value = given
                .or_else(|| Some(known.value(default?)))
                .or_else(|| self.global.known(name).map(str::to_owned));
            let Some(value) = value else { continue };
            match self.stages.last_mut() {
                Some((_, stage)) => stage.references.know(name, &value),
                None => self.global.know(name, &value),
            }
        }
    }
}

impl Stage {
    fn set(&mut self, key: &'static str, node: SourceNode) {
        self.image.keys.retain(|(known, _)| *known != key);
        self.image.keys.push((key, node));
    }

    /// A text with its variables replaced.
    fn value(&self, text: &str) -> String {
        self.references.value(&text.replace("\\$", "$$"))
    }

    fn env(&mut self, rest: &str, place: &SourcePlace) {
        let words = shell_words::split(rest).unwrap_or_default();
        let pairs: Option<Vec<_>> = words.iter().map(|word| word.split_once('=')).collect();
        // The old form has one variable and no equals sign.
        let pairs =
            pairs.unwrap_or_else(|| rest.split_once(char::is_whitespace).into_iter().collect());
        let room = MOST_VARIABLES.saturating_sub(self.image.variables.len());
        for (name, value) in pairs.into_iter().take(room) {
            let value = self.references.expanded(&value.trim().replace("\\$", "$$"), Keep::Unknown);
            self.references.know(name, &value.replace("$$", "$"));
            self.image.variables.retain(|variable| variable.name != name);
            self.image.variables.push(Variable {
                name: name.to_owned(),
                value: Some(value),
                place: place.clone(),
            });
        }
    }

    /// Note what is copied from the context; what comes from elsewhere is not in the project.
    fn copy(&mut self, rest: &str, build: &BuildContext, files: &SourceFiles) {
        let mut rest = rest;
        while let Some(flag) = rest.strip_prefix("--") {
            if flag.starts_with("from=") {
                return;
            }
            rest = flag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
        }
        let words = match serde_json::from_str::<Vec<String>>(rest) {
            Ok(words) => words,
            Err(_) => rest.split_whitespace().map(str::to_owned).collect(),
        };
        let words: Vec<String> = words.iter().map(|word| self.value(word)).collect();
        let Some((to, sources)) = words.split_last() else { return };
        let target = inside(&self.image.workdir, to);
        let is_below = sources.len() > 1 || to.ends_with('/') || to.ends_with('.');
        let room = MOST_COPIES.saturating_sub(self.image.copies.len());
        for source in sources.iter().take(room) {
            if source.contains("://")
                || source.contains(['*', '?', '['])
                || source.starts_with("<<")
            {
                continue;
            }
            let path = joined(&build.dir, source.trim_start_matches('/'));
            let name = path.rsplit('/').next().unwrap_or_default();
            let is_dir = source.ends_with(['/', '.']) || files.is_dir(&path);
            let target = if is_below && !is_dir { inside(&target, name) } else { target.clone() };
            self.image.copies.push((target, path));
        }
    }
}

/// A path in an image, relative to a directory there.
pub(super) fn inside(dir: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { joined(&format!("/{dir}"), path) }
}

/// A command in either form.
fn command(rest: &str, place: &SourcePlace) -> ImageCommand {
    let place = place.clone();
    let words = serde_json::from_str::<Vec<String>>(rest);
    let is_line = words.is_err();
    let words = words.unwrap_or_else(|_| ["sh", "-c", rest].map(str::to_owned).to_vec());
    ImageCommand { words: words.iter().map(|word| escaped(word)).collect(), is_line, place }
}

/// A health check as a compose file has it.
fn healthcheck(rest: &str, place: &SourcePlace) -> SourceNode {
    let node = |value| SourceNode { place: place.clone(), value };
    let text = |text: &str| node(SourceValue::Text(text.to_owned()));
    let (mut rest, mut entries) = (rest, vec![]);
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, more) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        entries.push((name.replace('-', "_"), text(value)));
        rest = more.trim_start();
    }
    let (kind, line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let words = if kind.eq_ignore_ascii_case("CMD") {
        let command = command(line.trim(), place);
        let first = if command.is_line { "CMD-SHELL" } else { "CMD" };
        let words = command.words.into_iter().skip(if command.is_line { 2 } else { 0 });
        std::iter::once(first.to_owned()).chain(words).collect()
    } else {
        vec!["NONE".to_owned()]
    };
    let words = words.iter().map(|word| text(word)).collect();
    entries.push(("test".to_owned(), node(SourceValue::List(words))));
    node(SourceValue::Table(entries))
}

/// The instructions of a Dockerfile, with their lines.
fn instructions(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_escape = |line: &&str| line.replace(' ', "").eq_ignore_ascii_case("#escape=`");
    let head = lines.iter().take_while(|line| line.starts_with('#'));
    let escape = if head.copied().any(|line| is_escape(&line)) { '`' } else { '\\' };
    let last: HashMap<&str, usize> =
        lines.iter().enumerate().map(|(at, line)| (*line, at)).collect();
    let (mut found, mut at) = (vec![], 0);
    while let Some(first) = lines.get(at) {
        let begin = at + 1;
        at += 1;
        if first.is_empty() || first.starts_with('#') {
            continue;
        }
        let mut line = (*first).to_owned();
        while line.ends_with(escape) {
            line.pop();
            line.truncate(line.trim_end().len());
            let is_part = |line: &&&str| !line.is_empty() && !line.starts_with('#');
            let rest = lines.get(at..).unwrap_or_default();
            let Some(skipped) = rest.iter().position(|line| is_part(&line)) else { break };
            at += skipped + 1;
            line.push(' ');
            line.push_str(lines[at - 1]);
        }
        // What stands in a file of its own is no instruction.
        for word in line.split("<<").skip(1) {
            let word = word.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
            let word = word.trim_matches(['"', '\'']);
            if !word.is_empty() && last.get(word).is_some_and(|end| *end >= at) {
                at += lines[at..].iter().position(|line| *line == word).unwrap_or(0) + 1;
            }
        }
        found.push((begin, line));
    }
    found
}
