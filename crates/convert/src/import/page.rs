//! The tables of `docs/COMING_FROM.md`.

use super::rows::Row;
use super::tools::npm::{concurrently, run_all};
use super::tools::{compose, foreman, mprocs, pm2, process_compose, supervisord};

/// A table of `docs/COMING_FROM.md`.
pub struct RowTable {
    /// The heading of the tool.
    pub title: &'static str,
    heads: [&'static str; 2],
    rows: Vec<[&'static str; 2]>,
}

/// All tables, in the order of the page.
pub fn tables() -> Vec<RowTable> {
    fn table<C>(
        title: &'static str,
        heads: [&'static str; 2],
        rows: &'static [Row<C>],
    ) -> RowTable {
        RowTable {
            title,
            heads,
            rows: rows.iter().map(|Row(theirs, ours, _)| [*theirs, *ours]).collect(),
        }
    }
    vec![
        table("foreman", ["foreman", "tmo"], foreman::ROWS),
        table("process-compose", ["process-compose", "tmo.toml"], process_compose::ROWS),
        table("docker compose", ["compose", "tmo.toml"], compose::ROWS),
        table("pm2", ["ecosystem file", "tmo.toml"], pm2::ROWS),
        table("supervisord", ["`[program:x]`", "tmo.toml"], supervisord::ROWS),
        table("concurrently", ["concurrently", "tmo"], concurrently::ROWS),
        table("npm-run-all", ["npm-run-all", "tmo"], run_all::ROWS),
        table("mprocs", ["mprocs", "tmo"], mprocs::ROWS),
    ]
}

impl RowTable {
    pub fn markdown(&self) -> String {
        let [left, right] = self.heads;
        let rows = self.rows.iter().map(|[theirs, ours]| format!("| {theirs} | {ours} |\n"));
        format!("| {left} | {right} |\n|---|---|\n{}", rows.collect::<String>())
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().flat_map(|[theirs, _]| super::rows::keys(theirs))
    }
}
