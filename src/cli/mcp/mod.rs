//! `tmo mcp`: the commands of tmo as tools of the Model Context Protocol, on standard input and output.
//!
//! It keeps nothing: each call of a tool executes a command of tmo, so that an answer has the words that a person reads,
//! and a run may end and begin between two calls. Standard output belongs to the protocol.

mod clients;
mod command;
mod tools;

use std::path::PathBuf;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    Implementation, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    Resource, ResourceContents, ResourceTemplate, ServerCapabilities, ServerConfig, Tool,
    ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;
use rmcp::{RoleServer, ServerHandler, serve_server};

use self::command::{Answer, Commands};
use self::tools::{TOOLS, ToolKind, ToolSpec};
use crate::cli::args::values;
use crate::cli::error::CliError;
use crate::cli::runtime::block_on;

/// Give a coding agent the commands of tmo as tools, over standard input and output.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tmo mcp --print-config claude     what .mcp.json needs; also cursor, vscode, codex
  tmo mcp --read-only               only tools that change nothing
  tmo mcp --allow input             also tools that type into terminals and send signals

The program of the agent starts it, for the project in its directory. It speaks the Model Context
Protocol, holds nothing, and ends with the agent. Agents that call commands need no more than
`tmo help agents`.")]
pub(in crate::cli) struct McpArgs {
    /// Offer only the tools that change nothing.
    #[arg(long)]
    read_only: bool,
    /// Also allow what is dangerous: input (tools that type into terminals and send signals), actions
    /// (to run those with `confirm = true`).
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        conflicts_with = "read_only"
    )]
    allow: Vec<McpAllowance>,
    /// Print what the configuration of this program needs, and where it belongs.
    #[arg(long, value_name = "CLIENT", value_enum)]
    print_config: Option<McpClient>,
    /// The control socket of the run.
    #[arg(short = 's', long, value_name = "PATH", add = values::socket())]
    socket: Option<PathBuf>,
    /// The directory of the project, instead of the current one.
    #[arg(long, value_name = "PATH", add = values::directory())]
    project: Option<PathBuf>,
}

/// What a client may do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum McpAllowance {
    /// The tools `send` and `signal`.
    Input,
    /// Actions with `confirm = true`.
    Actions,
}

/// A program that starts `tmo mcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum McpClient {
    /// Claude Code.
    Claude,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    Vscode,
    /// Codex.
    Codex,
}

/// The longest message of a client, in bytes.
const LONGEST_MESSAGE: usize = 4 << 20;

/// How much of the name of a client is shown, in bytes.
const LONGEST_NAME: usize = 64;

/// What a client tells its model before the first call.
const INSTRUCTIONS: &str = "\
tmo runs the processes of this project (Procfile, tmo.toml), keeps all of their output on disk and knows why they died.
1. `start` makes sure that they run; it does nothing if they do. Never start a server of the project yourself.
2. `wait` returns once they are ready, or says what is missing.
3. `logs` reads the last output, at most `max_bytes`. The end of an answer says how to read on: `--after 12.0` there is \
the parameter `after` here.
4. `why` names the cause of a failure. Ask it before you read logs.
5. After a change: `restart` with the names of what is affected; it says why if a process does not come back.
6. `act` lists and runs the commands that the project has for migrations and the like.
A command in an answer, such as `tmo restart web`, is the tool of that name here. `status` lists the processes, their \
states and ports; `check` finds mistakes in the files; `screen` shows a terminal, such as one in a debugger.";

/// Serve until the client is gone.
pub(super) fn mcp(args: &McpArgs) -> Result<u8, CliError> {
    if let Some(client) = args.print_config {
        return clients::print(client, args);
    }
    let server = McpServer { commands: Arc::new(Commands::new(args)?), kinds: kinds(args) };
    block_on(async {
        let (input, output) = stdio_pipes();
        let transport = AsyncRwTransport::new_server(input, output);
        let transport = transport.with_max_line_length(LONGEST_MESSAGE);
        let ended =
            |error: &dyn std::fmt::Display| CliError::Other(format!("the MCP client: {error}"));
        let running = match serve_server(server, transport).await {
            Ok(running) => running,
            // It has gone without a word.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(0),
            Err(error) => return Err(ended(&error)),
        };
        running.waiting().await.map_err(|error| ended(&error))?;
        Ok(0)
    })
}

/// The tools on offer.
fn kinds(args: &McpArgs) -> &'static [ToolKind] {
    match (args.read_only, args.allow.contains(&McpAllowance::Input)) {
        (true, _) => &[ToolKind::Look],
        (false, false) => &[ToolKind::Look, ToolKind::Change],
        (false, true) => &[ToolKind::Look, ToolKind::Change, ToolKind::Input],
    }
}

struct McpServer {
    commands: Arc<Commands>,
    kinds: &'static [ToolKind],
}

impl McpServer {
    fn tools(&self) -> impl Iterator<Item = &'static ToolSpec> {
        TOOLS.iter().filter(|tool| self.kinds.contains(&tool.kind))
    }

    /// Execute, unless the client takes its request back.
    async fn unless_cancelled(
        &self,
        work: impl Future<Output = Answer>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Answer, ErrorData> {
        tokio::select! {
            answer = work => Ok(answer),
            () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
        }
    }

    /// The name under which the log shows what is done for this client.
    fn caller(context: &RequestContext<RoleServer>) -> String {
        let info = context.peer.peer_info();
        caller_name(info.as_ref().map_or("", |info| &info.client_info.name))
    }
}

/// The name of a client, as a variable of the environment and a header of HTTP can hold it: its visible ASCII, shortened.
fn caller_name(client: &str) -> String {
    let visible = client.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' });
    let visible: String = visible.collect();
    let words = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = words.get(..LONGEST_NAME).unwrap_or(&words).trim_end();
    format!("agent ({})", if name.is_empty() { "mcp" } else { name })
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let mut info = ServerConfig::new(capabilities).with_instructions(INSTRUCTIONS);
        info.server_info = Implementation::new("tmo", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = |tool: &ToolSpec| {
            let hints = ToolAnnotations::new().read_only(tool.kind == ToolKind::Look);
            Tool::new(tool.name, tool.about, tool.schema()).with_annotations(hints)
        };
        Ok(ListToolsResult::with_all_items(self.tools().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.tools().find(|tool| tool.name == request.name) else {
            let known: Vec<_> = self.tools().map(|tool| tool.name).collect();
            let text =
                format!("there is no tool `{}`; there are {}", request.name, known.join(", "));
            return Err(ErrorData::invalid_params(text, None));
        };
        let answer = match tool.steps(request.arguments.unwrap_or_default()) {
            Ok(steps) => {
                let work = self.commands.carry_out(steps, Self::caller(&context));
                self.unless_cancelled(work, &context).await?
            }
            Err(why) => Answer::failed(format!("{}: {why}", tool.name)),
        };
        let content = vec![ContentBlock::text(answer.text)];
        let result = if answer.is_error {
            CallToolResult::error(content)
        } else {
            CallToolResult::success(content)
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resource = |(uri, name): &(&str, &str)| Resource::new(*uri, *name);
        Ok(ListResourcesResult::with_all_items(tools::RESOURCES.iter().map(resource).collect()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let why = ResourceTemplate::new("tmo://why/{name}", "what is wrong with a process");
        Ok(ListResourceTemplatesResult::with_all_items(vec![why]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some(steps) = tools::steps_of_resource(&request.uri) else {
            let text = format!("there is no resource {}", request.uri);
            return Err(ErrorData::resource_not_found(text, None));
        };
        let work = self.commands.carry_out(steps, Self::caller(&context));
        let answer = self.unless_cancelled(work, &context).await?;
        let contents = vec![ResourceContents::text(answer.text, request.uri)];
        Ok(ReadResourceResult::new(contents).into())
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::caller_name;

    #[test]
    fn any_name_of_a_client_becomes_a_short_header_value() {
        let long = "x".repeat(10_000);
        for (name, expected) in [
            ("claude-code", "agent (claude-code)".to_owned()),
            ("A\r\nHost: evil\t\0b", "agent (A Host: evil b)".to_owned()),
            ("🤖 Bot é", "agent (Bot)".to_owned()),
            ("", "agent (mcp)".to_owned()),
            ("\n日本", "agent (mcp)".to_owned()),
            (&long, format!("agent ({})", "x".repeat(64))),
            (&format!("{} y", "x".repeat(63)), format!("agent ({})", "x".repeat(63))),
        ] {
            let shown = caller_name(name);
            assert_eq!(shown, expected);
            assert!(HeaderValue::from_str(&shown).is_ok_and(|value| value.to_str().is_ok()));
        }
    }
}
