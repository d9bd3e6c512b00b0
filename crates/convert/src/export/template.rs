//! Formats as templates (in Jinja's language): those that are built in, and those of a user.
//!
//! A template sees the fields of [`ExportedProject`]. One whose file name mentions `process` is rendered for each
//! process, with `process` and `gaps`, the comments on what the format can't express.

use std::io;
use std::path::{Path, PathBuf};

use minijinja::{Environment, Value, context};
use serde::de::DeserializeOwned;

use super::checks;
use super::error::ExportError;
use super::files::ExportedFile;
use super::format::ExportFormat;
use super::gaps;
use super::project::{ExportOptions, ExportedCheck, ExportedProcess, ExportedProject};
use super::{supervisord, systemd};
use crate::model::shell;
use crate::sys::files::{ChosenBy, read_project};

/// How many templates a format may have.
const MOST_FILES: usize = 100;
/// How deep their directories may be.
const MOST_DEPTH: usize = 4;
/// The end of the names of templates.
const ENDING: &str = ".j2";

/// Where templates are looked for before the built-in ones.
#[derive(Debug, Default)]
pub struct Templates {
    /// The user's directory, with one directory for each format.
    pub dir: Option<PathBuf>,
}

/// A template.
#[derive(Debug)]
pub(super) struct Template {
    format: ExportFormat,
    /// For messages.
    path: String,
    /// The name of the file that it makes, a template itself.
    name: String,
    text: String,
}

macro_rules! templates {
    ($format:ident, $dir:literal, [$($name:literal),+]) => {
        [$(($name, include_str!(concat!("templates/", $dir, "/", $name, ".j2")))),+]
            .map(|(name, text)| Template {
                format: ExportFormat::$format,
                path: format!("{}/{name}{ENDING}", $dir),
                name: name.to_owned(),
                text: text.to_owned(),
            })
            .into()
    };
}

/// The templates of a format that has no writer of its own.
pub(super) fn built_in(format: ExportFormat) -> Vec<Template> {
    match format {
        ExportFormat::Supervisord => templates!(Supervisord, "supervisord", ["{{ app }}.conf"]),
        ExportFormat::Runit => templates!(
            Runit,
            "runit",
            [
                "{{ process.unit }}/run",
                "{{ process.unit }}/finish",
                "{{ process.unit }}/check",
                "{{ process.unit }}/down",
                "{{ process.unit }}/control/t",
                "{{ process.unit }}/log/run"
            ]
        ),
        ExportFormat::Launchd => templates!(Launchd, "launchd", ["{{ process.unit }}.plist"]),
        ExportFormat::Upstart => {
            templates!(Upstart, "upstart", ["{{ app }}.conf", "{{ process.unit }}.conf"])
        }
        ExportFormat::Systemd
        | ExportFormat::Compose
        | ExportFormat::Kubernetes
        | ExportFormat::Tmux => vec![],
    }
}

impl Templates {
    /// The user's templates of a format.
    pub(super) fn of(&self, format: ExportFormat) -> Result<Vec<Template>, ExportError> {
        let Some(dir) = &self.dir else { return Ok(vec![]) };
        let (root, mut found) = (dir.join(format.name()), vec![]);
        let failed =
            |path: &Path, error| ExportError::Io { file: path.display().to_string(), error };
        if !dir.is_dir() {
            return Err(failed(dir, io::Error::from(io::ErrorKind::NotFound)));
        }
        let mut open = vec![(root.clone(), 0)];
        while let Some((dir, depth)) = open.pop() {
            let entries = match std::fs::read_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(|error| failed(&dir, error))?,
            };
            for entry in entries {
                let path = entry.map_err(|error| failed(&dir, error))?.path();
                if path.is_dir() && depth < MOST_DEPTH {
                    open.push((path, depth + 1));
                } else if let Some(name) = path.strip_prefix(&root).ok().and_then(Path::to_str)
                    && let Some(name) = name.strip_suffix(ENDING)
                {
                    let text = read_project(&path, ChosenBy::User)
                        .map_err(|error| failed(&path, error))?;
                    let text = String::from_utf8_lossy(&text).into_owned();
                    let (path, name) = (path.display().to_string(), name.to_owned());
                    found.push(Template { format, path, name, text });
                }
                if found.len() > MOST_FILES {
                    let why = format!("more than {MOST_FILES} templates");
                    return Err(ExportError::Template { file: root.display().to_string(), why });
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

/// Render templates. A file without text, for a process that does not need it, is left out.
pub(super) fn render(
    templates: &[Template],
    project: &ExportedProject,
) -> Result<Vec<ExportedFile>, ExportError> {
    let mut files = vec![];
    for template in templates {
        let environment = environment(template)?;
        if !template.name.contains("process") {
            let gaps: Vec<_> = project
                .processes
                .iter()
                .map(|process| (process.name.as_str(), comments(template.format, process)))
                .collect();
            files.extend(template.file(&environment, project, context! { gaps })?);
            continue;
        }
        for process in &project.processes {
            let gaps = comments(template.format, process);
            files.extend(template.file(&environment, project, context! { process, gaps })?);
        }
    }
    Ok(files)
}

fn comments(format: ExportFormat, process: &ExportedProcess) -> Vec<String> {
    gaps::of(format, &ExportOptions::default(), process).map(|gap| gap.comment()).collect()
}

impl Template {
    fn failed(&self, error: &minijinja::Error) -> ExportError {
        let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
        let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
        let why = format!("{}{detail}", error.kind());
        ExportError::Template { file: format!("{}{line}", self.path), why }
    }

    fn file(
        &self,
        environment: &Environment<'_>,
        project: &ExportedProject,
        more: Value,
    ) -> Result<Option<ExportedFile>, ExportError> {
        let values = context! { ..more, ..Value::from_serialize(project) };
        let render = |name: &str| -> Result<String, ExportError> {
            let template = environment.get_template(name).map_err(|error| self.failed(&error))?;
            template.render(&values).map_err(|error| self.failed(&error))
        };
        let (name, text) = (render("name")?, render("text")?);
        let is_inside = |name: &str| {
            Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        if name.is_empty() || !is_inside(&name) {
            let why =
                format!("`{name}` is not the name of a file below the directory of the export");
            return Err(ExportError::Template { file: self.path.clone(), why });
        }
        if text.trim().is_empty() {
            return Ok(None);
        }
        let file = ExportedFile::new(name, text);
        Ok(Some(if file.text.starts_with("#!") { file.program() } else { file }))
    }
}

/// What a template may use besides the language itself.
fn environment(template: &Template) -> Result<Environment<'_>, ExportError> {
    let mut environment = Environment::new();
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(10_000_000));
    environment.add_filter("sh", |text: String| shell::quoted(&text));
    environment.add_filter("xml", |text: String| xml(&text));
    environment.add_filter("systemd", |argv: Vec<String>| systemd::command(&argv));
    environment.add_filter("seconds", |ms: u64| ms.div_ceil(1000));
    environment.add_filter("check", |check: Value| {
        written(&check, |check: &ExportedCheck| checks::command(check))
    });
    environment.add_filter("supervisord_command", |process: Value| {
        written(&process, supervisord::command)
    });
    environment.add_filter("supervisord_environment", |process: Value| {
        written(&process, supervisord::environment)
    });
    let add = |environment: &mut Environment<'_>, name: &'static str, text: String| {
        environment.add_template_owned(name, text).map_err(|error| template.failed(&error))
    };
    add(&mut environment, "name", template.name.clone())?;
    add(&mut environment, "text", template.text.clone())?;
    Ok(environment)
}

fn written<T: DeserializeOwned>(
    value: &Value,
    write: fn(&T) -> String,
) -> Result<String, minijinja::Error> {
    let value = serde_json::to_value(value).and_then(serde_json::from_value);
    value.map(|value| write(&value)).map_err(|error| {
        minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string())
    })
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
