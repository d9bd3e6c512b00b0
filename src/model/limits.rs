//! How much a project may hold. No person writes more; a file that does is a mistake or an attack,
//! and is refused by a message that names the limit.

/// The most processes of a run, and entries of a Procfile or of a table in `tmo.toml`.
pub const PROCESSES: usize = 10_000;

/// The most texts that are declared as failures of one process, and entries of a list in `tmo.toml`.
pub const LIST: usize = 1_000;

/// The most processes that `tmo graph` names for another one that waits for them by its phase; the
/// others are counted. All main processes wait for the same ones.
pub const WAITS: usize = 50;

/// How many names a message lists for one kind of mistake; the others are counted.
pub const TOLD: usize = 100;

/// How many mistakes are reported with a suggestion: finding one takes time.
pub const SUGGESTED: usize = 10;

/// The most bytes that the variables of all processes may come to, and the processes of a plan.
pub const TOTAL_BYTES: usize = 64 << 20;

/// About what a variable or an item of a list takes in memory besides its own bytes. Both are
/// counted.
pub const ITEM_BYTES: usize = 128;

/// The most env files that `TMO_ENV` may name.
pub const ENV_FILES: usize = 100;

/// The most bytes of env files that are read for a run: the files of one command, without those of
/// its processes.
pub const ENV_FILE_BYTES: usize = 8 << 20;

/// The most bytes of env files that are parsed for all processes together; a file of several
/// processes counts for each of them.
pub const PROCESS_ENV_BYTES: usize = 32 << 20;

/// The most bytes of a regular expression.
pub const EXPRESSION_BYTES: usize = 4 << 10;

/// The largest regular expression, in characters and ranges of characters when all repetitions are
/// written out.
pub const EXPRESSION: usize = 100_000;

/// The same for all expressions of a file together.
pub const EXPRESSIONS: usize = 500_000;

/// The same for all processes together: each has expressions of its own when it runs.
pub const PROCESS_EXPRESSIONS: usize = 2_000_000;
