//! mprocs: `mprocs.yaml`.

use crate::import::fields::{Fields, Placed};
use crate::import::files::SourceFiles;
use crate::import::format::ImportError;
use crate::import::node::{SourceNode, SourceValue, yaml};
use crate::import::process::{Imported, ImportedProcess, ProcessNames};
use crate::import::rows::{KeyResult, Row, Take, row};
use crate::import::values;
use crate::import::values::quoted;
use crate::model::text::shell;

/// What becomes of its keys.
pub(in crate::import) const ROWS: &[Row<ProcessNames>] = &[
    Row(
        "`procs: web: shell: \"…\"`, `cmd: […]`",
        "a line of the Procfile, or `command` in `tmo.toml`: a string or a list",
        &[Take::By(take_command)],
    ),
    Row(
        "`cwd`, `env`",
        "`cwd`, `env`; `env -u NAME` or `unset NAME` for a variable that is null",
        &[Take::Text("cwd", directory)],
    ),
    Row("`add_path`", "`add_path`", &[Take::List("add_path")]),
    Row("`autostart: false`", "the same", &[Take::If(false, "autostart", "false")]),
    Row(
        "`autorestart: true`",
        "`restart = { policy = \"always\", stable = \"1s\" }`",
        &[
            // Only an end within a second counts as a failure.
            Take::If(true, "restart", "{ policy = \"always\", stable = \"1s\" }"),
        ],
    ),
    Row(
        "`stop: SIGTERM`, `stop: hard-kill`",
        "`stop = { signal = \"TERM\" }`, `{ signal = \"KILL\" }`",
        &[Take::By(take_stop)],
    ),
    row("`stop: { send-keys: […] }`", "`stop = { command = \"tmo send web …\" }`"),
    row("`stop: { cmd: … }`", "`stop = { command = \"…\" }`"),
    row("`log`, `proc_log`", "- (everything is logged; `[log] dir` says where)"),
    Row("`deps`", "`depends_on`", &[Take::By(take_needs)]),
    row(
        "`mouse_scroll_speed`, `scrollback`, `scrollback_len`",
        "- (settings of tmux; the log has no such limit)",
    ),
    row(
        "`proc_list_width`, `proc_list_title`, `hide_keymap_window`, `keymap_procs`, `keymap_term`, `keymap_copy`",
        "- (`tmo ui` has keys of its own)",
    ),
    row(
        "the process list, and a pane for each process",
        "`tmo ui` ([UI.md](UI.md)): `Enter` opens a process, `c` gives it the terminal",
    ),
    row("key `r`, `x`, `s`", "in `tmo ui`: `r`, `s`, `S`"),
    row(
        "`--server`, `--ctl`, `server`, `on_all_finished`",
        "- (the control socket: [SCRIPTING.md](SCRIPTING.md))",
    ),
];

pub(in crate::import) fn import_procs(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let source = files.main()?;
    let mut top = Fields::new(selected(yaml(&source.text, &source.name)?), "")?;
    let mut imported = Imported::new("{ signal = \"TERM\" }");
    let procs = top.take("procs").ok_or_else(|| files.has_nothing("it has no `procs`"))?;
    let procs = procs.table("procs")?;
    let names = ProcessNames::new(procs.iter().map(|(name, _)| &**name));
    for (name, node) in procs {
        let mut process = ImportedProcess::new(&names.name_here(&name), node.place.clone());
        match node.value {
            // `web: npm start` and `web: ["npm", "start"]`
            SourceValue::Text(line) => process.set_text("command", &line, &node.place),
            SourceValue::List(_) => {
                let place = node.place.clone();
                process.set("command", values::command_words(&node.texts("procs")?), &place);
            }
            SourceValue::Null => process.leave(&node.place, &*name, "it has no command"),
            _ => Fields::new(node, "")?.take_over(ROWS, &names, &mut process)?,
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

/// Its command, without the variables that it is not to have, and the others.
fn take_command(_: &ProcessNames, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let env = fields.variables("env")?;
    let unset = env.iter().filter(|variable| variable.value.is_none());
    let unset: Vec<String> = unset.map(|variable| shell::quoted(&variable.name)).collect();
    if let Some(Placed { value: line, place }) = fields.text("shell")? {
        let unset = unset.iter().map(|name| format!("unset {name}; ")).collect::<Vec<_>>().concat();
        process.set_text("command", &(unset + &line), &place);
    } else if let Some(Placed { value: mut words, place }) = words(fields, "cmd")? {
        if !unset.is_empty() {
            let before = unset.into_iter().flat_map(|name| ["-u".to_owned(), name]);
            words.splice(0..0, std::iter::once("env".to_owned()).chain(before));
        }
        process.set("command", values::command_words(&words), &place);
    } else {
        process.leave(&fields.place, "shell", "there is none, so there is nothing to run");
    }
    for variable in env {
        process.set_variable(variable, false);
    }
    Ok(())
}

/// A path is one to the directory of the file.
fn directory(path: &str) -> String {
    quoted(&path.replace("<CONFIG_DIR>/", "").replace("<CONFIG_DIR>", "."))
}

fn take_needs(
    names: &ProcessNames,
    fields: &mut Fields,
    process: &mut ImportedProcess,
) -> KeyResult {
    if let Some(needs) = fields.texts("deps")? {
        let names = needs.value.iter().map(|name| (names.name_here(name), "started"));
        process.set("depends_on", values::depends_on(&names.collect::<Vec<_>>()), &needs.place);
    }
    Ok(())
}

/// A command as a list of words, or as a text that is split into them.
fn words(fields: &mut Fields, key: &str) -> Result<Option<Placed<Vec<String>>>, ImportError> {
    if !matches!(fields.get(key), Some(SourceNode { value: SourceValue::Text(_), .. })) {
        return fields.texts(key);
    }
    let Some(line) = fields.text(key)? else { return Ok(None) };
    let value = line.split_words(&format!("`{key}`"))?;
    Ok(Some(Placed { value, place: line.place }))
}

fn take_stop(_: &ProcessNames, fields: &mut Fields, process: &mut ImportedProcess) -> KeyResult {
    let Some(node) = fields.take("stop") else { return Ok(()) };
    let place = node.place.clone();
    match node.value {
        SourceValue::Text(word) if word == "hard-kill" => {
            process.set_text("stop.signal", "KILL", &place);
        }
        SourceValue::Text(word) => match values::signal(&word) {
            Some(signal) => process.set("stop.signal", signal, &place),
            None => process.leave(&place, format!("stop: {word}"), "tmo can't read this value"),
        },
        _ => {
            let mut fields = Fields::new(node, "stop")?;
            if let Some(keys) = fields.texts("send-keys")? {
                // `<C-c>` is what a signal says more simply.
                if keys.value.iter().all(|key| key.eq_ignore_ascii_case("<C-c>")) {
                    process.set_text("stop.signal", "INT", &place);
                } else if let Some(command) = typing_command(&keys.value, &process.name) {
                    process.set_text("stop.command", &command, &place);
                } else {
                    let what = format!("stop.send-keys: {}", keys.value.join(" "));
                    let why = "tmo send can't press one of these keys; stop = { command = … } may do it otherwise";
                    process.leave(&place, what, why);
                }
            }
            if let Some(line) = words(&mut fields, "cmd")? {
                let words = line.value.iter().map(|word| shell::quoted(word));
                let command = words.collect::<Vec<_>>().join(" ");
                process.set_text("stop.command", &command, &place);
            }
            fields.leave(ROWS, &mut process.left);
        }
    }
    Ok(())
}

/// The command that presses these keys; `None` if it can't press one of them.
fn typing_command(keys: &[String], name: &str) -> Option<String> {
    let mut text = keys.iter().map(|key| pressed(key)).collect::<Option<Vec<_>>>()?.concat();
    let enter = if text.ends_with('\r') { " --enter" } else { "" };
    text.truncate(text.len() - usize::from(!enter.is_empty()));
    if text.contains(char::is_control) {
        let octal = |c: char| match c {
            c if c.is_control() => format!("\\{:03o}", u32::from(c)),
            '%' => "%%".to_owned(),
            '\\' => r"\\".to_owned(),
            c => c.to_string(),
        };
        let text: String = text.chars().map(octal).collect();
        return Some(format!("printf {} | tmo send {name} -{enter}", shell::quoted(&text)));
    }
    Some(format!("tmo send {name} {}{enter}", shell::quoted(&text)))
}

/// What a terminal sends for a key: a character, or a name between angle brackets.
fn pressed(key: &str) -> Option<String> {
    let Some(name) = key.strip_prefix('<').and_then(|name| name.strip_suffix('>')) else {
        return Some(key.to_owned());
    };
    let lower = name.to_ascii_lowercase();
    if let Some(letter) = lower.strip_prefix("c-") {
        let [letter @ b'a'..=b'z'] = letter.as_bytes() else { return None };
        return Some(char::from(letter & 0x1f).to_string());
    }
    let text = match &*lower {
        "enter" => "\r",
        "esc" => "\u{1b}",
        "tab" => "\t",
        "space" => " ",
        "bs" => "\u{7f}",
        "up" => "\u{1b}[A",
        "down" => "\u{1b}[B",
        "right" => "\u{1b}[C",
        "left" => "\u{1b}[D",
        _ => return None,
    };
    Some(text.to_owned())
}
