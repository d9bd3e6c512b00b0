//! The environment: the only place where the process's own variables are read.
//!
//! There are two layers, the caller's variables and those from env files, and two orders of precedence. For
//! the processes a file wins over the caller (overmind's rule). For settings of tmo itself the caller's
//! `TMO_*` and `OVERMIND_*` win over the files, so that a single start can be varied from the command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::text::OsText;

/// When tmo runs one of its own commands on behalf of a user, this variable names that user: `page (anna)`. It is removed
/// from the environment of the processes of a run.
pub const SENDER: &str = "TMO_SENDER";

/// Variables: the caller's, overlaid by those of env files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Env {
    real: BTreeMap<OsString, OsString>,
    files: BTreeMap<OsString, Set>,
}

/// A variable set by an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    value: OsString,
    /// The file that set it last, by its name for messages.
    file: Arc<Path>,
    /// Whether the user or the project set it. A project file that repeats the user's value changes nothing.
    origin: SettingOrigin,
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingOrigin {
    /// The user: a flag, the caller's environment, an env file in the home directory.
    User,
    /// An env file of the project.
    Project,
}

impl SettingOrigin {
    /// The origin as the subject of a message: it names or sets something.
    pub const fn words(self) -> &'static str {
        match self {
            Self::User => "you",
            Self::Project => "an env file of this directory",
        }
    }
}

/// A variable with a value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value} is not {expected}")]
pub struct BadValue {
    pub variable: String,
    pub value: String,
    /// The expected type.
    pub expected: &'static str,
}

/// A setting, and the variable that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvSetting<'a> {
    pub variable: String,
    pub value: &'a OsStr,
    /// Whether the caller has set it, not an env file.
    pub by_caller: bool,
}

impl Env {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn real() -> Self {
        let real = std::env::vars_os().filter(|(name, _)| *name != SENDER).collect();
        Self { real, ..Self::default() }
    }

    /// The environment of this process, without what the caller has set to address a run.
    pub fn real_without_address() -> Self {
        let mut env = Self::real();
        env.real.retain(|name, _| {
            let setting = ["TMO_", "OVERMIND_"]
                .into_iter()
                .find_map(|prefix| name.as_bytes().strip_prefix(prefix.as_bytes()));
            !matches!(setting, Some(b"SOCKET" | b"NETWORK"))
        });
        env
    }

    /// Who has asked for this command, if another program of tmo runs it: the value of [`SENDER`].
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn sender() -> Option<String> {
        std::env::var(SENDER).ok()
    }

    /// An environment with these variables.
    pub fn of<K: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let real = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { real, ..Self::default() }
    }

    /// Set a variable as this env file does.
    pub fn set_from_file(&mut self, file: &Arc<Path>, key: OsString, value: OsString) {
        let is_users = |set: &Set| set.origin == SettingOrigin::User && set.value == value;
        if !self.files.get(&key).is_some_and(is_users) {
            let file = Arc::clone(file);
            self.files.insert(key, Set { value, file, origin: SettingOrigin::Project });
        }
    }

    /// Attribute all variables set by files so far to the user, not to the project.
    pub fn files_so_far_are_the_users(&mut self) {
        self.files.values_mut().for_each(|set| set.origin = SettingOrigin::User);
    }

    /// The origin of a setting that [`Self::tmo_or_overmind`] finds.
    pub fn origin(&self, name: &str) -> Option<SettingOrigin> {
        self.tmo_or_overmind(name)?;
        Some(self.set(name).map_or(SettingOrigin::User, |set| set.origin))
    }

    /// The env file that such a setting comes from, if it is not the caller's own.
    pub fn file(&self, name: &str) -> Option<&Path> {
        Some(&*self.set(name)?.file)
    }

    /// The env file that sets this variable.
    pub fn file_of_variable(&self, key: &str) -> Option<&Path> {
        Some(&*self.files.get(OsStr::new(key))?.file)
    }

    /// The value that an env file sets for such a setting, if it is not the caller's own.
    fn set(&self, name: &str) -> Option<&Set> {
        let found = self.tmo_or_overmind(name).filter(|found| !found.by_caller)?;
        self.files.get(OsStr::new(&found.variable))
    }

    /// The variable as the processes see it: files first.
    pub fn get(&self, key: impl AsRef<OsStr>) -> Option<&OsStr> {
        let key = key.as_ref();
        let value = self.files.get(key).map(|set| &set.value).or_else(|| self.real.get(key));
        value.map(OsString::as_os_str)
    }

    /// The variables that env files have set, with the caller's values.
    pub fn set_by_files(&self) -> impl Iterator<Item = (&OsStr, Option<&OsStr>)> {
        let caller = |key: &OsString| self.real.get(key).map(OsString::as_os_str);
        self.files.keys().map(move |key| (key.as_os_str(), caller(key)))
    }

    /// The caller's own environment, without env files.
    #[must_use]
    pub fn of_caller(&self) -> Self {
        Self { real: self.real.clone(), ..Self::default() }
    }

    /// The caller's own variable, regardless of env files; empty counts as unset.
    pub fn caller(&self, key: &str) -> Option<&OsStr> {
        self.real.get(OsStr::new(key)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A directory in a variable of the caller, if it is an absolute path.
    pub fn caller_dir(&self, key: &str) -> Option<PathBuf> {
        self.caller(key).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The directory that this variable of the caller names, or else this one in the home directory.
    pub fn caller_dir_or(&self, variable: &str, in_home: &str) -> Option<PathBuf> {
        self.caller_dir(variable).or_else(|| Some(self.caller_dir("HOME")?.join(in_home)))
    }

    /// A setting of tmo: `TMO_<name>` before `OVERMIND_<name>`, the caller's before those of
    /// files; empty counts as unset.
    pub fn tmo_or_overmind(&self, name: &str) -> Option<EnvSetting<'_>> {
        [true, false].into_iter().find_map(|by_caller| {
            ["TMO_", "OVERMIND_"].into_iter().find_map(|prefix| {
                let variable = format!("{prefix}{name}");
                let key = OsStr::new(&variable);
                let of_file = || self.files.get(key).map(|set| &set.value);
                let value = if by_caller { self.real.get(key) } else { of_file() }?;
                (!value.is_empty()).then_some(EnvSetting { variable, value, by_caller })
            })
        })
    }

    /// Whether the caller has set this setting with a variable.
    pub fn is_chosen_by_caller(&self, name: &str) -> bool {
        self.tmo_or_overmind(name).is_some_and(|found| found.by_caller)
    }

    /// Whether a setting exists at all, even if it is empty.
    pub fn has_tmo_or_overmind(&self, name: &str) -> bool {
        ["TMO_", "OVERMIND_"].iter().any(|prefix| self.get(format!("{prefix}{name}")).is_some())
    }

    /// A setting as text.
    pub fn text(&self, name: &str) -> Result<Option<String>, BadValue> {
        self.typed(name, "valid UTF-8", |text| Some(text.to_owned()))
    }

    /// A setting as an unmodified path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.tmo_or_overmind(name).map(|found| Path::new(found.value).to_owned())
    }

    /// A setting that is on or off: as a flag says, or else its variable in Go's notation; off by default.
    pub fn flag(&self, typed: Option<bool>, name: &str) -> Result<bool, BadValue> {
        Ok(self.switch(typed, name)?.unwrap_or(false))
    }

    /// The same, or `None` if nothing says so.
    pub fn switch(&self, typed: Option<bool>, name: &str) -> Result<Option<bool>, BadValue> {
        match typed {
            Some(typed) => Ok(Some(typed)),
            None => self.typed(name, "a truth value (true or false)", parse_bool),
        }
    }

    /// A setting, converted by a function.
    pub fn typed<T>(
        &self,
        name: &str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, BadValue> {
        let Some(found) = self.tmo_or_overmind(name) else { return Ok(None) };
        let value = found.value.to_str().and_then(parse);
        value.map(Some).ok_or_else(|| BadValue {
            variable: found.variable,
            value: found.value.to_string_lossy().into_owned(),
            expected,
        })
    }

    /// All variables as the processes get them, sorted; invalid ones (an empty name, a `=` in it, a NUL)
    /// are left out.
    pub fn pairs(&self) -> Vec<(OsText, OsText)> {
        let mut all = self.real.clone();
        all.extend(self.files.iter().map(|(key, set)| (key.clone(), set.value.clone())));
        let usable = |key: &OsStr| !key.is_empty() && !key.as_bytes().contains(&b'=');
        let nul = |text: &OsStr| text.as_bytes().contains(&0);
        all.into_iter()
            .filter(|(key, value)| usable(key) && !nul(key) && !nul(value))
            .map(|(key, value)| (key.into(), value.into()))
            .collect()
    }
}

/// A variable of the caller's environment, without an `Env`; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variable(key: &str) -> Option<OsString> {
    std::env::var_os(key).filter(|value| !value.is_empty())
}

/// Go's `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Env, SettingOrigin};

    fn both() -> Env {
        let mut env = Env::of([("OVERMIND_PORT", "1"), ("HOME", "/h"), ("TMO_TITLE", "")]);
        for (key, value) in [("OVERMIND_PORT", "2"), ("TMO_PORT", "3"), ("OVERMIND_TITLE", "t")] {
            env.set_from_file(&Path::new("./.env").into(), key.into(), value.into());
        }
        env
    }

    #[test]
    fn a_setting_is_the_users_if_a_file_of_the_home_directory_says_the_same() {
        let mut env = Env::default();
        let [home, near] = ["/h/.tmo.env", "./.tmo.env"].map(|file| Path::new(file).into());
        env.set_from_file(&home, "TMO_SOCKET".into(), "h:1".into());
        env.files_so_far_are_the_users();
        for (value, place, file) in [
            ("h:1", SettingOrigin::User, "/h/.tmo.env"),
            ("h:2", SettingOrigin::Project, "./.tmo.env"),
        ] {
            env.set_from_file(&near, "TMO_SOCKET".into(), value.into());
            assert_eq!(env.origin("SOCKET"), Some(place), "{value}");
            assert_eq!(env.file("SOCKET"), Some(Path::new(file)), "{value}");
        }
        assert_eq!((env.origin("TITLE"), env.file("TITLE")), (None, None));
        assert_eq!((both().origin("PORT"), both().file("PORT")), (Some(SettingOrigin::User), None));
    }

    #[test]
    fn files_win_for_the_processes() {
        assert_eq!(both().get("OVERMIND_PORT").unwrap(), "2");
        assert_eq!(both().get("HOME").unwrap(), "/h");
        assert!(both().pairs().contains(&("OVERMIND_PORT".into(), "2".into())));
    }

    #[test]
    fn the_caller_wins_for_tmo() {
        assert_eq!(both().text("PORT").unwrap().unwrap(), "1");
    }

    #[test]
    fn empty_means_unset() {
        assert_eq!(both().text("TITLE").unwrap().unwrap(), "t");
        assert!(both().has_tmo_or_overmind("TITLE"));
        assert!(!both().has_tmo_or_overmind("SHELL"));
    }

    #[test]
    fn truth_is_as_in_go() {
        let env = Env::of([("OVERMIND_A", "t"), ("OVERMIND_B", "False"), ("OVERMIND_C", "yes")]);
        assert_eq!(env.flag(None, "A"), Ok(true));
        assert_eq!(env.flag(None, "B"), Ok(false));
        assert_eq!(env.flag(None, "D"), Ok(false));
        assert_eq!(env.flag(Some(false), "A"), Ok(false));
        let error = env.flag(None, "C").unwrap_err().to_string();
        assert_eq!(error, "OVERMIND_C=yes is not a truth value (true or false)");
    }

    #[test]
    fn what_cannot_be_a_variable_is_left_out() {
        let env = Env::of([("", "x"), ("a=b", "x"), ("n", "x\0"), ("ok", "y")]);
        assert_eq!(env.pairs(), [("ok".into(), "y".into())]);
    }
}
