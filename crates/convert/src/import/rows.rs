//! The keys of other tools. A row says what some keys become, for the tables of `docs/COMING_FROM.md` and for what is
//! left out of an import, and takes them over.

use super::fields::{Fields, is_true};
use super::format::ImportError;
use super::process::ImportedProcess;
use super::values::list;

/// How the other tool writes it, what it is here (both as Markdown; a dash means that there is no equivalent), and how
/// the keys between backticks are taken over, one after another. Keys without a [`Take`] are left out.
///
/// A row that begins with `…` is about the table of the row above, and so are keys after one with a dot. `C` is what
/// the functions of a format need to know.
pub(super) struct Row<C: 'static>(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static [Take<C>],
);

/// A row whose keys are left out, or taken over beside those of another one.
pub(super) const fn row<C>(theirs: &'static str, ours: &'static str) -> Row<C> {
    Row(theirs, ours, &[])
}

/// A row whose keys, up to eight, mean nothing here.
pub(super) const fn ignored<C>(theirs: &'static str, ours: &'static str) -> Row<C> {
    Row(theirs, ours, &[const { Take::Nothing }; 8])
}

/// Of a format whose functions need to know nothing else.
pub(super) struct NoContext;

pub(super) type KeyResult = Result<(), ImportError>;

/// How a key is taken over.
pub(super) enum Take<C> {
    /// As this setting, if its text can be read.
    Setting(&'static str, fn(&str) -> Option<String>),
    /// As this setting, by the function that writes its text.
    Text(&'static str, fn(&str) -> String),
    /// As this setting with this value, if its text means yes or, with `false`, no.
    If(bool, &'static str, &'static str),
    /// As this setting, a list of texts.
    List(&'static str),
    SuccessCodes,
    EnvFiles,
    /// It means nothing here.
    Nothing,
    /// Not at all: it is left out with the reason that the row gives.
    Left,
    /// By a function, which runs without the key as well and may take others.
    By(fn(&C, &mut Fields, &mut ImportedProcess) -> KeyResult),
}

impl Fields {
    /// Take over its keys by the rows of their format, and name those that are left out.
    pub(super) fn take_over<C>(
        mut self,
        rows: &[Row<C>],
        context: &C,
        process: &mut ImportedProcess,
    ) -> KeyResult {
        self.take_keys(rows, context, process)?;
        self.leave(rows, &mut process.left);
        Ok(())
    }

    /// Take over its keys by the rows of their format.
    pub(super) fn take_keys<C>(
        &mut self,
        rows: &[Row<C>],
        context: &C,
        process: &mut ImportedProcess,
    ) -> KeyResult {
        let mut above = "";
        for Row(theirs, _, takes) in rows {
            let first = keys(theirs).next().unwrap_or_default();
            let table = match first.split_once('.') {
                _ if theirs.starts_with('…') => above,
                Some((table, _)) => table,
                None => "",
            };
            if !theirs.starts_with('…') {
                above = first.split('.').next().unwrap_or_default();
            }
            for (key, take) in keys(theirs).zip(*takes) {
                let key = key.split('=').next().unwrap_or_default();
                if table.is_empty() || key.contains('.') {
                    take.apply(key, context, self, process)?;
                } else {
                    take.apply(&format!("{table}.{key}"), context, self, process)?;
                }
            }
        }
        Ok(())
    }
}

impl<C> Take<C> {
    fn apply(
        &self,
        key: &str,
        context: &C,
        fields: &mut Fields,
        process: &mut ImportedProcess,
    ) -> KeyResult {
        match self {
            Self::Setting(setting, read) => {
                if let Some(read) = fields.parsed(key, process, read)? {
                    process.set(setting, read.value, &read.place);
                }
            }
            Self::Text(setting, write) => {
                if let Some(text) = fields.text(key)? {
                    process.set(setting, write(&text.value), &text.place);
                }
            }
            Self::If(wanted, setting, value) => {
                if let Some(text) = fields.text(key)?
                    && is_true(&text.value) == *wanted
                {
                    process.set(setting, (*value).to_owned(), &text.place);
                }
            }
            Self::List(setting) => {
                if let Some(texts) = fields.texts(key)? {
                    process.set(setting, list(&texts.value), &texts.place);
                }
            }
            Self::SuccessCodes => {
                if let Some(codes) = fields.texts(key)? {
                    process.set_success_codes(&codes);
                }
            }
            Self::EnvFiles => {
                if let Some(names) = fields.texts(key)? {
                    process.set_env_files(names);
                }
            }
            Self::Nothing => drop(fields.take(key)),
            Self::Left => {}
            Self::By(take) => take(context, fields, process)?,
        }
        Ok(())
    }
}

/// The words between backticks, without what follows a colon or a blank.
pub(super) fn keys(theirs: &'static str) -> impl Iterator<Item = &'static str> {
    let words = theirs.split('`').skip(1).step_by(2);
    words.filter_map(|word| word.split([':', ' ']).next())
}

/// Whether the rows name a key, or one of the table with this name.
fn find_row<'r, C>(
    rows: &'r [Row<C>],
    name: &str,
    is_wanted: fn(&str) -> bool,
) -> Option<&'r Row<C>> {
    let is_named = |key: &str| key.strip_prefix(name).is_some_and(is_wanted);
    rows.iter().find(|Row(theirs, ..)| keys(theirs).any(is_named))
}

/// Whether keys of the table with this name have rows of their own.
pub(super) fn has_keys_of<C>(rows: &[Row<C>], table: &str) -> bool {
    find_row(rows, table, |rest| rest.starts_with('.')).is_some()
}

/// Why a key is left out.
pub(super) fn reason<C>(rows: &[Row<C>], key: &str) -> String {
    // `healthcheck.disable` is named by a row of its own, by one for `disable`, or by the one for `healthcheck`.
    let last = key.rsplit('.').next().unwrap_or(key);
    let first = key.split('.').next().unwrap_or(key);
    let row = [key, last, first]
        .into_iter()
        .find_map(|name| find_row(rows, name, |rest| rest.is_empty() || rest.starts_with('.')));
    let Some(Row(_, ours, _)) = row else { return "tmo does not know this key".to_owned() };
    let plain = without_marks(ours);
    let Some(more) = plain.strip_prefix('-') else {
        return format!("not in this form; what is meant may be {plain}");
    };
    let more = more.trim_start_matches(':').trim();
    let more = more.strip_prefix('(').and_then(|more| more.strip_suffix(')')).unwrap_or(more);
    // What begins with code is another way to the same.
    match more {
        "" => "tmo has no equivalent".to_owned(),
        more if ours.starts_with("- (`") => format!("no such setting in tmo; nearest: {more}"),
        more => format!("no such setting in tmo: {more}"),
    }
}

/// Markdown as plain text: without code marks, and with the words of a link alone.
fn without_marks(text: &str) -> String {
    let mut plain = String::new();
    let text = text.replace('`', "");
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once("](") {
        let (before, word) = before.rsplit_once('[').unwrap_or((before, ""));
        plain.extend([before, word]);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain + rest
}
