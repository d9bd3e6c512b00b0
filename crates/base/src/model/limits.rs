//! Limits on the size of a project. Real projects stay far below them. A file that exceeds one is a mistake
//! or an attack, and is refused with a message that names the limit.

/// Maximum number of processes in a run, and of entries in a Procfile or in a table of `tmo.toml`.
pub const PROCESSES: usize = 10_000;

/// Maximum number of failure strings of one process, and of entries in a list of `tmo.toml`.
pub const LIST: usize = 1_000;

/// Maximum number of processes that `tmo graph` names as a process's dependencies by phase; the rest are
/// only counted. All main processes have the same ones.
pub const WAITS: usize = 50;

/// Maximum number of names that a message lists for one kind of mistake; the rest are only counted.
pub const TOLD: usize = 100;

/// Maximum number of mistakes reported with a suggestion, because finding one takes time.
pub const SUGGESTED: usize = 40;

/// Maximum total size in bytes of the variables of all processes, and of the processes in a plan.
pub const TOTAL_BYTES: usize = 64 << 20;

/// Approximate memory overhead of a variable or list item, which is counted in addition to its own bytes.
pub const ITEM_BYTES: usize = 128;

/// Maximum number of env files in `TMO_ENV`.
pub const ENV_FILES: usize = 100;

/// Maximum total size in bytes of the env files of a run, not counting those of single processes.
pub const ENV_FILE_BYTES: usize = 8 << 20;

/// Maximum total size in bytes of the env files parsed for all processes; a file used by several processes
/// counts once for each.
pub const PROCESS_ENV_BYTES: usize = 32 << 20;

/// Maximum number of file watchers that a project names.
pub const WATCHERS: usize = 16;

/// Maximum length of a regular expression in bytes.
pub const EXPRESSION_BYTES: usize = 4 << 10;

/// Maximum size of a regular expression in characters and character ranges, with all repetitions expanded.
pub const EXPRESSION: usize = 100_000;

/// The same limit for all expressions of a file together.
pub const EXPRESSIONS: usize = 500_000;

/// The same limit for all processes together, since each running process has its own copy.
pub const PROCESS_EXPRESSIONS: usize = 2_000_000;
