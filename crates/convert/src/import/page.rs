//! The tables of `docs/COMING_FROM.md`.

use super::rows::Row;
use super::{compose, concurrently, foreman, mprocs, pm2, process_compose, supervisord};

/// A table of the page.
pub struct RowTable {
    /// The heading of the tool.
    pub title: &'static str,
    /// The heads of the two columns.
    pub heads: [&'static str; 2],
    /// Its rows.
    pub rows: &'static [Row],
}

/// All tables, in the order of the page.
pub fn tables() -> Vec<RowTable> {
    let table = |title, heads, rows| RowTable { title, heads, rows };
    vec![
        table("foreman", ["foreman", "tmo"], foreman::ROWS),
        table("process-compose", ["process-compose", "tmo.toml"], process_compose::ROWS),
        table("docker compose", ["compose", "tmo.toml"], compose::ROWS),
        table("pm2", ["ecosystem file", "tmo.toml"], pm2::ROWS),
        table("supervisord", ["`[program:x]`", "tmo.toml"], supervisord::ROWS),
        table("concurrently", ["concurrently", "tmo"], concurrently::ROWS),
        table("npm-run-all", ["npm-run-all", "tmo"], concurrently::NPM_RUN_ALL),
        table("mprocs", ["mprocs", "tmo"], mprocs::ROWS),
    ]
}

impl RowTable {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let [left, right] = self.heads;
        let rows = self.rows.iter().map(|Row(theirs, ours)| format!("| {theirs} | {ours} |\n"));
        format!("| {left} | {right} |\n|---|---|\n{}", rows.collect::<Vec<_>>().concat())
    }
}
