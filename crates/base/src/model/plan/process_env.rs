//! The environment of processes and of the other commands of a run, and which of its variables look like secrets.

use std::collections::BTreeMap;

use super::{Plan, ProcessPlan};
use crate::model::name::hostname::url;
use crate::model::network::Network;
use crate::model::text::OsText;

/// The complete environment of a process, without the variables of its pane: the caller's, overridden by
/// the process's own, overridden by the variables with which tmo describes process, run and other
/// processes.
pub fn process_env(plan: &Plan, process: &ProcessPlan) -> Vec<(OsText, OsText)> {
    let mut env: BTreeMap<OsText, OsText> =
        plan.env_to_pass_on().chain(&process.env).cloned().collect();
    add_run_variables(plan, Some(process), &mut env);
    if let Some(port) = process.port {
        env.insert("PORT".into(), port.to_string().into());
    }
    env.insert("PS".into(), process.name.as_str().into());
    env.into_iter().collect()
}

/// The environment of a command that belongs to the run but to none of its processes.
pub fn run_env(plan: &Plan) -> Vec<(OsText, OsText)> {
    let mut env = plan.env_to_pass_on().cloned().collect();
    add_run_variables(plan, None, &mut env);
    env.into_iter().collect()
}

/// Add the variables that describe the run: its socket, and the ports of all processes but this one.
fn add_run_variables(plan: &Plan, but: Option<&ProcessPlan>, env: &mut BTreeMap<OsText, OsText>) {
    for (other, host) in plan.processes.iter().zip(plan.host_names()) {
        let Some(port) = other.port.filter(|_| !other.removed) else { continue };
        let variable = if but.is_some_and(|own| own.name == other.name) {
            "TMO_URL".to_owned()
        } else {
            format!("TMO_PROCESS_{}_URL", word(other.name.as_str()))
        };
        env.insert(variable.into(), url(Some(&host), plan.page_port, port).into());
    }
    for other in plan.present().filter(|other| but.is_none_or(|own| own.name != other.name)) {
        if let Some(port) = other.port {
            env.insert(port_variable(other.name.as_str()).into(), port.to_string().into());
        }
    }
    env.insert("TMO_SESSION".into(), plan.run.as_str().into());
    let (network, address) = match &plan.tcp {
        None => (Network::Unix, plan.socket.clone()),
        Some(tcp) => (tcp.network, tcp.address.as_str().into()),
    };
    for prefix in ["TMO", "OVERMIND"] {
        env.insert(format!("{prefix}_SOCKET").into(), address.clone());
        let variable = format!("{prefix}_NETWORK").into();
        // Without `TMO_NETWORK` it is a Unix socket.
        if network != Network::Unix || env.contains_key(&variable) {
            env.insert(variable, network.name().into());
        }
    }
}

/// `OVERMIND_PROCESS_<name>_PORT`, with `_` for each character that is invalid in a variable name.
pub fn port_variable(name: &str) -> String {
    format!("OVERMIND_PROCESS_{}_PORT", word(name))
}

/// A name with `_` for each character that is invalid in a variable name.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The parts of names of variables with secret values.
const NAMES: [&str; 15] = [
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "_KEY",
    "APIKEY",
    "KEY_",
    "PRIVATE",
    "CREDENTIAL",
    "SALT",
    "DSN",
    "AUTH",
    "COOKIE",
    "SIGNATURE",
    "WEBHOOK",
];
/// The parts of values that show the same, in lower case.
const VALUES: [&str; 6] = ["password=", "pwd=", "private key-----", "ghp_", "xox", "bearer "];

/// Whether the name or the value of a variable looks like a secret.
pub fn is_secret(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    !value.is_empty() && NAMES.iter().any(|part| upper.contains(part)) || has_password(value)
}

/// Whether a value has a password in it, such as that of a URL.
fn has_password(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    VALUES.iter().any(|part| lower.contains(part))
        || value.split("://").skip(1).any(|rest| {
            let word = rest.split(char::is_whitespace).next().unwrap_or_default();
            let user = word.rsplit_once('@').map(|(user, _)| user);
            user.is_some_and(|user| user.split_once(':').is_some_and(|(_, word)| !word.is_empty()))
        })
}
