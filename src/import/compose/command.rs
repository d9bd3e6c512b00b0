//! Commands of a compose file, in which variables are replaced.

use super::super::error::ImportError;
use super::super::node::{SourceNode, SourceValue};
use super::super::references::{Part, References, for_shell, parts};
use super::super::toml_text::quoted;
use super::super::values::of_words;

/// The command of these words and those of an entry point and its arguments, as it is written here; `None` if there is
/// none.
///
/// compose runs words without a shell but replaces variables in them first: here the shell does that, and nothing else.
pub(super) fn command_text(
    before: Vec<String>,
    nodes: impl IntoIterator<Item = SourceNode>,
    references: &References,
) -> Result<Option<String>, ImportError> {
    let mut words = before;
    for node in nodes {
        let place = node.place.clone();
        if let SourceValue::Text(line) = node.value {
            // A default of several words is split after it was taken.
            let is_split =
                |part: &Part<'_>| matches!(part, Part::Variable { word, .. } if word.contains(' '));
            let line =
                if parts(&line).iter().any(is_split) { references.value(&line) } else { line };
            let split = shell_words::split(&line);
            words.extend(split.map_err(|_| place.error("a quote in this command is not closed"))?);
        } else {
            words.extend(node.texts("command")?);
        }
    }
    if words.is_empty() {
        return Ok(None);
    }
    let is_variable = |part: &Part<'_>| matches!(part, Part::Variable { .. });
    if !words.iter().any(|word| parts(word).iter().any(is_variable)) {
        let words: Vec<String> = words.iter().map(|word| word.replace("$$", "$")).collect();
        return Ok(Some(of_words(&words)));
    }
    let words: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
    Ok(Some(quoted(&words.join(" "))))
}
