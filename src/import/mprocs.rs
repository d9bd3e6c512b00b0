//! mprocs: `mprocs.yaml`.

use super::error::ImportError;
use super::fields::{Fields, is_true};
use super::files::SourceFiles;
use super::node::{SourceNode, SourceValue, yaml};
use super::process::{Imported, ImportedProcess};
use super::rows::Row;
use super::toml_text::{list, quoted};
use super::values::{self, StopSettings};
use crate::model::shell;

/// What becomes of its keys.
pub(super) const ROWS: &[Row] = &[
    Row(
        "`procs: web: shell: \"…\"`, `cmd: […]`",
        "a line of the Procfile, or `command` in `tmo.toml`: a string or a list",
    ),
    Row("`cwd`, `env`", "`cwd`, `env`"),
    Row("`add_path`", "`add_path`"),
    Row("`autostart: false`", "the same"),
    Row("`autorestart: true`", "`restart = \"always\"`"),
    Row(
        "`stop: SIGTERM`, `stop: hard-kill`",
        "`stop = { signal = \"TERM\" }`, `{ signal = \"KILL\" }`",
    ),
    Row("`stop: { send-keys: […] }`", "`stop = { command = \"tmo send web …\" }`"),
    Row("`log`", "- (everything is logged)"),
    Row("`deps`", "`depends_on`"),
    Row("`mouse_scroll_speed`, `scrollback`", "- (settings of tmux; the log has no such limit)"),
    Row(
        "`proc_list_width`, `hide_keymap_window`, `keymap_procs`, `keymap_term`, `keymap_copy`",
        "- (`tmo ui` has keys of its own)",
    ),
    Row(
        "the process list, and a pane for each process",
        "`tmo ui` ([UI.md](UI.md)): `Enter` opens a process, `c` gives it the terminal",
    ),
    Row("key `r`, `x`, `s`", "in `tmo ui`: `r`, `s`, `S`"),
    Row(
        "`--server`, `--ctl`, `server`, `on_all_finished`",
        "- (the control socket: [SCRIPTING.md](SCRIPTING.md))",
    ),
];

pub(super) fn read(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let source = files.main()?;
    let mut top = Fields::of(selected(yaml(&source.text, &source.name)?), "")?;
    let mut imported = Imported::default();
    imported.default_to("on_exit", "\"ignore\"");
    imported.default_to("stop", "{ signal = \"TERM\" }");
    let procs = top.take("procs").ok_or_else(|| ImportError::Empty {
        file: source.name.to_string(),
        why: "it has no `procs`".to_owned(),
    })?;
    for (name, node) in procs.table("procs")? {
        let mut process = ImportedProcess::new(&name, node.place.clone());
        match node.value {
            // `web: npm start` and `web: ["npm", "start"]`
            SourceValue::Text(line) => process.set_text("command", &line, &node.place),
            SourceValue::List(_) => {
                let place = node.place.clone();
                process.set("command", values::of_words(&node.texts("procs")?), &place);
            }
            _ => read_process(Fields::of(node, "")?, &mut process)?,
        }
        imported.processes.push(process);
    }
    top.leave(ROWS, &mut imported.left);
    Ok(imported)
}

/// A tree in which the values for this system take the place of `{$select: os, linux: …, $else: …}`.
fn selected(node: SourceNode) -> SourceNode {
    let SourceNode { place, value } = node;
    let value = match value {
        SourceValue::Table(mut entries) if entries.iter().any(|(key, _)| key == "$select") => {
            let named = |name: &str| entries.iter().position(|(key, _)| key == name);
            let chosen = named(std::env::consts::OS).or_else(|| named("$else"));
            return match chosen {
                Some(at) => selected(entries.swap_remove(at).1),
                None => SourceNode { place, value: SourceValue::Null },
            };
        }
        SourceValue::Table(entries) => SourceValue::Table(
            entries.into_iter().map(|(key, node)| (key, selected(node))).collect(),
        ),
        SourceValue::List(items) => SourceValue::List(items.into_iter().map(selected).collect()),
        other => other,
    };
    SourceNode { place, value }
}

fn read_process(mut fields: Fields, process: &mut ImportedProcess) -> Result<(), ImportError> {
    if let Some(line) = fields.text("shell")? {
        process.set_text("command", &line.value, &line.place);
    }
    if let Some(words) = fields.texts("cmd")? {
        process.set("command", values::of_words(&words.value), &words.place);
    }
    if let Some(dir) = fields.text("cwd")? {
        // A path is one to the directory of the file.
        let dir_here = dir.value.replace("<CONFIG_DIR>/", "").replace("<CONFIG_DIR>", ".");
        process.set_text("cwd", &dir_here, &dir.place);
    }
    if let Some(paths) = fields.texts("add_path")? {
        process.set("add_path", list(&paths.value), &paths.place);
    }
    if let Some(on) = fields.text("autostart")?
        && !is_true(&on.value)
    {
        process.set("autostart", "false".to_owned(), &on.place);
    }
    if let Some(on) = fields.text("autorestart")?
        && is_true(&on.value)
    {
        process.set_text("restart", "always", &on.place);
    }
    if let Some(needs) = fields.texts("deps")? {
        let place = needs.place.clone();
        let needs: Vec<_> = needs
            .value
            .iter()
            .map(|name| (super::process::process_name(name), "started"))
            .collect();
        process.set("depends_on", values::depends_on(&needs), &place);
    }
    if let Some(SourceNode { value: SourceValue::Table(variables), place }) = fields.take("env") {
        for (name, node) in variables {
            if matches!(node.value, SourceValue::Null) {
                let why =
                    "a variable can't be taken away here; `env -u` in front of the command does it";
                process.leave(&node.place, format!("env.{name}"), why);
            } else {
                let place = node.place.clone();
                let value = Some(node.text("env")?);
                process.set_variable(super::node::Variable { name, value, place }, false);
            }
        }
        let _ = place;
    }
    if let Some(node) = fields.take("stop") {
        stop(node, process)?;
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

fn stop(node: SourceNode, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let place = node.place.clone();
    let mut settings = StopSettings::default();
    match node.value {
        SourceValue::Text(word) if word == "hard-kill" => settings.signal = Some(quoted("KILL")),
        SourceValue::Text(word) => settings.signal = values::signal(&word),
        _ => {
            let mut fields = Fields::of(node, "stop")?;
            if let Some(keys) = fields.texts("send-keys")? {
                // `<C-c>` is what a signal says more simply.
                if keys.value.iter().all(|key| key.eq_ignore_ascii_case("<C-c>")) {
                    settings.signal = Some(quoted("INT"));
                } else {
                    let typed: String =
                        keys.value.iter().filter(|key| !key.starts_with('<')).cloned().collect();
                    let enter = keys.value.iter().any(|key| key.eq_ignore_ascii_case("<Enter>"));
                    let enter = if enter { " --enter" } else { "" };
                    let name = &process.name;
                    settings.command =
                        Some(format!("tmo send {name} {}{enter}", shell::quoted(&typed)));
                }
            }
            fields.leave_at(ROWS, process);
        }
    }
    settings.set(process, &place);
    Ok(())
}
