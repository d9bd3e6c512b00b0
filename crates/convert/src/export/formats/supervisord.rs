//! A configuration of supervisord, which expands `%`, begins a comment at ` ;` and ` #`, joins lines, and knows no
//! escapes in `environment`.

use std::fmt::Write as _;

use crate::export::files::{ExportedFile, MARK_HERE};
use crate::export::format::ExportFormat;
use crate::export::gaps;
use crate::export::gaps::is_identifier;
use crate::export::project::{ExportOptions, ExportedProcess, ExportedProject, ExportedVariable};
use crate::model::plan::rules::Restart;
use crate::model::text::shell::quoted;

pub(in crate::export) fn write(project: &ExportedProject) -> Vec<ExportedFile> {
    let app = &project.app;
    let log = unexpanded(&project.log);
    let mut text = format!(
        "; {MARK_HERE}\n[supervisord]\nnodaemon=true\nlogfile={log}/supervisord.log\n\
         pidfile={log}/supervisord.pid\n\n[unix_http_server]\nfile={log}/supervisor.sock\nchmod=0700\n\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n\
         [supervisorctl]\nserverurl=unix://{log}/supervisor.sock\n"
    );
    for process in project.running() {
        text.push('\n');
        for gap in gaps::gaps_of(ExportFormat::Supervisord, &ExportOptions::default(), process) {
            let _ = writeln!(text, "; {}", gap.comment());
        }
        for (key, value) in program(project, process) {
            let _ = match key {
                "program" => writeln!(text, "[program:{value}]"),
                key => writeln!(text, "{key}={value}"),
            };
        }
    }
    let units: Vec<&str> = project.running().map(|process| process.unit.as_str()).collect();
    let _ = write!(text, "\n[group:{app}]\nprograms={}\n", units.join(","));
    vec![ExportedFile::new(format!("{app}.conf"), text)]
}

/// The keys of a program with their values, after its name.
fn program(project: &ExportedProject, process: &ExportedProcess) -> Vec<(&'static str, String)> {
    let path = unexpanded(&project.path);
    let restarts = match process.restart.when {
        Restart::Always => "true",
        Restart::OnFailure => "unexpected",
        Restart::No => "false",
    };
    let codes = process.rules.success_codes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let mut keys = vec![
        ("program", process.unit.clone()),
        ("command", command(process)),
        ("directory", unexpanded(&process.cwd)),
        ("environment", format!("PATH=\"{path}\",{}", environment(process))),
    ];
    keys.extend(project.user.iter().map(|user| ("user", unexpanded(user))));
    keys.push(("autostart", process.begins.to_string()));
    keys.push(("autorestart", restarts.to_owned()));
    keys.extend((!codes.is_empty()).then(|| ("exitcodes", format!("0,{codes}"))));
    keys.extend([
        ("startsecs", u8::from(!process.is_task()).to_string()),
        ("stopsignal", process.stop_signal.clone()),
        ("stopwaitsecs", process.stop_timeout_ms.div_ceil(1000).to_string()),
        ("stopasgroup", true.to_string()),
        ("killasgroup", true.to_string()),
        ("redirect_stderr", true.to_string()),
        ("stdout_logfile", format!("{}/{}.log", unexpanded(&project.log), process.unit)),
    ]);
    keys
}

/// The value of `command`. Variables that `environment` can't express are set by its shell.
fn command(process: &ExportedProcess) -> String {
    let mut script = String::new();
    for variable in settable(process).filter(|variable| !is_plain(variable)) {
        let _ = write!(script, "export {}={}; ", variable.name, quoted(&variable.value));
    }
    if script.is_empty() && process.argv.iter().all(|word| !word.contains(char::is_control)) {
        return process.argv.iter().map(|word| quoted_word(word)).collect::<Vec<_>>().join(" ");
    }
    let _ = write!(script, "exec {}", process.shell_words());
    // All of it in one line of harmless characters, which printf brings back.
    let mut text = String::new();
    for byte in script.bytes() {
        if byte.is_ascii_alphanumeric() || b" /.,:=_-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\\\0{byte:03o}");
        }
    }
    format!("/bin/sh -c \"eval \\\"$(printf '%%b' '{text}')\\\"\"")
}

/// The value of `environment`, without PATH.
fn environment(process: &ExportedProcess) -> String {
    let plain = settable(process).filter(|variable| is_plain(variable));
    let entries =
        plain.map(|variable| format!("{}=\"{}\"", variable.name, unexpanded(&variable.value)));
    entries.collect::<Vec<_>>().join(",")
}

/// The variables whose names supervisord and a shell know.
fn settable(process: &ExportedProcess) -> impl Iterator<Item = &ExportedVariable> {
    process.env.iter().filter(|variable| is_identifier(&variable.name))
}

/// Whether a value stays what it is between quotes.
fn is_plain(variable: &ExportedVariable) -> bool {
    let value = &variable.value;
    let is_comment = value.contains(" ;") || value.contains(" #");
    !is_comment && !value.contains(|c: char| c == '"' || c == '\'' || c.is_control())
}

fn unexpanded(value: &str) -> String {
    value.replace('%', "%%")
}

/// A word as a shell's lexer reads it, with no comment in it.
fn quoted_word(word: &str) -> String {
    if !word.is_empty()
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-=:,@+".contains(c))
    {
        return word.to_owned();
    }
    let text = unexpanded(&word.replace('\\', "\\\\").replace('"', "\\\""));
    let text = text.replace(" ;", " \"\";").replace(" #", " \"\"#");
    format!("\"{text}\"")
}
