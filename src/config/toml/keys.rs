//! The keys of a `tmo.toml`, once for all: the reader goes by this list, the JSON Schema is made of
//! it, and the manual must name each of them.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Switch,
    /// A whole number from here to there.
    Number(u64, u64),
    /// `"500ms"`, `"1h30m"`, or a number of seconds.
    Time,
    /// A number of bytes, or a string such as `"64MiB"`.
    Size,
    /// A string, a number or a truth value: what a variable may be set to.
    Scalar,
    /// One of these strings.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// A table with keys that the user chooses.
    Map(&'static Kind),
    /// A table with these keys.
    Table(&'static [Key]),
    /// Whichever of these it looks like.
    Either(&'static [Kind]),
}

/// A key of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it means, for editors.
    pub about: &'static str,
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, about }
}

const TEXTS: Kind = Kind::List(&Kind::Text);
const TEXT_OR_TEXTS: Kind = Kind::Either(&[Kind::Text, TEXTS]);
const CODES: Kind = Kind::List(&Kind::Number(0, 255));
const PORT: Kind = Kind::Number(1, 65535);
const OWN_PORT: Kind = Kind::Either(&[PORT, Kind::Switch]);
const COUNT: Kind = Kind::Number(0, u32::MAX as u64);
const MILLIS: Kind = Kind::Number(0, 1_000_000_000_000);

/// When in a run a process has its turn.
pub const PHASES: &[&str] = &["dependency", "main", "cleanup"];
/// How far another process must have come.
pub const MILESTONES: &[&str] = &["started", "ready", "completed"];
/// After which ends a process is started again.
pub const RESTARTS: &[&str] = &["no", "on-failure", "always"];
/// How pauses grow.
pub const BACKOFFS: &[&str] = &["fixed", "exponential"];
/// What follows an end.
pub const ENDS: &[&str] = &["stop-all", "ignore", "restart"];
/// Whose listener on a port makes a process ready.
pub const PORT_OWNERS: &[&str] = &["auto", "tree", "any"];
/// What follows something that was seen.
pub const ACTIONS: &[&str] = &["restart", "break", "notify"];
/// What follows a failure that was printed.
pub const FAILURE_ACTIONS: &[&str] = &["break", "restart"];
/// The colours of flags.
pub const COLORS: &[&str] = &["green", "red", "yellow", "blue", "purple", "orange"];
/// What a run may end after.
pub const STOP_AFTER: &[&str] = &["dependencies_ready", "main_started"];

/// The whole file.
pub const TOP: &[Key] = &[
    key("defaults", Kind::Table(DEFAULTS), "What holds for every process that says nothing else."),
    key("process", Kind::Map(&Kind::Table(PROCESS)), "The processes, by name."),
    key("hooks", Kind::Table(HOOKS), "Commands that are run when something happens."),
    key("crash", Kind::Table(CRASH), "Crash reports."),
    key("log", Kind::Table(LOG), "Where the log is and how much of it is kept."),
];

/// `[log]`.
pub const LOG: &[Key] = &[
    key("dir", Kind::Text, "The directory below which the log of this project is kept."),
    key("per_process", Kind::Size, "Bytes kept for each process; 0 keeps everything."),
    key("total", Kind::Size, "Bytes kept in all; 0 keeps everything."),
];

/// `[hooks]`.
pub const HOOKS: &[Key] = &[
    key("on_crash", Kind::Text, "Run when a process has crashed."),
    key("dependencies_ready", Kind::Text, "Run when all processes of phase dependency are ready."),
    key("main_started", Kind::Text, "Run when all processes of phase main have been started."),
    key("cleanup", Kind::Text, "Run before the processes of phase cleanup."),
    key("stop_after", Kind::Word(STOP_AFTER), "End the run when this hook is done."),
];

/// `[crash]`.
pub const CRASH: &[Key] = &[key("dir", Kind::Text, "The directory of the crash reports.")];

/// `[process.NAME]`.
pub const PROCESS: &[Key] = &[
    key("command", TEXT_OR_TEXTS, "The command: a string for the shell, or a list without one."),
    key("args", TEXT_OR_TEXTS, "What is appended to the command."),
    key("display", Kind::Text, "A name for people."),
    key("port", PORT, "The PORT it is told."),
    key("depends_on", DEPENDS_ON, "The processes it waits for, and until when."),
    DEFAULTS[0],
    DEFAULTS[1],
    DEFAULTS[2],
    DEFAULTS[3],
    DEFAULTS[4],
    DEFAULTS[5],
    DEFAULTS[6],
    DEFAULTS[7],
    DEFAULTS[8],
    DEFAULTS[9],
    DEFAULTS[10],
    DEFAULTS[11],
    DEFAULTS[12],
    DEFAULTS[13],
    DEFAULTS[14],
    DEFAULTS[15],
    DEFAULTS[16],
    DEFAULTS[17],
    DEFAULTS[18],
];

/// `[defaults]`: what may be said of all processes at once.
pub const DEFAULTS: &[Key] = &[
    key("cwd", Kind::Text, "The working directory, from the directory of this file."),
    key("env", ENV, "Variables: a table, or a list of \"NAME=value\"."),
    key("env_file", TEXT_OR_TEXTS, "Files with variables; each must exist."),
    key("add_path", TEXTS, "Directories put before PATH."),
    key("autostart", Kind::Switch, "false: it begins only when it is asked for."),
    key("group", Kind::Text, "A group that it belongs to."),
    key("groups", TEXTS, "Groups that it belongs to."),
    key("shell", Kind::Text, "The shell that runs its command."),
    key("phase", Kind::Word(PHASES), "When in a run it has its turn."),
    key("ready", READY, "What must be seen of it before it is ready."),
    key("live", Kind::Table(LIVE), "Whether it still works, asked again and again."),
    key("restart", RESTART, "When it is started again after an end."),
    key("on_exit", Kind::Word(ENDS), "What follows an end after which it is not started again."),
    key("success_exit_codes", CODES, "Exit codes besides 0 that are no failure."),
    key("soft_exit_codes", CODES, "Exit codes of failures that don't count."),
    key("stop", Kind::Table(STOP), "How it is stopped."),
    key("failure", Kind::List(&Kind::Table(FAILURE)), "What in its output means that it failed."),
    key("flag", Kind::List(&Kind::Table(FLAG)), "What in its output is counted and kept."),
    key("notify", Kind::Switch, "Whether its crashes are shown on the desktop."),
];

const ENV: Kind = Kind::Either(&[Kind::Map(&Kind::Scalar), TEXTS]);
const DEPENDS_ON: Kind = Kind::Either(&[TEXTS, Kind::Map(&Kind::Word(MILESTONES))]);
const READY: Kind =
    Kind::Either(&[Kind::Table(READY_CHECK), Kind::List(&Kind::Table(READY_CHECK))]);
const RESTART: Kind = Kind::Either(&[Kind::Word(RESTARTS), Kind::Table(RESTART_TABLE)]);

/// One item of `ready`.
pub const READY_CHECK: &[Key] = &[
    key("log", Kind::Text, "It has printed a line that matches this regular expression."),
    key("ignore_case", Kind::Switch, "With log: whatever the case."),
    key("literal", Kind::Switch, "With log: the text as it stands, no expression."),
    key("port", OWN_PORT, "Something takes connections at this port; true: at its PORT."),
    key("host", Kind::Text, "With port: where; 127.0.0.1 unless given."),
    key("owner", Kind::Word(PORT_OWNERS), "With port: whose listener counts; auto unless given."),
    key("http", Kind::Text, "A GET of this http:// address is answered with 200 to 399."),
    key("exec", Kind::Text, "This command ends with 0."),
    key("exit", Kind::Number(0, 255), "It has ended with this code."),
    key("delay", Kind::Time, "It has run for so long."),
    key("timeout", Kind::Time, "How long it may take; 60 seconds unless given."),
    key("timeout_ms", MILLIS, "The same in milliseconds."),
    key("every", Kind::Time, "The pause between two attempts; 250 ms unless given."),
    key("every_ms", MILLIS, "The same in milliseconds."),
];

/// `live`.
pub const LIVE: &[Key] = &[
    key("port", OWN_PORT, "Something takes connections at this port; true: at its PORT."),
    key("host", Kind::Text, "With port: where; 127.0.0.1 unless given."),
    key("http", Kind::Text, "A GET of this http:// address is answered with 200 to 399."),
    key("exec", Kind::Text, "This command ends with 0."),
    key("every", Kind::Time, "The pause between two attempts; 10 seconds unless given."),
    key("timeout", Kind::Time, "How long an answer may take; 2 seconds unless given."),
    key("failures", Kind::Number(1, 1_000_000), "How many in a row must fail; 3 unless given."),
    key("action", Kind::Word(ACTIONS), "What follows; restart unless given."),
];

/// `restart` as a table.
pub const RESTART_TABLE: &[Key] = &[
    key("policy", Kind::Word(RESTARTS), "After which ends."),
    key("delay", Kind::Time, "The pause before it; 1 second unless given."),
    key("delay_ms", MILLIS, "The same in milliseconds."),
    key("delay_seconds", COUNT, "The same in seconds."),
    key("backoff", Kind::Word(BACKOFFS), "Whether the pauses grow; fixed unless given."),
    key("max_delay", Kind::Time, "The longest pause; 30 seconds unless given."),
    key("max_failures", COUNT, "Failures in a row before it is broken; 10; 0 never gives up."),
    key("max_consecutive_failures", COUNT, "The same."),
    key("max_restarts", COUNT, "The same."),
    key("stable", Kind::Time, "How long a life must last to end a row of failures; 60 seconds."),
    key("failure_reset_seconds", COUNT, "The same in seconds."),
];

/// `stop`.
pub const STOP: &[Key] = &[
    key("signal", Kind::Text, "The signal that asks it to stop; INT unless given."),
    key("command", Kind::Text, "Run before the signal; its time is part of the timeout."),
    key("timeout", Kind::Time, "Then it is killed; 5 seconds unless given."),
];

/// `[[process.NAME.failure]]`.
pub const FAILURE: &[Key] = &[
    key("pattern", Kind::Text, "The text."),
    key("regex", Kind::Switch, "It is a regular expression."),
    key("ignore_case", Kind::Switch, "Whatever the case; true unless it is an expression."),
    key("action", Kind::Word(FAILURE_ACTIONS), "What follows; break unless given."),
];

/// `[[process.NAME.flag]]`.
pub const FLAG: &[Key] = &[
    key("name", Kind::Text, "Its name."),
    key("pattern", Kind::Text, "A regular expression."),
    key("ignore_case", Kind::Switch, "Whatever the case."),
    key("color", Kind::Word(COLORS), "The colour it is shown in; yellow unless given."),
    key("context_window", Kind::Number(0, 65535), "Lines kept before and behind each match."),
    key("context_window_size", Kind::Number(0, 65535), "The same."),
    key("target", Kind::Number(0, i64::MAX as u64), "More matches than these are too many."),
    key("target_count", Kind::Number(0, i64::MAX as u64), "The same."),
    key("on_match", Kind::Text, "A command that is run at a match."),
    key("notify", Kind::Switch, "Whether a match is shown on the desktop."),
    key("every", Kind::Time, "The shortest time between two of both; 1 second unless given."),
    key("action", Kind::Word(ACTIONS), "What else follows; notify unless given."),
];

impl Kind {
    /// What is expected, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "a text in quotes".into(),
            Self::Switch => "true or false".into(),
            Self::Number(least, most) if *most >= u64::from(u32::MAX) => {
                format!("a whole number from {least} on")
            }
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Time => "a time such as \"500ms\", \"2s\" or \"1m30s\"".into(),
            Self::Size => "a size such as \"64MiB\", or a number of bytes".into(),
            Self::Scalar => "a text, a number, true or false".into(),
            Self::Word(words) => quoted_list(words),
            Self::List(of) => format!("a list, each item {}", of.describe()),
            Self::Map(_) | Self::Table(_) => "a table".into(),
            Self::Either(kinds) => {
                kinds.iter().map(Self::describe).collect::<Vec<_>>().join(", or ")
            }
        }
    }
}

/// `"a", "b" or "c"`.
fn quoted_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some(_) | None => quoted.concat(),
    }
}
