//! Checks what a process needs to start: its directory, program, script and environment. None of them is run.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::findings::Report;
use crate::cli::project::input::Start;
use crate::crash::evidence;
use crate::journal::Dirs;
use crate::journal::search::access::RunHistory;
use crate::model::plan::process_env::process_env;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::text::OsText;
use crate::model::text::shell::program_word;
use crate::model::units;
use crate::sys::why;

/// Programs whose first argument is a file to run.
const INTERPRETERS: [&str; 9] =
    ["python", "python3", "node", "ruby", "perl", "php", "bash", "sh", "zsh"];

/// Check the processes that were named.
pub(super) fn check_named(report: &mut Report, start: &Start, plan: &Plan) {
    for process in
        plan.present().filter(|process| start.typed.names.iter().any(|word| process.is_meant(word)))
    {
        let env = process_env(plan, process);
        let dir = process.cwd.as_ref().unwrap_or(&plan.root).as_path();
        check_log(report, start, plan, process);
        if check_directory(report, process, dir) {
            check_program(report, process, dir, &env);
        }
        check_environment(report, process, dir, &env);
    }
}

/// Where to read what it has printed.
fn check_log(report: &mut Report, start: &Start, plan: &Plan, process: &ProcessPlan) {
    const CHECK: &str = "log";
    let name = &process.name;
    let dirs = Dirs::of_run(plan, start.runtime.dir());
    match RunHistory::of(dirs).printed(name) {
        Ok(0) => report.note(CHECK, format!("{name} has printed nothing here yet")),
        Ok(bytes) => {
            let commands = format!("`tmo logs {name}`, `tmo why {name}`");
            report.ok(CHECK, format!("{name} has printed {}: {commands}", units::bytes(bytes)));
        }
        Err(error) => {
            report.fail(CHECK, format!("the log of {name} can't be read: {}", why(&error)));
        }
    }
}

fn check_directory(report: &mut Report, process: &ProcessPlan, dir: &Path) -> bool {
    const CHECK: &str = "directory";
    let name = &process.name;
    let can_enter = std::fs::metadata(dir).and_then(|found| {
        if !found.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(access(dir, AccessFlags::X_OK)?)
    });
    match can_enter {
        Ok(()) => report.ok(CHECK, format!("{name} runs in {}", dir.display())),
        Err(ref error) => {
            let text = format!("{name} can't run in {}: {}", dir.display(), why(error));
            report.fail_so(CHECK, text, "create it, or correct its `cwd`");
        }
    }
    can_enter.is_ok()
}

/// Check its program, and the script that the program runs.
fn check_program(report: &mut Report, process: &ProcessPlan, dir: &Path, env: &[(OsText, OsText)]) {
    const CHECK: &str = "program";
    let name = &process.name;
    let whole = process.command.to_string();
    let (behind, command) = evidence::behind_cd(&dir.to_string_lossy(), &whole);
    let dir = if process.argv.is_none() { Path::new(&behind) } else { dir };
    let words = match &process.argv {
        Some(argv) => argv.first().map(|word| (word.as_path(), argv.get(1).map(OsText::as_path))),
        None => {
            program_word(command).map(|(word, argument)| (Path::new(word), argument.map(Path::new)))
        }
    };
    let Some((word, argument)) = words else {
        let text = "so that is not looked for";
        return report.note(CHECK, format!("only the shell knows what it runs for {name}, {text}"));
    };
    let has_path = word.components().count() > 1;
    let path = env.iter().find(|(name, _)| name.as_bytes() == b"PATH");
    let found = which::which_in(word, path.map(|(_, path)| path.as_os_str()), dir);
    match found {
        Ok(path) => report.ok(CHECK, format!("{name} runs {}", path.display())),
        Err(_) if has_path => {
            let problem = can_run(&dir.join(word));
            let text = format!("{name} can't run {}: {}", word.display(), why(&problem));
            let todo = if problem.kind() == ErrorKind::PermissionDenied {
                format!("`chmod +x {}`", word.display())
            } else {
                "correct its command, or install or build that".to_owned()
            };
            return report.fail_so(CHECK, text, &todo);
        }
        Err(_) if process.argv.is_none() => {
            let text =
                format!("{name} runs `{}`, which is in no directory of its PATH", word.display());
            return report.note(CHECK, text + "; install it, unless it is a word of the shell");
        }
        Err(_) => {
            let text = format!("{} of {name} is in no directory of its PATH", word.display());
            return report.fail_so(CHECK, text, "install it, or add its directory (`add_path`)");
        }
    }
    let interprets =
        word.file_name().and_then(OsStr::to_str).is_some_and(|name| INTERPRETERS.contains(&name));
    let is_file =
        |word: &&Path| word.extension().is_some() && !word.to_string_lossy().starts_with('-');
    if let Some(script) = argument.filter(is_file).filter(|_| interprets) {
        check_script(report, process, &dir.join(script), script);
    }
}

/// Check the file that an interpreter runs, by its path and as the command names it.
fn check_script(report: &mut Report, process: &ProcessPlan, path: &Path, shown: &Path) {
    const CHECK: &str = "script";
    let name = &process.name;
    let shown = shown.display();
    match access(path, AccessFlags::R_OK) {
        Ok(()) => report.ok(CHECK, format!("{name} runs {shown}")),
        Err(error) => {
            let text = format!("{name} can't run {shown}: {}", why(&error.into()));
            report.fail_so(CHECK, text, "correct its command, or make that readable");
        }
    }
}

/// Why this file can't be executed.
fn can_run(path: &Path) -> std::io::Error {
    match std::fs::metadata(path) {
        Err(error) => error,
        Ok(found) if found.is_dir() => ErrorKind::IsADirectory.into(),
        Ok(_) => ErrorKind::PermissionDenied.into(),
    }
}

/// Check its virtual environment, and name the variables that are its own.
fn check_environment(
    report: &mut Report,
    process: &ProcessPlan,
    dir: &Path,
    env: &[(OsText, OsText)],
) {
    const CHECK: &str = "environment";
    let name = &process.name;
    let venv = env.iter().find(|(variable, _)| variable.as_bytes() == b"VIRTUAL_ENV");
    if let Some((_, venv)) = venv
        && !dir.join(venv.as_path()).is_dir()
    {
        let text =
            format!("the virtual environment {} of {name} is not there", venv.as_path().display());
        return report.fail_so(CHECK, text, "create it (`python3 -m venv`), or correct its path");
    }
    let own: Vec<_> = process.env.iter().map(|(name, _)| name.to_string()).collect();
    let own =
        if own.is_empty() { String::new() } else { format!(", of its own: {}", own.join(", ")) };
    report.ok(CHECK, format!("{name} gets {} variables{own}", env.len()));
}
