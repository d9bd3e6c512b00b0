//! `tmo config`: shows the settings in effect for each process, and their sources.

use serde::Serialize;
use serde_json::Value;

use super::Versioned;
use super::args::PreviewArgs;
use super::error::CliError;
use super::start::Start;
use super::table::columns;
use crate::config::load::find_program;
use crate::model::ProcName;
use crate::model::rules::Hooks;
use crate::model::shell;
use crate::model::text::OsText;
use crate::model::untrusted::shown;
use crate::plan::{Explained, Settings, explain};

#[derive(Serialize)]
struct Document<'a> {
    processes: Vec<Process<'a>>,
    hooks: &'a Hooks,
    crash_dir: Option<&'a OsText>,
}

#[derive(Serialize)]
struct Process<'a> {
    name: &'a ProcName,
    settings: Vec<Explained>,
}

/// Print the settings of the named processes, or of all.
pub(super) fn config(args: PreviewArgs) -> Result<u8, CliError> {
    let mut start = Start::gather(args.start)?;
    // Here the names select what to show, not what to start.
    let names = std::mem::take(&mut start.typed.names);
    let plan = start.preview(&|name| find_program(&start.context, name))?;
    CliError::refuse_unknown(&names, plan.processes.iter().map(|process| &process.name))?;
    let (loaded, settings) =
        (start.context.load(&start.typed)?, Settings::of(&start.typed, &start.context.env)?);
    let wanted = |name: &ProcName| names.is_empty() || names.iter().any(|word| name.matches(word));
    let processes = plan.processes.iter().filter(|process| wanted(&process.name));
    let processes = processes.map(|process| Process {
        name: &process.name,
        settings: explain(&loaded, &settings, &plan, process),
    });
    let document = Document {
        processes: processes.collect(),
        hooks: &plan.hooks,
        crash_dir: plan.crash_dir.as_ref(),
    };
    if args.json {
        return super::print_json(&Versioned::new(document));
    }
    super::print(&table(&document.processes))
}

/// Three columns for each process: key, value, source.
fn table(processes: &[Process<'_>]) -> String {
    /// Longer cells do not widen their column, so that a long command does not shift all sources.
    const WIDEST: usize = 40;
    let row = |row: &Explained| {
        [format!("  {}", row.key), shown(&value(&row.value)).into_owned(), row.from.clone()]
    };
    let block = |process: &Process<'_>| {
        let rows: Vec<_> = process.settings.iter().map(row).collect();
        format!("{}\n{}", process.name, columns(&rows, WIDEST))
    };
    processes.iter().map(block).collect()
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
