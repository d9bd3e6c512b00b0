//! What an import has read: processes with the settings that they get here, and what was left out.

use std::collections::{HashMap, HashSet};

use super::fields::Placed;
use super::node::{SourcePlace, Variable};
use super::paths::joined;
use super::toml_text::{list, quoted, toml_value};

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
    /// Its variables.
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

/// The parts of names of variables whose values are not written into a `tmo.toml`, which is usually committed.
const SECRETS: [&str; 15] = [
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "_KEY",
    "APIKEY",
    "KEY_",
    "PRIVATE",
    "CREDENTIAL",
    "SALT",
    "DSN",
    "AUTH",
    "COOKIE",
    "SIGNATURE",
    "WEBHOOK",
];
/// The parts of values that show the same, in lower case.
const SECRET_VALUES: [&str; 6] =
    ["password=", "pwd=", "private key-----", "ghp_", "xox", "bearer "];

impl ImportedProcess {
    pub(super) fn new(name: &str, place: SourcePlace) -> Self {
        Self {
            name: process_name(name),
            place,
            settings: vec![],
            env_files: vec![],
            env: vec![],
            comments: vec![],
            left: vec![],
        }
    }

    /// Set a key to a value that is written as in a `tmo.toml`.
    pub(super) fn set(&mut self, key: &'static str, value: String, place: &SourcePlace) {
        self.settings.retain(|setting| setting.key != key);
        self.settings.push(ImportedSetting { key, value, place: Some(place.clone()) });
    }

    /// Set a key to a text.
    pub(super) fn set_text(&mut self, key: &'static str, text: &str, place: &SourcePlace) {
        self.set(key, quoted(text), place);
    }

    /// Whether a key is set.
    pub(super) fn has(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }

    /// Whether it has something to run.
    pub(super) fn has_command(&self) -> bool {
        self.has("command")
    }

    /// Whether its command begins so.
    pub(super) fn begins(&self, with: &str) -> bool {
        let command = self.settings.iter().find(|setting| setting.key == "command");
        command
            .is_some_and(|command| command.value.trim_start_matches(['"', '\'']).starts_with(with))
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
        let own = |key: &str| self.settings.iter().any(|setting| setting.key == key);
        whole
            .settings
            .extend(defaults.settings.iter().filter(|setting| !own(setting.key)).cloned());
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
        self.env.push(ImportedVariable {
            name,
            value,
            place,
            is_secret: true,
            has_references: false,
        });
    }

    /// Give it a variable. One without a value is inherited from the caller, as it is here anyway.
    pub(super) fn set_variable(&mut self, variable: Variable, has_references: bool) {
        let Variable { name, value: Some(value), place } = variable else { return };
        if value.contains('\0') {
            return self.leave(&place, name, "a variable can't have a NUL");
        }
        // `[defaults]` has no port.
        if name == "PORT" && self.name.is_empty() {
            return self.leave(&place, name, "each process has a PORT of its own");
        }
        if let ("PORT", Ok(port)) = (&*name, value.parse::<std::num::NonZeroU16>()) {
            return self.set("port", port.to_string(), &place);
        }
        let upper = name.to_ascii_uppercase();
        let is_secret = !value.is_empty() && SECRETS.iter().any(|part| upper.contains(part))
            || has_password(&value);
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
    pub(super) fn default_to(&mut self, key: &'static str, value: &str) {
        self.defaults.settings.push(ImportedSetting { key, value: value.to_owned(), place: None });
    }

    /// Everything that was left out, in the order of the source.
    pub fn all_left(&self) -> impl Iterator<Item = (Option<&str>, &LeftOut)> {
        let own = self.left.iter().map(|left| (None, left));
        let of_processes = self.processes.iter();
        own.chain(of_processes.flat_map(|process| {
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
        let mut taken = HashSet::new();
        let mut numbers: HashMap<String, u32> = HashMap::new();
        for process in &mut self.processes {
            let name = process.name.clone();
            while !taken.insert(process.name.clone()) {
                let number = numbers.entry(name.clone()).or_insert(1);
                *number += 1;
                process.name = format!("{name}-{number}");
            }
        }
    }
}

/// A name of another tool as a name of a process here.
pub(super) fn process_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "process".to_owned() } else { name.to_owned() }
}

/// Whether a file of variables can set a variable of this name.
pub(super) fn env_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    !name.is_empty() && name.chars().all(allowed)
}

/// Whether a value has a password in it, as the user of a URL or by name.
fn has_password(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let is_user = |rest: &str| {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let user = word.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| user.split_once(':').is_some_and(|(_, word)| !word.is_empty()))
    };
    SECRET_VALUES.iter().any(|part| lower.contains(part)) || value.split("://").skip(1).any(is_user)
}
