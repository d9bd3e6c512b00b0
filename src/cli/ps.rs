//! `tmo ps`: the processes and their states.

use std::io::Write;

use super::args::PsArgs;
use super::error::CliError;
use super::instance::{Instance, Server};
use crate::control::overmind;
use crate::control::overmind_client::OvermindClient;

/// Print overmind's table, or the whole state as JSON.
pub(super) fn ps(args: &PsArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let text = super::block_on(async {
        match instance.server().await? {
            Server::Tmo => {
                let state = instance.state().await?;
                if args.json {
                    let json = serde_json::to_string_pretty(&state);
                    return json.map(|j| j + "\n").map_err(|e| CliError::Other(e.to_string()));
                }
                Ok(overmind::status(&state.processes))
            }
            Server::Overmind(address) => Ok(OvermindClient::new(&address).status().await?),
        }
    })?;
    super::print(out, text.as_bytes())
}
