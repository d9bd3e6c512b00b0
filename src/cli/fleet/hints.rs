//! What tmo on a host advises to type, as it is typed here: `tmo logs web` there is `tmo fleet logs k9/web` here.

use crate::cli::args::FleetCommand;
use crate::fleet::host::Host;
use crate::fleet::inventory::Inventory;

/// A text of tmo on this host in which the commands are as they are typed here: those between backquotes, and those behind
/// `$`. A command that `tmo fleet` does not have stays as it is.
pub(super) fn from_here(text: &str, inventory: &Inventory, host: &Host) -> String {
    let typed_here = |quoted: &str| {
        let words = shell_words::split(quoted).ok()?;
        let command = FleetCommand::of_host(words.strip_prefix(&["tmo".to_owned()])?)?;
        let mut names: Vec<_> =
            command.words.iter().map(|name| format!("{}/{name}", host.name)).collect();
        if names.is_empty() {
            names.push(format!("{}/", host.name));
        }
        Some(format!("{} {}", inventory.command(), command.typed(&names)))
    };
    let between = |(place, part): (usize, &str)| {
        let typed = (place % 2 == 1).then(|| typed_here(part)).flatten();
        typed.unwrap_or_else(|| part.to_owned())
    };
    let line = |line: &str| match line.trim_start().strip_prefix("$ ") {
        Some(command) => {
            let indent = &line[..line.len() - command.len()];
            format!("{indent}{}", typed_here(command).unwrap_or_else(|| command.to_owned()))
        }
        None => line.split('`').enumerate().map(between).collect::<Vec<_>>().join("`"),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
