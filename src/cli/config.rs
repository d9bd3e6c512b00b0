//! `tmo config`: what is in force for each process, and who says so.

use std::ffi::OsStr;
use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use super::args::ConfigArgs;
use super::error::CliError;
use super::start::Start;
use super::start::tell::tell_all;
use crate::config::load::find_program;
use crate::model::ProcName;
use crate::model::rules::Hooks;
use crate::model::shell;
use crate::model::text::OsText;
use crate::model::untrusted::shown;
use crate::plan::{Explained, Settings, explain};

/// The version of what `--json` prints.
const API: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    api: u32,
    processes: Vec<Process<'a>>,
    hooks: &'a Hooks,
    crash_dir: Option<&'a OsText>,
}

#[derive(Serialize)]
struct Process<'a> {
    name: &'a ProcName,
    settings: Vec<Explained>,
}

/// Print it; of processes that are named, or of all.
pub(super) fn config(args: ConfigArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let mut start = Start::gather(args.start)?;
    // Here they say what is to be told, not what is to begin.
    let names = std::mem::take(&mut start.typed.names);
    let mut warnings: Vec<String> =
        start.context.warnings.iter().map(ToString::to_string).collect();
    let find = |name: &OsStr| find_program(&start.context, name);
    let plan = start.resolve_with(&find, &mut warnings, false);
    tell_all(&warnings);
    let plan = plan?;
    let known: Vec<ProcName> = plan.processes.iter().map(|process| process.name.clone()).collect();
    if let Some(name) = names.iter().find(|name| !known.iter().any(|known| known.matches(name))) {
        return Err(CliError::unknown(name, &known));
    }
    let (loaded, settings) =
        (start.context.load(&start.typed)?, Settings::of(&start.typed, &start.context.env)?);
    let wanted = |name: &ProcName| names.is_empty() || names.iter().any(|word| name.matches(word));
    let processes = plan.processes.iter().filter(|process| wanted(&process.name));
    let processes = processes.map(|process| Process {
        name: &process.name,
        settings: explain(&loaded, &settings, &plan, process),
    });
    let document = Document {
        api: API,
        processes: processes.collect(),
        hooks: &plan.hooks,
        crash_dir: plan.crash_dir.as_ref(),
    };
    if args.json {
        return super::print_json(&document, out);
    }
    super::print(out, &table(&document.processes))
}

/// Three columns for each process: the key, its value, who says so.
fn table(processes: &[Process<'_>]) -> String {
    let mut lines = vec![];
    for process in processes {
        let rows: Vec<(&str, String, &str)> = process
            .settings
            .iter()
            .map(|row| (row.key, shown(&value(&row.value)).into_owned(), row.from.as_str()))
            .collect();
        let width = |of: &dyn Fn(&(&str, String, &str)) -> usize| rows.iter().map(of).max();
        let keys = width(&|row| row.0.len()).unwrap_or_default();
        // A long command does not push all the others away.
        let values = width(&|row| row.1.chars().count()).unwrap_or_default().min(40);
        lines.push(process.name.to_string());
        for (key, value, from) in &rows {
            lines.push(format!("  {key:keys$}  {value:values$}  {from}"));
        }
    }
    lines.join("\n") + "\n"
}

/// A value as it might stand in a `tmo.toml`.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(|item| shell::quoted(&self::value(item))).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
