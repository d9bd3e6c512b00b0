//! The tables of `docs/COMING_FROM.md`: what the keys of another tool become. What is left out of an import is
//! explained by the same rows.

/// A row: how the other tool writes it, and what it is here, both as Markdown. A dash means that there is no
/// equivalent.
pub struct Row(pub &'static str, pub &'static str);

impl Row {
    /// The words of the first column that stand between backticks, without what follows a colon or a blank.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let words = self.0.split('`').skip(1).step_by(2);
        words.filter_map(|word| word.split([':', ' ']).next())
    }
}

/// Why a key is left out.
pub(super) fn reason(rows: &[Row], key: &str) -> String {
    // `healthcheck.disable` is named by a row of its own, by one for `disable`, or by the one for `healthcheck`.
    let last = key.rsplit('.').next().unwrap_or(key);
    let first = key.split('.').next().unwrap_or(key);
    let is = |known: &str, name: &str| {
        known == name || known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
    };
    let of = |name: &str| rows.iter().find(|row| row.keys().any(|key| is(key, name)));
    let Some(Row(_, ours)) = of(key).or_else(|| of(last)).or_else(|| of(first)) else {
        return "tmo does not know this key".to_owned();
    };
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
