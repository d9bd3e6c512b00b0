//! What `tmo help` knows besides the commands.

use std::ffi::OsStr;

use crate::config::toml::reference;

/// A topic of the help that is no command, with its man page.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Topic {
    pub(in crate::cli) name: &'static str,
    /// What it is about, in a line.
    pub(in crate::cli) about: &'static str,
    /// The name of the man page. Its section is 5 if it is about a file.
    pub(in crate::cli) page: &'static str,
    pub(in crate::cli) section: u8,
    /// Other man pages.
    pub(in crate::cli) see: &'static str,
    /// A page of the documentation.
    pub(in crate::cli) text: &'static str,
    /// Whether the keys of a tmo.toml follow the text.
    pub(in crate::cli) has_keys: bool,
}

/// All topics, in the order of the help.
pub(in crate::cli) const TOPICS: &[Topic] = &[
    Topic {
        name: "tmo.toml",
        about: "Settings of processes and runs of tmo",
        page: "tmo.toml",
        section: 5,
        see: "tmo-check(1), tmo-config(1), tmo-init(1), tmo-procfile(5)",
        text: TMO_TOML,
        has_keys: true,
    },
    Topic {
        name: "procfile",
        about: "Processes that tmo runs, their variables and the end of a run",
        // Other packages may have a `procfile(5)`.
        page: "tmo-procfile",
        section: 5,
        see: "tmo-start(1), tmo-init(1), tmo.toml(5)",
        text: include_str!("../../../docs/PROCFILE.md"),
        has_keys: false,
    },
    Topic {
        name: "fleet.toml",
        about: "Hosts of a fleet, how each is reached, and what is done with them",
        page: "tmo-fleet.toml",
        section: 5,
        see: "tmo-fleet(1), tmo-web(1), tmo.toml(5)",
        text: include_str!("../../../docs/FLEET.md"),
        has_keys: false,
    },
    Topic {
        name: "agents",
        about: "What coding agents call: start, wait, read a bounded log, ask why",
        page: "tmo-agents",
        section: 7,
        see: "tmo-start(1), tmo-wait(1), tmo-logs(1), tmo-why(1), tmo-mcp(1)",
        text: include_str!("../../../docs/AGENTS.md"),
        has_keys: false,
    },
];

impl Topic {
    /// The topic with this name, in upper or lower case.
    pub(in crate::cli) fn named(name: &OsStr) -> Option<&'static Self> {
        TOPICS.iter().find(|topic| name.eq_ignore_ascii_case(topic.name))
    }

    /// The names that can follow it: the keys of a tmo.toml.
    pub(in crate::cli) fn keys(&self) -> Vec<String> {
        let keys = if self.has_keys { reference() } else { vec![] };
        let mut names: Vec<_> =
            keys.iter().filter_map(|key| key.path.rsplit('.').next().map(str::to_owned)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What stands before the keys of a `tmo.toml`.
const TMO_TOML: &str = r#"
A `tmo.toml` beside the Procfile has the settings of its processes besides their commands, and those of the run. It can
also stand alone; then each process in it has a `command`. Every key is optional. `tmo check` reports all mistakes,
`tmo config` shows the settings in force and where each comes from, and `tmo init` writes a file to begin with.

```
#:schema ./tmo.schema.json

[defaults]
stop = { signal = "TERM", timeout = "10s" }

[process.web]
depends_on = ["db"]
ready = { port = true, timeout = "30s" }
restart = { policy = "on-failure", delay = "1s" }

[process.db]
command = "postgres -D data"
ready = { port = 5432 }
```

The first line lets editors complete and check the file: it names the JSON Schema that `tmo init` and `tmo import` write
beside it. `tmo schema >tmo.schema.json` writes it again, for instance after an update of tmo.

The first of these wins: a flag of `tmo start`, a variable of your shell, a variable in an env file,
`[process.NAME]`, `[defaults]`, the default.

A time is a string such as "500ms", "2s" or "1h30m", or a number of seconds. Paths are relative to the directory of the
file; `~/` is your home directory.

## Top of the file
"#;
