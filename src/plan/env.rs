//! The environment of one process.

use std::collections::BTreeMap;

use crate::model::network::Network;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::text::OsText;

/// The complete environment of a process, less what comes from its pane: the caller's, over those what
/// it has of its own, then what tmo tells it about itself, its run and the other processes.
pub fn process_env(plan: &Plan, process: &ProcessPlan) -> Vec<(OsText, OsText)> {
    let mut env: BTreeMap<OsText, OsText> = plan.env.iter().chain(&process.env).cloned().collect();
    for other in plan.present().filter(|other| other.name != process.name) {
        if let Some(port) = other.port {
            env.insert(port_variable(other.name.as_str()).into(), port.to_string().into());
        }
    }
    if let Some(port) = process.port {
        env.insert("PORT".into(), port.to_string().into());
    }
    env.insert("PS".into(), process.name.as_str().into());
    env.insert("TMO_SESSION".into(), plan.run.as_str().into());
    let (network, address) = match &plan.tcp {
        None => (Network::Unix, plan.socket.clone()),
        Some(tcp) => (tcp.network, tcp.address.as_str().into()),
    };
    for prefix in ["TMO", "OVERMIND"] {
        env.insert(format!("{prefix}_SOCKET").into(), address.clone());
        let variable = format!("{prefix}_NETWORK").into();
        // Without one it is a Unix socket.
        if network != Network::Unix || env.contains_key(&variable) {
            env.insert(variable, network.name().into());
        }
    }
    env.into_iter().collect()
}

/// `OVERMIND_PROCESS_<name>_PORT`, with `_` for what no variable name can hold.
fn port_variable(name: &str) -> String {
    let word: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("OVERMIND_PROCESS_{word}_PORT")
}
