//! A process as it appears in the process table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process among the descendants of a shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Process id.
    pub pid: u32,
    /// Short name of the executable.
    pub name: String,
    /// State letter of the kernel (`S`, `D`, `Z` …).
    pub state: char,
    /// The user to whom it belongs, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Of a process that was spared: the ports on which it, or a process below it, listens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

impl fmt::Display for Member {
    /// `node (pid 13, state D, belongs to root)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}, state {}", self.name, self.pid, self.state)?;
        if let Some(owner) = &self.owner {
            write!(f, ", belongs to {owner}")?;
        }
        for port in &self.ports {
            write!(f, ", holds port {port}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::Member;

    #[test]
    fn owner_and_ports_are_named_if_there_are_any() {
        let mut member: Member =
            serde_json::from_str(r#"{"pid":13,"name":"node","state":"D"}"#).unwrap();
        assert_eq!(member.to_string(), "node (pid 13, state D)");
        (member.owner, member.ports) = (Some("root".to_owned()), vec![80, 443]);
        let text = "node (pid 13, state D, belongs to root, holds port 80, holds port 443)";
        assert_eq!(member.to_string(), text);
        let again = serde_json::from_str::<Member>(&serde_json::to_string(&member).unwrap());
        assert_eq!(again.unwrap(), member);
    }
}
