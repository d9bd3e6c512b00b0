//! `tmo config`: shows the settings in effect for each process, and their sources.

use serde::Serialize;
use serde_json::Value;

use crate::cli::args::PreviewArgs;
use crate::cli::error::CliError;
use crate::cli::output::table::columns;
use crate::cli::output::{self, Versioned};
use crate::cli::project::input::Start;
use crate::config::load::find_program;
use crate::model::plan::ProcessPlan;
use crate::model::rules::Hooks;
use crate::model::text::OsText;
use crate::model::untrusted::shown;
use crate::model::{ProcName, shell};
use crate::plan::{Explained, explain, explain_backend};

#[derive(Serialize)]
struct ConfigDocument<'a> {
    backend: Explained,
    processes: Vec<ProcessSettings<'a>>,
    hooks: &'a Hooks,
    crash_dir: Option<&'a OsText>,
}

#[derive(Serialize)]
struct ProcessSettings<'a> {
    name: &'a ProcName,
    settings: Vec<Explained>,
}

/// Print the settings of the named processes, or of all.
pub(in crate::cli) fn config(args: PreviewArgs) -> Result<u8, CliError> {
    let mut start = Start::gather(args.start)?;
    // Here the names select what to show, not what to start.
    let names = std::mem::take(&mut start.typed.names);
    let plan = start.preview(&|name| find_program(&start.context, name))?;
    CliError::refuse_unknown(&names, plan.processes.iter())?;
    let (loaded, mut settings) = (start.context.load(&start.typed)?, start.settings()?);
    settings.spread_groups(&loaded)?;
    let wanted = |process: &&ProcessPlan| {
        names.is_empty() || names.iter().any(|word| process.is_meant(word))
    };
    let processes = plan.processes.iter().filter(wanted);
    let processes = processes.map(|process| ProcessSettings {
        name: &process.name,
        settings: explain(&loaded, &settings, &plan, process),
    });
    let document = ConfigDocument {
        backend: explain_backend(&loaded.toml, &settings),
        processes: processes.collect(),
        hooks: &plan.hooks,
        crash_dir: plan.crash_dir.as_ref(),
    };
    if args.json {
        return output::print_json(&Versioned::new(document));
    }
    let of_run = if names.is_empty() { table("", [&document.backend]) } else { String::new() };
    let block = |process: &ProcessSettings<'_>| {
        format!("{}\n{}", process.name, table("  ", &process.settings))
    };
    output::print(&(of_run + &document.processes.iter().map(block).collect::<String>()))
}

/// Three columns, after this indent: key, value, source.
fn table<'a>(indent: &str, rows: impl IntoIterator<Item = &'a Explained>) -> String {
    /// Longer cells do not widen their column, so that a long command does not shift all sources.
    const WIDEST: usize = 40;
    let row = |row: &Explained| {
        [format!("{indent}{}", row.key), shown(&value(&row.value)).into_owned(), row.from.clone()]
    };
    columns(&rows.into_iter().map(row).collect::<Vec<_>>(), WIDEST)
}

/// A value in the syntax of `tmo.toml`.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(|item| shell::quoted(&self::value(item))).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => toml(value),
    }
}

/// The same for a nested value: `[{ log = "up", timeout = "5s" }]`.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(words) => {
            let words = words.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", words.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
