//! `tmo mcp --print-config`: what a client needs to start it.

use serde_json::{Value, json};

use super::{McpAllowance, McpArgs, McpClient};
use crate::cli::error::CliError;
use crate::cli::output::{self, warn};
use crate::config::Env;
use crate::config::load::{Context, find_program};
use crate::sys::files::number;

/// Print it, and say where it belongs.
pub(super) fn print(client: McpClient, args: &McpArgs) -> Result<u8, CliError> {
    let mut words = vec!["mcp".to_owned()];
    words.extend(args.read_only.then(|| "--read-only".to_owned()));
    words.extend(args.allow.iter().map(|allowance| match allowance {
        McpAllowance::Input => "--allow=input".to_owned(),
        McpAllowance::Actions => "--allow=actions".to_owned(),
    }));
    words.extend(args.project.as_deref().map(|dir| format!("--project={}", dir.display())));
    words.extend(args.socket.as_deref().map(|socket| format!("--socket={}", socket.display())));
    let program = program()?;
    let server = json!({ "command": program, "args": words });
    let of = |key: &str, server: Value| output::json(&json!({ key: { "tmo": server } }));
    let (file, text) = match client {
        McpClient::Claude => (".mcp.json of the project", of("mcpServers", server)?),
        McpClient::Cursor => (".cursor/mcp.json of the project", of("mcpServers", server)?),
        McpClient::Vscode => (".vscode/mcp.json of the project", of("servers", server)?),
        McpClient::Codex => {
            let (program, words) = (json!(program), json!(words));
            let text = format!("[mcp_servers.tmo]\ncommand = {program}\nargs = {words}\n");
            ("~/.codex/config.toml", text)
        }
    };
    output::print(&text)?;
    warn(&format_args!("this belongs into {file}; nothing was written"));
    Ok(0)
}

/// `tmo` if that is this program, otherwise its path.
fn program() -> Result<String, CliError> {
    let own = std::env::current_exe().map_err(CliError::io("can't find tmo itself"))?;
    let context = Context::at("/".into(), Env::real());
    let is_own = find_program(&context, "tmo").is_some_and(|found| number(&found) == number(&own));
    Ok(if is_own { "tmo".to_owned() } else { own.display().to_string() })
}
