//! Keys with one value each, most of which have a field in the plan.

use ::toml::de::DeValue;

use super::{
    At, Diagnostics, Key, PORT, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned, TEXTS,
    Table, Type, json, key_rows, value,
};
use crate::config::toml::validate::number;
use crate::model::plan;
use crate::model::plan::rules::Stage;

/// A key: its value, name, kind, description and default, how it is read, whether `[defaults]` has it, and its field in
/// the plan if no other setting influences that.
macro_rules! scalar_key {
    ($key:ident: $type:ty, $name:literal, $kind:expr, $about:literal, $default:expr, $read:path,
        $of_all:literal $(, $field:ident $(. $part:ident)?)?) => {
        pub struct $key;

        impl ProcessKey for $key {
            type Said = At<$type>;
            const KEYS: &'static [Key] = key_rows! { $name, $kind, $default, $about; };
            const OF_ALL: bool = $of_all;

            fn parse(view: Table<'_, '_>) -> Self::Said {
                $read(view, $name)
            }

            $(fn apply(said: &Self::Said, process: &mut ProcessPlan) {
                process.$field $(. $part)? = value(said).map(Into::into).unwrap_or_default();
            }

            const PLANNED: Planned = Some(|process| json!(process.$field $(. $part)?));)?
        }
    };
}

scalar_key!(Port: u16, "port", PORT,
    "The value of its variable PORT; further instances are --formation-port-step (10) apart. By default, \
     processes get 5000, 5100 and so on, by their order.",
    None, Table::number, false);
scalar_key!(Display: String, "display", Type::Text,
    "A name to show, in `tmo ps` and on the page of `tmo web`. Commands take the name of the process.",
    None, Table::name, false, rules.display);
scalar_key!(Phase: Stage, "phase", Type::Word(&["dependency", "main", "cleanup"]),
    "When it runs: \"dependency\" starts first, \"main\" when all dependencies are ready, \"cleanup\" once at \
     the end of the run, before the dependencies are stopped.",
    Some("\"main\""), Table::word, true, rules.stage);
scalar_key!(Autostart: bool, "autostart", Type::Switch,
    "Whether it starts with the run. With false it starts only on request: `tmo start NAME`.",
    Some("true"), Table::switch, true);
scalar_key!(OnExit: plan::OnExit, "on_exit", Type::Word(&["stop-all", "ignore", "restart"]),
    "What happens when it ends by itself and is not restarted: \"stop-all\" stops everything, \"ignore\" lets \
     the others run on, \"restart\" is the same as --auto-restart. The default is \"stop-all\"; for a process \
     that is expected to end it is \"ignore\": one that another process waits for as \"completed\", with an \
     `exit` check, with `watch` or `lazy`, or of phase dependency or cleanup.",
    None, Table::word, true);
scalar_key!(Shell: String, "shell", Type::Text,
    "The shell that runs its command, as a name or a path. --shell and TMO_SHELL override \
     it.",
    Some("\"sh\""), Table::filled, true);
scalar_key!(StdinKey: plan::Stdin, "stdin", Type::Word(&["terminal", "null"]),
    "What it reads from: \"terminal\", or with \"null\" /dev/null, so that programs that ask questions only in \
     a terminal ask none. Its output still goes to a terminal.",
    Some("\"terminal\""), Table::word, true, stdin);
scalar_key!(Term: String, "term", Type::Text,
    "The value of its variable TERM, instead of that of its terminal.",
    None, Table::filled, true, rules.term);
scalar_key!(SplitStderr: bool, "split_stderr", Type::Switch,
    "Whether the log keeps standard error apart, for `tmo logs --stream err`. The order within each stream is \
     exact; lines of both that come within about a millisecond may be swapped. With true it needs tmo's own \
     terminals (`backend`). A change takes effect at the next start of the run.",
    Some("false"), Table::switch, true, rules.split_stderr);
scalar_key!(Notify: bool, "notify", Type::Switch,
    "Whether its crashes are shown on the desktop, by notify-send or osascript. Of failures in a row the first \
     is shown, and the last if the process is not started again; otherwise at most one in ten seconds.",
    Some("false"), Table::switch, true, rules.notify);
scalar_key!(ProxyHost: String, "proxy_host", Type::Text,
    "The host name in the requests that reach it by its name through `tmo web`, followed by its \
     port: \"localhost\" for a program that refuses other names. By default it is the name that \
     the browser asked for.",
    None, host_name, true, rules.proxy_host);
scalar_key!(Success: Vec<u8>, "success_exit_codes", CODES, "Exit codes that mean success, besides 0.",
    Some("[]"), exit_codes, true, rules.success_codes);

const CODES: Type = Type::List(&Type::Number(0, 255));

fn exit_codes(view: Table<'_, '_>, key: &str) -> At<Vec<u8>> {
    let code = |item: &Spanned<DeValue<'_>>| u8::try_from(number(item.get_ref())?).ok();
    view.converted(key, |value| value.as_array()?.iter().map(code).collect())
}

fn host_name(view: Table<'_, '_>, key: &str) -> At<String> {
    let host = view.filled(key)?;
    if !host.get_ref().chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)) {
        let why = "`proxy_host` is a host name without a port, such as \"localhost\"";
        view.mistakes.add(host.span(), why);
    }
    Some(host)
}

pub struct Soft;

impl ProcessKey for Soft {
    type Said = At<Vec<u8>>;
    const KEYS: &'static [Key] = key_rows! {
        "soft_exit_codes", CODES, Some("[]"),
            "Exit codes of failures that do not count towards `max_failures`.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.soft_codes));

    fn parse(view: Table<'_, '_>) -> Self::Said {
        exit_codes(view, "soft_exit_codes")
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
        if let (Some(soft), Some(good)) = (&table.soft_exit_codes, &table.success_exit_codes)
            && let Some(code) = soft.get_ref().iter().find(|code| good.get_ref().contains(code))
        {
            let text = format!("{code} is in `success_exit_codes` too; it can't be both");
            mistakes.add(soft.span(), text);
        }
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.soft_codes = value(said).unwrap_or_default();
    }
}

pub struct Pty;

impl ProcessKey for Pty {
    type Said = At<bool>;
    const KEYS: &'static [Key] = key_rows! {
        "pty", Type::Switch, Some("true"),
            "Whether it has a terminal. With false it writes to a pipe, as in a container, and reads from \
             /dev/null; `tmo connect`, `send` and `screen` do not work for it, and it needs tmo's own \
             terminals (`backend`). A change takes effect at the next start of the run.";
    };
    const PLANNED: Planned = Some(|process| json!(!process.rules.no_terminal));

    fn parse(view: Table<'_, '_>) -> Self::Said {
        view.switch("pty")
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.no_terminal = value(said) == Some(false);
    }
}

pub struct Groups;

impl ProcessKey for Groups {
    type Said = Vec<Spanned<String>>;
    const KEYS: &'static [Key] = key_rows! {
        "groups", TEXTS, Some("[]"),
            "The groups that it belongs to. @GROUP stands for all processes of a group wherever a command \
             takes names.";
        "group", Type::Text, None, "A group that it belongs to, in addition to `groups`.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.groups));

    fn parse(view: Table<'_, '_>) -> Self::Said {
        let all: Vec<_> = view.text("group").into_iter().chain(view.texts("groups")).collect();
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        for group in &all {
            let name = group.get_ref();
            if name.is_empty() || !name.chars().all(fits) {
                let text = "a group has a name of letters, digits, `_`, `-` and `.`";
                view.mistakes.add(group.span(), format!("\"{name}\": {text}"));
            }
        }
        all
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        let mut groups: Vec<String> = said.iter().map(|group| group.get_ref().clone()).collect();
        groups.sort();
        groups.dedup();
        process.rules.groups = groups;
    }
}

impl ProcessTable {
    /// The phase in which it runs.
    pub fn stage(&self) -> Stage {
        value(&self.phase).unwrap_or_default()
    }
}
