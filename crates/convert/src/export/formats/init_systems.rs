//! Services of runit, agents of launchd and jobs of upstart.

use std::fmt::Write as _;
use std::time::Duration;

use super::checks;
use crate::export::files::{ExportedFile, MARK_HERE};
use crate::export::format::ExportFormat;
use crate::export::gaps;
use crate::export::project::{ExportOptions, ExportedProcess, ExportedProject};
use crate::model::plan::rules::Restart;
use crate::model::text::shell::quoted;

/// A file of a runit service: its name, and its text if the process needs it.
type RunitFile = (&'static str, fn(&ExportedProject, &ExportedProcess) -> Option<String>);

const RUNIT_FILES: [RunitFile; 6] = [
    ("run", |project, process| Some(runit_run(project, process))),
    ("finish", |_, process| runit_finish(process)),
    ("check", |_, process| {
        let checks = process.ready.iter();
        let checks = checks.map(|check| format!("{{ {}; }} || exit 1\n", checks::command(check)));
        (!process.ready.is_empty()).then(|| script(&checks.collect::<String>()))
    }),
    ("down", |_, process| {
        let text =
            format!("# {MARK_HERE}\n# It is not started with the others; `sv up` starts it.\n");
        (!process.begins).then_some(text)
    }),
    ("control/t", runit_stop),
    ("log/run", |project, process| {
        let dir = quoted(&format!("{}/{}", project.log, process.unit));
        Some(script(&format!("mkdir -p {dir}\nexec svlogd -tt {dir}\n")))
    }),
];

pub(in crate::export) fn runit(project: &ExportedProject) -> Vec<ExportedFile> {
    let mut files = vec![];
    for (name, text) in RUNIT_FILES {
        files.extend(project.running().filter_map(|process| {
            let file =
                ExportedFile::new(format!("{}/{name}", process.unit), text(project, process)?);
            Some(if name == "down" { file } else { file.program() })
        }));
    }
    files
}

fn script(body: &str) -> String {
    format!("#!/bin/sh\n# {MARK_HERE}\n{body}")
}

fn runit_run(project: &ExportedProject, process: &ExportedProcess) -> String {
    let user =
        project.user.as_ref().map_or_else(String::new, |user| format!(" -u {}", quoted(user)));
    script(&format!(
        "{}exec 2>&1\ncd {} || exit 1\nexport PATH={}\nexec env {} \\\n    chpst -P{user} {}\n",
        comments(ExportFormat::Runit, process),
        quoted(&process.cwd),
        quoted(&project.path),
        process.assignments(),
        process.shell_words()
    ))
}

fn runit_finish(process: &ExportedProcess) -> Option<String> {
    let stop = "sv -w 0 down \"$(pwd)\"";
    let codes = process.rules.success_codes.iter().map(|code| format!("|{code}"));
    let codes = codes.collect::<Vec<_>>().concat();
    let delay = Duration::from_millis(process.restart.delay_ms).as_secs_f64();
    let body = match process.restart.when {
        Restart::Always => return None,
        Restart::OnFailure => {
            format!("case $1 in\n0{codes}) {stop} ;;\n*) sleep {delay:?} ;;\nesac\n")
        }
        Restart::No => format!("{stop}\n"),
    };
    let why = "# runsv restarts whatever ends, unless it is told to keep it down.\n";
    Some(script(&format!("{why}{body}")))
}

fn runit_stop(project: &ExportedProject, process: &ExportedProcess) -> Option<String> {
    let command = process.stop_command.as_ref().map(|command| {
        format!(
            "(\n    cd {} || exit 1\n    export PATH={}\n    env {} \\\n        /bin/sh -c {}\n)\n",
            quoted(&process.cwd),
            quoted(&project.path),
            process.assignments(),
            quoted(command)
        )
    });
    let signal = &process.stop_signal;
    (signal != "TERM" || command.is_some()).then(|| {
        let kill = format!("kill -s {signal} -- \"-$(cat supervise/pid)\"\n");
        script(&(command.unwrap_or_default() + &kill))
    })
}

/// The gaps of a process as lines of comments.
fn comments(format: ExportFormat, process: &ExportedProcess) -> String {
    let gaps = gaps::gaps_of(format, &ExportOptions::default(), process);
    gaps.map(|gap| format!("# {}\n", gap.comment())).collect::<Vec<_>>().concat()
}

pub(in crate::export) fn launchd(project: &ExportedProject) -> Vec<ExportedFile> {
    let file = |process: &ExportedProcess| {
        ExportedFile::new(format!("{}.plist", process.unit), launch_agent(project, process))
    };
    project.running().map(file).collect()
}

fn launch_agent(project: &ExportedProject, process: &ExportedProcess) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<!-- {MARK_HERE} -->\n"
    );
    for gap in gaps::gaps_of(ExportFormat::Launchd, &ExportOptions::default(), process) {
        let _ = writeln!(text, "<!-- {} -->", xml(&gap.comment()));
    }
    text.push_str("<plist version=\"1.0\">\n<dict>\n");
    let string = |text: &str| format!("<string>{}</string>", xml(text));
    let mut key = |name: &str, value: &str| {
        let _ = writeln!(text, "  <key>{name}</key>{value}");
    };
    let words = process.argv.iter().map(|word| format!("    {}\n", string(word)));
    let path = ("PATH", project.path.as_str());
    let variables = process.env.iter().map(|one| (one.name.as_str(), one.value.as_str()));
    let variables = std::iter::once(path)
        .chain(variables)
        .map(|(name, value)| format!("    <key>{}</key>{}\n", xml(name), string(value)));
    let log = string(&format!("{}/{}.log", project.log, process.unit));
    let seconds = |ms: u64| format!("<integer>{}</integer>", ms.div_ceil(1000));
    key("Label", &string(&process.unit));
    key("ProgramArguments", &format!("\n  <array>\n{}  </array>", words.collect::<String>()));
    key("WorkingDirectory", &string(&process.cwd));
    key("EnvironmentVariables", &format!("\n  <dict>\n{}  </dict>", variables.collect::<String>()));
    if let Some(user) = &project.user {
        key("UserName", &string(user));
    }
    key("RunAtLoad", &format!("<{}/>", process.begins));
    match process.restart.when {
        Restart::Always => key("KeepAlive", "<true/>"),
        Restart::OnFailure => {
            key("KeepAlive", "<dict><key>SuccessfulExit</key><false/></dict>");
        }
        Restart::No => {}
    }
    key("ThrottleInterval", &seconds(process.restart.delay_ms));
    key("ExitTimeOut", &seconds(process.stop_timeout_ms));
    key("StandardOutPath", &log);
    key("StandardErrorPath", &log);
    text + "</dict>\n</plist>\n"
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(in crate::export) fn upstart(project: &ExportedProject) -> Vec<ExportedFile> {
    let app = &project.app;
    let shared = format!(
        "# {MARK_HERE}\n# Nothing that runs upstart is left to try these files on.\n\
         start on runlevel [2345]\nstop on runlevel [!2345]\n"
    );
    let jobs = project.running().map(|process| {
        ExportedFile::new(format!("{}.conf", process.unit), upstart_job(project, process))
    });
    std::iter::once(ExportedFile::new(format!("{app}.conf"), shared)).chain(jobs).collect()
}

fn upstart_job(project: &ExportedProject, process: &ExportedProcess) -> String {
    let app = &project.app;
    let comments = comments(ExportFormat::Upstart, process);
    let mut text = format!("# {MARK_HERE}\n{comments}");
    if process.begins {
        let _ = writeln!(text, "start on starting {app}");
    }
    let _ = writeln!(text, "stop on stopping {app}");
    if process.is_task() {
        text.push_str("task\n");
    } else if process.restart.when != Restart::No {
        text.push_str("respawn\n");
    }
    if process.restart.when == Restart::OnFailure {
        let codes: Vec<_> = process.rules.success_codes.iter().map(u8::to_string).collect();
        let _ = writeln!(text, "normal exit 0 {}", codes.join(" "));
    }
    if let Some(user) = &project.user {
        let _ = writeln!(text, "setuid {}", quoted(user));
    }
    let _ = write!(
        text,
        "chdir {}\nkill signal {}\nkill timeout {}\nscript\n    export PATH={}\n    exec env {} \\\n        {}\nend script\n",
        quoted(&process.cwd),
        process.stop_signal,
        process.stop_timeout_ms.div_ceil(1000),
        quoted(&project.path),
        process.assignments(),
        process.shell_words()
    );
    text
}
