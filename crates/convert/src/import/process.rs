//! What an import has read: processes with the settings that they get here, and what was left out.

use std::collections::HashMap;

use super::fields::Placed;
use super::node::{SourcePlace, Variable};
use super::values::{joined, list, quoted, table, toml_value};
use crate::model::plan::process_env::is_secret;

/// What a source becomes.
#[derive(Debug, Default)]
pub struct Imported {
    /// Settings and variables of all processes.
    pub(super) defaults: ImportedProcess,
    /// The processes, in the order of the source.
    pub processes: Vec<ImportedProcess>,
    /// Remarks for the reader of the result.
    pub(super) comments: Vec<String>,
    /// What was left out of what concerns no single process.
    pub left: Vec<LeftOut>,
    /// The files that were read, as they are shown; the first was asked for.
    pub files: Vec<String>,
    /// Of a compose file: the services in containers that are built from this project.
    pub built: Vec<String>,
    /// Of a compose file: all services in containers.
    pub contained: Vec<String>,
    /// Of a compose file: the services that run here.
    pub local: Vec<String>,
    /// Remarks for the user that nothing was left out for.
    pub remarks: Vec<String>,
}

/// A process with its settings.
#[derive(Debug, Clone, Default)]
pub struct ImportedProcess {
    /// Its name here.
    pub name: String,
    /// Where it stands.
    pub place: SourcePlace,
    pub(super) settings: Vec<ImportedSetting>,
    /// Files of variables of the source.
    pub(super) env_files: Vec<Placed<String>>,
    pub(super) env: Vec<ImportedVariable>,
    /// Remarks for its reader.
    pub(super) comments: Vec<String>,
    /// What was left out.
    pub left: Vec<LeftOut>,
}

/// A setting, whose value is written as in a `tmo.toml`.
#[derive(Debug, Clone)]
pub(super) struct ImportedSetting {
    pub(super) key: &'static str,
    pub(super) value: String,
    /// Where it comes from; `None` for what the other tool does without being told.
    pub(super) place: Option<SourcePlace>,
}

/// A variable of a process.
#[derive(Debug, Clone)]
pub(super) struct ImportedVariable {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) place: SourcePlace,
    /// It goes to a file of its own that only its owner can read.
    pub(super) is_secret: bool,
    /// It refers to other variables, which only a file of variables can do.
    pub(super) has_references: bool,
}

/// Something of the source that is not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands.
    pub place: SourcePlace,
    /// The key, with those above it.
    pub what: String,
    /// Why, and what to do instead.
    pub why: String,
}

impl ImportedProcess {
    pub(super) fn new(name: &str, place: SourcePlace) -> Self {
        Self { name: process_name(name), place, ..Self::default() }
    }

    /// One that runs this line.
    pub(super) fn running(name: &str, command: &str, place: &SourcePlace) -> Self {
        let mut process = Self::new(name, place.clone());
        process.set_text("command", command, place);
        process
    }

    /// Set a key, or with a dot in it that of a table, to a value that is written as in a `tmo.toml`.
    pub(super) fn set(&mut self, key: &'static str, value: String, place: &SourcePlace) {
        let setting = ImportedSetting { key, value, place: Some(place.clone()) };
        match self.settings.iter_mut().find(|setting| setting.key == key) {
            Some(known) => *known = setting,
            None => self.settings.push(setting),
        }
    }

    pub(super) fn set_text(&mut self, key: &'static str, text: &str, place: &SourcePlace) {
        self.set(key, quoted(text), place);
    }

    /// Let these codes be success, as 0 is anyway.
    pub(super) fn set_success_codes(&mut self, codes: &Placed<Vec<String>>) {
        let numbers = codes.value.iter().flat_map(|codes| codes.split(','));
        let numbers = numbers.filter_map(|code| code.trim().parse::<u8>().ok());
        let numbers: Vec<_> =
            numbers.filter(|code| *code != 0).map(|code| code.to_string()).collect();
        if !numbers.is_empty() {
            self.set("success_exit_codes", format!("[{}]", numbers.join(", ")), &codes.place);
        }
    }

    /// The settings with those of one table together, as they are written.
    pub(super) fn written_settings(&self) -> Vec<ImportedSetting> {
        let mut written: Vec<ImportedSetting> = vec![];
        for setting in &self.settings {
            let Some((name, _)) = setting.key.split_once('.') else {
                written.push(setting.clone());
                continue;
            };
            if written.iter().any(|known| known.key == name) {
                continue;
            }
            let entries = self.settings.iter().filter_map(|setting| {
                let (table, key) = setting.key.split_once('.')?;
                (table == name).then(|| (key, setting.value.clone()))
            });
            let entries: Vec<_> = entries.collect();
            // What is never restarted needs neither a pause nor a limit.
            let policy = entries.iter().find(|(key, _)| *key == "policy");
            let never = entries.iter().any(|(key, value)| *key == "max_restarts" && value == "0");
            let value = match policy.map(|(_, policy)| &**policy) {
                Some("\"no\"") => quoted("no"),
                Some(_) if never => quoted("no"),
                Some(policy) if entries.len() == 1 => policy.to_owned(),
                None if name == "restart" => continue,
                _ => table(&entries),
            };
            let place = setting.place.clone();
            written.push(ImportedSetting { key: name, value, place });
        }
        written.sort_by_key(|setting| setting.key != "command");
        written
    }

    /// Whether a key is set.
    pub(super) fn has(&self, key: &str) -> bool {
        let is_of = |rest: &str| rest.is_empty() || rest.starts_with('.');
        self.settings.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(is_of))
    }

    /// Whether its command begins so.
    pub(super) fn begins(&self, with: &str) -> bool {
        let text = |value: &str| value.trim_start_matches(['"', '\'']).starts_with(with);
        self.settings.iter().any(|setting| setting.key == "command" && text(&setting.value))
    }

    /// Whether this is its command.
    pub(super) fn runs(&self, command: &str) -> bool {
        self.settings
            .iter()
            .any(|setting| setting.key == "command" && setting.value == quoted(command))
    }

    /// It with what it does not set itself.
    pub(super) fn over(&self, defaults: &Self) -> Self {
        let mut whole = self.clone();
        whole.settings = self.written_settings();
        let others = defaults.written_settings().into_iter();
        whole.settings.extend(others.filter(|setting| !self.has(setting.key)));
        whole.env.splice(0..0, defaults.env.iter().cloned());
        whole.env_files.splice(0..0, defaults.env_files.iter().cloned());
        whole
    }

    /// Whether nothing is known of it.
    pub(super) fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.env.is_empty() && self.env_files.is_empty()
    }

    /// Name something that is left out.
    pub(super) fn leave(
        &mut self,
        place: &SourcePlace,
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.left.push(LeftOut { place: place.clone(), what: what.into(), why: why.into() });
    }

    /// Give it files of variables.
    pub(super) fn set_env_files(&mut self, names: Placed<Vec<String>>) {
        let Placed { value, place } = names;
        let files = value.into_iter().map(|value| Placed { value, place: place.clone() });
        self.env_files.extend(files);
    }

    /// Give it a variable that only its owner may read.
    pub(super) fn set_secret(&mut self, variable: Variable) {
        let Variable { name, value: Some(value), place } = variable else { return };
        let has_references = false;
        self.env.push(ImportedVariable { name, value, place, is_secret: true, has_references });
    }

    /// Give it a variable. One without a value is inherited from the caller, as it is here anyway.
    pub(super) fn set_variable(&mut self, variable: Variable, has_references: bool) {
        let Variable { name, value: Some(value), place } = variable else { return };
        if value.contains('\0') {
            return self.leave(&place, name, "a variable can't have a NUL");
        }
        // tmo tells each process these itself.
        if name == "PS" || name.starts_with("OVERMIND_PROCESS_") && name.ends_with("_PORT") {
            return;
        }
        // `[defaults]` has no port.
        if name == "PORT" && self.name.is_empty() {
            return self.leave(&place, name, "each process has a PORT of its own");
        }
        if let ("PORT", Ok(port)) = (&*name, value.parse::<std::num::NonZeroU16>()) {
            return self.set("port", port.to_string(), &place);
        }
        let is_secret = is_secret(&name, &value);
        // Files of variables allow fewer names.
        let is_name = env_name(&name)
            || !(is_secret || has_references || name.is_empty() || name.contains(['=', '\0']));
        if !is_name {
            return self.leave(&place, name, "not a name of a variable");
        }
        self.env.push(ImportedVariable { name, value, place, is_secret, has_references });
    }
}

impl Imported {
    /// One whose processes do not stop each other, and are stopped so unless they say otherwise.
    pub(super) fn new(stop: &str) -> Self {
        let mut imported = Self::default();
        imported.default_to("on_exit", "\"ignore\"");
        imported.default_to("stop", stop);
        imported
    }

    pub(super) fn default_to(&mut self, key: &'static str, value: &str) {
        self.defaults.settings.push(ImportedSetting { key, value: value.to_owned(), place: None });
    }

    /// Name something of no single process that is left out.
    pub(super) fn leave(
        &mut self,
        place: &SourcePlace,
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.left.push(LeftOut { place: place.clone(), what: what.into(), why: why.into() });
    }

    /// Everything that was left out, in the order of the source.
    pub fn all_left(&self) -> impl Iterator<Item = (Option<&str>, &LeftOut)> {
        let of_all = self.left.iter().chain(&self.defaults.left).map(|left| (None, left));
        of_all.chain(self.processes.iter().flat_map(|process| {
            process.left.iter().map(|left| (Some(process.name.as_str()), left))
        }))
    }

    /// Write paths as seen from where the result goes, which is not the directory of the source, `dir`.
    pub(super) fn move_to(&mut self, dir: &str, has_env: bool) {
        if has_env && self.defaults.env.is_empty() {
            let place = SourcePlace::new(&".env".into(), 1);
            self.defaults.env_files.push(Placed { value: ".env".to_owned(), place });
        }
        self.default_to("cwd", &quoted(dir));
        for process in self.processes.iter_mut().chain([&mut self.defaults]) {
            for file in &mut process.env_files {
                file.value = joined(dir, &file.value);
            }
            for setting in &mut process.settings {
                match (setting.key, toml_value(&setting.value)) {
                    ("cwd", Some(toml::Value::String(path))) if setting.place.is_some() => {
                        setting.value = quoted(&joined(dir, &path));
                    }
                    ("add_path", Some(toml::Value::Array(paths))) => {
                        let paths = paths.iter().filter_map(|path| path.as_str());
                        setting.value = list(paths.map(|path| joined(dir, path)));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Give processes whose names have become equal different ones.
    pub(super) fn distinguish_names(&mut self) {
        let mut taken = TakenNames::default();
        for process in &mut self.processes {
            process.name = taken.distinct(&process.name);
        }
    }
}

/// The names that the processes of a source get here, each one its own: `a.b` and `a-b` would both be `a-b`.
#[derive(Default)]
pub(super) struct ProcessNames(HashMap<String, String>);

impl ProcessNames {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        // Names that can stay as they are come first.
        let (kept, cleaned): (Vec<_>, Vec<_>) = names.partition(|name| process_name(name) == *name);
        let mut taken = TakenNames::default();
        let mut own = HashMap::new();
        for name in kept.into_iter().chain(cleaned) {
            own.entry(name.to_owned()).or_insert_with(|| taken.distinct(&process_name(name)));
        }
        Self(own)
    }

    /// The name here of a process of the source.
    pub(super) fn name_here(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| process_name(name))
    }
}

/// Names, each with the number that was last put behind it.
#[derive(Default)]
struct TakenNames(HashMap<String, u32>);

impl TakenNames {
    /// This name, or with a number behind it if it is taken.
    fn distinct(&mut self, name: &str) -> String {
        let mut own = name.to_owned();
        while self.0.contains_key(&own) {
            let number = self.0.entry(name.to_owned()).or_default();
            *number += 1;
            own = format!("{name}-{}", *number);
        }
        self.0.insert(own.clone(), 1);
        own
    }
}

/// A name of another tool as a name of a process here.
pub(super) fn process_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "process".to_owned() } else { name.to_owned() }
}

/// The only group of a process.
pub(super) fn group(name: &str) -> String {
    list([process_name(name)])
}

/// Whether a file of variables can set a variable of this name.
pub(super) fn env_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}
