//! Where it was measured, and how.

use crate::shared::conditions;
use crate::tool::Tool;

/// What is to be said before the figures.
pub(crate) fn describe(runs: u32, tools: &[Tool], missing: &[&str]) -> String {
    let tools = tools.iter().map(Tool::describe).collect::<Vec<_>>().join("\n");
    let missing = match missing {
        [] => String::new(),
        names => format!("\nNot there: {}.\n", names.join(", ")),
    };
    format!("{}\n\n{tools}\n{missing}", conditions(runs))
}
