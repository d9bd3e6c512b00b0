//! Rules for declaring and removing failure texts, shared by all commands.

use std::path::PathBuf;

use super::{EditError, Failures, edit};
use crate::config::error::ConfigError;
use crate::config::load::toml_at;
use crate::config::toml::TmoToml;
use crate::model::name::nearest::nearest;
use crate::model::name::{check_length, nearest};
use crate::model::request::Unknown;
use crate::model::{ProcName, plan::Plan};

/// The declarations of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declarations {
    /// The file: its path, and its name for messages.
    pub file: (PathBuf, PathBuf),
    /// The `tmo.toml` beside it, likewise.
    pub toml: (PathBuf, PathBuf),
    /// The entries of the project.
    pub entries: Vec<ProcName>,
}

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The declarations after the change.
    pub failures: Failures,
    /// Whether they have changed.
    pub is_changed: bool,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeclareError {
    /// No process has this name.
    #[error("unknown process name: {}", .0.name)]
    Unknown(Unknown),
    /// The text is not declared, so it can't be removed.
    #[error("`{text}` is not declared for {name}{hint}")]
    Absent {
        /// The text to remove.
        text: String,
        /// For which process.
        name: String,
        /// Advice, with its separator.
        hint: String,
    },
    /// It is declared in a file that only users edit.
    #[error("`{text}` is declared for {name} in {place}; remove it there, then `tmo reload`")]
    Elsewhere {
        /// The text to remove.
        text: String,
        /// For which process.
        name: String,
        /// The file and the line.
        place: String,
    },
    /// The file can't be read or written, or the text can't be in it.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl From<ConfigError> for DeclareError {
    fn from(error: ConfigError) -> Self {
        Self::Edit(error.into())
    }
}

impl Declarations {
    /// The declarations of the project of a run.
    pub fn of_run(plan: &Plan) -> Self {
        let dir = plan.origin.as_ref().map_or(&plan.root, |origin| &origin.dir);
        let shown = plan.procfile.as_path();
        let beside = |name: &str| {
            let shown = shown.with_file_name(name);
            (dir.as_path().join(&shown), shown)
        };
        let mut entries: Vec<ProcName> = vec![];
        let gone =
            |entry: &str| plan.processes.iter().any(|p| p.removed && p.name.entry() == entry);
        let present = plan.present().map(|process| process.name.entry());
        // Entries that the formation leaves out are not processes of the run.
        let idle = plan.lines.iter().map(String::as_str).filter(|line| !gone(line));
        for entry in present.chain(idle) {
            if let Ok(entry) = ProcName::new(entry)
                && !entries.contains(&entry)
            {
                entries.push(entry);
            }
        }
        Self { file: beside(super::FILE), toml: beside("tmo.toml"), entries }
    }

    /// The declarations of a process, or of all. An unknown name is an error, unless the file contains it.
    pub fn listed(&self, name: Option<&str>) -> Result<Failures, DeclareError> {
        let failures = Failures::load(&self.file.0, &self.file.1)?;
        if let Some(name) = name {
            self.check(name, &failures)?;
        }
        Ok(failures.only(name))
    }

    pub fn add(&self, name: &str, text: &str) -> Result<Declared, DeclareError> {
        self.check(name, &Failures::default())?;
        let (failures, is_changed) =
            edit(&self.file.0, &self.file.1, |failures| failures.add(name, text))?;
        Ok(Declared { failures, is_changed })
    }

    pub fn remove(&self, name: &str, text: &str) -> Result<Declared, DeclareError> {
        self.check(name, &Failures::load(&self.file.0, &self.file.1)?)?;
        super::check(text).map_err(EditError::from)?;
        let (failures, is_changed) =
            edit(&self.file.0, &self.file.1, |failures| Ok(failures.remove(name, text)))?;
        if is_changed {
            return Ok(Declared { failures, is_changed });
        }
        let same = |(_, other, _): &(String, String, String)| other == text;
        if let Some((.., place)) = self.elsewhere(Some(name))?.into_iter().find(same) {
            let (text, name) = (text.to_owned(), name.to_owned());
            return Err(DeclareError::Elsewhere { text, name, place });
        }
        let near = nearest(text, failures.texts_of(name).iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; `tmo failures list {name}` shows what there is"),
        };
        Err(DeclareError::Absent { text: text.to_owned(), name: name.to_owned(), hint })
    }

    /// The `tmo.toml` as it is now.
    pub fn read_toml(&self) -> Result<TmoToml, ConfigError> {
        let (toml, mistakes) = toml_at(&self.toml.0, &self.toml.1)?;
        mistakes.into_result(&toml.source)?;
        Ok(toml)
    }

    /// The declarations in the `tmo.toml` for one of these processes, or for all: the process, the text,
    /// and its place.
    pub fn elsewhere(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(String, String, String)>, ConfigError> {
        let toml = self.read_toml()?;
        let entry = name.map(|name| name.split('#').next().unwrap_or_default());
        let asked = |known: &&ProcName| entry.is_none_or(|entry| known.as_str() == entry);
        let mut found = vec![];
        for known in self.entries.iter().filter(asked) {
            let own = toml.table(known.as_str()).map_or(&[][..], |table| &table.failure);
            for failure in toml.defaults.failure.iter().chain(own) {
                let text = failure.get_ref().text.pattern.clone();
                found.push((known.to_string(), text, toml.source.place(&failure.span())));
            }
        }
        Ok(found)
    }

    fn check(&self, name: &str, failures: &Failures) -> Result<(), DeclareError> {
        let entry = name.split('#').next().unwrap_or_default();
        let is_known =
            check_length(name).is_ok() && self.entries.iter().any(|known| known.as_str() == entry);
        if is_known || !failures.texts_of(name).is_empty() {
            return Ok(());
        }
        Err(DeclareError::Unknown(nearest::unknown(name, &self.entries)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::{Declarations, DeclareError};
    use crate::model::ProcName;

    fn at(dir: &Path) -> Declarations {
        let file = |name: &str| (dir.join(name), Path::new(".").join(name));
        let entries = ["web", "db"].map(|name| ProcName::new(name).unwrap()).to_vec();
        Declarations { file: file("failure_declarations.json"), toml: file("tmo.toml"), entries }
    }

    #[test]
    fn a_text_is_declared_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let declared = at(dir.path());
        let texts = |name| declared.listed(Some(name)).unwrap().texts_of(name).to_vec();
        assert!(declared.add("web", "panic:").unwrap().is_changed);
        assert!(!declared.add("web", "panic:").unwrap().is_changed);
        assert!(declared.add("web#2", "Killed").unwrap().is_changed);
        assert_eq!((texts("web").len(), texts("web#2").len(), texts("db").len()), (1, 1, 0));
        assert_eq!(declared.remove("web", "panic:").unwrap().failures.texts_of("web").len(), 0);
        assert!(matches!(declared.remove("web", "panic:"), Err(DeclareError::Absent { .. })));
    }

    #[test]
    fn what_stands_in_tmo_toml_is_removed_there() {
        let dir = tempfile::tempdir().unwrap();
        let declared = at(dir.path());
        let toml = "[defaults]\nfailure = [{pattern = \"oom\"}]\n[process.web]\n\
            failure = [\n  {pattern = \"a\"},\n  {pattern = \"panic:\"},\n]\n";
        std::fs::write(dir.path().join("tmo.toml"), toml).unwrap();
        let reported = |name, text| declared.remove(name, text).unwrap_err().to_string();
        assert_eq!(
            reported("web", "panic:"),
            "`panic:` is declared for web in ./tmo.toml:6; remove it there, then `tmo reload`"
        );
        assert!(reported("web#2", "a").contains("in ./tmo.toml:5;"));
        assert!(reported("db", "oom").contains("in ./tmo.toml:2;"));
        assert!(reported("db", "a").contains("is not declared for db;"));
        let all = declared.elsewhere(None).unwrap();
        let all: Vec<_> = all.iter().map(|(who, text, at)| format!("{who} {text} {at}")).collect();
        let oom = "web oom ./tmo.toml:2";
        assert_eq!(
            all,
            [oom, "web a ./tmo.toml:5", "web panic: ./tmo.toml:6", "db oom ./tmo.toml:2"]
        );
        assert_eq!(declared.elsewhere(Some("db#1")).unwrap().len(), 1);
        // The declaration in the file itself can still be removed.
        declared.add("web", "a").unwrap();
        assert!(declared.remove("web", "a").unwrap().is_changed);
    }

    #[test]
    fn unknown_names_and_empty_texts_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let declared = at(dir.path());
        let file = dir.path().join("failure_declarations.json");
        for error in [declared.add("wbe", "x").unwrap_err(), declared.remove("", "x").unwrap_err()]
        {
            assert!(matches!(error, DeclareError::Unknown(_)), "{error}");
        }
        assert!(matches!(declared.listed(Some("wbe")), Err(DeclareError::Unknown(_))));
        for text in ["", " ", "two\nlines"] {
            assert!(matches!(declared.add("web", text), Err(DeclareError::Edit(_))));
            assert!(matches!(declared.remove("web", text), Err(DeclareError::Edit(_))));
        }
        assert!(!file.exists());
        // A name without a process can still be listed and removed.
        std::fs::write(&file, r#"{"wbe": ["x"]}"#).unwrap();
        assert_eq!(declared.listed(Some("wbe")).unwrap().texts_of("wbe"), ["x"]);
        assert!(declared.remove("wbe", "x").unwrap().is_changed);
    }
}
