//! Keys with one value each: `port`, `display`, `autostart`, `phase`, `on_exit`,
//! `stdin`, `split_stderr` and `notify`.

use super::{
    At, Diagnostics, Key, PORT, Planned, ProcessKey, ProcessPlan, ProcessTable, Table, Type,
};
use super::{json, key, value};
use crate::model::plan;
use crate::model::rules::Stage;

/// A key: its value, name, kind, description and default, the method that reads it, whether `[defaults]` has it,
/// and its field in the plan if no other setting influences that.
macro_rules! scalar_key {
    ($key:ident: $type:ty, $name:literal, $kind:expr, $about:literal, $default:expr, $read:ident,
        $of_all:literal $(, $field:ident $(. $part:ident)?)?) => {
        pub struct $key;

        impl ProcessKey for $key {
            type Said = At<$type>;
            const KEYS: &'static [Key] = &[Key { default: $default, ..key($name, $kind, $about) }];
            const OF_ALL: bool = $of_all;

            fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
                view.$read($name)
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
    None, number, false);
scalar_key!(Display: String, "display", Type::Text,
    "A name to show, in `tmo ps` and on the page of `tmo web`. Commands take the name of the process.",
    None, name, false, rules.display);
scalar_key!(Phase: Stage, "phase", Type::Word(&["dependency", "main", "cleanup"]),
    "When it runs: \"dependency\" starts first, \"main\" when all dependencies are ready, \"cleanup\" once at \
     the end of the run, before the dependencies are stopped.",
    Some("\"main\""), word, true, rules.stage);
scalar_key!(Autostart: bool, "autostart", Type::Switch,
    "Whether it starts with the run. With false it starts only on request: `tmo start NAME`.",
    Some("true"), switch, true);
scalar_key!(OnExit: plan::OnExit, "on_exit", Type::Word(&["stop-all", "ignore", "restart"]),
    "What happens when it ends by itself and is not restarted: \"stop-all\" stops everything, \"ignore\" lets \
     the others run on, \"restart\" is the same as --auto-restart. The default is \"stop-all\"; for a process \
     that is expected to end it is \"ignore\": one that another process waits for as \"completed\", with an \
     `exit` check, with `watch` or `lazy`, or of phase dependency or cleanup.",
    None, word, true);
scalar_key!(StdinKey: plan::Stdin, "stdin", Type::Word(&["terminal", "null"]),
    "What it reads from: \"terminal\", or with \"null\" /dev/null, so that programs that ask questions only in \
     a terminal ask none. Its output still goes to a terminal.",
    Some("\"terminal\""), word, true, stdin);
scalar_key!(SplitStderr: bool, "split_stderr", Type::Switch,
    "Whether the log keeps standard error apart, for `tmo logs --stream err`. The order within each stream is \
     exact; lines of both that come within about a millisecond may be swapped. With true it needs tmo's own \
     terminals (`backend`). A change takes effect at the next start of the run.",
    Some("false"), switch, true, rules.split_stderr);
scalar_key!(Notify: bool, "notify", Type::Switch,
    "Whether its crashes are shown on the desktop, by notify-send or osascript. Of failures in a row the first \
     is shown, and the last if the process is not started again; otherwise at most one in ten seconds.",
    Some("false"), switch, true, rules.notify);

impl ProcessTable {
    /// The phase in which it runs.
    pub fn stage(&self) -> Stage {
        value(&self.phase).unwrap_or_default()
    }
}
