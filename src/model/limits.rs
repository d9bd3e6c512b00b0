//! How much a project may hold. No person writes more; a file that does is a mistake or an attack,
//! and is refused by a message that names the limit.

/// The most processes of a run, and entries of a Procfile or of a table in `tmo.toml`.
pub const PROCESSES: usize = 10_000;

/// The most texts that are declared as failures of one process, and entries of a list in `tmo.toml`.
pub const LIST: usize = 1_000;
