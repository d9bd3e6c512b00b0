//! A pattern of `ready`, `failure` and `flag`: a plain text or a regular expression.

use regex_syntax::ParserBuilder;

use super::{Diagnostics, Spanned};
use crate::model::expression;
use crate::model::limits::{EXPRESSION, EXPRESSION_BYTES, EXPRESSIONS};
use crate::model::rules::Text;

/// Check a pattern.
pub(super) fn pattern(
    at: &Spanned<String>,
    (regex, any_case): (bool, bool),
    mistakes: &mut Diagnostics,
) -> Text {
    let text = Text { pattern: at.get_ref().clone(), regex, any_case };
    if text.pattern.is_empty() {
        mistakes.add(at.span(), "an empty pattern is in every line; say what to look for");
    }
    if !regex || mistakes.is_over() {
        return text;
    }
    let Some(size) = expression::size(&text) else {
        mistakes.add_last(
            at.span(),
            format!(
                "the expression is too large when it is compiled; {EXPRESSION} characters and \
                 ranges of characters are possible, all repetitions written out (\\w has a \
                 thousand), and {EXPRESSION_BYTES} bytes"
            ),
        );
        return text;
    };
    // Only parsed here; it is compiled where it is used.
    let mut parser = ParserBuilder::new();
    if !mistakes.has_room_for(size) {
        let text = format!(
            "the expressions of this file are too large together; {EXPRESSIONS} characters and \
             ranges of characters are possible, all repetitions written out"
        );
        mistakes.add_last(at.span(), text);
    } else if let Err(error) = parser.case_insensitive(any_case).build().parse(&text.pattern) {
        let why = expression::reason(&error);
        mistakes.add(at.span(), format!("invalid regular expression: {why}"));
    }
    text
}
