//! Messages of a shell about the command that it was given.

use super::missing::{self, folder};
use super::{Findings, cut, last_lines, open, quoted};
use crate::crash::cause::CauseKind;
use crate::crash::expr::Expr;
use crate::model::Exit;
use crate::model::name::nearest;
use crate::model::text::shell::program_word;

/// A command that was not found, reported by dash, bash, zsh, fish, busybox, or env(1), within a
/// script or not; or by tmo itself for a command that runs without a shell. If the
/// shell was to run it with `exec`, most shells print `exec: ` before its name, busybox before the
/// line number.
static NOT_FOUND: [Expr; 9] = [
    Expr::new(
        r"^\S+: (?:exec: )?(?:line )?(?:\d+: )?(?:exec: )?([^:]+): (?:command |cannot execute: required file )?not found$",
    ),
    Expr::new(
        r"^\S*zsh?\S*: (?:command not found|no such file or directory|not a directory): (.+)$",
    ),
    Expr::new(r"^\S*zsh?\S*: ([^:]+): bad interpreter: "),
    Expr::new(r"^exec: Failed to execute process '(.+)': The file specified the interpreter"),
    Expr::new(r"^fish: Unknown command: (.+)$"),
    Expr::new(r#"^(?:\S*/)?env: [‘'"]?(.+?)[’'"]?: No such file or directory$"#),
    Expr::new(r"^\S*sh: (?:line \d+: )?(\S+): No such file or directory$"),
    Expr::new(r"^tmo: cannot run (.+): (?:No such file|Not a) (?:or )?directory$"),
    Expr::new(r"^bundler: command not found: (\S+)$"),
];

/// Features that bash has and sh does not.
const OF_BASH: [(&str, &str); 5] = [
    ("source", "write `.` for it, or set"),
    ("[[", "write `[` for it, or set"),
    ("pushd", "write `cd` for it, or set"),
    ("shopt", "set"),
    ("declare", "set"),
];

/// The same message within a script that continued: script, line and command.
static SURVIVED: Expr = Expr::new(
    r"^([^\s:]+): (?:exec: )?(?:line )?(\d+): (?:exec: )?([^:\s]+): (?:command )?not found$",
);

/// A script and a line number.
static SCRIPT: Expr = Expr::new(r"^([^\s:]+): (?:-c: )?(?:line )?(\d+): ");

static NO_LIBRARY: [Expr; 2] = [
    Expr::new(r"error while loading shared libraries: (\S+): cannot open shared object"),
    Expr::new(r"^dyld\S*: Library not loaded: (\S+)"),
];

static NOT_EXECUTABLE: [Expr; 6] = [
    Expr::new(r"^\S+: (?:exec: )?(?:line )?(?:\d+: )?(?:exec: )?([^:]+): Permission denied$"),
    Expr::new(r"^\S*zsh?\S*: permission denied: (.+)$"),
    Expr::new(
        r"^\S+: (?:exec: )?(?:line )?(?:\d+: )?(?:exec: )?([^:]+): (?:cannot execute|Exec format error|Is a directory)",
    ),
    Expr::new(r"^\S+: (?:line )?(?:\d+: )?([^:]+): \S+: bad interpreter"),
    Expr::new(r"^fish: Unknown command\. '(.+)' exists but is not an executable file"),
    // Must be last: the first expression would take this for a file called `cannot run …`.
    Expr::new(r"^tmo: cannot run (.+): [^:]+$"),
];

/// What tmo prints if a command could not begin: its directory, and why it can't be entered.
static NOT_ENTERED: Expr = Expr::new(r"^tmo: cannot enter (.+): ([^:]+)$");

static BAD_SYNTAX: [Expr; 4] = [
    Expr::new(r"^\S+: (?:\d+: )?Syntax error: "),
    Expr::new(r"^\S+: (?:-c: )?line \d+: (?:syntax error|unexpected EOF while looking)"),
    Expr::new(r"^\S*zsh\S*: (?:parse error|unmatched|no matches found|bad pattern)"),
    Expr::new(r"^\S+: (?:line )?(?:\d+: )?(?:Bad substitution|\S+: bad substitution)"),
];

/// The package of Debian with a program whose name is no typing error.
fn packaged_as(program: &str) -> Option<&str> {
    match program {
        "go" => Some("golang"),
        "java" => Some("default-jre"),
        "mvn" => Some("maven"),
        "node" => Some("nodejs"),
        "php" => Some("php-cli"),
        "psql" => Some("postgresql-client"),
        "composer" | "docker" | "npm" | "ruby" => Some(program),
        _ => None,
    }
}

/// The command that installs a program with a project's dependencies, if it is usually one of those.
fn brought_by(program: &str) -> Option<&'static str> {
    match program {
        "astro" | "concurrently" | "esbuild" | "jest" | "nest" | "next" | "nodemon" | "nuxt"
        | "parcel" | "remix" | "rollup" | "tailwindcss" | "ts-node" | "tsc" | "tsx" | "turbo"
        | "vite" | "webpack" => Some("npm install"),
        "puma" | "rackup" | "rails" | "rake" | "sidekiq" | "unicorn" => Some("bundle install"),
        "celery" | "daphne" | "flask" | "gunicorn" | "hypercorn" | "pytest" | "uvicorn" => {
            Some("pip install -r requirements.txt")
        }
        _ => None,
    }
}

pub(super) fn add_causes(found: &mut Findings<'_>) {
    match found.evidence.exit {
        Exit::Code(127) => {
            library(found);
            command(found);
        }
        Exit::Code(126) => {
            if !not_entered(found) {
                not_executable(found);
            }
        }
        Exit::Code(1..) => in_the_middle(found),
        Exit::Code(_) | Exit::Signal(_) => {}
    }
    for expr in &BAD_SYNTAX {
        let Some((at, line)) = found.last(expr) else { continue };
        let script = SCRIPT.groups(line).filter(|[path, _]| !is_shell(path));
        let what = script.map_or("the command", |[path, _]| found.evidence.shown_path(path));
        let text = format!("the shell does not understand {what}");
        let place = script.map(|[path, line]| found.evidence.place(path, line));
        let config = where_it_stands(found);
        found.add_line(94, at, CauseKind::BadSyntax, text).look_at(place, Some(config));
    }
}

/// A script that continued after a missing command and failed in the end.
fn in_the_middle(found: &mut Findings<'_>) {
    let Some((at, line)) = found.last(&SURVIVED) else { return };
    let Some([script, number, command]) = SURVIVED.groups(line) else { return };
    let text = format!("there is no command {}", cut(command));
    let place = (!is_shell(script)).then(|| found.evidence.place(script, number));
    let config = where_it_stands(found);
    found.add_line(50, at, CauseKind::CommandNotFound, text).look_at(place, Some(config));
}

/// The command that shows the command of the process and its place in the configuration, if it has one.
pub(super) fn where_it_stands(found: &Findings<'_>) -> String {
    if found.evidence.facts.is_command {
        return last_lines(found.evidence);
    }
    format!("tmo config {}", quoted(found.evidence.name.as_str()))
}

/// Whether the message begins with the name of the shell itself and not of a script.
fn is_shell(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ["sh", "bash", "dash", "ash", "zsh", "ksh", "fish"].contains(&name)
}

fn library(found: &mut Findings<'_>) {
    for expr in &NO_LIBRARY {
        if let Some((at, _, library)) = found.last_group(expr) {
            let text = format!("there is no shared library {library}");
            let next = if cfg!(target_os = "macos") { "brew doctor" } else { "ldconfig -p" };
            let base = library.rsplit('/').next().unwrap_or(library);
            let base = base.split(".so").next().unwrap_or(base);
            let next = format!("{next} | grep {}", quoted(base));
            found.add_line(98, at, CauseKind::LibraryNotFound, text).next = Some(next);
        }
    }
}

fn command(found: &mut Findings<'_>) {
    // The last message of the shell is the one about the end.
    let said = NOT_FOUND.iter().filter_map(|expr| found.last_group(expr));
    let Some((at, line, name)) = said.max_by_key(|(at, ..)| *at) else {
        // A program may also exit with 127 for another reason.
        let text = "it exited with code 127, as shells do for a command that they can't find";
        let next = where_it_stands(found);
        found.add(40, CauseKind::CommandNotFound, text.to_owned(), next);
        return;
    };
    let evidence = found.evidence;
    let name = name.trim().trim_matches(['\'', '"']);
    if let Some((text, next)) = missing::venv(evidence, name) {
        found.add_line(96, at, CauseKind::CommandNotFound, text).next = Some(next);
        return;
    }
    let script = name.strip_prefix("./").unwrap_or(name).trim_end_matches(r"\r");
    let is_there = name.contains('/') && evidence.has(script);
    let of_bash = OF_BASH.iter().find(|(builtin, _)| *builtin == name);
    let packaged = evidence.facts.packaged.iter().any(|packaged| packaged == name);
    let text = if let Some((_, instead)) = of_bash {
        format!("sh has no command {name}: {instead} `shell = \"bash\"` in tmo.toml")
    } else if packaged {
        format!(
            "{name} is in node_modules/.bin, not on the PATH: write `npx {name}` in the Procfile"
        )
    } else if let Some(name) = name.strip_suffix(r"\r") {
        format!(
            "there is no command {name} with a carriage return at its end: the file has CRLF line ends"
        )
    } else if is_there {
        format!("{} is there, but its first line names a missing program", evidence.path(name))
    } else if name.contains('/') {
        let path = evidence.path(name);
        format!("there is no file {path}, or its first line names a missing program")
    } else {
        let is_known = packaged_as(name).or(brought_by(name)).is_some();
        let near = near(name, &evidence.facts.programs).filter(|_| !is_known);
        let near = near.map_or(String::new(), |near| format!("; perhaps {near} is meant"));
        format!("there is no command {}{near}", cut(name))
    };
    let said = SURVIVED.groups(line).filter(|[script, _, _]| !is_shell(script));
    let place = said.map(|[script, number, _]| evidence.place(script, number));
    let next = if is_there {
        // Also a carriage return at its end is visible so.
        format!("head -n 1 {} | od -c", quoted(&evidence.path(script)))
    } else if name.contains('/') {
        format!("ls -l {}", quoted(folder(&evidence.path(script))))
    } else if packaged {
        // Typed, it would start a server beside the run.
        where_it_stands(found)
    } else {
        let brought = brought_by(name).map(|install| evidence.there(install));
        let has_apt = evidence.facts.programs.iter().any(|program| program == "apt-get");
        let package = packaged_as(name).filter(|_| has_apt);
        let next = brought
            .or_else(|| Some(format!("sudo apt-get install {}", package?)))
            .or_else(|| place.as_deref().map(open));
        next.unwrap_or_else(|| where_it_stands(found))
    };
    let cause = found.add_line(96, at, CauseKind::CommandNotFound, text);
    cause.next = Some(next);
    cause.place = place;
}

/// Whether the command could not begin in its directory.
fn not_entered(found: &mut Findings<'_>) -> bool {
    let Some((at, line)) = found.last(&NOT_ENTERED) else { return false };
    let Some([dir, why]) = NOT_ENTERED.groups(line) else { return false };
    let (kind, text) = if why.starts_with("No such file") {
        (CauseKind::MissingFile, format!("its directory {dir} does not exist"))
    } else {
        (CauseKind::NotExecutable, format!("its directory {dir} can't be entered: {why}"))
    };
    let next = format!("ls -ld {}", quoted(dir));
    found.add_line(98, at, kind, text).next = Some(next);
    true
}

fn not_executable(found: &mut Findings<'_>) {
    let said = NOT_EXECUTABLE.iter().filter_map(|expr| found.last_group(expr));
    let Some((at, line, name)) = said.max_by_key(|(at, ..)| *at) else {
        let name = program_word(&found.evidence.command).map(|(name, _)| name);
        let text = format!("{} can't be run", name.unwrap_or("one of its commands"));
        let next =
            name.map_or_else(|| where_it_stands(found), |name| format!("ls -l {}", quoted(name)));
        found.add(80, CauseKind::NotExecutable, text, next);
        return;
    };
    let why = if line.contains("bad interpreter") {
        "names a missing program in its first line"
    } else if line.contains("Not a directory") {
        "is not there: a part of its path is a file"
    } else if line.contains("directory") {
        "is a directory"
    } else if line.contains("ormat error") || line.contains("binary") {
        "is a program for another kind of machine, or has no `#!` line"
    } else {
        "is not executable"
    };
    let unmarked = line.ends_with("denied")
        || ["permission denied", "not an executable"].iter().any(|words| line.contains(words));
    let next = if unmarked {
        "chmod +x"
    } else if line.contains("bad interpreter") {
        "head -n 1"
    } else {
        "file"
    };
    let name = found.evidence.path(name);
    let (text, next) = (format!("{name} {why}"), format!("{next} {}", quoted(&name)));
    found.add_line(96, at, CauseKind::NotExecutable, text).next = Some(next);
}

/// A program whose name differs by one typing error, or by two after the same two letters.
fn near<'p>(name: &str, programs: &'p [String]) -> Option<&'p str> {
    let length = name.chars().count();
    let most = if length < 4 { 1 } else { 2 };
    let near = programs.iter().map(String::as_str).filter(|program| {
        program.chars().next() == name.chars().next()
            && program.chars().count().abs_diff(length) <= most
    });
    let near = near.map(|program| (nearest::edits(name, program), program));
    let near = near.filter(|(edits, _)| (1..=most).contains(edits));
    let near = near.filter(|(edits, program)| *edits == 1 || program.get(..2) == name.get(..2));
    near.min_by_key(|(edits, program)| (*edits, program.len())).map(|(_, program)| program)
}
