//! mprocs: `mprocs.yaml`.

use super::error::ImportError;
use super::fields::{Fields, Placed, is_true};
use super::files::SourceFiles;
use super::node::{SourceNode, SourceValue, Variable, yaml};
use super::process::{Imported, ImportedProcess, ProcessNames};
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
    Row("`cwd`, `env`", "`cwd`, `env`; `env -u NAME` or `unset NAME` for a variable that is null"),
    Row("`add_path`", "`add_path`"),
    Row("`autostart: false`", "the same"),
    Row("`autorestart: true`", "`restart = { policy = \"always\", stable = \"1s\" }`"),
    Row(
        "`stop: SIGTERM`, `stop: hard-kill`",
        "`stop = { signal = \"TERM\" }`, `{ signal = \"KILL\" }`",
    ),
    Row("`stop: { send-keys: […] }`", "`stop = { command = \"tmo send web …\" }`"),
    Row("`stop: { cmd: … }`", "`stop = { command = \"…\" }`"),
    Row("`log`, `proc_log`", "- (everything is logged; `[log] dir` says where)"),
    Row("`deps`", "`depends_on`"),
    Row(
        "`mouse_scroll_speed`, `scrollback`, `scrollback_len`",
        "- (settings of tmux; the log has no such limit)",
    ),
    Row(
        "`proc_list_width`, `proc_list_title`, `hide_keymap_window`, `keymap_procs`, `keymap_term`, `keymap_copy`",
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
    let procs = procs.table("procs")?;
    let names = ProcessNames::new(procs.iter().map(|(name, _)| &**name));
    for (name, node) in procs {
        let mut process = ImportedProcess::new(&names.of(&name), node.place.clone());
        match node.value {
            // `web: npm start` and `web: ["npm", "start"]`
            SourceValue::Text(line) => process.set_text("command", &line, &node.place),
            SourceValue::List(_) => {
                let place = node.place.clone();
                process.set("command", values::of_words(&node.texts("procs")?), &place);
            }
            SourceValue::Null => process.leave(&node.place, &*name, "it has no command"),
            _ => read_process(Fields::of(node, "")?, &names, &mut process)?,
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

fn read_process(
    mut fields: Fields,
    names: &ProcessNames,
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let env = fields.variables("env")?;
    let (unset, env): (Vec<_>, Vec<_>) = env.into_iter().partition(|of| of.value.is_none());
    command(&mut fields, &unset, process)?;
    for variable in env {
        process.set_variable(variable, false);
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
        // Only an end within a second counts as a failure.
        let restart = values::restart("always", &[("stable", quoted("1s"))]);
        process.set("restart", restart, &on.place);
    }
    if let Some(needs) = fields.texts("deps")? {
        let place = needs.place.clone();
        let needs: Vec<_> = needs.value.iter().map(|name| (names.of(name), "started")).collect();
        process.set("depends_on", values::depends_on(&needs), &place);
    }
    if let Some(node) = fields.take("stop") {
        stop(node, process)?;
    }
    fields.leave_at(ROWS, process);
    Ok(())
}

/// Its command, without these variables.
fn command(
    fields: &mut Fields,
    unset: &[Variable],
    process: &mut ImportedProcess,
) -> Result<(), ImportError> {
    let unset = unset.iter().map(|variable| shell::quoted(&variable.name));
    if let Some(Placed { value: line, place }) = fields.text("shell")? {
        let unset = unset.map(|name| format!("unset {name}; ")).collect::<Vec<_>>().concat();
        process.set_text("command", &(unset + &line), &place);
    } else if let Some(Placed { value: mut words, place }) = words(fields, "cmd")? {
        if unset.len() > 0 {
            let before = unset.flat_map(|name| ["-u".to_owned(), name]);
            words.splice(0..0, std::iter::once("env".to_owned()).chain(before));
        }
        process.set("command", values::of_words(&words), &place);
    } else {
        process.leave(&fields.place, "shell", "there is none, so there is nothing to run");
    }
    Ok(())
}

/// A command as a list of words, or as a text that is split into them.
fn words(fields: &mut Fields, key: &str) -> Result<Option<Placed<Vec<String>>>, ImportError> {
    let text = fields.get(key).and_then(|node| match &node.value {
        SourceValue::Text(text) => Some(text.clone()),
        _ => None,
    });
    let Some(mut words) = fields.texts(key)? else { return Ok(None) };
    if let Some(text) = text {
        let unclosed = |_| words.place.error(format!("a quote in `{key}` is not closed"));
        words.value = shell_words::split(&text).map_err(unclosed)?;
    }
    Ok(Some(words))
}

fn stop(node: SourceNode, process: &mut ImportedProcess) -> Result<(), ImportError> {
    let place = node.place.clone();
    let mut settings = StopSettings::default();
    match node.value {
        SourceValue::Text(word) if word == "hard-kill" => settings.signal = Some(quoted("KILL")),
        SourceValue::Text(word) => {
            settings.signal = values::signal(&word);
            if settings.signal.is_none() {
                process.leave(&place, format!("stop: {word}"), "tmo can't read this value");
            }
        }
        _ => {
            let mut fields = Fields::of(node, "stop")?;
            if let Some(keys) = fields.texts("send-keys")? {
                // `<C-c>` is what a signal says more simply.
                if keys.value.iter().all(|key| key.eq_ignore_ascii_case("<C-c>")) {
                    settings.signal = Some(quoted("INT"));
                } else {
                    settings.command = typed(&keys.value, &process.name);
                    if settings.command.is_none() {
                        let what = format!("stop.send-keys: {}", keys.value.join(" "));
                        let why = "tmo send can't press one of these keys; stop = { command = … } may do it otherwise";
                        process.leave(&place, what, why);
                    }
                }
            }
            if let Some(line) = words(&mut fields, "cmd")? {
                let words = line.value.iter().map(|word| shell::quoted(word));
                settings.command = Some(words.collect::<Vec<_>>().join(" "));
            }
            fields.leave_at(ROWS, process);
        }
    }
    settings.set(process, &place);
    Ok(())
}

/// The command that presses these keys; `None` if it can't press one of them.
fn typed(keys: &[String], name: &str) -> Option<String> {
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
