//! Checks the keys and the kinds of values in a file ([`super::keys`]).

use std::ops::Range;
use std::path::PathBuf;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, IntoDeserializer as _};

use super::kind::{Key, Type, named_here};
use super::or_nearest;
use super::problem::Diagnostics;
use super::said::At;
use crate::model::limits::{ITEM_BYTES, LIST, PROCESSES};
use crate::model::signal::SignalName;
use crate::model::text::untrusted::shown;
use crate::model::units::{millis, of_seconds, parse_bytes, parse_span};

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Check a table and everything in it; `name` is its name in messages.
pub(super) fn table(table: &DeTable<'_>, keys: &[&[Key]], name: &str, mistakes: &Diagnostics) {
    for (word, value) in table {
        let text = word.get_ref().as_ref();
        match keys.iter().copied().flatten().find(|key| key.name == text) {
            Some(key) => check(value, key.kind, text, mistakes),
            None => mistakes.add_with(word.span(), |_| unknown(text, keys, name)),
        }
    }
}

fn unknown(word: &str, keys: &[&[Key]], name: &str) -> String {
    let names: Vec<_> = keys.iter().copied().flatten().map(|key| key.name).collect();
    let what = named_here(word, &names).unwrap_or_else(|| or_nearest(word, &names));
    match name {
        "" => format!("unknown key `{word}`; {what}"),
        _ => format!("unknown key `{word}` of `{name}`; {what}"),
    }
}

/// Check one value; `name` is its key.
fn check(value: &Value<'_>, kind: Type, name: &str, mistakes: &Diagnostics) {
    let found = value.get_ref();
    let entries = found.as_table().map(|inner| (inner.len(), PROCESSES));
    let entries = entries.or_else(|| Some((found.as_array()?.len(), LIST)));
    if let Some((count, most)) = entries.filter(|(count, most)| count > most) {
        let text = format!("`{name}` has {count} entries; {most} at most are possible");
        return mistakes.add_last(value.span(), text);
    }
    match (kind, found) {
        (Type::Table(keys), DeValue::Table(inner)) => table(inner, keys, name, mistakes),
        (Type::Map(of), DeValue::Table(inner)) => {
            for (key, value) in inner {
                check(value, *of, key.get_ref(), mistakes);
            }
        }
        (Type::List(of), DeValue::Array(items)) => {
            for item in &**items {
                check(item, *of, name, mistakes);
            }
        }
        (Type::Either(kinds), found) => match kinds.iter().find(|kind| looks_like(found, kind)) {
            Some(kind) => check(value, *kind, name, mistakes),
            None => mistakes.add(value.span(), wrong(name, kind, found)),
        },
        (kind, found) if fits(found, &kind) => {}
        (kind, found) => mistakes.add(value.span(), wrong(name, kind, found)),
    }
}

fn bare(text: &str, right: bool) -> Option<String> {
    right.then(|| format!("write {text} without quotes"))
}

/// What the user probably meant by a value of the wrong kind.
fn meant(name: &str, kind: Type, found: &DeValue<'_>) -> Option<String> {
    match (kind, found) {
        (Type::List(Type::Table(_)), DeValue::Table(_)) => {
            Some(format!("its table is written `[[… .{name}]]`, with two brackets"))
        }
        (Type::List(Type::Text), DeValue::String(text)) => Some(format!("write [\"{text}\"]")),
        (Type::Time, DeValue::String(text)) => {
            let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            digits.then(|| format!("write \"{text}s\" for seconds"))
        }
        (Type::Number(..), DeValue::String(text)) => bare(text, text.parse::<u64>().is_ok()),
        (Type::Switch, DeValue::String(text)) => bare(text, text.parse::<bool>().is_ok()),
        (Type::Either(kinds), found) => kinds.iter().find_map(|kind| meant(name, *kind, found)),
        _ => None,
    }
}

fn wrong(name: &str, kind: Type, found: &DeValue<'_>) -> String {
    let todo = meant(name, kind, found).map_or(String::new(), |todo| format!("; {todo}"));
    format!("`{name}` must be {}, not {}{todo}", kind.describe(), describe(found))
}

/// A value, as messages show it.
fn describe(found: &DeValue<'_>) -> String {
    match found {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
            scalar(found).unwrap_or_default()
        }
        DeValue::Datetime(_) => "a date or time of day".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// Whether a value has the type of this kind, to choose among several kinds.
fn looks_like(value: &DeValue<'_>, kind: &Type) -> bool {
    match kind {
        Type::Text | Type::Word(_) => value.is_str(),
        Type::Switch => value.is_bool(),
        Type::Number(..) => value.is_integer(),
        Type::List(_) => value.is_array(),
        Type::Map(_) | Type::Table(_) => value.is_table(),
        Type::Time | Type::Size | Type::Scalar => !value.is_array() && !value.is_table(),
        Type::Either(kinds) => kinds.iter().any(|kind| looks_like(value, kind)),
    }
}

/// Whether a scalar value is of this kind.
fn fits(value: &DeValue<'_>, kind: &Type) -> bool {
    match kind {
        // A command, name or variable can't contain a NUL.
        Type::Text => value.as_str().is_some_and(|text| !text.contains('\0')),
        Type::Switch => value.is_bool(),
        Type::Number(least, most) => number(value).is_some_and(|n| (*least..=*most).contains(&n)),
        Type::Time => time(value).is_some(),
        Type::Size => size(value).is_some(),
        Type::Scalar => scalar(value).is_some_and(|text| !text.contains('\0')),
        Type::Word(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Type::List(_) | Type::Map(_) | Type::Table(_) | Type::Either(_) => false,
    }
}

/// A whole number that is not negative.
pub(super) fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A time, in milliseconds.
pub(super) fn time(value: &DeValue<'_>) -> Option<u64> {
    if let Some(text) = value.as_str() {
        return parse_span(text).map(millis);
    }
    let of_float = || value.as_float().and_then(|float| float.as_str().parse().ok());
    match number(value) {
        Some(number) => number.checked_mul(1000).filter(|ms| *ms <= 1_000_000_000_000),
        None => of_float().and_then(of_seconds).map(millis),
    }
}

/// The memory that a value takes, in bytes.
fn weight(value: &DeValue<'_>) -> usize {
    match value {
        DeValue::String(text) => text.len(),
        DeValue::Array(items) => items.iter().map(|item| weight(item.get_ref()) + ITEM_BYTES).sum(),
        DeValue::Table(entries) => entries.values().map(|value| weight(value.get_ref())).sum(),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => 0,
    }
}

/// What the values of a table take, of which each process gets a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Weight {
    pub(super) total: usize,
    /// The place of the largest.
    pub(super) heaviest: Range<usize>,
}

impl Weight {
    /// Of a table without these keys, which have limits of their own.
    pub(super) fn without(table: &DeTable<'_>, keys: &[Key]) -> Self {
        let counted =
            table.iter().filter(|(name, _)| keys.iter().all(|key| key.name != name.get_ref()));
        let weights: Vec<_> =
            counted.map(|(name, value)| (weight(value.get_ref()), name.span())).collect();
        let total = weights.iter().map(|(weight, _)| weight).sum();
        let heaviest = weights.into_iter().max_by_key(|(weight, _)| *weight);
        Self { total, heaviest: heaviest.map(|(_, place)| place).unwrap_or_default() }
    }
}

/// A number of bytes.
pub(super) fn size(value: &DeValue<'_>) -> Option<u64> {
    value.as_str().map_or_else(|| number(value), parse_bytes)
}

/// The value for a variable.
pub(super) fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// One of the words of an enum.
pub(super) fn word<T: DeserializeOwned>(value: &DeValue<'_>) -> Option<T> {
    let text: StrDeserializer<'_, de::value::Error> = value.as_str()?.into_deserializer();
    T::deserialize(text).ok()
}

/// The texts of a list.
pub(super) fn words(value: &DeValue<'_>) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| Some(item.get_ref().as_str()?.to_owned())).collect()
}

/// A table's entries in the order of the file.
pub(super) fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> impl Iterator<Item = (Spanned<String>, &'a Spanned<DeValue<'i>>)> {
    let mut all: Vec<_> = table
        .iter()
        .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().clone().into_owned()), value))
        .collect();
    all.sort_by_key(|(key, _)| key.span().start);
    all.into_iter()
}

/// A checked table: values of the wrong kind have been reported and are treated as missing.
#[derive(Clone, Copy)]
pub struct Table<'a, 'i> {
    pub(super) table: &'a DeTable<'i>,
    /// To which values that make no sense are added.
    pub(super) mistakes: &'a Diagnostics,
}

impl<'a, 'i> Table<'a, 'i> {
    /// A value within this table, if it is a table.
    pub(super) fn within(self, value: &'a DeValue<'i>) -> Option<Self> {
        Some(Self { table: value.as_table()?, ..self })
    }

    pub(super) fn get(self, key: &str) -> Option<&'a Value<'i>> {
        self.table.get(key)
    }

    /// The place of a key.
    pub(super) fn key(self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    pub(super) fn converted<T>(
        self,
        key: &str,
        read: impl Fn(&'a DeValue<'i>) -> Option<T>,
    ) -> At<T> {
        let value = self.get(key)?;
        Some(Spanned::new(value.span(), read(value.get_ref())?))
    }

    /// The converted items of a list; a single value counts as a list of one.
    fn each<T>(self, key: &str, read: impl Fn(&'a DeValue<'i>) -> Option<T>) -> Vec<Spanned<T>> {
        let Some(value) = self.get(key) else { return vec![] };
        let one = std::slice::from_ref(value);
        let items = value.get_ref().as_array().map_or(one, |items| items);
        let read = |item: &'a Value<'i>| Some(Spanned::new(item.span(), read(item.get_ref())?));
        items.iter().filter_map(read).collect()
    }

    pub(super) fn text(self, key: &str) -> At<String> {
        self.converted(key, |value| value.as_str().map(str::to_owned))
    }

    /// A name that people see, in one line.
    pub(super) fn name(self, key: &str) -> At<String> {
        self.converted(key, |value| value.as_str().map(|name| shown(name).into_owned()))
    }

    /// A truth value.
    pub(super) fn switch(self, key: &str) -> At<bool> {
        self.converted(key, DeValue::as_bool)
    }

    /// A truth value that is off without the key.
    pub(super) fn is_on(self, key: &str) -> bool {
        self.switch(key).is_some_and(Spanned::into_inner)
    }

    /// A time in milliseconds.
    pub(super) fn time(self, key: &str) -> At<u64> {
        self.converted(key, time)
    }

    /// A number, if it fits the type.
    pub(super) fn number<N: TryFrom<u64>>(self, key: &str) -> At<N> {
        self.converted(key, |value| N::try_from(number(value)?).ok())
    }

    /// A number of seconds, in milliseconds.
    pub(super) fn seconds(self, key: &str) -> At<u64> {
        self.converted(key, |value| number(value)?.checked_mul(1000))
    }

    /// A number under one of these keys.
    pub(super) fn number_of<T: TryFrom<u64>, const N: usize>(self, keys: [&str; N]) -> At<T> {
        self.either(keys.map(|key| self.number(key)), keys)
    }

    /// A signal by its name or number.
    pub(super) fn signal_name(self, key: &str) -> At<SignalName> {
        let text = self.text(key)?;
        let signal = text.get_ref().parse::<SignalName>();
        let signal =
            signal.map_err(|error| self.mistakes.add(text.span(), error.to_string())).ok()?;
        Some(Spanned::new(text.span(), signal))
    }

    pub(super) fn signal(self, key: &str) -> At<i32> {
        let signal = self.signal_name(key)?;
        Some(Spanned::new(signal.span(), signal.get_ref().number()))
    }

    pub(super) fn table(self, key: &str) -> At<Table<'a, 'i>> {
        self.converted(key, |value| self.within(value))
    }

    /// The tables of a list; a single table counts as a list of one.
    pub(super) fn tables(self, key: &str) -> Vec<Spanned<Table<'a, 'i>>> {
        self.each(key, |item| self.within(item))
    }

    /// The strings of a list; a single string counts as a list of one.
    pub(super) fn texts(self, key: &str) -> Vec<Spanned<String>> {
        self.each(key, |item| item.as_str().map(str::to_owned))
    }

    /// The paths of a list; a single path counts as a list of one.
    pub(super) fn paths(self, key: &str) -> Vec<Spanned<PathBuf>> {
        self.each(key, |item| item.as_str().map(PathBuf::from))
    }

    /// One of some words.
    pub(super) fn word<T: DeserializeOwned>(self, key: &str) -> At<T> {
        self.converted(key, word)
    }

    /// A string that must not be blank.
    pub(super) fn filled(self, key: &str) -> At<String> {
        let text = self.text(key)?;
        if text.get_ref().trim().is_empty() {
            self.mistakes.add(text.span(), format!("`{key}` is empty; leave it out"));
            return None;
        }
        Some(text)
    }

    /// The first of these keys that is present; a second one is an error.
    pub(super) fn either<T, const N: usize>(self, ways: [At<T>; N], keys: [&str; N]) -> At<T> {
        let mut there = keys.iter().zip(ways).filter_map(|(key, way)| Some((key, way?)));
        let first = there.next();
        for (other, _) in there {
            if let (Some((first, _)), Some(span)) = (&first, self.key(other)) {
                let text = format!("`{other}` says the same as `{first}`; keep one of them");
                self.mistakes.add(span, text);
            }
        }
        first.map(|(_, value)| value)
    }
}
