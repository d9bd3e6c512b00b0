//! The help of the subcommands of `tmo web`, which share its flags.

use std::ffi::OsString;

use clap::Command;

/// The subcommands of `tmo web`: name, description, usage, and the flags that apply.
const SUBCOMMANDS: [(&str, &str, &str, &[&str]); 3] = [
    (
        "user",
        "Manage who logs in with a password, at the address of --public-url.\n\n\
         add asks for the password, or reads it from standard input, as passwd does. passwd and remove end the \
         sessions of the user. list shows all.",
        " add NAME --role ROLE\n       tmo web user passwd NAME\n       tmo web user remove NAME\n       \
         tmo web user list",
        &["role"],
    ),
    ("sessions", "List who is logged in to your web servers.", " [--json]", &["json"]),
    (
        "logout",
        "End a session that `tmo web sessions` lists; the first digits of its id are enough. Or end all.",
        " ID\n       tmo web logout --all",
        &["all"],
    ),
];

/// Limit the help of `tmo web user`, `sessions` and `logout` to that subcommand, if these arguments name one.
pub(super) fn narrow_help(command: Command, args: &[OsString]) -> Command {
    let word = |at: usize| args.get(at).and_then(|word| word.to_str()).unwrap_or_default();
    let found = SUBCOMMANDS.iter().find(|(name, ..)| (word(1), word(2)) == ("web", name));
    let Some((name, about, usage, flags)) = found else { return command };
    command.mut_subcommand("web", |web| {
        let web = web.about(*about).after_help("").override_usage(format!("tmo web {name}{usage}"));
        web.mut_args(|arg| {
            let is_used = flags.contains(&arg.get_id().as_str());
            arg.hide(!is_used)
        })
    })
}
