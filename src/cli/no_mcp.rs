//! Stands in for `tmo mcp` in a build without the feature `mcp`.

use super::args::McpArgs;
use super::error::CliError;

pub(super) fn mcp(_: &McpArgs) -> Result<u8, CliError> {
    let text =
        "this tmo was built without MCP; `tmo help agents` says what agents can call instead";
    Err(CliError::Usage(text.to_owned()))
}
